"""closings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# SQLite's STRICT tables know INTEGER alone; times are microseconds since the epoch, UTC.
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FLAG = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")

REFUSAL = "'closings is append-only: post a correction'"


def upgrade() -> None:
    op.create_table(
        "closings",
        sa.Column("id", BIGINT, autoincrement=False, nullable=False, comment="1, 2, 3 … in order of commit"),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False, comment="YYYY-MM in the ledger's zone"),
        sa.Column("number", BIGINT, nullable=False, comment="1 for a month's first close, 2 after it was reopened"),
        sa.Column("at", BIGINT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("forced", FLAG, nullable=False),
        sa.Column(
            "last_charge_id",
            BIGINT,
            nullable=False,
            comment="the ledger's highest by then: later rows are not in it",
        ),
        sa.Column("charges", BIGINT, nullable=False, comment="rows posted in the month"),
        sa.Column("amounts", sa.Text(), nullable=False, comment="JSON: their nano by currency"),
        sa.Column(
            "rows_digest", sa.Text(), nullable=False, comment="sha256 over these rows and the conversions they pin"
        ),
        sa.Column("billing_mode", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("export_version", BIGINT, nullable=False),
        sa.Column("previous", sa.Text(), nullable=False, comment="digest of the row before, empty for the first"),
        sa.Column("digest", sa.Text(), nullable=False, comment="sha256 over the other columns"),
        sa.CheckConstraint("action IN ('close', 'reopen')", name="ck_closings_action"),
        sa.CheckConstraint("billing_mode IN ('postpaid', 'prepaid')", name="ck_closings_billing_mode"),
        sa.PrimaryKeyConstraint("id", name="pk_closings"),
        sa.UniqueConstraint("month", "number", "action", name="uq_closings_month_number_action"),
        comment="Months closed and reopened, append-only; a reopen repeats the figures of the close that it undoes.",
        sqlite_strict=True,
    )
    guard()


def guard() -> None:
    """Refuse updates, deletes, replaces and truncates, whoever asks."""
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER closings_no_{event.lower()} BEFORE {event} ON closings "
                f"BEGIN SELECT RAISE(ABORT, {REFUSAL}); END"
            )
        op.execute(
            "CREATE TRIGGER closings_no_replace BEFORE INSERT ON closings WHEN EXISTS (SELECT 1 FROM closings "
            "WHERE id = NEW.id OR (month = NEW.month AND number = NEW.number AND action = NEW.action)) "
            f"BEGIN SELECT RAISE(ABORT, {REFUSAL}); END"
        )
    else:
        op.execute(
            "CREATE TRIGGER closings_append_only BEFORE UPDATE OR DELETE ON closings "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            "CREATE TRIGGER closings_no_truncate BEFORE TRUNCATE ON closings "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    op.drop_table("closings")
