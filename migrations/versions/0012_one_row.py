"""one row for a usage record and its first charge.

Views under the names that the tables had have their columns. A record's number is that of its first charge from now on;
digests cover the number that it had before, which `recorded_id` keeps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FLAG = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")
ROWS = 5_000
TABLES = ("booked_usage", "booked_corrections", "record_keys", "streams")
BEFORE = ("usage_records", "charges")

# The columns of record_keys after id and digest.
LABELS = ("provider", "requested_model", "reported_model", "project", "status", "service_tier")
TERMS = (
    "occurred_month",
    "posted_month",
    "currency",
    "billed_model",
    "model_differs",
    "rate_entry_id",
    "conversion_id",
    "tier",
)
# What a row of booked_usage has of the record, and what of the charge.
COUNTS = ("generation", "occurred_at", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")
AMOUNTS = ("input_nano", "cached_input_nano", "output_nano")
OF_FEW = (
    "storage_tokens",
    "storage_end",
    "provider_amount_nano",
    "assumed",
    "tool_calls",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "calls",
)
AMOUNTS_OF_FEW = ("cache_write_5m_nano", "cache_write_1h_nano", "call_nano")
CHARGE = (
    "id, batch_id, usage_record_id, charge_class, corrects_id, occurred_month, posted_month, project, provider,"
    " currency, billed_model, model_differs, rate_entry_id, conversion_id, tier, input_nano, cached_input_nano,"
    " output_nano, cache_storage_nano, amount_nano, cache_write_5m_nano, cache_write_1h_nano, call_nano"
)
SUM = " + ".join(AMOUNTS) + " + coalesce(cache_storage_nano, 0)"
WHOLE = SUM + "".join(f" + coalesce({name}, 0)" for name in AMOUNTS_OF_FEW)

USAGE_VIEW = """
CREATE VIEW usage_records AS
SELECT b.id, b.batch_id, s.kind, s.source, b.request_id, b.generation, k.provider, b.occurred_at, k.requested_model,
    k.reported_model, k.project, k.status, k.service_tier, b.input_tokens, b.cached_input_tokens, b.output_tokens,
    b.reasoning_tokens, coalesce(b.tags, '{}') AS tags, b.storage_tokens, b.storage_end, b.provider_amount_nano,
    coalesce(b.assumed, 0) AS assumed, b.tool_calls, b.cache_write_5m_tokens, b.cache_write_1h_tokens, b.calls
FROM booked_usage b JOIN record_keys k ON k.id = b.key_id JOIN streams s ON s.id = b.stream_id
"""
# Both parts of a column have one type: else neither database looks into them by an index.
CHARGES_VIEW = f"""
CREATE VIEW charges AS
SELECT b.id, b.batch_id, b.id AS usage_record_id, CAST('charge' AS text) AS charge_class,
    CAST(NULL AS bigint) AS corrects_id, k.occurred_month, k.posted_month, k.project, k.provider, k.currency,
    k.billed_model, k.model_differs, k.rate_entry_id, k.conversion_id, k.tier, b.input_nano, b.cached_input_nano,
    b.output_nano, CAST(coalesce(b.cache_storage_nano, 0) AS bigint) AS cache_storage_nano,
    CAST({WHOLE} AS bigint) AS amount_nano, b.cache_write_5m_nano, b.cache_write_1h_nano, b.call_nano
FROM booked_usage b JOIN record_keys k ON k.id = b.key_id WHERE b.input_nano IS NOT NULL
UNION ALL SELECT {CHARGE} FROM booked_corrections
"""

# Each record with its first charge: of an accepted conflict that is a replacement, of the same batch.
FIRST_CHARGES = f"""
SELECT c.id, u.id, u.batch_id, c.batch_id, c.charge_class, u.source, u.kind, u.request_id, u.tags, c.project, c.provider,
    c.cache_storage_nano, {", ".join(f"u.{name}" for name in (*LABELS, *COUNTS, *OF_FEW))},
    {", ".join(f"c.{name}" for name in (*TERMS, *AMOUNTS, *AMOUNTS_OF_FEW))}
FROM charges c JOIN usage_records u ON u.id = c.usage_record_id
WHERE c.id > :after AND (c.charge_class = 'charge' OR c.charge_class = 'replacement' AND c.batch_id = u.batch_id AND NOT
    EXISTS (SELECT 1 FROM charges f WHERE f.usage_record_id = u.id AND f.charge_class = 'charge'))
ORDER BY c.id LIMIT {ROWS}
"""
CORRECTIONS = f"""
INSERT INTO booked_corrections SELECT id, batch_id,
    coalesce((SELECT f.id FROM charges f WHERE f.usage_record_id = c.usage_record_id AND f.charge_class = 'charge'),
        (SELECT min(f.id) FROM charges f WHERE f.usage_record_id = c.usage_record_id
            AND f.charge_class = 'replacement')), {CHARGE.partition("usage_record_id, ")[2]}
FROM charges c WHERE charge_class <> 'charge'
"""


def upgrade() -> None:
    make_tables()
    keys: dict[tuple[Any, ...], int] = {}
    streams: dict[tuple[str, str], int] = {}
    for page in first_charges():
        known = len(keys), len(streams)
        rows = [row_of(found, keys, streams) for found in page]
        insert("streams", [(number, *stream) for stream, number in list(streams.items())[known[1] :]])
        insert("record_keys", [(number, digest(key), *key) for key, number in list(keys.items())[known[0] :]])
        insert("booked_usage", rows)
    op.execute(CORRECTIONS)
    made = count("booked_usage"), count("booked_usage WHERE input_nano IS NOT NULL") + count("booked_corrections")
    if made != tuple(map(count, BEFORE)):
        raise RuntimeError(f"usage records without a charge, or charges without one: {UNSOUND}")
    for table in BEFORE:
        op.drop_table(table)
    op.execute(USAGE_VIEW)
    op.execute(CHARGES_VIEW)


UNSOUND = "run 'tollbook verify' with the version that wrote the ledger"


def make_tables() -> None:
    op.create_table(
        "streams",
        sa.Column("id", BIGINT, autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_streams"),
        sa.UniqueConstraint("source", "kind", name="uq_streams_source_kind"),
        sa.CheckConstraint("kind IN ('request', 'cache_storage')", name=op.f("ck_streams_kind")),
        comment="Where request ids are unique: each kind of record of a source, once.",
        sqlite_strict=True,
    )
    op.create_table(
        "record_keys",
        sa.Column("id", BIGINT, autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="sha256 of the other columns"),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("requested_model", sa.Text()),
        sa.Column("reported_model", sa.Text()),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("service_tier", sa.Text()),
        sa.Column(
            "occurred_month",
            sa.Text(),
            comment="YYYY-MM in the ledger's zone; null, as all after it, where `booked_usage` holds no amounts",
        ),
        sa.Column("posted_month", sa.Text()),
        sa.Column("currency", sa.Text()),
        sa.Column("billed_model", sa.Text()),
        sa.Column("model_differs", FLAG),
        sa.Column("rate_entry_id", BIGINT),
        sa.Column("conversion_id", BIGINT, comment="null where the currency is USD"),
        sa.Column("tier", sa.Text(), comment="its up_to, 'unbounded', or 'none' for storage"),
        sa.PrimaryKeyConstraint("id", name="pk_record_keys"),
        sa.UniqueConstraint("digest", name="uq_record_keys_digest"),
        comment="What many records and their first charges have alike, each combination once.",
        sqlite_strict=True,
    )
    op.create_table(
        "booked_usage",
        sa.Column(
            "id", BIGINT, autoincrement=False, nullable=False, comment="of its first charge: the order of posting"
        ),
        sa.Column("batch_id", BIGINT, nullable=False),
        sa.Column("key_id", BIGINT, nullable=False),
        sa.Column("stream_id", BIGINT, nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column(
            "generation",
            BIGINT,
            nullable=False,
            comment="0; counted up where an id is recorded again after void or accept",
        ),
        sa.Column("occurred_at", BIGINT, nullable=False),
        sa.Column("input_tokens", BIGINT, nullable=False, comment="cached ones included"),
        sa.Column("cached_input_tokens", BIGINT, nullable=False),
        sa.Column("output_tokens", BIGINT, nullable=False, comment="reasoning ones included"),
        sa.Column("reasoning_tokens", BIGINT, nullable=False),
        sa.Column(
            "input_nano",
            BIGINT,
            comment="null, as all amounts, where the first charge is one of `booked_corrections`",
        ),
        sa.Column("cached_input_nano", BIGINT),
        sa.Column("output_nano", BIGINT),
        sa.Column("tags", sa.Text(), comment="JSON object, keys sorted; null for none"),
        sa.Column("cache_storage_nano", BIGINT, comment="of storage; null, as whatever follows, for none"),
        sa.Column("storage_tokens", BIGINT),
        sa.Column("storage_end", BIGINT),
        sa.Column(
            "provider_amount_nano", BIGINT, comment="the gateway's own figure in the card's currency: never priced"
        ),
        sa.Column("assumed", FLAG, comment="1 where derived by --assume-cache-storage, not reported"),
        sa.Column(
            "tool_calls",
            BIGINT,
            comment="calls of tools that the gateway bills beside the tokens: counted, never priced",
        ),
        sa.Column("cache_write_5m_tokens", BIGINT, comment="of the input, written to the cache for 5 minutes"),
        sa.Column("cache_write_1h_tokens", BIGINT, comment="of the input, written to the cache for an hour"),
        sa.Column("calls", BIGINT, comment="calls of tools that the card prices"),
        *(sa.Column(name, BIGINT) for name in AMOUNTS_OF_FEW),
        sa.Column(
            "recorded_id",
            BIGINT,
            comment="the record's own number, in digests, where it was booked before both shared one",
        ),
        sa.CheckConstraint(
            "0 <= cached_input_tokens AND cached_input_tokens"
            " + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0) <= input_tokens"
            " AND 0 <= coalesce(cache_write_5m_tokens, 0) AND 0 <= coalesce(cache_write_1h_tokens, 0)"
            " AND 0 <= coalesce(calls, 0)"
            " AND 0 <= reasoning_tokens AND reasoning_tokens <= output_tokens",
            name=op.f("ck_booked_usage_facts"),
        ),
        sa.PrimaryKeyConstraint("id", name="pk_booked_usage"),
        sa.UniqueConstraint("request_id", "stream_id", "generation", name="uq_booked_usage_identity"),
        comment="One request's counts and facts with its first charge, append-only.",
        sqlite_strict=True,
    )
    op.create_table(
        "booked_corrections",
        *charge_columns(comment="in one sequence with the ids of `booked_usage`"),
        sa.CheckConstraint(charge_class_check("replacement"), name=op.f("ck_booked_corrections_charge_class")),
        sa.PrimaryKeyConstraint("id", name="pk_booked_corrections"),
        comment="Reversals, replacements and adjustments, append-only; a reversal carries negative amounts.",
        sqlite_strict=True,
    )
    index("ix_booked_usage_tool_calls", "booked_usage", ["tool_calls"], "tool_calls IS NOT NULL")
    op.create_index("ix_booked_corrections_usage_record_id", "booked_corrections", ["usage_record_id"])
    index(
        "uq_booked_corrections_corrects_id",
        "booked_corrections",
        ["corrects_id", "charge_class"],
        "corrects_id IS NOT NULL",
        unique=True,
    )
    if op.get_bind().dialect.name == "postgresql":
        op.create_index("ix_booked_usage_occurred_at", "booked_usage", ["occurred_at"], postgresql_using="brin")
    for table in TABLES:
        guard(table, IN_THE_WAY)


def charge_columns(comment: str) -> Iterator[sa.Column[Any]]:
    text = {"charge_class", "occurred_month", "posted_month", "project", "provider", "currency", "billed_model", "tier"}
    said = {
        "id": comment,
        "usage_record_id": "null for adjustments",
        "corrects_id": "the charge reversed or replaced",
        "occurred_month": "YYYY-MM in the ledger's zone",
        "rate_entry_id": "null for adjustments",
        "conversion_id": "null where the currency is USD",
        "tier": "its up_to, 'unbounded', or 'none' for storage",
    }
    empty = {"usage_record_id", "corrects_id", "rate_entry_id", "conversion_id", *AMOUNTS_OF_FEW}
    for name in CHARGE.split(", "):
        kind = sa.Text() if name in text else FLAG if name == "model_differs" else BIGINT
        yield sa.Column(name, kind, autoincrement=False, nullable=name in empty, comment=said.get(name))


def charge_class_check(*of_usage: str) -> str:
    total = "amount_nano = input_nano + cached_input_nano + output_nano + cache_storage_nano" + "".join(
        f" + coalesce({name}, 0)" for name in AMOUNTS_OF_FEW
    )
    nothing = {"charge": "corrects_id IS NULL", "replacement": "corrects_id IS NOT NULL"}
    whens = "".join(
        f" WHEN '{name}' THEN {nothing[name]} AND usage_record_id IS NOT NULL AND {total}" for name in of_usage
    )
    return (
        f"CASE charge_class{whens} WHEN 'reversal' THEN corrects_id IS NOT NULL"
        " WHEN 'adjustment' THEN corrects_id IS NULL ELSE 1 = 0 END"
    )


def index(name: str, table: str, columns: Sequence[str], where: str, *, unique: bool = False) -> None:
    stated = sa.text(where)
    op.create_index(name, table, list(columns), unique=unique, sqlite_where=stated, postgresql_where=stated)


# INSERT OR REPLACE deletes the row in its way without firing a delete trigger, so inserts are met before that happens.
IN_THE_WAY = {
    "booked_usage": "EXISTS (SELECT 1 FROM booked_usage WHERE request_id = NEW.request_id"
    " AND stream_id = NEW.stream_id AND generation = NEW.generation)",
    "booked_corrections": "(NEW.corrects_id IS NOT NULL AND EXISTS (SELECT 1 FROM booked_corrections"
    " WHERE corrects_id = NEW.corrects_id AND charge_class = NEW.charge_class))",
    "record_keys": "EXISTS (SELECT 1 FROM record_keys WHERE digest = NEW.digest)",
    "streams": "EXISTS (SELECT 1 FROM streams WHERE source = NEW.source AND kind = NEW.kind)",
}
IN_THE_WAY_BEFORE = {
    "usage_records": "EXISTS (SELECT 1 FROM usage_records WHERE request_id = NEW.request_id AND source = NEW.source"
    " AND kind = NEW.kind AND generation = NEW.generation)",
    "charges": "(NEW.charge_class = 'charge' AND EXISTS (SELECT 1 FROM charges"
    " WHERE charge_class = 'charge' AND usage_record_id = NEW.usage_record_id))"
    " OR (NEW.corrects_id IS NOT NULL AND EXISTS (SELECT 1 FROM charges"
    " WHERE corrects_id = NEW.corrects_id AND charge_class = NEW.charge_class))",
}


def guard(table: str, in_the_way: dict[str, str]) -> None:
    """Refuse updates, deletes, replaces and truncates of a table, whoever asks."""
    if op.get_bind().dialect.name == "postgresql":
        for name, event, each in (("append_only", "UPDATE OR DELETE", "ROW"), ("no_truncate", "TRUNCATE", "STATEMENT")):
            op.execute(
                f"CREATE TRIGGER {table}_{name} BEFORE {event} ON {table} FOR EACH {each} EXECUTE FUNCTION"
                " refuse_change()"
            )
        return
    refusal = f"'{table} is append-only: post a correction'"
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, {refusal}); END"
        )
    same_id = f"EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)"
    # The same request again is ordinary: the row that stands stays, which is what ON CONFLICT DO NOTHING asks for.
    ignored = f"CASE WHEN {same_id} THEN RAISE(ABORT, {refusal}) ELSE RAISE(IGNORE) END"
    answer = ignored if table in ("booked_usage", "usage_records") else f"RAISE(ABORT, {refusal})"
    op.execute(
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {same_id} OR {in_the_way[table]} "
        f"BEGIN SELECT {answer}; END"
    )


class First(NamedTuple):
    """A record with its first charge, as FIRST_CHARGES reads them."""

    id: int
    recorded_id: int
    batch_id: int
    charge_batch_id: int
    charge_class: str
    source: str
    kind: str
    request_id: str
    tags: str
    project: str
    provider: str
    cache_storage_nano: int
    rest: tuple[Any, ...]


def first_charges() -> Iterator[list[First]]:
    width = len(First._fields) - 1
    after = 0
    while rows := op.get_bind().execute(sa.text(FIRST_CHARGES), {"after": after}).all():
        yield [First._make((*row[:width], tuple(row[width:]))) for row in rows]
        after = rows[-1][0]


def row_of(found: First, keys: dict[tuple[Any, ...], int], streams: dict[tuple[str, str], int]) -> tuple[Any, ...]:
    """Return the row of booked_usage, with its key and stream, which are new where they weren't known."""
    values = iter(found.rest)
    labels, counts, of_few, terms, amounts, amounts_of_few = (
        tuple(next(values) for _name in names) for names in (LABELS, COUNTS, OF_FEW, TERMS, AMOUNTS, AMOUNTS_OF_FEW)
    )
    stated = dict(zip(LABELS, labels, strict=True))
    stored: int | None = found.cache_storage_nano or None
    if found.charge_class == "replacement":
        terms, amounts, amounts_of_few, stored = (None,) * 8, (None,) * 3, (None,) * 3, None
    elif (stated["project"], stated["provider"], found.batch_id) != (
        found.project,
        found.provider,
        found.charge_batch_id,
    ):
        raise RuntimeError(f"charge {found.id} isn't of project, provider and batch of its usage: {UNSOUND}")
    key = keys.setdefault((*labels, *terms), len(keys) + 1)
    stream = streams.setdefault((found.source, found.kind), len(streams) + 1)
    assumed = OF_FEW.index("assumed")
    of_few = (*of_few[:assumed], of_few[assumed] or None, *of_few[assumed + 1 :])
    return (
        *(found.id, found.batch_id, key, stream, found.request_id, *counts, *amounts),
        *(None if found.tags == "{}" else found.tags, stored, *of_few, *amounts_of_few),
        None if found.id == found.recorded_id else found.recorded_id,
    )


def digest(key: tuple[Any, ...]) -> str:
    return hashlib.sha256(msgspec.json.encode(key)).hexdigest()


def insert(table: str, rows: Sequence[Sequence[Any]]) -> None:
    """Append rows by the driver's quickest way."""
    driver: Any = op.get_bind().connection.driver_connection
    if op.get_bind().dialect.name == "sqlite":
        if rows:
            driver.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
        return
    with driver.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def count(source: str) -> int:
    return int(op.get_bind().execute(sa.text(f"SELECT count(*) FROM {source}")).scalar_one())


def downgrade() -> None:
    for view in BEFORE:
        op.execute(f"DROP VIEW {view}")
    for view, made in (("usage_records", USAGE_VIEW), ("charges", CHARGES_VIEW)):
        op.execute(made.replace(f"VIEW {view}", f"VIEW {view}_view"))
    make_tables_before()
    own_number = "coalesce(b.recorded_id, b.id)"
    op.execute(
        f"INSERT INTO usage_records SELECT {own_number}, {', '.join(f'v.{name}' for name in USAGE[1:])}"
        " FROM usage_records_view v JOIN booked_usage b ON b.id = v.id"
    )
    charge = ", ".join(
        f"CASE WHEN c.usage_record_id IS NULL THEN NULL ELSE {own_number} END"
        if name == "usage_record_id"
        else f"c.{name}"
        for name in CHARGE.split(", ")
    )
    op.execute(
        f"INSERT INTO charges SELECT {charge} FROM charges_view c LEFT JOIN booked_usage b ON b.id = c.usage_record_id"
    )
    for view in BEFORE:
        op.execute(f"DROP VIEW {view}_view")
    for table in TABLES:
        op.drop_table(table)
    for table in BEFORE:
        guard(table, IN_THE_WAY_BEFORE)


USAGE = (
    *("id", "batch_id", "kind", "source", "request_id", "generation", "provider", "occurred_at", "requested_model"),
    *("reported_model", "project", "status", "service_tier", "input_tokens", "cached_input_tokens", "output_tokens"),
    *("reasoning_tokens", "tags", *OF_FEW),
)


def make_tables_before() -> None:
    of_text = {"kind", "source", "request_id", "tags", *LABELS}
    empty = {"requested_model", "reported_model", "service_tier", *OF_FEW} - {"assumed"}
    op.create_table(
        "usage_records",
        *(
            sa.Column(
                name,
                sa.Text() if name in of_text else FLAG if name == "assumed" else BIGINT,
                autoincrement=False,
                nullable=name in empty,
            )
            for name in USAGE
        ),
        sa.CheckConstraint(
            "kind IN ('request', 'cache_storage') AND 0 <= cached_input_tokens AND cached_input_tokens"
            " + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0) <= input_tokens"
            " AND 0 <= coalesce(cache_write_5m_tokens, 0) AND 0 <= coalesce(cache_write_1h_tokens, 0)"
            " AND 0 <= coalesce(calls, 0) AND 0 <= reasoning_tokens AND reasoning_tokens <= output_tokens",
            name=op.f("ck_usage_records_ck_usage_records_facts"),
        ),
        sa.PrimaryKeyConstraint("id", name="pk_usage_records"),
        sa.UniqueConstraint("request_id", "source", "kind", "generation", name="uq_usage_records_identity"),
        sqlite_strict=True,
    )
    op.create_table(
        "charges",
        *charge_columns(comment="posted_seq: order of posting"),
        sa.CheckConstraint(
            charge_class_check("charge", "replacement"), name=op.f("ck_charges_ck_charges_charge_class")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_charges"),
        sqlite_strict=True,
    )
    op.create_index("ix_usage_records_occurred_at", "usage_records", ["occurred_at"], postgresql_using="brin")
    index("ix_usage_records_tool_calls", "usage_records", ["tool_calls"], "tool_calls IS NOT NULL")
    index("uq_charges_usage_record_id", "charges", ["usage_record_id"], "charge_class = 'charge'", unique=True)
    index("ix_charges_replacement_usage_record_id", "charges", ["usage_record_id"], "charge_class = 'replacement'")
    corrects = "corrects_id IS NOT NULL"
    index("uq_charges_corrects_id", "charges", ["corrects_id", "charge_class"], corrects, unique=True)
