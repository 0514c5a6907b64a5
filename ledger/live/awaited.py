"""Calls of coroutines: one that is cancelled, as web servers do when a client leaves, is booked all the same."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from functools import partial

from ledger.errors import LedgerError
from ledger.intake.application import Recorded
from ledger.intake.calls import Call
from ledger.live.entry import Entry
from ledger.live.outbox import GRACE_SECONDS, Outbox
from ledger.logs import logger_of

LOG = logger_of("live")


async def abook(outbox: Outbox, call: Call, timeout: float) -> list[Recorded]:  # noqa: ASYNC109 - it is spooled then
    """Books a call as `outbox.book` does, while the event loop goes on."""
    entry = outbox.put(call, timeout)
    answer = asyncio.wrap_future(entry.answer)
    answer.add_done_callback(lambda done: done.exception())  # read here, as its caller may be gone
    loop = asyncio.get_running_loop()
    try:
        await asyncio.wait([answer], timeout=entry.left + GRACE_SECONDS)  # cancels nothing
    except asyncio.CancelledError:
        entry.answer.add_done_callback(partial(_answer_nobody, outbox, entry))
        loop.call_later(entry.left + GRACE_SECONDS, outbox.cut_if_stuck)
        raise
    error = answer.exception() if answer.done() else TimeoutError()
    if not isinstance(error, (TimeoutError, LedgerError)):
        return answer.result()
    given_up = loop.run_in_executor(None, outbox.give_up, entry, error)
    try:
        return await asyncio.shield(given_up)
    except asyncio.CancelledError:
        given_up.add_done_callback(lambda done: _tell_lost(entry, done.exception()))
        raise


def _answer_nobody(outbox: Outbox, entry: Entry, answer: Future[list[Recorded]]) -> None:
    """Spools a call whose caller is gone, where it can't be booked."""
    error = answer.exception()
    if isinstance(error, LedgerError):
        try:
            outbox.refuse(entry, error)
        except LedgerError as failure:
            error = failure
        else:
            return
    _tell_lost(entry, error)


def _tell_lost(entry: Entry, error: BaseException | None) -> None:
    if error is not None:
        fields = {"responses": entry.size, "reason": str(error)}
        LOG.warning("%(responses)s responses of a cancelled call aren't booked: %(reason)s", fields)
