"""The whole loop in a temporary git repository: main, a branch, `diff --base-ref main`, and what CI makes of it."""

from __future__ import annotations

import json
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import junitparser
import pytest

from pricing.estimating.tokens import count_tokens
from tests.conftest import Cli
from tests.helpers.git import Repository, new_repository

PRO, LITE = "doubao-seed-2.0-pro", "doubao-seed-2.0-lite"
CONFIG = f"""
[[workload]]
name = "summarise"
model = "{PRO}"
project = "search"
prompts = ["prompts/summarise.md"]
output_tokens = 500
requests_per_month = 1000

[[workload]]
name = "chat"
model = "{LITE}"
prompts = ["prompts/chat/*.md"]
parts = ["prompts/system.md"]
output_tokens = 200
requests_per_month = 10_000
"""
CARD = f"""
provider = "evolink"
currency = "CRD"
per_tokens = 1_000_000
[[model]]
id = "{PRO}"
[[model.price]]
effective_from = 2026-02-01
tiers = [
  {{ up_to = 32_000, input = "INPUT", cached_input = "6.4", output = "160" }},
  {{ up_to = 128_000, input = "48", cached_input = "6.4", output = "240" }},
]
"""
LONG = "word " * 31_000


@pytest.fixture(autouse=True)
def _no_ci_around_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def repository(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """On a branch `feature` that has changed nothing yet."""
    made = new_repository(tmp_path, monkeypatch)
    made.write("tollbook.toml", CONFIG)
    made.write("card.toml", CARD.replace("INPUT", "32"))
    made.write("prompts/summarise.md", LONG)
    made.write("prompts/system.md", "Answer in one sentence.\n")
    made.write("prompts/chat/hello.md", "hello " * 300)
    made.write("prompts/chat/bye.md", "bye " * 500)
    made.commit()
    made.git("checkout", "--quiet", "-b", "feature")
    return made


def diff(cli: Cli, *options: str) -> Any:
    return cli("diff", "--base-ref", "main", "--json", *options).ok().json


def changes(found: Any) -> dict[str, list[str]]:
    return {workload["name"]: workload["changes"] for workload in found["workloads"]}


def statuses(found: Any) -> dict[str, str]:
    return {workload["name"]: workload["status"] for workload in found["workloads"]}


def test_from_a_branch_to_a_gate(cli: Cli, repository: Repository) -> None:
    unchanged = cli("diff", "--base-ref", "main", "--fail-increase", "0%").ok()
    assert unchanged.stderr == ""

    longer = LONG + "more " * 2_000
    repository.commit(**{"prompts/summarise__md": longer})
    found = cli("diff", "--base-ref", "main", "--json").ok()
    assert "summarise moves from tier 32,000 to 128,000" in found.stderr
    summarise, chat = found.json["workloads"]
    assert (summarise["tier_before"], summarise["tier_after"], summarise["changes"]) == (32_000, 128_000, ["prompts"])
    assert (chat["status"], chat["change_usd"]) == ("unchanged", "0")
    # 1,000 requests: the mean's USD times 1,000, at 72 credits for 1 USD.
    before = Fraction(count_tokens(LONG) * 32 + 500 * 160, 72_000)
    after = Fraction(count_tokens(longer) * 48 + 500 * 240, 72_000)
    assert abs(Fraction(summarise["before_usd_per_month"]) - before) < Fraction(1, 10**9)
    assert abs(Fraction(summarise["after_usd_per_month"]) - after) < Fraction(1, 10**9)
    total = found.json["total"]
    assert (total["change_usd"], total["price_change_usd"]) == (summarise["change_usd"], "0")

    failed = cli(
        "diff",
        *("--base-ref", "main", "--fail-increase", "10%", "--report", "junit=junit.xml"),
        *("--report", "json=diff.json", "--format", "markdown", "-o", "diff.md"),
    )
    assert failed.exit_code == 1
    assert " a month, limit 10 %" in failed.stderr
    assert [case.attrib["name"] for case in ET.parse("junit.xml").iter("testcase")] == [
        "summarise",
        "chat",
        "increase 10%",
    ]
    assert junitparser.JUnitXml.fromfile("junit.xml").failures == 1

    markdown = Path("diff.md").read_bytes()
    cli("diff", "--base-ref", "main", "--fail-increase", "10%", "--format", "markdown", "-o", "again.md")
    assert Path("again.md").read_bytes() == markdown
    assert markdown.startswith(b"<!-- tollbook:diff -->\n### Token cost: +$")


def test_a_kept_estimate_says_the_same_as_the_ref(cli: Cli, repository: Repository) -> None:
    at = ("--at", "2026-03-01")
    cli("estimate", "--config", "tollbook.toml", *at, "--json", "-o", "base.json").ok()
    repository.write("prompts/chat/hello.md", "hello " * 900)
    by_ref = diff(cli, *at)
    assert cli("diff", "--compare-to", "base.json", *at, "--json").ok().json == by_ref
    cli("estimate", "--config", "tollbook.toml", *at, "--json", "-o", "head.json").ok()
    assert cli("diff", "head.json", "--compare-to", "base.json", "--json").ok().json == by_ref
    assert cli("diff", "head.json", "--base-ref", "main", *at, "--json").ok().json == by_ref


def test_what_changed_is_told_apart(cli: Cli, repository: Repository) -> None:
    repository.write("prompts/summarise.md", LONG + "a little more")
    assert changes(diff(cli)) == {"summarise": ["prompts"], "chat": []}

    repository.git("checkout", "--quiet", ".")
    repository.write("tollbook.toml", CONFIG.replace("requests_per_month = 1000", "requests_per_month = 2000"))
    config = diff(cli)
    assert changes(config) == {"summarise": ["requests_per_month"], "chat": []}
    assert config["workloads"][0]["change_percent"] == "100"
    assert config["total"]["price_change_usd"] == "0"

    repository.git("checkout", "--quiet", ".")
    repository.write("card.toml", CARD.replace("INPUT", "40"))
    price = diff(cli, "--rates", "card.toml")
    assert changes(price) == {"summarise": ["prices"], "chat": []}
    for figures in (price["total"], price["workloads"][0]):
        assert (figures["price_change_usd"], figures["prompt_change_usd"]) == (figures["change_usd"], "0")
    # 8 credits more per 1M input tokens.
    expected = Fraction(count_tokens(LONG) * 8, 72_000)
    assert abs(Fraction(price["total"]["change_usd"]) - expected) < Fraction(2, 10**9)

    repository.write("tollbook.toml", CONFIG.replace("output_tokens = 500", "output_tokens = 600"))
    repository.write("prompts/chat/bye.md", "bye " * 700)
    all_of_it = diff(cli, "--rates", "card.toml")
    assert changes(all_of_it) == {"summarise": ["prices", "output_tokens"], "chat": ["prompts"]}
    summarise = all_of_it["workloads"][0]
    assert summarise["price_change_usd"] == price["workloads"][0]["change_usd"]
    assert Fraction(summarise["prompt_change_usd"]) > 0
    # Without the file in the repository there is no price change.
    assert changes(diff(cli)) == {"summarise": ["output_tokens"], "chat": ["prompts"]}


def test_another_provider_in_the_configuration(cli: Cli, repository: Repository) -> None:
    repository.write("tollbook.toml", '[ledger]\nprovider = "volcengine"\n' + CONFIG)
    assert changes(diff(cli)) == {"summarise": ["prices"], "chat": ["prices"]}
    assert changes(diff(cli, "--provider", "evolink")) == {"summarise": [], "chat": []}


def test_profiles_and_calibrations_are_those_of_the_ref(cli: Cli, repository: Repository) -> None:
    repository.git("checkout", "--quiet", "main")
    profile = """{"schema":1,"since":"2026-02-01T00:00:00Z","until":"2026-03-03T00:00:00Z","days":"30","workloads":[
        {"project":"search","model":"MODEL","requests":1000,"mean_input_tokens":31000,"mean_output_tokens":OUTPUT,
        "p90_output_tokens":OUTPUT,"cached_share":"0"}]}""".replace("MODEL", PRO)
    repository.write("tollbook.toml", CONFIG.replace("output_tokens = 500\n", ""))
    repository.write("profile.json", profile.replace("OUTPUT", "500"))
    repository.commit()
    repository.git("checkout", "--quiet", "-B", "feature")
    repository.write("profile.json", profile.replace("OUTPUT", "700"))
    assert changes(diff(cli, "--profile", "profile.json")) == {"summarise": ["output_tokens"], "chat": []}


def test_new_and_removed_workloads(cli: Cli, repository: Repository) -> None:
    repository.commit(tollbook__toml=CONFIG.replace('"chat"', '"talk"'))
    found = diff(cli)
    assert statuses(found) == {"summarise": "unchanged", "talk": "new", "chat": "removed"}
    assert found["total"]["change_usd"] == "0"
    failing = cli("diff", "--base-ref", "main", "--per-workload", "--fail-increase", "10%")
    assert failing.exit_code == 1
    assert "a limit such as 10%,5usd lets small new ones pass" in failing.stderr
    cli("diff", "--base-ref", "main", "--per-workload", "--fail-increase", "10%,100usd").ok()
    repository.commit(tollbook__toml="")
    assert statuses(diff(cli)) == {"summarise": "removed", "chat": "removed"}


def test_without_a_baseline_every_workload_is_new(cli: Cli, repository: Repository) -> None:
    repository.commit(**{"app/tollbook__toml": CONFIG, "app/prompts/chat/hello__md": "hello"})
    repository.write("app/prompts/summarise.md", "short")
    repository.write("app/prompts/system.md", "short")
    found = cli("diff", "--base-ref", "main", "--config", "app/tollbook.toml", "--json").ok()
    assert statuses(found.json) == {"summarise": "new", "chat": "new"}
    assert "Note: app/tollbook.toml isn't there at main: every workload is new" in found.stderr
    repository.git("checkout", "--quiet", "main")
    repository.commit(tollbook__toml="[ledger]\n")
    repository.git("checkout", "--quiet", "-B", "feature")
    repository.commit(tollbook__toml=CONFIG)
    found = cli("diff", "--base-ref", "main", "--json").ok()
    assert statuses(found.json) == {"summarise": "new", "chat": "new"}
    assert "Note: tollbook.toml has no [[workload]] at main: every workload is new" in found.stderr


def test_from_a_folder_within(cli: Cli, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.write("prompts/system.md", "Answer in two sentences, not more.\n")
    monkeypatch.chdir(repository.path / "prompts")
    found = cli("diff", "--base-ref", "main", "--config", "../tollbook.toml", "--json").ok().json
    assert changes(found) == {"summarise": [], "chat": ["prompts"]}


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("[[workload]]\nname = 5\n", "tollbook.toml: workload[0].name: 5 isn't text"),
        ("[[workload]\n", "tollbook.toml: can't be read"),
        (CONFIG.replace("prompts/chat", "missing"), "prompts 'missing/*.md' matches no file in its top folder"),
        (CONFIG.replace(LITE, "gpt-9"), "model 'gpt-9' is not on card 'evolink'"),
    ],
)
def test_a_baseline_that_is_broken_is_shown_and_gates_go_by_the_branch(
    cli: Cli, repository: Repository, broken: str, message: str
) -> None:
    repository.git("checkout", "--quiet", "main")
    commit = repository.commit(tollbook__toml=broken)
    repository.git("checkout", "--quiet", "-B", "feature")
    repository.commit(tollbook__toml=CONFIG)
    arguments = ("diff", "--base-ref", "main", "--fail-increase", "1%", "--fail-over")
    found = cli(*arguments, "1000usd", "--json").ok()
    assert f"Note: nothing to compare with: --base-ref main (commit {commit[:12]}): " in found.stderr
    assert message in found.stderr
    assert tempfile.gettempdir() not in found.stderr
    assert found.json["baseline_error"].endswith(message) or message in found.json["baseline_error"]
    assert statuses(found.json) == {"summarise": "not_compared", "chat": "not_compared"}
    total = found.json["total"]
    assert (total["before_usd_per_month"], total["change_usd"], total["change_percent"]) == (None, None, None)
    gates = [(gate["name"], gate["level"], gate["passed"]) for gate in found.json["gates"]]
    assert gates == [("increase", "warn", False), ("over", "fail", True)]
    assert cli(*arguments, "0.01usd").exit_code == 1
    markdown = cli(*arguments, "1000usd", "--format", "markdown").ok().stdout
    assert "a month; nothing to compare with" in markdown
    assert "The baseline can't be estimated (--base-ref main" in markdown


def test_wrong_refs_and_places(cli: Cli, repository: Repository, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert "names no commit of this repository" in cli("diff", "--base-ref", "nowhere").stderr
    assert "isn't a git ref" in cli("diff", "--base-ref=--help").stderr
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "tollbook.toml").write_text(CONFIG.replace("prompts/", f"{repository.path}/prompts/"))
    outside = cli("diff", "--base-ref", "main", "--config", elsewhere / "tollbook.toml")
    assert outside.exit_code == 2
    assert "not a git repository" in outside.stderr
    (repository.path / "link").symlink_to(elsewhere)
    assert "not a git repository" in cli("diff", "--base-ref", "main", "--config", "link/tollbook.toml").stderr


def test_a_prompt_that_has_no_price_any_more(cli: Cli, repository: Repository) -> None:
    repository.commit(**{"prompts/summarise__md": "word " * 257_000})
    found = cli("diff", "--base-ref", "main", "--json")
    assert found.exit_code == 1
    summarise = found.json["workloads"][0]
    assert (summarise["after_usd_per_month"], summarise["change_usd"], summarise["tier_after"]) == (None, None, None)
    assert [gate["passed"] for gate in found.json["gates"]] == [False]
    assert "the total after is without summarise" in found.stderr


def test_tools_that_a_branch_adds_are_a_change(cli: Cli, repository: Repository) -> None:
    body = {"messages": [{"role": "user", "content": "hi"}]}
    config = CONFIG.replace("prompts/chat/*.md", "chat.json").replace('parts = ["prompts/system.md"]\n', "")
    repository.git("checkout", "--quiet", "main")
    repository.commit(tollbook__toml=config, chat__json=json.dumps(body))
    repository.git("checkout", "--quiet", "-B", "feature")
    tool = {"type": "function", "function": {"name": "f", "description": "of a city " * 5_000}}
    repository.commit(chat__json=json.dumps({**body, "tools": [tool]}))
    found = cli("diff", "--base-ref", "main", "--fail-increase", "10%", "--json")
    assert found.exit_code == 1
    assert changes(found.json) == {"summarise": [], "chat": ["prompts"]}
    (prompt,) = found.json["workloads"][1]["prompts"]
    assert prompt["input_tokens_after"] - prompt["input_tokens_before"] == count_tokens(json.dumps(tool))


def test_another_calibration_changes_no_price(cli: Cli, repository: Repository) -> None:
    """Both sides are counted by today's: what it corrects was there before."""
    pairs = [
        {"model": PRO, "text": "word " * (40 + 9 * n), "input_tokens": round(1.3 * (41 + 9 * n))} for n in range(9)
    ]
    (repository.path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    cli("calibrate", "pairs.jsonl", "-o", "calibration.json").ok()
    found = diff(cli, "--calibration", "calibration.json", "--fail-increase", "0%")
    assert statuses(found) == {"summarise": "unchanged", "chat": "unchanged"}
    assert found["total"]["counting_change_usd"] == "0"
