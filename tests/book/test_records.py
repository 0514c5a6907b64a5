"""Usage records in columns say what they say one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ledger.book.records import Records, coded, joined, recoded, spread, sum_by_code
from ledger.book.rows import Facts
from ledger.values.columns import columns_of, plain

FEW = st.sampled_from(["a", "b"])
COUNTS = st.integers(0, 2**63 - 1)
SELDOM = st.one_of(st.none(), COUNTS)
ROWS = st.lists(
    st.builds(
        Facts,
        kind=st.sampled_from(["request", "cache_storage"]),
        source=FEW,
        request_id=st.text(max_size=3),
        generation=st.integers(0, 2),
        provider=FEW,
        occurred_at=st.integers(0, 2**57),
        requested_model=st.one_of(st.none(), FEW),
        reported_model=st.one_of(st.none(), FEW),
        project=FEW,
        status=FEW,
        service_tier=st.one_of(st.none(), FEW),
        input_tokens=COUNTS,
        cached_input_tokens=COUNTS,
        output_tokens=COUNTS,
        reasoning_tokens=COUNTS,
        tags=st.sampled_from(["{}", '{"team":"x"}']),
        storage_tokens=SELDOM,
        storage_end=SELDOM,
        provider_amount_nano=SELDOM,
        assumed=st.integers(0, 1),
        tool_calls=SELDOM,
        cache_write_5m_tokens=SELDOM,
        cache_write_1h_tokens=SELDOM,
        calls=SELDOM,
    ),
    max_size=6,
)


@given(rows=ROWS)
def test_records_are_the_rows_that_they_were_made_of(rows: list[Facts]) -> None:
    records = Records.of(rows)
    assert len(records) == len(rows)
    assert records.rows() == rows
    assert records.identities == [row.identity for row in rows]
    assert [records.facts(place) for place in range(len(rows))] == rows
    if rows:
        assert list(map(list, map(plain, records.columns()))) == list(map(list, columns_of(rows)))
        assert {type(value) for row in records.rows() for value in row} <= {int, str, type(None)}


@given(parts=st.lists(ROWS, min_size=1, max_size=3), data=st.data())
def test_records_are_joined_and_taken_by_place(parts: list[list[Facts]], data: st.DataObject) -> None:
    rows = [row for part in parts for row in part]
    both = joined([Records.of(part) for part in parts])
    assert both.rows() == rows
    places = data.draw(st.lists(st.integers(0, len(rows) - 1)) if rows else st.just([]))
    taken = both.take(places)
    assert taken.rows() == [rows[place] for place in places]
    if places:
        taken.change("calls", 0, 7)
        assert taken.facts(0) == rows[places[0]]._replace(calls=7)
        assert both.rows() == rows


@given(columns=st.lists(st.tuples(*[st.integers(0, 3)] * 5), min_size=1, max_size=9))
def test_equal_combinations_of_codes_get_equal_numbers(columns: list[tuple[int, ...]]) -> None:
    first, code = recoded(*(np.array(column, dtype=np.int64) for column in zip(*columns, strict=True)))
    assert [columns[first[number]] for number in code.tolist()] == columns
    assert len(first) == len(set(columns))


@given(items=st.lists(st.integers(0, 3)))
def test_codes_name_items_in_order_of_first_appearance(items: list[int]) -> None:
    distinct, codes = coded(items)
    assert distinct == list(dict.fromkeys(items))
    assert spread(distinct, np.array(codes, dtype=np.int64)) == items


@given(parts=st.lists(st.tuples(st.integers(0, 3), st.integers(-(2**63), 2**63 - 1)), max_size=30))
def test_sums_by_code_are_exact_past_64_bits(parts: list[tuple[int, int]]) -> None:
    codes, amounts = np.array(parts, dtype=np.int64).reshape(-1, 2).T
    of_code = [[amount for code, amount in parts if code == place] for place in range(max(codes, default=-1) + 1)]
    assert sum_by_code(amounts, codes) == [(sum(amounts), len(amounts)) for amounts in of_code]
