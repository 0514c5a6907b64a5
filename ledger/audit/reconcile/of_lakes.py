"""The ledger's side of a reconciliation that lakes have the rows of: live charges of a provider's usage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from ledger.audit.reconcile.booked import Booked
from ledger.book.rows import ChargeRow, Facts
from ledger.book.without_rows import left_out, sources_without_rows
from ledger.lake.given import Lakes
from ledger.lake.posted import Posting
from ledger.store.tables import lake_keys
from ledger.values.calendar import Calendar
from ledger.values.instants import MICROSECOND, to_microseconds

T = TypeVar("T")
Live = tuple[ChargeRow, Facts]
_WIDTH = len(ChargeRow._fields)


class LakeSide:
    """Reads a provider's usage from lakes: what was posted and not taken back. `calendar` is of the ledger's zone."""

    def __init__(self, connection: Connection, lakes: Lakes, provider: str, calendar: Calendar) -> None:
        self._connection = connection
        self._lakes = lakes
        self._provider = provider
        self._calendar = calendar
        self._postings = lakes.live(connection)

    def check(self, start: datetime | None, end: datetime | None) -> None:
        """Refuses a period with usage of the provider that neither the ledger nor a lake given has rows of."""
        found = sources_without_rows(self._connection, lake_keys.c.provider == self._provider, start, end)
        self._lakes.check(self._connection, found, "reconcile")

    def unread(self) -> list[str]:
        """Returns words on usage of the provider that is looked for in none of the lakes, whenever it occurred."""
        found = sources_without_rows(self._connection, lake_keys.c.provider == self._provider)
        return left_out(self._lakes.missing(self._connection, found))

    def booked(self, start: datetime | None, end: datetime | None) -> Iterator[Booked]:
        """Reads charges of usage that occurred in [start, end)."""
        return self._rows(Booked, Booked._fields, start, end)

    def of_requests(self, request_ids: Collection[str]) -> Iterator[Booked]:
        """Reads charges of these requests, whenever they occurred."""
        return self._rows(Booked, Booked._fields, None, None, request_ids)

    def live(self, start: datetime | None, end: datetime | None) -> Iterator[Live]:
        """Reads charges that occurred in [start, end) with their usage."""
        return self._rows(_live, ChargeRow._fields + Facts._fields, start, end)

    def live_by_request(self, request_ids: Collection[str]) -> Mapping[str, list[Live]]:
        """Reads charges of these requests with their usage, by request."""
        found: defaultdict[str, list[Live]] = defaultdict(list)
        for live in self._rows(_live, ChargeRow._fields + Facts._fields, None, None, request_ids):
            found[live[1].request_id].append(live)
        return found

    def _rows(
        self,
        row: Callable[..., T],
        fields: tuple[str, ...],
        start: datetime | None,
        end: datetime | None,
        request_ids: Collection[str] | None = None,
    ) -> Iterator[T]:
        start_us, end_us = (None if at is None else to_microseconds(at) for at in (start, end))

        def wanted(posting: Posting) -> Posting | None:
            is_in = self._overlaps(posting, start, end)
            return posting._replace(start_us=start_us, end_us=end_us) if is_in else None

        if request_ids is not None and not request_ids:
            return
        only: dict[str, Collection[str]] = {"provider": {self._provider}}
        if request_ids is not None:
            only["request_id"] = frozenset(request_ids)
        for part in self._lakes.archived(self._connection, wanted, row, fields, only):
            yield from part
        postings = list(filter(None, map(wanted, self._postings)))
        if postings:
            reader = self._lakes.reader(self._connection, postings)
            for posting in postings:
                yield from reader.rows(posting, row, fields, only)

    def _overlaps(self, posting: Posting, start: datetime | None, end: datetime | None) -> bool:
        month = self._calendar.month
        return (start is None or month(to_microseconds(start)) <= posting.occurred_month) and (
            end is None or posting.occurred_month <= month(to_microseconds(end - MICROSECOND))
        )


def _live(*values: object) -> Live:
    return ChargeRow._make(values[:_WIDTH]), Facts._make(values[_WIDTH:])
