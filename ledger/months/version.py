"""The books of a month that exports show: those of a close in force, or the open ones."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select

from ledger.book.open_months import standing_close
from ledger.config import FocusSection
from ledger.store.tables import ledger_settings
from ledger.store.tables.book import LAST_REDACTION

# Raised whenever an export of a closed month would come out differently; `closings` remembers which one it was.
EXPORT_VERSION = 1


class MonthSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Settings that exports of a month depend on: they are kept with its close, and hold from then on."""

    focus: FocusSection = FocusSection()
    rollup_tags: tuple[str, ...] = ()


class MonthVersion(NamedTuple):
    """The books of a month that an export shows: `closed` is the number of its close, None while it is open.

    `last_redaction` is the batch that redacted last, None where none did: texts of earlier exports may be others.
    """

    month: str | None
    closed: int | None
    export_version: int
    last_redaction: int | None


def month_version(connection: Connection, month: str | None) -> MonthVersion:
    """Reads the version of a month that exports show now; `month` None is a period that is no month of the ledger's."""
    close = standing_close(connection, month)
    last = select(ledger_settings.c.value).where(ledger_settings.c.name == LAST_REDACTION)
    redaction = connection.execute(last).scalar()
    redacted = None if redaction is None else int(redaction)
    if close is None:
        return MonthVersion(month, None, EXPORT_VERSION, redacted)
    return MonthVersion(month, int(close.number), int(close.export_version), redacted)


def month_settings(connection: Connection, month: str, now: MonthSettings) -> MonthSettings:
    """Reads the settings that hold for a month: those that its close kept, else those of `now`."""
    close = standing_close(connection, month)
    if close is None or close.settings is None:
        return now
    return msgspec.json.decode(close.settings, type=MonthSettings)
