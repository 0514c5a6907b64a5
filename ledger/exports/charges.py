"""`export charges`: one line a meter of a charge, streamed in order of posting, with its price, conversion and USD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, compress
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

from ledger.book.prices.pinned import charged_at_pico, read_rate_entries, read_usd_rates
from ledger.book.rows import ADJUSTMENT, METERED, by_meter, counts_by_meter, nano_by_meter
from ledger.exports.charge_rows import BookedCharge, read_charges_beside
from ledger.exports.formats.columns import Column, PartedRow, SharedCells
from ledger.exports.formats.writer import ExportFile
from ledger.exports.manifest import Exported
from ledger.lake.given import Lakes
from ledger.months.version import month_version
from ledger.reports.selection import Selection
from ledger.reports.without_rows import selected_without_rows
from ledger.store.database import Database
from ledger.values.instants import from_microseconds, iso_text
from ledger.values.periods import Span
from ledger.values.spend import Spend
from pricing.charge import METERS
from pricing.money import NANO, RunningUsd, format_nano, format_rate
from pricing.rate_entry import RateEntry
from pricing.usage import clock_hours

# `rate` is for 1M tokens (storage: and an hour), or for a call. `usd` is what the rounded running total moved by, so
# that the column adds up to the report's total. Tokens of a reversal are negative, as its amount is; those of calls are
# calls. The columns from posted_seq to tags are those of the charge, the others of its line. `list_rate` differs from
# `rate` under a contract. What callers name as they like, such as models and projects, isn't shared: each request may
# have one of its own.
COLUMNS = (
    Column("line_id", "word"),
    Column("posted_seq", "serial"),
    Column("posted_month", "word", shared=True),
    Column("occurred_month", "word", shared=True),
    Column("occurred_at", "time"),
    Column("source", "text", shared=True),
    Column("request_id", "text"),
    Column("kind", "word", shared=True),
    Column("status", "word", shared=True),
    Column("requested_model", "text"),
    Column("reported_model", "text"),
    Column("billed_model", "text", shared=True),
    Column("model_differs", "flag", shared=True),
    Column("project", "text"),
    Column("tags", "facts"),
    Column("meter", "word", shared=True),
    Column("tokens", "count"),
    Column("hours", "count"),
    Column("tier", "word", shared=True),
    Column("rate", "decimal", shared=True),
    Column("currency", "word", shared=True),
    Column("amount", "decimal"),
    Column("per_usd", "decimal", shared=True),
    Column("usd", "decimal"),
    Column("rate_entry", "text", shared=True),
    Column("charge_class", "word", shared=True),
    Column("corrects_line_id", "word"),
    Column("batch", "serial"),
    Column("service_tier", "word", shared=True),
    Column("list_rate", "decimal", shared=True),
)


_PLACES = range(len(METERS))
# What decides the shared cells of a meter's line.
_DECIDING = (
    "posted_month", "occurred_month", "source", "kind", "status", "billed_model", "model_differs", "tier", "currency",
    "charge_class", "rate_entry_id", "conversion_id",
)  # fmt: skip
_deciding = attrgetter(*_DECIDING)
_corrected_counts = attrgetter(*(f"corrected_{name}" for name in METERED))


@dataclass(slots=True)
class ControlTotal:
    """The lines and the charges exported; the USD is that of a report of the same."""

    lines: int = 0
    spend: Spend = field(default_factory=Spend)

    def document(self) -> dict[str, object]:
        """Returns the total as JSON has it."""
        money = {"amounts": self.spend.amounts, "usd": self.spend.usd_text}
        return {"lines": self.lines, "charges": self.spend.records, **money}

    def words(self) -> str:
        """Returns the total as people read it."""
        amounts = " + ".join(f"{amount} {code}" for code, amount in self.spend.amounts.items()) or "0"
        return f"{self.lines:,} lines of {self.spend.records:,} charges, {amounts} = {self.spend.usd_text} USD"


class ChargeLines:
    """Expands charges to lines, keeping the control total."""

    def __init__(self, entries: Mapping[int, RateEntry], usd_rates: Mapping[int | None, int | None]) -> None:
        self._usd_rates = usd_rates
        self._running_usd = RunningUsd()
        # Most charges are like ones before, so that few of these are made.
        self._shared = lru_cache(maxsize=2_000)(lambda deciding: _SharedByMeter(deciding, entries, usd_rates))
        self.total = ControlTotal()

    def of(self, charge: BookedCharge) -> list[PartedRow]:
        """Expands a charge to lines: its meters with tokens, in the order of METERS; an adjustment to one without."""
        shared = self._shared(_deciding(charge))
        number, per_usd_nano = charge.number, self._usd_rates[charge.conversion_id]
        sign = -1 if charge.charge_class == "reversal" else 1
        occurred_at = None if charge.occurred_at_us is None else iso_text(charge.occurred_at_us)
        facts = (charge.id, occurred_at, charge.request_id, charge.requested_model, charge.reported_model,
                 charge.project, charge.tags or "{}")  # fmt: skip
        lines: list[PartedRow] = []
        for meter, tokens, amount_nano in _meters(charge):
            usd_nano = self._running_usd.add(amount_nano, per_usd_nano)
            hours = _hours(charge) if meter == "cache_storage" else None
            corrected = None if charge.corrects_id is None else _corrected_line(charge, meter)
            own = (f"{number}-{meter or ADJUSTMENT}", *facts, sign * tokens, hours, format_nano(amount_nano),
                   format_nano(usd_nano), corrected, charge.run_id)  # fmt: skip
            lines.append((shared[meter], own))
        self.total.lines += len(lines)
        self.total.spend.add(charge.currency, per_usd_nano, charge.amount_nano, 1)
        return lines


class _SharedByMeter(dict[str | None, SharedCells]):
    """The cells that lines of like charges share, by meter, made when a line first has them."""

    def __init__(
        self,
        deciding: Sequence[Any],
        entries: Mapping[int, RateEntry],
        usd_rates: Mapping[int | None, int | None],
    ) -> None:
        super().__init__()
        self._charge = dict(zip(_DECIDING, deciding, strict=True))
        entry_id = self._charge["rate_entry_id"]
        self._entry = None if entry_id is None else entries[entry_id]
        self._per_usd = format_nano(usd_rates[self._charge["conversion_id"]] or NANO)

    def __missing__(self, meter: str | None) -> SharedCells:
        cells = self._charge | self._price(meter)
        cells |= {"model_differs": bool(cells["model_differs"]), "meter": meter, "per_usd": self._per_usd}
        made = self[meter] = SharedCells(tuple(cells[column.name] for column in COLUMNS if column.shared))
        return made

    def _price(self, meter: str | None) -> dict[str, str | None]:
        """Looks up the rate of a meter, the entry's key, its service tier and list rate; none for an adjustment."""
        if self._entry is None or meter is None:
            return dict.fromkeys(("rate", "rate_entry", "service_tier", "list_rate"))
        rate, list_rate = (
            format_rate(charged_at_pico(each, self._charge["tier"], meter), meter)
            for each in (self._entry, self._entry.listed or self._entry)
        )
        return {
            "rate": rate,
            "rate_entry": self._entry.key,
            "service_tier": self._entry.service,
            "list_rate": list_rate,
        }


def _meters(charge: BookedCharge) -> Sequence[tuple[str | None, int, int]]:
    """Returns (meter, tokens, nano) of each meter with tokens; an adjustment has its amount alone."""
    if charge.charge_class == ADJUSTMENT:
        return [(None, 0, charge.amount_nano)]
    tokens, amounts_nano = counts_by_meter(charge, charge.storage_tokens or 0), nano_by_meter(charge)
    return [(METERS[place], tokens[place], amounts_nano[place]) for place in compress(_PLACES, tokens)]


def _corrected_line(charge: BookedCharge, meter: str | None) -> str | None:
    """Names the line that this one reverses or replaces; None where the corrected charge had no tokens on the meter."""
    if meter is None:
        return None
    tokens = by_meter(_corrected_counts(charge), charge.corrected_storage_tokens or 0)
    return f"{charge.corrected_number}-{meter}" if tokens[METERS.index(meter)] else None


def _hours(charge: BookedCharge) -> int | None:
    if charge.occurred_at_us is None or charge.storage_end_us is None:
        return None
    return clock_hours(from_microseconds(charge.occurred_at_us), from_microseconds(charge.storage_end_us))


def export_charges(
    database: Database, span: Span, file: ExportFile, *, zone: ZoneInfo, lakes: Lakes | None = None
) -> Exported:
    """Writes the charges posted in the span, from one snapshot of the ledger; memory doesn't grow with their number.

    `zone` is that of the span, which the title names. `lakes` have the rows of usage whose sums were posted.
    """
    lakes = lakes or Lakes()
    selection = Selection(zone, span.start, span.end)
    with database.reading() as connection:
        outside = selected_without_rows(connection, selection, database.zone)
        lakes.check(connection, outside, "export charges")
        lines = ChargeLines(read_rate_entries(connection), read_usd_rates(connection))
        title = f"Charges, {span.label} (posted, {zone.key})"
        # Closed here where the file can't be written to its end: else the cursor would outlive its connection.
        with closing(read_charges_beside(connection, selection, lakes, ledger_zone=database.zone)) as charges:
            rows = chain.from_iterable(map(lines.of, charges))
            file.write_parted("charges", COLUMNS, rows, title=title, total=lines.total.document)
        version = month_version(connection, span.month if zone.key == database.zone_name else None)
    return Exported("charges", title, lines.total.words(), lines.total.document(), version)
