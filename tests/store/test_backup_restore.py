"""Backups made while another process ingests are sound once restored, on either database."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from tests.conftest import POSTGRES_REQUIRED, Cli, PostgresServer, close_connections
from tests.helpers.copies import assert_sound, book_of
from tests.helpers.ledgers import SMALL_PORTIONS, execute, responses, start, value

BATCHES = "SELECT count(*) FROM batches"
COPIES = 3
# Ingests file after file, ten lines a transaction, until it is killed.
WRITER = f"""
import itertools, sys
from pathlib import Path
{SMALL_PORTIONS}
from ledger.cli import cli
line = Path("line.jsonl").read_text()
for run in itertools.count():
    ids = range(run * 50, run * 50 + 50)
    Path("more.jsonl").write_text("".join(line.replace("resp_000000", f"resp_{{number:06}}") for number in ids))
    try:
        cli(["ingest", "more.jsonl", "-o", "result.json", "--db", sys.argv[1]])
    except SystemExit as end:
        assert not end.code, end.code
"""


def back_up_again_and_again(folder: Path, url: str, copy: Callable[[int], str]) -> list[str]:
    """Copies a ledger several times while another process ingests, which is killed then."""
    (folder / "line.jsonl").write_text(responses([0]))
    writer = start(WRITER, [url], folder)
    copies: list[str] = []
    try:
        for number in range(COPIES):
            wait_for_a_batch(url, writer)
            copies.append(copy(number))
        wait_for_a_batch(url, writer)
    finally:
        writer.kill()
        writer.communicate()
    return copies


def wait_for_a_batch(url: str, writer: subprocess.Popen[str]) -> None:
    before = value(url, BATCHES)
    while value(url, BATCHES) == before:
        assert writer.poll() is None, writer.communicate()
        time.sleep(0.01)


def assert_restored(cli: Cli, url: str, copies: list[str]) -> None:
    """Every copy is sound, has what the ledger had first, and more than the one before."""
    whole, last = book_of(url), 0
    for copy in copies:
        found = book_of(copy)
        assert all(rows == whole[name][: len(rows)] for name, rows in found.items())
        assert last < len(found["batches"]) < len(whole["batches"])
        last = len(found["batches"])
        assert_sound(cli, copy)


@pytest.mark.long
def test_copies_made_during_an_ingest_are_sound(cli: Cli, script: Cli, tmp_path: Path, sqlite_url: str) -> None:
    def copy(number: int) -> str:
        script("backup", f"copy-{number}.db", "--db", sqlite_url).ok()
        return f"sqlite:///{tmp_path / f'copy-{number}.db'}"

    assert_restored(cli, sqlite_url, back_up_again_and_again(tmp_path, sqlite_url, copy))


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def program(name: str) -> str:
    """A program of PostgreSQL's; where it isn't, the test is skipped, or fails where PostgreSQL is required."""
    beside = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = shutil.which(name) or (str(beside[-1]) if beside else None)
    if found is None:
        reason = f"no {name} here: install PostgreSQL's client programs to have backups restored by this test"
        if POSTGRES_REQUIRED:
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def named_call(cli: Cli, url: str, file: Path) -> list[str]:
    """The call that `tollbook backup` names for a ledger on PostgreSQL."""
    refused = cli("backup", file, "--db", url)
    assert (refused.exit_code, refused.stdout, file.exists()) == (2, "", False)
    return shlex.split(refused.stderr.partition("copies it: ")[2].partition(" (PGPASSWORD")[0])


@pytest.mark.long
def test_copies_of_postgresql_made_during_an_ingest_are_sound_once_restored(
    cli: Cli, tmp_path: Path, postgres_url: str, postgres_server: PostgresServer
) -> None:
    dump, restore = program("pg_dump"), program("pg_restore")
    made: list[str] = []

    def copy(number: int) -> str:
        call = named_call(cli, postgres_url, tmp_path / f"copy-{number}.dump")
        subprocess.run([dump, *call[1:]], check=True, capture_output=True, timeout=100)
        made.append(postgres_server.create())
        place = make_url(postgres_server.database_url(made[-1])).set(drivername="postgresql")
        options = ["--exit-on-error", "--single-transaction", "--schema=public"]
        target = f"--dbname={place.render_as_string(hide_password=False)}"
        subprocess.run(
            [restore, *options, target, str(tmp_path / f"copy-{number}.dump")],
            check=True, capture_output=True, timeout=100,
        )  # fmt: skip
        return postgres_server.database_url(made[-1])

    try:
        copies = back_up_again_and_again(tmp_path, postgres_url, copy)
        assert_restored(cli, postgres_url, copies)
        with pytest.raises(psycopg.Error, match="append-only"):  # the guards are back too
            execute(copies[-1], "DELETE FROM booked_usage")
    finally:
        close_connections()
        for name in made:
            postgres_server.drop(name)


def test_the_named_call_has_the_schema_in_use_and_no_secret(cli: Cli, tmp_path: Path, postgres_url: str) -> None:
    execute(postgres_url, 'CREATE SCHEMA "Tollbook"')
    url = postgres_url.replace("postgres@", "postgres:s3cret@")
    own = f"{url}?sslmode=prefer&application_name=x&sslpassword=s3cret2&options=-csearch_path%3D%22Tollbook%22"
    cli("ingest", "-", "--db", own, stdin=responses([1])).ok()
    file = tmp_path / "a copy.dump"
    assert "s3cret" not in cli("backup", file, "--db", own).stderr
    call = named_call(cli, own, file)
    place = make_url(postgres_url)
    assert call == [
        "pg_dump", "--format=custom", '--schema="Tollbook"', f"--file={file}",
        f"--dbname=postgresql://postgres@{place.host}:{place.port}/{place.database}?sslmode=prefer",
    ]  # fmt: skip
    subprocess.run([program("pg_dump"), *call[1:]], check=True, capture_output=True, timeout=100)
    assert file.read_bytes().startswith(b"PGDMP")
