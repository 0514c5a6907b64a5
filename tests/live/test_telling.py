"""The words of the loggers on the spool."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.live import worker
from tests.helpers.sources import response
from tests.helpers.waits import lock_held, until


def told(caplog: pytest.LogCaptureFixture, level: int, words: str) -> bool:
    return any(
        (record.name, record.levelno) == ("tollbook.live", level) and words in record.getMessage()
        for record in list(caplog.records)
    )


def test_the_log_tells_of_what_is_spooled_waits_and_is_booked(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(worker, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr("ledger.live.drain.SPOOL_SECONDS", 1)
    caplog.set_level(logging.INFO, "tollbook")
    book = Ledger(sqlite_url, spool="spool.jsonl")
    with lock_held(sqlite_url):
        book.record_many([response("r1"), response("r2")], timeout=0)
        assert told(caplog, logging.WARNING, "2 responses spooled: ")
        until(lambda: told(caplog, logging.INFO, "spool.jsonl waits: another program has been writing"))
    assert book.flush(timeout=60)
    assert told(caplog, logging.INFO, f"2 responses booked from the spool {tmp_path / 'spool.jsonl'}")


def test_the_log_tells_why_a_spool_can_not_be_booked(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_args: object, **_names: object) -> None:
        raise KeyError("poison")

    monkeypatch.chdir(tmp_path)
    Path("spool.jsonl").write_text('{"request_id":"r0"}\n')
    monkeypatch.setattr("ledger.live.drain.book_lines", fail)
    book = Ledger(sqlite_url, spool="spool.jsonl")
    until(lambda: told(caplog, logging.ERROR, "spool.jsonl can't be booked"))
    assert Path("spool.jsonl.claimed").exists()
    assert book.record(response("r1")).status == "accepted"
