"""Drawing on lots, in units of one: by hand, against credits handled one by one, and the laws that always hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.wallet.drawdown import NEVER, Entry, Lot, Wallet, days_left, expiring_unused, merged
from ledger.wallet.lot_costs import month_costs

FIRST, LAST = "2026-03-01", "2026-04-30"
DAYS = [f"2026-{month}-{day:02}" for month in ("03", "04") for day in range(1, 31)]


def run(
    lots: Iterable[Lot],
    usage: Mapping[str, int],
    draws: Mapping[str, int] | None = None,
    first: str = FIRST,
    last: str = LAST,
    before: Iterable[Entry] = (),
) -> list[Entry]:
    return Wallet(lots, before).draw_down(usage, draws or {}, first, last)


def told(entries: Iterable[Entry]) -> list[str]:
    """Entries in short: `05 balance 2>used 7` is 7 of lot 2 used on the fifth."""
    short = []
    for day, source, target, lot, amount in entries:
        number = "" if lot is None else f" {lot}"
        pair = f"{source}>{target}{number}" if target == "balance" else f"{source}{number}>{target}"
        short.append(f"{day[8:]} {pair} {amount}")
    return short


# --- by hand --------------------------------------------------------------------------------------------------------


def test_the_soonest_expiry_goes_first_then_the_oldest_and_what_never_expires_last() -> None:
    lots = [
        Lot(1, "2026-03-01", 10),
        Lot(2, "2026-03-02", 10, "2026-03-20"),
        Lot(3, "2026-03-01", 10, "2026-03-20"),
        Lot(4, "2026-03-03", 10, "2026-03-10"),
    ]
    entries = run(lots, {"2026-03-05": 4 + 6, "2026-03-06": 10 + 10 + 3})
    assert told(entries)[4:] == [
        "05 balance 4>used 10",
        "06 balance 3>used 10",
        "06 balance 2>used 10",
        "06 balance 1>used 3",
    ]


def test_within_a_day_come_top_ups_then_usage_then_draws_then_expiry() -> None:
    lots = [Lot(1, "2026-03-05", 10, "2026-03-05", granted=True), Lot(2, "2026-03-05", 100)]
    assert told(run(lots, {"2026-03-05": 6}, {"2026-03-05": 3})) == [
        "05 granted>balance 1 10",
        "05 purchased>balance 2 100",
        "05 balance 1>used 6",
        "05 balance 1>adjustment 3",
        "05 balance 1>expired 1",
    ]


def test_beyond_the_balance_is_overdrawn_and_the_next_lots_repay_it_first() -> None:
    lots = [Lot(1, "2026-03-01", 10), Lot(2, "2026-03-10", 5), Lot(3, "2026-03-12", 100)]
    entries = run(lots, {"2026-03-02": 18, "2026-03-12": 7}, {"2026-03-03": 4})
    assert told(entries) == [
        "01 purchased>balance 1 10",
        "02 balance 1>used 10",
        "02 overdrawn>used 8",
        "03 overdrawn>adjustment 4",
        "10 purchased>balance 2 5",
        "10 balance 2>overdrawn 5",
        "12 purchased>balance 3 100",
        "12 balance 3>overdrawn 7",
        "12 balance 3>used 7",
    ]
    wallet = Wallet(lots, entries)
    assert (wallet.remaining, wallet.overdrawn_nano, wallet.net_nano) == ({3: 100 - 7 - 7}, 0, 86)
    assert wallet.accounts["used"] == 18 + 7


def test_usage_below_zero_repays_then_goes_back_to_the_lots_latest_first() -> None:
    lots = [Lot(1, "2026-03-01", 10, "2026-03-31"), Lot(2, "2026-03-01", 10)]
    entries = run(lots, {"2026-03-02": 25, "2026-03-03": -8, "2026-03-04": -9})
    assert told(entries)[2:] == [
        "02 balance 1>used 10",
        "02 balance 2>used 10",
        "02 overdrawn>used 5",
        "03 used>overdrawn 5",
        "03 used>balance 2 3",
        "04 used>balance 2 7",
        "04 used>balance 1 2",
        "31 balance 1>expired 2",
    ]


def test_what_goes_back_to_a_lot_past_its_last_day_expires_at_once() -> None:
    lots = [Lot(1, "2026-03-01", 10, "2026-03-05"), Lot(2, "2026-03-06", 10)]
    entries = run(lots, {"2026-03-02": 4, "2026-03-07": -3}, {"2026-03-07": 2})
    assert told(entries)[1:] == [
        "02 balance 1>used 4",
        "05 balance 1>expired 6",
        "06 purchased>balance 2 10",
        "07 used>balance 1 3",
        "07 balance 2>adjustment 2",
        "07 balance 1>expired 3",
    ]


def test_what_passes_all_that_was_drawn_is_of_no_lot_and_is_drawn_first() -> None:
    lots = [Lot(1, "2026-03-01", 10, "2026-03-31")]
    entries = run(lots, {"2026-03-02": 4, "2026-03-03": -7, "2026-03-04": 5, "2026-03-05": -6, "2026-03-06": 1})
    assert told(entries)[1:] == [
        "02 balance 1>used 4",
        "03 used>balance 1 4",
        "03 used>balance 3",
        "04 balance>used 3",
        "04 balance 1>used 2",
        "05 used>balance 1 2",
        "05 used>balance 4",  # 3 that were of no lot before, and one that never was drawn
        "06 balance>used 1",
        "31 balance 1>expired 10",
    ]


def test_draws_give_nothing_back() -> None:
    lots = [Lot(1, "2026-03-01", 10)]
    entries = run(lots, {"2026-03-03": -1}, {"2026-03-02": 10})
    assert told(entries)[1:] == ["02 balance 1>adjustment 10", "03 used>balance 1"]
    assert Wallet(lots, entries).remaining == {None: 1}


def test_a_day_that_is_not_over_keeps_what_ends_with_it() -> None:
    lots = [Lot(1, "2026-03-01", 10, "2026-03-04"), Lot(2, "2026-03-01", 10, "2026-03-05")]
    wallet = Wallet(lots)
    wallet.draw_down({"2026-03-05": 1}, {}, FIRST, "2026-03-05", over=False)
    assert wallet.remaining == {2: 9}


@pytest.mark.parametrize(
    ("remaining", "a_day", "days"),
    [
        ({1: 100}, Fraction(0), None),
        ({1: 100}, Fraction(-1), None),
        ({}, Fraction(5), Fraction(0)),
        ({1: 100}, Fraction(8), Fraction(100, 8)),
        # Lot 2 ends tomorrow: one day of 10 of its 90, then 10 of lot 1.
        ({1: 10, 2: 90}, Fraction(10), Fraction(2)),
        # Lot 3 ends in five days; lot 2's one day comes off them: 4 x 10 of its 80.
        ({2: 90, 3: 80}, Fraction(10), Fraction(5)),
        # Credits of no lot go first: 2 days, in which lot 2 ends.
        ({None: 20, 2: 90, 1: 5}, Fraction(10), Fraction(25, 10)),
    ],
)
def test_how_long_a_balance_lasts(remaining: dict[int | None, int], a_day: Fraction, days: Fraction | None) -> None:
    lots = [Lot(1, FIRST, 100), Lot(2, FIRST, 100, "2026-03-11"), Lot(3, FIRST, 100, "2026-03-15")]
    wallet = Wallet(lots)
    wallet.remaining = remaining
    assert days_left(wallet, "2026-03-10", a_day) == days


@pytest.mark.parametrize(
    ("a_day", "last", "lost"),
    [
        # 10 a day use 10 of lot 2 by 11 March, and 40 of lot 3 by the 15th.
        (Fraction(10), "2026-03-15", (90 + 60, "2026-03-11")),
        (Fraction(10), "2026-03-14", (90, "2026-03-11")),
        (Fraction(10), "2026-03-10", (0, None)),
        # All of lot 2 on its last day, then lot 3.
        (Fraction(100), "2026-03-15", (0, None)),
        (Fraction(0), "2026-03-15", (200, "2026-03-11")),
        (Fraction(-5), "2026-12-31", (200, "2026-03-11")),
    ],
)
def test_what_expires_unused(a_day: Fraction, last: str, lost: tuple[int, str | None]) -> None:
    lots = [Lot(1, FIRST, 100), Lot(2, FIRST, 100, "2026-03-11"), Lot(3, FIRST, 100, "2026-03-15")]
    wallet = Wallet(lots)
    wallet.remaining = {1: 100, 2: 100, 3: 100}
    assert expiring_unused(wallet, "2026-03-10", a_day, last) == (Fraction(lost[0]), lost[1])


# --- what usage cost ------------------------------------------------------------------------------------------------


def test_usage_costs_what_was_paid_for_its_lots() -> None:
    # 3 USD for 10 and 10 USD for 20: 0.30 and 0.50 a credit.
    lots = {
        1: Lot(1, "2026-03-01", 10 * 10**9, paid_nano=3 * 10**9),
        2: Lot(2, "2026-03-10", 20 * 10**9, paid_nano=10 * 10**9),
        3: Lot(3, "2026-03-10", 5 * 10**9, "2026-03-31", granted=True),
    }
    credits = {"2026-03-02": 8, "2026-03-03": 6, "2026-03-12": 5, "2026-03-13": 0}
    entries = run(lots.values(), {day: nano * 10**9 for day, nano in credits.items()})
    costs = month_costs("2026-03", lots, [], [entry for entry in entries if entry.day < "2026-04"])
    assert costs.used["2026-03-02"] == {1: 8 * 10**9}
    # 2 of the first lot; 4 that the granted lot repaid on the tenth count on their own day.
    assert {lot: nano for lot, nano in costs.used["2026-03-03"].items() if nano} == {1: 2 * 10**9, 3: 4 * 10**9}
    # The granted lot's last one, then 4 of the second.
    assert costs.used["2026-03-12"] == {3: 10**9, 2: 4 * 10**9}
    assert [costs.usd_of_day(day) for day in sorted(credits)] == [Fraction(24, 10), Fraction(6, 10), Fraction(2), 0]
    assert costs.usd_per_credit("2026-03-03") == Fraction(6, 10) / 6
    # Rows that add up to 0 cost 0 together; each counts at the rate of the day before.
    assert costs.usd_per_credit("2026-03-13") == costs.usd_per_credit("2026-03-12") == Fraction(2, 5)
    assert costs.usd_per_credit("2026-03-01") == Fraction(3, 10)
    assert (costs.expired, costs.repaid, [lot.id for lot in costs.topped_up]) == ([], [], [1, 2, 3])


def test_usage_that_a_later_month_repays_is_that_months_cost() -> None:
    lots = {1: Lot(1, "2026-04-02", 10, paid_nano=20)}
    march = run(lots.values(), {"2026-03-31": 7}, {"2026-03-31": 1}, last="2026-03-31")
    april = run(lots.values(), {"2026-04-01": 1}, {}, "2026-04-01", LAST, march)
    before = month_costs("2026-03", lots, [], march)
    after = month_costs("2026-04", lots, march, april)
    assert before.used["2026-03-31"].most_common() == [(None, 7)]
    assert before.usd_of_day("2026-03-31") == 0
    assert after.repaid == [("2026-04-02", 1, 7)]
    assert after.drawn == [("2026-04-02", 1, 1)]
    assert {lot: nano for lot, nano in after.used["2026-04-01"].items() if nano} == {1: 1}
    assert after.usd(after.repaid) == Fraction(7 * 2, 10**9)


def test_lots_repay_the_oldest_first_and_what_is_taken_back_is_the_latest() -> None:
    lots = {1: Lot(1, "2026-03-10", 3, paid_nano=30), 2: Lot(2, "2026-03-20", 9, paid_nano=180)}
    usage = {"2026-03-01": 2, "2026-03-02": 4, "2026-03-12": -1}
    entries = run(lots.values(), usage)
    costs = month_costs("2026-03", lots, [], entries)
    assert {lot: nano for lot, nano in costs.used["2026-03-01"].items() if nano} == {1: 2}
    # One of the first lot, one that the 12th took back, the others of the second lot.
    assert {lot: nano for lot, nano in costs.used["2026-03-02"].items() if nano} == {1: 1, 2: 2, None: 1}
    assert costs.used["2026-03-12"] == {None: -1}


# --- credits one by one ---------------------------------------------------------------------------------------------


class OneByOne:
    """The same rules on single credits, each a lot's number."""

    def __init__(self, lots: Sequence[Lot]) -> None:
        self.lots = {lot.id: lot for lot in lots}
        self.credits: list[int | None] = []
        self.owed = 0
        self.used_from: list[int | None] = []
        self.sums: Counter[tuple[str, str, str, int | None]] = Counter()

    def best(self, day: str) -> int | None:
        """The place of the credit to draw next."""
        places = [
            place for place, lot in enumerate(self.credits) if lot is None or (self.lots[lot].expires or NEVER) >= day
        ]

        def rank(place: int) -> tuple[bool, str, str, int]:
            lot = self.credits[place]
            if lot is None:
                return (False, "", "", 0)
            return (True, self.lots[lot].expires or NEVER, self.lots[lot].day, lot)

        return min(places, key=rank, default=None)

    def draw(self, day: str, target: str) -> None:
        place = self.best(day)
        if place is None:
            self.owed += 1
            self.sums[day, "overdrawn", target, None] += 1
            return
        lot = self.credits.pop(place)
        self.sums[day, "balance", target, lot] += 1
        if target != "adjustment":
            self.used_from.append(lot)

    def give_back(self, day: str) -> None:
        if self.owed:
            self.owed -= 1
            self.sums[day, "used", "overdrawn", None] += 1
            return
        lot = self.used_from.pop() if self.used_from else None
        self.credits.append(lot)
        self.sums[day, "used", "balance", lot] += 1

    def day(self, day: str, used: int, drawn: int) -> None:
        for lot in self.lots.values():
            if lot.day == day:
                self.credits += [lot.id] * lot.credits_nano
                self.sums[day, "granted" if lot.granted else "purchased", "balance", lot.id] += lot.credits_nano
        while self.owed and self.best(day) is not None:
            self.draw(day, "overdrawn")
            self.owed -= 1
        for _ in range(used):
            self.draw(day, "used")
        for _ in range(-used):
            self.give_back(day)
        for _ in range(drawn):
            self.draw(day, "adjustment")
        for lot_id in [lot for lot in self.credits if lot is not None and (self.lots[lot].expires or NEVER) <= day]:
            self.credits.remove(lot_id)
            self.sums[day, "balance", "expired", lot_id] += 1


def sums(entries: Iterable[Entry]) -> Counter[tuple[str, str, str, int | None]]:
    found: Counter[tuple[str, str, str, int | None]] = Counter()
    for day, source, target, lot, amount in entries:
        found[day, source, target, lot] += amount
    return found


# --- laws -----------------------------------------------------------------------------------------------------------


@st.composite
def some_lots(draw: st.DrawFn) -> list[Lot]:
    lots = []
    for number in range(1, draw(st.integers(0, 6)) + 1):
        place = draw(st.integers(0, len(DAYS) - 1))
        expires = draw(st.none() | st.sampled_from(DAYS[place : place + 20]))
        granted = draw(st.booleans())
        lots.append(
            Lot(
                number,
                DAYS[place],
                draw(st.integers(1, 40)),
                expires,
                granted,
                0 if granted else draw(st.integers(1, 99)),
            )
        )
    return lots


some_usage = st.dictionaries(st.sampled_from(DAYS), st.integers(-30, 40), max_size=12)
some_draws = st.dictionaries(st.sampled_from(DAYS), st.integers(1, 20), max_size=3)


@given(some_lots(), some_usage, some_draws)
@example([Lot(1, DAYS[3], 5, DAYS[4])], {DAYS[0]: 7, DAYS[5]: -9, DAYS[6]: 1}, {DAYS[1]: 2})
def test_it_agrees_with_credits_one_by_one(lots: list[Lot], usage: dict[str, int], draws: dict[str, int]) -> None:
    plain = OneByOne(lots)
    for day in DAYS:
        plain.day(day, usage.get(day, 0), draws.get(day, 0))
    entries = run(lots, usage, draws)
    assert sums(entries) == plain.sums
    wallet = Wallet(lots, entries)
    assert (wallet.remaining, wallet.overdrawn_nano) == (dict(Counter(plain.credits)), plain.owed)


@given(some_lots(), some_usage, some_draws)
def test_nothing_is_lost_and_no_lot_gives_what_it_has_not(
    lots: list[Lot], usage: dict[str, int], draws: dict[str, int]
) -> None:
    of = {lot.id: lot for lot in lots}
    accounts: Counter[str] = Counter()
    left: Counter[int | None] = Counter()
    for entry in run(lots, usage, draws):
        assert entry.amount_nano > 0
        accounts[entry.source] -= entry.amount_nano
        accounts[entry.target] += entry.amount_nano
        assert sum(accounts.values()) == 0
        if "balance" in (entry.source, entry.target):
            left[entry.lot] += entry.amount_nano if entry.target == "balance" else -entry.amount_nano
        assert all(amount >= 0 for amount in left.values())
        assert all(lot is None or amount <= of[lot].credits_nano for lot, amount in left.items())
        assert accounts["overdrawn"] <= 0
        if entry.source == "balance" and entry.target != "expired" and entry.lot is not None:
            assert entry.day <= (of[entry.lot].expires or NEVER)
    assert accounts["used"] == sum(usage.values())
    assert accounts["adjustment"] == sum(draws.values())
    assert -accounts["purchased"] - accounts["granted"] == sum(lot.credits_nano for lot in lots)
    assert accounts["balance"] == sum(left.values())
    by_day = sums(run(lots, usage, draws))
    for day in DAYS:
        moved = [(key[1], key[2], amount) for key, amount in by_day.items() if key[0] == day]
        used = sum(amount * ((target == "used") - (source == "used")) for source, target, amount in moved)
        assert used == usage.get(day, 0)


@given(some_lots(), some_usage, some_draws, st.lists(st.sampled_from(DAYS[:-1]), max_size=3, unique=True))
def test_stopping_and_going_on_from_the_entries_changes_nothing(
    lots: list[Lot], usage: dict[str, int], draws: dict[str, int], stops: list[str]
) -> None:
    whole = run(lots, usage, draws)
    entries: list[Entry] = []
    first = DAYS[0]
    for stop in [*sorted(stops), DAYS[-1]]:
        entries += run(lots, usage, draws, first, stop, entries)
        first = f"{stop}~"  # after that day and before the next
    assert entries == whole == merged(entries)


@given(some_lots(), some_usage, some_draws, st.randoms(use_true_random=False))
def test_the_order_in_which_things_are_recorded_does_not_matter(
    lots: list[Lot], usage: dict[str, int], draws: dict[str, int], random: Random
) -> None:
    def shuffled(items: Iterable[tuple[str, int]]) -> dict[str, int]:
        mixed = list(items)
        random.shuffle(mixed)
        return dict(mixed)

    mixed = list(lots)
    random.shuffle(mixed)
    assert run(mixed, shuffled(usage.items()), shuffled(draws.items())) == run(lots, usage, draws)


@given(some_lots(), some_usage, some_draws)
def test_costs_add_up_to_usage_by_day_and_to_what_was_paid_by_lot(
    lots: list[Lot], usage: dict[str, int], draws: dict[str, int]
) -> None:
    of = {lot.id: lot for lot in lots}
    entries = run(lots, usage, draws)
    gone: Counter[int | None] = Counter()
    cost = Fraction()
    for month in ("2026-03", "2026-04"):
        before = [entry for entry in entries if entry.day < month]
        costs = month_costs(month, of, before, [entry for entry in entries if entry.day.startswith(month)])
        for day, parts in costs.used.items():
            assert sum(parts.values()) == usage[day]
            gone.update(parts)
            cost += costs.usd_of_day(day)
            if usage[day]:
                assert costs.usd_per_credit(day) * usage[day] == costs.usd_of_day(day) * 10**9
                assert 0 <= costs.usd_per_credit(day) <= max((lot.usd_per_credit for lot in lots), default=0)
        for part in (*costs.repaid, *costs.drawn, *costs.expired):
            gone[part.lot] += part.amount_nano
        cost += costs.usd([*costs.repaid, *costs.drawn, *costs.expired])
    left = Wallet(lots, entries).remaining
    for lot in lots:
        assert gone[lot.id] == lot.credits_nano - left.get(lot.id, 0)
    unspent = sum((of[lot].usd_per_credit * nano for lot, nano in left.items() if lot is not None), Fraction())
    assert cost * 10**9 + unspent == sum(lot.paid_nano for lot in lots)
