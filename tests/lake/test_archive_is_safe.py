"""Archived rows can't be lost or changed unseen: while they go, in the ledger, and in their files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.lake import archive as archiving
from ledger.store.tables import metadata
from tests.conftest import Cli, Outcome, PostgresServer
from tests.helpers.archives import APRIL, WHY, archive, fill, of_march, other_lake
from tests.helpers.ledgers import connected, execute, rows, tamper, value
from tests.helpers.sources import lines, response

CHANGES = {
    "a correction": (("void", "--id", "m1", *WHY), "corrected or archived meanwhile"),
    "another archive": (("archive", "--through", "2026-03", "-o", "other"), "corrected or archived meanwhile"),
    "a redaction": (("redact", "--tag", "team=a", "--yes", *WHY), "redacted meanwhile"),
    "a month opened again": (("reopen", "2026-03", *WHY), "isn't closed"),
}


@pytest.mark.parametrize(("change", "said"), CHANGES.values(), ids=CHANGES.keys())
def test_what_changes_while_a_file_is_written_is_not_lost(
    db_cli: Cli, monkeypatch: pytest.MonkeyPatch, change: tuple[str, ...], said: str
) -> None:
    fill(db_cli)
    write: Callable[..., Any] = archiving._write

    def write_and_change(*args: Any) -> Any:
        file = write(*args)
        monkeypatch.setattr(archiving, "_write", write)
        db_cli(*change).ok()
        return file

    monkeypatch.setattr(archiving, "_write", write_and_change)
    refused = archive(db_cli)
    assert (refused.exit_code, said in refused.stderr) == (2, True)
    db_cli("verify").ok()


def test_no_number_is_given_again(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    db_cli("ingest", "-", stdin=of_march(*(f"m{number}" for number in range(10)))).ok()
    db_cli("close", "2026-03", "--force", *WHY).ok()
    db_cli("export", "charges", "-o", "before.csv").ok()
    archive(db_cli).ok()
    db_cli("ingest", "-", stdin=lines(response(f"a{number}", created_at=APRIL) for number in range(5))).ok()
    assert value(db_url, "SELECT min(id) FROM booked_usage") > 10
    db_cli("verify").ok()
    db_cli("verify", "--archive", "kept").ok()
    db_cli("export", "charges", "--month", "2026-03", "--lake", "kept", "-o", "after.csv").ok()
    assert (tmp_path / "after.csv").read_bytes() == (tmp_path / "before.csv").read_bytes()
    changed = "UPDATE booked_usage SET id = 3 WHERE id = (SELECT min(id) FROM booked_usage)"
    tamper(db_url, changed)
    assert "charge 3: its number is there twice" in db_cli("verify", "--archive", "kept").stderr


def test_a_file_that_is_there_is_not_written_again(
    db_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(db_cli)
    monkeypatch.setattr(archiving, "move_out", lambda *_args, **_more: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        archive(db_cli)
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    [file] = (tmp_path / "kept/archive").iterdir()
    before = file.stat()
    archive(db_cli, "2026-03", str(tmp_path / "kept")).ok()
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [each.name for each in (tmp_path / "kept/archive").iterdir()] == [file.name]
    assert file.stat().st_mode & 0o777 == 0o600


def test_no_tag_that_archived_months_are_by_is_dropped(db_cli: Cli) -> None:
    db_cli("db", "init").ok()
    db_cli("db", "rollups", "--tag", "team").ok()
    db_cli("ingest", "-", stdin=of_march("m1", tags={"team": "a"})).ok()
    db_cli("close", "2026-03", "--force", *WHY).ok()
    archive(db_cli).ok()
    for tags in (("--none",), ("--tag", "user")):
        refused = db_cli("db", "rollups", *tags)
        assert (refused.exit_code, "tag 'team' stays rolled up" in refused.stderr) == (2, True)
    db_cli("db", "rollups", "--tag", "team").ok()
    db_cli("verify").ok()


@pytest.mark.parametrize(("name", "said"), [("-", "not to standard output"), ("memory://kept", "gone as this process")])
def test_rows_go_nowhere_that_does_not_last(db_cli: Cli, db_url: str, name: str, said: str) -> None:
    fill(db_cli)
    count = value(db_url, "SELECT count(*) FROM booked_usage")
    refused = archive(db_cli, "2026-03", name)
    assert (refused.exit_code, said in refused.stderr) == (2, True)
    assert value(db_url, "SELECT count(*) FROM booked_usage") == count


def test_only_the_owner_archives(cli: Cli, postgres_server: PostgresServer, postgres_url: str, tmp_path: Path) -> None:
    def owner(*args: object, **more: Any) -> Outcome:
        return cli(*args, "--db", postgres_url, **more)

    fill(owner)
    postgres_server.grant_roles(postgres_url)
    refused = cli("archive", "--through", "2026-03", "-o", "kept", "--db", postgres_server.writer_url(postgres_url))
    assert (refused.exit_code, "is the ledger's owner's" in refused.stderr) == (2, True)
    assert not (tmp_path / "kept").exists()


def test_no_row_is_deleted_that_no_archive_has(db_cli: Cli, db_url: str) -> None:
    fill(db_cli)
    archive(db_cli, "2026-02").ok()
    for (number,) in rows(db_url, "SELECT id FROM booked_usage"):
        with pytest.raises(Exception, match="append-only"), connected(db_url) as connection:
            connection.execute(f"DELETE FROM booked_usage WHERE id = {number}")
    for table in ("archives", "archived_usage"):
        for change in (f"DELETE FROM {table}", f"UPDATE {table} SET upper = 1" if "usage" in table else ""):
            with pytest.raises(Exception, match="append-only"):
                execute(db_url, change or f"UPDATE {table} SET rows = 1")


TAMPERED = {
    "an identity changed": ("UPDATE archived_usage SET numbers = numbers + 1", "identities of its rows"),
    "identities gone": ("DELETE FROM archived_usage", "identities of its rows"),
    "an identity of no archive": ("INSERT INTO archived_usage VALUES (1, 2, 77, 1, 1)", "archive 77, which is missing"),
    "an entry changed": ("UPDATE archives SET file = 'archive/other.parquet'", "archive 1: it is no longer"),
    "an entry gone": ("DELETE FROM archives", "identities are of archive 1"),
    "a row that stayed changed": (
        "UPDATE booked_usage SET request_id = 'x' WHERE request_id = 'resp_000004'",
        "batch 1: its rows that stay",
    ),
    "the seal of what stays": ("DELETE FROM text_seals WHERE rows_digest IS NOT NULL", "or their seals"),
    "a row that stayed gone": ("DELETE FROM booked_usage WHERE id = 5", "44 are missing"),
    "amounts of a batch of theirs": ("UPDATE batches SET amounts = '{' WHERE id = 1", "archive 1: batches 1 to 3"),
    "its sums gone": ("DELETE FROM lake_cells", "isn't the sum of its charges"),
}


@pytest.mark.parametrize(("statement", "problem"), TAMPERED.values(), ids=TAMPERED.keys())
def test_verify_names_what_was_changed(db_cli: Cli, db_url: str, statement: str, problem: str) -> None:
    fill(db_cli)
    archive(db_cli).ok()
    tamper(db_url, statement)
    found = db_cli("verify")
    assert (found.exit_code, problem in found.stderr) == (1, True), found.stderr


@pytest.mark.parametrize("spoiled", ["NULL", "'{['", "-1"])
@pytest.mark.parametrize("table", ["archives", "archived_usage"])
def test_values_that_cannot_be_are_problems(db_cli: Cli, db_url: str, table: str, spoiled: str) -> None:
    fill(db_cli)
    archive(db_cli).ok()
    first, *others = metadata.tables[table].columns.keys()
    columns = ", ".join(f"{spoiled} AS {name}" for name in others)
    tamper(db_url, f"CREATE TABLE spoiled AS SELECT {first}, {columns} FROM {table}", f"DROP TABLE {table}",
           f"ALTER TABLE spoiled RENAME TO {table}")  # fmt: skip
    for more in ((), ("--archive", "kept")):
        found = db_cli("verify", *more)
        assert (found.exit_code, "Problem: " in found.stderr) == (1, True)


def test_verify_names_files_that_are_gone_changed_or_elsewhere(db_cli: Cli, tmp_path: Path) -> None:
    fill(db_cli)
    archive(db_cli).ok()
    [file] = (tmp_path / "kept/archive").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:100] + b"x" + whole[101:])
    assert "isn't the file" in db_cli("verify", "--archive", "kept").stderr
    file.unlink()
    gone = db_cli("verify", "--archive", "kept")
    assert (gone.exit_code, "can't be read" in gone.stderr) == (1, True)
    assert "archive 1: its file lies in" in db_cli("verify", "--archive", other_lake(db_cli)).stderr
    assert db_cli("verify", "--archive", "nowhere").exit_code == 2
    file.write_bytes(whole)
    db_cli("verify", "--archive", "kept").ok()


def test_archived_usage_is_not_moved_to_a_lake(db_cli: Cli) -> None:
    fill(db_cli)
    archive(db_cli).ok()
    refused = db_cli("lake", "move", "evolink", "--lake", "lake", "--from", "2026-03")
    assert (refused.exit_code, "was archived" in refused.stderr) == (2, True)
