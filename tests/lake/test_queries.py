"""SQL says of two usage records what the book's own rule says."""

from __future__ import annotations

from itertools import product
from typing import Any

import duckdb
import pytest

from ledger.book.rows import Facts, same_facts
from ledger.lake import queries
from tests.lake.conftest import EACH_ENGINE

AT = 1_771_486_674 * 10**6
KNOWN = Facts(
    kind="request", source="s", request_id="r", generation=0, provider="evolink", occurred_at=AT,
    requested_model="pro", reported_model=None, project="p", status="completed", service_tier=None, input_tokens=100,
    cached_input_tokens=10, output_tokens=5, reasoning_tokens=1, tags="{}", storage_tokens=None, storage_end=None,
    provider_amount_nano=None, assumed=0, tool_calls=None,
)  # fmt: skip
CHANGES: list[dict[str, Any]] = [
    {},
    {"provider": "volcengine"},
    {"occurred_at": AT + 999_999},
    {"occurred_at": AT + 1_000_000},
    {"status": "failed"},
    *({name: 0} for name in ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")),
    *({name: count} for name in ("cache_write_5m_tokens", "cache_write_1h_tokens") for count in (0, 1)),
    *({"calls": calls, "tool_calls": others} for calls, others in product((None, 0, 1, 2), repeat=2)),
    {"calls": 2**63 - 1, "tool_calls": 2**63 - 1},
    {"calls": 2**63 - 2, "tool_calls": 2**63 - 1},
    *({"requested_model": one, "reported_model": other} for one, other in product((None, "pro", "code"), repeat=2)),
    *({"service_tier": tier} for tier in ("auto", "default", "batch", "flex")),
    *({"kind": "cache_storage", "storage_tokens": tokens} for tokens in (None, 0, 7)),
    *({"kind": "cache_storage", "storage_tokens": 7, "storage_end": AT + later} for later in (0, 999_999, 1_000_000)),
    {"project": "q", "tags": '{"a":"b"}', "provider_amount_nano": 5},
]


TYPES = {"VARCHAR": str, "BIGINT": int}
COLUMNS = {
    name: next((kind for kind, of in TYPES.items() if isinstance(value, of)), "BIGINT")
    for name, value in zip(Facts._fields, KNOWN, strict=True)
} | {"requested_model": "VARCHAR", "reported_model": "VARCHAR", "service_tier": "VARCHAR"}
ROWS = [(place, *KNOWN._replace(**change)) for place, change in enumerate(CHANGES)]
QUERY = f"SELECT k.place, n.place, {queries.same_facts('k', 'n')} FROM facts k, facts n"


def asked_of_duckdb() -> list[tuple[int, int, bool]]:
    columns = ", ".join(f"{name} {of}" for name, of in COLUMNS.items())
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE facts (place BIGINT, {columns})")
        connection.executemany(f"INSERT INTO facts VALUES ({', '.join('?' * len(ROWS[0]))})", ROWS)
        return connection.execute(QUERY).fetchall()


def asked_of_spark(session: Any) -> list[tuple[int, int, bool]]:
    columns = ", ".join(f"{name} {of.replace('VARCHAR', 'STRING')}" for name, of in COLUMNS.items())
    session.createDataFrame(ROWS, f"place BIGINT, {columns}").createOrReplaceTempView("facts")
    rows: list[tuple[int, int, bool]] = session.sql(QUERY).collect()
    return rows


@pytest.mark.parametrize("engine", EACH_ENGINE)
def test_sql_and_the_book_agree_on_which_facts_are_the_same(request: pytest.FixtureRequest, engine: str) -> None:
    is_spark = engine == "spark"
    found = asked_of_spark(request.getfixturevalue("spark")) if is_spark else asked_of_duckdb()
    records = [KNOWN._replace(**change) for change in CHANGES]
    expected = {
        (one, other): same_facts(known, new)
        for (one, known), (other, new) in product(enumerate(records), enumerate(records))
    }
    assert {(one, other): is_same for one, other, is_same in found} == expected
    assert {*expected.values()} == {True, False}
