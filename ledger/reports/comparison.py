"""The period that a report is compared with, no more of it than is alike, and why the two may not be alike."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple

import msgspec

from ledger.values.calendar import QUARTER
from ledger.values.periods import Span, as_long, parse_month, previous_span, quarter_end, span_between

DAY = timedelta(days=1)


class Remark(NamedTuple):
    """Why two periods aren't alike, or what was done to make them so; `reason` is for programs."""

    reason: str
    message: str


class Compared(msgspec.Struct, frozen=True):
    """The other period, which has both ends, and what is to be said of it."""

    span: Span
    remarks: tuple[Remark, ...] = ()

    def with_usage(self, first: datetime | None, zone: tzinfo, *, is_empty: bool) -> Compared:
        """Adds that the other period is empty, or that the ledger's first request came within it.

        A period of days is whole where its first day has any request.
        """
        start, end = self.span.start, self.span.end
        assert start is not None
        assert end is not None
        begins = "" if first is None else f"this ledger's first request is of {first.astimezone(zone):%Y-%m-%d}"
        grace = DAY if end - start > DAY else QUARTER
        if is_empty:
            why = f": {begins}" if first is not None and first >= end else ""
            remark = Remark("no_usage", f"nothing is booked in the other period with these filters{why}")
        elif first is not None and start + grace <= first < end:
            remark = Remark("begins_later", f"{begins}, within the other period")
        else:
            return self
        return Compared(self.span, (*self.remarks, remark))


def compared_with(asked: str, span: Span, *, zone: tzinfo, now: datetime) -> Compared:
    """Returns the period before, or the month asked for; of a period that isn't over as much of it as is over.

    On 10 March at 10:20, March is compared with 1 February to 10 February 10:30: both to the end of a quarter-hour.
    """
    if asked == "previous":
        other = previous_span(span, zone, now)
    else:
        other = parse_month(asked, zone=zone, now=now, option="--compare")
    end, remark = _like_end(span, other, zone=zone, now=now)
    remarks = [] if remark is None else [remark]
    assert other.start is not None
    if end != other.end:
        other = span_between(other.start, end, zone)
    if end > quarter_end(now):
        remarks.append(Remark("other_not_over", "the other period isn't over"))
    return Compared(other, tuple(remarks))


def _like_end(span: Span, other: Span, *, zone: tzinfo, now: datetime) -> tuple[datetime, Remark | None]:
    """Returns where the other period ends that is as long as what is over of the span, its own end at the latest."""
    assert other.start is not None
    assert other.end is not None
    reached = quarter_end(now)
    if span.start is None:
        return other.end, _differ("one has no start")
    if span.start >= reached:
        return other.end, Remark("not_begun", "this period lies ahead: there is nothing to compare yet")
    end = reached if span.end is None else min(span.end, reached)
    alike = as_long(other.start, Span(span.start, end, ""), zone)
    if end != span.end and alike < other.end:
        return alike, Remark("not_over", "this period isn't over: it is compared with as much of the other")
    if end != span.end and alike > other.end:
        return other.end, Remark("not_over", "this period isn't over; the other, which is shorter, is compared whole")
    if alike != other.end and not (span.month and other.month):
        return other.end, _differ("one is longer")
    return other.end, None


def _differ(how: str) -> Remark:
    return Remark("lengths_differ", f"the two periods differ in length, {how}: the change is no change of pace")
