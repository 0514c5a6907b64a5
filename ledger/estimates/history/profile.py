"""Profiles of past workloads: how many requests, how long, how much cached.

A profile is a small JSON document, kept beside the prompts, of one span of time. Estimates take from it what nobody
states. Only requests that are completed or incomplete are in it, by when they occurred; what was voided isn't, and what
was reassigned is in its new project. Nothing slow is loaded to read one.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, TypeAlias

import msgspec

from ledger.errors import LedgerError
from ledger.values.instants import MICROSECOND, moment_text
from ledger.values.periods import time_with_usage
from pricing.errors import retold, shown
from pricing.money import INT64_MAX, divide_half_even, format_nano, parse_units
from pricing.times import parse_iso

if TYPE_CHECKING:
    from ledger.estimates.history.requests import OutputCount
    from ledger.store.database import Database

SCHEMA = 1
MONTH_DAYS = 30
STATUSES = ("completed", "incomplete")
# Shares and days are plain decimals of at most four places.
PLACES = 10_000
DAY = timedelta(days=1)

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]
Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]


class ProfileRow(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Requests of a project and billed model; input includes cached, output reasoning tokens.

    Means are rounded half-even to whole tokens. `p90_output_tokens` is the least number of output tokens that at least
    90 % of the requests don't exceed. `cached_share` is cached ÷ input tokens over all requests: 0 to 1.
    """

    project: Text
    model: Text
    requests: Count
    mean_input_tokens: Count
    mean_output_tokens: Count
    p90_output_tokens: Count
    cached_share: str


class Profile(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Requests from `since` to before `until`, `days` days of usage by `time_with_usage`."""

    schema: int = SCHEMA
    since: str
    until: str
    days: str
    workloads: list[ProfileRow]

    def row(self, model: str, project: str | None) -> ProfileRow | None:
        """Returns the row of that model and project, or its rows together without one; None without any.

        Of several rows p90 is the highest: at least 90 % of all their requests don't exceed it either.
        """
        rows = [row for row in self.workloads if row.model == model and project in (None, row.project)]
        if len(rows) < 2:
            return rows[0] if rows else None
        return _together(rows)

    def requests_per_month(self, row: ProfileRow) -> int:
        """Its requests in 30 days, rounded half-even: 300 in 7.5 days are 1,200."""
        return divide_half_even(row.requests * MONTH_DAYS * PLACES, parse_units(self.days, PLACES))


def read_profile(document: object, where: str) -> Profile:
    """Reads a profile from JSON; LedgerError naming `where` it is and the wrong key."""
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema is not None and (schema != SCHEMA or isinstance(schema, bool)):
        raise LedgerError(
            f"{where}: schema {shown(schema)} is not known, this tollbook reads schema {SCHEMA}: "
            "write the profile again with 'tollbook workload pull'"
        )
    try:
        profile = msgspec.convert(document, Profile)
    except msgspec.ValidationError as error:
        key, rule = retold(error)
        raise LedgerError(f"{where}: {key or 'profile'}: {rule}") from None
    _check(profile, where)
    return profile


def _check(profile: Profile, where: str) -> None:
    """Checks times, ranges, and that each project and model is there once."""
    for key, text in (("since", profile.since), ("until", profile.until)):
        if not _is_time(text):
            raise LedgerError(f"{where}: {key}: {shown(text)} isn't a time: give one such as 2026-03-01T00:00:00Z")
    if not _units(profile.days):
        raise LedgerError(
            f"{where}: days: {shown(profile.days)} isn't a number of days: "
            "give a plain decimal above 0 of at most 4 places"
        )
    seen: set[tuple[str, str]] = set()
    for number, row in enumerate(profile.workloads):
        key = f"workloads[{number}]"
        share = _units(row.cached_share)
        if share is None or share > PLACES:
            raise LedgerError(
                f"{where}: {key}.cached_share: {shown(row.cached_share)} isn't a share: "
                "give a plain decimal from 0 to 1 of at most 4 places"
            )
        if (row.project, row.model) in seen:
            raise LedgerError(
                f"{where}: {key}: project {shown(row.project)} and model {shown(row.model)} are given twice: keep one"
            )
        seen.add((row.project, row.model))


def _is_time(text: str) -> bool:
    try:
        return parse_iso(text).tzinfo is not None
    except ValueError:
        return False


def _units(text: str) -> int | None:
    """Ten-thousandths of a plain decimal of 0 or more with at most four places, else None."""
    try:
        units = parse_units(text, PLACES)
    except ValueError:
        return None
    return units if units >= 0 else None


def _decimal(numerator: int, denominator: int) -> str:
    """Returns the quotient as a plain decimal of at most four places, rounded half-even."""
    return format_nano(divide_half_even(numerator * PLACES, denominator) * (10**9 // PLACES))


# --- from the ledger ------------------------------------------------------------------------------------------------


def pull_profile(database: Database, *, since: datetime, until: datetime, projects: Sequence[str] = ()) -> Profile:
    """Reads what occurred from `since` to before `until` in these projects or all.

    Rows are in order of project and model, so that one ledger gives the same bytes on every database.
    """
    from ledger.estimates.history.requests import read_output_counts
    from ledger.reports.extent import first_request
    from ledger.reports.selection import Selection

    zone = database.zone
    selection = Selection(zone, since, until, "occurred", projects=tuple(projects))
    with database.reading() as connection:
        # Of all projects, so that a row doesn't depend on what it is asked for with.
        first = first_request(connection, Selection(zone), ledger_zone=zone)
        counts = read_output_counts(connection, selection, statuses=STATUSES, ledger_zone=zone)
        rows = [_row(*key, group) for key, group in groupby(counts, key=lambda count: (count.project, count.model))]
    return Profile(
        since=moment_text(since),
        until=moment_text(until),
        days=_decimal(time_with_usage(since, until, first) // MICROSECOND, DAY // MICROSECOND),
        workloads=sorted(rows, key=lambda row: (row.project, row.model)),
    )


def unread_usage(database: Database, *, since: datetime, until: datetime, projects: Sequence[str] = ()) -> list[str]:
    """Returns the note of usage that a profile lacks, as its rows lie in a lake."""
    from ledger.book.without_rows import left_out
    from ledger.reports.selection import Selection
    from ledger.reports.without_rows import selected_without_rows

    selection = Selection(database.zone, since, until, "occurred", projects=tuple(projects))
    with database.reading() as connection:
        return left_out(selected_without_rows(connection, selection, database.zone))


def _row(project: str, model: str, counts: Iterable[OutputCount]) -> ProfileRow:
    outputs, ranks = array("q"), array("q")  # the rank of the last request with that many output tokens
    requests = inputs = cached = output = 0
    for count in counts:
        requests += count.requests
        inputs += count.input_tokens
        cached += count.cached_input_tokens
        output += count.output_tokens * count.requests
        outputs.append(count.output_tokens)
        ranks.append(requests)
    # The place, from 1, of the least value that at least 90 % don't exceed: 9 of 10, 10 of 11.
    rank = -(-requests * 9 // 10)
    p90 = outputs[bisect_left(ranks, rank)]
    return _row_of_sums(project, model, requests=requests, inputs=inputs, outputs=output, p90=p90, cached=cached)


def _together(rows: Sequence[ProfileRow]) -> ProfileRow:
    """Rows of one model as one, named after the first project."""
    requests = sum(row.requests for row in rows)
    inputs = sum(row.requests * row.mean_input_tokens for row in rows)
    outputs = sum(row.requests * row.mean_output_tokens for row in rows)
    cached = sum(row.requests * row.mean_input_tokens * Fraction(row.cached_share) for row in rows)
    p90 = max(row.p90_output_tokens for row in rows)
    project, model = rows[0].project, rows[0].model
    return _row_of_sums(project, model, requests=requests, inputs=inputs, outputs=outputs, p90=p90, cached=cached)


def _row_of_sums(
    project: str, model: str, *, requests: int, inputs: int, outputs: int, p90: int, cached: Fraction | int
) -> ProfileRow:
    share = Fraction(cached, inputs or 1)
    return ProfileRow(
        project=project,
        model=model,
        requests=requests,
        mean_input_tokens=divide_half_even(inputs, requests or 1),
        mean_output_tokens=divide_half_even(outputs, requests or 1),
        p90_output_tokens=p90,
        cached_share=_decimal(share.numerator, share.denominator),
    )
