"""The log: who changed the book, with which version, and which rows came of it."""

from __future__ import annotations

from sqlalchemy import Column, Table, Text

from ledger.store.tables.base import metadata
from ledger.store.tables.columns import UtcTime, required, row_id

log_entries = Table(
    "log_entries",
    metadata,
    row_id(comment="1, 2, 3 … without a gap, in order of commit"),
    Column("at", UtcTime, nullable=False),
    *required(Text, "actor"),
    Column("version", Text, nullable=False, comment="of tollbook"),
    Column("rows", Text, nullable=False, comment="JSON array of [table, first id, last id, sha256 over these rows]"),
    Column(
        "settled",
        Text,
        comment="JSON object: by state, ranges of ids of quarantine that came to it; null where none did",
    ),
    Column(
        "held",
        Text,
        nullable=False,
        comment="sum of sha256 over what quarantine keeps of each line, modulo 2**256, as this entry leaves it",
    ),
    Column("previous", Text, nullable=False, comment="digest of the entry before, empty for the first"),
    Column("digest", Text, nullable=False, comment="sha256 over the other columns"),
    sqlite_strict=True,
    comment="One row a transaction that changed the book, append-only, chained by digest.",
)
