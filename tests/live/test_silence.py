"""A server that falls silent: every call comes back in its time, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger import Ledger, Recorded
from ledger.errors import DatabaseFailure
from ledger.live import worker
from tests.helpers.ledgers import rows
from tests.helpers.proxy import Proxy, proxy_of
from tests.helpers.sources import response
from tests.helpers.waits import until

# How long the calls of a few seconds may take on a machine under heavy load: not the minute that a ledger waits.
MOST_SECONDS = 30


@pytest.fixture
def proxy(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.chdir(tmp_path)
    with proxy_of(postgres_url) as found:
        yield found


MOMENTS: dict[str, Callable[[Proxy], None]] = {
    "between two calls": Proxy.silence,
    "at the lock": lambda proxy: proxy.silence_at(b"FOR UPDATE", passes=True),
    "in the midst": lambda proxy: proxy.silence_at(b"booked_usage", passes=False),
    "before the commit": lambda proxy: proxy.silence_at(b"COMMIT", passes=False),
    "after the commit": lambda proxy: proxy.silence_at(b"COMMIT", passes=True),
}


def recorded(url: str) -> Counter[str]:
    return Counter(request_id for (request_id,) in rows(url, "SELECT request_id FROM usage_records"))


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_call_comes_back_in_its_time_and_can_be_repeated(proxy: Proxy, postgres_url: str, moment: str) -> None:
    book = Ledger(proxy.url(postgres_url), timeout=60)
    assert book.record(response("r0")).status == "accepted"
    MOMENTS[moment](proxy)
    started = time.monotonic()
    with pytest.raises(DatabaseFailure):
        book.record(response("r1"), timeout=4)
    assert time.monotonic() - started < MOST_SECONDS
    assert proxy.silenced.is_set()
    proxy.answer()
    status = book.record(response("r1")).status
    # A call that was given up before it got anywhere may be booked still, once the server answers.
    assert status in {"after the commit": ("duplicate",)}.get(moment, ("accepted", "duplicate"))
    assert recorded(postgres_url) == {"r0": 1, "r1": 1}


def test_what_is_not_booked_in_time_is_spooled_and_booked_later_once(
    proxy: Proxy, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "RETRY_SECONDS", 600)  # so that `flush` alone tries it again
    book = Ledger(proxy.url(postgres_url), timeout=60, spool="spool.jsonl")
    assert book.record(response("r0")).status == "accepted"
    for number, moment in enumerate(MOMENTS.values(), 1):
        moment(proxy)
        assert book.record(response(f"r{number}"), timeout=2).status == "spooled"
        assert Path("spool.jsonl").exists()
        proxy.answer()
        assert book.flush()
        assert not list(Path().glob("spool.jsonl*[!k]"))
    assert recorded(postgres_url) == {f"r{number}": 1 for number in range(len(MOMENTS) + 1)}
    assert (book.counts["spooled"], book.counts["drained"]) == (len(MOMENTS), len(MOMENTS))


def test_the_last_of_many_threads_waits_no_longer_than_the_first(proxy: Proxy, postgres_url: str) -> None:
    book = Ledger(proxy.url(postgres_url), timeout=60)
    proxy.silence_at(b"FOR UPDATE", passes=False)

    def refused(number: int) -> bool:
        with pytest.raises(DatabaseFailure):
            book.record(response(f"r{number}"), timeout=4)
        return True

    started = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(refused, range(16)))
    assert time.monotonic() - started < MOST_SECONDS  # one after the other it would be a minute
    proxy.answer()
    assert book.record(response("r0")).status == "accepted"


def test_many_awaited_calls_wait_no_longer_than_one(proxy: Proxy, postgres_url: str) -> None:
    book = Ledger(proxy.url(postgres_url), timeout=60, spool="spool.jsonl")
    proxy.silence()

    async def record_all() -> list[Recorded]:
        return await asyncio.gather(*(book.arecord(response(f"r{number}"), timeout=2) for number in range(40)))

    started = time.monotonic()
    assert {told.status for told in asyncio.run(record_all())} == {"spooled"}
    assert time.monotonic() - started < MOST_SECONDS  # one after the other it would be 80 s
    proxy.answer()
    assert book.flush()
    assert recorded(postgres_url) == {f"r{number}": 1 for number in range(40)}


def test_a_ledger_opens_in_its_time_and_with_a_spool_without_its_database(proxy: Proxy, postgres_url: str) -> None:
    proxy.silence()
    started = time.monotonic()
    with pytest.raises(DatabaseFailure, match="hasn't answered for 1 s"):
        Ledger(proxy.url(postgres_url), timeout=1)
    book = Ledger(proxy.url(postgres_url), timeout=1, spool="spool.jsonl")
    assert time.monotonic() - started < MOST_SECONDS
    assert book.record(response("r1")).status == "spooled"
    proxy.answer()
    assert book.flush(timeout=60)
    assert recorded(postgres_url) == {"r1": 1}
    assert not book.report().not_booked


def test_a_server_lets_go_of_the_lock_of_a_client_it_no_longer_hears(proxy: Proxy, postgres_url: str) -> None:
    """Its connection is open still, inside a transaction that would hold up every writer."""
    book = Ledger(proxy.url(postgres_url), timeout=60)
    book.record(response("r0"))
    proxy.silence_at(b"booked_usage", passes=False)
    with pytest.raises(DatabaseFailure):
        book.record(response("r1"), timeout=4)
    assert proxy.silenced.is_set()
    assert Ledger(postgres_url, timeout=60).record(response("r2")).status == "accepted"


@pytest.mark.parametrize("moment", ["in the midst", "after the commit"])
@pytest.mark.parametrize("by", ["a later call", "the end"])
def test_what_is_buffered_is_spooled_by_a_later_call_or_the_end(
    proxy: Proxy, postgres_url: str, moment: str, by: str
) -> None:
    book = Ledger(proxy.url(postgres_url), timeout=60, spool="spool.jsonl", buffer=1)
    book.record(response("r0"))
    assert book.flush()
    MOMENTS[moment](proxy)
    for name in ("r1", "r2"):
        book.record(response(name), timeout=1 if by == "a later call" else 5)
    until(proxy.silenced.is_set)
    if by == "the end":
        book._timeout = 1
        book.close()
    else:

        def is_spooled() -> bool:
            book.record(response("r3"), timeout=1)
            return "spooled" in book.counts

        until(is_spooled)
    assert Path("spool.jsonl").exists()
    proxy.answer()
    again = Ledger(postgres_url, timeout=60, spool="spool.jsonl")
    until(again.flush)  # once the server lets go of the first one's lock; its worker may spool late
    assert by == "the end" or book.flush()
    assert recorded(postgres_url) == {"r0": 1, "r1": 1, "r2": 1} | ({} if by == "the end" else {"r3": 1})
