"""The report's figures, order and title, as arithmetic over query rows."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.reports.plan import Sums
from ledger.reports.report import ReportOptions, run_report
from ledger.reports.selection import Selection
from ledger.reports.spend import SelectedSpend, SpendRow
from ledger.reports.table import Earlier, Layout, Report, build_report, report_columns
from ledger.values.periods import ALL_TIME, Span, month_span
from pricing.catalog import load_rate_cards
from tests.helpers.book import CODE, MINI, PRO, Book, Booked

NANO = 10**9
UTC_ZONE = ZoneInfo("UTC")
ENTRY = load_rate_cards()["evolink"].models[CODE].entries[0]
FIXED = [
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "input_credits",
    "cached_input_credits",
    "output_credits",
    "cache_storage_credits",
    "credits",
    "usd",
    "cache_savings_usd",
]


def row(
    *dimensions: str | None,
    nano: int = 0,
    cached: int = 0,
    currency: str = "CRD",
    per_usd: str | None = "72",
    tier: str = "32000",
    last_us: int | None = 0,
) -> SpendRow:
    sums = Sums(1, 10 + cached, cached, 3, 2, nano, 0, 0, 0, nano)
    per_usd_nano = None if per_usd is None else int(Decimal(per_usd) * NANO)
    return SpendRow(dimensions, currency, per_usd_nano, 1, tier, sums, last_us)


def spend(*rows: SpendRow) -> SelectedSpend:
    return SelectedSpend(list(rows), {1: ENTRY}, "days")


def selection(*dimensions: str, **filters: Any) -> Selection:
    return Selection(UTC_ZONE, dimensions=dimensions or ("model",), **filters)


def report(
    *rows: SpendRow, by: tuple[str, ...] = ("model",), before: SelectedSpend | None = None, **layout: Any
) -> Report:
    earlier = None if before is None else Earlier(before, month_span("2026-02", UTC_ZONE))
    return build_report(spend(*rows), selection(*by), ALL_TIME, layout=Layout(**layout), earlier=earlier)


def cells(found: Report, name: str) -> list[Any]:
    place = [column.name for column in found.columns].index(name)
    return [row[place] for row in found.rows]


def total(found: Report, name: str) -> Any:
    return found.total[[column.name for column in found.columns].index(name)]


def test_columns_are_the_dimensions_then_the_measures() -> None:
    assert [column.name for column in report_columns(("project", "tag:team"))] == ["project", "tag:team", *FIXED]
    assert [column.name for column in report_columns(("currency",), compared=True)][-4:] == [
        "amount",
        "previous_usd",
        "change_usd",
        "change_percent",
    ]


def test_usd_is_rounded_once_a_figure() -> None:
    # In nano-USD: a third is 0, four thirds are 1, and all five thirds are 2.
    rows = [row("a", nano=24), row("b", nano=48), row("b", nano=48)]
    found = report(*rows)
    assert cells(found, "usd") == [1, 0]
    assert total(found, "usd") == 2


def test_usd_adds_conversions_as_fractions() -> None:
    found = report(row("a", nano=NANO, per_usd="72"), row("a", nano=NANO, per_usd="68"), row("a", nano=5, per_usd=None))
    exact = Fraction(1, 72) + Fraction(1, 68) + Fraction(5, NANO)
    assert cells(found, "usd") == [round(exact * NANO)]


def test_half_a_nano_usd_goes_to_the_even_one() -> None:
    assert cells(report(row("a", nano=36)), "usd") == [0]
    assert cells(report(row("a", nano=36 + 72)), "usd") == [2]


def test_credits_hold_the_credit_part_and_amount_the_rows_currency() -> None:
    rows = [
        row("CRD", nano=720 * NANO),
        row("CNY", nano=72 * NANO, currency="CNY", per_usd="7.2"),
        row("USD", nano=NANO, currency="USD", per_usd=None),
    ]
    found = report(*rows, by=("currency",))
    assert cells(found, "currency") == ["CNY", "CRD", "USD"]
    assert cells(found, "credits") == [0, 720 * NANO, 0]
    assert cells(found, "amount") == [72 * NANO, 720 * NANO, NANO]
    assert cells(found, "usd") == [10 * NANO, 10 * NANO, NANO]
    assert total(found, "credits") == 720 * NANO
    assert total(found, "amount") is None
    assert total(found, "usd") == 21 * NANO


def test_amount_has_a_total_where_there_is_one_currency() -> None:
    assert total(report(row("CRD", nano=5), row("CRD", nano=6), by=("currency",)), "amount") == 11
    assert total(report(by=("currency",)), "amount") == 0


@pytest.mark.parametrize(("tier", "rate"), [("32000", 32), ("128000", 48), ("256000", 96), ("none", Decimal("6.4"))])
def test_cache_savings_are_by_the_tiers_own_input_rate(tier: str, rate: Decimal) -> None:
    found = report(row("a", cached=7_200_000, tier=tier), row("a", cached=-3_600_000, tier=tier))
    # 3.6M tokens x (rate - 6.4) credits per 1M, at 72 credits a dollar.
    assert cells(found, "cache_savings_usd") == [Decimal("3.6") * (rate - Decimal("6.4")) / 72 * NANO]


def test_a_charge_without_a_price_saves_nothing() -> None:
    adjustment = row("a", nano=72, cached=5)._replace(rate_entry_id=None)
    assert cells(report(adjustment), "cache_savings_usd") == [0]


def test_sums_pass_64_bits() -> None:
    most = 2**63 - 1
    assert cells(report(row("a", nano=most), row("a", nano=most)), "credits") == [2 * most]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-(10**18), 10**18), st.sampled_from(["72", "68", None]))))
def test_the_total_is_that_of_all_rows_in_any_order(parts: list[tuple[str, int, str | None]]) -> None:
    rows = [row(name, nano=nano, per_usd=per_usd) for name, nano, per_usd in parts]
    found = report(*rows, top=1)
    assert found.total == report(*reversed(rows)).total
    exact = sum((Fraction(nano, int(per_usd or 1)) for _name, nano, per_usd in parts), Fraction())
    assert total(found, "usd") == round(exact)
    assert len(found.rows) == min(1, len({name for name, _nano, _per_usd in parts}))


def test_dearest_first_and_by_name_where_equal() -> None:
    found = report(row("b", nano=1 * NANO), row("a", nano=1 * NANO), row("c", nano=9 * NANO), row(None, nano=NANO))
    assert cells(found, "model") == ["c", "a", "b", None]


def test_time_goes_forward() -> None:
    rows = [row("2026-03-02", "a", nano=9), row("2026-03-01", "a", nano=720), row("2026-03-01", "b", nano=7_200)]
    found = report(*rows, by=("day", "model"))
    assert [row[:2] for row in found.rows] == [("2026-03-01", "b"), ("2026-03-01", "a"), ("2026-03-02", "a")]


def test_sorting_numbers_falls_and_text_rises() -> None:
    rows = [row("b", cached=1), row("a", cached=5), row("c", cached=3)]
    assert cells(report(*rows, sort="cached_input_tokens"), "model") == ["a", "c", "b"]
    assert cells(report(*rows, sort="model"), "model") == ["a", "b", "c"]
    tiers = [row(tier) for tier in ("none", "unbounded", "128000", "32000", "256000", "unbounded/9", "32000/200")]
    assert cells(report(*tiers, by=("tier",), sort="tier"), "tier") == [
        "32000/200",
        "32000",
        "128000",
        "256000",
        "unbounded/9",
        "unbounded",
        "none",
    ]


def test_top_keeps_the_total_and_says_so() -> None:
    found = report(*(row(f"m{number}", nano=number * 72) for number in range(5)), top=2)
    assert cells(found, "model") == ["m4", "m3"]
    assert total(found, "usd") == 10
    assert found.title.endswith("top 2 of 5 by usd")
    assert report(row("a"), top=3, sort="model").title.endswith("top 1 of 1 by model")


def test_comparison_shows_what_only_one_period_has() -> None:
    before = spend(row("gone", nano=72 * NANO), row("kept", nano=3 * 72 * NANO))
    found = report(row("new", nano=72 * NANO), row("kept", nano=2 * 72 * NANO), before=before, sort="model")
    assert cells(found, "model") == ["gone", "kept", "new"]
    assert cells(found, "usd") == [0, 2 * NANO, NANO]
    assert cells(found, "previous_usd") == [NANO, 3 * NANO, 0]
    assert cells(found, "change_usd") == [-NANO, -NANO, NANO]
    assert cells(found, "change_percent") == [-1_000, -333, None]
    assert (total(found, "previous_usd"), total(found, "change_percent")) == (4 * NANO, -250)
    assert "compared with 2026-02" in found.title


def test_the_title_says_what_is_covered() -> None:
    assert report().title == "Spend by model, all time (posted, UTC)"
    zone = ZoneInfo("Asia/Shanghai")
    chosen = Selection(
        zone, None, None, "occurred", ("model", "project", "day"), ("search", "=x"), (CODE,), (("team", "a"),)
    )
    title = build_report(spend(), chosen, Span(None, None, "2026-03")).title
    assert title == (
        "Spend by model, project and day, 2026-03 (occurred, Asia/Shanghai); project search or =x; "
        f"model {CODE}; tag team=a"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dimensions": ["colour"]}, "'colour' isn't a dimension"),
        ({"dimensions": ["tag:"]}, "tag:KEY"),
        ({"dimensions": ["team"]}, "--by 'team' isn't a dimension: for a tag give 'tag:team', else one of model, "),
        ({"dimensions": ["Tag=team"]}, "for a tag give 'tag:team', else one of model, project, day"),
        ({"dimensions": ["modle"]}, "did you mean 'model'? For a tag give 'tag:modle', else one of model, "),
        ({"dimensions": [""]}, "for a tag give 'tag:KEY'"),
        ({"sort": "colour"}, "'colour' isn't a column"),
        ({"sort": "credit"}, "did you mean 'credits'? Give one of model, requests, "),
        ({"sort": "previous_usd"}, "isn't a column of this report"),
        ({"dimensions": ["day"], "compare": "previous"}, "leave out --by day"),
        ({"tags": ["team"]}, "KEY=VALUE"),
        ({"tags": ["=x"]}, "KEY=VALUE"),
    ],
)
def test_wrong_use_is_refused_without_a_ledger(options: dict[str, Any], words: str) -> None:
    with pytest.raises(LedgerError) as refused:
        ReportOptions(**options)
    assert words in str(refused.value)


def test_a_dimension_given_twice_counts_once() -> None:
    assert ReportOptions(dimensions=["model", "project", "model"]).by == ("model", "project")
    assert ReportOptions(dimensions=()).by == ("model",)


# --- of a ledger ----------------------------------------------------------------------------------------------------


def book(url: str) -> Book:
    return (
        Book(url)
        .add(
            Booked("search", CODE, datetime(2026, 3, 5, tzinfo=UTC), 40_000, 10_000, 2_000, 500, tags={"team": "a"}),
            Booked("search", MINI, datetime(2026, 3, 31, 20, tzinfo=UTC), 1_000, 0, 10, 0),
            Booked("chat", PRO, datetime(2026, 2, 5, tzinfo=UTC), 32_001, 1, 7, 0, per_usd="68"),
            Booked("chat", PRO, datetime(2026, 2, 6, tzinfo=UTC), 10, 0, 7, 0, posted_month="2026-03"),
        )
        .post()
    )


NOW = datetime(2026, 4, 8, tzinfo=UTC)


def run(url: str, **options: Any) -> Report:
    return run_report(book(url).database, ReportOptions(**options), now=NOW)


def test_a_month_by_model_and_project(db_url: str) -> None:
    found = run(db_url, dimensions=["model", "project"], month="2026-03")
    code = 30_000 * 48 + 10_000 * Decimal("6.4") + 2_000 * 240
    mini = 1_000 * 2 + 10 * 20
    late = 10 * 32 + 7 * 160
    assert [row[:2] for row in found.rows] == [(CODE, "search"), (MINI, "search"), (PRO, "chat")]
    assert cells(found, "credits") == [code * 1_000, mini * 1_000, late * 1_000]
    assert cells(found, "requests") == [1, 1, 1]
    assert total(found, "usd") == round(Fraction(code + mini + late) * 1_000 / 72)
    assert found.data_through == "2026-03-31T20:00:00Z"
    assert found.notes == ()


def test_posted_and_occurred_differ_by_what_came_late(db_url: str) -> None:
    ledger = book(db_url).database
    for basis, requests in (("posted", 3), ("occurred", 2)):
        options = ReportOptions(month="last", basis=basis)  # type: ignore[arg-type]
        found = run_report(ledger, options, now=NOW)
        assert total(found, "requests") == requests
        assert f"2026-03 ({basis}, UTC)" in found.title
    assert (
        run_report(ledger, ReportOptions(basis="posted"), now=NOW).total
        == run_report(ledger, ReportOptions(basis="occurred"), now=NOW).total
    )


def test_months_of_another_zone(db_url: str) -> None:
    found = run(db_url, dimensions=["month"], timezone="Asia/Shanghai", basis="occurred")
    assert cells(found, "month") == ["2026-02", "2026-03", "2026-04"]


def test_compared_with_the_month_before(db_url: str) -> None:
    found = run(db_url, dimensions=["project"], month="2026-03", compare="previous", sort="project")
    february = 32_000 * 48 + Decimal("6.4") + 7 * 240
    assert cells(found, "project") == ["chat", "search"]
    assert cells(found, "previous_usd") == [round(Fraction(february) * 1_000 / 68), 0]
    assert (
        run_report(book_again(db_url), ReportOptions(month="2026-03", compare="2026-02"), now=NOW).total[-3:]
        == (found.total[-3:])
    )


def book_again(url: str) -> Any:
    from ledger.store.opening import open_ledger

    return open_ledger(url)


def test_tags_that_arent_rolled_up_are_read_from_charges_and_said(db_url: str) -> None:
    found = run(db_url, dimensions=["tag:team"])
    assert cells(found, "tag:team") == ["a", None]
    (note,) = found.notes
    assert "not from the roll-ups: tag 'team' is not rolled up" in note


def test_nothing_selected_is_said(db_url: str) -> None:
    found = run(db_url, projects=["nobody"])
    assert found.rows == []
    assert found.total[1:6] == (0, 0, 0, 0, 0)
    assert "nothing was selected" in found.notes[0]


def test_an_unknown_zone_is_refused(db_url: str) -> None:
    with pytest.raises(LedgerError, match="Mars/Olympus"):
        run(db_url, timezone="Mars/Olympus")
