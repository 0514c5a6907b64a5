"""budgets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

# SQLite's STRICT tables know INTEGER alone; times are microseconds since the epoch, UTC.
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FLAG = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")

REFUSAL = "'budgets is append-only: set the budget again'"


def text(name: str, comment: str | None = None, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable, comment=comment)


def upgrade() -> None:
    op.create_table(
        "budgets",
        sa.Column("id", BIGINT, autoincrement=False, nullable=False, comment="1, 2, 3 … in order of commit"),
        text("name"),
        sa.Column("amount_nano", BIGINT, nullable=False, comment="nano of currency; 0 where the budget is removed"),
        text("currency"),
        text("period"),
        text("effective_from", "YYYY-MM-DD: holds from the first period from then on"),
        text("projects", "JSON array; empty for all"),
        text("models", "JSON array; empty for all"),
        text("tags", "JSON array of [key, value]; any value of each key; empty for all"),
        text("alerts", "JSON array of percents of the amount"),
        text("alert_forecast", "JSON array of percents that a forecast may cross"),
        text("months", "JSON object: nano by month YYYY-MM, where other than amount_nano"),
        text("owner", nullable=True),
        text("notify", nullable=True),
        sa.Column("removed", FLAG, nullable=False, comment="1 where the budget ends"),
        sa.Column("recorded_at", BIGINT, nullable=False),
        text("previous", "digest of the row before, empty for the first"),
        text("digest", "sha256 over the other columns"),
        sa.CheckConstraint("period IN ('day', 'week', 'month', 'quarter', 'year')", name="ck_budgets_period"),
        sa.CheckConstraint(
            "removed = 1 AND amount_nano = 0 OR removed = 0 AND amount_nano > 0", name="ck_budgets_amount"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_budgets"),
        comment="Versions of budgets, append-only: of those that begin with one period the later row holds, and a"
        " removal takes away what begins with it or later.",
        sqlite_strict=True,
    )
    guard()


def guard() -> None:
    """Refuse updates, deletes, replaces and truncates, whoever asks."""
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER budgets_no_{event.lower()} BEFORE {event} ON budgets "
                f"BEGIN SELECT RAISE(ABORT, {REFUSAL}); END"
            )
        op.execute(
            "CREATE TRIGGER budgets_no_replace BEFORE INSERT ON budgets "
            "WHEN EXISTS (SELECT 1 FROM budgets WHERE id = NEW.id) "
            f"BEGIN SELECT RAISE(ABORT, {REFUSAL}); END"
        )
    else:
        op.execute(
            "CREATE TRIGGER budgets_append_only BEFORE UPDATE OR DELETE ON budgets "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            "CREATE TRIGGER budgets_no_truncate BEFORE TRUNCATE ON budgets "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    op.drop_table("budgets")
