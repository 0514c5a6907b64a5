"""rows of closed months moved to files; the identities by which they are known when they come again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# INSERT OR REPLACE deletes the row in its way without firing a delete trigger, so inserts are met before that happens.
IN_THE_WAY = {
    "archives": "id = NEW.id OR batch_id = NEW.batch_id",
    "archived_usage": "upper = NEW.upper AND lower = NEW.lower",
}
# A row of booked_usage may go once the newest archive says that it has it, and if no correction is about it.
MAY_GO = """
    EXISTS (
        SELECT 1 FROM archives a JOIN record_keys k ON k.posted_month <= a.through
        WHERE k.id = OLD.key_id AND OLD.id BETWEEN a.first_id AND a.last_id
        AND a.id = (SELECT max(id) FROM archives)
    ) AND OLD.generation = 0 AND OLD.calls IS NULL AND OLD.tool_calls IS NULL AND OLD.request_id NOT LIKE 'redacted:%'
    AND NOT EXISTS (SELECT 1 FROM booked_corrections c WHERE c.usage_record_id = OLD.id)
    AND EXISTS (SELECT 1 FROM text_seals s WHERE s.batch_id = OLD.batch_id AND s.sealed_by = OLD.batch_id)
"""
REFUSAL = "booked_usage is append-only: post a correction"


def upgrade() -> None:
    op.create_table(
        "archives",
        sa.Column("id", BIGINT, autoincrement=False, nullable=False, comment="1, 2, 3 … in order of commit"),
        sa.Column("batch_id", BIGINT, nullable=False, comment="the batch that booked the sums of its rows"),
        sa.Column("through", sa.Text(), nullable=False, comment="YYYY-MM: rows posted in it or before were moved"),
        sa.Column(
            "first_id", BIGINT, nullable=False, comment="the least id of its rows in `booked_usage`; others may stay"
        ),
        sa.Column("last_id", BIGINT, nullable=False),
        sa.Column("rows", BIGINT, nullable=False),
        sa.Column("first_batch_id", BIGINT, nullable=False),
        sa.Column("last_batch_id", BIGINT, nullable=False),
        sa.Column(
            "batches", sa.Text(), nullable=False, comment="sha256 over these rows of `batches` and all between them"
        ),
        sa.Column("identities", sa.Text(), nullable=False, comment="sha256 over its rows of `archived_usage`"),
        sa.Column("lake", sa.Text(), nullable=False, comment="the id of the lake that has the file"),
        sa.Column("location", sa.Text(), nullable=False, comment="where that lake was then"),
        sa.Column("file", sa.Text(), nullable=False, comment="the file's path below it"),
        sa.Column("sha256", sa.Text(), nullable=False, comment="of the file"),
        sa.Column("archived_at", BIGINT, nullable=False),
        sa.Column("previous", sa.Text(), nullable=False, comment="digest of the row before, empty for the first"),
        sa.Column("digest", sa.Text(), nullable=False, comment="sha256 over the other columns"),
        sa.PrimaryKeyConstraint("id", name="pk_archives"),
        sa.UniqueConstraint("batch_id", name="uq_archives_batch_id"),
        comment="Files that rows of `booked_usage` were moved to, append-only, chained by digest.",
        sqlite_strict=True,
    )
    op.create_table(
        "archived_usage",
        sa.Column(
            "upper", BIGINT, autoincrement=False, nullable=False, comment="of a digest of source, kind, request id"
        ),
        sa.Column("lower", BIGINT, autoincrement=False, nullable=False),
        sa.Column("archive_id", BIGINT, nullable=False),
        sa.Column("key_id", BIGINT, nullable=False, comment="a row of `record_keys`"),
        sa.Column("numbers", BIGINT, nullable=False, comment="half of a digest of times and counts"),
        sa.PrimaryKeyConstraint("upper", "lower", name="pk_archived_usage"),
        comment="One row a record that was archived, append-only: what it is known by when it comes again.",
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    for table in IN_THE_WAY:
        guard(table)
    let_archived_rows_go()


def guard(table: str) -> None:
    """Refuse updates, deletes, replaces and truncates of a table, whoever asks."""
    if op.get_bind().dialect.name == "postgresql":
        for name, event, each in (("append_only", "UPDATE OR DELETE", "ROW"), ("no_truncate", "TRUNCATE", "STATEMENT")):
            op.execute(
                f"CREATE TRIGGER {table}_{name} BEFORE {event} ON {table} FOR EACH {each} EXECUTE FUNCTION"
                " refuse_change()"
            )
        return
    there = f"EXISTS (SELECT 1 FROM {table} WHERE {IN_THE_WAY[table]})"
    for name, event, when in (
        ("no_update", "UPDATE", ""),
        ("no_delete", "DELETE", ""),
        ("no_replace", "INSERT", there),
    ):
        op.execute(
            f"CREATE TRIGGER {table}_{name} BEFORE {event} ON {table}{when and f' WHEN {when}'} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: post a correction'); END"
        )


def let_archived_rows_go() -> None:
    """Refuse deletes of usage, except of what an archive has."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_unarchived() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF {MAY_GO} THEN RETURN OLD; END IF; RAISE EXCEPTION '{REFUSAL}'; END $$"
        )
        guard_usage("")
        op.execute(
            "CREATE TRIGGER booked_usage_no_delete BEFORE DELETE ON booked_usage FOR EACH ROW EXECUTE FUNCTION"
            " refuse_unarchived()"
        )
    else:
        op.execute("DROP TRIGGER booked_usage_no_delete")
        op.execute(
            f"CREATE TRIGGER booked_usage_no_delete BEFORE DELETE ON booked_usage WHEN NOT ({MAY_GO}) "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )


def guard_usage(more: str) -> None:
    """Refuse updates of usage on PostgreSQL, of all columns but its texts, and what `more` says."""
    columns = [column["name"] for column in sa.inspect(op.get_bind()).get_columns("booked_usage")]
    fixed = ", ".join(name for name in columns if name not in ("request_id", "tags"))
    op.execute("DROP TRIGGER booked_usage_append_only ON booked_usage")
    op.execute(
        f"CREATE TRIGGER booked_usage_append_only BEFORE UPDATE OF {fixed}{more} ON booked_usage FOR EACH ROW"
        " EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    held = op.get_bind().execute(sa.text("SELECT coalesce(sum(rows), 0) FROM archives")).scalar_one()
    if held:
        raise RuntimeError(f"{held} rows of usage are archived, which the schema before knows nothing of")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER booked_usage_no_delete ON booked_usage")
        op.execute("DROP FUNCTION refuse_unarchived()")
        guard_usage(" OR DELETE")
    else:
        op.execute("DROP TRIGGER booked_usage_no_delete")
        op.execute(
            f"CREATE TRIGGER booked_usage_no_delete BEFORE DELETE ON booked_usage "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )
    op.drop_table("archived_usage")
    op.drop_table("archives")
