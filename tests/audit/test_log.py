"""The log: who did what with which version, an entry a change."""

from __future__ import annotations

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError

from ledger import Ledger
from ledger.audit.log import rows as rows_of_log
from ledger.audit.log import words
from ledger.errors import LedgerError
from ledger.store import actor
from ledger.store.log import note_settings
from ledger.store.opening import open_ledger
from ledger.store.tables import log_entries
from pricing.catalog import load_rate_cards
from tests.conftest import Cli
from tests.helpers.ledgers import apply_projects, responses, rows, tamper, value
from tests.helpers.sources import lines, response
from tollbook import __version__

TOP_UP = ("wallet", "topup", "--credits", "5", "--grant", "--on", "2026-02-01", "--reference")


def done(cli: Cli, *options: str) -> list[str]:
    """The words of the log, oldest first."""
    return [row["what"] for row in cli("log", "--json", *options).ok().json["rows"]]


def last(cli: Cli) -> dict[str, Any]:
    found: dict[str, Any] = cli("log", "--json").ok().json["rows"][-1]
    return found


# --- who ------------------------------------------------------------------------------------------------------------


def test_who_acts_is_stated_before_or_after_the_command_or_in_the_environment(db_cli: Cli, db_url: str) -> None:
    db_cli("--actor", "ann", *TOP_UP, "A").ok()
    assert (last(db_cli)["actor"], last(db_cli)["version"]) == ("ann", __version__)
    db_cli("--actor", "ann", *TOP_UP, "B", "--actor", "bob").ok()
    assert last(db_cli)["actor"] == "bob"
    db_cli(*TOP_UP, "C", env={"TOLLBOOK_ACTOR": "ci job 12"}).ok()
    assert last(db_cli)["actor"] == "ci job 12"
    with Ledger(db_url, actor="checkout") as book:
        book.record(response("r1"))
    assert last(db_cli)["actor"] == "checkout"


def test_else_it_is_the_system_s_user_and_the_database_s(
    cli: Cli, db_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = partial(cli, env={"TOLLBOOK_DB": db_url})
    role = "" if db_url.startswith("sqlite") else " as postgres"
    monkeypatch.setattr(actor, "_system_user", lambda: "alice")
    book(*TOP_UP, "A").ok()
    assert last(book)["actor"] == f"alice{role}"
    monkeypatch.setattr(actor, "_system_user", lambda: "postgres")
    book(*TOP_UP, "B").ok()
    assert last(book)["actor"] == "postgres"


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_000_123_456)
    assert actor._system_user() == "uid 4000123456"


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x1b[31m", "a" * 201, "a\u202eb"])
def test_who_acts_is_a_printable_name(cli: Cli, sqlite_url: str, name: str) -> None:
    outcome = cli("--actor", name, *TOP_UP, "A")
    assert (outcome.exit_code, "--actor" in outcome.stderr) == (2, True)
    assert "give 1 to 200 printable characters" in outcome.stderr
    with pytest.raises(LedgerError, match="printable"):
        Ledger(sqlite_url, actor=name)
    assert value(sqlite_url, "SELECT count(*) FROM log_entries") == 1


def test_a_reader_may_have_any_name(db_cli: Cli) -> None:
    env = {"TOLLBOOK_ACTOR": "a\nb"}
    db_cli("verify", env=env).ok()
    outcome = db_cli(*TOP_UP, "A", env=env)
    assert (outcome.exit_code, "TOLLBOOK_ACTOR" in outcome.stderr) == (2, True)
    assert done(db_cli) == ["ledger created"]


# --- what -----------------------------------------------------------------------------------------------------------


PRICES = sum(len(list(card.entries())) for card in load_rate_cards().values())
FIRST_PRICES = (
    f"card of evolink (built-in); card of volcengine (built-in); {PRICES} prices; "
    "conversion CRD 72 from 2026-02-01; conversion CNY 7.2 from 2026-02-01"
)


def test_each_change_is_an_entry_in_words(db_cli: Cli, tmp_path: Path) -> None:
    unknown = [response(f"x{number}", model="unheard-of") for number in range(3)]
    db_cli("ingest", "-", stdin=responses(range(4)) + lines(unknown))
    db_cli("void", "--id", "resp_000001", "--reason", "sent twice").ok()
    db_cli("quarantine", "discard", "1", "2", "--reason", "a test's").ok()
    apply_projects(db_cli, "".join(f'[[project]]\nid = "p{number}"\n' for number in range(5)))
    apply_projects(db_cli, "".join(f'[[project]]\nid = "p{number}"\n' for number in range(4)))
    db_cli(*TOP_UP, "A").ok()
    db_cli("budget", "set", "search", "--amount", "1usd", "--from", "2026-02-01").ok()
    db_cli("rates", "conversion", "add", "--per-usd", "68", "--from", "2026-04-01").ok()
    db_cli("close", "2026-02", "--force", "--reason", "all seen").ok()
    db_cli("reopen", "2026-02", "--reason", "late usage").ok()
    db_cli("db", "rollups", "--tag", "team").ok()
    assert done(db_cli) == [
        "ledger created",
        FIRST_PRICES,
        "ingest: batch 1, 4 charges; 3 lines held back",
        "void: batch 2, 1 charge: sent twice",
        "discarded 2 lines: a test's",
        "5 projects",
        "project p4 removed",
        "top-up lot 1",
        "budget search set",
        "conversion CRD 68 from 2026-04-01",
        "closed 2026-02: all seen",
        "reopened 2026-02: late usage",
        "settings changed",
    ]
    shown = db_cli("log").ok().stdout
    assert "reopened 2026-02: late usage" in shown
    assert "closed 2026-02: all seen" in db_cli("log", "--format", "markdown").ok().stdout
    assert db_cli("log", "--format", "csv").ok().stdout.splitlines()[0] == "entry,at,actor,version,what"


def test_a_line_that_comes_again_is_opened_again_and_that_is_logged(db_cli: Cli, tmp_path: Path) -> None:
    cut = lines([response("r1")])[:80]
    db_cli("ingest", "-", stdin=cut)
    db_cli("ingest", "-", stdin=lines([response("r1")])).ok()
    assert done(db_cli)[-1] == "ingest: batch 1, 1 charge; resolved 1 line"
    db_cli("ingest", "-", stdin=cut)
    assert done(db_cli)[-1] == "opened again 1 line"
    db_cli("verify").ok()


def test_a_held_line_that_is_read_otherwise_is_logged_and_covered(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    made = lines([response("r1", model="m")])
    db_cli("ingest", "-", stdin=made)
    count = len(done(db_cli))
    db_cli("ingest", "-", stdin=made)
    assert len(done(db_cli)) == count
    db_cli("ingest", "-", "--project", "search", stdin=made)
    assert done(db_cli)[count:] == ["lines held back, read again"]
    (tmp_path / "card.toml").write_text(
        'provider = "evolink"\ncurrency = "CRD"\nper_tokens = 1_000_000\n[[model]]\nid = "m"\n[[model.price]]\n'
        'effective_from = 2027-02-01\ntiers = [{ up_to = 9, input = "9", cached_input = "1", output = "5" }]\n'
    )
    db_cli("rates", "add", "card.toml").ok()
    before = value(db_url, "SELECT reason FROM quarantine")
    db_cli("quarantine", "retry", "1")
    assert value(db_url, "SELECT reason FROM quarantine") != before
    assert done(db_cli)[-1] == "lines held back, read again"
    db_cli("verify").ok()


def test_what_changes_nothing_leaves_no_entry(db_cli: Cli, db_url: str) -> None:
    db_cli("ingest", "-", stdin=responses(range(4))).ok()
    count = value(db_url, "SELECT count(*) FROM log_entries")
    db_cli("ingest", "-", stdin=responses(range(4))).ok()
    db_cli("ingest", "-", "--dry-run", stdin=responses(range(9))).ok()
    db_cli("reprice", "--since", "2026-02-01", "--dry-run").ok()
    db_cli("close", "2026-02", "--dry-run")
    db_cli("void", "--id", "resp_000001", "--dry-run").ok()
    for command in (["verify"], ["report"], ["status"], ["log"], ["db", "check"]):
        db_cli(*command).ok()
    assert value(db_url, "SELECT count(*) FROM log_entries") == count


def test_settings_that_are_set_to_what_they_are_leave_no_entry(db_cli: Cli, db_url: str) -> None:
    counts = []
    for tags in (("--tag", "team"), ("--tag", "team"), ("--none",)):
        db_cli("db", "rollups", *tags).ok()
        counts.append(value(db_url, "SELECT count(*) FROM log_entries"))
    assert counts == [2, 2, 3]


def test_what_is_rolled_back_leaves_no_entry(db_url: str) -> None:
    database = open_ledger(db_url)

    def fail() -> None:
        with database.writing() as connection:
            note_settings(connection)
            raise LedgerError("on purpose")

    with pytest.raises(LedgerError, match="on purpose"):
        fail()
    with database.writing() as connection:
        note_settings(connection)
        connection.rollback()
    assert value(db_url, "SELECT count(*) FROM log_entries") == 1


def test_many_entries_are_read_in_pages_and_a_table_shows_the_latest(
    cli: Cli, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.cli.commands import log

    for reference in "ABCDE":
        cli(*TOP_UP, reference, "--db", sqlite_url).ok()
    monkeypatch.setattr(words, "PAGE_ENTRIES", 2)
    monkeypatch.setattr(log, "SHOWN_ENTRIES", 3)
    assert done(cli, "--db", sqlite_url)[1:] == [f"top-up lot {number}" for number in range(1, 6)]
    shown = cli("log", "--db", sqlite_url).ok()
    assert "lot 2" not in shown.stdout
    assert "lot 3" in shown.stdout
    assert shown.stderr == "Note: 3 entries before these: --format csv and json have all\n"


def test_a_month_is_one_of_the_ledgers_zone(db_cli: Cli, empty_db_url: str, cli: Cli) -> None:
    cli("db", "init", "--db", empty_db_url, "--timezone", "Asia/Shanghai").ok()
    for reference in "ABC":
        cli(*TOP_UP, reference, "--db", empty_db_url).ok()
    # 2026-03-01T00:00 in Shanghai is 2026-02-28T16:00Z.
    march = int(datetime(2026, 2, 28, 16, tzinfo=UTC).timestamp()) * 10**6
    april = int(datetime(2026, 3, 31, 16, tzinfo=UTC).timestamp()) * 10**6
    tamper(
        empty_db_url,
        *(
            f"UPDATE log_entries SET at = {at} WHERE id = {number}"
            for number, at in ((1, march - 1), (2, march), (3, april - 1), (4, april))
        ),
    )
    found = cli("log", "--month", "2026-03", "--json", "--db", empty_db_url).ok().json
    assert [(row["entry"], row["at"]) for row in found["rows"]] == [
        (2, "2026-03-01T00:00:00+08:00"),
        (3, "2026-03-31T23:59:59+08:00"),
    ]
    assert (found["title"], found["total"]) == ("Log, 2026-03", {"entries": 2})


def test_an_entry_that_cant_be_read_is_said(db_cli: Cli, db_url: str) -> None:
    tamper(db_url, "UPDATE log_entries SET rows = '{'")
    assert done(db_cli) == ["can't be read: 'tollbook verify' says more"]


def test_the_log_is_appended_under_the_lock(db_url: str) -> None:
    """Entries are 1, 2, 3 … and each follows the one before."""
    begin = Barrier(8)

    def record(number: int) -> None:
        with Ledger(db_url) as book:
            begin.wait()
            book.record(response(f"r{number}"))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(record, range(8)))
    database = open_ledger(db_url)
    with database.reading() as connection:
        found = connection.execute(select(log_entries).order_by(log_entries.c.id)).all()
    assert [row.id for row in found] == list(range(1, 10))
    assert [row.previous for row in found] == ["", *(row.digest for row in found[:-1])]
    assert rows(db_url, "SELECT count(*) FROM batches") == [(8,)]


# --- what goes wrong while it is read -------------------------------------------------------------------------------


def fail_while_read(monkeypatch: pytest.MonkeyPatch, *, is_lost: bool) -> None:
    """Have the third fetch of the check fail, with or without the connection."""
    advance, count = rows_of_log._Covered._advance, iter(range(10**9))

    def failing(self: rows_of_log._Covered, name: str) -> None:
        if next(count) == 3:
            self._rows[name] = iter(partial(fetch, self._connection), None)
        advance(self, name)

    def fetch(connection: Connection) -> object:
        if is_lost:
            connection.invalidate()
        raise OperationalError("SELECT x", {}, sqlite3.OperationalError("gone\nat once"))

    monkeypatch.setattr(rows_of_log._Covered, "_advance", failing)


def test_a_connection_lost_while_the_log_is_read_is_one_line(db_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    db_cli(*TOP_UP, "A").ok()
    fail_while_read(monkeypatch, is_lost=True)
    outcome = db_cli("verify")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith("Error: the database failed: gone")
    assert outcome.stderr.count("\n") == 1


def test_rows_that_cant_be_fetched_are_a_problem_of_one_line(db_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    db_cli(*TOP_UP, "A").ok()
    fail_while_read(monkeypatch, is_lost=False)
    outcome = db_cli("verify")
    assert outcome.exit_code == 1
    assert "can't be read: gone\n" in outcome.stderr
    assert not any(word in outcome.stderr for word in ("SELECT", "sqlalche.me", "at once"))
