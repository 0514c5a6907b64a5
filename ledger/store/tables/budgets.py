"""Versions of budgets, dated."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Table, Text

from ledger.store.tables.base import metadata
from ledger.store.tables.columns import BigInt, Flag, UtcTime, optional, required, row_id

budgets = Table(
    "budgets",
    metadata,
    row_id(comment="1, 2, 3 … in order of commit"),
    Column("name", Text, nullable=False),
    Column("amount_nano", BigInt, nullable=False, comment="nano of currency; 0 where the budget is removed"),
    *required(Text, "currency", "period"),
    Column("effective_from", Text, nullable=False, comment="YYYY-MM-DD: holds from the first period from then on"),
    Column("projects", Text, nullable=False, comment="JSON array; empty for all"),
    Column("models", Text, nullable=False, comment="JSON array; empty for all"),
    Column("tags", Text, nullable=False, comment="JSON array of [key, value]; any value of each key; empty for all"),
    Column("alerts", Text, nullable=False, comment="JSON array of percents of the amount"),
    Column("alert_forecast", Text, nullable=False, comment="JSON array of percents that a forecast may cross"),
    Column("months", Text, nullable=False, comment="JSON object: nano by month YYYY-MM, where other than amount_nano"),
    *optional(Text, "owner", "notify"),
    Column("removed", Flag, nullable=False, comment="1 where the budget ends"),
    Column("recorded_at", UtcTime, nullable=False),
    Column("previous", Text, nullable=False, comment="digest of the row before, empty for the first"),
    Column("digest", Text, nullable=False, comment="sha256 over the other columns"),
    CheckConstraint("period IN ('day', 'week', 'month', 'quarter', 'year')", name="period"),
    CheckConstraint("removed = 1 AND amount_nano = 0 OR removed = 0 AND amount_nano > 0", name="amount"),
    sqlite_strict=True,
    comment="Versions of budgets, append-only: of those that begin with one period the later row holds, and a removal"
    " takes away what begins with it or later.",
)
