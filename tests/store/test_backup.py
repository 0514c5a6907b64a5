"""Backups are there whole or not at all, for their owner alone, and never in the ledger's own place."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ledger.store import backup
from tests.conftest import Cli, close_connections
from tests.helpers.copies import assert_sound, book_of, url_of
from tests.helpers.ledgers import RUN_MAIN, finish, responses, start, value
from tests.helpers.readers import as_reader


@pytest.fixture
def ledger(cli: Cli, tmp_path: Path) -> Path:
    cli("ingest", "-", stdin=responses(range(5))).ok()
    return tmp_path / "tollbook.db"


def folder_of(path: Path) -> set[str]:
    return {each.name for each in path.iterdir()}


# --- the file -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_backup_is_the_ledger_for_its_owner_alone(cli: Cli, ledger: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        told = cli("backup", "copy.db").ok()
    finally:
        os.umask(before)
    assert (told.stdout, told.stderr) == (
        "",
        f"copy.db: {ledger.stat().st_size:,} bytes, of sqlite:///tollbook.db, checked\n",
    )
    close_connections()
    copy = ledger.with_name("copy.db")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert folder_of(ledger.parent) == {"tollbook.db", "copy.db"}
    assert book_of(url_of(copy)) == book_of(url_of(ledger))
    assert_sound(cli, "copy.db")
    cli("ingest", "-", "--db", "copy.db", stdin=responses(range(4, 7))).ok()  # it is a ledger to go on with
    assert value(url_of(copy), "PRAGMA journal_mode") == "wal"


def test_a_file_that_is_there_is_replaced_only_where_that_is_said(cli: Cli, ledger: Path) -> None:
    copy = ledger.with_name("copy.db")
    copy.write_bytes(b"mine")
    copy.chmod(0o644)
    refused = cli("backup", "copy.db")
    assert (refused.exit_code, copy.read_bytes()) == (2, b"mine")
    assert refused.stderr == (
        "Error: copy.db is there already: give another name, or --replace to have the copy take its place\n"
    )
    cli("backup", "copy.db", "--replace").ok()
    assert copy.stat().st_mode & 0o777 == 0o600
    assert_sound(cli, "copy.db")


@pytest.mark.parametrize("name", ["tollbook.db", "link.db", "hard.db", "sub/../tollbook.db", "tollbook.db-wal", "log"])
def test_the_ledger_itself_is_never_written_over(cli: Cli, ledger: Path, name: str) -> None:
    folder = ledger.parent
    (folder / "sub").mkdir()
    (folder / "link.db").symlink_to(ledger)
    (folder / "hard.db").hardlink_to(ledger)
    (folder / "log").symlink_to("tollbook.db-wal")
    before = ledger.read_bytes()
    for options in ([], ["--replace"]):
        for database in ("tollbook.db", "link.db"):
            refused = cli("backup", name, *options, "--db", database)
            assert refused.exit_code == 2
            assert "is the ledger itself" in refused.stderr
    close_connections()
    assert ledger.read_bytes() == before
    assert not (folder / "tollbook.db-wal").exists()


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_a_log_of_what_was_there_is_never_taken_for_the_copys(cli: Cli, ledger: Path, suffix: str) -> None:
    cli("backup", "copy.db").ok()
    copy = ledger.with_name("copy.db")
    before = copy.read_bytes()
    ledger.with_name(f"copy.db{suffix}").write_bytes(b"")
    refused = cli("backup", "copy.db", "--replace")
    assert refused.exit_code == 2
    assert f"copy.db has copy.db{suffix} beside it: it is in use" in refused.stderr
    assert copy.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (".", "Is a directory"),
        ("nowhere/copy.db", "No such file"),
        ("/dev/null", "isn't a file"),
        ("-", "give it a file"),
    ],
)
def test_no_file_is_no_place_for_a_copy(cli: Cli, ledger: Path, name: str, words: str) -> None:
    refused = cli("backup", name, "--replace")
    assert refused.exit_code == 2
    assert words in refused.stderr
    assert folder_of(ledger.parent) == {"tollbook.db"}


def test_without_a_ledger_none_is_made(cli: Cli, tmp_path: Path) -> None:
    refused = cli("backup", "copy.db")
    assert (refused.exit_code, "there is no ledger at tollbook.db" in refused.stderr) == (2, True)
    assert folder_of(tmp_path) == set()


def test_who_may_only_read_a_ledger_can_copy_it(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    path, own = folder / "tollbook.db", folder / "own"
    own.mkdir(parents=True)
    cli("ingest", "-", "--db", path, stdin=responses(range(5))).ok()
    expected = book_of(f"sqlite:///{path}")
    close_connections()
    path.chmod(0o444)
    folder.chmod(0o555)
    as_reader(own, lambda: cli("backup", "copy.db", "--db", path)).ok()
    assert folder_of(folder) == {"tollbook.db", "own"}
    assert folder_of(own) == {"copy.db"}
    assert book_of(f"sqlite:///{own / 'copy.db'}") == expected


def test_a_copy_that_is_not_sound_is_not_kept(cli: Cli, ledger: Path) -> None:
    close_connections()
    page = value(url_of(ledger), "SELECT rootpage FROM sqlite_master WHERE name = 'booked_usage'")
    size = value(url_of(ledger), "PRAGMA page_size")
    with ledger.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    refused = cli("backup", "copy.db")
    assert refused.exit_code == 2
    assert "the copy isn't sound (" in refused.stderr
    assert "tollbook db check" in refused.stderr
    assert folder_of(ledger.parent) == {"tollbook.db"}


def test_a_copy_of_another_schema_is_not_kept(cli: Cli, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "HEAD_REVISION", "9999")  # as if it had been upgraded since it was opened
    refused = cli("backup", "copy.db")
    assert (refused.exit_code, "to another meanwhile" in refused.stderr) == (2, True)
    close_connections()
    assert folder_of(ledger.parent) == {"tollbook.db"}


# --- cut short ------------------------------------------------------------------------------------------------------

HALTED = """
import time
from ledger.store import backup
backup.PAGES_AT_ONCE = 5
def halt(*_progress):
    print("copying", flush=True)
    time.sleep(60)
backup._hear_signals = halt
"""
WITHOUT_ROOM = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
"""
WITHOUT_PAGES = """
import sqlite3
connect = sqlite3.connect
def connect_to_little(path, **options):
    connection = connect(path, **options)
    if "nolock" in path:
        connection.execute("PRAGMA max_page_count = 20")
    return connection
sqlite3.connect = connect_to_little
"""


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_backup_that_is_ended_leaves_nothing_and_what_was_there(ledger: Path, end: signal.Signals) -> None:
    close_connections()
    ledger.with_name("copy.db").write_bytes(b"older")
    process = start(HALTED + RUN_MAIN, ["backup", "copy.db", "--replace"], ledger.parent)
    assert process.stdout is not None
    assert process.stdout.readline() == "copying\n"
    assert len(folder_of(ledger.parent) - {"tollbook.db-wal", "tollbook.db-shm"}) == 3
    process.send_signal(end)
    assert finish(process)[0] == 128 + end
    assert folder_of(ledger.parent) == {"tollbook.db", "copy.db"}
    assert ledger.with_name("copy.db").read_bytes() == b"older"


def test_what_a_killed_backup_leaves_has_not_the_name_of_one(cli: Cli, ledger: Path) -> None:
    close_connections()
    process = start(HALTED + RUN_MAIN, ["backup", "copy.db"], ledger.parent)
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    finish(process)
    assert not ledger.with_name("copy.db").exists()
    [left] = ledger.parent.glob(".tollbook-*.tmp")  # a later command removes it once it is a day old
    assert left.stat().st_mode & 0o777 == 0o600
    cli("backup", "copy.db").ok()
    assert_sound(cli, "copy.db")


@pytest.mark.parametrize(
    ("code", "words"),
    [(WITHOUT_ROOM, "disk I/O error"), (WITHOUT_PAGES, "database or disk is full")],
    ids=["no room in any file", "no page left"],
)
def test_a_full_disk_leaves_nothing_and_what_was_there(ledger: Path, code: str, words: str) -> None:
    close_connections()
    ledger.with_name("copy.db").write_bytes(b"older")
    process = start(code + RUN_MAIN, ["backup", "copy.db", "--replace"], ledger.parent)
    assert finish(process) == (2, "", f"Error: copy.db: can't be written: {words}\n")
    assert folder_of(ledger.parent) == {"tollbook.db", "copy.db"}
    assert ledger.with_name("copy.db").read_bytes() == b"older"


# --- while others write -----------------------------------------------------------------------------------------------


def test_all_of_a_copy_is_of_one_moment_and_writers_do_not_wait(
    cli: Cli, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, steps = book_of(url_of(ledger)), 0

    def write(*_progress: int) -> None:
        nonlocal steps
        steps += 1
        assert steps < 100, "the copy starts anew with every write"
        cli("ingest", "-", stdin=responses([100 + steps])).ok()

    monkeypatch.setattr(backup, "PAGES_AT_ONCE", 10)
    monkeypatch.setattr(backup, "_hear_signals", write)
    cli("backup", "copy.db").ok()
    assert steps > 3
    assert value(url_of(ledger), "SELECT count(*) FROM charges") == 5 + steps
    assert book_of("sqlite:///copy.db") == before
    assert_sound(cli, "copy.db")


def test_a_ledger_is_restored_by_a_backup_the_other_way_round(cli: Cli, ledger: Path) -> None:
    expected = book_of(url_of(ledger))
    cli("backup", "copy.db").ok()
    cli("ingest", "-", stdin=responses(range(5, 9))).ok()
    close_connections()
    cli("backup", "--db", "copy.db", "tollbook.db", "--replace").ok()
    assert_sound(cli, "tollbook.db")
    assert book_of(url_of(ledger)) == expected
