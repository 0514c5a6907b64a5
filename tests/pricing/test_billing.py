"""A record is priced by the card, model and conversion that hold, or refused in plain words."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from pricing import PricingError, RateCard, load_rate_cards
from pricing.billing import billed_model, card_of_provider, conversion_places, priced_tiers, unpriced_calls
from pricing.errors import NoConversionInEffect
from pricing.money import NANO, Conversion
from pricing.usage import epoch_us

CARDS = load_rate_cards()
CARD = CARDS["evolink"]
PRO, CODE = "doubao-seed-2.0-pro", "doubao-seed-2.0-code"
DAY = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
NEXT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def test_a_provider_has_a_card_or_is_refused_by_name() -> None:
    assert card_of_provider(CARDS, "evolink") is CARD
    with pytest.raises(PricingError, match="provider 'acme' has no rate card; known: evolink, volcengine") as refused:
        card_of_provider(CARDS, "acme")
    assert refused.value.reason == "unknown_provider"


@pytest.mark.parametrize(
    ("requested", "reported", "model", "differs"),
    [
        (PRO, None, PRO, False),
        (PRO, PRO, PRO, False),
        (PRO, "doubao-seed-2-0-code-260215", PRO, True),
        (PRO, "elsewhere", PRO, False),
        ("elsewhere", "doubao-seed-2-0-code-260215", CODE, False),
        (None, CODE, CODE, False),
    ],
)
def test_the_requested_model_is_billed_where_it_is_known(
    requested: str | None, reported: str | None, model: str, differs: bool
) -> None:
    assert billed_model(CARD, requested, reported) == (model, differs)


@pytest.mark.parametrize(
    ("requested", "reported", "words"),
    [
        (None, None, "no model: the card of evolink knows"),
        ("x", "y", "'x' and 'y': the card of evolink knows"),
        ("Doubao-Seed-2.0-Pro", None, "which differs in case alone? The card of evolink knows"),
    ],
)
def test_a_model_that_is_not_known_is_refused(requested: str | None, reported: str | None, words: str) -> None:
    with pytest.raises(PricingError) as refused:
        billed_model(CARD, requested, reported)
    assert refused.value.reason == "unknown_model"
    assert words in str(refused.value)


def test_calls_without_a_price_are_refused_with_their_number() -> None:
    assert unpriced_calls(3).reason == "unpriced_tool_fees"
    assert "(3 here)" in str(unpriced_calls(3))


def test_a_request_without_tokens_needs_no_price_of_its_service_tier() -> None:
    codes = priced_tiers(np.array([4, 4, -1]), [np.array([0, 0, 1]), np.array([0, 1, 0])])
    assert codes.tolist() == [-1, 4, -1]


def test_conversions_hold_from_their_day() -> None:
    conversions = tuple(Conversion("CRD", per_usd * NANO, day) for per_usd, day in ((72, DAY), (68, NEXT)))
    card = RateCard("evolink", "CRD", CARD.models, conversions)
    at_us = np.array([epoch_us(day) + shift for day in (DAY, NEXT) for shift in (-1, 0)])
    places, missing = conversion_places(card, at_us)
    assert places.tolist() == [-1, 0, 0, 1]
    assert {row: type(error) for row, error in missing.items()} == {0: NoConversionInEffect}
    assert "has no CRD conversion at 2026-01-31T23:59:59.999999+00:00" in str(missing[0])


def test_a_card_in_usd_needs_no_conversion() -> None:
    places, missing = conversion_places(RateCard("acme", "USD", {}), np.array([0, 1]))
    assert (places.tolist(), missing) == ([-1, -1], {})
