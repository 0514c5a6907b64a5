"""projects."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# SQLite's STRICT tables know INTEGER alone; times are microseconds since the epoch, UTC.
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FLAG = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")

REFUSAL = "'projects is append-only: apply tollbook.toml again'"


def upgrade() -> None:
    op.create_table(
        "projects",
        sa.Column("id", BIGINT, autoincrement=False, nullable=False, comment="1, 2, 3 … in order of commit"),
        sa.Column("project", sa.Text(), nullable=False, comment="the id that charges carry"),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("cost_center", sa.Text(), nullable=True),
        sa.Column(
            "aliases",
            sa.Text(),
            nullable=False,
            comment="JSON array, sorted: names whose usage counts as the project's",
        ),
        sa.Column("removed", FLAG, nullable=False, comment="1 where the project was taken out of tollbook.toml"),
        sa.Column("recorded_at", BIGINT, nullable=False),
        sa.Column(
            "closing_id",
            BIGINT,
            nullable=False,
            comment="the newest of closings by then, 0 for none: later ones see it",
        ),
        sa.Column("previous", sa.Text(), nullable=False, comment="digest of the row before, empty for the first"),
        sa.Column("digest", sa.Text(), nullable=False, comment="sha256 over the other columns"),
        sa.CheckConstraint(
            "removed = 0 OR (name IS NULL AND owner IS NULL AND cost_center IS NULL)", name="ck_projects_removed"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
        comment="What each project is called, whose it is and who pays, append-only: its latest row holds.",
        sqlite_strict=True,
    )
    guard()


def guard() -> None:
    """Refuse updates, deletes, replaces and truncates, whoever asks."""
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER projects_no_{event.lower()} BEFORE {event} ON projects "
                f"BEGIN SELECT RAISE(ABORT, {REFUSAL}); END"
            )
        op.execute(
            "CREATE TRIGGER projects_no_replace BEFORE INSERT ON projects "
            "WHEN EXISTS (SELECT 1 FROM projects WHERE id = NEW.id) "
            f"BEGIN SELECT RAISE(ABORT, {REFUSAL}); END"
        )
    else:
        op.execute(
            "CREATE TRIGGER projects_append_only BEFORE UPDATE OR DELETE ON projects "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            "CREATE TRIGGER projects_no_truncate BEFORE TRUNCATE ON projects "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    op.drop_table("projects")
