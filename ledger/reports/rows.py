"""A report as typed rows, for programs: money as Decimal, counts as int."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, overload

from ledger.reports.completeness import NotBooked
from ledger.reports.table import MEASURES, Report, Row
from pricing.money import nano_decimal

if TYPE_CHECKING:
    import pandas as pd

INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One row of a report; `dimensions` by name, None where the charges have none. `row["model"]` is short for that.

    `amount` is in the row's currency, and None unless the report is by currency.
    """

    dimensions: Mapping[str, str | None]
    requests: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    input_credits: Decimal
    cached_input_credits: Decimal
    output_credits: Decimal
    cache_storage_credits: Decimal
    credits: Decimal
    usd: Decimal
    cache_savings_usd: Decimal
    amount: Decimal | None = None

    def __getitem__(self, dimension: str) -> str | None:
        return self.dimensions[dimension]


@dataclass(frozen=True, slots=True)
class ReportRows(Sequence[ReportRow]):
    """The rows of a report in its order; `total` is that of all, its dimensions None.

    `corrections_usd` of closed months and `adjustments_usd` are parts of the total, which is at least that where
    anything is `not_booked`.
    """

    title: str
    data_through: str | None
    rows: tuple[ReportRow, ...]
    total: ReportRow
    notes: tuple[str, ...] = ()
    unbooked_tool_calls: int = 0
    corrections_usd: Decimal = Decimal()
    adjustments_usd: Decimal = Decimal()
    not_booked: NotBooked = field(default_factory=NotBooked)

    @overload
    def __getitem__(self, place: int) -> ReportRow: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[ReportRow, ...]: ...
    def __getitem__(self, place: int | slice) -> ReportRow | tuple[ReportRow, ...]:
        return self.rows[place]

    def __len__(self) -> int:
        return len(self.rows)

    def to_pandas(self) -> pd.DataFrame:
        """Makes a DataFrame of the rows: a column a dimension and a figure, money as Decimal, never float."""
        import pandas as pd

        columns: dict[str, list[Any]] = {name: [row[name] for row in self] for name in self.total.dimensions}
        columns |= {name: [getattr(row, name) for row in self] for name in _figures(self.total)}
        return pd.DataFrame({name: pd.Series(cells, dtype=_dtype(name, cells)) for name, cells in columns.items()})


def _figures(total: ReportRow) -> list[str]:
    names = [each.name for each in fields(ReportRow)][1:]
    return names if "currency" in total.dimensions else names[:-1]


_COUNTS = frozenset(column.name for column in MEASURES if column.kind == "count")


def _dtype(name: str, cells: Sequence[Any]) -> str:
    return "int64" if name in _COUNTS and all(cell in INT64 for cell in cells) else "object"


def typed_rows(report: Report) -> ReportRows:
    """Returns the typed rows of a report that is compared with no other."""
    names = [column.name for column in report.columns if column.kind == "text"]

    def typed(row: Row) -> ReportRow:
        cells: list[Any] = [
            nano_decimal(cell) if column.kind in ("money", "usd") and isinstance(cell, int) else cell
            for column, cell in zip(report.columns, row, strict=True)
        ]
        dimensions = MappingProxyType(dict(zip(names, cells, strict=False)))
        return ReportRow(dimensions, *cells[len(names) :])

    rows = tuple(map(typed, report.rows))
    corrections, adjustments = map(nano_decimal, (report.corrections_usd_nano, report.adjustments_usd_nano))
    return ReportRows(
        report.title,
        report.data_through,
        rows,
        typed(report.total),
        report.notes,
        report.unbooked_calls,
        corrections,
        adjustments,
        report.not_booked,
    )
