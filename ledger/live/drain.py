"""Spooling what can't be booked, and booking what is spooled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ledger.config import Config
from ledger.errors import DatabaseFailure, LedgerError
from ledger.intake.application import Recorded, book_lines, spooled
from ledger.intake.calls import Call
from ledger.intake.containers.source import open_source
from ledger.live.spool import Spool
from ledger.logs import logger_of
from ledger.store.database import Database

LOG = logger_of("live")
# The least time that one transaction of a spool gets.
SPOOL_SECONDS = 30


def fill(spool: Spool, config: Config, calls: Sequence[Call], error: LedgerError) -> list[list[Recorded]]:
    """Spools calls that can't be booked for an error; DatabaseFailure where that can't be done either."""
    lines, told = spooled(calls, config, str(error))
    try:
        spool.append(lines)
    except LedgerError as failure:
        raise DatabaseFailure(f"{error}. Nothing is spooled either: {failure}") from error
    if lines:
        LOG.warning("%(responses)s responses spooled: %(reason)s", {"responses": len(lines), "reason": str(error)})
    return told


def drain(
    spool: Spool, open_database: Callable[[], Database], config: Config, note_booked: Callable[[int], None]
) -> bool:
    """Books a spool, telling the number of each transaction's responses; returns whether there was one to book.

    What can't be booked is there for the next time, and the log says why.
    """
    total = 0
    try:
        with spool.claimed() as path:
            if path is None:
                return False
            with open_source(str(path)) as source:
                for number in book_lines(open_database(), config, source, wait=SPOOL_SECONDS):
                    total += number
                    note_booked(number)
    except (LedgerError, TimeoutError) as error:
        LOG.info("the spool %(spool)s waits: %(reason)s", {"spool": spool.path, "reason": str(error)})
        return False
    except Exception:
        LOG.exception("the spool %(spool)s can't be booked", {"spool": spool.path})
        return False
    LOG.info("%(responses)s responses booked from the spool %(spool)s", {"responses": total, "spool": spool.path})
    return True
