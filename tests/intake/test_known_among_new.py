"""A portion in which known requests come unexpectedly goes back as a whole, and is booked and counted once."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from ledger.config import load_config
from ledger.intake.containers.source import open_source
from ledger.intake.files import Ingest
from ledger.intake.labels import RunOptions
from ledger.store.opening import open_ledger
from tests.conftest import Cli
from tests.helpers.ledgers import responses, rows, value
from tests.helpers.sources import lines, response, usage


def test_known_requests_among_new_ones(db_url: str, cli: Cli, tmp_path: Path) -> None:
    other = usage(input_tokens=300, total_tokens=530)
    texts = (
        responses(range(10)),
        responses(range(5, 15), metadata={"project": "later"})  # of a key that none before has
        + lines([response("resp_000001", usage=other)])  # contradicts what is booked
        + "no JSON\n",
        responses(range(15, 20)),
        responses(range(18, 25), metadata={"project": "last"}),
    )
    files = [tmp_path / f"{number}.jsonl" for number in range(len(texts))]
    for file, content in zip(files, texts, strict=True):
        file.write_text(content)
    database = open_ledger(db_url)
    ingest = Ingest(database, load_config(tmp_path), RunOptions())
    result = ingest.run([open_source(str(file)) for file in files])
    fates = {"accepted": 25, "duplicate": 7, "conflict": 1, "rejected": 1, "pending": 0}
    assert result.tally.fates == fates, result.rejections
    assert sum(spend.records for spend in result.tally.spend.values()) == 25
    assert result.tally.differing_labels == 7
    assert value(db_url, "SELECT count(*) FROM quarantine WHERE seen = 1") == 2
    assert [each for (each,) in rows(db_url, "SELECT id FROM booked_usage ORDER BY id")] == list(range(1, 26))
    assert [each for (each,) in rows(db_url, "SELECT sequence FROM batches ORDER BY id")] == [1, 2, 3, 4]
    assert value(db_url, "SELECT count(*) FROM usage_records WHERE project = 'later'") == 5
    assert value(db_url, "SELECT max(id) FROM batches WHERE run_id = id") == result.batch_id
    cli("verify", "--db", db_url).ok()


def test_sqlite_keeps_in_memory_what_statements_of_bulk_might_take_back_and_no_others_sorts(tmp_path: Path) -> None:
    database = open_ledger(str(tmp_path / "ledger.db"), create=True)
    kept = []
    for bulk in (False, True, False):
        with database.writing(bulk=bulk) as connection:
            kept.append(connection.execute(text("PRAGMA temp_store")).scalar())
    assert kept == [0, 2, 0]
