"""The stretch of time a report or export covers: from options, in a zone, start inclusive and end exclusive."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo

import msgspec

from ledger.errors import LedgerError
from ledger.values.calendar import QUARTER, day_start, is_day_start, month_start, shift_month
from ledger.values.instants import EPOCH
from ledger.values.words import counted
from pricing.times import parse_iso

FIRST_YEAR, LAST_YEAR = 1970, 9998

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LAST = re.compile(r"([1-9]\d{0,5})([dwh])", re.ASCII)
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}
_LENGTH = re.compile(r"\d+ ?[A-Za-z]+", re.ASCII)  # no time, so meant as a length


class Span(msgspec.Struct, frozen=True):
    """Time from `start` (inclusive) to `end` (exclusive), both aware; None is open. `month` where it is a whole one."""

    start: datetime | None
    end: datetime | None
    label: str
    month: str | None = None


ALL_TIME = Span(None, None, "all time")


def parse_span(
    *,
    month: str | None = None,
    since: str | None = None,
    until: str | None = None,
    last: str | None = None,
    zone: tzinfo,
    now: datetime,
) -> Span:
    """Returns the span that the options ask for; all time without any. LedgerError where they contradict each other."""
    if month is not None and (since is not None or until is not None or last is not None):
        raise LedgerError("--month is a whole period: leave out --since, --until and --last")
    if last is not None and (since is not None or until is not None):
        raise LedgerError("--last is a whole period: leave out --since and --until")
    if month is not None:
        return parse_month(month, zone=zone, now=now)
    if last is not None:
        return parse_last(last, zone=zone, now=now)
    if since is None and until is None:
        return ALL_TIME
    start = None if since is None else parse_moment(since, zone, "--since")
    end = None if until is None else parse_moment(until, zone, "--until")
    if start is not None and end is not None and start >= end:
        raise LedgerError(f"--since {since} is not before --until {until}: since is inclusive, until exclusive")
    return Span(start, end, _label(start, end, zone))


def parse_month(text: str, *, zone: tzinfo, now: datetime, option: str = "--month") -> Span:
    """Reads a calendar month of the zone: YYYY-MM, or `last` for the month before the one of `now`."""
    if text == "last":
        local = now.astimezone(zone)
        text = f"{local:%Y-%m}"
        return month_span(shift_month(text, -1), zone)
    if _MONTH.fullmatch(text) is None or not FIRST_YEAR <= int(text[:4]) <= LAST_YEAR:
        raise LedgerError(f"{option} {text!r} isn't a month: give YYYY-MM, such as 2026-03, or last")
    return month_span(text, zone)


def month_span(month: str, zone: tzinfo) -> Span:
    """Returns the month YYYY-MM of the zone as a span."""
    return Span(month_start(month, zone), month_start(shift_month(month, 1), zone), month, month)


def parse_day(text: str, option: str) -> str:
    """Reads a calendar day YYYY-MM-DD; any other text is refused."""
    try:
        if _DATE.fullmatch(text):
            _check_year(date.fromisoformat(text).year)
            return text
    except ValueError:
        pass
    raise LedgerError(
        f"{option} {text!r} isn't a day: give a date such as 2026-03-01, from {FIRST_YEAR} to {LAST_YEAR}"
    )


def parse_moment(text: str, zone: tzinfo, option: str) -> datetime:
    """Reads a bare date as its midnight in the zone, or a date-time with its offset; any other is refused. UTC."""
    try:
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text)
            _check_year(day.year)
            return day_start(day, zone)
        moment = parse_iso(text)
        _check_year(moment.year)
    except ValueError:
        raise LedgerError(
            f"{option} {text!r} isn't a time: give a date such as 2026-03-01, or a date-time with its offset such as "
            f"2026-03-01T08:00:00Z, from {FIRST_YEAR} to {LAST_YEAR}"
        ) from None
    if moment.tzinfo is None:
        raise LedgerError(
            f"{option} {text!r} has no time zone: add Z or an offset such as +08:00, or give a date alone"
        )
    return moment.astimezone(UTC)


def _check_year(year: int) -> None:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError(year)


def parse_last(text: str, *, zone: tzinfo, now: datetime, option: str = "--last") -> Span:
    """Reads the last N days or weeks, calendar days of the zone, or hours to the end of this quarter-hour.

    On 8 March at 10:20, 7d is from 2 March 00:00 to 9 March 00:00, and 24h from 7 March 10:30 to 8 March 10:30.
    """
    number, unit = _length(text, option)
    try:
        if unit == "h":
            end = quarter_end(now)
            start = end - timedelta(hours=number)
        else:
            tomorrow = now.astimezone(zone).date() + timedelta(days=1)
            start = day_start(tomorrow - timedelta(days=number * (7 if unit == "w" else 1)), zone)
            end = day_start(tomorrow, zone)
        _check_year(start.year)
    except (OverflowError, ValueError):
        raise LedgerError(f"{option} {text} reaches back before {FIRST_YEAR}: give a shorter time") from None
    noun = {"d": "day", "w": "week", "h": "hour"}[unit]
    return Span(start, end, f"last {counted(number, noun)}, {_label(start, end, zone)}")


def parse_length(text: str, option: str) -> timedelta:
    """Reads a length such as 7d, 4w or 24h, a day being 24 hours; LedgerError naming the option or key."""
    number, unit = _length(text, option)
    return timedelta(hours=number * _HOURS[unit])


def _length(text: str, option: str) -> tuple[int, str]:
    found = _LAST.fullmatch(text)
    if found is None:
        raise LedgerError(f"{option} {text!r} isn't a length of time: give days, weeks or hours, such as 7d, 4w or 24h")
    return int(found[1]), found[2]


def quarter_end(now: datetime) -> datetime:
    """Returns the end of this quarter-hour, UTC: roll-ups can tell what was before it."""
    return now.astimezone(UTC) - (now - EPOCH) % QUARTER + QUARTER


def parse_recent(since: str, until: str | None, *, zone: tzinfo, now: datetime) -> Span:
    """Returns the span up to `until`, or to now, that starts at a time or a length before its end: 30d, 4w or 24h.

    It ends now at the latest, as nothing is known of what comes. Days and weeks are calendar days of the zone, the one
    that the span ends in among them: on 8 March at 10:20, 7d is from 2 March 00:00 to 8 March 10:20, and with --until
    2026-03-08 from 1 March 00:00 to 8 March 00:00.
    """
    end = now.astimezone(UTC)
    if until is not None:
        end = min(end, parse_moment(until, zone, "--until"))
    if _LENGTH.fullmatch(since):
        start = parse_last(since, zone=zone, now=end - timedelta(microseconds=1), option="--since").start
    else:
        start = parse_moment(since, zone, "--since")
    if start is None or start >= end:
        upper = "now" if until is None else f"--until {until}"
        raise LedgerError(f"--since {since} is not before {upper}: since is inclusive, until exclusive")
    return Span(start, end, _label(start, end, zone))


def time_with_usage(start: datetime, end: datetime, first: datetime | None) -> timedelta:
    """Returns the time that usage from `start` to before `end` represents, where the first ever was at `first`.

    All of it; where usage began within it only the time from then on, so that three days of a young ledger make ten
    times as much in a month. Less than a day counts as a day, unless less was asked for: one busy hour is no day.
    """
    if first is None or not start < first < end:
        return end - start
    return max(end - first, min(timedelta(days=1), end - start))


def previous_span(span: Span, zone: tzinfo, now: datetime) -> Span:
    """Returns the month before a month, else the equally long stretch just before.

    Where both ends start days, lengths are whole days of the zone, so that clock changes move nothing. An open end
    is that of this quarter-hour.
    """
    if span.month is not None:
        return month_span(shift_month(span.month, -1), zone)
    if span.start is None:
        raise LedgerError("--compare previous needs a period with a start: give --month, --since or --last")
    end = span.end or quarter_end(now)
    try:
        if is_day_start(span.start, zone) and is_day_start(end, zone):
            first, after = span.start.astimezone(zone).date(), end.astimezone(zone).date()
            start = day_start(first - (after - first), zone)
        else:
            start = span.start - (end - span.start)
    except OverflowError:
        raise LedgerError("--compare previous reaches back before all calendars: give a shorter period") from None
    if start >= span.start:
        raise LedgerError("--compare previous needs a period that has begun: --since lies in the future")
    return span_between(start, span.start, zone)


def as_long(start: datetime, span: Span, zone: tzinfo) -> datetime:
    """Returns the end of a period from `start` as long as the span, which has both ends.

    Where both start days it is as many calendar days on, at the same time of day: from 1 February as from 1 March to
    10 March 10:30 is to 10 February 10:30.
    """
    assert span.start is not None
    assert span.end is not None
    if not (is_day_start(start, zone) and is_day_start(span.start, zone)):
        return start + (span.end - span.start)
    end = span.end.astimezone(zone)
    day = start.astimezone(zone).date() + (end.date() - span.start.astimezone(zone).date())
    if is_day_start(span.end, zone):
        return day_start(day, zone)
    return datetime.combine(day, end.time(), zone).astimezone(UTC)


def span_between(start: datetime, end: datetime, zone: tzinfo) -> Span:
    """Returns the span of two times, labelled by them."""
    return Span(start, end, _label(start, end, zone))


def _label(start: datetime | None, end: datetime | None, zone: tzinfo) -> str:
    if start is None:
        return "all time" if end is None else f"before {_moment_label(end, zone)}"
    if end is None:
        return f"from {_moment_label(start, zone)}"
    return f"from {_moment_label(start, zone)} to before {_moment_label(end, zone)}"


def _moment_label(moment: datetime, zone: tzinfo) -> str:
    """Returns the date where it is midnight, else the date-time with its offset."""
    local = moment.astimezone(zone)
    if is_day_start(moment, zone):
        return f"{local:%Y-%m-%d}"
    return local.isoformat(timespec="minutes" if not (local.second or local.microsecond) else "auto")
