"""`db roles`: what it prints makes a writer who can't change the book, and a reader who can't write at all.

That writers can do their work show the tests of all rooms: `db_cli` works as one on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from alembic import command
from sqlalchemy.engine import make_url

from ledger import Ledger
from ledger.store.roles import identifier
from ledger.store.tables import ADDED_TO, APPEND_ONLY, CHANGED, VIEWS, metadata
from tests.conftest import OWNERS_COMMANDS, Cli, PostgresServer
from tests.helpers.ledgers import connected, execute, responses, rows, tamper
from tests.helpers.sources import response
from tests.store.test_migrations import alembic

FORBIDDEN = "permission denied|must be owner"
# What nobody but the owner may, as SQL.
OWNERS = (
    "ALTER TABLE booked_corrections DISABLE TRIGGER booked_corrections_append_only",
    "ALTER TABLE booked_corrections DISABLE TRIGGER ALL",
    "ALTER TABLE booked_corrections ADD COLUMN note text",
    "ALTER TABLE booked_corrections OWNER TO CURRENT_USER",
    "DROP TRIGGER booked_corrections_append_only ON booked_corrections",
    "DROP TABLE booked_corrections",
    "DROP INDEX uq_booked_corrections_corrects_id",
    "CREATE RULE none AS ON INSERT TO booked_corrections DO INSTEAD NOTHING",
    "CREATE TRIGGER none BEFORE INSERT ON booked_corrections FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "DROP FUNCTION refuse_change() CASCADE",
    "CREATE TABLE public.mine (id integer)",
    "CREATE SCHEMA mine",
    "SET session_replication_role = replica",
    "UPDATE alembic_version SET version_num = '0001'",
)
READING = (
    ("report", "--json"), ("status", "--json"), ("verify", "--json"), ("db", "check"), ("db", "current", "--json"),
    ("batches", "--json"), ("quarantine", "list", "--json"), ("rates", "list", "--json"), ("budget", "list", "--json"),
    ("export", "charges", "--month", "2026-02"), ("whatif", "--month", "2026-02", "--cap-input", "100", "--json"),
)  # fmt: skip
WRITING = (
    ("ingest", "-"),
    ("void", "--id", "resp_000001"),
    ("rates", "conversion", "add", "--per-usd", "68", "--from", "2026-03-01"),
    ("wallet", "topup", "--credits", "5", "--grant", "--on", "2026-02-01", "--reference", "X"),
    ("budget", "set", "all", "--amount", "1usd", "--from", "2026-02-01"),
    ("close", "2026-02", "--force", "--reason", "x"),
)


def as_(role: str, url: str) -> str:
    return make_url(url).set(username=role).render_as_string(hide_password=False)


@pytest.fixture
def writer_url(postgres_server: PostgresServer, postgres_url: str) -> str:
    return postgres_server.writer_url(postgres_url)


@pytest.fixture
def reader_url(postgres_server: PostgresServer, postgres_url: str) -> str:
    return postgres_server.reader_url(postgres_url)


@pytest.fixture
def filled(cli: Cli, writer_url: str) -> str:
    """A ledger with usage, corrected, by the writer."""
    cli("ingest", "-", "--db", writer_url, stdin=responses(range(4))).ok()
    cli("reassign", "--project", "project-0", "--to", "search", "--db", writer_url).ok()
    return writer_url


def assert_forbidden(url: str, *statements: str) -> None:
    with connected(url) as connection:
        for statement in statements:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=FORBIDDEN):
                connection.execute(statement)


# --- the rights -----------------------------------------------------------------------------------------------------


def test_each_table_has_its_place_in_one_list() -> None:
    assert sorted([*APPEND_ONLY, *ADDED_TO, *CHANGED]) == sorted(metadata.tables)


def test_rights_are_those_and_no_others(postgres_server: PostgresServer, postgres_url: str) -> None:
    granted = rows(
        postgres_url,
        "SELECT grantee, table_name, string_agg(privilege_type, ' ' ORDER BY privilege_type)"
        " FROM information_schema.role_table_grants WHERE table_schema = 'public'"
        f" AND grantee IN ('PUBLIC', '{postgres_server.writer}', '{postgres_server.reader}') GROUP BY 1, 2",
    )
    tables = [*metadata.tables, "alembic_version"]
    expected = {(role, view): "SELECT" for role in (postgres_server.reader, postgres_server.writer) for view in VIEWS}
    expected |= {(postgres_server.reader, table): "SELECT" for table in tables}
    expected |= {(postgres_server.writer, table): "INSERT SELECT" for table in tables}
    expected |= {(postgres_server.writer, table): "INSERT SELECT UPDATE" for table in CHANGED}
    expected |= {(postgres_server.writer, table): "SELECT" for table in ("ledger_settings", "alembic_version")}
    assert {(grantee, table): rights for grantee, table, rights in granted} == expected


def test_a_writer_can_neither_change_the_book_nor_its_schema(filled: str) -> None:
    for table in (*APPEND_ONLY, *ADDED_TO):
        columns = metadata.tables[table].columns.keys()
        assert_forbidden(filled, *(f"UPDATE {table} SET {column} = {column}" for column in columns))
    assert_forbidden(filled, *(f"DELETE FROM {table}" for table in metadata.tables))
    assert_forbidden(filled, *(f"TRUNCATE {table} CASCADE" for table in metadata.tables))
    assert_forbidden(filled, "INSERT INTO ledger_settings VALUES ('a', 'b')", "UPDATE ledger_settings SET name = 'a'")
    assert_forbidden(filled, *OWNERS)


def test_an_application_records_as_the_writer(cli: Cli, writer_url: str) -> None:
    with Ledger(writer_url) as ledger:
        fates = [ledger.record(response(number), requested_model="doubao-seed-2.0-pro").status for number in "aab"]
    assert fates == ["accepted", "duplicate", "accepted"]
    cli("verify", "--db", writer_url).ok()


# --- the reader -----------------------------------------------------------------------------------------------------


def test_a_reader_reads_all_that_a_writer_does(cli: Cli, filled: str, reader_url: str) -> None:
    for words in READING:
        told = cli(*words, "--db", filled).ok().stdout.replace("_writer", "_reader")
        assert cli(*words, "--db", reader_url).ok().stdout == told, words


def test_a_reader_is_told_what_is_wrong(cli: Cli, postgres_url: str, filled: str, reader_url: str) -> None:
    tamper(postgres_url, "DELETE FROM rollup_keys", "DELETE FROM rollup_days")
    for url in (filled, reader_url):
        outcome = cli("verify", "--db", url)
        assert outcome.exit_code == 1
        assert "isn't the sum of its charges" in outcome.stderr


def test_a_reader_is_refused_writing_in_one_line(cli: Cli, filled: str, reader_url: str) -> None:
    before = cli("report", "--json", "--db", filled).ok().stdout
    for words in WRITING:
        outcome = cli(*words, "--db", reader_url, stdin=responses(range(10, 12)))
        assert (outcome.exit_code, outcome.stdout, outcome.stderr.count("\n")) == (2, "", 1), outcome
        assert "permission denied for table ledger_settings" in outcome.stderr
        assert "'tollbook db roles'" in outcome.stderr
    assert cli("report", "--json", "--db", filled).ok().stdout == before


def test_a_reader_can_change_nothing(filled: str, reader_url: str) -> None:
    for verb in (
        "DELETE FROM {}",
        "TRUNCATE {} CASCADE",
        "INSERT INTO {0} SELECT * FROM {0}",
        "SELECT * FROM {} FOR UPDATE",
    ):
        assert_forbidden(reader_url, *(verb.format(table) for table in metadata.tables))
    for name, table in metadata.tables.items():
        assert_forbidden(reader_url, *(f"UPDATE {name} SET {column.name} = {column.name}" for column in table.columns))
    assert_forbidden(reader_url, *OWNERS)


# --- what is the owner's --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("db", "rollups", "--tag", "team"), ("db", "upgrade")])
def test_what_is_the_owners_is_said_in_one_line(
    cli: Cli, postgres_url: str, filled: str, words: tuple[str, ...]
) -> None:
    assert words[:2] in OWNERS_COMMANDS
    if words == ("db", "upgrade"):
        assert "nothing to do" in cli(*words, "--db", filled).ok().stderr
        command.downgrade(alembic(postgres_url), "0006")
    outcome = cli(*words, "--db", filled)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr.count("\n")) == (2, "", 1), outcome
    assert "permission denied" in outcome.stderr
    assert "the ledger's owner" in outcome.stderr


def test_roles_have_their_rights_again_after_an_upgrade(
    cli: Cli, postgres_server: PostgresServer, postgres_url: str, filled: str
) -> None:
    command.downgrade(alembic(postgres_url), "0006")
    cli("db", "upgrade", "--db", postgres_url).ok()
    budget = ("budget", "set", "all", "--amount", "1usd", "--from", "2026-02-01", "--db", filled)
    assert "permission denied for table budgets" in cli(*budget).stderr
    postgres_server.grant_roles(postgres_url)
    cli(*budget).ok()


# --- what is printed ------------------------------------------------------------------------------------------------


@pytest.fixture
def strange(postgres_server: PostgresServer) -> Iterator[tuple[str, str]]:
    """Names of roles that are SQL where they aren't quoted; asked for before the database that is to depend on them."""
    names = (f"{postgres_server.writer}\"; DROP TABLE charges; '$$\\q :x", f"{postgres_server.reader}' Ünï -- ")
    yield names
    with postgres_server.connect() as connection:
        for name in names:
            connection.execute(f"DROP ROLE IF EXISTS {identifier(name)}".encode())


def test_names_are_names_whatever_they_hold(
    strange: tuple[str, str], postgres_server: PostgresServer, cli: Cli, empty_postgres_url: str
) -> None:
    writer, reader = strange
    execute(empty_postgres_url, 'CREATE SCHEMA "The Books"')
    url = f"{empty_postgres_url}?options=-csearch_path%3D%22The%5C%20Books%22"
    cli("db", "init", "--db", url).ok()
    printed = cli("db", "roles", "--writer", writer, "--reader", reader, "--db", url).ok()
    assert printed.stderr == ""
    for _again in range(2):
        execute(empty_postgres_url, printed.stdout)
    found = rows(empty_postgres_url, f"SELECT rolname FROM pg_roles WHERE rolname LIKE '{postgres_server.writer}_;%'")
    assert found == [(writer,)]
    cli("ingest", "-", "--db", as_(writer, url), stdin=responses(range(2))).ok()
    cli("verify", "--db", as_(reader, url)).ok()
    assert cli("ingest", "-", "--db", as_(reader, url), stdin=responses(range(2))).exit_code == 2


def test_wider_rights_that_a_role_had_are_taken_away(
    cli: Cli, postgres_server: PostgresServer, empty_postgres_url: str, postgres_template: str
) -> None:
    cli("db", "init", "--db", empty_postgres_url).ok()
    execute(
        empty_postgres_url,
        f"GRANT ALL ON charges, ledger_settings TO {postgres_server.writer}, {postgres_server.reader}",
    )
    execute(empty_postgres_url, "GRANT CREATE ON SCHEMA public TO PUBLIC")
    postgres_server.grant_roles(empty_postgres_url)
    for role in (postgres_server.writer, postgres_server.reader):
        url = as_(role, empty_postgres_url)
        assert_forbidden(
            url, "DELETE FROM booked_usage", "UPDATE ledger_settings SET name = ''", "CREATE TABLE mine ()"
        )


@pytest.mark.parametrize("name", ["", "a\nb", "ü" * 32, "x" * 64])
def test_what_is_no_name_of_a_role_is_refused(cli: Cli, postgres_url: str, name: str) -> None:
    outcome = cli("db", "roles", "--writer", name, "--db", postgres_url)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr.count("\n")) == (2, "", 1)
    assert "give a name of 1 to 63 bytes" in outcome.stderr


def test_one_role_is_not_both(cli: Cli, postgres_url: str) -> None:
    outcome = cli("db", "roles", "--writer", "a", "--reader", "a", "--db", postgres_url)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "give two names" in outcome.stderr


def test_the_owner_keeps_its_rights(cli: Cli, postgres_url: str) -> None:
    outcome = cli("db", "roles", "--writer", make_url(postgres_url).username, "--db", postgres_url)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr.count("\n")) == (2, "", 1)
    assert "owns the ledger" in outcome.stderr


def test_a_file_has_no_roles(cli: Cli, sqlite_url: str) -> None:
    outcome = cli("db", "roles", "--db", sqlite_url)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "of a SQLite ledger the file's mode says" in outcome.stderr
