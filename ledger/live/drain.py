"""Booking what is spooled."""

from __future__ import annotations

from collections.abc import Callable

from ledger.config import Config
from ledger.errors import LedgerError
from ledger.intake.application import book_lines
from ledger.intake.containers.source import open_source
from ledger.live.spool import Spool
from ledger.logs import logger_of
from ledger.store.database import Database

LOG = logger_of("live")
# The least time that one transaction of a spool gets.
SPOOL_SECONDS = 30


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
    except LedgerError as error:
        LOG.info("the spool %(spool)s waits: %(reason)s", {"spool": spool.path, "reason": str(error)})
        return False
    except Exception:
        LOG.exception("the spool %(spool)s can't be booked", {"spool": spool.path})
        return False
    LOG.info("%(responses)s responses booked from the spool %(spool)s", {"responses": total, "spool": spool.path})
    return True
