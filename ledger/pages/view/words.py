"""Figures as the page words them: amounts, changes, percents, times and names, alike in each format."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, tzinfo
from fractions import Fraction
from typing import Final, NamedTuple, TypeAlias

from ledger.reports.bridge.values import Cause
from ledger.values.rounding import common_places, rounded
from ledger.values.safe_text import visible
from pricing.money import NANO, divide_half_even

MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
# Of a longer name its beginning is shown, so that no row of a table fills a page.
LONGEST_NAME = 60
MINUS = "\u2212"
WITHOUT_CENTS_NANO = 1_000_000 * NANO


class Name(NamedTuple):
    """A name as the data has it, of any script: `shown` is what there is room for."""

    shown: str
    full: str


Text: TypeAlias = tuple[str | Name, ...]

# A cause where it made the month dearer, where it made it cheaper, and where it changed nothing.
CAUSES: Final[dict[Cause, tuple[str, str, str]]] = {
    "requests": ("more requests", "fewer requests", "requests"),
    "prompt_length": ("longer prompts and answers", "shorter prompts and answers", "length of prompts and answers"),
    "tier_mix": ("dearer price steps", "cheaper price steps", "price steps"),
    "cache": ("less from cache", "more from cache", "cache"),
    "models": ("dearer models", "cheaper models", "other models"),
    "price": ("dearer prices or providers", "cheaper prices or providers", "prices"),
    "exchange_rate": ("exchange rate", "exchange rate", "exchange rate"),
    "corrections": ("corrections", "corrections", "corrections"),
}


def name(text: str) -> Name:
    """Returns a name fit to be shown: controls escaped, cut where it is longer than a row."""
    full = visible(text) if text.strip() else repr(text)
    return Name(full if len(full) <= LONGEST_NAME else full[: LONGEST_NAME - 1] + "…", full)


def plain(text: Text) -> str:
    """Returns the text without marks of its names."""
    return "".join(part.shown if isinstance(part, Name) else part for part in text)


def fitting_places(amounts_nano: Sequence[int]) -> int:
    """Returns places for amounts shown together: `common_places`, none from a million on, where they only take room."""
    return 0 if max(map(abs, amounts_nano), default=0) >= WITHOUT_CENTS_NANO else common_places(amounts_nano)


def money(nano: int, places: int = 2) -> str:
    """Returns an amount, half-even: "1,234.57", "−0.50"; one that would look like 0 is "<0.01"."""
    return rounded(nano, places).replace("-", MINUS)


def signed(nano: int, places: int = 2) -> str:
    """Returns a change with its sign: "+1.94", "−3.12"."""
    text = money(nano, places)
    return f"+{text}" if nano > 0 and text[0] not in "<>" else text


def usd(nano: int, places: int = 2) -> str:
    return f"{money(nano, places)} USD"


def rates(amounts: Sequence[tuple[int, int]], per: int) -> list[str]:
    """Returns what `per` units cost on average of each (nano, units), to the greatest one's digits; "—" of none."""
    each = [divide_half_even(nano * per, units) if units > 0 else None for nano, units in amounts]
    places = fitting_places([one for one in each if one is not None])
    return ["—" if one is None else money(one, places) for one in each]


def change_percent(after_nano: int, before_nano: int | None) -> str:
    """Returns a change as a cell: "+33.8 %", "×12", "new" where nothing was before, "—" where percents say nothing."""
    if before_nano == 0 and after_nano > 0:
        return "new"
    if before_nano is None or before_nano <= 0 or after_nano < 0:
        return "—"
    if after_nano >= 10 * before_nano:
        return f"×{after_nano // before_nano:,}"
    return f"{signed(_percent_nano(after_nano - before_nano, before_nano), 1)} %"


def change_words(after_nano: int, before_nano: int) -> str:
    """Returns a change as a clause goes on: "10.3 % less than"."""
    tenths = _percent_nano(after_nano - before_nano, before_nano)
    if not tenths:
        return "as much as"
    return f"{money(abs(tenths), 1)} % {'more' if tenths > 0 else 'less'} than"


def percent(part: int | Fraction, whole: int = 1) -> str:
    """Returns a part in whole percents, towards 0 as of budgets: 99.9 % isn't all, 0.1 % is "<1 %", −0.1 % "0 %"."""
    whole_percents = int(Fraction(part * 100, whole))
    return "<1 %" if not whole_percents and part > 0 else f"{whole_percents:,} %".replace("-", MINUS)


def _percent_nano(part: int, whole: int) -> int:
    """Returns the percent that a part is, half-even to a tenth as in reports, in nano."""
    return divide_half_even(part * 1_000, whole) * (NANO // 10)


def month_name(month: str, *, beside: str | None = None) -> str:
    """Names a month: "March 2026"; without its year where it is that of the month `beside`."""
    word = MONTHS[int(month[5:]) - 1]
    return word if beside is not None and beside[:4] == month[:4] else f"{word} {month[:4]}"


def day_name(day: date, *, beside: str | None = None) -> str:
    """Names a day: "3 April 2026", the year left out where it is that of the month `beside`."""
    return f"{day.day} {month_name(day.isoformat()[:7], beside=beside)}"


def time_name(moment: datetime, zone: tzinfo, *, beside: str | None = None) -> str:
    """Names a time of the zone to the minute: "31 March 23:47"."""
    local = moment.astimezone(zone)
    return f"{day_name(local.date(), beside=beside)} {local:%H:%M}"


def cause_name(cause: Cause, change_nano: int) -> str:
    dearer, cheaper, nothing = CAUSES[cause]
    return dearer if change_nano > 0 else cheaper if change_nano < 0 else nothing
