"""The tables. Money is BIGINT nano (10^-9 of the row's currency); instants are BIGINT microseconds UTC (`UtcTime`)."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, MetaData, Table, Text, UniqueConstraint, text

from ledger.types import BigInt, Flag, UtcTime

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

ledger_settings = Table(
    "ledger_settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_strict=True,
    comment="Facts of the whole ledger: timezone, rollup_tags, created_at. Its row `lock` is what writers queue on.",
)

card_versions = Table(
    "card_versions",
    metadata,
    Column("id", BigInt, primary_key=True, autoincrement=False),
    Column("provider", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("digest", Text, nullable=False, comment="sha256 of content"),
    Column("content", Text, nullable=False, comment="the TOML text as it was given"),
    Column("reason", Text),
    Column("added_at", UtcTime, nullable=False),
    CheckConstraint("origin IN ('built-in', 'user')", name="origin"),
    sqlite_strict=True,
    comment="Rate card files, append-only. User ones are laid over the built-in one in order of id.",
)

rate_entries = Table(
    "rate_entries",
    metadata,
    Column("id", BigInt, primary_key=True, autoincrement=False),
    Column("card_version_id", BigInt, ForeignKey("card_versions.id"), nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("effective_from", UtcTime, nullable=False),
    Column("key", Text, nullable=False, comment="provider/model/date#digest, what exports print"),
    Column("digest", Text, nullable=False, comment="sha256 of content"),
    Column("content", Text, nullable=False, comment="canonical JSON of all that decides a price"),
    Column("recorded_at", UtcTime, nullable=False),
    UniqueConstraint("digest"),
    sqlite_strict=True,
    comment="Dated prices that a charge was or may be worked out by, append-only.",
)

conversions = Table(
    "conversions",
    metadata,
    Column("id", BigInt, primary_key=True, autoincrement=False),
    Column("provider", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("per_usd_nano", BigInt, nullable=False, comment="nano of the currency for 1 USD"),
    Column("effective_from", UtcTime, nullable=False),
    Column("origin", Text, nullable=False),
    Column("source_url", Text),
    Column("checked_on", Text),
    Column("reason", Text),
    Column("added_at", UtcTime, nullable=False),
    CheckConstraint("per_usd_nano > 0", name="positive"),
    CheckConstraint("origin IN ('card', 'user')", name="origin"),
    sqlite_strict=True,
    comment="Dated conversions to USD, append-only; of two with one start the later row holds.",
)

batches = Table(
    "batches",
    metadata,
    Column("id", BigInt, primary_key=True, autoincrement=False),
    Column(
        "run_id", BigInt, nullable=False, comment="id of the first batch of the same command: what users call the batch"
    ),
    Column("sequence", BigInt, nullable=False, comment="1, 2, 3 … without a gap, in order of commit"),
    Column("kind", Text, nullable=False),
    Column("reason", Text),
    Column("reference", Text),
    Column("options", Text, nullable=False, comment="JSON: files and options of the command"),
    Column("posted_at", UtcTime, nullable=False),
    Column("first_usage_record_id", BigInt, nullable=False),
    Column("last_usage_record_id", BigInt, nullable=False, comment="below the first where the batch has none"),
    Column("first_charge_id", BigInt, nullable=False),
    Column("last_charge_id", BigInt, nullable=False),
    Column("amounts", Text, nullable=False, comment="JSON: nano of its charges by currency, reversals negative"),
    Column("digest", Text, nullable=False, comment="sha256 over previous and the batch's rows"),
    Column("previous", Text, nullable=False, comment="digest of the batch before, empty for the first"),
    UniqueConstraint("sequence"),
    Index(None, "run_id"),
    Index(
        "uq_batches_reference",
        "reference",
        unique=True,
        sqlite_where=text("reference IS NOT NULL"),
        postgresql_where=text("reference IS NOT NULL"),
    ),
    sqlite_strict=True,
    comment="One row a transaction that posted, append-only, chained by digest.",
)

usage_records = Table(
    "usage_records",
    metadata,
    Column("id", BigInt, primary_key=True, autoincrement=False),
    Column("batch_id", BigInt, nullable=False),
    Column("kind", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column(
        "generation", BigInt, nullable=False, comment="0; counted up where an id is recorded again after void or accept"
    ),
    Column("provider", Text, nullable=False),
    Column("occurred_at", UtcTime, nullable=False),
    Column("requested_model", Text),
    Column("reported_model", Text),
    Column("project", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("service_tier", Text),
    Column("input_tokens", BigInt, nullable=False, comment="cached ones included"),
    Column("cached_input_tokens", BigInt, nullable=False),
    Column("output_tokens", BigInt, nullable=False, comment="reasoning ones included"),
    Column("reasoning_tokens", BigInt, nullable=False),
    Column("tags", Text, nullable=False, comment="JSON object, keys sorted"),
    Column("storage_tokens", BigInt),
    Column("storage_end", UtcTime),
    Column("provider_amount_nano", BigInt, comment="the gateway's own figure in the card's currency: never priced"),
    Column("assumed", Flag, nullable=False, comment="derived by --assume-cache-storage, not reported"),
    UniqueConstraint("request_id", "source", "kind", "generation", name="uq_usage_records_identity"),
    CheckConstraint(
        "kind IN ('request', 'cache_storage') AND 0 <= cached_input_tokens AND cached_input_tokens <= input_tokens"
        " AND 0 <= reasoning_tokens AND reasoning_tokens <= output_tokens",
        name="facts",
    ),
    Index("ix_usage_records_occurred_at", "occurred_at", postgresql_using="brin").ddl_if(dialect="postgresql"),
    sqlite_strict=True,
    comment="One request's counts and facts, append-only.",
)

_SUM_OF_METERS = "amount_nano = input_nano + cached_input_nano + output_nano + cache_storage_nano"

charges = Table(
    "charges",
    metadata,
    Column("id", BigInt, primary_key=True, autoincrement=False, comment="posted_seq: order of posting"),
    Column("batch_id", BigInt, nullable=False),
    Column("usage_record_id", BigInt, comment="null for adjustments"),
    Column("charge_class", Text, nullable=False),
    Column("corrects_id", BigInt, comment="the charge reversed or replaced"),
    Column("occurred_month", Text, nullable=False, comment="YYYY-MM in the ledger's zone"),
    Column("posted_month", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("billed_model", Text, nullable=False),
    Column("model_differs", Flag, nullable=False),
    Column("rate_entry_id", BigInt, comment="null for adjustments"),
    Column("conversion_id", BigInt, comment="null where the currency is USD"),
    Column("tier", Text, nullable=False, comment="its up_to, 'unbounded', or 'none' for storage"),
    Column("input_nano", BigInt, nullable=False),
    Column("cached_input_nano", BigInt, nullable=False),
    Column("output_nano", BigInt, nullable=False),
    Column("cache_storage_nano", BigInt, nullable=False),
    Column("amount_nano", BigInt, nullable=False),
    # One check, the ordinary class first: SQLite evaluates every check of every row.
    CheckConstraint(
        "CASE charge_class"
        f" WHEN 'charge' THEN corrects_id IS NULL AND usage_record_id IS NOT NULL AND {_SUM_OF_METERS}"
        f" WHEN 'replacement' THEN corrects_id IS NOT NULL AND usage_record_id IS NOT NULL AND {_SUM_OF_METERS}"
        f" WHEN 'reversal' THEN corrects_id IS NOT NULL"
        " WHEN 'adjustment' THEN corrects_id IS NULL"
        " ELSE 1 = 0 END",
        name="charge_class",
    ),
    Index(
        "uq_charges_usage_record_id",
        "usage_record_id",
        unique=True,
        sqlite_where=text("charge_class = 'charge'"),
        postgresql_where=text("charge_class = 'charge'"),
    ),
    Index(
        "ix_charges_replacement_usage_record_id",
        "usage_record_id",
        sqlite_where=text("charge_class = 'replacement'"),
        postgresql_where=text("charge_class = 'replacement'"),
    ),
    Index(
        "uq_charges_corrects_id",
        "corrects_id",
        "charge_class",
        unique=True,
        sqlite_where=text("corrects_id IS NOT NULL"),
        postgresql_where=text("corrects_id IS NOT NULL"),
    ),
    sqlite_strict=True,
    comment="Usage records priced, append-only; a reversal carries negative amounts and counts as -1 request.",
)

_DIMENSIONS = (
    "posted_month",
    "occurred_month",
    "source",
    "provider",
    "currency",
    "billed_model",
    "project",
    "tier",
    "status",
    "kind",
    "charge_class",
    "tags",
)

rollup_keys = Table(
    "rollup_keys",
    metadata,
    Column("id", BigInt, primary_key=True, autoincrement=False),
    Column("digest", Text, nullable=False, comment="sha256 of the other columns"),
    *(Column(name, Text, nullable=False) for name in _DIMENSIONS),
    Column("rate_entry_id", BigInt),
    Column("conversion_id", BigInt),
    UniqueConstraint("digest"),
    sqlite_strict=True,
    comment="Each combination of dimensions that was ever posted, once; tags holds the rolled-up keys alone.",
)


# What the roll-ups sum, in the order of their columns.
MEASURES = (
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "storage_token_hours",
    "input_nano",
    "cached_input_nano",
    "output_nano",
    "cache_storage_nano",
    "amount_nano",
)


def _measures() -> list[Column[int]]:
    return [Column(name, BigInt, nullable=False) for name in MEASURES]


rollup_days = Table(
    "rollup_days",
    metadata,
    Column("day", Text, primary_key=True, comment="YYYY-MM-DD the usage occurred, in the ledger's zone"),
    Column("key_id", BigInt, primary_key=True, autoincrement=False),
    *_measures(),
    Column(
        "last_occurred_at",
        UtcTime,
        nullable=False,
        comment="latest usage ever counted here; a reversal doesn't lower it",
    ),
    sqlite_strict=True,
    sqlite_with_rowid=False,
    comment="Sums of charges by key and day, kept in the transaction that posts them.",
)

rollup_quarters = Table(
    "rollup_quarters",
    metadata,
    Column("quarter", UtcTime, primary_key=True, comment="start of the quarter-hour, UTC"),
    Column("key_id", BigInt, primary_key=True, autoincrement=False),
    *_measures(),
    Column("last_occurred_at", UtcTime, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
    comment="The same sums by quarter-hour: every zone since 1980 starts its days on one.",
)

sources = Table(
    "sources",
    metadata,
    Column("source", Text, primary_key=True),
    Column("last_occurred_at", UtcTime, nullable=False),
    Column("last_ingest_at", UtcTime, nullable=False),
    sqlite_strict=True,
    comment="How far each stream of ids has come.",
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BigInt, primary_key=True, autoincrement=False),
    Column("digest", Text, nullable=False, comment="sha256 of source and line"),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("file", Text, nullable=False),
    Column("line", BigInt, nullable=False),
    Column("length", BigInt, nullable=False, comment="bytes of the line, for a cut-off line's whole twin"),
    Column("seen", BigInt, nullable=False, comment="how often this very line came"),
    Column("source", Text, nullable=False),
    Column("request_id", Text),
    Column("occurred_at", UtcTime, comment="null where the line has no readable time"),
    Column("fields", Text, nullable=False, comment="JSON in the records format: what may be kept of the line"),
    Column("complete", Flag, nullable=False, comment="1 where fields hold every fact, so that a retry can record them"),
    Column("options", Text, nullable=False, comment="JSON: options of the run"),
    Column("first_seen_at", UtcTime, nullable=False),
    Column("last_seen_at", UtcTime, nullable=False),
    Column("resolution", Text, comment="reason of a discard, or how it was resolved"),
    Column("resolved_at", UtcTime),
    UniqueConstraint("digest"),
    CheckConstraint("state IN ('open', 'resolved', 'accepted', 'discarded')", name="state"),
    Index("ix_quarantine_state", "state", "occurred_at"),
    sqlite_strict=True,
    comment="What could not be recorded, until somebody settles it.",
)

APPEND_ONLY = ("usage_records", "charges", "conversions", "card_versions", "rate_entries", "batches")
