"""Budgets: what usage may cost in each period, as options and tollbook.toml state them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeAlias, TypeVar, get_args

import msgspec

from ledger.errors import LedgerError
from ledger.values.amounts import CREDITS, Amount, parse_amount, unit_of
from ledger.values.budget_periods import Period
from ledger.values.periods import parse_day
from ledger.values.safe_text import UNPRINTABLE
from pricing.errors import joined_key, shown
from pricing.money import INT64_MAX
from pricing.names import did_you_mean, with_question

PERIODS: tuple[Period, ...] = get_args(Period)
DEFAULT_ALERTS = (80, 100)
DEFAULT_FORECAST_ALERTS = (100,)
MOST_PERCENT = 1_000
MAX_NAME = 200
MAX_TAG_VALUE = 512

Tags: TypeAlias = tuple[tuple[str, str], ...]
Where: TypeAlias = Callable[[str], str]
"""The name of a field in messages: an option, or a key of the file."""

T = TypeVar("T", str, tuple[str, str])
_Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
_UNKEPT = re.compile("[\0\ud800-\udfff]")
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """The most that each period may cost, of usage with one of the projects, models and values of each tag, or all.

    `alerts` and `alert_forecast` are percents of the amount. `months` are other amounts of single months, in nano of
    the amount's currency. `start` is the day it is stated to hold from, YYYY-MM-DD.
    """

    name: str
    amount: Amount
    period: Period = "month"
    projects: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    tags: Tags = ()
    alerts: tuple[int, ...] = DEFAULT_ALERTS
    alert_forecast: tuple[int, ...] = DEFAULT_FORECAST_ALERTS
    owner: str | None = None
    notify: str | None = None
    months: Mapping[str, int] = {}
    start: str | None = None

    def amount_nano_in(self, month: str) -> int:
        """Returns the amount of a period that begins in the month YYYY-MM."""
        return self.months.get(month, self.amount.nano)

    @property
    def rule(self) -> Budget:
        """The same as the ledger compares it: without its start, each list in order and without repetition."""
        return msgspec.structs.replace(
            self,
            projects=_in_order(self.projects),
            models=_in_order(self.models),
            tags=_in_order(self.tags),
            months=dict(sorted(self.months.items())),
            start=None,
        )


class BudgetEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One `[[budget]]` as the file has it."""

    name: _Text
    amount: Any  # a number without its unit is refused by the amount's own rule
    period: str = "month"
    projects: tuple[_Text, ...] = ()
    models: tuple[_Text, ...] = ()
    tags: dict[_Text, str | list[str]] = {}
    start: Any = msgspec.field(name="from", default=None)  # a date of TOML, or a text
    alerts: tuple[int, ...] = DEFAULT_ALERTS
    alert_forecast: int | tuple[int, ...] = DEFAULT_FORECAST_ALERTS
    owner: _Text | None = None
    notify: _Text | None = None
    months: dict[str, Any] = {}


def read_budget(entry: BudgetEntry, key: str) -> Budget:
    """Reads an entry; LedgerError names its key, such as budget[0]."""

    def where(name: str) -> str:
        return f"{joined_key(key, name)}:"

    forecast = (entry.alert_forecast,) if isinstance(entry.alert_forecast, int) else entry.alert_forecast
    amount = parse_amount(str(entry.amount), where("amount"))
    return Budget(
        name=entry.name,
        amount=amount,
        period=parse_period(entry.period, where("period")),
        projects=entry.projects,
        models=entry.models,
        tags=tuple((name, text) for name, value in entry.tags.items() for text in _texts(value)),
        start=None if entry.start is None else parse_day(str(entry.start), where("from")),
        alerts=checked_percents(entry.alerts, where("alerts")),
        alert_forecast=checked_percents(forecast, where("alert_forecast")),
        owner=entry.owner,
        notify=entry.notify,
        months={month: _planned(month, text, amount, where("months")) for month, text in entry.months.items()},
    )


def parse_period(text: str, name: str) -> Period:
    """Reads a period's name; LedgerError naming the option or key `name`."""
    if text not in PERIODS:
        words = with_question(did_you_mean(text, PERIODS), f"give one of {', '.join(PERIODS)}")
        raise LedgerError(f"{name} {shown(text)} isn't a period: {words}")
    return text


def parse_percents(text: str, name: str) -> tuple[int, ...]:
    """Reads percents such as 80,100; LedgerError naming the option `name`."""
    parts = [part.strip().removesuffix("%") for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 5 for part in parts):
        raise _not_rising(shown(text), name)
    return checked_percents([int(part) for part in parts], name)


def checked_percents(percents: Sequence[int], name: str) -> tuple[int, ...]:
    """Returns the percents where they rise, each from 1 to 1,000; LedgerError naming the option or key `name`."""
    found = tuple(percents)
    if found != tuple(sorted(set(found))) or not all(1 <= percent <= MOST_PERCENT for percent in found):
        raise _not_rising(shown(", ".join(map(str, found))), name)
    return found


def _not_rising(written: str, name: str) -> LedgerError:
    return LedgerError(f"{name} {written} aren't rising percents from 1 to {MOST_PERCENT}: give some such as 80,100")


def check_budget(budget: Budget, where: Where) -> None:
    """Refuses a budget that no ledger keeps: its amounts are more than zero, in USD or credits, its texts printable."""
    written = f"{where('amount')} {budget.amount.text}"
    if budget.amount.currency not in ("USD", CREDITS):
        raise LedgerError(f"{written}: a budget is in usd or credits; give it in one of them")
    if min(budget.amount.nano, *budget.months.values(), 1) < 1:
        field = "amount" if budget.amount.nano < 1 else "months"
        raise LedgerError(f"{where(field)} 0{unit_of(budget.amount.currency)}: a budget is more than 0; give more")
    if max(budget.amount.nano, *budget.months.values(), 0) > INT64_MAX:
        raise LedgerError(f"{where('amount')} is past 9.2 billion, the largest amount kept: give less")
    if budget.months and budget.period != "month":
        raise LedgerError(f"{where('months')} are amounts of single months: leave them out where the period is another")
    for field, text in (("name", budget.name), ("owner", budget.owner), ("notify", budget.notify)):
        if text is not None and (not 1 <= len(text) <= MAX_NAME or not text.strip() or UNPRINTABLE.search(text)):
            raise LedgerError(f"{where(field)} {shown(text, 40)}: give 1 to {MAX_NAME} printable characters")
    filters = [
        *(("projects", name, MAX_NAME) for name in budget.projects),
        *(("models", name, MAX_NAME) for name in budget.models),
        *(("tags", key, MAX_NAME) for key, _value in budget.tags),
        *(("tags", value or "-", MAX_TAG_VALUE) for _key, value in budget.tags),
    ]
    # Usage has names of any characters, except those that no database keeps.
    for field, text, most in filters:
        if not 1 <= len(text) <= most or _UNKEPT.search(text):
            raise LedgerError(f"{where(field)} {shown(text, 40)} is no name of usage: give 1 to {most} characters")


def _planned(month: str, text: object, amount: Amount, name: str) -> int:
    if not _MONTH.fullmatch(month):
        raise LedgerError(f"{name} {shown(month)} isn't a month: give YYYY-MM, such as 2026-12")
    planned = parse_amount(str(text), f"{name} {month}:")
    if planned.currency != amount.currency:
        raise LedgerError(f"{name} {month}: {planned.text} is in another unit than the amount, {amount.text}")
    return planned.nano


def _texts(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _in_order(items: Iterable[T]) -> tuple[T, ...]:
    return tuple(sorted(set(items)))
