"""Random books priced otherwise, compared with plain loops over their charges."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any, get_args

import pytest

from ledger.reports.bridge.values import Cause
from ledger.whatif.changes import Asked
from ledger.whatif.whatif import run_whatif
from pricing.catalog import load_rate_cards
from pricing.charge import price_entry, price_storage
from pricing.errors import PricingError
from pricing.money import NANO, format_nano, round_usd
from pricing.usage import TokenUsage
from tests.helpers.book import CODE, LITE, MINI, PRO, Book, Booked, Priced
from tests.helpers.random_charges import random_charges

NOW = datetime(2026, 8, 1, tzinfo=UTC)
MONTHS = ("2026-02", "2026-03", "2026-04", "2026-05")
CHANGES = [
    Asked(),
    Asked(models=((PRO, LITE),)),
    Asked(models=((PRO, LITE), (LITE, PRO), ("doubao-seed-2-0-code-260215", MINI))),
    Asked(cap_input=32_000),
    Asked(per_usd="68.123456789", provider="evolink"),
    Asked(models=((CODE, MINI), (MINI, CODE)), cap_input=31_999, per_usd="7.3", provider="volcengine"),
    Asked(models=((CODE, MINI),), cap_input=1, per_usd="0.7", provider="evolink"),
]
CARD = """
provider = "volcengine"
currency = "CNY"
per_tokens = 1_000_000
[[conversion]]
per_usd = "6.9"
effective_from = 2026-03-10
[[model]]
id = "doubao-seed-2.0-pro"
[[model.price]]
effective_from = 2026-03-15
cache_storage_per_hour = "0.02"
tiers = [
  { up_to = 50_000, input = "3.123457", cached_input = "0.512345", output = "17.000002" },
  { up_to = 90_000, input = "5.123457", output = "27.000002" },
]
[[model.price.service]]
names = ["batch"]
factor = "0.5"
meters = ["output"]
[settlement]
quantum = "0.0001"
mode = "ceil"
minimum = "0.001"
"""
OF_CARD = [
    Asked(),
    Asked(cap_input=60_000),
    Asked(models=((LITE, PRO),), service_tier="batch"),
    Asked(models=((PRO, LITE), (CODE, PRO)), cap_input=80_000, per_usd="7", provider="volcengine"),
]
Totals = dict[tuple[str, str], Fraction]


def usd(amount_nano: int, per_usd: str | None) -> Fraction:
    return Fraction(amount_nano, NANO) / (1 if per_usd is None else Fraction(Decimal(per_usd)))


def priced_otherwise(book: Book, priced: Priced, asked: Asked) -> tuple[str, str, Fraction]:
    """Model, tier and USD that a charge would be, worked out by itself."""
    booked = priced.booked
    card = load_rate_cards(*asked.rates)[booked.provider]
    per_usd = booked.per_usd
    by_cards = asked.rates and booked.provider == "volcengine"
    if by_cards:
        conversion = card.conversion_at(booked.at)
        assert conversion is not None
        per_usd = format_nano(conversion.per_usd_nano)
    asked_per_usd = None
    if asked.provider in (None, booked.provider):
        models = {str(card.resolve(one)): str(card.resolve(other)) for one, other in asked.models}
        booked = replace(booked, model=models.get(booked.model, booked.model))
        if asked.cap_input is not None:
            cached = min(booked.cached_input_tokens, asked.cap_input)
            booked = replace(booked, input_tokens=min(booked.input_tokens, asked.cap_input), cached_input_tokens=cached)
        asked_per_usd = asked.per_usd
        per_usd = asked.per_usd or per_usd
    stays = (priced.booked.model, priced.tier, usd(priced.nano["amount_nano"], asked_per_usd or priced.booked.per_usd))
    service = asked.service_tier if asked.provider in (None, booked.provider) and booked.kind == "request" else None
    try:
        entry = card.entry_at(booked.model, booked.at, service)
        if not by_cards and service is None and booked.model == priced.booked.model:
            entry = priced.entry
        if booked.storage is not None:
            charge = price_storage(entry, booked.storage_tokens, booked.at, booked.at + booked.storage)
        else:
            usage = TokenUsage(booked.input_tokens, booked.cached_input_tokens, booked.output_tokens)
            charge = price_entry(entry, usage)
    except PricingError:
        return stays
    return booked.model, "none" if charge.tier is None else charge.tier.label, usd(charge.amount_nano, per_usd)


def expected(book: Book, month: str, asked: Asked) -> tuple[Totals, Totals, int]:
    """USD before and after by project, model and tier, and the number of live charges."""
    posted = [priced for priced in book.priced if priced.posted_month == month]
    numbers = {priced.number for priced in posted}
    undone = {priced.booked.corrects for priced in posted if priced.booked.charge_class == "reversal"} & numbers
    before: Totals = defaultdict(Fraction)
    after: Totals = defaultdict(Fraction)
    live = 0
    for priced in posted:
        booked = priced.booked
        if priced.number in undone or booked.corrects in numbers:
            continue
        here = (booked.model, priced.tier, usd(priced.nano["amount_nano"], booked.per_usd))
        model, tier, nano = here
        if booked.charge_class == "charge":
            live += 1
            model, tier, nano = priced_otherwise(book, priced, asked)
        for totals, (name, label, value) in ((before, here), (after, (model, tier, nano))):
            for key in (("project", booked.project), ("model", name), ("tier", label), ("", "")):
                totals[key] += value
    return before, after, live


@pytest.mark.parametrize("asked", CHANGES, ids=lambda asked: ", ".join(asked.words) or "nothing")
def test_a_month_priced_otherwise_is_what_loops_make_of_its_charges(empty_db_url: str, asked: Asked) -> None:
    assert_as_loops_say(Book(empty_db_url).add(*random_charges(Random(repr(asked)))).post(), asked)


def assert_as_loops_say(book: Book, asked: Asked) -> None:
    for month in MONTHS:
        before, after, live = expected(book, month, asked)
        found = run_whatif(book.database, month, asked, now=NOW)
        assert (found.before.usd_nano, found.after.usd_nano) == (round_usd(before["", ""]), round_usd(after["", ""]))
        for moved in found.rows:
            key = (moved.by, moved.name)
            assert (moved.before.usd_nano, moved.after.usd_nano) == (round_usd(before[key]), round_usd(after[key])), key
        named = {(moved.by, moved.name) for moved in found.rows}
        assert not {key for key in (*before, *after) if (before[key] or after[key]) and key not in (*named, ("", ""))}
        assert sum(nano for _cause, nano in found.by_cause) == found.change_nano
        if not asked.words:
            assert (found.read, found.changed, found.change_nano) == (live, 0, 0)
        if asked.per_usd is None and not asked.rates:
            assert dict(found.by_cause)["exchange_rate"] == 0


@pytest.mark.parametrize("asked", OF_CARD, ids=lambda asked: ", ".join(asked.words) or "alone")
def test_a_card_file_is_what_loops_make_of_it(empty_db_url: str, asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_text(CARD)
    named = [replace(booked, requested_model=booked.model) for booked in random_charges(Random(repr(asked)))]
    book = Book(empty_db_url).add(*named).post()
    assert_as_loops_say(book, replace(asked, rates=(str(tmp_path / "card.toml"),)))


def causes(found: Any) -> set[str]:
    return {cause for cause, nano in found.by_cause if nano}


@pytest.mark.parametrize("seed", [1, 2])
def test_one_change_has_its_own_causes_alone(empty_db_url: str, seed: int) -> None:
    """Whatever else a project used in the month: models, conversions and lengths of all kinds."""
    book = Book(empty_db_url).add(*random_charges(Random(seed))).post()

    def caused_by(asked: Asked) -> set[str]:
        return set().union(*(causes(run_whatif(book.database, month, asked, now=NOW)) for month in MONTHS))

    assert caused_by(Asked(models=((PRO, LITE),))) == {"models"}
    assert caused_by(Asked(models=((LITE, CODE), (MINI, CODE)))) == {"models"}
    assert caused_by(Asked(per_usd="68", provider="evolink")) == {"exchange_rate"}
    assert caused_by(Asked(cap_input=32_000)) == {"prompt_length", "tier_mix", "cache"}
    assert causes(run_whatif(book.database, "2026-03", Asked(), now=NOW)) == set()
    assert set(get_args(Cause)) > {"models", "exchange_rate", "prompt_length", "tier_mix", "cache"}


@pytest.mark.parametrize("cap_input", [None, 1_000_000], ids=["by sums", "by requests"])
def test_each_charge_of_a_corrected_chain_is_counted_once(empty_db_url: str, cap_input: int | None) -> None:
    """Late usage corrected within the month is the month's usage; what corrects an earlier month's is not."""
    february, march = datetime(2026, 2, 5, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)
    tokens: dict[str, Any] = {"input_tokens": 31_250, "model": PRO}
    earlier, late = Booked(at=february, **tokens), Booked(at=february, posted_month="2026-03", **tokens)
    book = Book(empty_db_url).add(earlier, late, Booked(at=march, **tokens))
    # The charge of February is moved to another project in March, twice; the late one too, twice.
    for first, second in ((1, 5), (2, 9)):
        of = book.priced[first - 1].booked
        moved = replace(of, charge_class="replacement", posted_month="2026-03", project="chat", corrects=first)
        again = replace(moved, project="ide", corrects=second)
        book.add(of.reversed(first, posted_month="2026-03"), moved, moved.reversed(second), again)
    book.post()
    each = round_usd(Fraction(31_250 * 32, 1_000_000 * 72))
    found = run_whatif(book.database, "2026-03", Asked(models=((PRO, LITE),), cap_input=cap_input), now=NOW)
    projects = {
        moved.name: (moved.before.usd_nano, moved.after.usd_nano) for moved in found.rows if moved.by == "project"
    }
    # 32 credits for 1M tokens become 6. In March: -1 and +1 of February, the late one in `ide`, and March's own.
    cheaper = round_usd(Fraction(31_250 * 6, 1_000_000 * 72))
    assert projects == {
        "search": (0, cheaper - each),
        "ide": (2 * each, each + cheaper),
    }
    assert (found.requests_changed, found.corrections_usd_nano) == (2, 0)
