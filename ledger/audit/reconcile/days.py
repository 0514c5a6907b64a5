"""Days and times of a bill's rows, as they are written, in the zone that they state or that is given."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from ledger.audit.reconcile.tables import Iso
from ledger.errors import LedgerError
from ledger.values.calendar import Calendar
from ledger.values.instants import to_microseconds
from ledger.values.layout import Layout
from ledger.values.periods import parse_day
from pricing.errors import RecordError
from pricing.times import parse_iso, read_time

FIRST_YEAR, LAST_YEAR = 1970, 9998
_LIKE_DAY = re.compile(r"(\d{1,4})[-./年](\d{1,2}|[A-Za-z]{3})[-./月](\d{1,4})(?!\d)", re.ASCII)
# A zone that a format has as letters or hours, which aren't read: `CST`, `GMT+8`, `+08`.
_UNREAD_ZONE = re.compile(r"(?:(?:UTC|GMT) ?[+-][0-9]+|(?<= )[+-][0-9]{1,2}|\b[A-Z]{1,3}T)\)?$")
_SHAPES = ("%Y-%m-%d", "%d-%m-%Y", "%m-%d-%Y", "%d-%b-%Y")


class BillDays:
    """Reads cells as days of the bill's zone; ValueError says what to give.

    Times without a zone are of `naive_zone`, and refused where that is None. True dates of a workbook need no format.
    """

    def __init__(self, layout: Layout, zone: ZoneInfo, naive_zone: ZoneInfo | None) -> None:
        self._shape = layout.strptime_format
        self._format = layout.date_format
        self._calendar = Calendar(zone)
        self._naive_zone = naive_zone
        self._zone = zone
        self._days: dict[str, str] = {}
        self._readings: dict[str, tuple[str, ...]] = {}

    def day(self, text: str) -> str:
        """Reads a day; one with a time and its zone is the day then in the bill's zone."""
        found = self._days.get(text)
        if found is None:
            found = self._days[text] = self._read_day(text)
        return found

    def day_at(self, text: str) -> str:
        """Reads the day of a time."""
        moment = self._moment(text)
        try:
            return self._calendar.day(moment if isinstance(moment, int) else to_microseconds(self._zoned(moment)))
        except OverflowError:
            raise ValueError(f"{text[:40]!r} is past the days that a zone can tell") from None

    def check_same(self, day: str, text: str) -> None:
        """ValueError where a time is of another day; one that can't be read says nothing, as the day counts."""
        at = None
        with suppress(ValueError):
            moment = self._moment(text)
            naive = not isinstance(moment, int) and moment.tzinfo is None and self._naive_zone is None
            at = moment.date().isoformat() if naive and isinstance(moment, datetime) else self.day_at(text)
        if at not in (None, day):
            raise ValueError(
                f"{text[:40]!r} is on {at} in {self._zone.key}, but the column of days says {day}: --timezone says the "
                "zone of the days, --map which column counts"
            )

    def readings(self, text: str) -> tuple[str, ...]:
        """Returns the days that a cell may be where it looks like one: 04/03/2026 is one of March or of April."""
        found = self._readings.get(text)
        if found is None:
            found = self._readings[text] = tuple(self._read_like(text.strip()))
        return found

    def _read_like(self, text: str) -> Iterator[str]:
        shapes = _SHAPES if self._shape is None or isinstance(text, Iso) else (*_SHAPES, self._shape)
        like = _LIKE_DAY.match(text)
        for shape in shapes if like else ():
            written = text if shape == self._shape else "-".join(like.groups()) if like else ""
            with suppress(ValueError):
                yield datetime.strptime(written, shape).date().isoformat()  # noqa: DTZ007 - its day alone counts

    def _read_day(self, text: str) -> str:
        if self._shape is not None and not isinstance(text, Iso):
            moment = self._by_format(text)
            unread = None if self._naive_zone else _UNREAD_ZONE.search(re.sub("%.", " ", self._shape))
            if unread is not None and moment.tzinfo is None:
                what = f"{text[:40]!r} is in {unread[0].rstrip(')')}, which isn't read as a zone"
                raise ValueError(f"{what}: --timezone says which it is, such as Asia/Shanghai")
            return moment.date().isoformat() if moment.tzinfo is None else self.day_at(text)
        try:
            return parse_day(text, "the cell")
        except LedgerError as error:
            form = "%d-%b-%Y" if re.search("[A-Za-z]{3}", text) else "DD.MM.YYYY"
            raise ValueError(f"{error}, or --date-format {form} says how it is written") from None

    def _by_format(self, text: str) -> datetime:
        """Reads a time by the given format; a zone named in the text counts, be it as `%Z`."""
        moment = None
        with suppress(ValueError):
            moment = datetime.strptime(text, str(self._shape))  # noqa: DTZ007 - its zone comes after
            if moment.tzinfo is None and "%Z" in str(self._shape):
                # strptime reads names of the machine's own zone, too, but drops them all.
                name = time.strptime(text, str(self._shape)).tm_zone
                moment = moment.replace(tzinfo=UTC) if name.upper() in ("UTC", "GMT") else None
        if moment is None or not FIRST_YEAR <= moment.year <= LAST_YEAR:
            raise ValueError(f"{text[:40]!r} isn't a date of --date-format {self._format!r}, of 1970 to 9998")
        return moment

    def _moment(self, text: str) -> int | datetime:
        """Microseconds since 1970, or the time where it has no zone or isn't ISO 8601."""
        if self._shape is not None and not isinstance(text, Iso):
            return self._by_format(text)
        try:
            return read_time(text, "the cell")
        except RecordError as error:
            if error.reason == "no_time_zone":
                return parse_iso(text)
            hint = ", or --date-format says how it is, such as '%d.%m.%Y %H:%M %Z'"
            raise ValueError(f"{error}{hint if error.reason == 'invalid_time' else ''}") from None

    def _zoned(self, moment: datetime) -> datetime:
        if moment.tzinfo is not None:
            return moment
        if self._naive_zone is None:
            raise ValueError(f"{moment} has no time zone: --timezone says which it is in")
        return moment.replace(tzinfo=self._naive_zone)
