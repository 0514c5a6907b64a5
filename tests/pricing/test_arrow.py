"""Record batches are priced as one record after the other: the same figures, the same refusals in the same words."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing import PricingError, RateCard, TokenUsage, load_rate_cards
from pricing.arrow import RESULT_SCHEMA, USAGE_SCHEMA, price_batches
from pricing.arrow.columns import Usage
from pricing.arrow.refusals import _BLANKS
from pricing.billing import billed_model, card_of_provider, unpriced_calls
from pricing.charge import price_entry, price_storage
from pricing.errors import RecordError
from pricing.money import INT64_MAX, NANO, Conversion, Settlement
from pricing.rate_card import ModelRates
from pricing.record_fields import MAX_OCCURRED_US, check_stream, read_record
from pricing.record_values import PENDING_STATUSES, unique_pairs
from pricing.usage import US_PER_HOUR, epoch_us, instant

PRO, CODE = "doubao-seed-2.0-pro", "doubao-seed-2.0-code"
SHIPPED = load_rate_cards()
ENTRY = SHIPPED["evolink"].models[CODE].entries[0]
START_US = epoch_us(ENTRY.effective_from)
AT_US = START_US + 36 * US_PER_HOUR
COUNTS = [name for name, field in zip(USAGE_SCHEMA.names, USAGE_SCHEMA, strict=True) if field.type == pa.int64()]
TIMES = ["occurred_at", "start", "end"]


def entry(model: str, **changes: Any) -> ModelRates:
    return ModelRates(model, (), None, None, (replace(ENTRY, model=model, provider="acme", **changes),))


def with_meters() -> RateCard:
    """In USD: a model with calls, cache writes, another service tier and a settlement; free and absent storage."""
    tiers = tuple(replace(tier, cache_write_5m_pico=7, cache_write_1h_pico=0) for tier in ENTRY.tiers)
    flex = replace(ENTRY, model="all", service="flex", service_names=("flex",), currency="USD")
    settled = Settlement(1_000, "ceil", 5_000)
    changes: dict[str, Any] = {"currency": "USD", "tiers": tiers, "settlement": settled}
    models = [
        entry("all", call_pico=10**9, services=(flex,), cache_storage_pico=0, **changes),
        entry("none", cache_storage_pico=None, **changes),
    ]
    return RateCard("acme", "USD", {rates.id: rates for rates in models})


def late_conversion() -> RateCard:
    """Conversions that begin after its prices, and change."""
    days = [(72, instant(START_US + US_PER_HOUR)), (68, instant(AT_US))]
    return RateCard("late", "CRD", {"m": entry("m")}, tuple(Conversion("CRD", n * NANO, day) for n, day in days))


CARDS = SHIPPED | {"acme": with_meters(), "late": late_conversion()}


def record(**fields: Any) -> dict[str, Any]:
    """A request as a row: times in microseconds, tags as pairs."""
    stated = {"request_id": "r1", "occurred_at": AT_US, "requested_model": CODE, "input_tokens": 10, "output_tokens": 2}
    return stated | fields


def storage(**fields: Any) -> dict[str, Any]:
    stated = {"request_id": "c1", "kind": "cache_storage", "start": AT_US, "end": AT_US + 1, "tokens": 5_000}
    return stated | {"requested_model": CODE} | fields


def batch_of(rows: Sequence[dict[str, Any]], schema: Any = USAGE_SCHEMA) -> Any:
    columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def priced(batches: Iterable[Any], **options: Any) -> list[dict[str, Any]]:
    """The columns added to each row, less what is null."""
    rows = []
    for batch in price_batches(batches, CARDS, **options):
        batch.validate(full=True)
        assert batch.schema.names[-len(RESULT_SCHEMA) :] == RESULT_SCHEMA.names
        rows += batch.select(RESULT_SCHEMA.names).to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


# --- one record after the other -------------------------------------------------------------------------------------


def expected(row: dict[str, Any], provider: str = "evolink", *, unbooked: bool = False) -> dict[str, Any]:
    """The answer of the rules for one record."""
    try:
        return expected_charge(row, provider, unbooked=unbooked)
    except (PricingError, RecordError) as error:
        return {"outcome": "rejected", "reason": error.reason, "message": str(error)}


def expected_charge(row: dict[str, Any], provider: str, *, unbooked: bool) -> dict[str, Any]:
    obj = {name: value for name, value in row.items() if value is not None}
    obj |= {name: text_of(obj[name]) for name in TIMES if name in obj}
    obj |= {"tags": unique_pairs(obj["tags"])} if "tags" in obj else {}
    facts = read_record(obj)
    if facts["status"] in PENDING_STATUSES:
        return {"outcome": "pending"}
    named = facts["provider"] or provider
    check_stream(facts["source"] or named, facts["occurred_at_us"])
    at = instant(facts["occurred_at_us"])
    usage: TokenUsage | None = facts.get("usage") or TokenUsage(0)
    assert usage is not None
    calls, others = usage.calls, facts.get("tool_calls", 0)
    if calls and not prices_calls(row, facts, named):
        usage, others = replace(usage, calls=0), others + calls
    if others and not unbooked:
        raise unpriced_calls(others)
    card = card_of_provider(CARDS, named)
    model, differs = billed_model(card, facts["requested_model"], facts["reported_model"])
    if row.get("kind") == "cache_storage":
        end = instant(facts["storage_end_us"])
        charge = price_storage(card.entry_at(model, at), facts["storage_tokens"], at, end)
    else:
        has_tokens = usage.input_tokens or usage.output_tokens or usage.calls
        charge = price_entry(card.entry_at(model, at, facts["service_tier"] if has_tokens else None), usage)
    conversion = card.conversion_at(at)
    found = {
        "outcome": "accepted",
        "currency": card.currency,
        "billed_model": model,
        "model_differs": differs,
        "rate_entry": charge.entry.key,
        "tier": "none" if charge.tier is None else charge.tier.label,
        **{name: getattr(charge, name) for name in RESULT_SCHEMA.names[10:15]},
    }
    few = {"cache_write_5m_nano": usage.cache_write_5m_tokens, "cache_write_1h_nano": usage.cache_write_1h_tokens}
    few["call_nano"] = usage.calls
    found |= {name: getattr(charge, name) for name, tokens in few.items() if tokens}
    if conversion is not None:
        found |= {"per_usd_nano": conversion.per_usd_nano, "conversion_from": conversion.effective_from}
    return found


def text_of(us: int) -> str:
    """A time as ISO text, also beyond the years that a datetime has."""
    return f"{np.datetime64(us, 'us') if us % 10**6 else np.datetime64(us // 10**6, 's')}Z"


def prices_calls(row: dict[str, Any], facts: dict[str, Any], provider: str) -> bool:
    try:
        card = card_of_provider(CARDS, provider)
        model, _differs = billed_model(card, facts["requested_model"], facts["reported_model"])
        return card.entry_at(model, instant(row["occurred_at"]), facts["service_tier"]).call_pico is not None
    except PricingError:
        return True


# --- any records ----------------------------------------------------------------------------------------------------

EDGES = [0, 0, 1, 2, 31_999, 32_000, 32_001, 128_000, 128_001, 256_000, 256_001, 10**12, INT64_MAX, -1, -INT64_MAX - 1]
MOMENTS = [
    -1, 0, START_US - 1, START_US, START_US + US_PER_HOUR - 1, START_US + US_PER_HOUR, AT_US - 1, AT_US,
    AT_US + 123_456,
    MAX_OCCURRED_US, MAX_OCCURRED_US + 1, 253_402_300_800 * 10**6 - 1, 253_402_300_800 * 10**6, INT64_MAX,
    -62_135_596_800 * 10**6 - 1, -62_167_219_200 * 10**6,
]  # fmt: skip
NAMES = [None, PRO, CODE, "doubao-seed-2-0-code-260215", "all", "none", "m", "other", "", " ", "x" * 201, "a\0b", "ä"]
PROVIDERS = [None, "evolink", "acme", "late", "volcengine", "", "unknown", "p" * 65, "p" * 201]
LABELS: dict[str, list[Any]] = {
    "provider": PROVIDERS,
    "source": [None, "gateway", " ", "s" * 65],
    "requested_model": NAMES,
    "reported_model": NAMES,
    "project": [None, "search", "p" * 201],
    "service_tier": [None, "auto", "default", "flex", "batch", "a secret", ""],
    "status": [None, "completed", "incomplete", "failed", "cancelled", "queued", "in_progress", "done"],
    "kind": [None, "request", "cache_storage", "cache_storage", "embedding"],
    "request_id": ["r1", "r1", "ärger", "\x85", " r", None, "", " ", "\u3000", "x" * 513, "ä" * 400, "a\0b", "\x7f"],
    "tags": [
        None, [], [("a", "1")], [("b", "1"), ("a", None)], [("a", "1"), ("b", "2")], [("a", "1"), ("a", "2")],
        [("a", "1"), ("b", "2"), ("a", "1")],
        [("", "x")], [("k" * 65, "x")], [("a", "v" * 513)], [("a", "ä" * 400)], [("a", "\0")],
        [(str(n), "x") for n in range(65)],
    ],
}  # fmt: skip
LIKELY: dict[str, Any] = {"occurred_at": AT_US, "start": AT_US, "end": AT_US + US_PER_HOUR, "input_tokens": 32_001}


@st.composite
def any_rows(draw: st.DrawFn) -> dict[str, Any]:
    """A record that may be priced, changed in a few fields to anything."""
    row: dict[str, Any] = draw(st.sampled_from([record(), record(provider="acme", requested_model="all"), storage()]))
    values = LABELS | {n: [None, *EDGES] for n in COUNTS} | {n: [None, *MOMENTS] for n in TIMES}
    changed = draw(st.lists(st.sampled_from(sorted(values)), max_size=4, unique=True))
    return row | {name: draw(st.sampled_from(values[name])) for name in changed}


@settings(max_examples=200)
@given(st.lists(any_rows(), max_size=12), st.lists(st.integers(1, 5), max_size=3), st.booleans())
def test_batches_are_priced_as_one_record_after_the_other(
    rows: list[dict[str, Any]], lengths: list[int], unbooked: bool
) -> None:
    whole, batches, start = batch_of(rows), [], 0
    for length in lengths:
        batches.append(whole.slice(start, length))
        start += length
    found = priced([*batches, whole.slice(start)], tool_fees="unbooked" if unbooked else "refuse")
    assert found == [expected(row, unbooked=unbooked) for row in rows]


EVERY_ROW = [
    *(record(**{name: value}) for name, values in LABELS.items() for value in values),
    *(record(**{name: value}) for name in COUNTS for value in (None, *EDGES)),
    *(record(occurred_at=value) for value in (None, *MOMENTS)),
    *(storage(**{name: value}) for name in COUNTS for value in (None, *EDGES)),
    *(storage(**{name: value}) for name in TIMES for value in (None, *MOMENTS)),
    *(record(provider=provider, requested_model="all", calls=3) for provider in PROVIDERS),
    *(record(provider="acme", requested_model=model, calls=3, tool_calls=n) for model in NAMES for n in (0, 2)),
    *(storage(provider="acme", requested_model=model) for model in NAMES),
    *(record(provider="late", requested_model="m", occurred_at=at) for at in MOMENTS),
    *(storage(provider="late", requested_model="m", start=at, end=at + 1) for at in MOMENTS[2:8]),
    *(record(status=status, input_tokens=None) for status in LABELS["status"]),
    *(record(service_tier=tier, input_tokens=0, output_tokens=0) for tier in LABELS["service_tier"]),
    record(calls=INT64_MAX, tool_calls=INT64_MAX),
    record(cache_write_5m_tokens=6, cache_write_1h_tokens=5),
    record(provider="acme", requested_model="all", cache_write_5m_tokens=3, cache_write_1h_tokens=5, calls=1),
]


def test_no_character_but_these_is_blank() -> None:
    assert "".join(filter(str.isspace, map(chr, range(0x110000)))) == _BLANKS


def test_every_value_of_every_field_is_read_as_in_one_record() -> None:
    assert priced([batch_of(EVERY_ROW)]) == [expected(row) for row in EVERY_ROW]


def test_rows_without_a_provider_are_of_the_one_that_is_given() -> None:
    rows = [record(), record(provider="evolink"), record(source="s")]
    assert priced([batch_of(rows)], provider="volcengine") == [expected(row, "volcengine") for row in rows]
    assert [row["reason"] for row in priced([batch_of(rows[::2])], provider="p" * 65)] == [
        "too_long",
        "unknown_provider",
    ]


# --- how columns may come -------------------------------------------------------------------------------------------

TEXTS = [field.name for field in USAGE_SCHEMA if field.type == pa.string()]


def as_type(column: Any, wanted: Any) -> Any:
    if pa.types.is_dictionary(wanted):
        coded = column.cast(wanted.value_type).dictionary_encode()
        return pa.DictionaryArray.from_arrays(coded.indices.cast(wanted.index_type), coded.dictionary)
    return column.cast(wanted)


def recast(batch: Any, types: dict[str, Any]) -> Any:
    fields = [pa.field(field.name, types.get(field.name, field.type)) for field in batch.schema]
    return pa.RecordBatch.from_arrays(
        [as_type(column, field.type) for column, field in zip(batch.columns, fields, strict=True)],
        schema=pa.schema(fields),
    )


@pytest.mark.parametrize(
    "types",
    [
        dict.fromkeys(TEXTS, pa.large_string()),
        dict.fromkeys(TEXTS, pa.dictionary(pa.int8(), pa.string())),
        dict.fromkeys(TEXTS, pa.dictionary(pa.int64(), pa.large_string())),
        dict.fromkeys(TIMES, pa.timestamp("us", "Asia/Shanghai")),
        {"tags": pa.map_(pa.large_string(), pa.large_string())},
    ],
)
def test_texts_and_times_may_be_of_any_such_type(types: dict[str, Any]) -> None:
    rows = EVERY_ROW[:: 5 if pa.dictionary(pa.int8(), pa.string()) in types.values() else 1]
    assert priced([recast(batch_of(rows), types).slice(1)]) == [expected(row) for row in rows[1:]]


@pytest.mark.parametrize("unit", ["s", "ms", "ns"])
def test_times_may_have_any_unit(unit: str) -> None:
    rows = [record(), storage(end=AT_US + US_PER_HOUR), record(occurred_at=START_US - 10**6), record(occurred_at=0)]
    rows += [record(occurred_at=-(10**6))]
    assert priced([recast(batch_of(rows), dict.fromkeys(TIMES, pa.timestamp(unit, "UTC")))]) == list(
        map(expected, rows)
    )


def test_digits_below_a_microsecond_are_cut_off() -> None:
    ticks = pa.array([START_US * 1_000 - 1, -1, (AT_US + 5) * 1_000 + 999]).cast(pa.timestamp("ns", "UTC"))
    batch = batch_of([record()] * 3).drop_columns(["occurred_at"]).append_column("occurred_at", ticks)
    rows = [record(occurred_at=us) for us in (START_US - 1, -1, AT_US + 5)]
    assert priced([batch]) == list(map(expected, rows))


@pytest.mark.parametrize(
    "kind", [pa.int8(), pa.int32(), pa.uint16(), pa.uint64(), pa.dictionary(pa.int8(), pa.int64())]
)
def test_counts_may_be_of_any_integer_type(kind: Any) -> None:
    rows = [record(input_tokens=100, cached_input_tokens=None), record(input_tokens=1), record(cached_input_tokens=9)]
    types = dict.fromkeys(["input_tokens", "cached_input_tokens"], kind)
    assert priced([recast(batch_of(rows), types)]) == list(map(expected, rows))


def test_a_count_past_64_bits_is_told_as_it_is() -> None:
    batch = batch_of([record()]).drop_columns(["input_tokens"])
    batch = batch.append_column("input_tokens", pa.array([2**63], pa.uint64()))
    assert priced([batch]) == [expected(record(input_tokens=2**63))]
    assert priced([batch])[0]["reason"] == "count_out_of_range"


def test_columns_may_be_left_out_and_come_in_any_order_among_others() -> None:
    rows = [record(), record(input_tokens=None), record(requested_model=None)]
    fields = [field for field in reversed(USAGE_SCHEMA) if field.name in record()]
    batch = batch_of(rows, pa.schema([*fields, pa.field("note", pa.int8(), metadata={"k": "v"})], {"of": "a lake"}))
    (found,) = price_batches([batch], CARDS)
    assert found.select(batch.schema.names).equals(batch)
    assert found.schema.metadata == {b"of": b"a lake"}
    assert found.schema.names == [*batch.schema.names, *RESULT_SCHEMA.names]
    assert found.schema.field("note").metadata == {b"k": b"v"}
    assert priced([batch]) == list(map(expected, rows))


def test_a_batch_without_ids_or_of_nulls_is_refused_row_by_row() -> None:
    nulls = pa.RecordBatch.from_arrays([pa.nulls(2), pa.nulls(2)], names=["request_id", "occurred_at"])
    assert [row["reason"] for row in priced([nulls])] == ["missing_id"] * 2
    assert [row["reason"] for row in priced([batch_of([record()]).drop_columns(["request_id"])])] == ["missing_id"]


def test_chunks_of_a_table_are_priced_as_they_come() -> None:
    rows = [record(input_tokens=n, tags=[("n", str(n))]) for n in range(50)]
    one, other = batch_of(rows[:20]), batch_of(rows[20:])
    table = pa.concat_tables([pa.Table.from_batches([one]), pa.Table.from_batches([other])])
    assert priced(table.to_batches(max_chunksize=7)) == list(map(expected, rows))


def test_a_batch_without_rows_has_the_columns_of_all() -> None:
    for columns in (USAGE_SCHEMA, pa.schema([])):
        (found,) = price_batches([batch_of([], columns)], CARDS)
        assert found.num_rows == 0
        assert list(found.schema) == [*columns, *RESULT_SCHEMA]


def test_nothing_is_priced_before_it_is_asked_for() -> None:
    batches = iter([batch_of([record()]), batch_of([record()])])
    found = price_batches(batches, CARDS)
    assert next(found).num_rows == 1
    assert next(batches).num_rows == 1
    assert list(found) == []


@pytest.mark.parametrize(
    ("name", "column", "words"),
    [
        (
            "occurred_at",
            pa.array([1], pa.timestamp("us")),
            "occurred_at is timestamp[us]: it holds timestamp[us, tz=UTC]",
        ),
        ("occurred_at", pa.array([1]), "occurred_at is int64"),
        ("input_tokens", pa.array([1.0]), "input_tokens is double: it holds int64"),
        ("input_tokens", pa.array(["1"]).dictionary_encode(), "input_tokens is dictionary<values=string"),
        ("requested_model", pa.array([b"x"]), "requested_model is binary: it holds string"),
        ("tags", pa.array([{"a": "b"}]), "tags is struct<a: string>: it holds map<string, string>"),
        ("tags", pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8())), "tags is map<string, int8>"),
        ("provider_amount", pa.array([True]), "provider_amount is bool"),
    ],
)
def test_a_column_of_a_wrong_type_is_refused_by_name(name: str, column: Any, words: str) -> None:
    with pytest.raises(TypeError) as refused:
        list(price_batches([pa.RecordBatch.from_arrays([column], names=[name])], CARDS))
    assert words in str(refused.value)


@pytest.mark.parametrize("figure", [pa.array(["0.5usd"]), pa.array([0.5]), pa.array([5]), pa.array([Decimal(5)])])
def test_a_figure_of_the_gateway_is_carried_along(figure: Any) -> None:
    batch = batch_of([record()]).drop_columns(["provider_amount"]).append_column("provider_amount", figure)
    (found,) = price_batches([batch], CARDS)
    assert found.column("provider_amount").equals(figure)
    assert priced([batch]) == [expected(record())]


@pytest.mark.parametrize(
    ("names", "words"),
    [(["project", "project"], "project is there twice"), (["project", "tier"], "tier is one that pricing adds")],
)
def test_columns_of_one_name_are_refused(names: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        list(price_batches([pa.RecordBatch.from_arrays([pa.array(["a"])] * 2, names=names)], CARDS))


def test_text_that_is_no_utf8_is_refused_by_the_name_of_its_column() -> None:
    text = pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, 1], np.int32)), pa.py_buffer(b"\xff"))
    tags = pa.MapArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(["a"]), text)
    for name, column in (("project", text), ("tags", tags)):
        with pytest.raises(ValueError, match=f"column {name} is damaged: Invalid UTF8"):
            list(price_batches([pa.RecordBatch.from_arrays([column], names=[name])], CARDS))


def test_rows_are_read_as_what_they_lack_says() -> None:
    usage = Usage.of({}, 2)
    assert usage.lacks("input_tokens").all()
    assert not usage.is_storage.any()


# --- what can't be meant --------------------------------------------------------------------------------------------


def test_a_table_is_told_what_to_give() -> None:
    with pytest.raises(TypeError, match=r"^Table is no record batch: of a table, give table\.to_batches\(\)$"):
        list(price_batches([pa.table({"request_id": ["r1"]})], CARDS))


@pytest.mark.parametrize("word", ["Refuse", "refused", "", None])
def test_fees_are_refused_or_unbooked_and_nothing_else(word: Any) -> None:
    with pytest.raises(ValueError, match=rf"^tool_fees {word!r} is none of its choices: give refuse or unbooked$"):
        price_batches([], CARDS, tool_fees=word)


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("pricing.arrow")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r"^record batches need pyarrow: pip install 'tollbook\[parquet\]'$"):
        import_module("pricing.arrow")
