"""`tollbook estimate --config`: what it shows in each format, exit codes, the ledger and profiles, and wrong use.

Words are ` tea`, a token each; prices are credits for 1M tokens, 72 for 1 USD.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ledger.cli.app import App
from ledger.comments.body import read_body
from tests.conftest import Cli, Outcome
from tests.helpers.sources import lines, record
from tests.helpers.workloads import CODE, LITE, MILLION, MINI, PRO, in_usd, tea

KEYS = ["schema", "encoding", "calibration", "workloads", "rates", "total", "counting"]
WORKLOAD_KEYS = [
    "name", "model", "project", "status", "prompts", "requests_per_month", "usd_per_request", "usd_per_month", "gates",
    "warnings", "usd_per_month_low", "usd_per_month_high", "amount_per_month", "currency", "per_usd", "card",
    "output_basis", "extra_input_tokens",
]  # fmt: skip
PROMPT_KEYS = [
    "name", "input_tokens", "input_tokens_low", "input_tokens_high", "cached_input_tokens", "output_tokens",
    "tier", "amount", "usd", "usd_low", "usd_high", "warnings", "max_output_tokens", "message_overhead_tokens",
    "schema_tokens", "image_tokens", "uncounted", "uncounted_digest", "uncorrected_tokens",
    "tier_output",
]  # fmt: skip
ANSWERS = f"""
[[workload]]
name = "answers"
model = "{LITE}"
project = "support"
prompts = ["prompts/*.md"]
output_tokens = 500
requests_per_month = 20_000
"""
REVIEW = f"""
[[workload]]
name = "review"
model = "{PRO}"
prompts = ["review.md"]
extra_input_tokens = 60_000
output_tokens = 1_000
requests_per_month = 300
"""
# Credits of a request and of a month: 1,000 and 3,000 tokens at 6 and 36, 61,000 at 48 and 240.
ANSWER = Fraction(2_000 * 6 + 500 * 36, MILLION)
ONE_REVIEW = Fraction(61_000 * 48 + 1_000 * 240, MILLION)


@pytest.fixture
def workloads(cli: Cli, tmp_path: Path) -> Callable[..., Outcome]:
    """Runs `estimate --config` on a configuration of that text; prompts are written once."""
    (tmp_path / "project" / "prompts").mkdir(parents=True)
    (tmp_path / "project" / "prompts" / "short.md").write_text(tea(1_000))
    (tmp_path / "project" / "prompts" / "long.md").write_text(tea(3_000))
    (tmp_path / "project" / "review.md").write_text(tea(1_000))

    def run(text: str, *args: object, env: dict[str, str] | None = None) -> Outcome:
        (tmp_path / "project" / "tollbook.toml").write_text(text, encoding="utf-8")
        return cli("estimate", "--config", "project/tollbook.toml", "--at", "2026-03-01", *args, env=env)

    return run


Workloads = Callable[..., Outcome]


# --- what it shows --------------------------------------------------------------------------------------------------


def test_json_is_the_document(workloads: Workloads) -> None:
    outcome = workloads(ANSWERS + REVIEW, "--json").ok()
    document = outcome.json
    assert list(document) == KEYS
    assert (document["schema"], document["encoding"], document["calibration"]) == (1, "o200k_base", None)
    answers, review = document["workloads"]
    assert list(answers) == WORKLOAD_KEYS
    assert [list(prompt) for prompt in answers["prompts"]] == [PROMPT_KEYS] * 2
    assert (answers["name"], answers["model"], answers["project"], answers["status"]) == (
        "answers",
        LITE,
        "support",
        "ok",
    )
    assert (answers["requests_per_month"], answers["output_basis"], answers["gates"]) == (20_000, "given", [])
    assert answers["usd_per_request"] == in_usd(ANSWER)
    assert answers["usd_per_month"] == in_usd(20_000 * ANSWER)
    assert review["usd_per_month"] == in_usd(300 * ONE_REVIEW)
    assert (review["project"], [prompt["tier"] for prompt in review["prompts"]]) == (None, [128_000])
    month = 20_000 * ANSWER + 300 * ONE_REVIEW
    assert document["total"]["usd"] == in_usd(month)
    assert Fraction(document["total"]["amount"]) == month
    assert document["total"]["currency"] == "CRD"
    assert set(document["rates"]) == {answers["card"], review["card"]}


def test_the_table_is_for_people(workloads: Workloads) -> None:
    outcome = workloads(ANSWERS + REVIEW, env={"COLUMNS": "200"}).ok()
    title, heading, _rule, answers, review, _line, total, *notes = outcome.stdout.splitlines()
    assert title == "Estimated month of 2 workloads"
    assert heading.split("  ")[0] == "workload"
    assert answers.split() == [
        "answers",
        "support",
        LITE,
        "20,000",
        "32,000",
        "0.000416667",
        "8.33",
        "7.67",
        "9.00",
        "ok",
    ]
    assert review.split() == [
        "review", "(none)", PRO, "300", "128,000", "0.044000000", "13.20", "13.16", "13.24", "ok",
    ]  # fmt: skip
    assert total.split() == ["total", "21.53", "20.83", "22.24"]
    assert "Total: 1550.4 CRD, 21.533333333 USD at 72 CRD = 1 USD." in notes[0]
    assert outcome.stderr == ""


def test_a_narrow_table_keeps_workload_month_and_status(workloads: Workloads) -> None:
    outcome = workloads(ANSWERS, env={"COLUMNS": "60"}).ok()
    assert all(len(line) <= 60 for line in outcome.stdout.splitlines())
    assert {"answers", "8.33", "ok"} <= set(outcome.stdout.split())
    assert "Note: left out to fit 60 columns: " in outcome.stderr


def test_csv_and_markdown_have_a_row_a_workload(workloads: Workloads) -> None:
    text = ANSWERS.replace('"answers"', '"=1+1|<b>"') + REVIEW
    rows = list(csv.DictReader(io.StringIO(workloads(text, "--format", "csv").ok().stdout)))
    assert [row["workload"] for row in rows] == ["'=1+1|<b>", "review"]
    assert rows[1]["usd_per_month"] == in_usd(300 * ONE_REVIEW)
    markdown = workloads(text, "--format", "markdown").ok().stdout
    assert "| =1+1\\|&lt;b&gt; | support |" in markdown
    assert markdown.startswith("<!-- tollbook:estimate -->\n**")
    assert read_body(markdown, "estimate.md").marker == "<!-- tollbook:estimate -->"


def test_names_reach_the_terminal_without_its_escapes(workloads: Workloads, tmp_path: Path) -> None:
    (tmp_path / "project" / "\x1b[31m.md").write_text(tea(1))
    text = ANSWERS.replace('"answers"', '"a\\u001b[31m"').replace("prompts/", "").replace("500", "0")
    outcome = workloads(text.replace('"*.md"', '"*m.md"') + "variables = { x = '' }\ncached_prefix = 'review.md'\n")
    assert "\x1b" not in outcome.ok().stdout + outcome.stderr
    assert r"a\x1b[31m, \x1b[31m.md: does not begin with" in outcome.stderr


def test_several_formats_at_once(workloads: Workloads, tmp_path: Path) -> None:
    text = ANSWERS + "max_usd_per_request = 0.0001\n" + REVIEW + "max_usd_per_month = 100\n"
    reports = [f"{name}={tmp_path / name}" for name in ("json", "junit", "markdown", "csv")]
    outcome = workloads(text, *(part for report in reports for part in ("--report", report)))
    assert outcome.exit_code == 1
    assert json.loads((tmp_path / "json").read_text())["workloads"][0]["status"] == "over_limit"
    cases = {case.get("name"): case for case in ET.parse(tmp_path / "junit").iter("testcase")}
    assert list(cases) == ["answers", "review", "answers: max_usd_per_request", "review: max_usd_per_month"]
    failures = {name: [failure.get("message") for failure in case.iter("failure")] for name, case in cases.items()}
    assert failures == {
        "answers": [],
        "review": [],
        "answers: max_usd_per_request": [f"max_usd_per_request: ${dearest_answer()} a request, limit $0.0001"],
        "review: max_usd_per_month": [],
    }


def dearest_answer() -> str:
    return in_usd(Fraction(3_000 * 6 + 500 * 36, MILLION))


def test_the_same_bytes_twice(workloads: Workloads) -> None:
    for name in ("json", "table", "csv", "markdown", "junit"):
        first, again = (workloads(ANSWERS + REVIEW, "--format", name).ok() for _ in range(2))
        assert first == again


def test_output_goes_to_a_file_whole(workloads: Workloads, tmp_path: Path) -> None:
    outcome = workloads(ANSWERS, "-o", tmp_path / "out.json").ok()
    assert outcome.stdout == ""
    assert list(json.loads((tmp_path / "out.json").read_text())) == KEYS


# --- limits ---------------------------------------------------------------------------------------------------------


def test_a_limit_that_is_broken_is_exit_code_1_after_all_is_shown(workloads: Workloads) -> None:
    outcome = workloads(f"{ANSWERS}max_usd_per_request = {dearest_answer()}\n", "--json").ok()
    assert [gate["passed"] for gate in outcome.json["workloads"][0]["gates"]] == [True]
    limit = Decimal(dearest_answer()) - Decimal("1e-9")
    outcome = workloads(f"{ANSWERS}max_usd_per_request = {limit}\n{REVIEW}", "--json")
    assert outcome.exit_code == 1
    assert [entry["status"] for entry in outcome.json["workloads"]] == ["over_limit", "ok"]
    assert outcome.json["total"]["usd"] == in_usd(20_000 * ANSWER + 300 * ONE_REVIEW)
    assert outcome.stderr == (f"Note: answers: max_usd_per_request: ${dearest_answer()} a request, limit ${limit}\n")


def test_a_prompt_beyond_the_card_is_a_gate_and_the_rest_is_priced(workloads: Workloads) -> None:
    outcome = workloads(ANSWERS + REVIEW.replace("60_000", "255_001"), "--json")
    assert outcome.exit_code == 1
    answers, review = outcome.json["workloads"]
    assert (answers["status"], review["status"]) == ("ok", "over_limit")
    assert (review["usd_per_request"], review["usd_per_month"], review["prompts"][0]["tier"]) == (None, None, None)
    assert review["gates"] == [
        {
            "name": "max_input_tokens",
            "limit": "256000",
            "value": "256001",
            "level": "fail",
            "passed": False,
            "message": "256,001 input tokens, limit 256,000",
        }
    ]
    assert outcome.json["total"]["usd"] == answers["usd_per_month"]
    assert "review: max_input_tokens: 256,001 input tokens, limit 256,000" in outcome.stderr
    assert workloads(ANSWERS + REVIEW.replace("60_000", "255_000")).exit_code == 0


def test_a_table_shows_what_has_no_price(workloads: Workloads) -> None:
    outcome = workloads(ANSWERS + REVIEW.replace("60_000", "255_001"), env={"COLUMNS": "200"})
    row = next(line for line in outcome.stdout.splitlines() if line.startswith("review"))
    assert row.split() == ["review", "(none)", PRO, "300", "over_limit"]


# --- what is not in the configuration -------------------------------------------------------------------------------


def booked(cli: Cli, *outputs: int) -> None:
    cli(
        "ingest",
        "-",
        stdin=lines(
            record(
                f"r{number}",
                occurred_at="2026-02-20T12:00:00Z",
                requested_model=LITE,
                project="support",
                input_tokens=2_000,
                cached_input_tokens=500,
                output_tokens=tokens,
            )
            for number, tokens in enumerate(outputs)
        ),
    ).ok()


OPEN_ANSWERS = ANSWERS.replace("output_tokens = 500\n", "").replace("requests_per_month = 20_000\n", "")


def test_output_comes_from_the_ledger_where_it_is_left_out(cli: Cli, workloads: Workloads) -> None:
    assert workloads(OPEN_ANSWERS, "--json").ok().json["workloads"][0]["output_basis"] == "none"
    booked(cli, 100, 200, 600)
    [entry] = workloads(OPEN_ANSWERS, "--json").ok().json["workloads"]
    assert (entry["output_basis"], entry["prompts"][0]["output_tokens"]) == ("ledger", 300)
    [entry] = workloads(OPEN_ANSWERS.replace(LITE, MINI), "--json").ok().json["workloads"]
    assert entry["output_basis"] == "none"


def test_the_ledger_is_asked_for_means_only_where_output_is_left_out(
    cli: Cli, workloads: Workloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    booked(cli, 100)
    asked: list[App] = []
    monkeypatch.setattr("ledger.cli.estimating.workload_sheet.means_of", asked.append)
    workloads(ANSWERS + REVIEW).ok()
    assert asked == []
    workloads(ANSWERS + OPEN_ANSWERS.replace("answers", "other")).ok()
    assert [type(app) for app in asked] == [App]


def test_a_profile_that_was_pulled_says_the_rest(cli: Cli, workloads: Workloads, tmp_path: Path) -> None:
    booked(cli, *range(100, 1_100, 100))
    span = ("--since", "2026-02-20", "--until", "2026-02-25")
    cli("workload", "pull", *span, "-o", "profile.json").ok()
    (tmp_path / "tollbook.db").unlink()
    [entry] = workloads(OPEN_ANSWERS, "--profile", "profile.json", "--json").ok().json["workloads"]
    assert entry["output_basis"] == "profile"
    profile = json.loads((tmp_path / "profile.json").read_text())
    assert entry["requests_per_month"] == round(10 * 30 / Fraction(profile["days"]))
    short = entry["prompts"][1]
    assert (short["name"], short["cached_input_tokens"]) == ("prompts/short.md", 250)
    assert (short["output_tokens"], short["max_output_tokens"]) == (550, 900)
    assert entry["warnings"] == []


def test_provider_rates_and_time_choose_the_prices(workloads: Workloads, tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_text(
        f'provider = "own"\ncurrency = "USD"\nper_tokens = 1_000_000\n[[model]]\nid = "{LITE}"\n'
        '[[model.price]]\neffective_from = 2026-01-01\ntiers = [{ input = "1", output = "2" }]\n'
    )
    own = workloads(ANSWERS, "--provider", "own", "--rates", tmp_path / "card.toml", "--json").ok().json
    assert own["workloads"][0]["usd_per_month"] == str(20_000 * (2_000 * 1 + 500 * 2) // MILLION)
    volcengine = workloads(ANSWERS, "--provider", "volcengine", "--json").ok().json
    assert volcengine["total"]["currency"] == "CNY"
    late = workloads(ANSWERS, "--at", "2025-01-01")
    assert (late.exit_code, "workload 'answers': model" in late.stderr) == (2, True)


def test_the_provider_is_that_of_the_working_directory_where_the_file_states_none(
    workloads: Workloads, tmp_path: Path
) -> None:
    (tmp_path / "tollbook.toml").write_text('[ledger]\nprovider = "volcengine"\n')
    assert workloads(ANSWERS, "--json").ok().json["total"]["currency"] == "CNY"


def test_workloads_are_priced_by_the_provider_that_their_own_file_states(workloads: Workloads, tmp_path: Path) -> None:
    (tmp_path / "tollbook.toml").write_text('[ledger]\nprovider = "evolink"\n')
    stated = '[ledger]\nprovider = "volcengine"\n' + ANSWERS
    assert workloads(stated, "--json").ok().json["workloads"][0]["currency"] == "CNY"
    assert workloads(stated, "--json", "--provider", "evolink").ok().json["workloads"][0]["currency"] == "CRD"


def test_another_encoding_is_counted_in_and_named(workloads: Workloads) -> None:
    assert workloads(ANSWERS, "--encoding", "cl100k_base", "--json").ok().json["encoding"] == "cl100k_base"


# --- notes ----------------------------------------------------------------------------------------------------------


def test_warnings_are_notes_with_what_they_are_about(workloads: Workloads) -> None:
    text = OPEN_ANSWERS + 'cached_prefix = "review.md"\nvariables = { shop = "x" }\nextra_input_tokens = 1\n'
    outcome = workloads(text.replace("review.md", "tollbook.toml"), "--json").ok()
    not_cached = "does not begin with the text of the cached prefix: nothing of it is priced as cached"
    assert outcome.stderr.splitlines() == [
        "Note: answers: no file asks for {{shop}}: correct the name, or leave the variable out",
        "Note: answers: no output_tokens are given, nor a ledger or profile that knows them: output counts as 0",
        "Note: answers: no requests_per_month is given, nor a profile that knows it: the month counts as 0",
        f"Note: answers, prompts/long.md and 1 more: {not_cached}",
    ]


# --- wrong use ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("requests_per_month = 20_000", "requests_per_month = -1"), "workload[0].requests_per_month: -1 is negative"),
        (("requests_per_month = 20_000", "requests = 1"), "workload[0].requests: isn't a key of this file"),
        (("requests_per_month = 20_000", 'max_usd_per_month = "1usd"'), "workload[0].max_usd_per_month: '1usd' isn't"),
        (("requests_per_month = 20_000", "cached_prefix = 'p'\ncached_input_tokens = 1"), "workload[0]: cached_prefix"),
        (("prompts/*.md", "prompts/*.txt"), "workload 'answers': prompts 'prompts/*.txt' matches no file in project"),
        (("prompts/*.md", "../project"), "workload 'answers': prompts '../project' matches no file in project"),
        ((LITE, "doubao-9"), "workload 'answers': model 'doubao-9' is not on card 'evolink'"),
        ((ANSWERS, "[ledger]\n"), "has no [[workload]]: add one that names a model and prompts"),
        (("output_tokens = 500", "output_tokens = 128_001"), "workload 'answers': output_tokens 128001 are over"),
        (("output_tokens = 500", "cached_input_tokens = 1_001"), "workload 'answers': prompts/short.md: 1,001 cached"),
    ],
)
def test_wrong_use_is_one_line_that_names_the_file(workloads: Workloads, change: tuple[str, str], words: str) -> None:
    outcome = workloads(ANSWERS.replace(*change))
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    [line] = outcome.stderr.splitlines()[-1:]
    assert line.startswith(f"Error: project/tollbook.toml: {words}")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--model", LITE], "--model"),
        (["prompt.md"], "FILE"),
        (["--fail-over", "1usd"], "--fail-over"),
        (["--requests", "5"], "--requests"),
        (["--encoding", "p50k_base"], "p50k_base"),
        (["--profile", "none.json"], "none.json: can't be read"),
        (["--calibration", "none.json"], "none.json: can't be read"),
        (["--calibration", "-", "--profile", "-"], "standard input (-) is given more than once"),
    ],
)
def test_options_that_do_not_go_with_a_configuration(workloads: Workloads, args: list[str], words: str) -> None:
    outcome = workloads(ANSWERS, *args)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert words in outcome.stderr.splitlines()[-1]


def test_a_configuration_that_is_not_there_is_refused(cli: Cli) -> None:
    outcome = cli("estimate", "--config", "none.toml")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "none.toml: can't be read: No such file or directory" in outcome.stderr


# --- the example ----------------------------------------------------------------------------------------------------

# Credits for 1M tokens of prompts of up to 32,000: input, cached input, output.
FIRST_TIER = {LITE: ("6", "1.2", "36"), PRO: ("32", "6.4", "160"), CODE: ("32", "6.4", "160")}


def months_of(document: dict[str, Any]) -> dict[str, Decimal]:
    """Each workload's credits a month, from its counts, with decimals alone."""
    months = {}
    for entry in document["workloads"]:
        rates = [Decimal(rate) / MILLION for rate in FIRST_TIER[entry["model"]]]
        costs = []
        for prompt in entry["prompts"]:
            cached, output = prompt["cached_input_tokens"], prompt["output_tokens"]
            counts = (prompt["input_tokens"] - cached, cached, output)
            costs.append(sum(count * rate for count, rate in zip(counts, rates, strict=True)))
        months[entry["name"]] = Decimal(sum(costs)) * entry["requests_per_month"] / len(costs)
    return months


def test_the_example_is_what_its_counts_come_to(cli: Cli, examples: Path, tmp_path: Path) -> None:
    shutil.copytree(examples / "estimate", tmp_path / "estimate")
    outcome = cli("estimate", "--config", "estimate/tollbook.toml", "--json").ok()
    document = outcome.json
    months = months_of(document)
    assert list(months) == ["support-answers", "contract-review", "code-review"]
    for entry in document["workloads"]:
        assert entry["status"] == "ok"
        assert Decimal(entry["usd_per_month"]) == (months[entry["name"]] / 72).quantize(
            Decimal("1e-9"), ROUND_HALF_EVEN
        )
    assert Decimal(document["total"]["amount"]) == sum(months.values())
    answers, review, code = document["workloads"]
    assert [prompt["cached_input_tokens"] > 100 for prompt in answers["prompts"]] == [True] * 3
    assert all(gate["passed"] for gate in answers["gates"])
    assert code["prompts"][0]["message_overhead_tokens"] == 2 * 3 + 3
    assert review["prompts"][0]["tier"] == 32_000
    assert outcome.stderr == (
        "Note: code-review: no output_tokens are given, nor a ledger or profile that knows them: output counts as 0\n"
    )
