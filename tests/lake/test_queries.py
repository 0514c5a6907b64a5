"""SQL says of two usage records what the book's own rule says."""

from __future__ import annotations

from itertools import product
from typing import Any

import duckdb
import pytest

from ledger.book.rows import Facts, same_facts
from ledger.lake import queries

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
    *({"requested_model": one, "reported_model": other} for one, other in product((None, "pro", "code"), repeat=2)),
    *({"service_tier": tier} for tier in ("auto", "default", "batch", "flex")),
    *({"kind": "cache_storage", "storage_tokens": tokens} for tokens in (None, 0, 7)),
    *({"kind": "cache_storage", "storage_tokens": 7, "storage_end": AT + later} for later in (0, 999_999, 1_000_000)),
    {"project": "q", "tags": '{"a":"b"}', "provider_amount_nano": 5},
]


@pytest.fixture(scope="module")
def said() -> dict[tuple[int, int], bool]:
    """SQL's answer for each pair of them."""
    connection = duckdb.connect()
    types = {"VARCHAR": str, "BIGINT": int}
    columns = {
        name: next((kind for kind, of in types.items() if isinstance(value, of)), "BIGINT")
        for name, value in zip(Facts._fields, KNOWN, strict=True)
    } | {"requested_model": "VARCHAR", "reported_model": "VARCHAR", "service_tier": "VARCHAR"}
    connection.execute(
        f"CREATE TABLE facts (place BIGINT, {', '.join(f'{name} {of}' for name, of in columns.items())})"
    )
    for place, change in enumerate(CHANGES):
        row = [place, *KNOWN._replace(**change)]
        connection.execute(f"INSERT INTO facts VALUES ({', '.join('?' * len(row))})", row)
    query = f"SELECT k.place, n.place, {queries.same_facts('k', 'n')} FROM facts k, facts n"
    found = {(one, other): is_same for one, other, is_same in connection.execute(query).fetchall()}
    connection.close()
    return found


def test_sql_and_the_book_agree_on_which_facts_are_the_same(said: dict[tuple[int, int], bool]) -> None:
    records = [KNOWN._replace(**change) for change in CHANGES]
    expected = {
        (one, other): same_facts(known, new)
        for (one, known), (other, new) in product(enumerate(records), enumerate(records))
    }
    assert said == expected
    assert {*expected.values()} == {True, False}
