"""The news of budgets and sources that was to be told, once each, and how far the telling has come."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Table, Text, UniqueConstraint

from ledger.store.tables.base import metadata
from ledger.store.tables.columns import BigInt, UtcTime, required, row_id

budget_events = Table(
    "budget_events",
    metadata,
    row_id(comment="1, 2, 3 … in order of commit"),
    Column("event_id", Text, nullable=False, comment="what receivers know it by, the same each time it is sent"),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False, comment="of the budget, source, or channel of a digest"),
    Column(
        "period",
        Text,
        nullable=False,
        comment="its label, such as 2026-W10; of a silence the last usage's time",
    ),
    Column("percent", BigInt, nullable=False, comment="the threshold; 0 where there is none"),
    Column("currency", Text, nullable=False, comment="of the amounts; empty where there are none"),
    Column("amount_nano", BigInt, nullable=False, comment="the budget's amount; 0 where there is none"),
    Column("reached_nano", BigInt, nullable=False, comment="what was spent, or is expected, when it was seen"),
    Column("content", Text, nullable=False, comment="JSON: what is sent"),
    Column("recorded_at", UtcTime, nullable=False),
    Column("previous", Text, nullable=False, comment="digest of the row before, empty for the first"),
    Column("digest", Text, nullable=False, comment="sha256 over the other columns"),
    UniqueConstraint("event_id"),
    UniqueConstraint("kind", "name", "period", "percent", "currency", "amount_nano", name="uq_budget_events_identity"),
    CheckConstraint("kind IN ('actual', 'forecast', 'silent', 'back', 'weekly', 'monthly')", name="kind"),
    sqlite_strict=True,
    comment="Thresholds crossed, sources gone silent and digests, append-only.",
)

budget_deliveries = Table(
    "budget_deliveries",
    metadata,
    Column("id", BigInt, ForeignKey("budget_events.id"), primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("attempts", BigInt, nullable=False, comment="how often it was claimed; a failure counts for the last alone"),
    Column("channel", Text, comment="name of the channel it was last claimed for"),
    Column("error", Text, comment="why the last attempt failed, without addresses and secrets"),
    *required(UtcTime, "changed_at"),
    CheckConstraint("state IN ('waiting', 'claimed', 'failed', 'delivered')", name="state"),
    sqlite_strict=True,
    comment="How far each event has come: claimed before it is sent, delivered or failed after.",
)
