"""`export charges`: one line a meter of a charge, streamed in order of posting, with its price, conversion and USD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TypeAlias
from zoneinfo import ZoneInfo

from ledger.book.prices.pinned import charged_at_pico, read_rate_entries, read_usd_rates
from ledger.book.rows import ADJUSTMENT, METERED, by_meter, counts_by_meter, nano_by_meter
from ledger.exports.charge_rows import BookedCharge, read_charges_beside
from ledger.exports.formats.columns import Column, Row
from ledger.exports.formats.writer import ExportFile
from ledger.exports.manifest import Exported
from ledger.lake.given import Lakes
from ledger.months.version import month_version
from ledger.reports.in_lakes import selected_in_lakes
from ledger.reports.selection import Selection
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
# `rate` under a contract.
COLUMNS = (
    Column("line_id", "word"),
    Column("posted_seq", "serial"),
    Column("posted_month", "word"),
    Column("occurred_month", "word"),
    Column("occurred_at", "time"),
    Column("source", "text"),
    Column("request_id", "text"),
    Column("kind", "word"),
    Column("status", "word"),
    Column("requested_model", "text"),
    Column("reported_model", "text"),
    Column("billed_model", "text"),
    Column("model_differs", "flag"),
    Column("project", "text"),
    Column("tags", "facts"),
    Column("meter", "word"),
    Column("tokens", "count"),
    Column("hours", "count"),
    Column("tier", "word"),
    Column("rate", "decimal"),
    Column("currency", "word"),
    Column("amount", "decimal"),
    Column("per_usd", "decimal"),
    Column("usd", "decimal"),
    Column("rate_entry", "text"),
    Column("charge_class", "word"),
    Column("corrects_line_id", "word"),
    Column("batch", "serial"),
    Column("service_tier", "word"),
    Column("list_rate", "decimal"),
)


_corrected_counts = attrgetter(*(f"corrected_{name}" for name in METERED))

Price: TypeAlias = tuple[str | None, str | None, str | None, str | None]


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
        self._entries = entries
        self._usd_rates = usd_rates
        self._running_usd = RunningUsd()
        self._prices: dict[tuple[int | None, str, str | None], Price] = {}
        self._per_usd = {number: format_nano(rate or NANO) for number, rate in usd_rates.items()}
        self.total = ControlTotal()

    def of(self, charge: BookedCharge) -> list[Row]:
        """Expands a charge to lines: its meters with tokens, in the order of METERS; an adjustment to one without."""
        sign = -1 if charge.charge_class == "reversal" else 1
        per_usd_nano, per_usd = self._usd_rates[charge.conversion_id], self._per_usd[charge.conversion_id]
        facts = _facts(charge)
        lines: list[Row] = []
        for meter, tokens, amount_nano in _meters(charge):
            rate, rate_entry, service_tier, list_rate = self._price(charge.rate_entry_id, charge.tier, meter)
            usd_nano = self._running_usd.add(amount_nano, per_usd_nano)
            hours = _hours(charge) if meter == "cache_storage" else None
            corrected = None if charge.corrects_id is None else _corrected_line(charge, meter)
            line_id = f"{charge.number}-{meter or ADJUSTMENT}"
            lines.append(
                (line_id, *facts, meter, sign * tokens, hours, charge.tier, rate, charge.currency,
                 format_nano(amount_nano), per_usd, format_nano(usd_nano), rate_entry, charge.charge_class, corrected,
                 charge.run_id, service_tier, list_rate)
            )  # fmt: skip
        self.total.lines += len(lines)
        self.total.spend.add(charge.currency, per_usd_nano, charge.amount_nano, 1)
        return lines

    def _price(self, entry_id: int | None, tier_label: str, meter: str | None) -> Price:
        """Looks up the rate of a meter, the entry's key, its service tier and list rate; none for an adjustment."""
        price = self._prices.get((entry_id, tier_label, meter))
        if price is None:
            price = (None, None, None, None)
            if entry_id is not None and meter is not None:
                entry = self._entries[entry_id]
                rate, list_rate = (
                    format_rate(charged_at_pico(each, tier_label, meter), meter)
                    for each in (entry, entry.listed or entry)
                )
                price = (rate, entry.key, entry.service, list_rate)
            self._prices[entry_id, tier_label, meter] = price
        return price


def _facts(charge: BookedCharge) -> Row:
    """Returns the cells from posted_seq to tags."""
    return (
        charge.id,
        charge.posted_month,
        charge.occurred_month,
        None if charge.occurred_at_us is None else iso_text(charge.occurred_at_us),
        charge.source,
        charge.request_id,
        charge.kind,
        charge.status,
        charge.requested_model,
        charge.reported_model,
        charge.billed_model,
        bool(charge.model_differs),
        charge.project,
        charge.tags or "{}",
    )


def _meters(charge: BookedCharge) -> Sequence[tuple[str | None, int, int]]:
    """Returns (meter, tokens, nano) of each meter with tokens; an adjustment has its amount alone."""
    if charge.charge_class == ADJUSTMENT:
        return [(None, 0, charge.amount_nano)]
    tokens = counts_by_meter(charge, charge.storage_tokens or 0)
    return [each for each in zip(METERS, tokens, nano_by_meter(charge), strict=True) if each[1]]


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
        outside = selected_in_lakes(connection, selection, database.zone)
        lakes.check(connection, outside, "export charges")
        lines = ChargeLines(read_rate_entries(connection), read_usd_rates(connection))
        title = f"Charges, {span.label} (posted, {zone.key})"
        # Closed here where the file can't be written to its end: else the cursor would outlive its connection.
        with closing(read_charges_beside(connection, selection, lakes, ledger_zone=database.zone)) as charges:
            rows = (line for charge in charges for line in lines.of(charge))
            file.write("charges", COLUMNS, rows, title=title, total=lines.total.document)
        version = month_version(connection, span.month if zone.key == database.zone_name else None)
    return Exported("charges", title, lines.total.words(), lines.total.document(), version)
