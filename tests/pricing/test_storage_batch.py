"""Cache storage by columns has the figures, and the refusals, of one record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pricing import ModelColumn, PricingError, RateCard, load_rate_cards
from pricing.charge import price_storage
from pricing.money import INT64_MAX, Settlement
from pricing.rate_card import ModelRates
from pricing.storage_batch import price_storage_batch
from pricing.usage import US_PER_HOUR, epoch_us, instant

CODE = load_rate_cards()["evolink"].models["doubao-seed-2.0-code"].entries[0]
FIRST_US = epoch_us(CODE.effective_from)


def model(name: str, rate_pico: int | None, settlement: Settlement | None = None) -> ModelRates:
    entry = replace(CODE, model=name, cache_storage_pico=rate_pico, settlement=settlement)
    return ModelRates(name, (), None, None, (entry,))


MODELS = [
    model("plain", 170_000),
    model("free", 0),
    model("absent", None),
    model("dear", INT64_MAX),
    model("settled", 1, Settlement(7, "ceil", 30)),
]
CARD = RateCard("evolink", "CRD", {rates.id: rates for rates in MODELS})
NAMES = [*CARD.models, "unknown"]
ROWS = st.tuples(
    st.integers(0, len(NAMES) - 1),
    st.integers(FIRST_US - US_PER_HOUR, FIRST_US + 3 * US_PER_HOUR),
    st.sampled_from([-1, 0, 1, US_PER_HOUR - 1, US_PER_HOUR, US_PER_HOUR + 1, 10**6 * US_PER_HOUR]),
    st.sampled_from([-1, 0, 1, 5_000, 10**9, INT64_MAX // 170_000, INT64_MAX]),
)


@given(st.lists(ROWS, max_size=12))
def test_columns_are_priced_as_each_record(rows: list[tuple[int, int, int, int]]) -> None:
    codes, start, length, tokens = np.array(rows, np.int64).reshape(-1, 4).T
    found = price_storage_batch(
        card=CARD, model=ModelColumn(NAMES, codes), start=start, end=start + length, tokens=tokens
    )
    for row, (code, at, lasts, count) in enumerate(rows):
        index, error = int(found.entry_index[row]), found.errors.get(row)
        told = (error.reason, str(error)) if error else found.entries[index]
        assert (told, found.amount_nano[row]) == expected(NAMES[code], count, at, at + lasts)
        assert (index < 0) == (error is not None)
    assert (found.tier_index == -1).all()


def expected(name: str, tokens: int, start: int, end: int) -> tuple[object, int]:
    try:
        charge = price_storage(CARD.entry_at(name, instant(start)), tokens, instant(start), instant(end))
    except PricingError as error:
        return (error.reason, str(error)), 0
    return charge.entry, charge.amount_nano
