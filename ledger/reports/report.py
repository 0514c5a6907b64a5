"""The options of a report, and the report of a ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from ledger.book.without_rows import left_out
from ledger.errors import LedgerError
from ledger.reports.comparison import compared_with
from ledger.reports.completeness import read_not_booked
from ledger.reports.conversion_notes import read_conversion_notes
from ledger.reports.conversion_words import conversion_words
from ledger.reports.extent import first_request, read_data_through
from ledger.reports.plan import PART
from ledger.reports.selection import Basis, Selection
from ledger.reports.snapshot import Snapshot
from ledger.reports.spend import last_usage
from ledger.reports.table import Earlier, Layout, Report, build_report, report_columns
from ledger.reports.tally import parted
from ledger.reports.unbooked import read_unbooked_calls
from ledger.reports.unknown import unknown_in_selection
from ledger.store.database import Database, zone_named
from ledger.values.periods import Span, parse_span


class ReportOptions(msgspec.Struct, frozen=True):
    """The options as the command line words them; LedgerError where they can't be meant."""

    dimensions: Sequence[str] = ("model",)
    month: str | None = None
    since: str | None = None
    until: str | None = None
    last: str | None = None
    timezone: str | None = None
    basis: Basis = "posted"
    projects: Sequence[str] = ()
    models: Sequence[str] = ()
    tags: Sequence[str] = ()
    sort: str | None = None
    top: int | None = None
    compare: str | None = None
    list_prices: bool = False

    def __post_init__(self) -> None:
        """Checks all that needs no ledger."""
        report_columns(self.by, compared=self.compare is not None, sort=self.sort, list_prices=self.list_prices)
        for tag in self.tags:
            if not tag.partition("=")[0] or "=" not in tag:
                raise LedgerError(f"--tag {tag!r} isn't a filter: give KEY=VALUE, such as team=search")

    @property
    def by(self) -> tuple[str, ...]:
        """The dimensions, each once; the model where none is given."""
        return tuple(dict.fromkeys(self.dimensions)) or ("model",)

    def selection(self, span: Span, zone: ZoneInfo) -> Selection:
        """Returns the charges of a span that the filters pick."""
        pairs = [tag.partition("=") for tag in self.tags]
        tags = tuple((key, value) for key, _equals, value in pairs)
        return Selection(
            zone, span.start, span.end, self.basis, self.by, tuple(self.projects), tuple(self.models), tags
        )


def run_report(database: Database, options: ReportOptions, *, now: datetime) -> Report:
    """Reads the report of a ledger, from one snapshot of it."""
    zone = database.zone if options.timezone is None else zone_named(options.timezone)
    span = parse_span(
        month=options.month, since=options.since, until=options.until, last=options.last, zone=zone, now=now
    )
    selection = options.selection(span, zone)
    compared = None if options.compare is None else compared_with(options.compare, span, zone=zone, now=now)
    with database.reading() as connection:
        snapshot = Snapshot.of(connection, database)
        read = snapshot.spend
        spend, parts = parted(read(replace(selection, dimensions=(*selection.dimensions, PART))))
        data_through = read_data_through(snapshot, selection, last_usage(spend.rows))
        doubts = read_conversion_notes(snapshot, selection, data_through)
        not_booked = read_not_booked(connection, selection)
        calls = read_unbooked_calls(connection, selection, database.zone)
        unknown = unknown_in_selection(connection, selection, spend.rows, database.rollup_tags)
        earlier = None
        if compared is not None:
            earlier = Earlier(read(options.selection(compared.span, zone)), compared.span)
            first = first_request(connection, Selection(zone), ledger_zone=database.zone)
            compared = compared.with_usage(first, zone, is_empty=not earlier.spend.rows)
    report = build_report(
        spend, selection, span, layout=Layout(options.sort, options.top, options.list_prices), earlier=earlier
    )
    notes = []
    if spend.reason is not None:
        notes.append(f"read from the charges themselves, not from the roll-ups: {spend.reason}")
    notes += left_out(sorted({*spend.without_rows, *(earlier.spend.without_rows if earlier else ())}))
    if not report.rows:
        notes.append("nothing was selected: no charge is in this period with these filters")
    notes += unknown
    notes += map(conversion_words, doubts)
    return msgspec.structs.replace(
        report,
        data_through=data_through,
        notes=tuple(notes),
        unbooked_calls=calls,
        parts_usd_nano=parts,
        compared=compared,
        not_booked=not_booked,
        conversion_notes=doubts,
    )
