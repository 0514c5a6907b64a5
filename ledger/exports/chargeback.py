"""`export chargeback`: debts of projects, or of a tag's values, for a month, in cents that add up exactly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from ledger.book.project_names import Projects, read_projects
from ledger.book.without_rows import check_rows
from ledger.config import Project
from ledger.exports.apportion import apportion
from ledger.exports.formats.columns import Column, Row
from ledger.exports.formats.writer import ExportFile
from ledger.exports.manifest import Exported
from ledger.months.version import month_version
from ledger.reports.dimensions import check_dimension
from ledger.reports.selection import Selection
from ledger.reports.spend import SpendRow, read_spend
from ledger.reports.unknown import unknown_in_selection
from ledger.store.database import Database
from ledger.values.amounts import CREDITS
from ledger.values.periods import Span
from ledger.values.spend import Convertible
from pricing.money import NANO, RunningUsd, divide_half_even, format_nano, round_usd

BY_PROJECT = "project"
NANO_PER_CENT = NANO // 100
# A correction is of these classes and of usage of an earlier month than the one it is posted in: that one was closed.
CORRECTIONS = frozenset({"reversal", "replacement", "adjustment"})

COUNTS = ("requests", "input_tokens", "cached_input_tokens", "output_tokens")


def columns_by(dimension: str) -> tuple[Column, ...]:
    """Returns the columns; the second has the dimension's name, by a tag those that describe a project stay empty."""
    return (
        Column("month", "word"),
        Column(dimension, "text"),
        Column("project_name", "text"),
        Column("cost_center", "text"),
        Column("owner", "text"),
        *(Column(name, "count") for name in COUNTS),
        Column("credits", "decimal"),
        Column("usd_exact", "decimal"),
        Column("usd", "cents"),
        Column("corrections_usd", "decimal"),
    )


@dataclass(slots=True)
class Owed:
    """Exact sums of what one name owes: counts, credits, and nano by conversion, of all and of the corrections."""

    counts: list[int] = field(default_factory=lambda: [0] * len(COUNTS))
    credits_nano: int = 0
    nano: Convertible = field(default_factory=Convertible)
    corrections_nano: Convertible = field(default_factory=Convertible)

    def add(self, row: SpendRow, *, corrects: bool) -> None:
        """Adds charges of one currency and conversion."""
        amount_nano = row.sums.amount_nano
        self.counts = [one + getattr(row.sums, name) for one, name in zip(self.counts, COUNTS, strict=True)]
        self.credits_nano += amount_nano if row.currency == CREDITS else 0
        for sums in (self.nano, self.corrections_nano) if corrects else (self.nano,):
            sums[row.per_usd_nano] += amount_nano

    @property
    def is_nothing(self) -> bool:
        """True where all of it was taken back, so that there is nothing to show."""
        return not (any(self.counts) or any(self.nano.values()) or any(self.corrections_nano.values()))


def owed_by_name(rows: Iterable[SpendRow], month: str, projects: Projects | None) -> dict[str, Owed]:
    """Adds up what each name owes, in their order: projects', with their aliases', or else a tag's values.

    Usage without the tag, or with an empty one, goes by the empty name. `rows` are by name, class and occurred month.
    """
    owed: dict[str, Owed] = {}
    for row in rows:
        name, charge_class, occurred_month = row.dimensions
        assert occurred_month is not None
        owner = projects.of(name or "").id if projects else name or ""
        corrects = charge_class in CORRECTIONS and occurred_month < month
        owed.setdefault(owner, Owed()).add(row, corrects=corrects)
    return {name: owed[name] for name in sorted(owed) if not owed[name].is_nothing}


@dataclass(slots=True)
class Chargeback:
    """A month's chargeback: its rows, in order of names, and the totals that they add up to."""

    month: str
    owed: Mapping[str, Owed]
    projects: Projects | None

    @property
    def usd_nano(self) -> int:
        """The month's total as reports have it, rounded once."""
        return round_usd(sum((each.nano.usd for each in self.owed.values()), Fraction()))

    @property
    def cents(self) -> int:
        """The total of reports, rounded half-even to cents."""
        return divide_half_even(self.usd_nano, NANO_PER_CENT)

    def rows(self) -> Iterator[Row]:
        """Yields a row a name. `usd_exact` and `corrections_usd` are what the rounded running totals moved by."""
        cents = apportion(self.cents, {name: each.nano.usd * 100 for name, each in self.owed.items()})
        running, corrections = RunningUsd(), RunningUsd()
        for name, each in self.owed.items():
            yield (
                self.month,
                name,
                *self._described(name),
                *each.counts,
                format_nano(each.credits_nano),
                format_nano(_moved(running, each.nano)),
                format_cents(cents[name]),
                format_nano(_moved(corrections, each.corrections_nano)),
            )

    def _described(self, name: str) -> Row:
        project = self.projects.of(name) if self.projects else Project(id=name)
        return (project.name, project.cost_center, project.owner)

    def total(self) -> dict[str, object]:
        """Adds up the columns; money as plain decimals."""
        counts = zip(*(each.counts for each in self.owed.values()), strict=True)
        sums = dict(zip(COUNTS, map(sum, counts), strict=True)) if self.owed else dict.fromkeys(COUNTS, 0)
        corrections = sum((each.corrections_nano.usd for each in self.owed.values()), Fraction())
        return {
            "rows": len(self.owed),
            **sums,
            "credits": format_nano(sum(each.credits_nano for each in self.owed.values())),
            "usd_exact": format_nano(self.usd_nano),
            "usd": format_cents(self.cents),
            "corrections_usd": format_nano(round_usd(corrections)),
        }


def _moved(running: RunningUsd, nano: Mapping[int | None, int]) -> int:
    return sum(running.add(amount, per_usd) for per_usd, amount in nano.items())


def format_cents(cents: int) -> str:
    """Writes cents as a decimal of two places: -5 is "-0.05"."""
    whole, fraction = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{fraction:02}"


def export_chargeback(database: Database, span: Span, file: ExportFile, *, dimension: str = BY_PROJECT) -> Exported:
    """Writes the chargeback of a month of the ledger's zone, posted basis, from one snapshot of the ledger."""
    check_dimension(dimension, (BY_PROJECT, "service_tier"))
    month = span.month or ""
    selection = Selection(database.zone, span.start, span.end, dimensions=(dimension, "charge_class", "occurred_month"))
    with database.reading() as connection:
        spend = read_spend(connection, selection, ledger_zone=database.zone, rollup_tags=database.rollup_tags)
        check_rows(spend.without_rows, f"chargeback by {dimension}, which isn't rolled up,")
        projects = read_projects(connection, month) if dimension == BY_PROJECT else None
        version = month_version(connection, month)
        unknown = unknown_in_selection(connection, selection, spend.rows, database.rollup_tags)
    found = Chargeback(month, owed_by_name(spend.rows, month, projects), projects)
    title = f"Chargeback by {dimension}, {month} (posted, {database.zone_name})"
    file.write("chargeback", columns_by(dimension), found.rows(), title=title, total=found.total)
    total = found.total()
    words = (
        f"{total['rows']:,} rows of {total['requests']:,} requests, "
        f"{total['credits']} CRD and {total['usd_exact']} USD, in cents {total['usd']} USD"
    )
    notes = [] if spend.reason is None else [f"read from the charges, not from the roll-ups: {spend.reason}"]
    return Exported("chargeback", title, words, total, version, notes + unknown)
