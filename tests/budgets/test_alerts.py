"""The thresholds that are news, and their words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.budgets.alerts import Alert, actual_alerts, back_alerts, forecast_alerts, news, silence_alert
from ledger.budgets.forecast import Forecast
from ledger.budgets.status import BudgetStatus
from ledger.reports.completeness import Silence
from ledger.values.amounts import Amount
from ledger.values.budget import Budget
from pricing.money import NANO

MARCH, APRIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)


def status(
    actual: float, amount: int = 100, *, expected: int | None = None, label: str = "2026-03", name: str = "search"
) -> BudgetStatus:
    budget = Budget(name=name, amount=Amount(amount * NANO, "USD"), alert_forecast=(80, 100), owner="Ann")
    forecast = None
    if expected is not None:
        by_day = ((date(2026, 3, 30), expected * NANO),)
        forecast = Forecast("weekdays", (expected - 5) * NANO, expected * NANO, (expected + 5) * NANO, by_day)
    return BudgetStatus(
        budget, label, MARCH, APRIL, APRIL - timedelta(days=9, hours=5), amount * NANO, int(actual * NANO),
        forecast=forecast,
    )  # fmt: skip


def crossed(actual: float, amount: int = 100) -> list[Alert]:
    return actual_alerts(status(actual, amount), None)


def percents(alerts: list[Alert]) -> list[int]:
    return [each.percent for each in alerts]


def test_each_threshold_is_told_once() -> None:
    told = news(crossed(85), [])
    assert percents(told) == [80]
    assert news(crossed(99), told) == []
    assert percents(news(crossed(100), told)) == [100]
    assert news(crossed(100), told + crossed(100)) == []


def test_an_amount_that_falls_and_rises_again_is_no_news() -> None:
    told = crossed(85)
    assert crossed(79) == []
    assert news(crossed(81), told) == []


@pytest.mark.parametrize(
    ("amount", "spent", "expected"),
    [
        # Told at 85 of 100 that 80 % are reached.
        (200, 159, []),
        (200, 160, [80]),
        (110, 87, []),
        (110, 88, [80]),  # 88 were not known yet
        (106, 85, []),  # 84.8 were
        (50, 85, [100]),  # 80 % of 50 were; that all of it is spent nobody said
    ],
)
def test_a_budget_that_is_changed_is_news_where_no_alert_named_so_much(
    amount: int, spent: int, expected: list[int]
) -> None:
    assert percents(news(crossed(spent, amount), crossed(85))) == expected


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 600)), max_size=8))
def test_told_is_every_threshold_at_every_amount_by_a_figure_that_reaches_it(seen: list[tuple[int, int]]) -> None:
    told: list[Alert] = []
    for amount, spent in seen:
        found = crossed(spent, amount)
        new = news(found, told)
        # The key of the table holds: no two events of one amount and threshold.
        assert not {(each.percent, each.amount_nano) for each in new} & {(o.percent, o.amount_nano) for o in told}
        told += new
        for each in found:
            assert any(o.percent == each.percent and o.reached_nano * 100 >= amount * NANO * o.percent for o in told)
    figures = [(each.percent, each.reached_nano) for each in told]
    assert len(set(figures)) == len(figures)


def test_other_periods_names_kinds_and_currencies_are_their_own() -> None:
    [told] = crossed(85)
    others = [
        replace(told, period="2026-04"), replace(told, name="ide"), replace(told, kind="forecast"),
        replace(told, currency="CRD"),
    ]  # fmt: skip
    assert news(others, [told]) == others


def test_a_forecast_is_told_once_it_is_over_for_two_days() -> None:
    now, over, under = status(40, expected=120), status(40, expected=101), status(40, expected=99)
    assert percents(forecast_alerts(now, [over, over], None)) == [80, 100]
    assert percents(forecast_alerts(now, [over, under], None)) == [80]
    # The period began since then.
    assert forecast_alerts(now, [over, status(40, expected=120, label="2026-02")], None) == []
    # Of that day nothing could be told.
    assert forecast_alerts(now, [over, status(40)], None) == []
    # 80 % are spent: that is told as such.
    assert percents(forecast_alerts(status(90, expected=120), [over, over], None)) == [100]


def test_an_alert_reads_as_status_does() -> None:
    [alert] = forecast_alerts(status(40, expected=120), [status(40, expected=120)], "2026-03-22T10:00:00Z")[1:]
    assert alert.content == {
        "kind": "forecast", "title": "budget search is expected to reach 100 % in 2026-03",
        "lines": [
            "40.00 of 100.00 USD spent (40 %)", "forecast 115.00 to 125.00 USD at the end",
            "expected to run out on 2026-03-30", "9.2 days left", "owner Ann", "data through 2026-03-22T10:00:00Z",
        ],
        "budget": "search", "period": "2026-03", "percent": 100, "actual": "40", "amount": "100", "currency": "USD",
        "used_percent": "40", "not_booked_lines": 0, "forecast_low": "115", "forecast": "120", "forecast_high": "125",
        "runs_out": "2026-03-30", "days_left": "9.2", "owner": "Ann", "at": "2026-03-22T19:00:00Z",
        "data_through": "2026-03-22T10:00:00Z",
    }  # fmt: skip


def test_amounts_are_rounded_as_their_budget_is_read() -> None:
    small = replace(status(1), amount_nano=2 * NANO, actual_nano=1_848_893_200, at=APRIL - timedelta(days=1))
    [content] = [each.content for each in actual_alerts(small, None)]
    assert content is not None
    assert content["lines"][:2] == ["1.85 of 2.00 USD spent (92.4 %)", "1 day left"]
    tiny = replace(small, amount_nano=NANO // 25, actual_nano=NANO // 31)
    [content] = [each.content for each in actual_alerts(tiny, None)]
    assert content is not None
    assert content["lines"][0] == "0.032258064 of 0.04 USD spent (80.6 %)"


def test_a_silence_is_told_once_and_so_is_its_end() -> None:
    silence = Silence("batch\nfeed", MARCH, timedelta(days=1), declared=True)
    [told] = news([silence_alert(silence)], [])
    assert told.content is not None
    assert told.content["title"] == r"source batch\nfeed is silent"
    assert told.content["expected_every_hours"] == "24"
    assert news([silence_alert(silence)], [told]) == []
    assert len(news([silence_alert(replace(silence, last_occurred_at=APRIL))], [told])) == 1
    assert back_alerts([told], ["batch\nfeed"], {"batch\nfeed": APRIL}) == []
    # Nothing is expected of it any more, and nothing came.
    assert back_alerts([told], [], {"batch\nfeed": MARCH}) == []
    [back] = news(back_alerts([told], [], {"batch\nfeed": APRIL}), [told])
    assert (back.kind, back.name, back.period) == ("back", "batch\nfeed", "2026-03-01T00:00:00Z")
    assert news(back_alerts([told, back], [], {"batch\nfeed": APRIL}), [told, back]) == []
    never = silence_alert(replace(silence, last_occurred_at=None))
    assert never.period == "never"
    assert len(back_alerts([never], [], {"batch\nfeed": APRIL})) == 1
