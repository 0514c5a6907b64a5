"""Redacted requests go on to be one request with one charge, whoever brings it again and whatever runs meanwhile."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from ledger.config import Config
from ledger.intake.containers.source import Source
from ledger.intake.files import Ingest
from ledger.intake.labels import RunOptions
from ledger.store.opening import open_ledger
from tests.conftest import Cli
from tests.helpers.ledgers import rows, value
from tests.helpers.sources import lines, record
from tests.helpers.workloads import PRO
from tests.intake.test_quarantine import NEW_MODEL

WHY = ("--reason", "request 17", "--yes")


def test_a_redacted_line_of_quarantine_is_not_booked_beside_its_request(db_cli: Cli, db_url: str) -> None:
    unpriced = record("x1", requested_model="doubao-next")
    db_cli("ingest", "-", stdin=lines([unpriced]))
    db_cli("redact", "--id", "x1", *WHY).ok()
    Path("next.toml").write_text(NEW_MODEL)
    db_cli("rates", "add", "next.toml").ok()
    # The same request in other bytes, and then the line that waited.
    assert db_cli("ingest", "-", "--json", stdin=lines([unpriced | {"status": "completed"}])).json["accepted"] == 1
    db_cli("quarantine", "retry").ok()
    [[name, generation]] = rows(db_url, "SELECT request_id, generation FROM booked_usage")
    assert (name.startswith("redacted:"), generation) == (True, 0)
    db_cli("verify").ok()


def test_an_ingest_goes_on_while_texts_are_redacted(db_cli: Cli, db_url: str) -> None:
    database = open_ledger(db_url, create=True)

    def redact(*_told: object) -> None:
        db_cli("redact", "--id", "r1", *WHY).ok()

    sources = [
        Source(f"{name}.jsonl", io.BytesIO(lines(record(one, requested_model=PRO) for one in ids).encode()))
        for name, ids in {"first": ("r1", "r2"), "second": ("r1", "r3")}.items()
    ]
    ingest = Ingest(database, Config(), RunOptions(), progress=redact)
    result = ingest.run(sources)
    database.close()
    assert (result.tally.counts["accepted"], result.tally.counts["duplicate"]) == (3, 1)
    assert value(db_url, "SELECT count(*) FROM booked_usage") == 3
    db_cli("verify").ok()


@pytest.mark.parametrize("name", ["a", "back\\slash", 'it\'s "quoted"', "right\u202eleft"])
def test_the_message_of_a_conflict_names_the_word_alone(db_cli: Cli, db_url: str, name: str) -> None:
    stated = record(name, requested_model=PRO)
    db_cli("ingest", "-", stdin=lines([stated, stated | {"output_tokens": 77}]))
    db_cli("redact", "--id", name, *WHY).ok()
    [[word, message]] = rows(db_url, "SELECT request_id, message FROM quarantine")
    known = "is recorded with other facts: 'tollbook quarantine show' has both"
    assert message == f"request '{word}' of evolink {known}"


def test_the_tags_of_a_run_are_redacted_with_the_lines_that_it_held_back(db_cli: Cli, db_url: str) -> None:
    stated = [record("x1", requested_model="doubao-next"), record("x2", input_tokens=-1)]
    db_cli("ingest", "-", "--tag", "user=ann", stdin=lines(stated))
    db_cli("redact", "--tag", "user=ann", *WHY).ok()
    assert value(db_url, "SELECT count(*) FROM quarantine WHERE options LIKE '%ann%' OR fields LIKE '%ann%'") == 0
    Path("next.toml").write_text(NEW_MODEL)
    db_cli("rates", "add", "next.toml").ok()
    db_cli("quarantine", "retry").ok()
    [[tags]] = rows(db_url, "SELECT tags FROM booked_usage")
    assert tags.startswith('{"user":"redacted:')
    db_cli("verify").ok()


def test_any_number_of_tags_is_redacted_at_once(db_cli: Cli, db_url: str) -> None:
    values = [f"user {number}" for number in range(1_200)]
    stated = [record(f"r{of}", requested_model=PRO, tags={"user": user}) for of, user in enumerate(values)]
    db_cli("ingest", "-", stdin=lines(stated)).ok()
    given = [part for user in [*values, "long" * 20_000] for part in ("--tag", f"user={user}")]
    db_cli("redact", *given, *WHY).ok()
    assert value(db_url, 'SELECT count(*) FROM booked_usage WHERE tags LIKE \'{"user":"redacted:%\'') == len(values)
    db_cli("verify").ok()
