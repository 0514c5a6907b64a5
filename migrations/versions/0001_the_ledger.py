"""the ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# SQLite's STRICT tables know INTEGER alone; times are microseconds since the epoch, UTC.
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FLAG = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")

APPEND_ONLY = ("usage_records", "charges", "conversions", "card_versions", "rate_entries", "batches")

# INSERT OR REPLACE deletes the row in its way without firing a delete trigger, so inserts are met before that happens.
IN_THE_WAY = {
    "usage_records": "EXISTS (SELECT 1 FROM usage_records WHERE request_id = NEW.request_id AND source = NEW.source"
    " AND kind = NEW.kind AND generation = NEW.generation)",
    "charges": "(NEW.charge_class = 'charge' AND EXISTS (SELECT 1 FROM charges"
    " WHERE charge_class = 'charge' AND usage_record_id = NEW.usage_record_id))"
    " OR (NEW.corrects_id IS NOT NULL AND EXISTS (SELECT 1 FROM charges"
    " WHERE corrects_id = NEW.corrects_id AND charge_class = NEW.charge_class))",
    "rate_entries": "EXISTS (SELECT 1 FROM rate_entries WHERE digest = NEW.digest)",
    "batches": "EXISTS (SELECT 1 FROM batches WHERE sequence = NEW.sequence OR reference = NEW.reference)",
}


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("id", BIGINT, autoincrement=False, nullable=False),
        sa.Column(
            "run_id",
            BIGINT,
            nullable=False,
            comment="id of the first batch of the same command: what users call the batch",
        ),
        sa.Column("sequence", BIGINT, nullable=False, comment="1, 2, 3 … without a gap, in order of commit"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("options", sa.Text(), nullable=False, comment="JSON: files and options of the command"),
        sa.Column("posted_at", BIGINT, nullable=False),
        sa.Column("first_usage_record_id", BIGINT, nullable=False),
        sa.Column("last_usage_record_id", BIGINT, nullable=False, comment="below the first where the batch has none"),
        sa.Column("first_charge_id", BIGINT, nullable=False),
        sa.Column("last_charge_id", BIGINT, nullable=False),
        sa.Column(
            "amounts", sa.Text(), nullable=False, comment="JSON: nano of its charges by currency, reversals negative"
        ),
        sa.Column("digest", sa.Text(), nullable=False, comment="sha256 over previous and the batch's rows"),
        sa.Column("previous", sa.Text(), nullable=False, comment="digest of the batch before, empty for the first"),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
        sa.UniqueConstraint("sequence", name="uq_batches_sequence"),
        comment="One row a transaction that posted, append-only, chained by digest.",
        sqlite_strict=True,
    )
    op.create_index("ix_batches_run_id", "batches", ["run_id"], unique=False)
    op.create_index(
        "uq_batches_reference",
        "batches",
        ["reference"],
        unique=True,
        sqlite_where=sa.text("reference IS NOT NULL"),
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    op.create_table(
        "card_versions",
        sa.Column("id", BIGINT, autoincrement=False, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="sha256 of content"),
        sa.Column("content", sa.Text(), nullable=False, comment="the TOML text as it was given"),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("added_at", BIGINT, nullable=False),
        sa.CheckConstraint("origin IN ('built-in', 'user')", name="ck_card_versions_origin"),
        sa.PrimaryKeyConstraint("id", name="pk_card_versions"),
        comment="Rate card files, append-only. User ones are laid over the built-in one in order of id.",
        sqlite_strict=True,
    )
    op.create_table(
        "charges",
        sa.Column("id", BIGINT, autoincrement=False, nullable=False, comment="posted_seq: order of posting"),
        sa.Column("batch_id", BIGINT, nullable=False),
        sa.Column("usage_record_id", BIGINT, nullable=True, comment="null for adjustments"),
        sa.Column("charge_class", sa.Text(), nullable=False),
        sa.Column("corrects_id", BIGINT, nullable=True, comment="the charge reversed or replaced"),
        sa.Column("occurred_month", sa.Text(), nullable=False, comment="YYYY-MM in the ledger's zone"),
        sa.Column("posted_month", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("billed_model", sa.Text(), nullable=False),
        sa.Column("model_differs", FLAG, nullable=False),
        sa.Column("rate_entry_id", BIGINT, nullable=True, comment="null for adjustments"),
        sa.Column("conversion_id", BIGINT, nullable=True, comment="null where the currency is USD"),
        sa.Column("tier", sa.Text(), nullable=False, comment="its up_to, 'unbounded', or 'none' for storage"),
        sa.Column("input_nano", BIGINT, nullable=False),
        sa.Column("cached_input_nano", BIGINT, nullable=False),
        sa.Column("output_nano", BIGINT, nullable=False),
        sa.Column("cache_storage_nano", BIGINT, nullable=False),
        sa.Column("amount_nano", BIGINT, nullable=False),
        sa.CheckConstraint(
            "CASE charge_class WHEN 'charge' THEN corrects_id IS NULL AND usage_record_id IS NOT NULL AND amount_nano = input_nano + cached_input_nano + output_nano + cache_storage_nano WHEN 'replacement' THEN corrects_id IS NOT NULL AND usage_record_id IS NOT NULL AND amount_nano = input_nano + cached_input_nano + output_nano + cache_storage_nano WHEN 'reversal' THEN corrects_id IS NOT NULL WHEN 'adjustment' THEN corrects_id IS NULL ELSE 1 = 0 END",
            name="ck_charges_charge_class",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_charges"),
        comment="Usage records priced, append-only; a reversal carries negative amounts and counts as -1 request.",
        sqlite_strict=True,
    )
    op.create_index(
        "ix_charges_replacement_usage_record_id",
        "charges",
        ["usage_record_id"],
        unique=False,
        sqlite_where=sa.text("charge_class = 'replacement'"),
        postgresql_where=sa.text("charge_class = 'replacement'"),
    )
    op.create_index(
        "uq_charges_corrects_id",
        "charges",
        ["corrects_id", "charge_class"],
        unique=True,
        sqlite_where=sa.text("corrects_id IS NOT NULL"),
        postgresql_where=sa.text("corrects_id IS NOT NULL"),
    )
    op.create_index(
        "uq_charges_usage_record_id",
        "charges",
        ["usage_record_id"],
        unique=True,
        sqlite_where=sa.text("charge_class = 'charge'"),
        postgresql_where=sa.text("charge_class = 'charge'"),
    )
    op.create_table(
        "conversions",
        sa.Column("id", BIGINT, autoincrement=False, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("per_usd_nano", BIGINT, nullable=False, comment="nano of the currency for 1 USD"),
        sa.Column("effective_from", BIGINT, nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("source_url", sa.Text(), nullable=True),
        sa.Column("checked_on", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("added_at", BIGINT, nullable=False),
        sa.CheckConstraint("origin IN ('card', 'user')", name="ck_conversions_origin"),
        sa.CheckConstraint("per_usd_nano > 0", name="ck_conversions_positive"),
        sa.PrimaryKeyConstraint("id", name="pk_conversions"),
        comment="Dated conversions to USD, append-only; of two with one start the later row holds.",
        sqlite_strict=True,
    )
    op.create_table(
        "ledger_settings",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_ledger_settings"),
        comment="Facts of the whole ledger: timezone, rollup_tags, created_at. Its row `lock` is what writers queue on.",
        sqlite_strict=True,
    )
    op.create_table(
        "quarantine",
        sa.Column("id", BIGINT, autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="sha256 of source and line"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("line", BIGINT, nullable=False),
        sa.Column("length", BIGINT, nullable=False, comment="bytes of the line, for a cut-off line's whole twin"),
        sa.Column("seen", BIGINT, nullable=False, comment="how often this very line came"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("occurred_at", BIGINT, nullable=True, comment="null where the line has no readable time"),
        sa.Column(
            "fields", sa.Text(), nullable=False, comment="JSON in the records format: what may be kept of the line"
        ),
        sa.Column(
            "complete", FLAG, nullable=False, comment="1 where fields hold every fact, so that a retry can record them"
        ),
        sa.Column("options", sa.Text(), nullable=False, comment="JSON: options of the run"),
        sa.Column("first_seen_at", BIGINT, nullable=False),
        sa.Column("last_seen_at", BIGINT, nullable=False),
        sa.Column("resolution", sa.Text(), nullable=True, comment="reason of a discard, or how it was resolved"),
        sa.Column("resolved_at", BIGINT, nullable=True),
        sa.CheckConstraint("state IN ('open', 'resolved', 'accepted', 'discarded')", name="ck_quarantine_state"),
        sa.PrimaryKeyConstraint("id", name="pk_quarantine"),
        sa.UniqueConstraint("digest", name="uq_quarantine_digest"),
        comment="What could not be recorded, until somebody settles it.",
        sqlite_strict=True,
    )
    op.create_index("ix_quarantine_state", "quarantine", ["state", "occurred_at"], unique=False)
    op.create_table(
        "rollup_days",
        sa.Column("day", sa.Text(), nullable=False, comment="YYYY-MM-DD the usage occurred, in the ledger's zone"),
        sa.Column("key_id", BIGINT, autoincrement=False, nullable=False),
        sa.Column("requests", BIGINT, nullable=False),
        sa.Column("input_tokens", BIGINT, nullable=False),
        sa.Column("cached_input_tokens", BIGINT, nullable=False),
        sa.Column("output_tokens", BIGINT, nullable=False),
        sa.Column("reasoning_tokens", BIGINT, nullable=False),
        sa.Column("storage_token_hours", BIGINT, nullable=False),
        sa.Column("input_nano", BIGINT, nullable=False),
        sa.Column("cached_input_nano", BIGINT, nullable=False),
        sa.Column("output_nano", BIGINT, nullable=False),
        sa.Column("cache_storage_nano", BIGINT, nullable=False),
        sa.Column("amount_nano", BIGINT, nullable=False),
        sa.Column(
            "last_occurred_at",
            BIGINT,
            nullable=False,
            comment="latest usage ever counted here; a reversal doesn't lower it",
        ),
        sa.PrimaryKeyConstraint("day", "key_id", name="pk_rollup_days"),
        comment="Sums of charges by key and day, kept in the transaction that posts them.",
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rollup_keys",
        sa.Column("id", BIGINT, autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="sha256 of the other columns"),
        sa.Column("posted_month", sa.Text(), nullable=False),
        sa.Column("occurred_month", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("billed_model", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("charge_class", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("rate_entry_id", BIGINT, nullable=True),
        sa.Column("conversion_id", BIGINT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_rollup_keys"),
        sa.UniqueConstraint("digest", name="uq_rollup_keys_digest"),
        comment="Each combination of dimensions that was ever posted, once; tags holds the rolled-up keys alone.",
        sqlite_strict=True,
    )
    op.create_table(
        "rollup_quarters",
        sa.Column("quarter", BIGINT, nullable=False, comment="start of the quarter-hour, UTC"),
        sa.Column("key_id", BIGINT, autoincrement=False, nullable=False),
        sa.Column("requests", BIGINT, nullable=False),
        sa.Column("input_tokens", BIGINT, nullable=False),
        sa.Column("cached_input_tokens", BIGINT, nullable=False),
        sa.Column("output_tokens", BIGINT, nullable=False),
        sa.Column("reasoning_tokens", BIGINT, nullable=False),
        sa.Column("storage_token_hours", BIGINT, nullable=False),
        sa.Column("input_nano", BIGINT, nullable=False),
        sa.Column("cached_input_nano", BIGINT, nullable=False),
        sa.Column("output_nano", BIGINT, nullable=False),
        sa.Column("cache_storage_nano", BIGINT, nullable=False),
        sa.Column("amount_nano", BIGINT, nullable=False),
        sa.Column("last_occurred_at", BIGINT, nullable=False),
        sa.PrimaryKeyConstraint("quarter", "key_id", name="pk_rollup_quarters"),
        comment="The same sums by quarter-hour: every zone since 1980 starts its days on one.",
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sources",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("last_occurred_at", BIGINT, nullable=False),
        sa.Column("last_ingest_at", BIGINT, nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_sources"),
        comment="How far each stream of ids has come.",
        sqlite_strict=True,
    )
    op.create_table(
        "usage_records",
        sa.Column("id", BIGINT, autoincrement=False, nullable=False),
        sa.Column("batch_id", BIGINT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column(
            "generation",
            BIGINT,
            nullable=False,
            comment="0; counted up where an id is recorded again after void or accept",
        ),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("occurred_at", BIGINT, nullable=False),
        sa.Column("requested_model", sa.Text(), nullable=True),
        sa.Column("reported_model", sa.Text(), nullable=True),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("service_tier", sa.Text(), nullable=True),
        sa.Column("input_tokens", BIGINT, nullable=False, comment="cached ones included"),
        sa.Column("cached_input_tokens", BIGINT, nullable=False),
        sa.Column("output_tokens", BIGINT, nullable=False, comment="reasoning ones included"),
        sa.Column("reasoning_tokens", BIGINT, nullable=False),
        sa.Column("tags", sa.Text(), nullable=False, comment="JSON object, keys sorted"),
        sa.Column("storage_tokens", BIGINT, nullable=True),
        sa.Column("storage_end", BIGINT, nullable=True),
        sa.Column(
            "provider_amount_nano",
            BIGINT,
            nullable=True,
            comment="the gateway's own figure in the card's currency: never priced",
        ),
        sa.Column("assumed", FLAG, nullable=False, comment="derived by --assume-cache-storage, not reported"),
        sa.CheckConstraint(
            "kind IN ('request', 'cache_storage') AND 0 <= cached_input_tokens AND cached_input_tokens <= input_tokens AND 0 <= reasoning_tokens AND reasoning_tokens <= output_tokens",
            name="ck_usage_records_facts",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_usage_records"),
        sa.UniqueConstraint("request_id", "source", "kind", "generation", name="uq_usage_records_identity"),
        comment="One request's counts and facts, append-only.",
        sqlite_strict=True,
    )
    op.create_index(
        "ix_usage_records_occurred_at", "usage_records", ["occurred_at"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "rate_entries",
        sa.Column("id", BIGINT, autoincrement=False, nullable=False),
        sa.Column("card_version_id", BIGINT, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("effective_from", BIGINT, nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="provider/model/date#digest, what exports print"),
        sa.Column("digest", sa.Text(), nullable=False, comment="sha256 of content"),
        sa.Column("content", sa.Text(), nullable=False, comment="canonical JSON of all that decides a price"),
        sa.Column("recorded_at", BIGINT, nullable=False),
        sa.ForeignKeyConstraint(["card_version_id"], ["card_versions.id"], name="fk_rate_entries_card_version_id"),
        sa.PrimaryKeyConstraint("id", name="pk_rate_entries"),
        sa.UniqueConstraint("digest", name="uq_rate_entries_digest"),
        comment="Dated prices that a charge was or may be worked out by, append-only.",
        sqlite_strict=True,
    )

    guard()


def guard() -> None:
    """Refuse updates, deletes, replaces and truncates of the append-only tables, whoever asks."""
    if op.get_bind().dialect.name == "sqlite":
        for table in APPEND_ONLY:
            guard_on_sqlite(table)
    else:
        op.execute(
            "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is append-only: post a correction', TG_TABLE_NAME; END $$"
        )
        for table in APPEND_ONLY:
            op.execute(
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
            )
            op.execute(
                f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            )


def guard_on_sqlite(table: str) -> None:
    refusal = f"'{table} is append-only: post a correction'"
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, {refusal}); END"
        )
    same_id = f"EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)"
    in_the_way = " OR ".join(filter(None, [same_id, IN_THE_WAY.get(table)]))
    # The same request again is ordinary: the row that stands stays, which is what ON CONFLICT DO NOTHING asks for.
    ignored = f"CASE WHEN {same_id} THEN RAISE(ABORT, {refusal}) ELSE RAISE(IGNORE) END"
    answer = ignored if table == "usage_records" else f"RAISE(ABORT, {refusal})"
    op.execute(
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {in_the_way} BEGIN SELECT {answer}; END"
    )


def downgrade() -> None:
    op.execute("DROP TABLE IF EXISTS text_seals")  # which 0013 leaves
    op.drop_table("rate_entries")
    op.drop_index("ix_usage_records_occurred_at", table_name="usage_records", postgresql_using="brin")
    op.drop_table("usage_records")
    op.drop_table("sources")
    op.drop_table("rollup_quarters")
    op.drop_table("rollup_keys")
    op.drop_table("rollup_days")
    op.drop_index("ix_quarantine_state", table_name="quarantine")
    op.drop_table("quarantine")
    op.drop_table("ledger_settings")
    op.drop_table("conversions")
    op.drop_index(
        "uq_charges_usage_record_id",
        table_name="charges",
        sqlite_where=sa.text("charge_class = 'charge'"),
        postgresql_where=sa.text("charge_class = 'charge'"),
    )
    op.drop_index(
        "uq_charges_corrects_id",
        table_name="charges",
        sqlite_where=sa.text("corrects_id IS NOT NULL"),
        postgresql_where=sa.text("corrects_id IS NOT NULL"),
    )
    op.drop_index(
        "ix_charges_replacement_usage_record_id",
        table_name="charges",
        sqlite_where=sa.text("charge_class = 'replacement'"),
        postgresql_where=sa.text("charge_class = 'replacement'"),
    )
    op.drop_table("charges")
    op.drop_table("card_versions")
    op.drop_index(
        "uq_batches_reference",
        table_name="batches",
        sqlite_where=sa.text("reference IS NOT NULL"),
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    op.drop_index("ix_batches_run_id", table_name="batches")
    op.drop_table("batches")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION refuse_change()")
