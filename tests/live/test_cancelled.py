"""Awaited calls whose caller is cancelled, as web servers do when a client leaves: nothing of them is lost."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger import Ledger
from tests.helpers.ledgers import rows
from tests.helpers.proxy import proxy_of
from tests.helpers.sources import response
from tests.helpers.waits import lock_held, until

IDS = "SELECT request_id FROM usage_records ORDER BY 1"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def cancelled(book: Ledger, name: str, seconds: float) -> None:
    """Cancel a call that has begun to wait."""
    task = asyncio.create_task(book.arecord(response(name), timeout=seconds))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_call_that_is_cancelled_as_it_waits_is_booked(db_url: str) -> None:
    book = Ledger(db_url, timeout=60)
    with ThreadPoolExecutor(1) as pool:
        with lock_held(db_url):
            first = pool.submit(book.record, response("first"))
            until(lambda: book._outbox._is_busy and not book.counts["waiting"])
            asyncio.run(cancelled(book, "left", 60))
            assert book.counts["waiting"] == 1
        assert first.result().status == "accepted"
    assert book.flush()
    assert rows(db_url, IDS) == [("first",), ("left",)]
    assert book.counts["accepted"] == 2


def test_a_call_that_is_cancelled_is_spooled_where_it_can_not_be_booked(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    book = Ledger(sqlite_url, timeout=60, spool="spool.jsonl")
    with lock_held(sqlite_url):
        asyncio.run(cancelled(book, "left", 0.1))
        until(lambda: book.counts.get("spooled") == 1)
    assert book.flush()
    assert rows(sqlite_url, IDS) == [("left",)]
    without = Ledger(sqlite_url, timeout=60)
    caplog.set_level(logging.WARNING, "tollbook")
    with lock_held(sqlite_url):
        asyncio.run(cancelled(without, "lost", 0.1))
        until(lambda: "1 responses of a cancelled call aren't booked: another program has" in caplog.text)


def test_a_call_that_is_cancelled_before_a_silent_server_is_spooled_in_its_time(
    postgres_url: str, tmp_path: Path
) -> None:
    with proxy_of(postgres_url) as proxy:
        book = Ledger(proxy.url(postgres_url), timeout=60, spool="spool.jsonl")
        proxy.silence()

        async def leave() -> None:
            await cancelled(book, "left", 1)
            await asyncio.to_thread(until, lambda: book.counts.get("spooled") == 1)

        asyncio.run(leave())
        proxy.answer()
        assert book.flush()
    assert rows(postgres_url, IDS) == [("left",)]


def test_a_call_that_is_cancelled_as_it_is_spooled_is_spooled(sqlite_url: str) -> None:
    book = Ledger(sqlite_url, timeout=60, spool="spool.jsonl")

    async def leave() -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as pool:
            loop.set_default_executor(pool)
            free = asyncio.Event()
            busy = loop.run_in_executor(None, lambda: asyncio.run_coroutine_threadsafe(free.wait(), loop).result())
            task = asyncio.create_task(book.arecord(response("left"), timeout=0))
            with ThreadPoolExecutor(1) as other:
                await loop.run_in_executor(other, until, lambda: not pool._work_queue.empty())
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            free.set()
            await busy

    with lock_held(sqlite_url):
        asyncio.run(leave())
        until(lambda: book.counts.get("spooled") == 1)
    assert book.flush()
    assert rows(sqlite_url, IDS) == [("left",)]
