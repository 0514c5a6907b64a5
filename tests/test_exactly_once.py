"""No record is lost and none is booked twice: through kill -9, eight writers at once, full disks, dropped connections.

Portions are made ten lines small, so that a file of a few hundred lines takes dozens of transactions.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.helpers.ledgers import (
    RUN_MAIN,
    SMALL_PORTIONS,
    charges,
    connected,
    counts,
    execute,
    finish,
    report,
    responses,
    rows,
    start,
    value,
)

pytestmark = pytest.mark.long

LINES = 400
RUN = SMALL_PORTIONS + RUN_MAIN
# As many processes as there are files, each a fork of one that has imported everything: they start at the same moment.
WRITERS = """
import os, sys
import alembic.command, ledger.cli.commands.ingest, ledger.intake.files, numpy
url, *files = sys.argv[1:]
children = []
for file in files:
    children.append(os.fork())
    if children[-1] == 0:
        sys.argv = ["tollbook", "ingest", file, "--json", "-o", f"{file}.result", "--db", url]
        main()
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""
# The process ends up without room for a byte more than argv[1] in any file, as on a full disk.
WITHOUT_ROOM = """
import resource, sys
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
"""
# SQLite itself finds no page beyond argv[1], which it tells in the words of a full disk.
WITHOUT_PAGES = """
import sys
from ledger.store import engines
pages = int(sys.argv.pop(1))
prepare = engines._prepare_sqlite
def prepare_small(connection, record):
    prepare(connection, record)
    connection.execute(f"PRAGMA max_page_count = {pages}")
engines._prepare_sqlite = prepare_small
"""


@pytest.fixture
def usage_file(tmp_path: Path) -> Path:
    """400 requests, some lines of which can't be recorded."""
    path = tmp_path / "usage.jsonl"
    lines = responses(range(LINES)).splitlines()
    lines[123] = responses([123], model="unheard-of").strip()
    lines[321] = "{broken"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def undisturbed(cli: Cli, usage_file: Path, tmp_path: Path) -> Callable[[Cli], None]:
    """Checks that a ledger holds what one ingest of the file, left in peace, makes."""
    url = f"sqlite:///{tmp_path / 'undisturbed.db'}"
    assert cli("ingest", usage_file, "--db", url).exit_code == 3

    def in_peace(*args: object) -> Any:
        return cli(*args, "--db", url)

    def check(disturbed: Cli) -> None:
        assert charges(disturbed) == charges(in_peace)
        assert report(disturbed) == report(in_peace)
        assert held(disturbed) == held(in_peace)
        disturbed("verify").ok()

    return check


def held(cli: Cli) -> list[tuple[str, int]]:
    return [(row["reason"], row["line"]) for row in cli("quarantine", "list", "--json").ok().json["entries"]]


# --- kill -9 --------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is of POSIX")
def test_a_run_killed_at_any_moment_and_taken_up_again_ends_the_same(
    db_cli: Cli, db_url: str, usage_file: Path, tmp_path: Path, undisturbed: Callable[[Cli], None]
) -> None:
    moments = random.Random(f"{db_url.partition(':')[0]} {time.time_ns()}")
    kills = 0
    for _ in range(2):
        done = value(db_url, "SELECT count(*) FROM batches")
        wanted = done + moments.randint(1, 18)
        process = start(RUN, ["ingest", usage_file, "--db", db_url], tmp_path)
        with connected(db_url) as connection:
            while process.poll() is None:
                [(found,)] = connection.execute("SELECT count(*) FROM batches").fetchall()
                if found >= wanted:
                    time.sleep(moments.random() * 0.01)
                    process.kill()
                    kills += 1
                    break
        finish(process)
    assert kills, "every run was done before it could be killed"
    recorded = value(db_url, "SELECT count(*) FROM usage_records")
    assert 0 < recorded < LINES - 2
    db_cli("verify").ok()
    # What the killed runs recorded they recorded whole; the rest is new.
    assert counts(db_cli("ingest", usage_file, "--json").json) == {
        "accepted": LINES - 2 - recorded, "duplicate": recorded, "rejected": 2
    }  # fmt: skip
    undisturbed(db_cli)


# --- a second process -----------------------------------------------------------------------------------------------


def test_a_file_that_is_read_by_a_process_of_its_own_ends_the_same(
    db_cli: Cli, db_url: str, usage_file: Path, tmp_path: Path, undisturbed: Callable[[Cli], None]
) -> None:
    code = "from ledger.intake.portions import read_ahead\nread_ahead.WORTHWHILE_BYTES = 1\n" + RUN_MAIN
    exit_code, _out, err = finish(start(code, ["ingest", usage_file, "--db", db_url], tmp_path))
    assert exit_code == 3, err
    undisturbed(db_cli)


# --- writers at once ------------------------------------------------------------------------------------------------


def test_eight_processes_make_a_ledger_and_write_to_it_at_once(cli: Cli, empty_db_url: str, tmp_path: Path) -> None:
    """Each file shares half of its lines with the next; every portion waits its turn for the one write lock."""
    span, step = 100, 50
    for number in range(8):
        (tmp_path / f"{number}.jsonl").write_text(responses(range(number * step, number * step + span)))

    def at(*args: object) -> Any:
        return cli(*args, "--db", empty_db_url)

    files = [f"{number}.jsonl" for number in range(8)]
    code = SMALL_PORTIONS + RUN_MAIN.replace("main()\n", "") + WRITERS
    writers = start(code, [empty_db_url, *files], tmp_path)
    while writers.poll() is None:
        # Who reads meanwhile sees whole batches alone, or no ledger yet.
        seen = at("verify")
        assert seen.exit_code == 0 or "there is no ledger" in seen.stderr, seen
    exit_code, _out, err = finish(writers)
    assert exit_code == 0, err
    results = [json.loads((tmp_path / f"{file}.result").read_text()) for file in files]
    different = 7 * step + span
    assert sum(result["accepted"] for result in results) == different
    assert sum(result["duplicate"] for result in results) == 8 * span - different
    assert at("verify", "--json").ok().json["checked"]["charges"] == different
    assert len({row["request_id"] for row in charges(at)}) == different
    # One process stored the settings and pinned the cards.
    assert len(rows(empty_db_url, "SELECT name FROM ledger_settings")) == 4
    digests = [digest for (digest,) in rows(empty_db_url, "SELECT digest FROM rate_entries")]
    assert len(digests) == len(set(digests))
    # Batches of the runs lie in between one another; voiding one run's voids nothing of the others.
    busiest = max(results, key=lambda result: int(result["accepted"]))
    voided = at("void", "--batch", busiest["batch"], "--json").ok().json
    assert voided["charges"] == busiest["accepted"]
    assert report(at)["total"]["requests"] == different - busiest["accepted"]
    at("verify").ok()


# --- a full disk ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
@pytest.mark.parametrize(
    ("code", "limit", "words"),
    [(WITHOUT_ROOM, 700_000, "disk I/O error"), (WITHOUT_PAGES, 72, "database or disk is full")],
    ids=["no room in any file", "no page left"],
)
def test_a_full_disk_ends_in_one_line_and_a_second_run_completes(
    cli: Cli, sqlite_url: str, usage_file: Path, tmp_path: Path, undisturbed: Callable[[Cli], None],
    code: str, limit: int, words: str,
) -> None:  # fmt: skip
    process = start(code + RUN, [limit, "ingest", usage_file, "--db", sqlite_url], tmp_path)
    exit_code, out, err = finish(process)
    assert (exit_code, out) == (2, ""), err
    recorded = value(sqlite_url, "SELECT count(*) FROM usage_records")
    assert 0 < recorded < LINES - 2
    assert err == (
        f"Error: the database failed: {words}. {recorded} records of this run are recorded; "
        "run the same command again to record the rest\n"
    )
    cli("verify", "--db", sqlite_url).ok()
    again = cli("ingest", usage_file, "--db", sqlite_url, "--json")
    assert counts(again.json) == {"accepted": LINES - 2 - recorded, "duplicate": recorded, "rejected": 2}
    undisturbed(lambda *args: cli(*args, "--db", sqlite_url))


# --- a dropped connection -------------------------------------------------------------------------------------------


def drop_connections(url: str) -> None:
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    execute(url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.intake.containers.lines.CHUNK_LINES", 10)


@pytest.mark.parametrize("at", ["upsert", "append_charged", "usage_digest", "note_sources"])
def test_a_connection_dropped_inside_a_transaction_ends_in_one_line_and_a_second_run_completes(
    cli: Cli, postgres_url: str, usage_file: Path, undisturbed: Callable[[Cli], None], small_portions: None,
    monkeypatch: pytest.MonkeyPatch, at: str,
) -> None:  # fmt: skip
    from ledger.book import posting, rollups

    module = rollups if at == "upsert" else posting
    wrapped, calls = getattr(module, at), 0

    def dropped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 15:
            drop_connections(postgres_url)
        return wrapped(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(module, at, dropped)
        outcome = cli("ingest", usage_file, "--db", postgres_url)
    recorded = value(postgres_url, "SELECT count(*) FROM usage_records")
    assert 0 < recorded < LINES - 2
    assert (outcome.exit_code, outcome.stdout, outcome.stderr.count("\n")) == (2, "", 1)
    assert outcome.stderr.startswith("Error: the database failed: ")
    assert f". {recorded} records of this run are recorded; run the same command again" in outcome.stderr
    again = cli("ingest", usage_file, "--db", postgres_url, "--json")
    assert counts(again.json) == {"accepted": LINES - 2 - recorded, "duplicate": recorded, "rejected": 2}
    undisturbed(lambda *args: cli(*args, "--db", postgres_url))


def test_a_connection_dropped_between_transactions_is_made_again(
    cli: Cli, postgres_url: str, usage_file: Path, undisturbed: Callable[[Cli], None], small_portions: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(
        "ledger.cli.show.run_counts.Progress.__call__", lambda _self, _tally, _part: drop_connections(postgres_url)
    )
    assert cli("ingest", usage_file, "--db", postgres_url).exit_code == 3
    undisturbed(lambda *args: cli(*args, "--db", postgres_url))
