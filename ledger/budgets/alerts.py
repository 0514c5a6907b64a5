"""What is news of budgets and sources: thresholds that are crossed, each told once. Decision 0024 has the why."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args

from ledger.budgets.status import BudgetStatus
from ledger.reports.completeness import Silence
from ledger.reports.completeness_words import silence_documents, silence_words
from ledger.values.instants import moment_text
from ledger.values.safe_text import visible
from ledger.values.words import money, tenths
from pricing.money import format_nano

DigestKind: TypeAlias = Literal["weekly", "monthly"]
Kind: TypeAlias = Literal["actual", "forecast", "silent", "back"] | DigestKind

DIGESTS: tuple[DigestKind, ...] = get_args(DigestKind)

NEVER = "never"
"""The time of the last usage of a source that never had any."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something to tell: a threshold of a budget's period that is reached, a source that is silent or back, a digest.

    `period` is the label of the period, of a source the time of its last usage before the silence. `reached_nano` is
    what was spent, or is expected, when it was seen. Of a source or a digest percent and amounts are 0, and `name` is
    a digest's channel. `content` is what is sent.
    """

    kind: Kind
    name: str
    period: str
    percent: int = 0
    currency: str = ""
    amount_nano: int = 0
    reached_nano: int = 0
    content: Mapping[str, Any] | None = None

    @property
    def subject(self) -> tuple[object, ...]:
        """The part that stays the same where the amount changes."""
        return self.kind, self.name, self.period, self.percent, self.currency

    @property
    def is_digest(self) -> bool:
        return self.kind in DIGESTS


def news(alerts: Iterable[Alert], told: Iterable[Alert]) -> list[Alert]:
    """Returns the alerts that aren't told yet.

    A threshold is told where an alert already named a figure that reaches it as it is now. With 80 % of 100 told at 85,
    80 % of 200 is news at 160, 80 % of 110 at 88; told at 90, 80 % of 110 is none.
    """
    highest: dict[tuple[object, ...], int] = {}
    for each in told:
        highest[each.subject] = max(each.reached_nano, highest.get(each.subject, each.reached_nano))
    return [
        each
        for each in alerts
        if each.subject not in highest or highest[each.subject] * 100 < each.amount_nano * each.percent
    ]


def actual_alerts(status: BudgetStatus, data_through: str | None) -> list[Alert]:
    """Returns the alerts of the thresholds that are reached."""
    return [_alert(status, "actual", percent, status.actual_nano, data_through) for percent in status.crossed]


def forecast_alerts(status: BudgetStatus, earlier: Sequence[BudgetStatus], data_through: str | None) -> list[Alert]:
    """Returns the alerts of the forecast's thresholds that it reached at the earlier times of the period too.

    What is spent already tells more: a threshold that is reached by it is left to `actual_alerts`.
    """
    assert status.forecast is not None
    return [
        _alert(status, "forecast", percent, status.forecast.expected or 0, data_through)
        for percent in status.crossed_by_forecast
        if percent not in status.crossed
        and all(each.label == status.label and percent in each.crossed_by_forecast for each in earlier)
    ]


def silence_alert(silence: Silence) -> Alert:
    """Returns the alert of a source that is silent for too long."""
    last = NEVER if silence.last_occurred_at is None else moment_text(silence.last_occurred_at)
    title, lines = f"source {visible(silence.source)} is silent", [silence_words(silence), "totals may be too low"]
    [facts] = silence_documents([silence])
    return Alert("silent", silence.source, last, content=_content("silent", title, lines, **facts))


def back_alerts(told: Iterable[Alert], silent: Container[str], last_usage: Mapping[str, datetime]) -> list[Alert]:
    """Returns an alert of each source that was last told to be silent, isn't any more, and has usage since."""
    found = []
    for name, each in {each.name: each for each in told if each.kind == "silent"}.items():
        last = last_usage.get(name)
        if name not in silent and last is not None and moment_text(last) != each.period:
            lines, facts = [f"it was silent since {each.period}"], {"source": name, "silent_since": each.period}
            content = _content("back", f"source {visible(name)} has usage again", lines, **facts)
            found.append(Alert("back", name, each.period, content=content))
    return found


def _alert(status: BudgetStatus, kind: Kind, percent: int, reached_nano: int, data_through: str | None) -> Alert:
    budget = status.budget
    verb = "has reached" if kind == "actual" else "is expected to reach"
    title = f"budget {visible(budget.name)} {verb} {percent} % in {status.label}"
    facts = _facts(status) | {"percent": percent, "data_through": data_through}
    return Alert(
        kind,
        budget.name,
        status.label,
        percent,
        budget.amount.currency,
        status.amount_nano,
        reached_nano,
        _content(kind, title, _lines(status, data_through), **facts),
    )


def _content(kind: Kind, title: str, lines: Sequence[str], **facts: object) -> dict[str, object]:
    return {"kind": kind, "title": title, "lines": list(lines), **facts}


def _facts(status: BudgetStatus) -> dict[str, object]:
    """The figures as programs get them."""
    found = status.forecast
    figures = {} if found is None else {"low": found.low, "expected": found.expected, "high": found.high}
    forecast = {name: None if nano is None else format_nano(nano) for name, nano in figures.items()}
    return {
        "budget": status.budget.name,
        "period": status.label,
        "actual": format_nano(status.actual_nano),
        "amount": format_nano(status.amount_nano),
        "currency": status.budget.amount.currency,
        "used_percent": tenths(status.used * 100),
        "not_booked_lines": status.not_booked.lines,
        "forecast_low": forecast.get("low"),
        "forecast": forecast.get("expected"),
        "forecast_high": forecast.get("high"),
        "runs_out": None if status.runs_out is None else status.runs_out.isoformat(),
        "days_left": tenths(status.days_left),
        "owner": status.budget.owner,
        "at": moment_text(status.at, "seconds"),
    }


def _lines(status: BudgetStatus, data_through: str | None) -> list[str]:
    """The figures as people read them."""
    currency, found, days = status.budget.amount.currency, status.forecast, tenths(status.days_left)

    def words(nano: int) -> str:
        return money(nano, status.amount_nano)

    least = "at least " if status.not_booked else ""
    spent = f"{least}{words(status.actual_nano)} of {words(status.amount_nano)} {currency} spent"
    lines = [f"{spent} ({tenths(status.used * 100)} %)"]
    if found is not None and found.low is not None and found.high is not None:
        lines.append(f"forecast {words(found.low)} to {words(found.high)} {currency} at the end")
    if status.runs_out is not None:
        lines.append(f"expected to run out on {status.runs_out}")
    lines.append(f"{days} {'day' if days == '1' else 'days'} left" if status.days_left else "the period is over")
    if status.budget.owner is not None:
        lines.append(f"owner {visible(status.budget.owner)}")
    return [*lines, f"data through {data_through}"] if data_through else lines
