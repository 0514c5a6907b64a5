"""A text to its estimate: counted, ranged and priced at once."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

from pricing import TokenUsage, load_rate_cards, price_usage
from pricing.estimating.calibration import Calibration
from pricing.estimating.text import estimate
from pricing.money import round_usd


def test_a_text_is_estimated_by_the_rule_that_books_it() -> None:
    march = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    found = estimate("hello world", card="evolink", model="doubao-seed-2.0-pro", at=march, output_tokens=300)
    assert found.input_range == (1, 2, 3)
    for tokens, charge in zip(found.input_range, (found.low, found.expected, found.high), strict=True):
        usage = TokenUsage(tokens, 0, 300)
        assert charge == price_usage(usage, card="evolink", model="doubao-seed-2.0-pro", at=march)
    assert found.expected.usd_nano == round_usd(found.usd)


def test_a_text_is_estimated_in_usd_by_a_card_in_usd() -> None:
    card = replace(load_rate_cards()["evolink"], currency="USD")
    march = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    calibration = Calibration(encoding="o200k_base", models={})
    found = estimate("hello world", card=card, model="doubao-seed-2.0-pro", at=march, calibration=calibration)
    assert found.expected.amount == found.expected.usd == Decimal(2 * 32) / 1_000_000
