"""Results that have no place to go, and what killed commands leave: the ledger's state is told, no file stays."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import subprocess
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from ledger.cli.show.whole_files import replacing
from ledger.errors import NotShown
from tests.conftest import Cli, command_environment
from tests.helpers.ledgers import responses, start, value

FULL = Path("/dev/full")
DAY_SECONDS = 24 * 3_600


def run_into_full(console_script: Path, folder: Path, *args: str, stdin: str = "") -> tuple[int, str]:
    """The exit code and standard error of a command whose standard output takes nothing."""
    with FULL.open("wb") as full:
        done = subprocess.run(
            [str(console_script), *args], cwd=folder, env=command_environment(), input=stdin.encode(), stdout=full,
            stderr=subprocess.PIPE, timeout=100, check=False,
        )  # fmt: skip
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize("shown", ["--json", "--format=table", "--output=/dev/full"])
@pytest.mark.parametrize(("stdin", "code"), [(responses(range(3)), 1), (responses(range(3)) + "{}\n", 3)])
def test_what_is_booked_is_told_where_the_result_has_no_place(
    console_script: Path, tmp_path: Path, shown: str, stdin: str, code: int
) -> None:
    found, told = run_into_full(console_script, tmp_path, "ingest", "-", shown, stdin=stdin)
    assert found == code
    assert " read: 3 accepted, 0 duplicate" in told
    where = "/dev/full" if "output" in shown else "standard output"
    assert told.splitlines()[-1] == (
        f"Error: {where}: can't be written: No space left on device; whatever the command changed is kept"
    )
    assert value(f"sqlite:///{tmp_path / 'tollbook.db'}", "SELECT count(*) FROM charges") == 3


def test_corrections_hold_where_their_result_has_no_place(console_script: Path, tmp_path: Path, cli: Cli) -> None:
    cli("ingest", "-", stdin=responses(range(3))).ok()
    code, told = run_into_full(console_script, tmp_path, "void", "--batch", "1", "--reason", "x")
    assert (code, told.count("whatever the command changed is kept")) == (1, 1)
    assert value(f"sqlite:///{tmp_path / 'tollbook.db'}", "SELECT count(*) FROM charges") == 3 + 3


def test_nothing_is_said_to_be_kept_where_nothing_changed(console_script: Path, tmp_path: Path, cli: Cli) -> None:
    cli("ingest", "-", stdin=responses(range(3))).ok()
    for command in (["report"], ["export", "charges", "--month", "2026-02"], ["ingest", "-", "--dry-run", "--json"]):
        code, told = run_into_full(console_script, tmp_path, *command, stdin=responses([9]))
        assert code == 2
        assert told.splitlines()[-1] == "Error: standard output: can't be written: No space left on device"


# --- temporary files ------------------------------------------------------------------------------------------------

WRITES = """
import sys, time
from ledger.cli.show.whole_files import replacing
from ledger.errors import NotShown
with replacing(sys.argv[1]) as out:
    out.write(b"half")
    out.flush()
    print("writing", flush=True)
    time.sleep(60)
"""


def temporary(folder: Path, name: str = "a1b2c3d4", *, age_seconds: float = 2 * DAY_SECONDS) -> Path:
    path = folder / f".tollbook-{name}.tmp"
    path.write_bytes(b"half")
    os.utime(path, (time.time() - age_seconds,) * 2)
    return path


def write(folder: Path) -> None:
    with replacing(str(folder / "report.csv")) as out:
        out.write(b"whole")


def test_sigterm_leaves_no_temporary_file(tmp_path: Path) -> None:
    process = start(WRITES, [tmp_path / "report.csv"], tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    assert len(list(tmp_path.glob(".tollbook-*.tmp"))) == 1
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.glob(".*")) == []
    assert not (tmp_path / "report.csv").exists()


def test_sigterm_is_left_as_it_was(tmp_path: Path) -> None:
    write(tmp_path)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_stale_files_of_ours_are_removed(tmp_path: Path) -> None:
    stale = temporary(tmp_path)
    write(tmp_path)
    assert not stale.exists()


def test_others_files_new_ones_and_those_of_running_processes_stay(tmp_path: Path) -> None:
    kept = [
        temporary(tmp_path, "new_file", age_seconds=DAY_SECONDS - 60),
        temporary(tmp_path, "too_long_a_name"),
        temporary(tmp_path, "UPPER_CA"),
        tmp_path / ".tollbook-a_folder.tmp",
        tmp_path / ".tollbook-a__link_.tmp",
    ]
    kept[3].mkdir()
    kept[4].symlink_to(kept[1])
    with temporary(tmp_path, "in_use__").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        write(tmp_path)
        assert Path(held.name).exists()
    for path in kept:
        assert path.is_symlink() or path.exists(), path
    write(tmp_path)
    assert not Path(held.name).exists()


def test_a_file_that_is_being_written_is_locked(tmp_path: Path) -> None:
    process = start(WRITES, [tmp_path / "report.csv"], tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    (temporary_file,) = tmp_path.glob(".tollbook-*.tmp")
    os.utime(temporary_file, (time.time() - 2 * DAY_SECONDS,) * 2)
    write(tmp_path)
    assert temporary_file.exists()
    process.kill()
    process.communicate(timeout=30)
    write(tmp_path)
    assert not temporary_file.exists()


def test_files_of_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = temporary(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: stale.stat().st_uid + 1)
    write(tmp_path)
    assert stale.exists()


def test_the_disk_knows_a_file_s_name_before_it_is_said_to_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[list[str]] = []
    fsync = os.fsync

    def synced(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            names.append(os.listdir(handle))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", synced)
    write(tmp_path)
    assert names == [["report.csv"]]


@pytest.mark.parametrize(("number", "is_refused"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_folder_that_no_disk_syncs_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, is_refused: bool
) -> None:
    def refused(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, "refused")

    monkeypatch.setattr(os, "fsync", refused)
    with pytest.raises(NotShown) if is_refused else nullcontext():
        write(tmp_path)
    assert (tmp_path / "report.csv").read_bytes() == b"whole"
