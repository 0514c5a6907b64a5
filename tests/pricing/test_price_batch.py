from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing import Charge, ModelColumn, PricingError, RateCard, TokenUsage, load_rate_cards, price_batch, price_usage
from pricing.batch import BLOCK_ROWS, BatchCharges, refusal
from pricing.by_card import MOST_KEPT_NAMES, _tables
from pricing.charge import METERS
from pricing.columns import count_column
from pricing.money import INT64_MAX, Settlement, divide_half_even
from pricing.rate_card import ModelRates
from pricing.rate_entry import PromptTier, RateEntry

CARDS = load_rate_cards()
START = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
AMOUNTS = [*(f"{meter}_nano" for meter in METERS if meter != "cache_storage"), "amount_nano"]
PRO, CODE = "doubao-seed-2.0-pro", "doubao-seed-2.0-code"


def expected_row(
    card: RateCard, model: Any, at: Any, counts: Sequence[Any], service: Any = None, more: Sequence[Any] = ()
) -> tuple[Any, ...]:
    """What the scalar rule says of a row, in the shape of `batch_row`; `more` are written tokens and calls."""
    whole, cached, output = counts
    try:
        charge = price_usage(
            TokenUsage(whole, cached, output, 0, *more), card=card, model=model, at=at, service_tier=service
        )
    except PricingError as error:
        return -1, -1, *[0] * len(AMOUNTS), type(error), error.reason, str(error)
    return (*figures(charge), None, None, None)


def figures(charge: Charge) -> tuple[Any, ...]:
    assert charge.tier is not None
    tier_index = charge.entry.tiers.index(charge.tier)
    return (charge.entry.key, tier_index, *(getattr(charge, name) for name in AMOUNTS))


def batch_row(charges: BatchCharges, row: int) -> tuple[Any, ...]:
    entry_index = int(charges.entry_index[row])
    error = charges.errors.get(row)
    return (
        -1 if entry_index < 0 else charges.entries[entry_index].key,
        int(charges.tier_index[row]),
        *(int(getattr(charges, name)[row]) for name in AMOUNTS),
        type(error) if error else None,
        error.reason if error else None,
        str(error) if error else None,
    )


def check_equal(card: RateCard, rows: Sequence[tuple[Any, ...]]) -> BatchCharges:
    """Price (model, at, input, cached, output[, service tier[, written 5m, 1h, calls]]) rows both ways, to compare."""
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], [], []]
    model, at, whole, cached, output, *others = columns
    service, short, long, calls = [*others, *[None] * 4][:4]
    charges = price_batch(
        card=card,
        model=model,
        at=at,
        input_tokens=whole,
        cached_input_tokens=cached,
        output_tokens=output,
        service_tier=service,
        cache_write_5m_tokens=short,
        cache_write_1h_tokens=long,
        calls=calls,
    )
    expected = [expected_row(card, row[0], row[1], row[2:5], (*row, None)[5], row[6:]) for row in rows]
    assert [batch_row(charges, row) for row in range(len(rows))] == expected
    assert sorted(charges.errors) == list(charges.errors)
    return charges


# --- scalar = columnar over the whole domain ------------------------------------------------------------------------

WHOLE = [0, 1, 31_999, 32_000, 32_001, 127_999, 128_000, 128_001, 256_000, 256_001, INT64_MAX]


@pytest.mark.parametrize("provider", sorted(CARDS))
def test_every_model_at_every_edge_of_both_cards(provider: str) -> None:
    card = CARDS[provider]
    rows = [
        (model, at, whole, cached, output, service)
        for model in [*card.models, "doubao-seed-2-0-code-preview-260215", "gpt-4o"]
        for at in (START - dt.timedelta(microseconds=1), START, START + dt.timedelta(days=300))
        for whole in WHOLE
        for cached in (0, 1, whole // 2, whole, whole + 1)
        for service in (None, "batch")
        for output in (0, 1, 200, 201, 128_000, 128_001)
    ]
    charges = check_equal(card, rows)
    assert 0 < len(charges.errors) < len(rows)


rates_pico = st.one_of(
    st.just(0), st.integers(1, 3_000), st.integers(0, 10**9).map(lambda rate: rate * 1_000), st.integers(0, INT64_MAX)
)
maybe_pico = st.none() | rates_pico
maybe_settlement = st.none() | st.builds(
    Settlement,
    quantum_nano=st.sampled_from([1, 7, 100_000, INT64_MAX // 1_000]),
    mode=st.sampled_from(["ceil", "floor", "half_even", "half_up"]),
    minimum_nano=st.sampled_from([0, 1, 10**9, INT64_MAX // 1_000]),
)
bounds = st.lists(st.one_of(st.integers(1, 20), st.integers(1, INT64_MAX)), max_size=3, unique=True).map(sorted)
days = st.integers(0, 6).map(lambda day: START + dt.timedelta(days=day))
limits = st.none() | st.integers(1, 30) | st.just(INT64_MAX)


@st.composite
def entries(draw: st.DrawFn, model: str, start: dt.datetime) -> RateEntry:
    ends = st.none() | st.integers(1, 3).map(lambda length: start + dt.timedelta(days=length))
    entry = RateEntry(
        call_pico=draw(maybe_pico),
        provider="p",
        currency="CRD",
        model=model,
        effective_from=start,
        effective_to=draw(ends),
        tiers=draw(tiers()),
        max_input_tokens=draw(limits),
        max_output_tokens=draw(limits),
        settlement=draw(maybe_settlement),
    )
    served = draw(st.sampled_from([(), (("batch",),), (("flex", "scale"), ("batch",))]))
    services = tuple(replace(entry, tiers=draw(tiers()), service=each[0], service_names=each) for each in served)
    entry = replace(entry, services=tuple(draw(agreed(each)) for each in services))
    return draw(agreed(entry))


@st.composite
def agreed(draw: st.DrawFn, entry: RateEntry) -> RateEntry:
    """The entry with up to two contracts, one after the other."""
    cuts = sorted(draw(st.sets(st.integers(0, 4), max_size=3)))
    spans: Iterable[tuple[int, int | None]] = zip(cuts, [*cuts[1:], None][: len(cuts)], strict=True)
    contracts = tuple(
        replace(
            entry,
            effective_from=entry.effective_from + dt.timedelta(days=start),
            effective_to=None if end is None else entry.effective_from + dt.timedelta(days=end),
            tiers=draw(tiers()),
            call_pico=draw(maybe_pico),
            services=(),
            contract="acme",
            list_digest=entry.digest,
        )
        for start, end in spans
        if draw(st.booleans())
    )
    return replace(entry, contracts=contracts)


@st.composite
def tiers(draw: st.DrawFn) -> tuple[PromptTier, ...]:
    ups: list[int | None] = [*draw(bounds)]
    if not ups or draw(st.booleans()):
        ups.append(None)
    return tuple(
        PromptTier(
            up, draw(rates_pico), draw(maybe_pico), draw(rates_pico), output_up_to, draw(maybe_pico), draw(maybe_pico)
        )
        for up in ups
        for output_up_to in [*draw(bounds), None]
    )


@st.composite
def cards(draw: st.DrawFn) -> RateCard:
    models = {}
    for model, aliases in (("a", ("a-*", "c")), ("b", ("a-b-*",))):
        starts = sorted(draw(st.sets(days, min_size=1, max_size=3)))
        models[model] = ModelRates(model, aliases, None, None, tuple(draw(entries(model, start)) for start in starts))
    return RateCard("p", "CRD", models)


edge_days = st.tuples(st.integers(-1, 8), st.integers(-1, 1)).map(
    lambda edge: START + dt.timedelta(days=edge[0], microseconds=edge[1])
)
far_times = st.sampled_from(
    [
        dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=14))),
        dt.datetime.max.replace(tzinfo=dt.timezone(-dt.timedelta(hours=14))),
        dt.datetime.max.replace(tzinfo=dt.UTC),
    ]
)
bad_times = st.sampled_from([START.replace(tzinfo=None), None, "2026-02-01", START.date(), 0])
good_counts = st.one_of(st.integers(0, 40), st.integers(0, INT64_MAX))
bad_counts = st.sampled_from([-1, -(2**63), 2**63, 10**30, True, 1.0, "5", None, float("nan")])
service_tiers = st.sampled_from([None, "auto", "default", "batch", "flex", "scale", "", "Batch", 5])
names = st.sampled_from(["a", "b", "c", "a-", "a-x", "a-b-x", "d", "", None, 5])


def rows_of(times: st.SearchStrategy[Any], counts: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    few = st.just(0) | counts
    plain = st.tuples(names, times, counts, counts, counts, service_tiers)
    metered = st.tuples(names, times, counts, few, counts, service_tiers, few, few, few)
    return st.lists(plain, max_size=12) | st.lists(metered | fitting(times), max_size=12)


def fitting(times: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Rows whose cached and written parts fit their input."""
    parts = st.lists(st.integers(0, 9), min_size=6, max_size=6)
    return st.tuples(st.sampled_from(["a", "b"]), times, parts, service_tiers).map(
        lambda row: (*row[:2], sum(row[2][:4]), row[2][1], row[2][4], row[3], *row[2][2:4], row[2][5])
    )


@settings(max_examples=100)
@given(cards(), rows_of(edge_days | far_times, good_counts))
def test_columns_say_what_the_scalar_rule_says(card: RateCard, rows: list[Any]) -> None:
    check_equal(card, rows)


@settings(max_examples=100)
@given(cards(), rows_of(edge_days | bad_times, good_counts | bad_counts))
def test_bad_rows_are_named_as_the_scalar_rule_names_them(card: RateCard, rows: list[Any]) -> None:
    check_equal(card, rows)


@given(
    st.lists(st.tuples(st.sampled_from([PRO, CODE]), st.integers(0, 256_000), st.integers(0, 128_000))), st.randoms()
)
def test_the_order_of_rows_does_not_matter(rows: list[tuple[str, int, int]], random: Any) -> None:
    def amounts(ordered: list[tuple[str, int, int]]) -> list[tuple[Any, int]]:
        charges = price_batch(
            card=CARDS["evolink"],
            model=[model for model, _, _ in ordered],
            at=[START] * len(ordered),
            input_tokens=[whole for _, whole, _ in ordered],
            output_tokens=[output for _, _, output in ordered],
        )
        assert charges.errors == {}
        assert (charges.input_nano + charges.cached_input_nano + charges.output_nano == charges.amount_nano).all()
        return sorted(zip(ordered, charges.amount_nano.tolist(), strict=True))

    shuffled = list(rows)
    random.shuffle(shuffled)
    assert amounts(rows) == amounts(shuffled)


@pytest.mark.parametrize("rate_pico", [1, 7, 999, 1_000, 1_500, INT64_MAX])
@pytest.mark.parametrize("meter", [0, 1, 2])
def test_the_largest_product_of_each_meter_is_priced_and_the_next_refused(rate_pico: int, meter: int) -> None:
    rates = [0, 0, 0]
    rates[meter] = rate_pico
    entry = RateEntry("p", "CRD", "a", START, None, (PromptTier(None, *rates),))
    card = RateCard("p", "CRD", {"a": ModelRates("a", (), None, None, (entry,))})
    most = INT64_MAX // rate_pico
    rows = []
    for tokens in (most - 1, most, most + 1):
        counts = [(tokens, 0, 0), (tokens, tokens, 0), (0, 0, tokens)][meter]
        rows.append(("a", START, *counts))
    charges = check_equal(card, rows)
    past = "count_out_of_range" if most == INT64_MAX else "amount_overflow"
    assert {row: error.reason for row, error in charges.errors.items()} == {2: past}
    assert charges.amount_nano.tolist() == [
        divide_half_even(tokens * rate_pico, 1_000) for tokens in (most - 1, most)
    ] + [0]


def test_lines_without_settlement_are_rounded_half_to_even() -> None:
    entry = RateEntry("p", "CRD", "a", START, None, (PromptTier(None, 500, 500, 1_500),))
    card = RateCard("p", "CRD", {"a": ModelRates("a", (), None, None, (entry,))})
    charges = check_equal(card, [("a", START, 3, 2, 1), ("a", START, 8, 5, 3)])
    # 0.5, 1 and 1.5 nano; 1.5, 2.5 and 4.5 nano
    assert charges.amount_nano.tolist() == [0 + 1 + 2, 2 + 2 + 4]


def test_blocks_join_without_a_seam() -> None:
    length = 2 * BLOCK_ROWS + 3
    whole = np.arange(length) % 300_000
    charges = price_batch(
        card=CARDS["evolink"], model=PRO, at=np.full(length, START_US), input_tokens=whole, output_tokens=whole % 7
    )
    for row in (0, 1, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 2 * BLOCK_ROWS - 1, 2 * BLOCK_ROWS, length - 1):
        expected = expected_row(CARDS["evolink"], PRO, START, (int(whole[row]), 0, int(whole[row] % 7)))
        assert batch_row(charges, row) == expected


# --- what columns may be --------------------------------------------------------------------------------------------

START_US = 1_769_904_000 * 10**6  # 2026-02-01T00:00:00Z


def batch(**columns: Any) -> BatchCharges:
    defaults: dict[str, Any] = {"model": [PRO, CODE], "at": [START, START], "input_tokens": [1, 32_001]}
    return price_batch(card=CARDS["evolink"], **(defaults | columns))


PRICED = [1 * 32_000, 32_001 * 48_000]


def test_columns_left_out_are_nothing() -> None:
    charges = batch()
    assert charges.amount_nano.tolist() == PRICED
    assert charges.output_nano.tolist() == [0, 0]
    assert charges.cached_input_nano.tolist() == [0, 0]


@pytest.mark.parametrize(
    "model",
    [
        PRO,
        [PRO, CODE],
        (PRO, CODE),
        np.array([PRO, CODE]),
        np.array([PRO, CODE], object),
        pd.Series([PRO, CODE]),
        pd.Categorical([PRO, CODE]),
        ModelColumn([CODE, PRO], np.array([1, 0], np.int8)),
    ],
    ids=["one", "list", "tuple", "array", "objects", "series", "categorical", "codes"],
)
def test_models_by_name_or_by_code(model: Any) -> None:
    charges = batch(model=model)
    assert charges.amount_nano.tolist() == PRICED
    assert charges.entries[charges.entry_index[0]].model == PRO


def test_a_code_of_no_model_is_a_bad_row() -> None:
    for model in (pd.Categorical([None, CODE]), ModelColumn([CODE], np.array([-1, 0]))):
        charges = batch(model=model)
        assert charges.amount_nano.tolist() == [0, PRICED[1]]
        assert {row: error.reason for row, error in charges.errors.items()} == {0: "unknown_model"}
        assert str(charges.errors[0]).startswith("model None is not on card")


@pytest.mark.parametrize("codes", [[0, 1], [-2, 0]])
def test_codes_outside_the_categories_are_refused(codes: list[int]) -> None:
    with pytest.raises(ValueError, match=r"model codes run from -?[02] to [01]: they index 1 categories"):
        batch(model=ModelColumn([PRO], np.array(codes)))


@pytest.mark.parametrize(
    "at",
    [
        np.array([START_US, START_US]),
        np.array(["2026-02-01", "2026-02-01"], "datetime64[D]"),
        np.array(["2026-02-01T00", "2026-02-01T00"], "datetime64[h]"),
        np.array(["2026-02-01T00:00", "2026-02-01T00:00"], "datetime64[m]"),
        np.array(["2026-02-01", "2026-02-01"], "datetime64[s]"),
        np.array(["2026-02-01", "2026-02-01"], "datetime64[ms]"),
        np.array(["2026-02-01", "2026-02-01"], "datetime64[us]"),
        np.array(["2026-02-01", "2026-02-01"], "datetime64[ns]"),
        pd.to_datetime(["2026-02-01", "2026-02-01"]),
        pd.Series(pd.to_datetime(["2026-02-01", "2026-02-01"], utc=True)),
        (START.astimezone(dt.timezone(dt.timedelta(hours=8))), START),
    ],
    ids=["int64", "D", "h", "m", "s", "ms", "us", "ns", "index", "series", "tuple"],
)
def test_times_of_each_kind_mean_the_same_instant(at: Any) -> None:
    assert batch(at=at).amount_nano.tolist() == PRICED


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_before_the_first_day_are_named_to_their_unit(unit: str) -> None:
    before = np.array(["2026-02-01", "2026-02-01"], f"datetime64[{unit}]")
    before[0] = before.view(np.int64)[0] - 1
    charges = batch(at=before)
    assert list(charges.errors) == [0]
    shown = {"s": "59+00", "ms": "59.999000+00", "us": "59.999999+00", "ns": "59.999999+00"}[unit]
    assert f"no price at 2026-01-31T23:59:{shown}" in str(charges.errors[0])


@pytest.mark.parametrize(
    "at",
    [
        np.array(["NaT", "2026-02-01"], "datetime64[us]"),
        np.array(["NaT", "2026-02-01"], "datetime64[s]"),
        np.array(["NaT", "2026-02-01"], "datetime64[ns]"),
        np.array(["10000-01-01", "2026-02-01"], "datetime64[s]"),
        np.array(["10000-01-01", "2026-02-01"], "datetime64[us]"),
        np.array(["0000-12-31", "2026-02-01"], "datetime64[D]"),
        np.array([2**62, 20_485], "int64").view("datetime64[D]"),  # would wrap as microseconds
        np.array([-(2**63), START_US]),
        np.array([2**63 - 1, START_US]),
        np.array([253_402_300_800 * 10**6, START_US]),  # 10000-01-01
    ],
)
def test_times_outside_the_calendar_are_bad_rows(at: Any) -> None:
    charges = batch(at=at)
    assert charges.amount_nano.tolist() == [0, PRICED[1]]
    assert {row: error.reason for row, error in charges.errors.items()} == {0: "naive_time"}


def test_the_last_microsecond_of_the_calendar_is_a_time() -> None:
    last = np.array([253_402_300_800 * 10**6 - 1] * 2)
    assert batch(at=last).amount_nano.tolist() == PRICED


@pytest.mark.parametrize(
    "at", [np.array([1.0, 2.0]), np.array([1, 2], np.int32), np.array([1, 2], "m8[us]"), np.array([1, 2], "M8[10s]")]
)
def test_arrays_of_other_things_than_times_are_refused(at: Any) -> None:
    with pytest.raises(TypeError, match=f"times are an array of {at.dtype}".replace("[", r"\[")):
        batch(at=at)


@pytest.mark.parametrize(
    "counts",
    [
        (1, 32_001),
        np.array([1, 32_001], np.int32),
        np.array([1, 32_001], np.uint64),
        np.array([1, 32_001], object),
        pd.Series([1, 32_001]),
        pd.Series([1, 32_001], dtype="Int64"),
    ],
    ids=["tuple", "int32", "uint64", "object", "series", "nullable"],
)
def test_counts_of_each_kind(counts: Any) -> None:
    assert batch(input_tokens=counts).amount_nano.tolist() == PRICED


@pytest.mark.parametrize(
    ("counts", "reason", "words"),
    [
        (np.array([-5, 32_001]), "negative_count", "input_tokens -5 is negative"),
        (np.array([2**63, 32_001], np.uint64), "count_out_of_range", "input_tokens 9223372036854775808 is past"),
        ([2**63, 32_001], "count_out_of_range", "input_tokens 9223372036854775808 is past"),
        ([-(2**70), 32_001], "negative_count", "is negative"),
        ([True, 32_001], "not_an_integer", "input_tokens true is bool"),
        ([1.0, 32_001], "not_an_integer", "input_tokens 1.0 is float"),
    ],
)
def test_a_bad_count_is_named_and_the_rest_is_priced(counts: Any, reason: str, words: str) -> None:
    charges = batch(input_tokens=counts)
    assert charges.amount_nano.tolist() == [0, PRICED[1]]
    assert {row: error.reason for row, error in charges.errors.items()} == {0: reason}
    assert words in str(charges.errors[0])


@pytest.mark.parametrize(
    "counts", [np.array([1.0]), np.array([True]), np.array([1], "m8[s]"), pd.Series([None], dtype="Int64")]
)
def test_arrays_of_other_things_than_counts_are_refused(counts: Any) -> None:
    with pytest.raises(TypeError, match="counts are an array of "):
        batch(input_tokens=counts)


def test_tables_are_no_columns() -> None:
    with pytest.raises(ValueError, match="a column has 2 dimensions"):
        batch(input_tokens=np.zeros((2, 2), np.int64))


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(
        ValueError, match="columns differ in length: input_tokens 2, cached_input_tokens 2, output_tokens 3"
    ):
        batch(output_tokens=[1, 2, 3])
    with pytest.raises(ValueError, match="columns differ in length: model 1, at 2, input_tokens 2"):
        batch(model=[PRO])
    with pytest.raises(ValueError, match="columns differ in length: model 2, at 1, input_tokens 2"):
        batch(at=[START])


def test_no_rows_are_no_charges() -> None:
    charges = batch(model=[], at=[], input_tokens=[])
    assert (charges.amount_nano.tolist(), charges.errors) == ([], {})
    assert batch(model=ModelColumn([], np.array([], np.int64)), at=[], input_tokens=[]).errors == {}


def test_a_card_without_models_knows_no_model() -> None:
    charges = price_batch(card=RateCard("p", "CRD", {}), model=["x"], at=[START], input_tokens=[1])
    assert charges.errors[0].reason == "unknown_model"


def test_the_two_rules_may_not_disagree() -> None:
    counts = {"input_tokens": count_column([1])}
    (entry,) = CARDS["evolink"].models[PRO].entries
    with pytest.raises(AssertionError, match="row 0 is refused by the columnar rule and priced by the scalar rule"):
        refusal(counts, 0, lambda: entry)


def test_tables_for_many_names_are_not_kept() -> None:
    card = load_rate_cards()["evolink"]
    names = [PRO, *(f"model-{number}" for number in range(MOST_KEPT_NAMES))]
    at, usage = dt.datetime(2026, 3, 1, tzinfo=dt.UTC), TokenUsage(1_000, 0, 10)
    kept = _tables.cache_info()
    counts = {"input_tokens": [1_000], "cached_input_tokens": [0], "output_tokens": [10]}
    charges = price_batch(card=card, model=ModelColumn(names, np.array([0])), at=[at], **counts)
    assert charges.amount_nano.tolist() == [price_usage(usage, card=card, model=PRO, at=at).amount_nano]
    assert _tables.cache_info() == kept
