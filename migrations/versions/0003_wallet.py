"""the credit wallet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# SQLite's STRICT tables know INTEGER alone; times are microseconds since the epoch, UTC.
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# INSERT OR REPLACE deletes the row in its way without firing a delete trigger, so inserts are met before that happens.
IN_THE_WAY = {
    "wallet_moves": "id = NEW.id OR reference = NEW.reference",
    "wallet_entries": "id = NEW.id",
}


def upgrade() -> None:
    op.create_table(
        "wallet_moves",
        sa.Column("id", BIGINT, autoincrement=False, nullable=False, comment="of a top-up: what its lot is called"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False, comment="of the provider's card: CRD for credits"),
        sa.Column("credits_nano", BIGINT, nullable=False),
        sa.Column("paid_nano", BIGINT, nullable=False, comment="nano-USD; 0 for granted credits and draws"),
        sa.Column("day", sa.Text(), nullable=False, comment="YYYY-MM-DD in the ledger's zone"),
        sa.Column("expires", sa.Text(), nullable=True, comment="last day on which a lot's credits can be used"),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("recorded_at", BIGINT, nullable=False),
        sa.Column("previous", sa.Text(), nullable=False, comment="digest of the row before, empty for the first"),
        sa.Column("digest", sa.Text(), nullable=False, comment="sha256 over the other columns"),
        sa.CheckConstraint("credits_nano > 0", name="ck_wallet_moves_credits"),
        sa.CheckConstraint(
            "CASE kind WHEN 'purchased' THEN paid_nano > 0 WHEN 'granted' THEN paid_nano = 0 WHEN 'draw' THEN paid_nano = 0 AND expires IS NULL AND reason IS NOT NULL ELSE 1 = 0 END",
            name="ck_wallet_moves_kind",
        ),
        sa.CheckConstraint("expires IS NULL OR expires >= day", name="ck_wallet_moves_expires"),
        sa.PrimaryKeyConstraint("id", name="pk_wallet_moves"),
        sa.UniqueConstraint("reference", name="uq_wallet_moves_reference"),
        comment="Top-ups (each a lot of credits) and what the same balance paid elsewhere, append-only, chained by digest.",
        sqlite_strict=True,
    )
    op.create_table(
        "wallet_entries",
        sa.Column("id", BIGINT, autoincrement=False, nullable=False, comment="order of drawing"),
        sa.Column("closing_id", BIGINT, nullable=False, comment="the close that wrote it"),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False, comment="YYYY-MM-DD in the ledger's zone"),
        sa.Column("from_account", sa.Text(), nullable=False),
        sa.Column("to_account", sa.Text(), nullable=False),
        sa.Column("lot_id", BIGINT, nullable=True, comment="whose balance it changes; null where none's"),
        sa.Column("amount_nano", BIGINT, nullable=False, comment="leaves the one account and comes to the other"),
        sa.CheckConstraint("amount_nano > 0", name="ck_wallet_entries_amount"),
        sa.CheckConstraint(
            "from_account || '>' || to_account IN ('purchased>balance', 'granted>balance', 'balance>used', 'balance>adjustment', 'balance>expired', 'balance>overdrawn', 'overdrawn>used', 'overdrawn>adjustment', 'used>balance', 'used>overdrawn')",
            name="ck_wallet_entries_accounts",
        ),
        sa.ForeignKeyConstraint(["closing_id"], ["closings.id"], name="fk_wallet_entries_closing_id"),
        sa.ForeignKeyConstraint(["lot_id"], ["wallet_moves.id"], name="fk_wallet_entries_lot_id"),
        sa.PrimaryKeyConstraint("id", name="pk_wallet_entries"),
        comment="Transfers between two accounts of a provider's wallet, so that all its accounts add up to zero; append-only.",
        sqlite_strict=True,
    )
    op.create_index("ix_wallet_entries_closing_id", "wallet_entries", ["closing_id"], unique=False)
    for table in IN_THE_WAY:
        guard(table)


def guard(table: str) -> None:
    """Refuse updates, deletes, replaces and truncates, whoever asks."""
    refusal = f"'{table} is append-only: post a correction'"
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, {refusal}); END"
            )
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} "
            f"WHERE {IN_THE_WAY[table]}) BEGIN SELECT RAISE(ABORT, {refusal}); END"
        )
    else:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    op.drop_table("wallet_entries")
    op.drop_table("wallet_moves")
