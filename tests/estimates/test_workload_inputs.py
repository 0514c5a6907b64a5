"""What a workload leaves out of the configuration: from the ledger's means, from a profile, or not at all."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ledger.estimates.history.profile import Profile, ProfileRow
from tests.helpers.workloads import LITE, MILLION, OPEN, PRO, Project, in_usd, tea


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def profile(*rows: ProfileRow, days: str = "30") -> Profile:
    return Profile(since="2026-01-01T00:00:00Z", until="2026-01-31T00:00:00Z", days=days, workloads=list(rows))


def row(**changes: Any) -> ProfileRow:
    facts: dict[str, Any] = {
        "project": "support",
        "model": LITE,
        "requests": 700,
        "mean_input_tokens": 1_000,
        "mean_output_tokens": 50,
        "p90_output_tokens": 80,
        "cached_share": "0.25",
    }
    return ProfileRow(**facts | changes)


def test_without_figures_output_and_month_count_as_nothing(project: Project) -> None:
    project.write({"a.md": tea(1_000)})
    entry = project.one(OPEN)
    assert (entry.output_basis, entry.prompts[0].output_tokens, entry.requests_per_month) == ("none", 0, 0)
    assert (entry.usd_per_request, entry.usd_per_month) == (in_usd(Fraction(1_000 * 6, MILLION)), "0")
    assert entry.warnings == [
        "no output_tokens are given, nor a ledger or profile that knows them: output counts as 0",
        "no requests_per_month is given, nor a profile that knows it: the month counts as 0",
    ]


def test_a_profile_says_what_the_configuration_leaves_out(project: Project) -> None:
    project.write({"a.md": tea(1_000)})
    entry = project.one(OPEN, profile=profile(row(), row(model=PRO, requests=1), days="7.5"))
    [prompt] = entry.prompts
    assert entry.requests_per_month == 700 * 30 / 7.5
    assert (entry.output_basis, prompt.output_tokens, prompt.max_output_tokens) == ("profile", 50, 80)
    assert prompt.cached_input_tokens == 250
    # Input 6, cached 1.2, output 36; the share is of each end, and the worst case of output at the high one.
    assert prompt.usd == in_usd(Fraction(750 * 60 + 250 * 12 + 50 * 360, 10 * MILLION))
    assert prompt.usd_low == in_usd(Fraction(600 * 60 + 200 * 12 + 50 * 360, 10 * MILLION))
    assert prompt.usd_high == in_usd(Fraction(900 * 60 + 300 * 12 + 80 * 360, 10 * MILLION))
    assert entry.warnings == []


def test_the_configuration_comes_before_ledger_and_profile(project: Project) -> None:
    project.write({"a.md": tea(1_000), "p.md": tea(10)})
    text = f"{OPEN}requests_per_month = 5\noutput_tokens = 7\ncached_input_tokens = 0\n".replace("*.md", "a.md")
    entry = project.one(text, profile=profile(row()), means=lambda _model, _project: 9)
    [prompt] = entry.prompts
    assert (entry.requests_per_month, entry.output_basis, prompt.output_tokens) == (5, "given", 7)
    assert (prompt.max_output_tokens, prompt.cached_input_tokens) == (None, 0)
    text = OPEN.replace("*.md", "a.md") + 'cached_prefix = "p.md"\n'
    assert project.one(text, profile=profile(row())).prompts[0].cached_input_tokens == 10


def test_the_ledgers_mean_output_comes_before_the_profiles(project: Project) -> None:
    project.write({"a.md": tea(1_000)})
    asked = []

    def means(model: str, project: str | None) -> int | None:
        asked.append((model, project))
        return {"support": 60, None: 70}.get(project)

    entry = project.one(OPEN, profile=profile(row()), means=means)
    assert (entry.output_basis, entry.prompts[0].output_tokens, entry.prompts[0].max_output_tokens) == (
        "ledger",
        60,
        80,
    )
    everywhere = project.one(OPEN.replace('project = "support"\n', ""), means=means)
    assert (everywhere.output_basis, everywhere.prompts[0].output_tokens) == ("ledger", 70)
    assert everywhere.prompts[0].max_output_tokens is None
    other = project.one(OPEN.replace("support", "search"), profile=profile(row(project="search")), means=means)
    assert (other.output_basis, other.prompts[0].output_tokens) == ("profile", 50)
    assert set(asked) == {(LITE, "support"), (LITE, None), (LITE, "search")}


@pytest.mark.parametrize(("p90", "most"), [(40, 50), (90, 90), (128_001, 128_000)])
def test_the_worst_case_is_not_below_the_mean_nor_beyond_the_card(project: Project, p90: int, most: int) -> None:
    project.write({"a.md": tea(1_000)})
    entry = project.one(OPEN, profile=profile(row(p90_output_tokens=p90)))
    assert entry.prompts[0].max_output_tokens == most


@pytest.mark.parametrize(
    ("mean", "shown"),
    [(1_199, "1,200 to 1,800"), (1_200, None), (1_800, None), (1_801, "1,200 to 1,800"), (0, "1,200 to 1,800")],
)
def test_input_that_the_ledger_saw_and_the_files_lack_is_told(project: Project, mean: int, shown: str | None) -> None:
    project.write({"a.md": tea(1_000), "b.md": tea(2_000)})  # 800 to 1,200 and 1,600 to 2,400
    found = project.one(OPEN, profile=profile(row(mean_input_tokens=mean))).warnings
    told = f"the profile's mean input of {mean:,} tokens is outside the {shown} counted: "
    assert found == ([] if shown is None else [f"{told}give what is added at run time as extra_input_tokens"])
    assert (
        project.one(f"{OPEN}extra_input_tokens = 3_000", profile=profile(row(mean_input_tokens=4_500))).warnings == []
    )


def test_workloads_that_share_a_row_of_the_profile_are_told_so(project: Project) -> None:
    project.write({"a.md": tea(1_000)})
    texts = [OPEN.replace('"w"', f'"{name}"') for name in "abc"]
    document = project.estimate("".join(texts) + "requests_per_month = 5\n", profile=profile(row()))
    assert [entry.requests_per_month for entry in document.workloads] == [700, 700, 5]
    said = "takes all that the profile has, as does another workload of its project and model: give requests_per_month"
    assert [entry.warnings for entry in document.workloads] == [[said], [said], []]
    document = project.estimate("".join(texts), profile=profile(row()))
    assert "as do 2 other workloads of its" in document.workloads[0].warnings[0]


def test_a_workload_without_a_project_takes_all_of_them(project: Project) -> None:
    project.write({"a.md": tea(1_000)})
    text = OPEN.replace('project = "support"\n', "")
    entry = project.one(text, profile=profile(row(), row(project="search", requests=300)))
    assert entry.requests_per_month == 700 + 300
    assert entry.warnings == [f"takes the requests of all projects that use {LITE} from the profile: name its project"]
