"""Ledgers that their reader may only read: the same figures, nothing made beside them, and no row passed over."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from ledger.errors import ChangedWhileRead, LedgerError
from ledger.intake.quarantine import count_open
from ledger.store import read_only
from ledger.store.opening import open_ledger
from ledger.store.read_only import find_way
from tests.conftest import Cli, Outcome, close_connections
from tests.helpers.ledgers import responses
from tests.helpers.readers import as_reader
from tests.helpers.sources import lines, response

COMMANDS = [
    ["report", "--json"], ["status", "--json"], ["verify", "--json"], ["db", "check"], ["db", "current"],
    ["export", "charges", "--month", "2026-02"], ["batches", "--json"], ["quarantine", "list", "--json"],
    ["rates", "list", "--json"], ["whatif", "--month", "2026-02", "--json"],
    ["price", "--model", "doubao-seed-2.0-pro", "--input-tokens", "1", "--json"],
    ["close", "2026-02", "--dry-run", "--force", "--reason", "x", "--json"],
]  # fmt: skip
# Modes of the folder and of the file in it.
MODES = {"folder and file": (0o555, 0o444), "file": (0o777, 0o444), "folder": (0o555, 0o666)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "shared"
    made.mkdir()
    return made


@pytest.fixture
def file(cli: Cli, folder: Path) -> Path:
    path = folder / "tollbook.db"
    cli("ingest", "-", "--db", path, stdin=responses(range(5))).ok()
    close_connections()
    return path


def protect(folder: Path, file: Path, of_folder: int = 0o555, of_file: int = 0o444) -> None:
    for path in folder.iterdir():
        path.chmod(0o444)
    file.chmod(of_file)
    folder.chmod(of_folder)


def read(cli: Cli, file: Path, *command: str) -> Callable[[], Outcome]:
    def run() -> Outcome:
        assert not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)), "this process may write it"
        return cli(*command, "--db", file)

    return run


def assert_refused(outcome: Outcome, *words: str) -> None:
    assert outcome.exit_code == 2, outcome
    assert outcome.stdout == ""
    assert outcome.stderr.count("\n") == 1
    for word in words:
        assert word in outcome.stderr


@pytest.mark.parametrize("modes", MODES.values(), ids=list(MODES))
def test_who_may_only_read_a_ledger_reads_it(cli: Cli, file: Path, modes: tuple[int, int]) -> None:
    told = [cli(*command, "--db", file).ok().stdout for command in COMMANDS]
    close_connections()
    protect(file.parent, file, *modes)
    before = file.stat().st_mtime_ns, file.read_bytes()
    for command, expected in zip(COMMANDS, told, strict=True):
        found = as_reader(file.parent, read(cli, file, *command))
        assert (found.exit_code, found.stdout) == (0, expected), (command, found.stderr)
        assert [path.name for path in file.parent.iterdir()] == [file.name], command
    assert (file.stat().st_mtime_ns, file.read_bytes()) == before


@pytest.mark.parametrize(
    "command",
    [["ingest", "-"], ["void", "--batch", "1", "--reason", "x"], ["close", "2026-02", "--force", "--reason", "x"]],
)
def test_who_may_only_read_a_ledger_is_told_so_as_it_writes(cli: Cli, file: Path, command: list[str]) -> None:
    protect(file.parent, file)
    outcome = as_reader(file.parent, read(cli, file, *command))
    assert_refused(outcome, f"{file} may only be read", "ask its owner for the right to write")


# --- a copy with the write-ahead file that its rows were in ---------------------------------------------------------


@pytest.fixture
def copied(cli: Cli, file: Path, folder: Path) -> Path:
    """A ledger of 5 requests in its file and 2 in its write-ahead file, copied while it was open."""
    copies = folder / "copies"
    copies.mkdir()
    with closing(sqlite3.connect(file)) as held:
        held.execute("SELECT count(*) FROM charges").fetchone()  # who has it open keeps that from being taken in
        cli("ingest", "-", "--db", file, stdin=responses(range(5, 7))).ok()
        for suffix in ("", "-wal", "-shm"):
            shutil.copy(f"{file}{suffix}", copies)
    assert (copies / "tollbook.db-wal").stat().st_size > 0
    return copies / "tollbook.db"


def requests(outcome: Outcome) -> int:
    return int(outcome.ok().json["total"]["requests"])


def test_rows_of_a_copied_log_are_read_by_its_index(cli: Cli, copied: Path) -> None:
    protect(copied.parent, copied)
    assert requests(as_reader(copied.parent, read(cli, copied, "report", "--json"))) == 5 + 2
    assert len(list(copied.parent.iterdir())) == 3


@pytest.mark.parametrize("modes", MODES.values(), ids=list(MODES))
def test_rows_of_a_copied_log_are_never_passed_over(cli: Cli, copied: Path, modes: tuple[int, int]) -> None:
    (copied.parent / "tollbook.db-shm").unlink()
    protect(copied.parent, copied, *modes)
    for command in COMMANDS:
        outcome = as_reader(copied.parent, read(cli, copied, *command))
        advice = "have its owner run 'tollbook db check'", "copy both to a folder"
        assert_refused(outcome, f"{copied} may only be read", *advice)
        assert len(list(copied.parent.iterdir())) == 2, command


def test_a_ledger_that_its_owner_has_open_is_read_with_its_log(cli: Cli, file: Path) -> None:
    with closing(sqlite3.connect(file)) as held:
        held.execute("SELECT count(*) FROM charges").fetchone()
        cli("ingest", "-", "--db", file, stdin=responses(range(5, 7))).ok()
        close_connections()
        protect(file.parent, file)
        assert requests(as_reader(file.parent, read(cli, file, "report", "--json"))) == 5 + 2


def test_what_the_refusal_advises_helps(cli: Cli, copied: Path, tmp_path: Path) -> None:
    for suffix in ("", "-wal"):
        shutil.copy(f"{copied}{suffix}", tmp_path)
    assert requests(cli("report", "--json", "--db", tmp_path / "tollbook.db")) == 5 + 2
    (copied.parent / "tollbook.db-shm").unlink()
    cli("db", "check", "--db", copied).ok()
    close_connections()
    protect(copied.parent, copied)
    assert requests(as_reader(copied.parent, read(cli, copied, "report", "--json"))) == 5 + 2


def test_a_journal_with_content_is_not_passed_over_either(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_only, "_may_write", lambda _path: False)
    (file.parent / "tollbook.db-journal").write_bytes(b"x")
    with pytest.raises(LedgerError, match="rows in the write-ahead file or journal beside it"):
        find_way(str(file))


# --- written while it is read -------------------------------------------------------------------------------------


@pytest.fixture
def _as_who_may_not_write(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert file.exists()  # its maker could write
    monkeypatch.setattr(read_only, "_may_write", lambda _path: False)


def write_to(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE ledger_settings SET value = value || 'x' WHERE name = 'lock'")
        connection.commit()


@pytest.mark.usefixtures("_as_who_may_not_write")
def test_a_read_that_a_writer_came_into_is_refused_and_the_next_one_is_new(file: Path) -> None:
    book = open_ledger(str(file))
    with pytest.raises(ChangedWhileRead, match="was written while it was: read it again"), book.reading():
        write_to(file)
    with book.reading() as connection:
        assert connection.exec_driver_sql("SELECT value FROM ledger_settings WHERE name = 'lock'").scalar() == "x"
    write_to(file)
    with book.reading() as connection:
        assert connection.exec_driver_sql("SELECT value FROM ledger_settings WHERE name = 'lock'").scalar() == "xx"


@pytest.mark.usefixtures("_as_who_may_not_write")
@pytest.mark.parametrize("writes", [1, 9])
def test_a_command_reads_again_once(cli: Cli, file: Path, monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    left = [file] * writes

    def disturbed(connection: Connection) -> dict[str, int]:
        if left:
            write_to(left.pop())
        return count_open(connection)

    monkeypatch.setattr("ledger.audit.status.count_open", disturbed)
    outcome = cli("status", "--json", "--db", file)
    if writes == 1:
        assert outcome.ok().json["schema"] == 1
    else:
        assert_refused(outcome, "was written while it was: read it again once nobody writes, or read a copy")
        assert len(left) == writes - 2


@pytest.mark.usefixtures("_as_who_may_not_write")
@pytest.mark.parametrize("change", ["size", "time", "counter"])
def test_each_sign_of_a_change_is_seen(file: Path, change: str) -> None:
    way = find_way(str(file))
    assert not way.is_outdated()
    was = file.stat()
    data = bytearray(file.read_bytes())
    if change == "counter":
        data[27] ^= 1
    file.write_bytes(bytes(data) + b"\0" * (4096 if change == "size" else 0))
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns + (change == "time")))
    assert way.is_outdated()


def test_who_may_write_opens_a_ledger_as_ever(file: Path) -> None:
    assert find_way(str(file)).may_write
    assert not find_way(str(file)).is_outdated()


def test_a_reader_keeps_fewer_pages_in_memory_than_a_writer(cli: Cli, sqlite_url: str) -> None:
    cli("ingest", "-", stdin=lines([response("r1")])).ok()
    database = open_ledger(sqlite_url)
    size = text("PRAGMA cache_size")
    with database.writing() as connection:
        writers_kib = -connection.execute(size).scalar_one()
    with database.reading() as connection:
        assert writers_kib == 4 * -connection.execute(size).scalar_one() == 64 * 1024
    database.close()
