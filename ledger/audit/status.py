"""The state of a ledger as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from ledger.book.archived import archived_through, where_archived
from ledger.book.open_months import first_open_month, last_closed
from ledger.book.prices.in_force import cards_in_force
from ledger.intake.quarantine import count_open
from ledger.reports.completeness import Silence, read_silences
from ledger.reports.conversion_notes import ConversionNote, conversion_notes_at
from ledger.reports.selection import Selection
from ledger.reports.snapshot import Snapshot
from ledger.reports.unbooked import read_unbooked_calls
from ledger.store.database import Database
from ledger.store.tables import rollup_days, rollup_keys, sources
from pricing.money import Conversion


@dataclass(frozen=True, slots=True)
class ConversionInUse:
    """A provider's conversion at a moment."""

    provider: str
    conversion: Conversion


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a ledger."""

    url: str
    zone: str
    conversions: Sequence[ConversionInUse]
    conversion_notes: Sequence[ConversionNote]
    sources: Sequence[tuple[str, datetime, datetime]]
    quarantine: dict[str, int]
    open_months: Sequence[str]
    closed_through: str | None
    archived_through: str | None
    archived_to: Sequence[str]
    requests: int
    unbooked_calls: int
    silent: tuple[Silence, ...]


def read_status(database: Database, now: datetime, provider: str, expectations: Mapping[str, timedelta]) -> Status:
    """Reads the state at `now`; conversions are those of providers with usage and of the default `provider`.

    `expectations` are the longest silences expected of sources that are declared.
    """
    with database.reading() as connection:
        first_open, closed = first_open_month(connection), last_closed(connection)
        months = connection.execute(
            select(rollup_keys.c.posted_month)
            .where(rollup_keys.c.posted_month >= first_open)
            .distinct()
            .order_by(rollup_keys.c.posted_month)
        )
        conversions = _conversions(connection, now, provider)
        of_source = sources.c.source, sources.c.last_occurred_at, sources.c.last_ingest_at
        moments = {use.provider: now for use in conversions}
        return Status(
            url=database.url,
            zone=database.zone_name,
            conversions=conversions,
            conversion_notes=conversion_notes_at(Snapshot.of(connection, database), Selection(database.zone), moments),
            sources=[tuple(row) for row in connection.execute(select(*of_source).order_by(sources.c.source))],
            quarantine=count_open(connection),
            open_months=[str(month) for month in months.scalars()],
            closed_through=None if closed is None else str(closed.month),
            archived_through=archived_through(connection),
            archived_to=list(where_archived(connection)),
            requests=int(connection.execute(select(func.coalesce(func.sum(rollup_days.c.requests), 0))).scalar_one()),
            unbooked_calls=read_unbooked_calls(connection, Selection(database.zone), database.zone),
            silent=read_silences(connection, expectations, ledger_zone=database.zone, at=now),
        )


def _conversions(connection: Connection, now: datetime, default: str) -> list[ConversionInUse]:
    used = {default, *connection.execute(select(rollup_keys.c.provider).distinct()).scalars()}
    found = []
    for provider, card in sorted(cards_in_force(connection).items()):
        if provider not in used or not card.conversions or now < card.conversions[0].effective_from:
            continue
        conversion = card.conversion_at(now)
        assert conversion is not None
        found.append(ConversionInUse(provider, conversion))
    return found
