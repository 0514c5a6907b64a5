"""The progress of each stream of ids, and what could not be recorded."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Table, Text, UniqueConstraint

from ledger.store.tables.base import metadata
from ledger.store.tables.columns import BigInt, Flag, UtcTime, required, row_id

sources = Table(
    "sources",
    metadata,
    Column("source", Text, primary_key=True),
    *required(UtcTime, "last_occurred_at", "last_ingest_at"),
    Column("lake", Text, comment="the id of the lake that its usage is kept in; null where that is the book"),
    sqlite_strict=True,
    comment="How far each stream of ids has come.",
)

quarantine = Table(
    "quarantine",
    metadata,
    row_id(),
    Column("digest", Text, nullable=False, comment="sha256 of source and line"),
    *required(Text, "state", "reason", "message", "file"),
    Column("line", BigInt, nullable=False),
    Column("length", BigInt, nullable=False, comment="bytes of the line, for a cut-off line's whole twin"),
    Column("seen", BigInt, nullable=False, comment="how often this very line came"),
    Column("source", Text, nullable=False),
    Column("request_id", Text),
    Column("occurred_at", UtcTime, comment="null where the line has no readable time"),
    Column("fields", Text, nullable=False, comment="JSON in the records format: what may be kept of the line"),
    Column("complete", Flag, nullable=False, comment="1 where fields hold every fact, so that a retry can record them"),
    Column("options", Text, nullable=False, comment="JSON: options of the run"),
    *required(UtcTime, "first_seen_at", "last_seen_at"),
    Column("resolution", Text, comment="reason of a discard, or how it was resolved"),
    Column("resolved_at", UtcTime),
    UniqueConstraint("digest"),
    CheckConstraint("state IN ('open', 'resolved', 'accepted', 'discarded')", name="state"),
    Index("ix_quarantine_state", "state", "occurred_at"),
    sqlite_strict=True,
    comment="What could not be recorded, until somebody settles it.",
)
