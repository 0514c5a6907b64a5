"""The last usage booked up to a period's end, against plain loops and as examples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from ledger.reports.extent import read_data_through
from ledger.reports.selection import Basis, Selection
from ledger.reports.snapshot import Snapshot
from ledger.reports.spend import last_usage
from ledger.values.calendar import month_start
from ledger.values.instants import moment_text
from tests.helpers.book import LITE, Book, Booked
from tests.reports.test_plan import random_charges

MONTHS = [f"2026-{month:02}" for month in range(1, 9)]


def data_through(book: Book, start: datetime, end: datetime, **of: Any) -> str | None:
    selection = Selection(book.zone, start, end, **of)
    with book.database.reading() as connection:
        snapshot = Snapshot(connection, book.zone, book.rollup_tags)
        return read_data_through(snapshot, selection, last_usage(snapshot.spend(selection).rows))


def of_month(book: Book, month: str, **of: Any) -> str | None:
    place = MONTHS.index(month)
    return data_through(book, *(month_start(each, book.zone) for each in MONTHS[place : place + 2]), **of)


@pytest.mark.parametrize("basis", ["posted", "occurred"])
def test_data_through_is_the_last_usage_booked_up_to_the_end(empty_db_url: str, basis: Basis) -> None:
    rng = Random(4)
    book = Book(empty_db_url, timezone="Asia/Shanghai").add(*random_charges(4, 30)).post()
    filters: tuple[dict[str, Any], ...] = (
        {},
        {"projects": ("search",)},
        {"models": (LITE,)},
        {"tags": (("team", "a"),)},
    )
    for _ in range(12):
        start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=rng.randrange(200 * 24))
        end = start + timedelta(hours=rng.choice([1, 24, 31 * 24]))
        for of in filters:
            moments = [
                one.booked.at
                for one in book.priced
                if (book.posted_at(one) if basis == "posted" else one.booked.at) < end
                and one.booked.project in of.get("projects", [one.booked.project])
                and one.booked.model in of.get("models", [one.booked.model])
                and all(one.booked.tags.get(key) == value for key, value in of.get("tags", ()))
            ]
            expected = moment_text(max(moments)) if moments else None
            assert data_through(book, start, end, basis=basis, **of) == expected


def test_an_empty_month_has_that_of_the_months_before_and_later_books_dont_count(empty_db_url: str) -> None:
    late = Booked(at=datetime(2026, 2, 20, tzinfo=UTC), posted_month="2026-05", input_tokens=1)
    book = Book(empty_db_url).add(Booked(at=datetime(2026, 2, 3, tzinfo=UTC), input_tokens=1), late).post()
    assert [of_month(book, month) for month in MONTHS[:-1]] == [
        None, *["2026-02-03T00:00:00Z"] * 3, *["2026-02-20T00:00:00Z"] * 3
    ]  # fmt: skip
    assert of_month(book, "2026-04", basis="occurred") == "2026-02-20T00:00:00Z"
