"""What estimates learn from the ledger: profiles of a span of time, read strictly again, and means of the roll-ups."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from ledger.errors import LedgerError
from ledger.estimates.history.means import ledger_means
from ledger.estimates.history.profile import Profile, ProfileRow, pull_profile, read_profile
from ledger.estimates.history.requests import OutputCount, read_output_counts
from ledger.reports.extent import first_request
from ledger.reports.selection import Selection
from ledger.store import tables as models
from tests.helpers.book import CODE, LITE, MINI, PRO, Book, Booked
from tests.helpers.ledgers import tamper

UTC_ZONE = ZoneInfo("UTC")
SINCE, UNTIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def pulled(book: Book, since: datetime = SINCE, until: datetime = UNTIL, **options: Any) -> Profile:
    return pull_profile(book.database, since=since, until=until, **options)


def only_row(profile: Profile) -> ProfileRow:
    (row,) = profile.workloads
    return row


# --- rows -----------------------------------------------------------------------------------------------------------


def test_a_row_has_means_and_share_of_all_its_requests(db_url: str) -> None:
    book = Book(db_url).add(
        Booked(input_tokens=100, cached_input_tokens=30, output_tokens=10),
        Booked(input_tokens=201, cached_input_tokens=0, output_tokens=11, status="incomplete"),
        Booked(input_tokens=400, cached_input_tokens=100, output_tokens=20),
    )
    assert only_row(pulled(book.post())) == ProfileRow(
        project="search",
        model=CODE,
        requests=3,
        mean_input_tokens=234,  # 701 / 3 = 233.67
        mean_output_tokens=14,  # 41 / 3 = 13.67
        p90_output_tokens=20,
        cached_share="0.1854",  # 130 / 701 = 0.18544, not the mean of 0.3, 0 and 0.25
    )


@pytest.mark.parametrize(("outputs", "mean"), [((1, 2), 2), ((2, 3), 2), ((3, 4), 4), ((1, 1, 2), 1), ((0,), 0)])
def test_means_are_rounded_half_even(db_url: str, outputs: tuple[int, ...], mean: int) -> None:
    book = Book(db_url).add(*(Booked(input_tokens=number, output_tokens=number) for number in outputs)).post()
    row = only_row(pulled(book))
    assert (row.mean_output_tokens, row.mean_input_tokens) == (mean, mean)


@pytest.mark.parametrize(
    ("outputs", "p90"),
    [
        ([7], 7),
        (range(1, 10), 9),  # 8 of 9 are 88.9 %
        (range(1, 11), 9),  # 9 of 10 are 90 %
        (range(1, 12), 10),  # 10 of 11 are 90.9 %, 9 are 81.8 %
        (range(1, 22), 19),  # 19 of 21 are 90.5 %
        ([5] * 9 + [600], 5),
        ([5] * 8 + [600] * 2, 600),
        ([0] * 100, 0),
    ],
)
def test_p90_is_the_least_value_that_at_least_nine_tenths_do_not_exceed(
    db_url: str, outputs: Iterable[int], p90: int
) -> None:
    values = list(outputs)
    random.Random(1).shuffle(values)
    book = Book(db_url).add(*(Booked(input_tokens=1, output_tokens=value) for value in values)).post()
    assert only_row(pulled(book)).p90_output_tokens == p90


@pytest.mark.parametrize(
    ("inputs", "cached", "share"),
    [
        ((100,), (0,), "0"),
        ((100,), (100,), "1"),
        ((3,), (1,), "0.3333"),
        ((20_000,), (1,), "0"),  # 0.00005, half-even
        ((20_000,), (3,), "0.0002"),  # 0.00015, half-even
        ((0, 0), (0, 0), "0"),
    ],
)
def test_the_cached_share_has_at_most_four_places(
    db_url: str, inputs: tuple[int, ...], cached: tuple[int, ...], share: str
) -> None:
    booked = [
        Booked(input_tokens=one, cached_input_tokens=other, output_tokens=1)
        for one, other in zip(inputs, cached, strict=True)
    ]
    assert only_row(pulled(Book(db_url).add(*booked).post())).cached_share == share


def test_sums_past_64_bits_are_exact(db_url: str) -> None:
    """As a card without limits would let them be booked."""
    book = Book(db_url).add(*(Booked(input_tokens=2, cached_input_tokens=1) for _ in range(3))).post()
    most = 2**63 - 1
    tamper(db_url, f"UPDATE usage_records SET input_tokens = {most}, cached_input_tokens = {most - 1}")
    row = only_row(pulled(book))
    assert (row.mean_input_tokens, row.cached_share) == (most, "1")


# --- what counts ----------------------------------------------------------------------------------------------------


def test_only_live_requests_that_were_billed_as_requests_count(db_url: str) -> None:
    kept = Booked(input_tokens=10, output_tokens=4)
    voided = Booked(input_tokens=1_000, cached_input_tokens=1_000, output_tokens=900)
    alike = Booked(input_tokens=1_000, output_tokens=4)  # shares its output with the one that stays
    moved = Booked("ads", PRO, input_tokens=5, output_tokens=6)
    book = Book(db_url).add(
        kept,
        voided,
        alike,
        moved,
        Booked(status="failed", input_tokens=7, output_tokens=7_000),
        Booked(status="cancelled", input_tokens=7, output_tokens=7_000),
        Booked(storage=timedelta(hours=1), storage_tokens=500),
    )
    book.add(voided.reversed(2, posted_month="2026-05"), alike.reversed(3), moved.reversed(4))
    book.add(Booked("search", PRO, input_tokens=5, output_tokens=6, charge_class="replacement", corrects=4)).post()
    rows = pulled(book).workloads
    assert [(row.project, row.model, row.requests, row.mean_input_tokens, row.p90_output_tokens) for row in rows] == [
        ("search", CODE, 1, 10, 4),
        ("search", PRO, 1, 5, 6),
    ]


def test_the_span_is_by_occurred_time_to_the_microsecond_late_usage_included(db_url: str) -> None:
    since, until = at("2026-03-10T10:07:01.000001"), at("2026-03-12T03:04:05.000006")
    tick = timedelta(microseconds=1)
    moments = [since - tick, since, until - tick, until]
    booked = [
        Booked(at=moment, input_tokens=1, output_tokens=2**number, posted_month="2026-06")
        for number, moment in enumerate(moments)
    ]
    row = only_row(pulled(Book(db_url).add(*booked).post(), since, until))
    assert (row.requests, row.mean_output_tokens) == (2, 3)  # 2 and 4


@pytest.mark.parametrize("foreign", [False, True])
def test_rows_are_in_order_of_project_and_model_whatever_the_databases_own_is(
    db_url: str, monkeypatch: pytest.MonkeyPatch, foreign: bool
) -> None:
    if foreign:  # as a database of some locale would have it

        def reversed_projects(*args: Any, **options: Any) -> list[OutputCount]:
            return sorted(read_output_counts(*args, **options), key=lambda count: count.project, reverse=True)

        monkeypatch.setattr("ledger.estimates.history.requests.read_output_counts", reversed_projects)
    names = ["b", "B", "a", "Ä", "a b", "a-b", "=1", "中", "z", "\U0001f600"]
    book = Book(db_url)
    for name in names:
        book.add(*(Booked(name, model, input_tokens=1, output_tokens=1) for model in (PRO, CODE)))
    found = [(row.project, row.model) for row in pulled(book.post()).workloads]
    assert found == sorted((name, model) for name in names for model in (CODE, PRO))


def test_projects_narrow_the_rows_and_change_none_of_them(db_url: str) -> None:
    book = Book(db_url).add(
        Booked("a", at=at("2026-03-11T12:00:00"), input_tokens=1, output_tokens=1),
        Booked("b", at=at("2026-03-21T12:00:00"), input_tokens=2, output_tokens=2),
    )
    whole = pulled(book.post())
    narrow = pulled(book, projects=["b", "c"])
    assert narrow.workloads == [row for row in whole.workloads if row.project == "b"]
    assert (narrow.days, whole.days) == ("19.5", "19.5")


def random_requests(seed: int, count: int) -> list[Booked]:
    rng = random.Random(seed)
    return [
        Booked(
            project=rng.choice(["search", "ads", "care"]),
            model=rng.choice([CODE, PRO, LITE, MINI]),
            at=at("2026-02-25T00:00:00") + timedelta(seconds=rng.randrange(40 * 86_400)),
            input_tokens=(tokens := rng.choice([1, 31_999, 32_001, 200_000])),
            cached_input_tokens=rng.randrange(tokens),
            output_tokens=rng.randrange(30),
            status=rng.choice(["completed", "completed", "incomplete", "failed"]),
            posted_month=rng.choice([None, None, "2026-05"]),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("timezone", ["UTC", "America/New_York"])
def test_a_ledger_of_many_shapes_agrees_with_plain_loops(empty_db_url: str, timezone: str) -> None:
    booked = random_requests(7, 600)
    voided = random.Random(8).sample(range(1, 601), 60)
    book = Book(empty_db_url, timezone=timezone).add(*booked)
    book.add(*(booked[number - 1].reversed(number, posted_month="2026-05") for number in voided)).post()
    live: dict[tuple[str, str], list[Booked]] = {}
    for number, one in enumerate(booked, 1):
        if number not in voided and SINCE <= one.at < UNTIL and one.status != "failed":
            live.setdefault((one.project, one.model), []).append(one)
    rows = pulled(book).workloads
    assert [(row.project, row.model) for row in rows] == sorted(live)
    for row in rows:
        of_row = live[row.project, row.model]
        outputs = sorted(one.output_tokens for one in of_row)
        within = [value for value in outputs if 10 * sum(other <= value for other in outputs) >= 9 * len(outputs)]
        inputs = sum(one.input_tokens for one in of_row)
        assert row.requests == len(of_row)
        assert row.p90_output_tokens == within[0]
        assert row.mean_input_tokens == round(Fraction(inputs, len(of_row)))
        assert row.mean_output_tokens == round(Fraction(sum(outputs), len(of_row)))
        cached = Fraction(sum(one.cached_input_tokens for one in of_row), inputs)
        assert Fraction(row.cached_share) == round(cached, 4)


# --- days and months ------------------------------------------------------------------------------------------------


def test_a_ledger_that_is_older_than_the_span_stands_for_all_of_it(db_url: str) -> None:
    book = Book(db_url).add(
        Booked(at=at("2026-02-28T23:00:00"), input_tokens=1),
        *(Booked(at=at("2026-03-20T00:00:00"), input_tokens=1) for _ in range(45)),
    )
    profile = pulled(book.post())
    assert (profile.since, profile.until, profile.days) == ("2026-03-01T00:00:00Z", "2026-03-31T00:00:00Z", "30")
    assert profile.requests_per_month(only_row(profile)) == 45
    week = pulled(book, at("2026-03-16T00:00:00"), at("2026-03-23T00:00:00"))
    assert (week.days, week.requests_per_month(only_row(week))) == ("7", 193)  # 45 x 30 / 7 = 192.86


def test_a_young_ledger_stands_for_the_days_since_its_first_request(db_url: str) -> None:
    book = Book(db_url).add(
        Booked(storage=timedelta(hours=1), storage_tokens=5, at=at("2026-03-02T00:00:00")),  # no request
        *(Booked(at=at("2026-03-28T00:05:00"), input_tokens=1) for _ in range(20)),
        Booked(at=at("2026-03-30T12:00:00"), input_tokens=1),
    )
    profile = pulled(book.post())
    assert profile.days == "3"  # from the quarter-hour that the first request lies in
    assert profile.requests_per_month(only_row(profile)) == 210


def test_a_record_of_a_wrong_date_makes_no_ledger_old_once_it_is_voided(db_url: str) -> None:
    wrong = Booked(at=at("2026-02-20T10:00:00"), input_tokens=1)
    real = Booked(at=at("2026-03-21T00:00:00"), input_tokens=1)
    assert pulled(Book(db_url).add(wrong, wrong.reversed(1), real).post()).days == "10"


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        ("2026-03-01T00:00:00", "2026-03-30T01:30:00", "1"),  # an hour and a half: taken for a day
        ("2026-03-29T23:00:00", "2026-03-30T01:30:00", "0.1042"),  # all of 2.5 hours asked for
        ("2026-03-30T00:00:00", "2026-03-30T06:00:00", "0.25"),
        ("2026-03-01T00:00:00", "2026-03-29T00:00:00", "28"),  # before the first: nothing is known
    ],
)
def test_a_few_hours_count_as_a_day_unless_less_was_asked_for(db_url: str, since: str, until: str, days: str) -> None:
    book = Book(db_url).add(Booked(at=at("2026-03-30T00:00:00"), input_tokens=1)).post()
    assert pulled(book, at(since), at(until)).days == days


def test_the_first_request_is_of_the_selections_projects_in_another_zone_too(empty_db_url: str) -> None:
    book = Book(empty_db_url, timezone="Asia/Shanghai").add(
        Booked("a", PRO, at("2026-03-04T16:14:59"), input_tokens=1),
        Booked("b", CODE, at("2026-03-04T15:59:59"), input_tokens=1),
    )
    book.post()
    with book.database.reading() as connection:

        def first(**of: Any) -> datetime | None:
            return first_request(connection, Selection(UTC_ZONE, **of), ledger_zone=book.zone)

        assert first() == at("2026-03-04T15:45:00")
        assert first(projects=("a", "c")) == at("2026-03-04T16:00:00")
        assert first(models=(PRO,)) == at("2026-03-04T16:00:00")
        assert first(projects=("a",), models=(CODE,)) is None


def test_an_empty_ledger_has_an_empty_profile(db_url: str) -> None:
    assert msgspec.to_builtins(pulled(Book(db_url))) == {
        "schema": 1,
        "since": "2026-03-01T00:00:00Z",
        "until": "2026-03-31T00:00:00Z",
        "days": "30",
        "workloads": [],
    }


# --- the document ---------------------------------------------------------------------------------------------------


def row(project: str = "search", model: str = CODE, **changes: Any) -> dict[str, Any]:
    counts = {"requests": 10, "mean_input_tokens": 100, "mean_output_tokens": 20, "p90_output_tokens": 30}
    return {"project": project, "model": model, **counts, "cached_share": "0.25", **changes}


def document(*rows: dict[str, Any], **changes: Any) -> dict[str, Any]:
    span = {"since": "2026-03-01T00:00:00Z", "until": "2026-03-31T00:00:00Z", "days": "30"}
    return {"schema": 1, **span, "workloads": list(rows), **changes}


def test_what_is_written_is_read_again(db_url: str) -> None:
    book = Book(db_url).add(*random_requests(9, 50)).post()
    profile = pulled(book)
    assert read_profile(msgspec.json.decode(msgspec.json.encode(profile)), "profile.json") == profile


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (document(schema=2), "schema 2 is not known, this tollbook reads schema 1: write the profile again with 'toll"),
        (document(schema="1"), "schema '1' is not known"),
        (document(schema=True), "schema True is not known"),
        ({"workloads": []}, "since: is missing; add it"),
        (document(extra=1), "extra: isn't a key of this file"),
        (document(row(), row(MINI, spare=1)), "workloads[1].spare: isn't a key of this file"),
        (document(row(requests=-1)), "workloads[0].requests: expected int >= 0"),
        (document(row(requests=1.5)), "workloads[0].requests: expected int, got float"),
        (document(row(mean_output_tokens="5")), "workloads[0].mean_output_tokens: expected int, got str"),
        (document(row(p90_output_tokens=2**63)), "workloads[0].p90_output_tokens: expected int <= "),
        (document(row(model="")), "workloads[0].model: expected str of length >= 1"),
        (
            document(row(cached_share="1.0001")),
            "workloads[0].cached_share: '1.0001' isn't a share: give a plain decimal",
        ),
        (document(row(cached_share="0.00001")), "workloads[0].cached_share: '0.00001' isn't a share"),
        (document(row(cached_share="-0.1")), "workloads[0].cached_share: '-0.1' isn't a share"),
        (document(row(cached_share="1e-2")), "workloads[0].cached_share: '1e-2' isn't a share"),
        (document(row(cached_share=0.5)), "workloads[0].cached_share: expected str, got float"),
        (document(days="0"), "days: '0' isn't a number of days: give a plain decimal above 0"),
        (document(days="-1"), "days: '-1' isn't a number of days"),
        (document(days="thirty"), "days: 'thirty' isn't a number of days"),
        (document(since="yesterday"), "since: 'yesterday' isn't a time: give one such as 2026-03-01T00:00:00Z"),
        (document(until="2026-03-01T00:00:00"), "until: '2026-03-01T00:00:00' isn't a time"),
        (document(row(), row()), f"workloads[1]: project 'search' and model '{CODE}' are given twice: keep one"),
        ([], "profile: expected object, got array"),
        (None, "profile: expected object, got null"),
    ],
)
def test_a_document_that_is_none_is_refused_by_file_and_key(wrong: Any, words: str) -> None:
    with pytest.raises(LedgerError) as caught:
        read_profile(wrong, "profile.json")
    assert str(caught.value).startswith("profile.json: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_row_is_found_by_model_and_project() -> None:
    profile = read_profile(document(row("a"), row("b", requests=30), row("b", PRO)), "profile.json")
    found = profile.row(CODE, "b")
    assert found is not None
    assert (found.project, found.model, found.requests) == ("b", CODE, 30)
    assert profile.row(PRO, None) == profile.row(PRO, "b")
    assert profile.row(PRO, "a") is None
    assert profile.row(MINI, None) is None


def test_without_a_project_a_models_rows_are_taken_together() -> None:
    one = row("a", requests=10, mean_input_tokens=100, mean_output_tokens=20, p90_output_tokens=90, cached_share="0.5")
    other = row("b", requests=30, mean_input_tokens=300, mean_output_tokens=31, p90_output_tokens=40, cached_share="0")
    found = read_profile(document(one, other), "profile.json").row(CODE, None)
    assert found is not None
    assert msgspec.structs.asdict(found) == {
        "project": "a",
        "model": CODE,
        "requests": 40,
        "mean_input_tokens": 250,  # (10 x 100 + 30 x 300) / 40
        "mean_output_tokens": 28,  # (10 x 20 + 30 x 31) / 40 = 28.25
        "p90_output_tokens": 90,
        "cached_share": "0.05",  # 10 x 50 / (10 x 100 + 30 x 300)
    }
    none = [row(project, requests=0, mean_input_tokens=0) for project in ("a", "b")]
    found = read_profile(document(*none), "profile.json").row(CODE, None)
    assert found is not None
    assert (found.requests, found.mean_output_tokens, found.cached_share) == (0, 0, "0")


@pytest.mark.parametrize(
    ("requests", "days", "a_month"),
    [(300, "7.5", 1_200), (1, "30", 1), (1, "60", 0), (3, "60", 2), (0, "1", 0), (7, "0.0001", 2_100_000)],
)
def test_requests_a_month_are_those_of_30_days_rounded_half_even(requests: int, days: str, a_month: int) -> None:
    profile = read_profile(document(row(requests=requests), days=days), "profile.json")
    assert profile.requests_per_month(profile.workloads[0]) == a_month


# --- means of the ledger --------------------------------------------------------------------------------------------

NOW = at("2026-06-01T12:00:00")


def test_means_are_of_a_model_in_a_project_or_in_all(db_url: str) -> None:
    book = Book(db_url).add(
        *(Booked("a", input_tokens=1, output_tokens=number) for number in (10, 11)),
        Booked("a", input_tokens=1, output_tokens=900, status="failed"),
        Booked("b", input_tokens=1, output_tokens=100, status="incomplete"),
        Booked("b", PRO, input_tokens=1, output_tokens=7),
        Booked("b", storage=timedelta(hours=1), storage_tokens=9),
        Booked("c", MINI, input_tokens=1, output_tokens=900, status="failed"),
    )
    means = ledger_means(book.post().database, now=NOW)
    assert means(CODE, "a") == 10  # 21 / 2, half-even
    assert means(CODE, "b") == 100
    assert means(CODE, None) == 40  # 121 / 3
    assert means(PRO, None) == 7
    assert [means(PRO, "a"), means(LITE, None), means(MINI, "c"), means(CODE, "nobody")] == [None] * 4


def test_means_leave_out_what_was_voided(db_url: str) -> None:
    voided = Booked(input_tokens=1, output_tokens=1_000)
    gone = Booked("gone", input_tokens=1, output_tokens=5)
    book = Book(db_url).add(Booked(input_tokens=1, output_tokens=3), voided, voided.reversed(2))
    means = ledger_means(book.add(gone, gone.reversed(4)).post().database, now=NOW)
    assert means(CODE, "search") == 3
    assert means(CODE, "gone") is None


def test_means_are_of_the_90_days_up_to_the_last_request(empty_db_url: str) -> None:
    """In the ledger's zone: 2 May in Shanghai begins on 1 May at 16:00 UTC, its 90 days on 1 February at 16:00."""
    book = Book(empty_db_url, timezone="Asia/Shanghai").add(
        Booked(at=at("2026-02-01T15:59:59"), input_tokens=1, output_tokens=100_000),
        Booked(at=at("2026-02-01T16:00:00"), input_tokens=1, output_tokens=10),
        Booked(at=at("2026-05-01T16:00:00"), input_tokens=1, output_tokens=20),
        Booked("other", at=at("2026-02-01T15:59:59"), input_tokens=1, output_tokens=5),
        Booked("ahead", at=at("2026-06-02T16:00:00"), input_tokens=1, output_tokens=9),
    )
    means = ledger_means(book.post().database, now=NOW)
    assert means(CODE, "search") == 15
    assert means(CODE, "other") == 5  # long ago, and all there is
    assert means(CODE, "ahead") is None  # after today


def test_a_mean_is_read_once(db_url: str) -> None:
    book = Book(db_url).add(Booked(input_tokens=1, output_tokens=3)).post()
    means = ledger_means(book.database, now=NOW)
    assert means(CODE, None) == 3
    with book.database.writing() as connection:
        connection.execute(models.rollup_days.delete())
    assert means(CODE, None) == 3
    assert ledger_means(book.database, now=NOW)(CODE, None) is None
