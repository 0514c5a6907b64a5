"""texts of a batch sealed apart from its numbers, so that they can be redacted.

Request ids and tags may become redacted ones from now on; whatever else a row of `booked_usage` holds stays.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLE = "text_seals"
# Of booked_usage, what never changes.
FIXED = (
    *("id", "batch_id", "key_id", "stream_id", "generation", "occurred_at", "input_tokens", "cached_input_tokens"),
    *("output_tokens", "reasoning_tokens", "input_nano", "cached_input_nano", "output_nano", "cache_storage_nano"),
    *("storage_tokens", "storage_end", "provider_amount_nano", "assumed", "tool_calls", "cache_write_5m_tokens"),
    *("cache_write_1h_tokens", "calls", "cache_write_5m_nano", "cache_write_1h_nano", "call_nano", "recorded_id"),
)
# SQLite's other names of the id, by which a trigger of an update of `id` isn't asked.
ROW_IDS = ("rowid", "oid", "_rowid_")
TEXTS = "request_id, tags"
OTHER_ID, OTHER_TAGS = "NEW.request_id <> OLD.request_id", "coalesce(NEW.tags, '') <> coalesce(OLD.tags, '')"
REDACTED = (
    f"({OTHER_ID} OR {OTHER_TAGS}) AND (NOT {OTHER_ID} OR NEW.request_id LIKE 'redacted:%')"
    f" AND (NOT {OTHER_TAGS} OR NEW.tags LIKE '%\"redacted:%')"
)
SALT_GOES = "OLD.salt IS NOT NULL AND NEW.salt IS NULL"


def upgrade() -> None:
    # An earlier downgrade left it: without it no digest over columns can be worked out again.
    if not sa.inspect(op.get_bind()).has_table(TABLE):
        make_table()
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER booked_usage_append_only ON booked_usage")
        refuse("booked_usage", f"UPDATE OF {', '.join(FIXED)} OR DELETE", "append_only")
        refuse("booked_usage", f"UPDATE OF {TEXTS}", "redacted_only", f" WHEN (NOT ({REDACTED}))")
    else:
        op.execute("DROP TRIGGER booked_usage_no_update")
        refuse("booked_usage", f"UPDATE OF {', '.join((*FIXED, *ROW_IDS))}", "no_update")
        refuse("booked_usage", f"UPDATE OF {TEXTS}", "redacted_only", f" WHEN NOT ({REDACTED})")


def make_table() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", BIGINT, autoincrement=False, nullable=False),
        sa.Column("batch_id", BIGINT, nullable=False, comment="the batch whose request ids and tags are sealed"),
        sa.Column("sealed_by", BIGINT, nullable=False, comment="itself, or the batch that redacted some of them"),
        sa.Column(
            "digest", sa.Text(), comment="sha256 over salt and texts; null where the batch's own digest covers texts"
        ),
        sa.Column("salt", sa.Text(), comment="goes when the texts are redacted: nobody can try what they were"),
        sa.Column(
            "rows_digest",
            sa.Text(),
            comment="sha256 over the batch as redacted, where the batch's own digest covers texts",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_text_seals"),
        sa.UniqueConstraint("batch_id", "sealed_by", name="uq_text_seals_batch_id_sealed_by"),
        sa.CheckConstraint("(digest IS NULL) <> (rows_digest IS NULL)", name="ck_text_seals_digest"),
        comment="What holds the texts of each batch; the last one by id holds them as they are.",
        sqlite_strict=True,
    )
    fixed = "id, batch_id, sealed_by, digest, rows_digest"
    if op.get_bind().dialect.name == "postgresql":
        refuse(TABLE, f"UPDATE OF {fixed} OR DELETE", "append_only")
        refuse(TABLE, "UPDATE OF salt", "salt_goes", f" WHEN (NOT ({SALT_GOES}))")
        refuse(TABLE, "TRUNCATE", "no_truncate", each="STATEMENT")
    else:
        refuse(TABLE, f"UPDATE OF {fixed}, {', '.join(ROW_IDS)}", "no_update")
        refuse(TABLE, "UPDATE OF salt", "salt_goes", f" WHEN NOT ({SALT_GOES})")
        refuse(TABLE, "DELETE", "no_delete")
        there = f"SELECT 1 FROM {TABLE} WHERE id = NEW.id OR (batch_id = NEW.batch_id AND sealed_by = NEW.sealed_by)"
        refuse(TABLE, "INSERT", "no_replace", f" WHEN EXISTS ({there})")


def refuse(table: str, event: str, name: str, when: str = "", *, each: str = "ROW") -> None:
    """Refuse a change of a table, whoever asks."""
    trigger = f"CREATE TRIGGER {table}_{name} BEFORE {event} ON {table}"
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"{trigger} FOR EACH {each}{when} EXECUTE FUNCTION refuse_change()")
    else:
        op.execute(f"{trigger}{when} BEGIN SELECT RAISE(ABORT, '{table} is append-only: post a correction'); END")


def downgrade() -> None:
    """The table stays, guarded as it is: it is needed once the ledger is upgraded again."""
    if op.get_bind().dialect.name == "postgresql":
        for name in ("append_only", "redacted_only"):
            op.execute(f"DROP TRIGGER booked_usage_{name} ON booked_usage")
        refuse("booked_usage", "UPDATE OR DELETE", "append_only")
    else:
        for name in ("no_update", "redacted_only"):
            op.execute(f"DROP TRIGGER booked_usage_{name}")
        refuse("booked_usage", "UPDATE", "no_update")
