"""Changes behind the ledger's back, by somebody who knows how one row is digested: verify names them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from ledger.audit.verify import verify
from ledger.store.opening import create_database, ledger_exists, open_ledger
from ledger.store.tables import metadata
from tests.audit.tamperings import TAMPERED
from tests.conftest import Cli, PostgresServer
from tests.helpers.lakes import post_again
from tests.helpers.ledgers import LITE, apply_projects, responses
from tests.helpers.sources import lines, record, response


def fill(cli: Cli, url: str, folder: Path) -> None:
    """Rows in every table that the log covers, several in most."""
    unknown = [response(f"x{number}", model="unheard-of") for number in range(4)]
    cli("ingest", "-", stdin=responses(range(4)) + lines(unknown))
    cli("ingest", "-", "--source", "other", stdin=lines([record("o1", requested_model=LITE)])).ok()
    cli("reassign", "--project", "project-0", "--to", "search").ok()
    cli("quarantine", "discard", "1", "2", "--reason", "a test's").ok()
    apply_projects(cli, '[[project]]\nid = "search"\nowner = "Ann"\n[[project]]\nid = "support"\n')
    for reference in ("A", "B"):
        cli("wallet", "topup", "--credits", "5", "--grant", "--on", "2026-02-01", "--reference", reference).ok()
    for name in ("all", "more"):
        cli("budget", "set", name, "--amount", "0.0001usd", "--from", "2026-02-01").ok()
    cli("budget", "notify", "--at", "2026-02-28").ok()
    for per_usd, start in (("68", "2026-11-01"), ("67", "2026-12-01")):
        cli("rates", "conversion", "add", "--per-usd", per_usd, "--from", start).ok()
    cli("close", "2026-02", "--force", "--reason", "a test").ok()
    post_again(cli, url, folder, "2026-02")
    credit = ("--project", "search", "--amount", "1usd", "--month", "2026-02", "--reason", "credit")
    cli("adjust", *credit, "--reference", "X").ok()
    cli("verify").ok()


@pytest.fixture(scope="module")
def filled(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The URL of a ledger on each database, once a test has filled it."""
    name = postgres_server.create()
    folder = tmp_path_factory.mktemp("filled")
    yield {"sqlite": f"sqlite:///{folder}/tollbook.db", "postgres": postgres_server.database_url(name)}
    postgres_server.drop(name)


@pytest.fixture(params=["sqlite", "postgres"])
def book(request: pytest.FixtureRequest, cli: Cli, filled: dict[str, str], tmp_path: Path) -> str:
    """The URL of a filled ledger, which no test may change for good."""
    url = filled[request.param]
    if not ledger_exists(url):
        create_database(url)
        fill(lambda *args, **more: cli(*args, "--db", url, **more), url, tmp_path / "lake")
    return url


def problems(url: str, *statements: str) -> list[str]:
    """The problems that verify finds after these statements, run in its own passing transaction, guards taken away."""
    database = open_ledger(url)
    assert database.settings

    def tamper(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        if database.is_sqlite:
            driver.execute("PRAGMA defer_foreign_keys = ON")
            driver.execute("PRAGMA legacy_alter_table = ON")  # a table is renamed to one that a view lacks
            guards = driver.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
            disarmed = [f"DROP TRIGGER {name}" for (name,) in guards]
        else:
            disarmed = ["SET LOCAL session_replication_role = replica"]
        for statement in (*disarmed, *statements):
            driver.execute(statement)

    event.listen(database.engine, "begin", tamper)
    try:
        return verify(database).problems
    finally:
        event.remove(database.engine, "begin", tamper)  # it holds the database, whose end lets go of the engine
        database.close()


@pytest.mark.parametrize("name", TAMPERED)
def test_what_was_tampered_with_is_named(book: str, name: str) -> None:
    statements, expected = TAMPERED[name]
    found = problems(book, *(statements(book) if callable(statements) else statements))
    assert any(expected in problem for problem in found), found


def test_the_filled_ledger_is_sound(book: str) -> None:
    assert problems(book) == []


# --- tables of another shape ----------------------------------------------------------------------------------------

# Commands that open a ledger look at these first, and say that it is none.
OPENED_BY = ("ledger_settings",)
TABLES = [name for name in sorted(metadata.tables) if name not in OPENED_BY]


def dropped(url: str, table: str) -> str:
    return f"DROP TABLE {table}{'' if url.startswith('sqlite') else ' CASCADE'}"


@pytest.mark.parametrize("table", TABLES)
def test_a_dropped_table_is_a_problem(book: str, table: str) -> None:
    assert any(table in problem for problem in problems(book, dropped(book, table)))


@pytest.mark.parametrize("table", TABLES)
def test_a_missing_column_is_a_problem(book: str, table: str) -> None:
    key = metadata.tables[table].primary_key.columns.keys()[0]
    found = problems(book, f"ALTER TABLE {table} RENAME COLUMN {key} TO gone")
    assert any("can't be checked" in problem for problem in found)


@pytest.mark.parametrize("spoiled", ["NULL", pytest.param("'{['", marks=pytest.mark.long)], ids=["null", "text"])
@pytest.mark.parametrize("table", TABLES)
def test_values_that_can_t_be_are_problems(book: str, table: str, spoiled: str) -> None:
    """The table is made anew without constraints; every column but the first holds nothing, or the same text."""
    first, *others = metadata.tables[table].columns.keys()
    columns = ", ".join(f"{spoiled} AS {name}" for name in others)
    anew = [f"CREATE TABLE spoiled AS SELECT {first}, {columns} FROM {table}", dropped(book, table)]
    found = problems(book, *anew, f"ALTER TABLE spoiled RENAME TO {table}")
    # How far an event was told is known nowhere else; nothing is archived here: see tests/lake/test_archive_is_safe.py.
    assert found or table in ("budget_deliveries", "archives", "archived_usage")


@pytest.mark.long
@pytest.mark.parametrize("table", TABLES)
def test_no_column_can_hold_what_makes_verify_raise(book: str, table: str) -> None:
    names = metadata.tables[table].columns.keys()
    for spoiled in ("NULL", "'{['", "9223372036854775807", "-1", "''", "1.5"):
        for name in names:
            columns = ", ".join(f"{spoiled} AS {each}" if each == name else each for each in names)
            anew = [f"CREATE TABLE spoiled AS SELECT {columns} FROM {table}", dropped(book, table)]
            problems(book, *anew, f"ALTER TABLE spoiled RENAME TO {table}")
