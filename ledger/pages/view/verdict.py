"""The verdict on a month in one sentence, and the facts under it."""

from __future__ import annotations

from datetime import datetime

from ledger.pages.figures.month import MonthFigures, Totals
from ledger.pages.figures.values import WalletLine
from ledger.pages.view.blocks import Fact
from ledger.pages.view.words import (
    Text,
    change_words,
    day_name,
    fitting_places,
    money,
    month_name,
    name,
    percent,
    rates,
    time_name,
    usd,
)
from ledger.reports.completeness import Silence
from ledger.reports.completeness_words import expected_words, not_booked_words
from ledger.reports.conversion_words import conversion_words
from ledger.values.words import counted, listed
from pricing.money import NANO, divide_half_even
from pricing.times import parse_iso

# Sources that there is room to name.
MOST_SILENT = 3


def places_of(figures: MonthFigures) -> int:
    """Returns the places of the page's amounts in USD."""
    before = 0 if figures.previous is None else figures.previous.usd_nano
    return fitting_places([figures.total.usd_nano, before])


def verdict(figures: MonthFigures) -> tuple[Text, ...]:
    """Says the month in a sentence, by clause: its cost, of what budget, beside the month before, and if it is final.

    Lines break between the clauses where there is room.
    """
    scope: Text = (month_name(figures.month),)
    if figures.project is not None:
        scope += (", ", name(figures.project))
    clauses = [clause for clause in (_spent(figures), _moved(figures), _expected(figures)) if clause]
    first, *rest = [f"{clause}," for clause in clauses[:-1]] + [f"{clauses[-1]};"]
    return ((*scope, f": {first}"), *((clause,) for clause in rest), (_state(figures),))


def _spent(figures: MonthFigures) -> str:
    places, nano = places_of(figures), figures.total.usd_nano
    at_least = "at least " if figures.completeness.not_booked else ""
    running = "" if figures.is_over else " so far"
    if not figures.total.requests and not nano:
        return f"nothing booked{running}"
    status = figures.whole_budget
    if status is None:
        return f"{at_least}{usd(nano, places)}{running}"
    used = percent(nano, status.amount_nano)
    return f"{at_least}{money(nano, places)} of {usd(status.amount_nano, places)} ({used}){running}"


def _moved(figures: MonthFigures) -> str:
    before = figures.previous
    if before is None:
        return ""
    word = month_name(figures.previous_month, beside=figures.month)
    if not before.requests and not before.usd_nano:
        return "" if not figures.total.usd_nano else f"nothing in {word}"
    if before.usd_nano <= 0 or figures.total.usd_nano <= 0:
        return f"{usd(before.usd_nano, places_of(figures))} in {word}"
    by_then = " by then" if figures.previous_until else ""
    return f"{change_words(figures.total.usd_nano, before.usd_nano)} {word}{by_then}"


def _expected(figures: MonthFigures) -> str:
    days, places = figures.days, places_of(figures)
    if days.forecast_nano is None or figures.is_over:
        return ""
    return f"{usd(days.forecast_nano, places)} expected at its end"


def _state(figures: MonthFigures) -> str:
    if figures.close is not None:
        closed = figures.close.at.astimezone(figures.zone).date()
        return f"final, closed {day_name(closed, beside=figures.month)}"
    return f"open, as of {as_of(figures.at, figures)}"


def facts(figures: MonthFigures) -> tuple[Fact, ...]:
    """Says how complete the figures are, how long the wallet lasts, and what 1,000 requests cost."""
    found = [_complete(figures)]
    found += [Fact("Wallet", _wallet(line, figures)) for line in figures.wallets]
    found += [Fact("Conversion", (conversion_words(each),), "warn") for each in figures.conversion_notes]
    if figures.total.requests > 0 and figures.total.usd_nano >= 0:
        found.append(Fact("1,000 requests", (_per_thousand(figures.total, figures),)))
    return tuple(found)


def _complete(figures: MonthFigures) -> Fact:
    complete = figures.completeness
    parts: list[Text] = []
    if complete.data_through is None:
        parts.append(("no usage is booked",))
    else:
        through = parse_iso(complete.data_through)
        parts.append((f"data through {as_of(through, figures)}",))
    parts += [(words,) for words in not_booked_words(complete.not_booked) or ["nothing waits in quarantine"]]
    parts += [_silent(each, figures) for each in complete.silent[:MOST_SILENT]]
    if len(complete.silent) > MOST_SILENT:
        parts.append((f"{counted(len(complete.silent) - MOST_SILENT, 'other source')} silent too",))
    if figures.close is not None and figures.close.forced_reason is not None:
        parts.append(("closed all the same: ", name(figures.close.forced_reason)))
    if figures.unbooked_calls:
        parts.append((f"without fees of {counted(figures.unbooked_calls, 'call')} of tools",))
    text: Text = ()
    for part in parts:
        text += ("; ", *part) if text else part
    if complete.not_booked or complete.silent or figures.unbooked_calls:
        return Fact("Not complete", text, "warn")
    return Fact("Complete", text) if figures.total.requests else Fact("No requests", text, "warn")


def _silent(silence: Silence, figures: MonthFigures) -> Text:
    last_at = silence.last_occurred_at
    since = ", never seen" if last_at is None else f" since {as_of(last_at, figures)}"
    return ("silent: ", name(silence.source), f"{since}, {expected_words(silence)}")


def _wallet(line: WalletLine, figures: MonthFigures) -> Text:
    balance = f": {money(line.balance_nano)} {line.currency}"
    rates = [(window, days) for window, days in line.lasts_days if days is not None]
    lasts = "not used"
    if rates:
        each = [f"{counted(int(days), 'day')} at the rate of the last {window} days" for window, days in rates]
        lasts = f"lasts {listed(each)}"
    expires = ", nothing expires before the next report"
    if line.expiring_nano and line.expires_first is not None:
        day = day_name(line.expires_first, beside=figures.month)
        expires = f", {money(line.expiring_nano)} {line.currency} of it expire before the next report, first on {day}"
    return (name(line.provider), f"{balance}, {lasts}{expires}")


def _per_thousand(now: Totals, figures: MonthFigures) -> str:
    before = figures.previous
    words = f"{rates([(now.usd_nano, now.requests)], 1_000)[0]} USD"
    if before is None or before.requests <= 0 or before.usd_nano <= 0:
        return words
    # Compared exactly, as both are means.
    each = [divide_half_even(total.usd_nano * NANO, total.requests) for total in (now, before)]
    word = month_name(figures.previous_month, beside=figures.month)
    by_then = " by then" if figures.previous_until else ""
    return f"{words}, {change_words(*each)} {word}{by_then}"


def as_of(moment: datetime, figures: MonthFigures) -> str:
    """Names a time in the ledger's zone, without the year where it is the month's."""
    return time_name(moment, figures.zone, beside=figures.month)
