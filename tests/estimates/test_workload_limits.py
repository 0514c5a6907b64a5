"""Limits of a workload, at their edges, and prompts that are longer than the card prices."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from ledger.estimates.workloads.document import WorkloadEntry
from tests.helpers.workloads import LITE, MILLION, Project, in_usd, tea


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def limited(project: Project, *lines: str) -> WorkloadEntry:
    """36,000 and 72,000 tokens at 9 credits for 1M: 0.0045 and 0.009 USD, 0.00675 in the mean, 6.75 for 1,000."""
    project.write({"short.md": tea(36_000), "long.md": tea(72_000)})
    return project.one("\n".join(['prompts = ["*.md"]', *lines]).replace("requests = ", "requests_per_month = "))


@pytest.mark.parametrize(
    ("limit", "shown", "passed"),
    [("0.009", "0.009usd", True), ("0.008999999", "0.008999999usd", False), ("1", "1usd", True), ("0", "0usd", False)],
)
def test_the_dearest_request_is_held_against_the_limit(project: Project, limit: str, shown: str, passed: bool) -> None:
    entry = limited(project, f"max_usd_per_request = {limit}")
    [gate] = entry.gates
    assert (gate.name, gate.limit, gate.value, gate.level) == ("max_usd_per_request", shown, "0.009usd", "fail")
    assert (gate.passed, entry.status) == (passed, "ok" if passed else "over_limit")
    assert entry.usd_per_request == "0.00675"


@pytest.mark.parametrize(("limit", "passed"), [("6.75", True), ('"6.750000000"', True), ("6.749999999", False)])
def test_the_month_is_held_against_the_limit(project: Project, limit: str, passed: bool) -> None:
    project.write({"short.md": tea(36_000), "long.md": tea(72_000)})
    entry = project.one(
        f'[[workload]]\nname = "w"\nmodel = "{LITE}"\nprompts = ["*.md"]\noutput_tokens = 0\n'
        f"requests_per_month = 1_000\nmax_usd_per_month = {limit}\n"
    )
    [gate] = entry.gates
    assert (gate.name, gate.value, gate.passed) == ("max_usd_per_month", "6.75usd", passed)
    assert entry.status == ("ok" if passed else "over_limit")
    assert entry.usd_per_month == "6.75"


def test_a_month_that_is_not_known_keeps_within_no_limit(project: Project) -> None:
    project.write({"a.md": tea(36_000)})
    entry = project.one(
        f'[[workload]]\nname = "w"\nmodel = "{LITE}"\nprompts = ["a.md"]\noutput_tokens = 0\nmax_usd_per_month = 9\n'
    )
    [gate] = entry.gates
    assert (gate.value, gate.passed, entry.status, entry.usd_per_month) == (None, False, "over_limit", "0")


def test_limits_are_held_against_figures_as_they_are_printed(project: Project) -> None:
    """1 token at 6 credits for 1M is 83.333… billionths of a USD, printed as 83."""
    project.write({"a.md": tea(1)})
    [gate] = project.one('prompts = ["a.md"]\nmax_usd_per_request = 0.000000083').gates
    assert (gate.limit, gate.value, gate.passed) == ("0.000000083usd", "0.000000083usd", True)


def test_a_limit_that_is_broken_leaves_the_workload_its_price(project: Project) -> None:
    entry = limited(project, "max_usd_per_request = 0.001", "max_usd_per_month = 100")
    assert [gate.passed for gate in entry.gates] == [False, True]
    assert (entry.status, entry.usd_per_request) == ("over_limit", "0.00675")
    assert entry.warnings == []


def test_beyond_the_top_tier_is_over_limit_and_the_rest_is_priced(project: Project) -> None:
    project.write({"a.md": tea(10), "b.md": tea(11)})
    workload = f'[[workload]]\nname = "{{}}"\nmodel = "{LITE}"\noutput_tokens = 0\nrequests_per_month = 10\n'
    document = project.estimate(
        workload.format("long")
        + 'prompts = ["*.md"]\nextra_input_tokens = 255_990\nmax_usd_per_request = 9\nmax_usd_per_month = 9\n'
        + workload.format("short")
        + 'prompts = ["b.md"]\n'
    )
    long, short = document.workloads
    assert long.status == "over_limit"
    fits, beyond = long.prompts
    assert (fits.input_tokens, fits.tier, fits.usd) == (
        256_000,
        256_000,
        in_usd(Fraction(256_000 * 18, MILLION)),
    )
    assert (beyond.input_tokens, beyond.tier, beyond.amount) == (256_001, None, None)
    assert (beyond.usd, beyond.usd_low, beyond.usd_high) == (None, None, None)
    assert "256,001 input tokens are beyond the 256,000" in beyond.warnings[0]
    assert [(gate.name, gate.limit, gate.value, gate.passed) for gate in long.gates] == [
        ("max_usd_per_request", "9usd", None, False),
        ("max_usd_per_month", "9usd", None, False),
        ("max_input_tokens", "256000", "256001", False),
    ]
    assert (long.usd_per_request, long.amount_per_month, long.usd_per_month) == (None, None, None)
    assert (long.usd_per_month_low, long.usd_per_month_high) == (None, None)
    assert long.warnings == [
        "a prompt is longer than the card prices: the workload has no price, and the total is without it"
    ]
    assert (short.status, short.usd_per_month) == ("ok", in_usd(Fraction(10 * 11 * 6, MILLION)))
    assert (document.total.usd, document.total.amount) == (short.usd_per_month, "0.00066")


def test_nothing_but_workloads_beyond_the_card_is_a_total_of_nothing(project: Project) -> None:
    project.write({"a.md": tea(1)})
    document = project.estimate('prompts = ["a.md"]\nextra_input_tokens = 256_000')
    total = document.total
    assert (total.amount, total.usd, total.usd_low, total.usd_high) == ("0", "0", "0", "0")


def test_a_range_that_crosses_a_tier_is_told_with_the_prompt(project: Project) -> None:
    project.write({"a.md": tea(1_000)})
    [prompt] = project.one('prompts = ["a.md"]\nextra_input_tokens = 31_000').prompts
    assert (prompt.input_tokens_low, prompt.input_tokens, prompt.input_tokens_high) == (31_800, 32_000, 32_200)
    assert prompt.tier == 32_000
    [warning] = prompt.warnings
    assert "31,800 to 32,200 input tokens crosses 32,000" in warning
    assert f"{in_usd(Fraction(32_000 * 6, MILLION))} USD at 32,000" in warning
    assert f"{in_usd(Fraction(32_001 * 9, MILLION))} USD at 32,001" in warning
