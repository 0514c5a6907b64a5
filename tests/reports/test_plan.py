"""Sums by dimensions and periods: every way of reading them agrees with plain loops over the charges."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ledger.exports.charge_rows import read_charges
from ledger.reports.plan import Sums
from ledger.reports.selection import Basis, Selection
from ledger.reports.snapshot import Snapshot
from ledger.reports.spend import SelectedSpend, read_spend
from ledger.store import tables as models
from ledger.store.bulk import append_rows
from tests.helpers.book import CODE, LITE, MINI, NOON, PRO, QUARTER, Book, Booked, Priced
from tests.helpers.quarters import Cell, held_cells, pack

SHANGHAI, NEW_YORK, UTC_ZONE = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York"), ZoneInfo("UTC")
KATHMANDU, LORD_HOWE = ZoneInfo("Asia/Kathmandu"), ZoneInfo("Australia/Lord_Howe")


def at(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def random_charges(seed: int, count: int) -> Iterable[Booked]:
    """Charges of January to May 2026 in many shapes, a fifth of them posted later than they happened."""
    rng = random.Random(seed)
    edges = [at("2026-03-01"), at("2026-03-08T05:00"), at("2026-03-29T02:00"), at("2026-03-31T16:00"), at("2026-04-01")]
    for _ in range(count):
        moment = at("2026-02-01") + timedelta(seconds=rng.randrange(100 * 86_400))
        if rng.random() < 0.3:
            moment = rng.choice(edges) + timedelta(microseconds=rng.randrange(-1, 2))
        tokens = rng.choice([1, 31_999, 32_000, 32_001, 128_001, 200_000])
        storage = timedelta(minutes=rng.randrange(1, 300)) if rng.random() < 0.1 else None
        provider = "volcengine" if rng.random() < 0.3 else "evolink"
        per_usd = "7.2" if provider == "volcengine" else rng.choice(["72", "68"])
        yield Booked(
            project=rng.choice(["search", "support", "=cmd"]),
            model=rng.choice([CODE, PRO, LITE, MINI]),
            at=moment,
            input_tokens=0 if storage else tokens,
            cached_input_tokens=0 if storage else rng.randrange(tokens),
            output_tokens=0 if storage else rng.randrange(1_000),
            storage_tokens=rng.randrange(1, 9_999) if storage else 0,
            storage=storage,
            provider=provider,
            per_usd=per_usd,
            source=rng.choice(["evolink", "gateway"]),
            status=rng.choice(["completed", "incomplete"]),
            tags={key: rng.choice(["a", "b"]) for key in ("team", 'f"eature') if rng.random() < 0.7},
            posted_month=rng.choice(["2026-05", "2026-06"]) if rng.random() < 0.2 else None,
        )


def with_corrections(charges: Iterable[Booked], seed: int) -> list[Booked]:
    """The charges, then reversals of some of them, posted in June."""
    booked, rng = list(charges), random.Random(seed)
    numbers = rng.sample(range(1, len(booked) + 1), len(booked) // 10)
    return booked + [booked[number - 1].reversed(number, posted_month="2026-06") for number in numbers]


# --- the same in plain loops ----------------------------------------------------------------------------------------


def dimension_of(book: Book, priced: Priced, name: str, selection: Selection) -> str | None:
    booked = priced.booked
    moment = book.posted_at(priced) if selection.basis == "posted" else booked.at
    if name.startswith("tag:"):
        return booked.tags.get(name[4:])
    values: dict[str, Callable[[], str | None]] = {
        "model": lambda: booked.model,
        "project": lambda: booked.project,
        "day": lambda: f"{booked.at.astimezone(selection.zone):%Y-%m-%d}",
        "month": lambda: f"{moment.astimezone(selection.zone):%Y-%m}",
        "quarter": lambda: str((booked.at - at("1970-01-01")) // QUARTER * (15 * 60 * 1_000_000)),
        "tier": lambda: priced.tier,
        "source": lambda: booked.source,
        "provider": lambda: booked.provider,
        "status": lambda: booked.status,
        "currency": lambda: priced.entry.currency,
        "charge_class": lambda: booked.charge_class,
        "part": lambda: "correction" if booked.sign < 0 and priced.posted_month != priced.occurred_month else None,
    }
    return values[name]()


def selected(book: Book, selection: Selection) -> list[Priced]:
    wanted: dict[str, set[str]] = {}
    for key, value in selection.tags:
        wanted.setdefault(key, set()).add(value)
    return [
        priced
        for priced in book.priced
        for moment in [book.posted_at(priced) if selection.basis == "posted" else priced.booked.at]
        if (selection.start is None or selection.start <= moment)
        and (selection.end is None or moment < selection.end)
        and (not selection.projects or priced.booked.project in selection.projects)
        and (not selection.models or priced.booked.model in selection.models)
        and all(priced.booked.tags.get(key) in values for key, values in wanted.items())
    ]


def expected(book: Book, selection: Selection) -> dict[Any, Counter[str]]:
    sums: dict[Any, Counter[str]] = {}
    for priced in selected(book, selection):
        dimensions = tuple(dimension_of(book, priced, name, selection) for name in selection.dimensions)
        key = (dimensions, priced.entry.currency, priced.booked.per_usd, priced.entry.key, priced.tier)
        total = sums.setdefault(key, Counter())
        for name in Sums._fields:
            total[name] += priced.measures.get(name, 0)
    return sums


def found(spend: SelectedSpend) -> dict[Any, Counter[str]]:
    per_usd = {72 * 10**9: "72", 68 * 10**9: "68", 72 * 10**8: "7.2", None: None}
    keys = {number: entry.key for number, entry in spend.rate_entries.items()}
    return {
        (row.dimensions, row.currency, per_usd[row.per_usd_nano], keys[row.rate_entry_id or 0], row.tier): Counter(
            row.sums._asdict()
        )
        for row in spend.rows
    }


def read(book: Book, selection: Selection) -> SelectedSpend:
    with book.database.reading() as connection:
        return read_spend(connection, selection, ledger_zone=book.zone, rollup_tags=book.rollup_tags)


def hold(book: Book, selection: Selection) -> str:
    """Hold what is read against plain loops; returns from where it was read."""
    spend = read(book, selection)
    assert found(spend) == expected(book, selection)
    moments = [priced.booked.at for priced in selected(book, selection)]
    last_us = max((row.last_occurred_at_us or 0 for row in spend.rows), default=None)
    assert last_us == (None if not moments else (max(moments) - at("1970-01-01")) // timedelta(microseconds=1))
    return spend.grain


PERIODS: dict[str, tuple[str | None, str | None]] = {
    "all time": (None, None),
    "month": ("2026-03-01", "2026-04-01"),
    "month of late posts": ("2026-05-01", "2026-06-01"),
    "from a day": ("2026-03-08", None),
    "before a day": (None, "2026-03-29"),
    "days": ("2026-03-08", "2026-03-30"),
    "quarter-hours": ("2026-03-08T05:15", "2026-03-29T02:15"),
    "within a day": ("2026-03-08T04:45", "2026-03-08T05:15"),
    "odd seconds": ("2026-03-08T05:00:00.000001", "2026-04-01T00:00:00.000001"),
    "nothing": ("2020-01-01", "2020-02-01"),
    "Shanghai's March": ("2026-03-01T00:00+08:00", "2026-04-01T00:00+08:00"),
    "New York's March": ("2026-03-01T00:00-05:00", "2026-04-01T00:00-04:00"),
}
DIMENSIONS = [
    ("model", "project"),
    ("day",),
    ("month", "tier"),
    ("tag:team", "status"),
    ('tag:f"eature',),
    ("source", "provider", "currency"),
    ("charge_class", "project", "part"),
    ("quarter", "model"),
]
BASES: list[Basis] = ["posted", "occurred"]
ZONES = [UTC_ZONE, SHANGHAI, NEW_YORK, KATHMANDU, LORD_HOWE]


@pytest.mark.long
@pytest.mark.parametrize("timezone", ["UTC", "America/New_York"])
def test_every_reading_agrees_with_plain_loops(empty_db_url: str, timezone: str) -> None:
    book = Book(empty_db_url, timezone=timezone, rollup_tags=["team"])
    book.add(*with_corrections(random_charges(1, 250), 2)).post()
    grains: Counter[str] = Counter()
    for start, end in PERIODS.values():
        for dimensions in DIMENSIONS:
            for zone in ZONES if {"day", "month"} & set(dimensions) else ZONES[:1]:
                for basis in BASES:
                    selection = Selection(
                        zone, at(start) if start else None, at(end) if end else None, basis, dimensions
                    )
                    grains[hold(book, selection)] += 1
    assert set(grains) == {"days", "quarters", "charges"}


@pytest.mark.parametrize(
    ("selection", "grain"),
    [
        (Selection(UTC_ZONE, at("2026-03-01"), at("2026-04-01")), "days"),
        (Selection(UTC_ZONE, at("2026-03-02"), at("2026-03-09"), "occurred", ("day",)), "days"),
        (Selection(SHANGHAI, at("2026-03-02"), None, dimensions=("model",)), "days"),
        (Selection(SHANGHAI, dimensions=("day",)), "quarters"),
        (Selection(UTC_ZONE, at("2026-03-02T10:30"), None), "quarters"),
        (Selection(UTC_ZONE, at("2026-03-02T10:31"), None), "charges"),
        (Selection(UTC_ZONE, tags=(("team", "a"),)), "days"),
        (Selection(UTC_ZONE, tags=(("team", "a"), ("team", "b"))), "days"),
        (Selection(UTC_ZONE, tags=(('f"eature', "a"), ("team", "b"))), "charges"),
        (Selection(UTC_ZONE, dimensions=('tag:f"eature', "month")), "charges"),
        (Selection(UTC_ZONE, projects=("=cmd", "support"), models=(CODE,)), "days"),
        (Selection(UTC_ZONE, projects=("nobody",)), "days"),
        (Selection(UTC_ZONE, dimensions=("charge_class", "part", "month")), "days"),
        (Selection(UTC_ZONE, at("2026-05-01T10:31"), dimensions=("charge_class", "part")), "charges"),
        (Selection(UTC_ZONE, at("2026-03-01"), at("2026-07-01"), dimensions=("month", "quarter")), "quarters"),
        (Selection(UTC_ZONE, tags=(('f"eature', "a"),), dimensions=("month", "quarter")), "charges"),
        (Selection(NEW_YORK, at("2026-03-08T07:00"), None, "occurred", ("day",), ("search",), (PRO, LITE)), "quarters"),
    ],
)
def test_the_smallest_table_that_can_tell_is_read(db_url: str, selection: Selection, grain: str) -> None:
    book = Book(db_url)
    book.rollup_tags = ("team",)
    book.add(*with_corrections(random_charges(3, 60), 4)).post()
    assert hold(book, selection) == grain
    with book.database.reading() as connection:
        amounts = Snapshot(connection, book.zone, book.rollup_tags).amounts(selection)
    assert amounts_of(amounts) == amounts_of(read(book, selection))
    assert len(amounts.rows) == len(amounts_of(amounts))


def amounts_of(spend: SelectedSpend) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for row in spend.rows:
        found[row.dimensions, row.currency, row.per_usd_nano] += row.sums.amount_nano
    return found


def test_only_the_charges_say_why_they_were_read(db_url: str) -> None:
    book = Book(db_url).add(Booked(input_tokens=1)).post()
    assert read(book, Selection(UTC_ZONE)).reason is None
    assert read(book, Selection(SHANGHAI, dimensions=("day",))).reason is None
    assert "'team'" in str(read(book, Selection(UTC_ZONE, tags=(("team", "a"),))).reason)
    assert "quarter-hours" in str(read(book, Selection(UTC_ZONE, at("2026-03-02T10:31"))).reason)


def test_days_of_a_zone_that_was_off_the_quarter_hours_are_read_from_charges(db_url: str) -> None:
    book = Book(db_url).add(Booked(input_tokens=1)).post()
    monrovia = Selection(ZoneInfo("Africa/Monrovia"), dimensions=("day",))
    assert read(book, monrovia).grain == "quarters"
    with book.database.writing() as connection:
        # Liberia kept -0:44:30 until 7 January 1972.
        connection.execute(models.rollup_keys.update().values(occurred_month="1971-12"))
    spend = read(book, monrovia)
    assert spend.grain == "charges"
    assert "Africa/Monrovia" in str(spend.reason)


def test_sums_past_64_bits_are_exact(db_url: str) -> None:
    book = Book(db_url)
    book.add(*(Booked(project=f"p{number}", input_tokens=1) for number in range(3))).post()
    most = 2**63 - 1
    with book.database.writing() as connection:
        big = dict.fromkeys(["input_tokens", "output_tokens", "input_nano", "amount_nano"], most)
        connection.execute(models.rollup_days.update().values(big))
    (row,) = read(book, Selection(UTC_ZONE, dimensions=("model",))).rows
    assert row.sums.amount_nano == 3 * most
    assert row.sums.input_tokens == 3 * most
    with book.database.writing() as connection:
        connection.execute(models.rollup_days.update().values(amount_nano=-most))
    (row,) = read(book, Selection(UTC_ZONE, dimensions=("model",))).rows
    assert row.sums.amount_nano == -3 * most


@pytest.mark.parametrize("nano", [2**63 - 1, -(2**63 - 1), 2**61])
def test_quarter_hours_and_days_add_up_past_64_bits(db_url: str, nano: int) -> None:
    """Of another zone's day, and of a period with whole days and quarter-hours in it, which SQLite sums in halves."""
    book = Book(db_url)
    book.add(*(Booked(project=f"p{number}", input_tokens=1, at=NOON + number * QUARTER) for number in range(3)))
    book.add(*(Booked(project=f"p{number}", input_tokens=1, at=NOON + timedelta(days=1)) for number in range(3)))
    book.post()
    cells = {
        name: Cell(tuple(nano if measure == "amount_nano" else 0 for measure in models.MEASURES), cell.last_occurred_at)
        for name, cell in held_cells(db_url).items()
    }
    with book.database.writing() as connection:
        connection.execute(models.rollup_days.update().values(amount_nano=nano))
        connection.execute(models.rollup_quarters.delete())
        append_rows(connection, models.rollup_quarters, pack(cells))
    found = read(book, Selection(SHANGHAI, dimensions=("day",))).rows
    assert [row.sums.amount_nano for row in found] == [3 * nano, 3 * nano]
    until = NOON + timedelta(days=1)
    (row,) = read(book, Selection(UTC_ZONE, NOON - timedelta(days=1), until + QUARTER)).rows
    assert row.sums.amount_nano == 6 * nano
    assert row.last_occurred_at_us == until.timestamp() * 10**6


def test_an_empty_ledger_has_no_rows(db_url: str) -> None:
    book = Book(db_url)
    for dimensions in (("model",), ("day",), ("month",), ("tag:x",)):
        for zone in (UTC_ZONE, SHANGHAI):
            assert read(book, Selection(zone, dimensions=dimensions)).rows == []


def test_charges_come_in_order_of_posting(db_url: str) -> None:
    book = Book(db_url).add(*with_corrections(random_charges(5, 80), 6)).post()
    selection = Selection(UTC_ZONE, at("2026-06-01"), at("2026-07-01"))
    with book.database.reading() as connection:
        rows = list(read_charges(connection, selection, ledger_zone=book.zone))
        narrow = Selection(UTC_ZONE, projects=("search",), models=(CODE, PRO))
        narrowed = [row.id for row in read_charges(connection, narrow, ledger_zone=book.zone)]
    assert [row.id for row in rows] == [priced.number for priced in selected(book, selection)]
    assert narrowed == [priced.number for priced in selected(book, narrow)]
    by_number = {priced.number: priced for priced in book.priced}
    for row in rows:
        priced = by_number[row.id]
        assert row.amount_nano == priced.nano["amount_nano"]
        assert row.request_id == f"r{row.id}"
        assert row.run_id == 1
        if row.corrects_id is not None:
            assert row.corrected_input_tokens == by_number[row.corrects_id].booked.input_tokens


def test_a_reversal_takes_everything_back(db_url: str) -> None:
    charge = Booked(input_tokens=40_000, cached_input_tokens=10_000, output_tokens=5, reasoning_tokens=2)
    book = Book(db_url).add(charge, charge.reversed(1)).post()
    (row,) = read(book, Selection(UTC_ZONE)).rows
    assert set(row.sums) == {0}
