"""Prepaid credits: what was topped up or paid elsewhere, and how each closed month drew on it."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text, UniqueConstraint

from ledger.store.tables.base import metadata
from ledger.store.tables.columns import BigInt, UtcTime, required, row_id

wallet_moves = Table(
    "wallet_moves",
    metadata,
    row_id(comment="of a top-up: what its lot is called"),
    *required(Text, "kind", "provider"),
    Column("currency", Text, nullable=False, comment="of the provider's card: CRD for credits"),
    Column("credits_nano", BigInt, nullable=False),
    Column("paid_nano", BigInt, nullable=False, comment="nano-USD; 0 for granted credits and draws"),
    Column("day", Text, nullable=False, comment="YYYY-MM-DD in the ledger's zone"),
    Column("expires", Text, comment="last day on which a lot's credits can be used"),
    Column("reason", Text),
    Column("reference", Text, nullable=False),
    Column("recorded_at", UtcTime, nullable=False),
    Column("previous", Text, nullable=False, comment="digest of the row before, empty for the first"),
    Column("digest", Text, nullable=False, comment="sha256 over the other columns"),
    UniqueConstraint("reference"),
    CheckConstraint("credits_nano > 0", name="credits"),
    CheckConstraint(
        "CASE kind"
        " WHEN 'purchased' THEN paid_nano > 0"
        " WHEN 'granted' THEN paid_nano = 0"
        " WHEN 'draw' THEN paid_nano = 0 AND expires IS NULL AND reason IS NOT NULL"
        " ELSE 1 = 0 END",
        name="kind",
    ),
    CheckConstraint("expires IS NULL OR expires >= day", name="expires"),
    sqlite_strict=True,
    comment="Top-ups (each a lot of credits) and what the same balance paid elsewhere, append-only, chained by digest.",
)

wallet_entries = Table(
    "wallet_entries",
    metadata,
    row_id(comment="order of drawing"),
    Column("closing_id", BigInt, ForeignKey("closings.id"), nullable=False, comment="the close that wrote it"),
    Column("provider", Text, nullable=False),
    Column("day", Text, nullable=False, comment="YYYY-MM-DD in the ledger's zone"),
    *required(Text, "from_account", "to_account"),
    Column("lot_id", BigInt, ForeignKey("wallet_moves.id"), comment="whose balance it changes; null where none's"),
    Column("amount_nano", BigInt, nullable=False, comment="leaves the one account and comes to the other"),
    CheckConstraint("amount_nano > 0", name="amount"),
    CheckConstraint(
        "from_account || '>' || to_account IN ('purchased>balance', 'granted>balance', 'balance>used',"
        " 'balance>adjustment', 'balance>expired', 'balance>overdrawn', 'overdrawn>used', 'overdrawn>adjustment',"
        " 'used>balance', 'used>overdrawn')",
        name="accounts",
    ),
    Index(None, "closing_id"),
    sqlite_strict=True,
    comment="Transfers between two accounts of a provider's wallet, so that all its accounts add up to zero;"
    " append-only.",
)
