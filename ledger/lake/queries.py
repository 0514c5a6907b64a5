"""SQL over staged usage, for every engine: which of it is new, and its sums.

`staged` has the columns of STAGED, `earlier` those of them that usage has which earlier runs accepted.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from ledger.book.rows import TOKENS, Facts
from ledger.lake.cells_file import CELLS, KEY
from ledger.store.tables import MEASURES
from ledger.values.calendar import QUARTER_US
from pricing.rate_entry import STANDARD_NAMES

IDENTITY: Final = ("source", "kind", "request_id")


class Dialect(NamedTuple):
    """The words in which engines differ: a hash of 64 bits over columns, and an exact sum of whole numbers."""

    hashed: str
    summed: str


DUCKDB: Final = Dialect("hash({})", "sum({})")
SPARK: Final = Dialect("xxhash64({})", "sum(CAST({} AS DECIMAL(38, 0)))")  # its sum of 64 bits would fail past them
_FACTS: Final = (
    *IDENTITY, "provider", "occurred_at", "requested_model", "reported_model", "status", "service_tier",
    *Facts._fields[TOKENS], "storage_tokens", "storage_end", "tool_calls", "cache_write_5m_tokens",
    "cache_write_1h_tokens", "calls", "project", "tags",
)  # fmt: skip
HELD_FACTS: Final = tuple(name for name in Facts._fields if name != "generation")
"""The facts that CONFLICTS has, in its order."""
_STANDARD: Final = ", ".join(f"'{name}'" for name in sorted(STANDARD_NAMES))


def same_facts(known: str, new: str) -> str:
    """Returns a condition that is true where `book.rows.same_facts` is, of the rows by these aliases."""

    def same(expression: str) -> str:
        one, other = (expression.replace("{}", alias) for alias in (known, new))
        return f"{one} IS NOT DISTINCT FROM {other}"

    def agree(column: str) -> str:
        return f"({known}.{column} IS NULL OR {new}.{column} IS NULL OR {known}.{column} = {new}.{column})"

    service = f"CASE WHEN {{}}.service_tier IN ({_STANDARD}) THEN NULL ELSE {{}}.service_tier END"
    all_calls = "(CAST(coalesce({}.calls, 0) AS DECIMAL(38, 0)) + coalesce({}.tool_calls, 0))"
    terms = [
        *(same(f"{{}}.{name}") for name in ("provider", "status", *Facts._fields[TOKENS])),
        *(same(f"{{}}.{name}") for name in ("cache_write_5m_tokens", "cache_write_1h_tokens", "storage_tokens")),
        *(same(f"({{}}.{name} - {{}}.{name} % 1000000)") for name in ("occurred_at", "storage_end")),
        f"({same('{}.calls')} OR {same(all_calls)})",
        agree("requested_model"),
        agree("reported_model"),
        f"({new}.service_tier IS NULL OR {new}.service_tier = 'auto' OR {same(service)})",
    ]
    return " AND ".join(terms)


def contested(dialect: Dialect) -> str:
    """Returns the query of the identities' hashes that several have of staged and earlier usage: few.

    The rest of staged usage is new for certain.
    """
    identity = dialect.hashed.format(", ".join(IDENTITY))
    return f"""
        WITH hashed AS (SELECT {identity} AS identity FROM staged)
        SELECT identity FROM hashed GROUP BY identity HAVING count(*) > 1
        UNION
        SELECT {identity} FROM earlier WHERE {identity} IN (SELECT identity FROM hashed)
    """


def decided(dialect: Dialect) -> str:
    """Returns the query of the staged usage that isn't new, with its fate.

    Of each identity in `contested` the first by file and line, as `ingest` has it, is compared with the others;
    earlier usage comes before all.
    """
    is_contested = f"{dialect.hashed.format(', '.join(IDENTITY))} IN (SELECT identity FROM contested)"
    return f"""
        WITH candidates AS (
            SELECT place, 1 AS turn, {", ".join(_FACTS)} FROM staged WHERE {is_contested}
            UNION ALL
            SELECT NULL, 0, {", ".join(_FACTS)} FROM earlier WHERE {is_contested}
        ),
        ranked AS (
            SELECT *, row_number() OVER (PARTITION BY {", ".join(IDENTITY)} ORDER BY turn, place) AS rank
            FROM candidates
        )
        SELECT n.place, CASE WHEN {same_facts("k", "n")} THEN 'duplicate' ELSE 'conflict' END AS outcome,
            k.project <> n.project OR k.tags <> n.tags AS differs
        FROM ranked n JOIN ranked k
            ON k.rank = 1 AND k.source = n.source AND k.kind = n.kind AND k.request_id = n.request_id
        WHERE n.rank > 1 AND n.place IS NOT NULL
    """


ACCEPTED: Final = "SELECT * FROM staged WHERE NOT EXISTS (SELECT 1 FROM decided WHERE decided.place = staged.place)"

# How much of staged usage had which fate.
FATES: Final = """
    SELECT coalesce(outcome, 'accepted') AS fate, assumed, count(*)
    FROM staged LEFT JOIN decided ON decided.place = staged.place GROUP BY fate, assumed
"""

# The keys of cells in their order, as `keys` of several files may hold one twice.
KEYS: Final = f"""
    SELECT *, row_number() OVER (ORDER BY {", ".join(KEY.names)}) AS key_rank FROM (SELECT DISTINCT * FROM staged_keys)
"""

_REQUESTS: Final = "CASE WHEN kind = 'request' THEN 1 ELSE 0 END"

# The number of rows that have each measure but the first, which all have.
PRESENT: Final = f"SELECT {', '.join(f'count({name})' for name in MEASURES[1:])} FROM staged"


# Duplicates with another project or tags.
DIFFERING: Final = "SELECT count(*) FROM decided WHERE outcome = 'duplicate' AND differs"

SOURCES: Final = "SELECT DISTINCT source FROM accepted ORDER BY source"

CONFLICTS: Final = f"""
    SELECT {", ".join(HELD_FACTS)}, file, line FROM staged JOIN decided USING (place)
    WHERE outcome = 'conflict' ORDER BY place
"""


def spend(dialect: Dialect) -> str:
    """Returns the query of project, currency, nano of it for 1 USD, nano and records of `accepted`."""
    return f"""
        SELECT project, currency, per_usd_nano, {dialect.summed.format("amount_nano")}, count(*) FROM accepted
        GROUP BY project, currency, per_usd_nano ORDER BY project, currency, per_usd_nano
    """


def grouped(present: Collection[str], by: Sequence[str], dialect: Dialect = DUCKDB) -> str:
    """Returns the query of the sums of `accepted` by these columns and quarter-hour, of measures that any row has."""

    def summed(name: str) -> str:
        if name not in present:
            return f"0 AS {name}"
        return f"coalesce({dialect.summed.format(_REQUESTS if name == MEASURES[0] else name)}, 0) AS {name}"

    return f"""
        SELECT {", ".join(by)}, occurred_at - occurred_at % {QUARTER_US} AS quarter,
            {", ".join(map(summed, MEASURES))}, max(occurred_at) AS last_occurred_at
        FROM accepted GROUP BY {", ".join(by)}, quarter
    """


SUMS_ORDER: Final = ("key_rank", "quarter")


def sums(present: Collection[str], dialect: Dialect) -> str:
    """Returns the query of the cells of `accepted` (see CELLS) in their order, by the digests of their keys."""
    return f"""
        WITH sums AS ({grouped(present, ("key_upper", "key_lower"), dialect)})
        SELECT {", ".join(CELLS.names)}, key_rank FROM sums JOIN keys USING (key_upper, key_lower)
        ORDER BY {", ".join(SUMS_ORDER)}
    """
