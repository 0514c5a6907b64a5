"""Opening a ledger: what is refused and in which words, what creates one, and its zone."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import DatabaseFailure, LedgerError
from ledger.store import opening
from ledger.store.opening import create_database, ledger_exists, open_ledger, upgrade_database
from ledger.store.revision import HEAD_REVISION
from ledger.store.tables.columns import UtcTime
from ledger.store.urls import parse_url
from ledger.values.instants import from_microseconds, to_microseconds
from tests.conftest import Cli
from tests.helpers.ledgers import connected, execute, responses, rows

READING = (
    ["report"],
    ["batches"],
    ["status"],
    ["verify"],
    ["export", "charges"],
    ["export", "chargeback", "--month", "2026-03"],
    ["export", "focus", "--month", "2026-03"],
    ["project", "apply"],
    ["project", "list"],
    ["workload", "pull"],
    ["quarantine", "list"],
    ["quarantine", "retry"],
    ["void", "--id", "x"],
    ["reassign", "--project", "a", "--to", "b"],
    ["wallet", "balance"],
    ["wallet", "statement", "--month", "2026-03"],
    ["reconcile"],
    ["reconcile", "--remaining-credits", "1"],
    ["db", "current"],
    ["db", "check"],
    ["db", "upgrade"],
)


# --- which database -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_reading_command_names_the_missing_ledger_and_makes_none(
    cli: Cli, tmp_path: Path, command: list[str]
) -> None:
    outcome = cli(*command, "--db", "nowhere.db")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr == "Error: there is no ledger at nowhere.db: ingest into it, or run 'tollbook db init'\n"
    assert list(tmp_path.iterdir()) == []


def test_an_empty_postgresql_database_is_no_ledger_until_something_creates_it(
    cli: Cli, empty_postgres_url: str
) -> None:
    for command in READING:
        outcome = cli(*command, "--db", empty_postgres_url)
        assert outcome.exit_code == 2
        assert "there is no ledger at postgresql+psycopg://postgres@" in outcome.stderr
    assert rows(empty_postgres_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []
    cli("ingest", "-", "--db", empty_postgres_url, stdin=responses(range(2))).ok()
    cli("verify", "--db", empty_postgres_url).ok()


def test_a_ledger_behind_the_code_names_the_command_to_run(db_cli: Cli, db_url: str) -> None:
    execute(db_url, "UPDATE alembic_version SET version_num = '0000'")
    for command in (["report"], ["ingest", "-"]):
        outcome = db_cli(*command, stdin=responses([1]))
        assert outcome.exit_code == 2
        assert f"is of schema 0000, this tollbook needs {HEAD_REVISION}: run 'tollbook db upgrade'" in outcome.stderr


def test_a_ledger_ahead_of_the_code_is_left_alone(db_cli: Cli, db_url: str) -> None:
    execute(db_url, "UPDATE alembic_version SET version_num = '9999'")
    for command in (["report"], ["ingest", "-"], ["db", "upgrade"]):
        outcome = db_cli(*command, stdin=responses([1]))
        assert outcome.exit_code == 2
        assert f"9999, newer than this tollbook's {HEAD_REVISION}" in outcome.stderr
        assert "pip install --upgrade tollbook" in outcome.stderr


def test_who_has_a_ledger_open_writes_no_more_once_another_upgraded_it(db_url: str) -> None:
    database = open_ledger(db_url)
    with database.writing():
        pass
    execute(db_url, "UPDATE alembic_version SET version_num = '9999'")
    expected = f"of schema 9999, newer than this tollbook's {HEAD_REVISION}: run 'pip install --upgrade tollbook'"
    with pytest.raises(DatabaseFailure, match=expected), database.writing():
        pytest.fail("it writes by the rules of another schema")
    execute(db_url, f"UPDATE alembic_version SET version_num = '{HEAD_REVISION}'")
    with database.writing():
        pass


def test_an_upgrade_waits_for_who_is_writing(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LOCK_WAIT_SECONDS", 0.2)
    with open_ledger(postgres_url).writing():
        execute(postgres_url, "UPDATE alembic_version SET version_num = '0001'")
        with pytest.raises(DatabaseFailure, match="another program has been changing it for long"):
            upgrade_database(postgres_url)


def test_upgrade_of_a_ledger_at_head_changes_nothing(db_cli: Cli) -> None:
    assert db_cli("db", "upgrade").ok().stderr == f"schema {HEAD_REVISION}: nothing to do\n"


@pytest.mark.parametrize("table", ["customers", "usage_records", "alembic_version"])
def test_another_applications_database_is_refused(cli: Cli, empty_db_url: str, table: str) -> None:
    execute(empty_db_url, f"CREATE TABLE {table} (version_num text)", f"INSERT INTO {table} VALUES ('abc')")
    commands = [["report"], ["ingest", "-"]]
    if table == "customers" and empty_db_url.startswith("postgresql"):
        commands.pop()  # tables of others beside the ledger's are ordinary there
    for command in commands:
        outcome = cli(*command, "--db", empty_db_url, stdin=responses([1]))
        assert outcome.exit_code == 2
        assert outcome.stderr.count("\n") == 1
        assert "ledger" in outcome.stderr
    assert rows(empty_db_url, f"SELECT * FROM {table}") == [("abc",)]


def test_a_file_that_is_no_database_is_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no database\n" * 100)
    for command in (["report"], ["ingest", "-"], ["db", "init"]):
        outcome = cli(*command, "--db", "notes.txt", stdin=responses([1]))
        assert (outcome.exit_code, outcome.stderr) == (2, "Error: notes.txt can't be opened: file is not a database\n")
    assert (tmp_path / "notes.txt").read_text() == "no database\n" * 100


def test_a_folder_is_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for command in (["report"], ["ingest", "-"]):
        outcome = cli(*command, "--db", "folder", stdin=responses([1]))
        assert (outcome.exit_code, outcome.stderr) == (2, "Error: folder is a folder: give a database file\n")


def test_a_file_in_a_missing_folder_is_refused(cli: Cli, tmp_path: Path) -> None:
    outcome = cli("ingest", "-", "--db", "missing/tollbook.db", stdin=responses([1]))
    assert (outcome.exit_code, outcome.stderr) == (2, "Error: missing isn't a folder: make it first\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite://", "can't live in memory"),
        ("sqlite:///:memory:", "can't live in memory"),
        (":memory:", "can't live in memory"),
        ("sqlite:///file:book?mode=memory&uri=true", "can't live in memory"),
        ("sqlite:///book.db?timeout=abc", "a SQLite file takes no options"),
        ("mysql://root@127.0.0.1/x", "'mysql' is not supported"),
        ("sqlite+aiosqlite:///book.db", "'sqlite+aiosqlite' is not supported"),
        ("postgresql://127.0.0.1:port/x", "can't be read"),
        ("://", "can't be read"),
        ("postgresql://postgres@127.0.0.1:1/x", "Connection refused"),
        ("postgresql://127.0.0.1/x?nonsense=1", "can't be opened"),
    ],
)  # fmt: skip
def test_a_url_that_leads_to_no_ledger_is_one_line(cli: Cli, url: str, words: str) -> None:
    for command in (["report"], ["ingest", "-"]):
        outcome = cli(*command, "--db", url, stdin=responses([1]))
        assert outcome.exit_code == 2
        assert words in outcome.stderr
        assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize("url", ["postgresql://me:secret@127.0.0.1:port/x", "postgresql://me:secret@127.0.0.1:1/x"])
def test_no_message_holds_the_password(cli: Cli, url: str) -> None:
    outcome = cli("report", "--db", url)
    assert outcome.exit_code == 2
    assert "secret" not in outcome.stderr


def test_every_spelling_of_postgresql_means_psycopg() -> None:
    for scheme in ("postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2", "postgresql+asyncpg"):
        assert parse_url(f"{scheme}://u@h/d").drivername == "postgresql+psycopg"


def test_a_path_is_a_path_whatever_is_in_it() -> None:
    for path in ("what?.db", "50%.db", "a b.db", "/abs/ü.db", "x@y:z.db"):
        assert parse_url(path).database == path


# --- creation -------------------------------------------------------------------------------------------------------


def test_creating_a_ledger_that_is_there_changes_nothing(db_cli: Cli, db_url: str) -> None:
    db_cli("ingest", "-", stdin=responses(range(3))).ok()
    before = [rows(db_url, f"SELECT * FROM {table}") for table in ("ledger_settings", "usage_records")]
    create_database(db_url, timezone="Asia/Shanghai", rollup_tags=["team"])
    assert "was there already, zone UTC" in db_cli("db", "init").ok().stderr
    assert [rows(db_url, f"SELECT * FROM {table}") for table in ("ledger_settings", "usage_records")] == before


@pytest.mark.parametrize("command", [["db", "init"], ["db", "upgrade"], ["ingest", "-"]])
def test_a_wait_for_another_s_change_of_the_schema_ends_in_one_line(
    cli: Cli, empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr(opening, "LOCK_WAIT_SECONDS", 0.2)
    if command[1] == "upgrade":
        create_database(empty_postgres_url)
        execute(empty_postgres_url, "UPDATE alembic_version SET version_num = '0001'")
    with connected(empty_postgres_url) as other:
        other.execute(f"SELECT pg_advisory_lock({opening.CREATION_LOCK})")
        other.execute("SET idle_session_timeout = '60s'")  # ends the wait of a command that has no limit
        refused = cli(*command, "--db", empty_postgres_url, stdin=responses([1]))
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (2, 1)
    assert "another program has been changing it for long; try again once it is done" in refused.stderr


def test_a_ledger_that_exists_is_known_by_its_schema(db_url: str, tmp_path: Path) -> None:
    assert ledger_exists(db_url)
    assert not ledger_exists(str(tmp_path / "nowhere.db"))
    (tmp_path / "empty.db").touch()
    assert not ledger_exists(str(tmp_path / "empty.db"))


def test_a_sqlite_ledger_syncs_and_logs_ahead(cli: Cli, tmp_path: Path) -> None:
    cli("db", "init").ok()
    with open_ledger(str(tmp_path / "tollbook.db")).reading() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2}
    assert rows(f"sqlite:///{tmp_path / 'tollbook.db'}", "PRAGMA integrity_check") == [("ok",)]


def test_a_closed_ledger_keeps_no_connection_and_goes_on_when_asked(cli: Cli, db_url: str) -> None:
    cli("ingest", "-", "--db", db_url, stdin=responses([1])).ok()
    database = open_ledger(db_url)
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM usage_records").scalar() == 1
    pool = database.engine.pool
    database.close()
    assert database.engine.pool is not pool
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM usage_records").scalar() == 1
    database.close()


# --- zone and settings ----------------------------------------------------------------------------------------------


def test_the_zone_is_fixed_once_a_charge_is_posted(cli: Cli, empty_db_url: str) -> None:
    def init(zone: str) -> str:
        return cli("db", "init", "--db", empty_db_url, "--timezone", zone).ok().stderr

    assert "created, zone Asia/Shanghai" in init("Asia/Shanghai")
    assert "was there already, zone America/New_York" in init("America/New_York")
    # 03:30 on 1 March in UTC is still February in New York.
    line = responses([1], created_at="2026-03-01T03:30:00Z")
    cli("ingest", "-", "--db", empty_db_url, stdin=line).ok()
    assert rows(empty_db_url, "SELECT occurred_month, posted_month FROM charges") == [("2026-02", "2026-02")]
    assert rows(empty_db_url, "SELECT day FROM rollup_days") == [("2026-02-28",)]
    outcome = cli("db", "init", "--db", empty_db_url, "--timezone", "UTC")
    assert outcome.exit_code == 2
    assert "the ledger's zone is America/New_York and charges are posted by it" in outcome.stderr
    assert "was there already, zone America/New_York" in init("America/New_York")


def test_zone_and_tags_come_from_the_configuration_when_a_ledger_is_made(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tollbook.toml").write_text('[ledger]\ntimezone = "Asia/Shanghai"\nrollup_tags = ["team", "env"]\n')
    cli("ingest", "-", stdin=responses([1])).ok()
    found = cli("db", "current", "--json").ok().json
    assert (found["timezone"], found["rollup_tags"]) == ("Asia/Shanghai", ["env", "team"])


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ('timezone = "Mars/Olympus"', "time zone 'Mars/Olympus' is not known"),
        ('rollup_tags = ["a", "b", "c", "d", "e"]', "at most 4"),
        ('rollup_tags = ["a,b"]', "'a,b' can't be rolled up"),
    ],
)
def test_a_ledger_is_not_made_by_a_wrong_configuration(cli: Cli, tmp_path: Path, section: str, words: str) -> None:
    (tmp_path / "tollbook.toml").write_text(f"[ledger]\n{section}\n")
    outcome = cli("ingest", "-", stdin=responses([1]))
    assert outcome.exit_code == 2
    assert words in outcome.stderr
    assert not ledger_exists(str(tmp_path / "tollbook.db"))


def test_a_writer_notices_that_the_rolled_up_tags_changed_meanwhile(db_url: str, db_cli: Cli) -> None:
    from ledger.book.posting import Poster, Run

    database = open_ledger(db_url)
    poster = Poster(database, Run("ingest"))
    db_cli("db", "rollups", "--tag", "team").ok()
    with database.writing() as connection, pytest.raises(LedgerError, match="were changed meanwhile"):
        poster.seal(connection, 1, None, [[1]], [[1]])
    assert database.rollup_tags == ("team",)


# --- times ----------------------------------------------------------------------------------------------------------


def test_times_are_kept_to_the_microsecond_and_naive_ones_refused() -> None:
    last = 253_402_300_799_999_999  # 9999-12-31T23:59:59.999999Z
    assert [to_microseconds(from_microseconds(value)) for value in (0, 1, last)] == [0, 1, last]
    with pytest.raises(ValueError, match="has no time zone"):
        UtcTime().process_bind_param(from_microseconds(0).replace(tzinfo=None), None)  # type: ignore[arg-type]
