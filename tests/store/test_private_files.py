"""New SQLite ledgers are their owner's alone, whatever the umask; what is there keeps its mode."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from ledger import Ledger
from ledger.store.opening import open_ledger
from tests.conftest import Cli
from tests.helpers.ledgers import responses
from tests.helpers.sources import response


@pytest.fixture(params=[0o000, 0o022, 0o027, 0o077, 0o777], ids=oct)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture
def _umask_of_nothing() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir() if ".db" in path.name}


@pytest.mark.usefixtures("_umask")
def test_every_file_of_a_new_ledger_is_its_owners_alone(tmp_path: Path) -> None:
    book = open_ledger(f"sqlite:///{tmp_path / 'new.db'}", create=True)
    with book.writing():
        assert modes(tmp_path) == dict.fromkeys(("new.db", "new.db-wal", "new.db-shm"), 0o600)


@pytest.mark.usefixtures("_umask")
@pytest.mark.parametrize(
    "command",
    [["ingest", "-"], ["db", "init"], ["rates", "conversion", "add", "--per-usd", "68", "--from", "2026-03-01"]],
)
def test_every_command_that_makes_a_ledger_makes_it_private(cli: Cli, tmp_path: Path, command: list[str]) -> None:
    cli(*command, stdin=responses([1])).ok()
    assert modes(tmp_path) == {"tollbook.db": 0o600}


@pytest.mark.parametrize("path", ["plain.db", "sqlite:///plain.db", "link.db"])
def test_the_library_makes_it_private_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    if path == "link.db":
        Path(path).symlink_to("plain.db")  # which isn't there yet
    book = Ledger(path)
    book.record(response("r1"))
    book.close()
    assert modes(tmp_path)["plain.db"] == 0o600


def test_the_file_is_private_before_sqlite_opens_it(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[dict[str, int]] = []
    connect = SQLiteDialect_pysqlite.connect

    def look_first(self: SQLiteDialect_pysqlite, *arguments: object, **options: object) -> object:
        found.append(modes(tmp_path))
        return connect(self, *arguments, **options)

    monkeypatch.setattr(SQLiteDialect_pysqlite, "connect", look_first)
    cli("db", "init").ok()
    assert found[0] == {"tollbook.db": 0o600}


@pytest.mark.usefixtures("_umask_of_nothing")
def test_the_file_is_private_from_the_moment_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fchmod", lambda _file, _mode: None)
    open_ledger(str(tmp_path / "new.db"), create=True).close()
    assert modes(tmp_path) == {"new.db": 0o600}


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o400])
def test_a_file_that_is_there_keeps_its_mode(cli: Cli, tmp_path: Path, mode: int) -> None:
    for name in ("empty.db", "ledger.db"):
        path = tmp_path / name
        path.touch()
        if name == "ledger.db":
            cli("db", "init", "--db", path).ok()
        path.chmod(mode)
        if mode & 0o200:
            cli("ingest", "-", "--db", path, stdin=responses([1])).ok()
        cli("status", "--db", path)
        assert path.stat().st_mode & 0o777 == mode


def test_the_demo_s_ledger_is_private(cli: Cli, tmp_path: Path) -> None:
    cli("demo").ok()
    assert modes(tmp_path / "tollbook-demo") == {"tollbook.db": 0o600}


def test_a_ledger_that_can_not_be_created_is_one_line(cli: Cli, tmp_path: Path) -> None:
    for name in ("x" * 250 + ".db", "x" * 5000, "loop.db"):
        if name == "loop.db":
            (tmp_path / name).symlink_to(name)
        outcome = cli("db", "init", "--db", name)
        assert outcome.exit_code in (0, 2)
        assert outcome.stderr.count("\n") == 1
        assert "Traceback" not in outcome.stderr
