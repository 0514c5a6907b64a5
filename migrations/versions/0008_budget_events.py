"""budget events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

# SQLite's STRICT tables know INTEGER alone; times are microseconds since the epoch, UTC.
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

REFUSAL = "'budget_events is append-only: an event stays as it was seen'"


def text(name: str, comment: str | None = None, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable, comment=comment)


def number(name: str, comment: str | None = None) -> sa.Column[int]:
    return sa.Column(name, BIGINT, autoincrement=False, nullable=False, comment=comment)


def upgrade() -> None:
    op.create_table(
        "budget_events",
        number("id", "1, 2, 3 … in order of commit"),
        text("event_id", "what receivers know it by, the same each time it is sent"),
        text("kind"),
        text("name", "of the budget, source, or channel of a digest"),
        text(
            "period",
            "its label, such as 2026-W10; of a silence the last usage's time",
        ),
        number("percent", "the threshold; 0 where there is none"),
        text("currency", "of the amounts; empty where there are none"),
        number("amount_nano", "the budget's amount; 0 where there is none"),
        number("reached_nano", "what was spent, or is expected, when it was seen"),
        text("content", "JSON: what is sent"),
        number("recorded_at"),
        text("previous", "digest of the row before, empty for the first"),
        text("digest", "sha256 over the other columns"),
        sa.CheckConstraint(
            "kind IN ('actual', 'forecast', 'silent', 'back', 'weekly', 'monthly')", name="ck_budget_events_kind"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_budget_events"),
        sa.UniqueConstraint("event_id", name="uq_budget_events_event_id"),
        sa.UniqueConstraint(
            "kind", "name", "period", "percent", "currency", "amount_nano", name="uq_budget_events_identity"
        ),
        comment="Thresholds crossed, sources gone silent and digests, append-only.",
        sqlite_strict=True,
    )
    op.create_table(
        "budget_deliveries",
        number("id"),
        text("state"),
        number("attempts", "how often it was claimed; a failure counts for the last alone"),
        text("channel", "name of the channel it was last claimed for", nullable=True),
        text("error", "why the last attempt failed, without addresses and secrets", nullable=True),
        number("changed_at"),
        sa.CheckConstraint("state IN ('waiting', 'claimed', 'failed', 'delivered')", name="ck_budget_deliveries_state"),
        sa.PrimaryKeyConstraint("id", name="pk_budget_deliveries"),
        sa.ForeignKeyConstraint(["id"], ["budget_events.id"], name="fk_budget_deliveries_id"),
        comment="How far each event has come: claimed before it is sent, delivered or failed after.",
        sqlite_strict=True,
    )
    guard()


def guard() -> None:
    """Refuse updates, deletes, replaces and truncates of events, whoever asks."""
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER budget_events_no_{event.lower()} BEFORE {event} ON budget_events "
                f"BEGIN SELECT RAISE(ABORT, {REFUSAL}); END"
            )
        op.execute(
            "CREATE TRIGGER budget_events_no_replace BEFORE INSERT ON budget_events "
            "WHEN EXISTS (SELECT 1 FROM budget_events WHERE id = NEW.id OR event_id = NEW.event_id OR (kind = NEW.kind "
            "AND name = NEW.name AND period = NEW.period AND percent = NEW.percent AND currency = NEW.currency "
            "AND amount_nano = NEW.amount_nano)) "
            f"BEGIN SELECT RAISE(ABORT, {REFUSAL}); END"
        )
    else:
        op.execute(
            "CREATE TRIGGER budget_events_append_only BEFORE UPDATE OR DELETE ON budget_events "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            "CREATE TRIGGER budget_events_no_truncate BEFORE TRUNCATE ON budget_events "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    op.drop_table("budget_deliveries")
    op.drop_table("budget_events")
