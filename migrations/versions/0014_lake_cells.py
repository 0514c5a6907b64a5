"""sums of usage that a lake keeps, as rows of the book; the lake that a source belongs to."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEY = (
    *("posted_month", "occurred_month", "source", "provider", "currency", "billed_model", "project", "tier", "status"),
    *("kind", "charge_class", "tags", "rate_entry_id", "conversion_id"),
)
ROW_IDS = ("rate_entry_id", "conversion_id")
# INSERT OR REPLACE deletes the row in its way without firing a delete trigger, so inserts are met before that happens.
IN_THE_WAY = {
    "lake_keys": "digest = NEW.digest",
    "lake_cells": "(NEW.corrects_id IS NOT NULL AND corrects_id = NEW.corrects_id)",
}


def upgrade() -> None:
    op.create_table(
        "lake_keys",
        sa.Column("id", BIGINT, autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="sha256 of the other columns"),
        *(sa.Column(name, BIGINT if name in ROW_IDS else sa.Text(), nullable=name in ROW_IDS) for name in KEY),
        sa.PrimaryKeyConstraint("id", name="pk_lake_keys"),
        sa.UniqueConstraint("digest", name="uq_lake_keys_digest"),
        comment="What the charges of a lake's sum have alike, each combination once; they stay, as roll-ups' may not.",
        sqlite_strict=True,
    )
    op.create_table(
        "lake_cells",
        sa.Column(
            "id", BIGINT, autoincrement=False, nullable=False, comment="in one sequence with the ids of `booked_usage`"
        ),
        sa.Column("batch_id", BIGINT, nullable=False),
        sa.Column("key_id", BIGINT, nullable=False, comment="a row of `lake_keys`"),
        sa.Column("half_day", BIGINT, nullable=False, comment="the midnight or noon, UTC, at which it begins"),
        sa.Column("quarters", BIGINT, nullable=False, comment="bit n is set where the n-th quarter-hour has a cell"),
        sa.Column("cells", sa.LargeBinary(), nullable=False, comment="the cells packed, as in `rollup_quarters`"),
        sa.Column("corrects_id", BIGINT, comment="the row that this one takes back, negated"),
        sa.PrimaryKeyConstraint("id", name="pk_lake_cells"),
        sa.UniqueConstraint("corrects_id", name="uq_lake_cells_corrects_id"),
        comment="Sums of charges whose rows a lake keeps, append-only: roll-ups are the sums of these and of charges.",
        sqlite_strict=True,
    )
    op.create_index("ix_lake_cells_batch_id", "lake_cells", ["batch_id"])
    for table in IN_THE_WAY:
        guard(table)
    op.add_column("sources", sa.Column("lake", sa.Text(), comment=HOME))


HOME = "the id of the lake that its usage is kept in; null where that is the book"


def guard(table: str) -> None:
    """Refuse updates, deletes, replaces and truncates of a table, whoever asks."""
    if op.get_bind().dialect.name == "postgresql":
        for name, event, each in (("append_only", "UPDATE OR DELETE", "ROW"), ("no_truncate", "TRUNCATE", "STATEMENT")):
            op.execute(
                f"CREATE TRIGGER {table}_{name} BEFORE {event} ON {table} FOR EACH {each} EXECUTE FUNCTION"
                " refuse_change()"
            )
        return
    there = f"EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id OR {IN_THE_WAY[table]})"
    events: Sequence[tuple[str, str, str]] = (
        ("no_update", "UPDATE", ""),
        ("no_delete", "DELETE", ""),
        ("no_replace", "INSERT", f" WHEN {there}"),
    )
    for name, event, when in events:
        op.execute(
            f"CREATE TRIGGER {table}_{name} BEFORE {event} ON {table}{when} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: post a correction'); END"
        )


def downgrade() -> None:
    held = op.get_bind().execute(sa.text("SELECT count(*) FROM lake_cells")).scalar_one()
    if held:
        raise RuntimeError(f"{held} sums of lakes are booked, which the schema before has no place for")
    op.drop_table("lake_cells")
    op.drop_table("lake_keys")
    op.drop_column("sources", "lake")
