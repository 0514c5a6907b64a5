"""`tollbook budget report`, and `tollbook report --format html`, which is the same page."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.helpers.ledgers import responses
from tests.helpers.sources import lines, response

FEBRUARY = "2026-02"
FORMAT_OF = {".html": "html", ".md": "markdown", ".json": "json"}


@pytest.fixture
def usage(cli: Cli) -> Cli:
    """Forty requests of February 2026, of three projects."""
    Path("usage.jsonl").write_text(responses(range(40)), encoding="utf-8")
    cli("ingest", "usage.jsonl").ok()
    cli("close", FEBRUARY, "--force", "--reason", "R").ok()
    return cli


def test_the_page_is_one_file_in_the_format_of_its_suffix(usage: Cli) -> None:
    for suffix, begin in ((".html", "<!doctype html>"), (".md", "# February 2026: "), (".json", '{"schema":1,')):
        usage("budget", "report", "--month", FEBRUARY, "-o", f"page{suffix}").ok()
        page = Path(f"page{suffix}").read_text(encoding="utf-8")
        assert page.startswith(begin)
        assert f"tollbook budget report --month {FEBRUARY} --format {FORMAT_OF[suffix]}" in page
    usage("budget", "report", "--month", FEBRUARY, "--rows", "-o", "page.html").ok()
    assert f"--month {FEBRUARY} --format html --rows<" in Path("page.html").read_text(encoding="utf-8")


def test_report_as_html_is_the_same_page(usage: Cli) -> None:
    page = usage("budget", "report", "--month", FEBRUARY).ok().stdout
    assert usage("report", "--month", FEBRUARY, "--format", "html").ok().stdout == page
    assert page.startswith("<!doctype html>")
    usage("report", "--month", FEBRUARY, "-o", "page.html").ok()
    assert Path("page.html").read_text(encoding="utf-8") == page
    one = usage("budget", "report", "--month", FEBRUARY, "--project", "project-1").ok().stdout
    assert usage("report", "--month", FEBRUARY, "--format", "html", "--project", "project-1").ok().stdout == one != page


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "--format html is the page of a month, of all projects or one: give --month"),
        (["--month", FEBRUARY, "--project", "a", "--project", "b"], "give one --project, or none"),
        (["--month", FEBRUARY, "--by", "day", "--tag", "a=b"], "leave out --by and --tag"),
        (["--month", FEBRUARY, "--model", "m", "--sort", "usd", "--top", "3"], "leave out --model, --sort and --top"),
        (["--month", FEBRUARY, "--compare", "previous"], "leave out --compare"),
        (["--month", FEBRUARY, "--timezone", "Asia/Shanghai"], "leave out --timezone"),
        (["--month", FEBRUARY, "--basis", "occurred"], "leave out --basis occurred"),
        (["--since", "2026-02-01", "--until", "2026-03-01"], "leave out --since and --until"),
    ],
)
def test_what_a_page_has_no_room_for_is_refused(usage: Cli, options: list[str], words: str) -> None:
    refused = usage("report", "--format", "html", *options, "-o", "page.html")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert words in refused.stderr
    assert not Path("page.html").exists()


def test_rows_are_for_the_page_alone(usage: Cli) -> None:
    assert "--rows is for the page of a month" in usage("report", "--rows").stderr
    assert usage("report", "--rows", "--format", "html", "--month", FEBRUARY).exit_code == 0


@pytest.mark.parametrize(
    ("month", "words"),
    [("2026-13", "--month '2026-13' isn't a month"), ("2099-12", "--month 2099-12 has not begun")],
)
def test_a_month_that_cannot_be_is_refused_in_a_line(usage: Cli, month: str, words: str) -> None:
    refused = usage("budget", "report", "--month", month, "-o", "page.html")
    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[-1].startswith(f"Error: {words}")
    assert not Path("page.html").exists()


def test_a_ledger_that_is_not_there_is_not_made(cli: Cli) -> None:
    assert cli("budget", "report", "--month", FEBRUARY).exit_code == 2
    assert list(Path().iterdir()) == []


def test_a_month_without_usage_is_a_page_that_says_so(usage: Cli) -> None:
    page = usage("budget", "report", "--month", "2025-12", "--format", "markdown").ok().stdout
    assert page.startswith("# December 2025: nothing booked; open, as of ")


@pytest.mark.parametrize("command", [("budget", "report"), ("report", "--format", "html")], ids=" ".join)
@pytest.mark.parametrize("project", ["", " ", "p" * 201])
def test_a_project_without_a_name_is_refused(usage: Cli, command: tuple[str, ...], project: str) -> None:
    refused = usage(*command, "--month", FEBRUARY, "--project", project)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "--project" in refused.stderr
    assert "give 1 to 200 characters" in refused.stderr


def test_an_unknown_project_is_named_with_the_nearest(usage: Cli) -> None:
    found = usage("budget", "report", "--month", FEBRUARY, "--project", "projct-1").ok()
    assert "no project 'projct-1' in this ledger: did you mean 'project-1'?" in found.stderr
    assert "nothing booked" in found.stdout


def test_json_has_money_as_strings_and_all_projects(usage: Cli) -> None:
    report = usage("report", "--month", FEBRUARY, "--by", "project", "--json").ok().json
    page = usage("budget", "report", "--month", FEBRUARY, "--json").ok().json
    assert page["schema"] == 1
    assert page["total"]["usd"] == page["control_total_usd"] == report["total"]["usd"]
    assert [(row["project"], row["usd"]) for row in page["projects"]] == [
        (row["project"], row["usd"]) for row in report["rows"]
    ]
    assert not [value for value in flat(page) if isinstance(value, float)]


def flat(value: object) -> list[object]:
    if isinstance(value, dict):
        return [one for each in value.values() for one in flat(each)]
    return [one for each in value for one in flat(each)] if isinstance(value, list) else [value]


def test_csv_is_one_tidy_table_of_the_same_figures(usage: Cli) -> None:
    page = usage("budget", "report", "--month", FEBRUARY, "--json").ok().json
    rows = list(
        csv.DictReader(io.StringIO(usage("budget", "report", "--month", FEBRUARY, "--format", "csv").ok().stdout))
    )
    found = {(row["section"], row["item"], row["figure"]): row["value"] for row in rows}
    assert found["total", "", "usd"] == page["total"]["usd"]
    for project in page["projects"]:
        assert found["projects", project["project"], "usd"] == project["usd"]
        assert found["projects", project["project"], "requests"] == str(project["requests"])
    assert found["page", "", "verdict"] == page["verdict"]
    assert len(found) == len(rows)


def test_csv_has_no_formula_and_excel_gets_decimal_commas(cli: Cli) -> None:
    Path("usage.jsonl").write_text(lines([response("a", metadata={"project": "=1+1"})]), encoding="utf-8")
    cli("ingest", "usage.jsonl").ok()
    text = cli("budget", "report", "--month", FEBRUARY, "--format", "csv").ok().stdout
    assert "projects,1,'=1+1,usd,0.000550222" in text
    assert ",=1+1" not in text
    excel = cli("budget", "report", "--month", FEBRUARY, "--format", "csv", "--excel").ok().stdout
    assert "projects;1;'=1+1;usd;0,000550222" in excel


def test_a_table_is_no_format_of_a_page(usage: Cli) -> None:
    assert usage("budget", "report", "--month", FEBRUARY, "--format", "table").exit_code == 2
    assert json.loads(usage("report", "--month", FEBRUARY, "--json").ok().stdout)["schema"] == 1
