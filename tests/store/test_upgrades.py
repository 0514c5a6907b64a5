"""Ledgers that earlier versions wrote, upgraded: closed exports and digests stay, and the book goes on.

`ledgers/` holds dumps of one ledger at the first revision and at the last before a record and its first charge were one
row: voids, an accepted conflict, a record booked again, a reprice, an adjustment and two closes are in it; and the
closed months as they were exported then.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy.engine import make_url

from tests.conftest import Cli
from tests.helpers.ledgers import connected, rows, tamper, value
from tests.helpers.sources import lines, record
from tests.store.test_migrations import alembic

LEDGERS = Path(__file__).parent / "ledgers"
MARCH = 1_772_900_000


@pytest.fixture(params=["0001", "0011"])
def old_url(request: pytest.FixtureRequest, empty_db_url: str) -> str:
    """A ledger as that revision has it."""
    dump = (LEDGERS / f"revision_{request.param}.sql").read_text()
    if make_url(empty_db_url).get_backend_name() == "sqlite":
        with connected(empty_db_url) as connection:
            connection.executescript(dump)
        return empty_db_url
    command.upgrade(alembic(empty_db_url), request.param)
    copy_rows(dump, empty_db_url)
    return empty_db_url


def copy_rows(dump: str, url: str) -> None:
    """Puts the rows of a SQLite dump into the tables of PostgreSQL."""
    source = sqlite3.connect(":memory:")
    source.executescript(dump)
    names = [name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid")]
    names.sort(key=lambda name: name != "card_versions")  # which others refer to
    with connected(url) as connection:
        for name in names:
            found = source.execute(f"SELECT * FROM {name}")
            columns = [column for column, *_rest in found.description]
            if name == "alembic_version":
                continue
            insert = f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"
            for row in found:
                connection.execute(insert, row)
    source.close()


def exported(cli: Cli, url: str, month: str, folder: Path) -> bytes:
    cli("export", "charges", "--month", month, "-o", str(folder / "charges.csv"), "--db", url).ok()
    return (folder / "charges.csv").read_bytes()


def test_what_was_closed_and_sealed_stays(cli: Cli, old_url: str, tmp_path: Path) -> None:
    sealed = rows(old_url, "SELECT id, digest FROM batches ORDER BY id")
    cli("db", "upgrade", "--db", old_url).ok()
    cli("db", "check", "--db", old_url).ok()
    cli("verify", "--db", old_url).ok()
    assert rows(old_url, "SELECT id, digest FROM batches ORDER BY id") == sealed
    for month in ("2026-02", "2026-03"):
        assert exported(cli, old_url, month, tmp_path) == (LEDGERS / f"charges-{month}.csv").read_bytes()
    assert value(old_url, "SELECT count(*) FROM booked_usage WHERE recorded_id IS NOT NULL")


def test_old_records_are_known_corrected_and_closed_as_new_ones_are(cli: Cli, old_url: str) -> None:
    cli("db", "upgrade", "--db", old_url).ok()
    model = "doubao-seed-2.0-pro"
    stated = {"requested_model": model, "reasoning_tokens": 0, "output_tokens": 300}
    again = record("r33", occurred_at=MARCH + 33 * 9_000, input_tokens=66_000, project="p0", **stated)
    new = record("n1", occurred_at=MARCH + 1, input_tokens=10, project="p0", **stated)
    shown = cli("ingest", "-", "--db", old_url, "--json", stdin=lines([again, new])).ok().json
    assert (shown["accepted"], shown["duplicate"]) == (1, 1)
    for words in (
        ("rates", "conversion", "add", "--per-usd", "90", "--from", "2026-03-11"),
        ("reprice", "--since", "2026-03-01"),
        ("void", "--id", "r33"),
        ("reassign", "--project", "p2", "--to", "found"),
        ("void", "--batch", "7"),
    ):
        cli(*words, "--db", old_url).ok()
        cli("verify", "--db", old_url).ok()
    shown = cli("ingest", "-", "--db", old_url, "--json", stdin=lines([again])).ok().json
    assert shown["accepted"] == 1
    cli("close", "--through", "2026-04", "--force", "--reason", "a test", "--db", old_url).ok()
    cli("verify", "--db", old_url).ok()


def test_an_old_number_is_still_sealed(cli: Cli, old_url: str) -> None:
    cli("db", "upgrade", "--db", old_url).ok()
    tamper(old_url, "UPDATE booked_usage SET recorded_id = recorded_id + 100 WHERE recorded_id = 15")
    assert "is no longer as they were sealed" in cli("verify", "--db", old_url).stderr.replace(
        "it or its rows are", "is"
    )


def test_a_ledger_that_verify_would_refuse_is_not_upgraded(cli: Cli, old_url: str) -> None:
    tamper(old_url, "DELETE FROM charges AS c WHERE c.id = 9")
    outcome = cli("db", "upgrade", "--db", old_url)
    assert outcome.exit_code == 2
    assert "usage records without a charge" in outcome.stderr
    assert value(old_url, "SELECT count(*) FROM charges")
