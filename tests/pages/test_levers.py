"""Levers: what would have been saved, as arithmetic, and what is no lever."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from ledger.book.project_names import apply_projects
from ledger.budgets.schedule import Part, Schedule
from ledger.config import Project
from ledger.pages.figures import levers as levers_module
from ledger.pages.figures.levers import Levers, find_levers
from ledger.pages.figures.values import Lever
from ledger.reports.price_steps import steps_of
from ledger.values.amounts import Amount
from ledger.values.budget import Budget
from pricing.money import NANO
from pricing.rate_entry import PromptTier, RateEntry
from tests.helpers.book import CODE, LITE, NOON, PRO, Book, Booked, Priced
from tests.helpers.page_months import month_read

# Credits per 1M tokens of pro and code: input, cached input, output, by price step.
TO_32K, TO_128K, TO_256K = (32, Fraction("6.4"), 160), (48, Fraction("6.4"), 240), (96, Fraction("6.4"), 480)


def usd_nano(credits: Fraction, per_usd: int = 72) -> int:
    return round(credits / per_usd * NANO)


def cost(rates: tuple[int, Fraction, int], uncached: int, cached: int, output: int) -> Fraction:
    """Credits."""
    return Fraction(uncached * rates[0] + output * rates[2], 1_000_000) + cached * rates[1] / 1_000_000


def found(book: Book, month: str = "2026-03", *, rows: bool = False, schedules: Mapping[str, Schedule] = {}) -> Levers:
    with month_read(book.database, month) as (snapshot, spend):
        return find_levers(snapshot, spend, schedules, rows=rows)


def long_prompt(input_tokens: int = 130_000, **changes: Any) -> Booked:
    return Booked(**{"model": PRO, "input_tokens": input_tokens, "output_tokens": 2_000, **changes})


# --- price steps ----------------------------------------------------------------------------------------------------


def test_prompts_just_over_a_step_would_have_saved_the_difference_to_its_bound(empty_db_url: str) -> None:
    book = Book(empty_db_url).add(*[long_prompt() for _ in range(14)])
    # Neither at the bound, nor more than a tenth over it, nor in another step.
    book.add(long_prompt(128_000), long_prompt(140_801), long_prompt(30_000)).post()
    each = cost(TO_256K, 130_000, 0, 2_000) - cost(TO_128K, 128_000, 0, 2_000)
    assert each == Fraction("6.816")
    saving = usd_nano(14 * each)
    assert found(book).found == (Lever("price_step", "search", PRO, None, saving, 14, bound=128_000),)


def test_the_uncached_part_of_a_prompt_is_cut_before_the_cached_one(empty_db_url: str) -> None:
    book = (
        Book(empty_db_url)
        .add(long_prompt(cached_input_tokens=100_000), long_prompt(140_800, cached_input_tokens=140_000))
        .post()
    )
    saving = (
        cost(TO_256K, 30_000, 100_000, 2_000) - cost(TO_128K, 28_000, 100_000, 2_000)
        + cost(TO_256K, 800, 140_000, 2_000) - cost(TO_128K, 0, 128_000, 2_000)
    )  # fmt: skip
    assert [(each.saving_nano, each.requests) for each in found(book).found] == [(usd_nano(saving), 2)]


def test_either_step_counts_and_the_dearest_lever_comes_first(empty_db_url: str) -> None:
    book = (
        Book(empty_db_url)
        .add(*[long_prompt(33_000) for _ in range(40)], long_prompt(project="support"), long_prompt(model=CODE))
        .post()
    )
    short = 40 * (cost(TO_128K, 33_000, 0, 2_000) - cost(TO_32K, 32_000, 0, 2_000))
    long = cost(TO_256K, 130_000, 0, 2_000) - cost(TO_128K, 128_000, 0, 2_000)
    assert [(each.bound, each.project, each.model, each.saving_nano) for each in found(book).found] == [
        (32_000, "search", PRO, usd_nano(short)),
        (128_000, "search", CODE, usd_nano(long)),
        (128_000, "support", PRO, usd_nano(long)),
    ]


def test_what_is_taken_back_in_the_month_is_no_lever_and_what_comes_later_changes_nothing(empty_db_url: str) -> None:
    book = Book(empty_db_url).add(*[long_prompt() for _ in range(4)])
    book.add(
        long_prompt().reversed(1),
        long_prompt().reversed(2, posted_month="2026-04"),
        # Late usage of February is of another month, as is late usage of March in April.
        long_prompt(at=NOON - timedelta(days=20), posted_month="2026-03"),
        long_prompt(posted_month="2026-04"),
    ).post()
    each = cost(TO_256K, 130_000, 0, 2_000) - cost(TO_128K, 128_000, 0, 2_000)
    assert [(lever.saving_nano, lever.requests) for lever in found(book).found] == [(usd_nano(3 * each), 3)]


def test_each_conversion_counts_as_its_own(empty_db_url: str) -> None:
    book = Book(empty_db_url).add(long_prompt(), long_prompt(per_usd="68")).post()
    each = cost(TO_256K, 130_000, 0, 2_000) - cost(TO_128K, 128_000, 0, 2_000)
    assert found(book).found[0].saving_nano == round((each / 72 + each / 68) * NANO)


@pytest.mark.parametrize(("more", "count"), [(0, 1), (1, 0)], ids=["a hundredth", "less"])
def test_under_a_hundredth_of_the_spend_is_no_lever(empty_db_url: str, more: int, count: int) -> None:
    book = Book(empty_db_url).add(long_prompt(per_usd="1"))
    # 6.816 credits are saved of 13.44, and 668.16 are spent on output at 160 per 1M.
    book.add(*[Booked(model=PRO, output_tokens=tokens, per_usd="1") for tokens in [*[72_000] * 58, more]])
    assert 58 * cost(TO_32K, 0, 0, 72_000) + cost(TO_256K, 130_000, 0, 2_000) == 100 * Fraction("6.816")
    assert len(found(book.post()).found) == count


def test_many_rows_are_read_only_where_that_is_asked_for(db_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    book = Book(db_url).add(*[long_prompt() for _ in range(4)]).post()
    monkeypatch.setattr(levers_module, "MOST_ROWS", 3)
    assert found(book) == Levers((), rows_skipped=True)
    asked = found(book, rows=True)
    assert ([lever.requests for lever in asked.found], asked.rows_skipped) == ([4], False)
    monkeypatch.setattr(levers_module, "MOST_ROWS", 4)
    assert found(book) == asked


def test_nothing_is_said_to_be_skipped_where_no_prompt_is_past_a_step(db_url: str, monkeypatch: Any) -> None:
    book = Book(db_url).add(*[long_prompt(20_000) for _ in range(4)]).post()
    monkeypatch.setattr(levers_module, "MOST_ROWS", 3)
    assert found(book) == Levers()


@pytest.mark.parametrize("seed", range(4))
def test_price_steps_agree_with_plain_loops(empty_db_url: str, seed: int) -> None:
    random = Random(seed)
    book = Book(empty_db_url)
    for _ in range(120):
        tokens = random.choice([31_999, 32_000, 32_001, 35_200, 35_201, 128_001, 140_800, 140_801])
        book.add(
            Booked(
                project=random.choice(["search", "support"]),
                model=random.choice([PRO, LITE]),
                at=NOON + timedelta(days=random.randrange(-20, 10)),
                input_tokens=tokens,
                cached_input_tokens=random.randrange(tokens),
                output_tokens=random.randrange(3_000),
                per_usd=random.choice(["72", "68"]),
            )
        )
    for number in random.sample(range(1, 121), 20):
        book.add(book.priced[number - 1].booked.reversed(number))
    book.post()
    savings: dict[tuple[str, str, int], Fraction] = {}
    for one in book.priced:
        step = just_over(one)
        if step is not None and one.posted_month == "2026-03":
            key = (one.booked.project, one.booked.model, step[0])
            savings[key] = savings.get(key, Fraction()) + step[1]
    month = sum(Fraction(one.nano["amount_nano"]) / int(one.booked.per_usd or 1) for one in book.priced
                if one.posted_month == "2026-03")  # fmt: skip
    expected = {key: round(saving) for key, saving in savings.items() if saving * 100 >= month}
    top = sorted(expected.items(), key=lambda each: (-each[1], each[0][:2]))[:3]
    assert len(top) == 3
    assert [((each.project, each.model, each.bound), each.saving_nano) for each in found(book).found] == top


def just_over(one: Priced) -> tuple[int, Fraction] | None:
    """The bound that a request is just over, and what exactly its tokens would have saved, in USD nano."""
    booked = one.booked
    for lower in one.entry.tiers[:-1]:
        assert lower.up_to is not None
        assert lower.cached_input_pico is not None
        if lower.up_to < booked.input_tokens <= lower.up_to * 11 // 10:
            cached = min(booked.cached_input_tokens, lower.up_to)
            pico = (lower.up_to - cached) * lower.input_pico + cached * lower.cached_input_pico
            cheaper = Fraction(pico + booked.output_tokens * lower.output_pico, 1_000)
            saved = one.nano["amount_nano"] - booked.sign * cheaper
            return lower.up_to, saved / int(booked.per_usd or 1)
    return None


def test_a_price_entry_has_a_step_between_each_two_tiers(empty_db_url: str) -> None:
    entry = Book(empty_db_url).cards["evolink"].entry_at(PRO, NOON)
    assert [(step.bound, step.tier) for step in steps_of(7, entry)] == [(32_000, "128000"), (128_000, "256000")]


def test_a_bound_of_output_is_no_step_between_prompts() -> None:
    bounds = [(32_000, 200), (32_000, None), (None, 200), (None, None)]
    tiers = tuple(PromptTier(up_to, 1, None, 1, output_up_to) for up_to, output_up_to in bounds)
    entry = RateEntry("acme", "USD", "a", NOON, None, tiers)
    found = [(step.bound, step.tier) for step in steps_of(7, entry)]
    assert found == [(32_000, "unbounded/200"), (32_000, "unbounded")]


# --- prefixes that aren't cached ------------------------------------------------------------------------------------


def cached(count: int, share: int, day: str, **changes: Any) -> list[Booked]:
    """Requests of 1,000 input tokens on that day, of which so many percent are read from cache."""
    at = datetime.fromisoformat(f"{day}T12:00+00:00")
    of = {"at": at, "model": PRO, "input_tokens": 1_000, "cached_input_tokens": share * 10, **changes}
    return [Booked(**of) for _ in range(count)]


# What a token costs less from cache, in credits.
CHEAPER = (32 - Fraction("6.4")) / 1_000_000


def test_a_share_from_cache_below_that_of_the_month_before_is_a_lever(empty_db_url: str) -> None:
    book = Book(empty_db_url).add(*cached(100, 80, "2026-02-10"), *cached(200, 20, "2026-03-10")).post()
    [lever] = found(book).found
    saving = usd_nano((80 - 20) * 10 * 200 * CHEAPER)
    assert lever == Lever(
        "uncached_prefix", "search", PRO, None, saving, 200, share=Fraction(1, 5), possible_share=Fraction(4, 5)
    )


def test_a_week_of_the_month_itself_says_what_was_possible(empty_db_url: str) -> None:
    book = Book(empty_db_url).add(*cached(100, 90, "2026-03-07"), *cached(300, 10, "2026-03-08")).post()
    [lever] = found(book).found
    # 90 % of 100 and 10 % of 300 are 30 % of 400.
    assert (lever.share, lever.possible_share) == (Fraction(3, 10), Fraction(9, 10))
    assert lever.saving_nano == usd_nano((90 - 30) * 10 * 400 * CHEAPER)


@pytest.mark.parametrize(
    "charges",
    [
        cached(99, 80, "2026-02-10") + cached(200, 20, "2026-03-10"),
        cached(100, 29, "2026-02-10") + cached(200, 20, "2026-03-10"),
        cached(100, 80, "2026-02-10") + cached(99, 20, "2026-03-10"),
            # Of another project, of another model, of a later month, late usage.
        cached(100, 80, "2026-02-10", project="support") + cached(200, 20, "2026-03-10"),
        cached(100, 80, "2026-02-10", model=CODE) + cached(200, 20, "2026-03-10"),
        cached(100, 80, "2026-02-10", at=datetime(2026, 4, 1, tzinfo=UTC)) + cached(200, 20, "2026-03-10"),
        cached(100, 80, "2026-02-10", posted_month="2026-03") + cached(200, 20, "2026-03-10"),
    ],
    ids=["few before", "near", "few now", "other project", "other model", "later", "late"],
)  # fmt: skip
def test_a_share_that_was_not_reached_by_enough_of_the_same_is_no_lever(db_url: str, charges: list[Booked]) -> None:
    assert found(Book(db_url).add(*charges).post()) == Levers()


def test_the_same_part_of_the_uncached_tokens_is_saved_at_every_price(empty_db_url: str) -> None:
    cheap, dear = cached(100, 0, "2026-03-10"), cached(100, 60, "2026-03-10", input_tokens=40_000)
    book = Book(empty_db_url).add(*cached(100, 50, "2026-02-10"), *cheap, *dear).post()
    [lever] = found(book).found
    tokens, from_cache = 100 * (1_000 + 40_000), 100 * 600
    part = (Fraction(tokens, 2) - from_cache) / (tokens - from_cache)
    credits = part * 100 * (1_000 * (32 - Fraction("6.4")) + 39_400 * (48 - Fraction("6.4"))) / 1_000_000
    assert (lever.share, lever.saving_nano) == (Fraction(from_cache, tokens), usd_nano(credits))


# --- storage --------------------------------------------------------------------------------------------------------


def test_storage_that_costs_more_than_the_cache_saves_is_a_lever(empty_db_url: str) -> None:
    stored = Booked(model=PRO, storage_tokens=1_000_000, storage=timedelta(hours=100), at=NOON)
    book = Book(empty_db_url).add(stored, *cached(2, 50, "2026-03-10")).post()
    [lever] = found(book).found
    # From 12:00 on, 100 hours at 0.17 credits per 1M tokens.
    saving = usd_nano(100 * Fraction("0.17") - 2 * 500 * CHEAPER)
    assert lever == Lever("cache_storage", "search", None, None, saving, 2)


def test_storage_that_saves_more_than_it_costs_is_none(empty_db_url: str) -> None:
    stored = Booked(model=PRO, storage_tokens=1_000, storage=timedelta(hours=1))
    assert found(Book(empty_db_url).add(stored, *cached(2, 50, "2026-03-10")).post()) == Levers()


# --- owners, and a month with nothing -------------------------------------------------------------------------------


def test_the_owner_is_the_projects_else_that_of_a_budget_of_exactly_it(empty_db_url: str) -> None:
    book = Book(empty_db_url).add(*[long_prompt(project=name) for name in ("search", "support", "ide")]).post()
    apply_projects(book.database, [Project(id="find", owner="Ana", aliases=("search",))], now=NOON)
    march = date(2026, 3, 1)

    def schedule(**changes: Any) -> Schedule:
        return Schedule((Part(march, Budget(name="b", amount=Amount(NANO, "USD"), **changes), NOON),))

    schedules = {
        "a": schedule(projects=("search",), owner="Bo"),
        "b": schedule(projects=("support", "ide"), owner="Cy"),
        "c": schedule(projects=("support",), owner="Ed"),
        "d": schedule(projects=("support",), models=(PRO,), owner="Di"),
        "e": schedule(projects=("support",), tags=(("team", "a"),), owner="Flo"),
    }
    owners = {lever.project: lever.owner for lever in found(book, schedules=schedules).found}
    assert owners == {"search": "Ana", "support": "Ed", "ide": None}


@pytest.mark.parametrize("charges", [[], [long_prompt(), long_prompt().reversed(1)]], ids=["nothing", "taken back"])
def test_a_month_that_cost_nothing_has_no_levers(empty_db_url: str, charges: list[Booked]) -> None:
    book = Book(empty_db_url).add(Booked(input_tokens=1, at=datetime(2026, 2, 5, tzinfo=UTC)), *charges)
    assert found(book.post()) == Levers()
