"""Owner and cost center of each project, as tollbook.toml said when it was applied."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Table, Text

from ledger.store.tables.base import metadata
from ledger.store.tables.columns import BigInt, Flag, UtcTime, optional, row_id

projects = Table(
    "projects",
    metadata,
    row_id(comment="1, 2, 3 … in order of commit"),
    Column("project", Text, nullable=False, comment="the id that charges carry"),
    *optional(Text, "name", "owner", "cost_center"),
    Column("aliases", Text, nullable=False, comment="JSON array, sorted: names whose usage counts as the project's"),
    Column("removed", Flag, nullable=False, comment="1 where the project was taken out of tollbook.toml"),
    Column("recorded_at", UtcTime, nullable=False),
    Column(
        "closing_id", BigInt, nullable=False, comment="the newest of closings by then, 0 for none: later ones see it"
    ),
    Column("previous", Text, nullable=False, comment="digest of the row before, empty for the first"),
    Column("digest", Text, nullable=False, comment="sha256 over the other columns"),
    CheckConstraint("removed = 0 OR (name IS NULL AND owner IS NULL AND cost_center IS NULL)", name="removed"),
    sqlite_strict=True,
    comment="What each project is called, whose it is and who pays, append-only: its latest row holds.",
)
