"""A month priced otherwise as typed rows, for programs: money as Decimal, counts as int."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import overload

from ledger.reports.completeness import NotBooked
from ledger.values.spend import Spend
from ledger.whatif.result import WhatIf
from pricing.money import nano_decimal


@dataclass(frozen=True, slots=True)
class WhatIfRow:
    """The money of one name `by` project, model or tier, as booked and as it would be; amounts are by currency."""

    by: str
    name: str
    before_requests: int
    after_requests: int
    before_usd: Decimal
    after_usd: Decimal
    change_usd: Decimal
    before_amounts: Mapping[str, Decimal]
    after_amounts: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class WhatIfRows(Sequence[WhatIfRow]):
    """The rows of a month priced otherwise, in its order; `total` is that of all, its `by` and name empty.

    `causes` are USD by cause and add up to the total's change. Charges that couldn't be priced so are as booked on both
    sides, as are corrections of closed months and adjustments.
    """

    title: str
    rows: tuple[WhatIfRow, ...]
    causes: Mapping[str, Decimal]
    total: WhatIfRow
    charges_priced: int
    requests_changed: int
    unpriced_charges: int
    unpriced_usd: Decimal
    unpriced_message: str
    corrections_usd: Decimal
    adjustments_usd: Decimal
    not_booked: NotBooked
    notes: tuple[str, ...] = ()

    @overload
    def __getitem__(self, place: int) -> WhatIfRow: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[WhatIfRow, ...]: ...
    def __getitem__(self, place: int | slice) -> WhatIfRow | tuple[WhatIfRow, ...]:
        return self.rows[place]

    def __len__(self) -> int:
        return len(self.rows)


def typed_rows(found: WhatIf) -> WhatIfRows:
    """Returns the typed rows of a month priced otherwise."""
    return WhatIfRows(
        title=found.title,
        rows=tuple(_row(moved.by, moved.name, moved.before, moved.after) for moved in found.rows),
        causes=MappingProxyType({cause: nano_decimal(nano) for cause, nano in found.by_cause}),
        total=_row("", "", found.before, found.after),
        charges_priced=found.read,
        requests_changed=found.requests_changed,
        unpriced_charges=found.unpriced.charges,
        unpriced_usd=nano_decimal(found.unpriced.spend.usd_nano),
        unpriced_message=found.unpriced.message,
        corrections_usd=nano_decimal(found.corrections_usd_nano),
        adjustments_usd=nano_decimal(found.adjustments_usd_nano),
        not_booked=found.not_booked,
        notes=found.notes,
    )


def _row(by: str, name: str, before: Spend, after: Spend) -> WhatIfRow:
    before_usd, after_usd = nano_decimal(before.usd_nano), nano_decimal(after.usd_nano)
    amounts = [
        MappingProxyType({currency: nano_decimal(side.nano(currency)) for currency in side.amounts})
        for side in (before, after)
    ]
    return WhatIfRow(by, name, before.records, after.records, before_usd, after_usd, after_usd - before_usd, *amounts)
