"""`db check`: what is sound, though others have theirs beside it; damage; and who may check."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.script import ScriptDirectory

from ledger.store.schema.sqlite import words
from tests.conftest import Cli
from tests.helpers.ledgers import connected, execute, responses, rows, value
from tests.helpers.roles import role
from tests.helpers.tampering import assert_named
from tests.store.test_migrations import alembic

HARMLESS = "CREATE FUNCTION harmless() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN coalesce(NEW, OLD); END'"


# --- what is sound --------------------------------------------------------------------------------------------------


def revisions() -> list[str]:
    return [script.revision for script in ScriptDirectory.from_config(alembic("")).walk_revisions()][::-1]


@pytest.mark.parametrize("steps", [["0001", "head"], revisions()], ids=["at once", "step by step"])
def test_an_upgraded_ledger_is_sound(db_cli: Cli, db_url: str, steps: list[str]) -> None:
    command.downgrade(alembic(db_url), "base")
    for step in steps:
        command.upgrade(alembic(db_url), step)
    db_cli("db", "init").ok()
    db_cli("ingest", "-", stdin=responses(range(3))).ok()
    assert "sound" in db_cli("db", "check").ok().stderr


def test_a_check_leaves_nothing_behind(cli: Cli, postgres_url: str) -> None:
    query = "SELECT relname FROM pg_class UNION ALL SELECT proname FROM pg_proc ORDER BY 1"
    before = rows(postgres_url, query)
    cli("db", "check", "--db", postgres_url).ok()
    assert rows(postgres_url, query) == before


def test_what_others_have_in_the_database_is_left_alone(db_cli: Cli, db_url: str) -> None:
    statements = [
        "CREATE TABLE theirs (id INTEGER PRIMARY KEY, request_id TEXT UNIQUE, name TEXT CHECK (name <> ''))",
        "CREATE UNIQUE INDEX theirs_name ON theirs (name)",
        "CREATE VIEW spend AS SELECT project, sum(amount_nano) AS nano FROM charges GROUP BY project",
        "CREATE INDEX ix_booked_corrections_project ON booked_corrections (project) WHERE project <> 'unassigned'",
    ]
    if db_url.startswith("postgresql"):
        statements += [
            HARMLESS,
            "CREATE FUNCTION refuse_change(number integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
            "CREATE TRIGGER theirs_own BEFORE INSERT ON theirs FOR EACH ROW EXECUTE FUNCTION harmless()",
            "CREATE SCHEMA other",
            "CREATE TABLE other.charges (id integer)",
            "CREATE FUNCTION other.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            "ALTER TABLE projects ENABLE ALWAYS TRIGGER projects_append_only",
        ]
    else:
        statements += ["CREATE TRIGGER theirs_own AFTER INSERT ON theirs BEGIN DELETE FROM theirs; END", "ANALYZE"]
    execute(db_url, *statements)
    assert "sound" in db_cli("db", "check").ok().stderr


def test_a_ledger_in_a_schema_of_its_own_is_sound(cli: Cli, empty_postgres_url: str) -> None:
    execute(empty_postgres_url, 'CREATE SCHEMA "The Books"')
    url = f"{empty_postgres_url}?options=-csearch_path%3D%22The%5C%20Books%22,public"
    cli("ingest", "-", "--db", url, stdin=responses(range(3))).ok()
    assert value(empty_postgres_url, 'SELECT count(*) FROM "The Books".charges') == 3
    assert "sound" in cli("db", "check", "--db", url).ok().stderr
    execute(empty_postgres_url, 'ALTER TABLE "The Books".booked_usage DISABLE TRIGGER booked_usage_append_only')
    assert_named(cli, url, "trigger booked_usage_append_only of table booked_usage … disabled")


def test_statements_that_sqlite_rewrote_are_sound(cli: Cli, sqlite_url: str) -> None:
    execute(
        sqlite_url,
        "ALTER TABLE booked_corrections RENAME TO other",
        "ALTER TABLE other RENAME TO booked_corrections",
        "ALTER TABLE booked_corrections RENAME COLUMN tier TO other",
        "ALTER TABLE booked_corrections RENAME COLUMN other TO tier",
    )
    assert value(sqlite_url, "SELECT sql FROM sqlite_master WHERE name = 'booked_corrections'").startswith(
        'CREATE TABLE "booked_corrections"'
    )
    assert "sound" in cli("db", "check", "--db", sqlite_url).ok().stderr


def test_words_of_a_statement() -> None:
    assert words("CREATE  Table \"A\"(`b`\nTEXT, [c] x'0a') -- C") == [
        *("create", "table", "a", "(", "b", "text", ",", "c", "x", "'0a'", ")", "-- C"),
    ]
    assert words("'it''s -- \" X'") == ["'it''s -- \" X'"]
    assert words('"a b" = "Ü"') != words("a b = Ü")


# --- damage, and other connections ----------------------------------------------------------------------------------


def test_a_row_that_refers_to_none_is_named_on_sqlite(cli: Cli, sqlite_url: str) -> None:
    execute(
        sqlite_url,
        "INSERT INTO rate_entries SELECT 1, 99, 'p', 'm', 'USD', 0, 'k', 'd', 'c', 0",
    )
    assert_named(cli, sqlite_url, "foreign key of rate_entries row 1: card_versions is missing")


def test_a_damaged_index_is_named_on_sqlite(cli: Cli, sqlite_url: str) -> None:
    cli("ingest", "-", "--db", sqlite_url, stdin=responses(range(3))).ok()
    with connected(sqlite_url) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'ix_batches_run_id')"
            " WHERE name = 'uq_booked_corrections_corrects_id'"
        )
    assert_named(cli, sqlite_url, "integrity: ")


def test_a_connection_on_which_guards_do_not_act_is_named(cli: Cli, postgres_url: str) -> None:
    url = f"{postgres_url}?options=-csession_replication_role%3Dreplica"
    assert_named(cli, url, "guards don't act on this connection")


@pytest.mark.parametrize("read_only", ["off", "on"])
def test_a_reader_with_temporary_tables_can_check(cli: Cli, postgres_url: str, read_only: str) -> None:
    grant = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
    setting = f"ALTER ROLE {{role}} SET default_transaction_read_only = {read_only}"
    with role(postgres_url, grant, setting) as url:
        assert "sound" in cli("db", "check", "--db", url).ok().stderr
        cli("verify", "--db", url).ok()


def test_a_reader_without_temporary_tables_is_told_what_to_do(cli: Cli, empty_postgres_url: str) -> None:
    cli("db", "init", "--db", empty_postgres_url).ok()
    name = value(empty_postgres_url, "SELECT current_database()")
    execute(empty_postgres_url, f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
    with role(empty_postgres_url, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}") as url:
        for words_of_command in (["db", "check"], ["verify"]):
            outcome = cli(*words_of_command, "--db", url)
            assert (outcome.exit_code, outcome.stdout, outcome.stderr.count("\n")) == (2, "", 1)
            assert f"GRANT TEMPORARY ON DATABASE {name} TO tollbook_test_" in outcome.stderr
