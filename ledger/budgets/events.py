"""Events in the ledger: what was seen, once each, and how far the telling of it has come.

An event is claimed before it is sent, and delivered or failed after. A claim holds for LEASE: what a killed run had
claimed is taken up after that. Times are the database's, so that machines whose clocks differ agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select

from ledger.book.seals import append_sealed, read_sealed
from ledger.budgets.alerts import Alert, news
from ledger.channels.message import Attachment, Message
from ledger.store.database import Database, read_clock
from ledger.store.tables import budget_deliveries, budget_events

# Longer than all attempts to send one message take, with the longest timeouts and waits.
LEASE = timedelta(minutes=15)


class Event(NamedTuple):
    """An event that isn't delivered yet, with its attempts, the channel of the last one and why that failed."""

    id: int
    event_id: str
    alert: Alert
    attempts: int = 0
    channel: str | None = None
    error: str | None = None

    @property
    def message(self) -> Message:
        content = dict(self.alert.content or {})
        title, lines, page = content.pop("title"), content.pop("lines"), content.pop("page_html", None)
        attached = None if page is None else Attachment(f"{content['month']}.html", page)
        return Message(self.event_id, title, tuple(lines), content, attached)


def read_told(connection: Connection) -> list[Alert]:
    """Reads the alerts that are events already, oldest first, without what was sent: digests have whole pages."""
    columns = [column for column in budget_events.c if column.name != "content"]
    return [_alert(row, None) for row in connection.execute(select(*columns).order_by(budget_events.c.id))]


def read_undelivered(connection: Connection) -> list[Event]:
    """Reads the events that aren't known to be delivered, oldest first."""
    events, deliveries = budget_events.c, budget_deliveries.c
    query = select(budget_events, deliveries.attempts, deliveries.channel, deliveries.error)
    found = query.join(budget_deliveries, deliveries.id == events.id).where(deliveries.state != "delivered")
    return [
        Event(
            row.id,
            row.event_id,
            _alert(row, msgspec.json.decode(row.content)),
            row.attempts,
            row.channel,
            row.error,
        )
        for row in connection.execute(found.order_by(events.id))
    ]


def record_events(database: Database, alerts: Sequence[Alert]) -> None:
    """Makes events of those alerts that aren't, in one step: of runs at once, one records it."""
    with database.writing() as connection:
        now = read_clock(connection)
        for alert in news(alerts, read_told(connection)):
            row = {
                "event_id": f"evt_{uuid4().hex}",
                "kind": alert.kind,
                "name": alert.name,
                "period": alert.period,
                "percent": alert.percent,
                "currency": alert.currency,
                "amount_nano": alert.amount_nano,
                "reached_nano": alert.reached_nano,
                "content": msgspec.json.encode(alert.content).decode(),
                "recorded_at": now,
            }
            number = append_sealed(connection, budget_events, row)
            values = {"id": number, "state": "waiting", "attempts": 0, "changed_at": now}
            connection.execute(budget_deliveries.insert().values(values))


def claim(database: Database, event: Event, channel: str) -> int | None:
    """Claims an event for sending; returns the number of the attempt, None where another run has it or sent it."""
    deliveries = budget_deliveries.c
    with database.writing() as connection:
        now = read_clock(connection)
        is_free = or_(
            deliveries.state.in_(["waiting", "failed"]),
            and_(deliveries.state == "claimed", deliveries.changed_at <= now - LEASE),
        )
        free = select(deliveries.attempts).where(deliveries.id == event.id, is_free)
        attempts: int | None = connection.execute(free).scalar()
        if attempts is None:
            return None
        _change(connection, deliveries.id == event.id, state="claimed", channel=channel, attempts=attempts + 1)
    return attempts + 1


def confirm(database: Database, event: Event) -> None:
    """Notes that an event is delivered, also where its claim had ended."""
    with database.writing() as connection:
        _change(connection, budget_deliveries.c.id == event.id, state="delivered", error=None)


def fail(database: Database, event: Event, attempt: int, error: str) -> None:
    """Notes why an attempt failed; nothing where another one came after it."""
    deliveries = budget_deliveries.c
    own = and_(deliveries.id == event.id, deliveries.state == "claimed", deliveries.attempts == attempt)
    with database.writing() as connection:
        _change(connection, own, state="failed", error=error)


def check_events(connection: Connection) -> Iterator[str]:
    """Yields what is wrong with the rows: one is no longer as it was recorded, or has no delivery."""
    known = set(connection.execute(select(budget_deliveries.c.id)).scalars())
    for row, intact in read_sealed(connection, budget_events):
        if not intact:
            yield f"budget_events {row.id} ({row.name}): it is no longer as it was recorded"
        if row.id not in known:
            yield f"budget_events {row.id} ({row.name}): its delivery is missing"


def _change(connection: Connection, where: ColumnElement[bool], **values: object) -> None:
    now = read_clock(connection)
    connection.execute(budget_deliveries.update().where(where).values(**values, changed_at=now))


def _alert(row: Row[Any], content: Mapping[str, Any] | None) -> Alert:
    return Alert(row.kind, row.name, row.period, row.percent, row.currency, row.amount_nano, row.reached_nano, content)
