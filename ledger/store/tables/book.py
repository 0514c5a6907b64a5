"""The book: settings, batches, usage with its first charges, corrections, and the months that were closed."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Table, Text, UniqueConstraint

from ledger.store.tables.base import metadata
from ledger.store.tables.columns import BigInt, Flag, UtcTime, optional, required, row_id

ledger_settings = Table(
    "ledger_settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_strict=True,
    comment="Facts of the whole ledger: timezone, rollup_tags, created_at. Its row `lock` is what writers queue on.",
)

# Settings of a ledger in which texts were redacted: the key of what stands for them, and the batch that did it last.
REDACTION_KEY, LAST_REDACTION = "redaction_key", "last_redaction"

batches = Table(
    "batches",
    metadata,
    row_id(),
    Column(
        "run_id", BigInt, nullable=False, comment="id of the first batch of the same command: what users call the batch"
    ),
    Column("sequence", BigInt, nullable=False, comment="1, 2, 3 … without a gap, in order of commit"),
    Column("kind", Text, nullable=False),
    *optional(Text, "reason", "reference"),
    Column("options", Text, nullable=False, comment="JSON: files and options of the command"),
    Column("posted_at", UtcTime, nullable=False),
    Column("first_usage_record_id", BigInt, nullable=False),
    Column("last_usage_record_id", BigInt, nullable=False, comment="below the first where the batch has none"),
    *required(BigInt, "first_charge_id", "last_charge_id"),
    Column("amounts", Text, nullable=False, comment="JSON: nano of its charges by currency, reversals negative"),
    Column("digest", Text, nullable=False, comment="sha256 over previous and the batch's rows"),
    Column("previous", Text, nullable=False, comment="digest of the batch before, empty for the first"),
    UniqueConstraint("sequence"),
    Index(None, "run_id"),
    sqlite_strict=True,
    comment="One row a transaction that posted, append-only, chained by digest.",
)

booked_usage = Table(
    "booked_usage",
    metadata,
    row_id(comment="of its first charge: the order of posting"),
    Column("batch_id", BigInt, nullable=False),
    *required(BigInt, "key_id", "stream_id"),
    Column("request_id", Text, nullable=False),
    Column(
        "generation", BigInt, nullable=False, comment="0; counted up where an id is recorded again after void or accept"
    ),
    Column("occurred_at", UtcTime, nullable=False),
    Column("input_tokens", BigInt, nullable=False, comment="cached ones included"),
    Column("cached_input_tokens", BigInt, nullable=False),
    Column("output_tokens", BigInt, nullable=False, comment="reasoning ones included"),
    Column("reasoning_tokens", BigInt, nullable=False),
    Column("input_nano", BigInt, comment="null, as all amounts, where the first charge is one of `booked_corrections`"),
    *optional(BigInt, "cached_input_nano", "output_nano"),
    Column("tags", Text, comment="JSON object, keys sorted; null for none"),
    # What few records have.
    Column("cache_storage_nano", BigInt, comment="of storage; null, as whatever follows, for none"),
    Column("storage_tokens", BigInt),
    Column("storage_end", UtcTime),
    Column("provider_amount_nano", BigInt, comment="the gateway's own figure in the card's currency: never priced"),
    Column("assumed", Flag, comment="1 where derived by --assume-cache-storage, not reported"),
    Column(
        "tool_calls", BigInt, comment="calls of tools that the gateway bills beside the tokens: counted, never priced"
    ),
    Column("cache_write_5m_tokens", BigInt, comment="of the input, written to the cache for 5 minutes"),
    Column("cache_write_1h_tokens", BigInt, comment="of the input, written to the cache for an hour"),
    Column("calls", BigInt, comment="calls of tools that the card prices"),
    *optional(BigInt, "cache_write_5m_nano", "cache_write_1h_nano", "call_nano"),
    Column(
        "recorded_id", BigInt, comment="the record's own number, in digests, where it was booked before both shared one"
    ),
    UniqueConstraint("request_id", "stream_id", "generation", name="uq_booked_usage_identity"),
    CheckConstraint(
        "0 <= cached_input_tokens AND cached_input_tokens"
        " + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0) <= input_tokens"
        " AND 0 <= coalesce(cache_write_5m_tokens, 0) AND 0 <= coalesce(cache_write_1h_tokens, 0)"
        " AND 0 <= coalesce(calls, 0)"
        " AND 0 <= reasoning_tokens AND reasoning_tokens <= output_tokens",
        name="facts",
    ),
    sqlite_strict=True,
    comment="One request's counts and facts with its first charge, append-only.",
)

text_seals = Table(
    "text_seals",
    metadata,
    row_id(),
    Column("batch_id", BigInt, nullable=False, comment="the batch whose request ids and tags are sealed"),
    Column("sealed_by", BigInt, nullable=False, comment="itself, or the batch that redacted some of them"),
    Column("digest", Text, comment="sha256 over salt and texts; null where the batch's own digest covers texts"),
    Column("salt", Text, comment="goes when the texts are redacted: nobody can try what they were"),
    Column("rows_digest", Text, comment="sha256 over the batch as redacted, where the batch's own digest covers texts"),
    UniqueConstraint("batch_id", "sealed_by"),
    CheckConstraint("(digest IS NULL) <> (rows_digest IS NULL)", name="digest"),
    sqlite_strict=True,
    comment="What holds the texts of each batch; the last one by id holds them as they are.",
)

_SUM_OF_METERS = (
    "amount_nano = input_nano + cached_input_nano + output_nano + cache_storage_nano"
    " + coalesce(cache_write_5m_nano, 0) + coalesce(cache_write_1h_nano, 0) + coalesce(call_nano, 0)"
)

booked_corrections = Table(
    "booked_corrections",
    metadata,
    row_id(comment="in one sequence with the ids of `booked_usage`"),
    Column("batch_id", BigInt, nullable=False),
    Column("usage_record_id", BigInt, comment="null for adjustments"),
    Column("charge_class", Text, nullable=False),
    Column("corrects_id", BigInt, comment="the charge reversed or replaced"),
    Column("occurred_month", Text, nullable=False, comment="YYYY-MM in the ledger's zone"),
    *required(Text, "posted_month", "project", "provider", "currency", "billed_model"),
    Column("model_differs", Flag, nullable=False),
    Column("rate_entry_id", BigInt, comment="null for adjustments"),
    Column("conversion_id", BigInt, comment="null where the currency is USD"),
    Column("tier", Text, nullable=False, comment="its up_to, 'unbounded', or 'none' for storage"),
    *required(BigInt, "input_nano", "cached_input_nano", "output_nano", "cache_storage_nano", "amount_nano"),
    # Null where the usage has none, as in every row from before there were any.
    *optional(BigInt, "cache_write_5m_nano", "cache_write_1h_nano", "call_nano"),
    CheckConstraint(
        "CASE charge_class"
        f" WHEN 'replacement' THEN corrects_id IS NOT NULL AND usage_record_id IS NOT NULL AND {_SUM_OF_METERS}"
        f" WHEN 'reversal' THEN corrects_id IS NOT NULL"
        " WHEN 'adjustment' THEN corrects_id IS NULL"
        " ELSE 1 = 0 END",
        name="charge_class",
    ),
    Index("ix_booked_corrections_usage_record_id", "usage_record_id"),
    sqlite_strict=True,
    comment="Reversals, replacements and adjustments, append-only; a reversal carries negative amounts.",
)

closings = Table(
    "closings",
    metadata,
    row_id(comment="1, 2, 3 … in order of commit"),
    Column("action", Text, nullable=False),
    Column("month", Text, nullable=False, comment="YYYY-MM in the ledger's zone"),
    Column("number", BigInt, nullable=False, comment="1 for a month's first close, 2 after it was reopened"),
    Column("at", UtcTime, nullable=False),
    Column("reason", Text),
    Column("forced", Flag, nullable=False),
    Column("last_charge_id", BigInt, nullable=False, comment="the ledger's highest by then: later rows are not in it"),
    Column("charges", BigInt, nullable=False, comment="rows posted in the month"),
    Column("amounts", Text, nullable=False, comment="JSON: their nano by currency"),
    Column("rows_digest", Text, nullable=False, comment="sha256 over these rows and the conversions they pin"),
    *required(Text, "billing_mode", "timezone"),
    Column("export_version", BigInt, nullable=False),
    Column("previous", Text, nullable=False, comment="digest of the row before, empty for the first"),
    Column("digest", Text, nullable=False, comment="sha256 over the other columns"),
    Column(
        "settings",
        Text,
        comment="JSON: settings that its exports depend on; null where it was closed before they were kept",
    ),
    UniqueConstraint("month", "number", "action"),
    CheckConstraint("action IN ('close', 'reopen')", name="action"),
    CheckConstraint("billing_mode IN ('postpaid', 'prepaid')", name="billing_mode"),
    sqlite_strict=True,
    comment="Months closed and reopened, append-only; a reopen repeats the figures of the close that it undoes.",
)
