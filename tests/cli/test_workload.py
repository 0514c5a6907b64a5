"""`tollbook workload pull` as a command: what corrections leave of it, periods and zones, files and refusals."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.estimates.history.profile import read_profile
from tests.conftest import Cli
from tests.helpers.book import Book, Booked
from tests.helpers.ledgers import CODE, PRO, rows
from tests.helpers.sources import lines, record

MARCH = ("--since", "2026-03-01", "--until", "2026-04-01")
# So that the ledger is older than the spans that are asked for.
OLD = record("old", occurred_at="2026-02-01T00:00:00Z", requested_model=PRO, project="old", output_tokens=1)


def usage(name: str, output_tokens: int, **changes: Any) -> dict[str, Any]:
    return record(
        name, occurred_at="2026-03-10T12:00:00Z", requested_model=CODE, project="search",
        input_tokens=100, cached_input_tokens=25, output_tokens=output_tokens, **changes,
    )  # fmt: skip


@pytest.fixture
def book(db_cli: Cli) -> Cli:
    """Eleven requests of search in March, 10 to 110 tokens long, and one of February."""
    requests = [usage(f"r{number}", 10 * number) for number in range(1, 12)]
    db_cli("ingest", "-", stdin=lines([OLD, *requests])).ok()
    return db_cli


def pulled(cli: Cli, *args: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cli("workload", "pull", *(args or MARCH), "--json").ok().json["workloads"]
    return found


def outputs(cli: Cli, *args: object) -> dict[str, tuple[int, int, int]]:
    """Requests, mean and p90 of output by project."""
    return {
        row["project"]: (row["requests"], row["mean_output_tokens"], row["p90_output_tokens"])
        for row in pulled(cli, *args)
    }


# --- what is shown --------------------------------------------------------------------------------------------------


def test_json_is_the_profile(book: Cli) -> None:
    outcome = book("workload", "pull", *MARCH, "--json").ok()
    assert outcome.stderr == ""
    assert outcome.json == {
        "schema": 1,
        "since": "2026-03-01T00:00:00Z",
        "until": "2026-04-01T00:00:00Z",
        "days": "31",
        "workloads": [
            {
                "project": "search",
                "model": CODE,
                "requests": 11,
                "mean_input_tokens": 100,
                "mean_output_tokens": 60,
                "p90_output_tokens": 100,
                "cached_share": "0.25",
            }
        ],
    }
    read_profile(outcome.json, "standard output")


def test_a_file_takes_the_profile_whatever_it_is_called_and_the_same_bytes_each_time(book: Cli, tmp_path: Path) -> None:
    for name in ("profile.json", "profile", "again.json"):
        outcome = book("workload", "pull", *MARCH, "-o", name).ok()
        assert (outcome.stdout, outcome.stderr) == ("", "")
    written = (tmp_path / "profile.json").read_bytes()
    assert written == (tmp_path / "profile").read_bytes() == (tmp_path / "again.json").read_bytes()
    assert json.loads(written)["workloads"] == pulled(book)
    assert len(written.splitlines()) > 10  # a line a figure, so that changes to a kept profile can be read
    book("workload", "pull", *MARCH, "-o", "table.txt", "--format", "table").ok()
    assert (tmp_path / "table.txt").read_text().startswith("Workloads, from 2026-03-01 to before 2026-04-01")


def test_a_table_also_says_what_a_month_comes_to(book: Cli) -> None:
    outcome = book("workload", "pull", *MARCH).ok()
    title, *_rest, row = outcome.stdout.splitlines()
    assert title == "Workloads, from 2026-03-01 to before 2026-04-01: 31 days of usage"
    assert row.split() == ["search", CODE, "11", "11", "100", "60", "100", "0.25"]  # 11 x 30 / 31 = 10.6
    assert outcome.stderr == ""
    header, *found = csv.reader(io.StringIO(book("workload", "pull", *MARCH, "--format", "csv").ok().stdout))
    assert dict(zip(header, found[0], strict=True)) == {
        "project": "search",
        "model": CODE,
        "requests": "11",
        "requests_per_month": "11",
        "mean_input_tokens": "100",
        "mean_output_tokens": "60",
        "p90_output_tokens": "100",
        "cached_share": "0.25",
    }


def test_nothing_of_a_name_is_carried_out_raw(db_cli: Cli) -> None:
    bad = usage("r1", 5) | {"project": "=1+1\x1b[31m|\u202e"}
    db_cli("ingest", "-", stdin=lines([bad])).ok()
    for name in ("table", "json", "csv", "markdown"):
        outcome = db_cli("workload", "pull", *MARCH, "--format", name).ok()
        assert not set("\x1b\u202e") & set(outcome.stdout + outcome.stderr)
    assert "'=1+1" in db_cli("workload", "pull", *MARCH, "--format", "csv").ok().stdout
    assert pulled(db_cli)[0]["project"] == bad["project"]


# --- corrections and late usage -------------------------------------------------------------------------------------


def test_what_was_voided_is_left_out_and_may_come_again(book: Cli) -> None:
    book("void", "--id", "r11").ok()
    assert outputs(book) == {"search": (10, 55, 90)}
    book("ingest", "-", stdin=lines([usage("r11", 1_000)])).ok()
    assert outputs(book) == {"search": (11, 141, 100)}  # (550 + 1000) / 11 = 140.9
    book("void", "--batch", 1).ok()
    assert outputs(book) == {"search": (1, 1_000, 1_000)}
    book("void", "--id", "r11").ok()
    assert outputs(book) == {}


def test_what_was_reassigned_is_in_its_new_project(book: Cli) -> None:
    book("ingest", "-", stdin=lines([usage("s1", 7) | {"project": "ads"}])).ok()
    book("reassign", "--project", "search", "--to", "ads").ok()
    assert outputs(book) == {"ads": (12, 56, 100)}  # 667 / 12 = 55.6
    book("reassign", "--project", "ads", "--to", "care").ok()
    assert outputs(book) == {"care": (12, 56, 100)}


def test_facts_that_were_accepted_stand_in_place_of_the_first(book: Cli) -> None:
    assert book("ingest", "-", stdin=lines([usage("r11", 5)])).exit_code == 3
    assert outputs(book) == {"search": (11, 60, 100)}
    book("quarantine", "accept", 1, "--reason", "settled").ok()
    assert outputs(book) == {"search": (11, 50, 90)}  # 555 / 11 = 50.45


def test_failed_requests_and_storage_are_left_out(book: Cli) -> None:
    stored = record("s1", kind="cache_storage", occurred_at=..., input_tokens=..., output_tokens=...)
    stored |= {"tokens": 5, "start": "2026-03-10T12:00:00Z", "end": "2026-03-10T13:00:00Z", "requested_model": CODE}
    others = [usage("f", 900, status="failed"), usage("c", 900, status="cancelled"), stored | {"project": "search"}]
    book("ingest", "-", stdin=lines([*others, usage("i", 60, status="incomplete")])).ok()
    assert outputs(book) == {"search": (12, 60, 100)}


# --- periods and projects -------------------------------------------------------------------------------------------


def test_projects_are_any_of_those_given(book: Cli) -> None:
    book("ingest", "-", stdin=lines([usage(name, 7) | {"project": name} for name in ("ads", "care")])).ok()
    assert set(outputs(book, *MARCH, "--project", "ads", "--project", "search")) == {"ads", "search"}
    nothing = book("workload", "pull", *MARCH, "--project", "nobody", "--json").ok()
    assert nothing.json["workloads"] == []
    assert nothing.stderr.splitlines() == [
        "Note: the profile is empty: no request is in this period and project",
        "Note: no project 'nobody' in this ledger: known are ads, care, old, search",
    ]


def test_an_empty_profile_is_a_valid_one(book: Cli, tmp_path: Path) -> None:
    outcome = book("workload", "pull", "--since", "2025-01-01", "--until", "2025-02-01", "-o", "profile.json").ok()
    assert outcome.stderr == "Note: the profile is empty: no request is in this period\n"
    assert read_profile(json.loads((tmp_path / "profile.json").read_text()), "profile.json").workloads == []


@pytest.mark.parametrize(
    ("args", "since", "days"),
    [
        (["--since", "1d"], "2026-03-10T00:00:00Z", "1"),
        (["--since", "2w"], "2026-02-25T00:00:00Z", "14"),
        (["--since", "24h"], "2026-03-10T00:00:00Z", "1"),
        (["--since", "2026-03-10T11:59:59+00:00"], "2026-03-10T11:59:59Z", "0.5"),
        (["--since", "2026-03-10T12:00:01Z"], None, None),
        ([], "2026-02-09T00:00:00Z", "30"),
    ],
)
def test_a_length_is_before_the_end_of_the_span(book: Cli, args: list[str], since: str | None, days: str) -> None:
    found = book("workload", "pull", *args, "--until", "2026-03-11", "--json").ok().json
    assert [row["requests"] for row in found["workloads"]] == ([11] if since else [])
    assert found["until"] == "2026-03-11T00:00:00Z"
    if since:
        assert (found["since"], found["days"]) == (since, days)


def test_without_an_end_it_is_now(db_cli: Cli) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    moments = {"ahead": now + timedelta(hours=1), "now": now - timedelta(hours=1), "then": now - timedelta(days=31)}
    requests = [usage(name, 5) | {"occurred_at": moment.isoformat()} for name, moment in moments.items()]
    db_cli("ingest", "-", stdin=lines(requests)).ok()
    for args in ((), ("--until", "9000-01-01")):
        found = db_cli("workload", "pull", *args, "--json").ok().json
        assert [row["requests"] for row in found["workloads"]] == [1]
        assert timedelta(0) <= datetime.fromisoformat(found["until"]) - now < timedelta(minutes=5)
        assert "." not in found["until"]  # whole seconds
        since = datetime.fromisoformat(found["since"])
        assert (since.time().isoformat(), now.date() - since.date()) == ("00:00:00", timedelta(days=29))


def test_dates_and_days_are_of_the_ledgers_zone(cli: Cli, empty_db_url: str) -> None:
    book = Book(empty_db_url, timezone="Asia/Shanghai").add(
        Booked("before", at=datetime(2026, 3, 9, 15, 59, tzinfo=UTC), input_tokens=1),
        Booked("within", at=datetime(2026, 3, 9, 16, 0, tzinfo=UTC), input_tokens=1),
        Booked("after", at=datetime(2026, 3, 10, 16, 0, tzinfo=UTC), input_tokens=1),
    )
    book.post()
    for since in ("2026-03-10", "1d"):
        found = cli("workload", "pull", "--since", since, "--until", "2026-03-11", "--json", "--db", empty_db_url)
        assert [row["project"] for row in found.ok().json["workloads"]] == ["within"]
        assert (found.json["since"], found.json["until"]) == ("2026-03-09T16:00:00Z", "2026-03-10T16:00:00Z")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (
            ["--since", "30 days"],
            "--since '30 days' isn't a length of time: give days, weeks or hours, such as 7d, 4w",
        ),
        (["--since", "1m"], "--since '1m' isn't a length of time"),
        (["--since", "0d"], "--since '0d' isn't a length of time"),
        (["--since", "999999d"], "--since 999999d reaches back before 1970: give a shorter time"),
        (["--since", "soon"], "--since 'soon' isn't a time: give a date"),
        (["--since", ""], "--since '' isn't a time"),
        (["--since", "2026-03-01T00:00"], "has no time zone"),
        (["--since", "2026-03-02", "--until", "2026-03-02"], "--since 2026-03-02 is not before --until 2026-03-02"),
        (["--since", "9000-01-01"], "--since 9000-01-01 is not before now"),
        (["--until", "30d"], "--until '30d' isn't a time"),
        (["-o", "missing/profile.json"], "missing/profile.json: can't be written"),
        (["-o", "profile.ods"], ".ods can't be written"),
    ],
)
def test_what_can_not_be_meant_is_wrong_use(book: Cli, tmp_path: Path, args: list[str], words: str) -> None:
    outcome = book("workload", "pull", *args)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert words in outcome.stderr
    assert not list(tmp_path.glob("profile*"))


def test_it_reads_alone(book: Cli, db_url: str) -> None:
    before = rows(db_url, "SELECT count(*), max(id) FROM charges")
    pulled(book)
    assert rows(db_url, "SELECT count(*), max(id) FROM charges") == before


# --- many groups ----------------------------------------------------------------------------------------------------


def test_many_projects_and_lengths_are_walked_page_by_page(db_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.estimates.history.requests.ROWS_AT_ONCE", 7)
    requests = [
        usage(f"r{number}", number // 40) | {"project": f"project-{number % 40:02}"} for number in range(40 * 21)
    ]
    db_cli("ingest", "-", stdin=lines(requests)).ok()
    # Each project has one request each of 0 to 20 tokens: 19 of 21 are 90.5 %, 18 are 85.7 %.
    assert outputs(db_cli) == {f"project-{number:02}": (21, 10, 18) for number in range(40)}
    assert list(outputs(db_cli)) == sorted(outputs(db_cli))
