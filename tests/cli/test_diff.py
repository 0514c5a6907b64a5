"""`tollbook diff` on kept estimates: the document, the formats, the gates' options, and what CI gets to see."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import junitparser
import msgspec
import pytest

from ledger.cli.estimating.diff_markdown import diff_markdown
from ledger.cli.show.annotations import annotation
from ledger.estimates.changes.document import DiffDocument
from ledger.estimates.workloads.document import GateResult, WorkloadEntry
from ledger.values.instants import moment_text
from pricing import RateCard
from tests.conftest import Cli
from tests.helpers.changes import EVOLINK, LITE, VOLCENGINE, changed_card, document, workload
from tests.helpers.sources import lines, record

NASTY = "=cmd|'/c calc'!A1 \x1b[31m\x07 <b>|x|</b> \ufffe \U0001f600 ]]> & \"quoted\"\n::error::x"
MOVE = "summarise moves from tier 32,000 to 128,000: all its input costs 1.5 ×, all its output 1.5 ×"


@pytest.fixture(autouse=True)
def _no_ci_around_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


def keep(name: str, *workloads: WorkloadEntry, cards: Sequence[RateCard] = (EVOLINK, VOLCENGINE)) -> str:
    """An estimate of the workloads in the file of that name."""
    Path(name).write_bytes(msgspec.json.encode(document(*workloads, cards=cards)))
    return name


def crossing() -> list[str]:
    """Arguments of a comparison in which `summarise` crosses 32,000; 1,000 requests each."""
    base = keep("base.json", workload("summarise", 32_000), workload("chat", 1_000, model=LITE))
    head = keep("head.json", workload("summarise", 32_001), workload("chat", 1_000, model=LITE))
    return ["diff", head, "--compare-to", base]


# --- the document ---------------------------------------------------------------------------------------------------


def test_the_documents_keys(cli: Cli) -> None:
    found = cli(*crossing(), "--fail-over", "1000usd", "--json").ok().json
    assert list(found) == ["schema", "workloads", "total", "gates", "passed", "warnings", "baseline_error"]
    assert list(found["workloads"][0]) == [
        "name",
        "status",
        "before_usd_per_month",
        "after_usd_per_month",
        "change_usd",
        "change_percent",
        "tier_before",
        "tier_after",
        "price_change_usd",
        "prompt_change_usd",
        "changes",
        "counting_change_usd",
        "prompts",
        "uncounted_before",
        "uncounted_after",
    ]
    assert list(found["total"]) == [
        "before_usd_per_month",
        "after_usd_per_month",
        "change_usd",
        "change_percent",
        "price_change_usd",
        "prompt_change_usd",
        "counting_change_usd",
        "caveats",
    ]
    assert found["gates"] == [
        {
            "name": "over",
            "limit": "1000usd",
            "value": "21.417333333usd",
            "level": "fail",
            "passed": True,
            "message": "$21.42 a month, limit $1,000",
        }
    ]
    assert found["schema"] == 1
    assert found["passed"] is True
    # 32,000 x 32 and 32,001 x 48 credits per 1M, at 72 credits for 1 USD; lite's 1,000 x 6 both times.
    assert found["workloads"][0]["before_usd_per_month"] == "14.222222222"
    assert found["workloads"][0]["after_usd_per_month"] == "21.334"
    assert found["total"]["change_usd"] == "7.111777778"  # 21.417333333 - 14.305555555


def test_a_table_for_people(cli: Cli) -> None:
    shown = cli(*crossing(), "--warn-increase", "10%").ok()
    assert shown.stdout.splitlines()[0] == "Estimated change of a month, 2 workloads"
    assert "Gate warned: increase: +$7.11 (+49.7 %) a month, limit 10 %." in shown.stdout
    assert shown.stderr.splitlines()[:2] == [
        f"Note: {MOVE}",
        "Note: increase: +$7.11 (+49.7 %) a month, limit 10 %",
    ]


def test_csv_has_a_row_a_workload(cli: Cli) -> None:
    rows = list(csv.DictReader(io.StringIO(cli(*crossing(), "--format", "csv").ok().stdout)))
    assert [(row["name"], row["status"], row["changes"]) for row in rows] == [
        ("summarise", "changed", "prompts"),
        ("chat", "unchanged", ""),
    ]
    assert (rows[0]["change_usd"], rows[0]["change_percent"], rows[0]["tier_after"]) == ("7.111777778", "50", "128000")


def test_without_a_baseline_every_workload_is_new(cli: Cli) -> None:
    head = keep("head.json", workload("a", 1_000))
    found = cli("diff", head, "--json").ok()
    assert found.json["workloads"][0]["status"] == "new"
    assert "every workload is new" in found.stderr


def test_an_estimate_from_standard_input(cli: Cli) -> None:
    base = keep("base.json", workload("a", 1_000))
    head = msgspec.json.encode(document(workload("a", 2_000)))
    found = cli("diff", "-", "--compare-to", base, "--json", stdin=head).ok().json
    assert found["total"]["change_percent"] == "100"


# --- gates ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ((), 0),
        (("--fail-increase", "50%"), 0),
        (("--fail-increase", "10%"), 1),
        (("--fail-increase", "10%,10usd"), 0),
        (("--fail-increase", "10%,7usd"), 1),
        (("--fail-increase", "8usd"), 0),
        (("--fail-increase", "7usd"), 1),
        (("--fail-increase", "60%", "--fail-increase", "7usd"), 1),
        (("--fail-increase", "60%", "--fail-increase", "8usd"), 0),
        (("--warn-increase", "10%"), 0),
        (("--warn-increase", "10%", "--fail-increase", "60%"), 0),
        (("--fail-over", "21usd"), 1),
        (("--fail-over", "21.417333333usd"), 0),
        (("--fail-over", "21.417333332usd"), 1),
        (("--fail-over", "1542.048credits"), 0),
        (("--fail-over", "1542credits"), 1),
        (("--warn-over", "1credits"), 0),
        # chat's part doesn't grow, and each costs less than both.
        (("--fail-over", "21.4usd", "--per-workload"), 0),
        (("--fail-over", "21usd", "--per-workload"), 1),
        (("--fail-increase", "49.9%"), 0),
        (("--fail-increase", "49.9%", "--per-workload"), 1),
    ],
)
def test_gates_decide_the_exit_code(cli: Cli, options: tuple[str, ...], code: int) -> None:
    found = cli(*crossing(), *options, "--json")
    assert found.exit_code == code, found.stderr
    assert found.json["passed"] is (code == 0)


def test_a_workload_over_its_own_limit_fails(cli: Cli) -> None:
    own = GateResult(name="max_usd_per_month", limit="1usd", value="14.2usd", passed=False)
    head = keep("head.json", workload("a", 32_000, gates=[own]), workload("b", 256_001))
    found = cli("diff", head, "--compare-to", head, "--json")
    assert found.exit_code == 1
    assert [gate["name"] for gate in found.json["gates"]] == ["a: max_usd_per_month", "b: price"]
    assert "the total after is without b" in found.stderr


# --- budgets --------------------------------------------------------------------------------------------------------

OF_FILE = "a budget of tollbook.toml, as the ledger has none of that name"


@pytest.fixture
def budgets(db_cli: Cli) -> Cli:
    """An empty ledger: nothing is spent, and the end of each period is the change for the days left."""
    db_cli("budget", "set", "none", "--amount", "0.000000001usd").ok()
    db_cli("budget", "set", "plenty", "--amount", "7200000credits", "--period", "quarter").ok()
    return db_cli


def test_the_ledgers_budgets_are_gates(budgets: Cli) -> None:
    arguments = crossing()
    assert budgets(*arguments, "--budget", "plenty").exit_code == 0
    failed = budgets(*arguments, "--budget", "none", "--json")
    assert failed.exit_code == 1
    (gate,) = failed.json["gates"]
    assert list(gate) == ["name", "limit", "value", "level", "passed", "message"]
    assert (gate["name"], gate["limit"], gate["passed"]) == ("budget none", "0.000000001usd", False)
    assert gate["message"].startswith("this month ends at $")
    warned = budgets(*arguments, "--warn-budget", "none", "--budget", "plenty", "--json").ok().json["gates"]
    assert [(gate["level"], gate["passed"]) for gate in warned] == [("fail", True), ("warn", False)]


def test_a_budget_of_the_file_alone_is_said_to_be_one_in_every_format(budgets: Cli) -> None:
    Path("tollbook.toml").write_text(
        '[[budget]]\nname = "none"\namount = "9000usd"\n'
        '[[budget]]\nname = "evals"\namount = "9000usd"\nperiod = "week"\ntags = { env = "ci" }\n'
    )
    arguments = [*crossing(), "--budget", "evals", "--format"]
    for name in ("table", "markdown", "junit", "json"):
        shown = budgets(*arguments, name).ok().stdout
        assert "this week ends at $" in shown
        assert OF_FILE in " ".join(shown.split())
    # Where the ledger has the name, its budget counts.
    outcome = budgets(*crossing(), "--budget", "none", "--json")
    assert (outcome.exit_code, outcome.json["gates"][0]["limit"]) == (1, "0.000000001usd")
    assert OF_FILE not in outcome.stdout
    otherwise = "budget none: tollbook.toml has it otherwise than the ledger, whose counts; see 'tollbook budget apply'"
    assert otherwise in outcome.stderr
    budgets("budget", "apply", "--yes").ok()
    assert "otherwise" not in budgets(*crossing(), "--budget", "none").ok().stderr


def test_months_of_the_file_have_their_own_amounts(budgets: Cli) -> None:
    year, month = datetime.now(UTC).year, datetime.now(UTC).month
    both = {f"{year}-{month:02}", f"{year + month // 12}-{month % 12 + 1:02}"}  # the next too, should it begin
    planned = ", ".join(f'"{each}" = "0.000000001usd"' for each in sorted(both))
    Path("tollbook.toml").write_text(f'[[budget]]\nname = "b"\namount = "9000usd"\nmonths = {{ {planned} }}\n')
    assert budgets(*crossing(), "--budget", "b", "--json").json["gates"][0]["limit"] == "0.000000001usd"


def test_a_budget_that_neither_ledger_nor_file_has_is_refused(budgets: Cli) -> None:
    Path("tollbook.toml").write_text('[[budget]]\nname = "evals"\namount = "9000usd"\n')
    for name, words in (("plentty", "did you mean 'plenty'?"), ("evls", "did you mean 'evals'?"), ("q9", "known are")):
        refused = budgets(*crossing(), "--budget", name)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert f"no budget '{name}' in this ledger or tollbook.toml: {words}" in refused.stderr


def test_what_the_ledger_has_never_seen_of_a_budget_is_named(budgets: Cli) -> None:
    budgets("budget", "set", "plenty", "--amount", "9000usd", "--project", "serach", "--tag", "team=web").ok()
    said = budgets(*crossing(), "--budget", "plenty").ok().stderr
    assert "budget plenty: no project 'serach' in this ledger" in said
    assert "budget plenty: read from the charges themselves, not from the roll-ups: tag 'team' is not rolled up" in said


def test_a_silent_ledger_makes_a_budget_warn_and_fail_where_asked(budgets: Cli) -> None:
    last = (datetime.now(UTC) - timedelta(days=5)).replace(microsecond=0)
    budgets("ingest", "-", stdin=lines([record("a", occurred_at=moment_text(last), requested_model=LITE)])).ok()
    arguments = [*crossing(), "--budget", "plenty", "--json"]
    outcome = budgets(*arguments).ok()
    assert [(gate["level"], gate["passed"]) for gate in outcome.json["gates"]] == [("warn", False)]
    said = f"silent: evolink since {moment_text(last)}, expected every 26 hours"
    assert said in outcome.json["gates"][0]["message"]
    assert said in outcome.stderr
    failed = budgets(*arguments, "--fail-stale")
    assert (failed.exit_code, failed.json["gates"][0]["level"], failed.json["passed"]) == (1, "fail", False)
    # What is declared holds instead, here or in the file that --config names.
    for place in ("tollbook.toml", "other.toml"):
        Path("other.toml").write_text("")
        Path(place).write_text('[[source]]\nname = "evolink"\nexpect_every = "6d"\n')
        gates = budgets(*arguments, "--fail-stale", "--config", "other.toml").ok().json["gates"]
        assert [gate["passed"] for gate in gates] == [True]
        Path(place).unlink()


def test_what_waits_in_quarantine_makes_a_budgets_end_at_least_that(budgets: Cli) -> None:
    now = moment_text(datetime.now(UTC), "seconds")
    waiting = record("a", occurred_at=now, requested_model="nobody-knows-this", project="search")
    assert budgets("ingest", "-", stdin=lines([waiting])).exit_code == 3
    for project, is_at_least in (("search", True), ("ads", False)):
        budgets("budget", "set", "own", "--amount", "9usd", "--period", "year", "--project", project).ok()
        (gate,) = budgets(*crossing(), "--budget", "own", "--json").ok().json["gates"]
        assert (" (at least), limit $9" in gate["message"]) is is_at_least


def test_a_budget_needs_a_ledger(cli: Cli) -> None:
    Path("tollbook.toml").write_text('[[budget]]\nname = "evals"\namount = "9000usd"\n')
    missing = cli(*crossing(), "--budget", "evals")
    assert missing.exit_code == 2
    assert "tollbook.db" in missing.stderr


# --- wrong use ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--fail-increase", "ten"), "--fail-increase 'ten' isn't a limit: give 10%, an amount such as 5usd, or both"),
        (("--fail-increase", "10"), "--fail-increase '10' isn't a limit: give 10%"),
        (("--fail-increase", "-10%,5usd"), "--fail-increase '-10%,5usd' isn't a limit: give 10%"),
        (("--warn-increase", "10%,5%"), "--warn-increase '10%,5%' says one thing twice"),
        (("--fail-over", "5"), "--fail-over '5' isn't an amount"),
        (("--fail-over", "10%"), "--fail-over '10%' isn't an amount"),
        (("--warn-over", "-5usd"), "--warn-over '-5usd' is negative"),
        (("--fail-over", "5cny"), "the limit 5cny can't be compared with prices in credits: give it in usd"),
        (("--quiet-under", "5credits"), "--quiet-under '5credits' is in credits: give it in usd"),
        (("--base-ref", "main"), "--compare-to and --base-ref contradict each other"),
        (("--profile", "p.json"), "--profile is for an estimate, but head.json is one already: leave it out"),
        (("--rates", "card.toml"), "--rates is for an estimate, but head.json is one already: leave it out"),
        (("--compare-to", "missing.json"), "missing.json: can't be read: No such file or directory"),
        (("--fail-stale",), "--fail-stale says when --budget fails: give --budget NAME too"),
        (("--report", "html=x.html"), "--report 'html=x.html': give FORMAT=FILE with one of table, json"),
        (("--report", "json"), "--report 'json': give FORMAT=FILE"),
        (("--report", "json=-"), "--report 'json=-' names no file"),
        (("--report", "json="), "--report 'json=' names no file"),
        (("--report", "json=a/b.json"), "a/b.json: can't be written: No such file or directory"),
        (("--report", "json=x", "--report", "csv=./x"), "./x: is to be written twice"),
        (("--report", "json=x.json", "-o", "x.json"), "x.json: is to be written twice"),
        (("--report", "json=."), ".: can't be written: Is a directory"),
    ],
)
def test_wrong_use_is_one_line(cli: Cli, options: tuple[str, ...], message: str) -> None:
    found = cli(*crossing(), *options)
    assert found.exit_code == 2
    assert message in found.stderr
    assert found.stdout == ""
    assert sorted(path.name for path in Path().iterdir()) == ["base.json", "head.json"]


def test_standard_input_is_read_once(cli: Cli) -> None:
    assert "read only once" in cli("diff", "-", "--compare-to", "-").stderr
    assert "both estimates" in cli("diff", "--base-ref", "main", "--profile", "-").stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "base.json: "),
        ("[]", "base.json: isn't an estimate of workloads"),
        ('{"schema":1,"prompts":[]}', "base.json: is an estimate of prompts, made without --config"),
        ('{"schema":9,"workloads":[]}', "base.json: is of schema 9, this version reads schema 1"),
    ],
)
def test_a_file_that_is_no_estimate(cli: Cli, text: str, message: str) -> None:
    arguments = crossing()
    Path("base.json").write_text(text)
    found = cli(*arguments)
    assert found.exit_code == 2
    assert message in found.stderr


# --- several formats at once ----------------------------------------------------------------------------------------


def test_reports_beside_the_output(cli: Cli) -> None:
    names = {"json": "d.json", "csv": "d.csv", "markdown": "d.md", "junit": "d.xml", "table": "d.txt"}
    options = [part for name, file in names.items() for part in ("--report", f"{name}={file}")]
    arguments = [*crossing(), "--fail-increase", "10%"]
    shown = cli(*arguments, *options)
    assert shown.exit_code == 1
    assert shown.stdout.startswith("Estimated change of a month")
    for name, file in names.items():
        if name != "table":
            assert cli(*arguments, "--format", name, "-o", "alone").exit_code == 1
            assert Path("alone").read_bytes() == Path(file).read_bytes()
    assert Path("d.txt").read_text().startswith("Estimated change of a month")


def test_the_suffix_of_the_output_says_the_format(cli: Cli) -> None:
    cli(*crossing(), "-o", "d.xml").ok()
    assert ET.parse("d.xml").getroot().tag == "testsuites"
    cli(*crossing(), "-o", "d.md").ok()
    assert Path("d.md").read_text().startswith("<!-- tollbook:diff -->\n")


# --- junit ----------------------------------------------------------------------------------------------------------


def cases_of(data: bytes) -> dict[str, Any]:
    """Cases by suite and name; the counts hold."""
    ET.fromstring(data)
    parsed = junitparser.JUnitXml.fromstring(data)
    suites = list(parsed)
    assert parsed.tests == sum(suite.tests or 0 for suite in suites) == sum(len(suite) for suite in suites)
    assert parsed.failures == sum(not case.is_passed for suite in suites for case in suite)
    return {f"{suite.name}/{case.name}": case for suite in suites for case in suite}


def test_junit_has_a_case_a_workload_and_gate(cli: Cli) -> None:
    options = ("--fail-increase", "10%", "--warn-over", "5usd", "--fail-over", "50usd", "--format", "junit")
    cases = cases_of(cli(*crossing(), *options).stdout.encode())
    assert list(cases) == [
        "workloads/summarise",
        "workloads/chat",
        "gates/increase 10%",
        "gates/over 50usd",
        "gates/over 5usd",
    ]
    failed = cases["gates/increase 10%"]
    assert failed.is_failure
    assert failed.result[0].message == "increase: +$7.11 (+49.7 %) a month, limit 10 %"
    warned = cases["gates/over 5usd"]
    assert warned.is_passed
    assert warned.system_out == "over: $21.42 a month, limit $5"
    assert "moves from tier 32,000 to 128,000" in (cases["workloads/summarise"].system_out or "")
    assert cases["workloads/chat"].is_passed


def test_any_name_makes_valid_xml_and_harmless_text(cli: Cli) -> None:
    head = keep("head.json", workload(NASTY, 32_001))
    base = keep("base.json", workload(NASTY, 32_000))
    arguments = ["diff", head, "--compare-to", base, "--fail-increase", "1%", "--per-workload"]
    cases = cases_of(cli(*arguments, "--format", "junit").stdout.encode())
    assert len(cases) == 2
    for name in ("table", "csv", "markdown", "junit"):
        shown = cli(*arguments, "--format", name)
        assert not set("\x1b\x07") & set(shown.stdout + shown.stderr)
        if name != "csv":  # whose cells keep their line ends
            assert not any(line.startswith("::") for line in (shown.stdout + shown.stderr).splitlines())
    assert "<b>" not in cli(*arguments, "--format", "markdown").stdout
    assert cli(*arguments, "--json").json["workloads"][0]["name"] == NASTY


# --- markdown -------------------------------------------------------------------------------------------------------


def test_markdown_for_a_pull_request(cli: Cli) -> None:
    base = keep("base.json", workload("summarise", 32_000), workload("kept", 100), workload("gone", 2_000))
    head = keep(
        "head.json",
        workload("summarise", 32_001),
        workload("kept", 100),
        workload("fresh_one", 1_000, model=LITE),
    )
    arguments = ["diff", head, "--compare-to", base, "--fail-increase", "10%", "--warn-over", "50usd"]
    shown = cli(*arguments, "--format", "markdown").stdout
    assert shown.splitlines() == [
        "<!-- tollbook:diff -->",
        "### Token cost: +$6.31 a month (+41.6%)",
        "",
        "From $15.16 to $21.46 a month; workloads: 1 changed, 1 new, 1 removed, 1 unchanged; gates: **1 failed**.",
        "",
        "| workload | before | after | change | tier | what changed |",
        "| :-- | --: | --: | --: | :-- | :-- |",
        "| summarise | $14.22 | $21.33 | +$7.11 (+50%) | 32,000 → **128,000** | prompts |",
        "| fresh_one |  | $0.08 | +$0.08 | 32,000 | new |",
        "| gone | $0.89 |  | -$0.89 (-100%) | 32,000 | removed |",
        "",
        f"- ⚠️ {MOVE}",
        "",
        "| gate | finding | result |",
        "| :-- | :-- | :-- |",
        "| increase | +$6.31 (+41.6 %) a month, limit 10 % | ❌ failed |",
        "| over | $21.46 a month, limit $50 | ✅ passed |",
        "",
        "<details><summary>Tokens of a request</summary>",
        "",
        "| workload | request | input | cached | output |",
        "| :-- | :-- | --: | --: | --: |",
        "| summarise | a.txt | 32,000 → 32,001 | 0 | 0 |",
        "| fresh_one | a.txt | – → 1,000 | – → 0 | – → 0 |",
        "| gone | a.txt | 2,000 → – | 0 → – | 0 → – |",
        "",
        "</details>",
        "",
        "<sub>tollbook · estimates of a month of 30 days</sub>",
    ]
    assert cli(*arguments, "--format", "markdown").stdout == shown


def test_markdown_of_many_workloads_fits_into_a_comment(cli: Cli) -> None:
    names = [f"workload {number:04} {'of a long name ' * 8}" for number in range(1_500)]
    base = keep("base.json", *(workload(name, 1_000) for name in names))
    head = keep("head.json", *(workload(name, 1_010 + number) for number, name in enumerate(names)))
    arguments = ["diff", head, "--compare-to", base, "--fail-increase", "1%", "--per-workload"]
    shown = cli(*arguments, "--format", "markdown").stdout
    assert len(shown) < 60_000
    assert "more workloads; `--json` has them." in shown
    assert "more gates; `--json` has them." in shown
    # The largest changes are the ones that are shown.
    assert "| workload 1499 " in shown
    assert "| workload 0000 " not in shown.split("| gate |")[0]


def test_counting_otherwise_has_a_line_of_its_own_and_no_gate(cli: Cli) -> None:
    base = keep("base.json", workload("a", 1_000))
    Path("head.json").write_bytes(msgspec.json.encode(document(workload("a", 1_200), encoding="cl100k_base")))
    options = ("diff", "head.json", "--compare-to", base, "--fail-increase", "0%,0usd")
    found = cli(*options, "--json").ok()
    change = found.json["total"]["change_usd"]
    assert found.json["total"]["counting_change_usd"] == change != "0"
    said = f"a: counted by another encoding than before, which makes {change} USD of its change; no gate is about that"
    assert found.json["warnings"] == [said]
    assert said in found.stderr
    line = "Counting otherwise than the baseline makes {} of the change, with what changed in the prompts meanwhile"
    shown = " ".join(cli(*options).ok().stdout.split())
    assert line.format(f"{change} USD") in shown
    assert line.format("+$0.0889") in cli(*options, "--format", "markdown").ok().stdout
    assert said in cli(*options, "--format", "junit").ok().stdout


def test_a_change_of_what_is_not_counted_is_never_quiet(cli: Cli) -> None:
    before, after = workload("a", 1_000), workload("a", 1_000)
    after.prompts[0].uncounted, after.prompts[0].uncounted_digest = ["2 files"], "ab"
    for name, one in (("base.json", before), ("head.json", after)):
        Path(name).write_bytes(msgspec.json.encode(document(one, counting=2)))
    options = ("diff", "head.json", "--compare-to", "base.json")
    said = "a: what isn't counted has changed, at a cost that isn't known: nothing → a.txt: 2 files"
    found = cli(*options, "--json").ok()
    assert (found.json["workloads"][0]["status"], found.json["workloads"][0]["changes"]) == ("changed", ["uncounted"])
    assert found.json["workloads"][0]["uncounted_after"] == ["a.txt: 2 files"]
    assert said in found.stderr
    assert "a: not counted: a.txt: 2 files." in cli(*options).ok().stdout
    assert said in cli(*options, "--format", "junit").ok().stdout
    markdown = cli(*options, "--format", "markdown", "--quiet-under", "1000usd").ok().stdout
    assert "<!-- tollbook:quiet -->" not in markdown
    assert "### Token cost: no change of what is counted" in markdown
    assert said in markdown
    assert cli(*options, "--fail-uncounted").exit_code == 1
    assert cli("diff", "base.json", "--compare-to", "head.json", "--fail-uncounted").exit_code == 0


def test_markdown_shows_the_price_part(cli: Cli) -> None:
    base = keep("base.json", workload("a", 1_000), workload("b", 1_000))
    head = keep("head.json", workload("a", 1_000, card=VOLCENGINE), workload("b", 1_200))
    shown = cli("diff", head, "--compare-to", base, "--format", "markdown").stdout
    # 3.2 CNY at 7.2 are the same USD as 32 credits at 72: an unlike card, a like price.
    assert "Prices make" not in shown
    card = changed_card(input_pico=8 * 10**6)
    cheaper = keep("head.json", workload("a", 1_000, card=card), workload("b", 1_200), cards=[card, EVOLINK])
    shown = cli("diff", cheaper, "--compare-to", base, "--format", "markdown").stdout
    # 8 instead of 32 credits per 1M, and 200 tokens more at 32.
    assert "Prices make -$0.333 of the change, prompts and configuration +$0.089." in shown
    assert "| a | $0.444 | $0.111 | -$0.333 (-75%) | -$0.333 | 32,000 | prices |" in shown
    assert "| b | $0.444 | $0.533 | +$0.089 (+20%) |  | 32,000 | prompts |" in shown
    # Another model is a choice of the configuration: 6 instead of 32 credits per 1M.
    other_model = keep("head.json", workload("a", 1_000, model=LITE), workload("b", 1_000))
    shown = cli("diff", other_model, "--compare-to", base, "--format", "markdown").stdout
    assert "Prices make" not in shown
    assert "| a | $0.444 | $0.083 | -$0.361 (-81.3%) | 32,000 | model |" in shown


def test_markdown_of_small_amounts_and_of_none(cli: Cli) -> None:
    tiny = keep("base.json", workload("a", 1_000, requests=1))
    tinier = keep("head.json", workload("a", 999, requests=1))
    # 0.032 credits are 0.000444 USD, 0.031968 are 0.000444 too.
    shown = cli("diff", tinier, "--compare-to", tiny, "--format", "markdown").stdout
    assert "### Token cost: -$0.000000444 a month (-0.1%)" in shown
    unpriced = keep("head.json", workload("a", 256_001))
    shown = cli("diff", unpriced, "--compare-to", tiny, "--format", "markdown").stdout
    assert "| a | $0.000444 | no price |  | 32,000 | prompts, requests per month |" in shown
    assert "| a: price | longer than any tier of its card | ❌ failed |" in shown


def quiet(cli: Cli, *options: str) -> bool:
    lines = cli("diff", "head.json", "--compare-to", "base.json", "--format", "markdown", *options).stdout.splitlines()
    assert lines[0] == "<!-- tollbook:diff -->"
    return lines[1] == "<!-- tollbook:quiet -->"


def test_what_is_worth_no_word(cli: Cli) -> None:
    keep("base.json", workload("a", 1_000), workload("b", 1_000))
    keep("head.json", workload("a", 1_000), workload("b", 1_000))
    assert quiet(cli)
    assert quiet(cli, "--fail-increase", "0%")
    # A gate that isn't passed is worth a word, also one that only warns.
    assert not quiet(cli, "--fail-over", "0.1usd")
    assert not quiet(cli, "--warn-over", "0.1usd")
    # 2,000 more tokens a thousand times are 64 credits, 0.888… USD: one up, one down.
    keep("base.json", workload("a", 1_000), workload("b", 3_000))
    keep("head.json", workload("a", 3_000), workload("b", 1_000))
    assert not quiet(cli)
    assert quiet(cli, "--quiet-under", "1usd")
    assert quiet(cli, "--quiet-under", "0.888888890usd")
    assert not quiet(cli, "--quiet-under", "0.888888889usd")
    # Without a price there is no telling.
    keep("base.json", workload("a", 256_001))
    assert not quiet(cli, "--quiet-under", "1000usd")


def test_a_quiet_comment_says_that_nothing_changed(cli: Cli) -> None:
    keep("base.json", workload("a", 1_000))
    shown = cli("diff", "base.json", "--compare-to", "base.json", "--format", "markdown").stdout
    assert shown.splitlines()[:5] == [
        "<!-- tollbook:diff -->",
        "<!-- tollbook:quiet -->",
        "### Token cost: no change",
        "",
        "From $0.444 to $0.444 a month; workloads: 1 unchanged.",
    ]


def test_markdown_comes_from_the_document_alone(cli: Cli) -> None:
    found = cli(*crossing(), "--json").ok().stdout
    shown = cli(*crossing(), "--format", "markdown").ok().stdout
    assert diff_markdown(msgspec.json.decode(found, type=DiffDocument), quiet=False) == shown


# --- GitHub Actions -------------------------------------------------------------------------------------------------


def test_annotations(cli: Cli) -> None:
    env = {"GITHUB_ACTIONS": "true"}
    told = cli(*crossing(), "--fail-increase", "10%", "--warn-over", "5usd", env=env).stderr.splitlines()
    assert told == [
        f"::warning title=tollbook::{MOVE}",
        "::error title=tollbook::increase: +$7.11 (+49.7 %25) a month, limit 10 %25",
        "::warning title=tollbook::over: $21.42 a month, limit $5",
    ]
    for env in ({"GITHUB_ACTIONS": "false"}, {}):
        assert "::" not in cli(*crossing(), "--fail-increase", "10%", env=env).stderr


def test_an_annotation_is_one_line() -> None:
    assert annotation("warning", "50% \r\n::error::x\x1b") == "::warning title=tollbook::50%25 %0D%0A::error::x\\x1b"


def test_the_jobs_summary_is_appended_to(cli: Cli) -> None:
    Path("summary.md").write_text("# Before\n")
    env = {"GITHUB_STEP_SUMMARY": "summary.md"}
    cli(*crossing(), "--json", env=env).ok()
    cli(*crossing(), "--json", env=env).ok()
    shown = cli(*crossing(), "--format", "markdown").stdout
    assert Path("summary.md").read_text() == f"# Before\n{shown}\n{shown}\n"


def test_a_summary_that_cant_be_written_is_only_told(cli: Cli) -> None:
    found = cli(*crossing(), "--json", env={"GITHUB_STEP_SUMMARY": "missing/summary.md"}).ok()
    assert "Note: GITHUB_STEP_SUMMARY missing/summary.md can't be written: No such file" in found.stderr
    assert json.loads(found.stdout)["passed"] is True
