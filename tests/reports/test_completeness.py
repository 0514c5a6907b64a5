"""The lines that wait in quarantine and the silent sources agree with plain loops, on both databases."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ledger.reports.completeness import NotBooked, Silence, read_not_booked, read_silences
from ledger.reports.selection import Selection
from ledger.store import tables as models
from ledger.store.database import Database
from ledger.store.opening import open_ledger
from pricing.by_card import price_usage
from pricing.catalog import load_rate_cards
from pricing.charge import price_storage
from pricing.errors import PricingError
from pricing.money import round_usd
from pricing.usage import TokenUsage
from tests.helpers.book import CODE, MINI, NOON, PRO, QUARTER, Book, Booked

UTC_ZONE, SHANGHAI = ZoneInfo("UTC"), ZoneInfo("Asia/Shanghai")
CARDS = load_rate_cards()
DAY, WEEK, HOUR = timedelta(days=1), timedelta(weeks=1), timedelta(hours=1)
MARCH = Selection(UTC_ZONE, datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))

# --- silences -------------------------------------------------------------------------------------------------------


def book_of(url: str, usage: Mapping[str, Iterable[datetime]], timezone: str = "UTC") -> Book:
    book = Book(url, timezone=timezone)
    for source, moments in usage.items():
        book.add(*(Booked(source=source, at=moment, input_tokens=10) for moment in moments))
    return book.post()


def silences(book: Book, at: datetime, **expected: timedelta) -> tuple[Silence, ...]:
    with book.database.reading() as connection:
        return read_silences(connection, expected, ledger_zone=book.zone, at=at)


def plain_silences(usage: Mapping[str, list[datetime]], at: datetime, expected: Mapping[str, timedelta]) -> list[Any]:
    found: list[Any] = []
    for source in sorted({*usage, *expected}):
        quarters = sorted({moment - (moment - datetime(1970, 1, 1, tzinfo=UTC)) % QUARTER for moment in usage[source]})
        quarters = [quarter for quarter in quarters if quarter < at]
        if not quarters:
            continue
        last = max(moment for moment in usage[source] if moment < quarters[-1] + QUARTER)
        kept = [quarter for quarter in quarters if quarter >= quarters[-1] - 4 * WEEK]
        gap = max((after - before for before, after in pairwise(kept)), default=timedelta())
        every = expected.get(source, max(2 * gap, timedelta(hours=26)))
        is_regular = kept[-1] - kept[0] >= max(every, WEEK)
        if at - last > every and (source in expected or is_regular or at - last <= 4 * WEEK):
            found.append(Silence(source, last, every, source in expected))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_silences_agree_with_a_plain_loop(db_url: str, seed: int) -> None:
    rng = random.Random(seed)
    usage = {}
    for number in range(12):
        moment = NOON + timedelta(minutes=rng.randrange(90 * 1_440))
        steps = rng.choice([[1], [6, 14], [12, 13, 14], [24], [24, 72], [168], [700]])
        usage[f"s{number}"] = [moment]
        for _ in range(rng.randrange(40)):
            moment += timedelta(hours=rng.choice(steps), seconds=rng.randrange(3_600))
            usage[f"s{number}"].append(moment)
    book = book_of(db_url, usage, rng.choice(["UTC", "Asia/Shanghai"]))
    expected = {"s0": DAY, "s1": 100 * DAY}
    times = [NOON + timedelta(minutes=rng.randrange(200 * 1_440)) for _ in range(12)]
    agreed = [plain_silences(usage, at, expected) for at in times]
    assert [list(silences(book, at, **expected)) for at in times] == agreed
    assert len({silence.declared for found in agreed for silence in found}) == 2


def test_a_source_is_silent_past_its_declared_time_alone(db_url: str) -> None:
    book = book_of(db_url, {"evolink": [NOON]})
    assert silences(book, NOON + DAY, evolink=DAY) == ()
    late = NOON + DAY + timedelta(microseconds=1)
    assert silences(book, late, evolink=DAY) == (Silence("evolink", NOON, DAY, declared=True),)
    # Undeclared it may be 26 hours late.
    assert silences(book, NOON + 26 * HOUR) == ()
    assert [each.expected_every for each in silences(book, NOON + 27 * HOUR)] == [26 * HOUR]


def test_a_declared_source_without_any_usage_is_silent_and_a_later_one_was_not(db_url: str) -> None:
    book = book_of(db_url, {"later": [NOON]})
    assert silences(book, NOON - DAY, never=DAY, later=HOUR) == (Silence("never", None, DAY, declared=True),)


def test_weekends_are_no_silence(db_url: str) -> None:
    """Used on weekdays from 9 to 17 o'clock: Friday 17 to Monday 9 o'clock is 64 hours, twice as long is expected."""
    monday = datetime(2026, 3, 2, tzinfo=UTC)
    days = [monday + timedelta(days=number) for number in range(26) if number % 7 < 5]
    book = book_of(db_url, {"office": [day + timedelta(hours=hour) for day in days for hour in range(9, 18)]})
    friday = monday + timedelta(days=25, hours=17)
    assert silences(book, friday + 2 * 64 * HOUR) == ()
    assert silences(book, friday + 2 * 64 * HOUR + QUARTER) == (Silence("office", friday, 128 * HOUR, declared=False),)


def test_a_trial_is_named_for_four_weeks_and_regular_use_until_it_is_declared(db_url: str) -> None:
    hours = [NOON + number * HOUR for number in range(200)]
    book = book_of(db_url, {"trial": hours[:100], "regular": hours})
    assert [each.source for each in silences(book, hours[99] + 4 * WEEK)] == ["regular", "trial"]
    assert [each.source for each in silences(book, hours[99] + 4 * WEEK + QUARTER)] == ["regular"]
    assert [each.source for each in silences(book, NOON + 365 * DAY)] == ["regular"]
    assert silences(book, NOON + 365 * DAY, regular=1_000 * DAY) == ()


def test_an_adjustment_is_no_sign_of_life(db_url: str) -> None:
    book = Book(db_url).add(Booked(at=NOON, input_tokens=10))
    book.add(Booked(at=NOON + 2 * DAY, input_tokens=10, charge_class="adjustment")).post()
    assert [each.last_occurred_at for each in silences(book, NOON + 3 * DAY)] == [NOON]


# --- quarantine -----------------------------------------------------------------------------------------------------


def hold(database: Database, *lines: dict[str, Any]) -> None:
    """Puts lines in quarantine; `fields` and `options` are objects."""
    rows = []
    for number, line in enumerate(lines, 1):
        row: dict[str, Any] = {
            "id": number, "digest": str(number), "state": "open", "reason": "unknown_model", "message": "", "file": "f",
            "line": number, "length": 1, "seen": 1, "source": "evolink", "request_id": None, "occurred_at": NOON,
            "fields": {}, "complete": 1, "options": {}, "first_seen_at": NOON, "last_seen_at": NOON,
            "resolution": None, "resolved_at": None,
        } | line  # fmt: skip
        rows.append(row | {name: json.dumps(row[name]) for name in ("fields", "options")})
    with database.writing() as connection:
        connection.execute(models.quarantine.insert(), rows)


def fields(model: object = PRO, tokens: object = 1_000, **changes: Any) -> dict[str, Any]:
    named: dict[str, Any] = {"provider": "evolink", "kind": "request", "project": "search", "requested_model": model}
    return named | {"input_tokens": tokens, "output_tokens": tokens} | changes


def waiting(database: Database, selection: Selection = MARCH) -> NotBooked:
    with database.reading() as connection:
        return read_not_booked(connection, selection)


def close_march(database: Database, at: datetime) -> None:
    row = {"id": 1, "action": "close", "month": "2026-03", "number": 1, "at": at, "forced": 1, "last_charge_id": 0}
    texts = dict.fromkeys(("amounts", "rows_digest", "timezone", "previous", "digest"), "")
    with database.writing() as connection:
        connection.execute(
            models.closings.insert().values(**row, charges=0, billing_mode="prepaid", export_version=1, **texts)
        )


def plain_not_booked(lines: Iterable[Mapping[str, Any]], selection: Selection) -> NotBooked:
    """Counts line by line, prices as `price_usage` does, and adds USD up as fractions."""
    count = tokens = priced = undated = conflicts = 0
    usd = Fraction()
    for line in lines:
        stated, at, card = line["fields"], line["occurred_at"], CARDS.get(line["fields"].get("provider"))
        model = None
        for name in ("reported_model", "requested_model"):
            model = (card and card.resolve(stated.get(name))) or model
        if line["state"] != "open" or (at and not MARCH.start <= at < MARCH.end):
            continue
        if selection.projects and stated.get("project", selection.projects[0]) not in selection.projects:
            continue
        if selection.models and (model or selection.models[0]) not in selection.models:
            continue
        team = stated.get("tags", {}).get("team", None if line["complete"] else "web")
        if selection.tags and team != "web":
            continue
        count, undated = count + 1, undated + (at is None)
        if line["reason"] == "conflict":
            conflicts += 1
            continue
        counts = [stated.get(name) for name in ("input_tokens", "output_tokens")]
        tokens += sum(each for each in counts if type(each) is int and each >= 0)
        if not (at and line["complete"] and card):
            continue
        try:
            if stated["kind"] == "request":
                usage = TokenUsage(stated["input_tokens"], 0, stated["output_tokens"])
                nano = price_usage(usage, card=card, model=str(model), at=at).amount_nano
            else:
                end = at + timedelta(hours=2)
                nano = price_storage(card.entry_at(model, at), stated["tokens"], at, end).amount_nano
            conversion = card.conversion_at(at)
        except PricingError:
            continue
        priced += 1
        usd += Fraction(nano, conversion.per_usd_nano) if conversion else Fraction(nano, 10**9)
    return NotBooked(count, tokens, priced, round_usd(usd), undated, conflicts)


def random_line(rng: random.Random) -> dict[str, Any]:
    at = rng.choice([None, NOON, NOON, NOON, MARCH.start, MARCH.end, datetime(2025, 1, 1, tzinfo=UTC)])
    at = at and at + timedelta(seconds=rng.choice([0, 0, 5]))
    stated = fields(
        rng.choice([PRO, MINI, None, "unheard-of", 7]),
        rng.choice([1_000, 32_001, 300_000, -1, True, "many", 2**70]),
        project=rng.choice(["search", "ide", ["odd"]]),
        provider=rng.choice(["evolink", "evolink", "volcengine", "nobody"]),
        reported_model=rng.choice([None, CODE, "doubao-seed-2-0-code-preview-260215"]),
        tags=rng.choice([{}, {"team": "web"}, {"team": "app"}, {"team": ["odd"]}]),
    )
    if rng.random() < 0.2:
        stated |= {"kind": "cache_storage", "tokens": 5_000, "end": (at or NOON) + timedelta(hours=2)}
        stated["end"] = stated["end"].isoformat()
        del stated["input_tokens"], stated["output_tokens"]
    for name in rng.sample(sorted(stated), rng.choice([0, 0, 1, 2])):
        if name not in ("kind", "input_tokens", "output_tokens", "tokens", "end"):
            del stated[name]
    reason = rng.choice(["unknown_model", "unknown_model", "conflict"])
    state, complete = rng.choice(["open", "open", "discarded", "accepted"]), rng.choice([0, 1, 1])
    return {"occurred_at": at, "fields": stated, "reason": reason, "complete": complete, "state": state}


@pytest.mark.parametrize("seed", range(3))
def test_what_waits_agrees_with_a_plain_loop_over_the_fields(db_url: str, seed: int) -> None:
    rng = random.Random(seed)
    lines = [random_line(rng) for _ in range(400)]
    database = open_ledger(db_url)
    hold(database, *lines)
    base = {"zone": UTC_ZONE, "start": MARCH.start, "end": MARCH.end}
    for filters in ({}, {"projects": ("search",)}, {"models": (CODE, MINI)}, {"tags": (("team", "web"),)}):
        selection = Selection(**base, **filters)  # type: ignore[arg-type]
        found = waiting(database, selection)
        assert found == plain_not_booked(lines, selection)
        assert 0 < found.priced_lines < found.lines - found.conflicts - found.undated_lines


def test_an_empty_quarantine_is_nothing(db_url: str) -> None:
    assert waiting(open_ledger(db_url)) == NotBooked()
    assert not waiting(open_ledger(db_url))


def test_tokens_and_usd_of_lines_that_can_be_priced(db_url: str) -> None:
    database = open_ledger(db_url)
    hold(
        database, {"fields": fields(PRO, 1_000)}, {"fields": fields("unheard-of", 50)}, {"fields": fields(MINI, 1_000)}
    )
    # Of pro 32 credits in and 160 out per 1M, of mini 2 and 20; 72 are a dollar.
    nano = (1_000 * (32 + 160) + 1_000 * (2 + 20)) * 1_000
    assert waiting(database) == NotBooked(3, 2 * (1_000 + 50 + 1_000), 2, round_usd(Fraction(nano, 72 * 10**9)))


def test_a_conflict_is_a_line_without_tokens_or_price(db_url: str) -> None:
    database = open_ledger(db_url)
    hold(database, {"fields": fields(PRO, 1_000), "reason": "conflict"})
    assert waiting(database) == NotBooked(1, conflicts=1)


def test_the_project_of_a_run_is_that_of_its_lines(db_url: str) -> None:
    database = open_ledger(db_url)
    hold(database, {"complete": 0, "options": {"project": "ide"}}, {"complete": 0})
    assert waiting(database, Selection(UTC_ZONE, projects=("search",))).lines == 1
    assert waiting(database, Selection(UTC_ZONE, projects=("ide",))).lines == 2


def test_broken_json_is_a_line_all_the_same(db_url: str) -> None:
    database = open_ledger(db_url)
    hold(database, {}, {"fields": ["odd"]})
    with database.writing() as connection:
        connection.execute(models.quarantine.update().where(models.quarantine.c.id == 1).values(fields="{"))
    assert waiting(database) == NotBooked(2)


def test_what_waited_at_a_time_is_the_same_for_ever(db_url: str) -> None:
    """Of six lines three waited at the close: one still does, one was accepted and one discarded since."""
    database = open_ledger(db_url)
    then, later = NOON + DAY, NOON + 2 * DAY
    settled = {"state": "accepted", "resolved_at": later}
    hold(
        database, {}, settled, settled | {"state": "discarded"}, {"first_seen_at": later},
        {"state": "resolved", "resolved_at": then}, settled | {"first_seen_at": later},
    )  # fmt: skip
    assert waiting(database).lines == 2
    close_march(database, then)
    assert waiting(database).lines == 3


def test_prices_of_a_time_are_those_that_the_ledger_had(db_url: str) -> None:
    database = open_ledger(db_url)
    card = (
        'provider = "evolink"\ncurrency = "CRD"\nper_tokens = 1_000_000\n[[conversion]]\nper_usd = "72"\n'
        'effective_from = 2026-02-01\n[[model]]\nid = "{}"\n[[model.price]]\neffective_from = 2026-02-01\n'
        'tiers = [{{ input = "{}", output = "0" }}]\n'
    )
    hold(database, {"fields": fields("first", 1_000)}, {"fields": fields("second", 1_000)})
    version = {"provider": "evolink", "origin": "user", "digest": "", "reason": None}
    with database.writing() as connection:
        for number, (name, added_at) in enumerate((("first", NOON), ("second", NOON + 2 * DAY)), 1):
            content = card.format(name, 72 * number)
            row = version | {"id": number, "content": content, "added_at": added_at}
            connection.execute(models.card_versions.insert().values(**row))
    # 1,000 tokens at 72 credits per 1M are 0.001 USD.
    assert waiting(database).usd_nano == 1_000_000 + 2_000_000
    close_march(database, NOON + DAY)
    assert waiting(database).usd_nano == 1_000_000
