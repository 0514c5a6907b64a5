"""Usage whose rows were moved to files: what was moved, and the identities by which it is known when it comes again."""

from __future__ import annotations

from sqlalchemy import Column, Table, Text, UniqueConstraint

from ledger.store.tables.base import metadata
from ledger.store.tables.columns import BigInt, UtcTime, required, row_id

archives = Table(
    "archives",
    metadata,
    row_id(comment="1, 2, 3 … in order of commit"),
    Column("batch_id", BigInt, nullable=False, comment="the batch that booked the sums of its rows"),
    Column("through", Text, nullable=False, comment="YYYY-MM: rows posted in it or before were moved"),
    Column("first_id", BigInt, nullable=False, comment="the least id of its rows in `booked_usage`; others may stay"),
    *required(BigInt, "last_id", "rows"),
    *required(BigInt, "first_batch_id", "last_batch_id"),
    Column("batches", Text, nullable=False, comment="sha256 over these rows of `batches` and all between them"),
    Column("identities", Text, nullable=False, comment="sha256 over its rows of `archived_usage`"),
    Column("lake", Text, nullable=False, comment="the id of the lake that has the file"),
    Column("location", Text, nullable=False, comment="where that lake was then"),
    Column("file", Text, nullable=False, comment="the file's path below it"),
    Column("sha256", Text, nullable=False, comment="of the file"),
    Column("archived_at", UtcTime, nullable=False),
    Column("previous", Text, nullable=False, comment="digest of the row before, empty for the first"),
    Column("digest", Text, nullable=False, comment="sha256 over the other columns"),
    UniqueConstraint("batch_id"),
    sqlite_strict=True,
    comment="Files that rows of `booked_usage` were moved to, append-only, chained by digest.",
)

archived_usage = Table(
    "archived_usage",
    metadata,
    Column("upper", BigInt, primary_key=True, autoincrement=False, comment="of a digest of source, kind, request id"),
    Column("lower", BigInt, primary_key=True, autoincrement=False),
    Column("archive_id", BigInt, nullable=False),
    Column("key_id", BigInt, nullable=False, comment="a row of `record_keys`"),
    Column("numbers", BigInt, nullable=False, comment="half of a digest of times and counts"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
    comment="One row a record that was archived, append-only: what it is known by when it comes again.",
)
