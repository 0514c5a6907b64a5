"""What many usage records and their first charges have alike, and where their ids are unique."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import CheckConstraint, Column, Table, Text, UniqueConstraint

from ledger.store.tables.base import digest_of, metadata
from ledger.store.tables.columns import BigInt, Flag, optional, required, row_id

streams = Table(
    "streams",
    metadata,
    row_id(),
    *required(Text, "source", "kind"),
    UniqueConstraint("source", "kind"),
    CheckConstraint("kind IN ('request', 'cache_storage')", name="kind"),
    sqlite_strict=True,
    comment="Where request ids are unique: each kind of record of a source, once.",
)


class RecordKey(NamedTuple):
    """The columns of `record_keys` after id and digest: of the record, then of its first charge.

    Those of the charge are None where that is a replacement, which has its own row.
    """

    provider: str
    requested_model: str | None
    reported_model: str | None
    project: str
    status: str
    service_tier: str | None
    occurred_month: str | None = None
    posted_month: str | None = None
    currency: str | None = None
    billed_model: str | None = None
    model_differs: int | None = None
    rate_entry_id: int | None = None
    conversion_id: int | None = None
    tier: str | None = None

    @property
    def digest(self) -> str:
        return digest_of(self)


record_keys = Table(
    "record_keys",
    metadata,
    row_id(),
    Column("digest", Text, nullable=False, comment="sha256 of the other columns"),
    Column("provider", Text, nullable=False),
    *optional(Text, "requested_model", "reported_model"),
    *required(Text, "project", "status"),
    Column("service_tier", Text),
    Column(
        "occurred_month",
        Text,
        comment="YYYY-MM in the ledger's zone; null, as all after it, where `booked_usage` holds no amounts",
    ),
    *optional(Text, "posted_month", "currency", "billed_model"),
    Column("model_differs", Flag),
    Column("rate_entry_id", BigInt),
    Column("conversion_id", BigInt, comment="null where the currency is USD"),
    Column("tier", Text, comment="its up_to, 'unbounded', or 'none' for storage"),
    UniqueConstraint("digest"),
    sqlite_strict=True,
    comment="What many records and their first charges have alike, each combination once.",
)
