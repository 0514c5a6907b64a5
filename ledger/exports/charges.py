"""`export charges`: one line a meter of a charge, streamed in order of posting, with its price, conversion and USD."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import IO, Literal, NamedTuple, TypeAlias

from ledger.db import Database
from ledger.exports.safe_csv import CsvWriter, guard
from ledger.exports.safe_text import json_text, safe_json
from ledger.queries import BookedCharge, Selection, read_charges, read_rate_entries, read_usd_rates
from ledger.timespan import Span
from ledger.types import from_microseconds
from pricing.charge import METERS
from pricing.money import NANO, RunningUsd, format_nano, format_pico
from pricing.rate_card import RateEntry
from pricing.usage import clock_hours

SCHEMA = 1
# Rates are printed for so many tokens, as rate cards and price lists state them; storage for as many and an hour.
TOKENS_OF_RATE = 1_000_000
LINES_AT_ONCE = 2_000

Price: TypeAlias = tuple[int | None, str, str]


class ChargeLine(NamedTuple):
    """One line of the export; the fields are its columns, in order. Amounts and rates are plain decimals.

    `rate` is for 1M tokens (storage: and an hour). `usd` is what the rounded running total moved by, so that the
    column adds up to the report's total. Tokens of a reversal are negative, as its amount is.
    """

    line_id: str
    posted_seq: int
    posted_month: str
    occurred_month: str
    occurred_at: str
    source: str | None
    request_id: str | None
    kind: str | None
    status: str | None
    requested_model: str | None
    reported_model: str | None
    billed_model: str
    model_differs: bool
    project: str
    tags: str
    meter: str
    tokens: int
    hours: int | None
    tier: str
    rate: str
    currency: str
    amount: str
    per_usd: str
    usd: str
    rate_entry: str
    charge_class: str
    corrects_line_id: str
    batch: int


TEXT_FIELDS = tuple(
    ChargeLine._fields.index(name)
    for name in ("source", "request_id", "requested_model", "reported_model", "billed_model", "project", "rate_entry")
)
TAGS_FIELD = ChargeLine._fields.index("tags")
DIFFERS_FIELD = ChargeLine._fields.index("model_differs")


@dataclass(slots=True)
class ControlTotal:
    """What was exported: lines, charges, nano by currency and nano-USD; the USD is that of a report of the same."""

    lines: int = 0
    charges: int = 0
    amounts_nano: dict[str, int] = field(default_factory=dict)
    usd_nano: int = 0

    def document(self) -> dict[str, object]:
        """As JSON has it."""
        amounts = {currency: format_nano(self.amounts_nano[currency]) for currency in sorted(self.amounts_nano)}
        return {"lines": self.lines, "charges": self.charges, "amounts": amounts, "usd": format_nano(self.usd_nano)}

    def words(self) -> str:
        """As people read it."""
        amounts = [f"{format_nano(self.amounts_nano[code])} {code}" for code in sorted(self.amounts_nano)]
        money = f"{' + '.join(amounts) or '0'} = {format_nano(self.usd_nano)} USD"
        return f"{self.lines:,} lines of {self.charges:,} charges, {money}"


class ChargeLines:
    """Expands charges to lines, keeping the control total."""

    def __init__(self, entries: Mapping[int, RateEntry], usd_rates: Mapping[int | None, int | None]) -> None:
        self._entries = entries
        self._usd_rates = usd_rates
        self._running_usd = RunningUsd()
        self._rates: dict[Price, str] = {}
        self._per_usd = {number: format_nano(rate or NANO) for number, rate in usd_rates.items()}
        self.total = ControlTotal()

    def of(self, charge: BookedCharge) -> list[ChargeLine]:
        """The charge's lines: its meters with tokens, in the order of METERS; an adjustment is one line without any."""
        sign = -1 if charge.charge_class == "reversal" else 1
        entry = None if charge.rate_entry_id is None else self._entries[charge.rate_entry_id]
        per_usd_nano = self._usd_rates[charge.conversion_id]
        total = self.total
        lines = []
        for meter, tokens, amount_nano in _meters(charge):
            lines.append(
                ChargeLine(
                    line_id=f"{charge.id}-{meter or 'adjustment'}",
                    posted_seq=charge.id,
                    posted_month=charge.posted_month,
                    occurred_month=charge.occurred_month,
                    occurred_at=_instant(charge.occurred_at_us),
                    source=charge.source,
                    request_id=charge.request_id,
                    kind=charge.kind,
                    status=charge.status,
                    requested_model=charge.requested_model,
                    reported_model=charge.reported_model,
                    billed_model=charge.billed_model,
                    model_differs=bool(charge.model_differs),
                    project=charge.project,
                    tags=charge.tags or "{}",
                    meter=meter,
                    tokens=sign * tokens,
                    hours=_hours(charge) if meter == "cache_storage" else None,
                    tier=charge.tier,
                    rate=self._rate(charge.rate_entry_id, charge.tier, meter),
                    currency=charge.currency,
                    amount=format_nano(amount_nano),
                    per_usd=self._per_usd[charge.conversion_id],
                    usd=format_nano(self._running_usd.add(amount_nano, per_usd_nano)),
                    rate_entry="" if entry is None else entry.key,
                    charge_class=charge.charge_class,
                    corrects_line_id=_corrected_line(charge, meter),
                    batch=charge.run_id,
                )
            )
            total.amounts_nano[charge.currency] = total.amounts_nano.get(charge.currency, 0) + amount_nano
        total.charges += 1
        total.lines += len(lines)
        total.usd_nano = self._running_usd.total_nano
        return lines

    def _rate(self, entry_id: int | None, tier_label: str, meter: str) -> str:
        price = (entry_id, tier_label, meter)
        if price not in self._rates:
            entry = None if entry_id is None else self._entries[entry_id]
            rate_pico = None if entry is None else _rate_pico(entry, tier_label, meter)
            self._rates[price] = "" if rate_pico is None else format_pico(rate_pico * TOKENS_OF_RATE)
        return self._rates[price]


def _meters(charge: BookedCharge) -> Iterator[tuple[str, int, int]]:
    """(meter, tokens, nano) of each meter with tokens; an adjustment has its amount alone."""
    if charge.charge_class == "adjustment":
        yield "", 0, charge.amount_nano
        return
    amounts_nano = (charge.input_nano, charge.cached_input_nano, charge.output_nano, charge.cache_storage_nano)
    tokens = _tokens(charge.input_tokens, charge.cached_input_tokens, charge.output_tokens, charge.storage_tokens)
    for meter, count, amount_nano in zip(METERS, tokens, amounts_nano, strict=True):
        if count:
            yield meter, count, amount_nano


def _tokens(
    input_tokens: int | None, cached_tokens: int | None, output_tokens: int | None, storage_tokens: int | None
) -> tuple[int, int, int, int]:
    """Tokens by meter: the input meter is the uncached rest."""
    cached = cached_tokens or 0
    return ((input_tokens or 0) - cached, cached, output_tokens or 0, storage_tokens or 0)


def _corrected_line(charge: BookedCharge, meter: str) -> str:
    """The line that this one reverses or replaces; empty where the corrected charge had no tokens on the meter."""
    if charge.corrects_id is None or not meter:
        return ""
    tokens = _tokens(
        charge.corrected_input_tokens,
        charge.corrected_cached_input_tokens,
        charge.corrected_output_tokens,
        charge.corrected_storage_tokens,
    )
    return f"{charge.corrects_id}-{meter}" if tokens[METERS.index(meter)] else ""


def _rate_pico(entry: RateEntry, tier_label: str, meter: str) -> int | None:
    if meter == "cache_storage":
        return entry.cache_storage_pico
    tier = next((tier for tier in entry.tiers if tier.label == tier_label), None)
    if tier is None:
        return None
    return {"input": tier.input_pico, "cached_input": tier.cached_input_pico, "output": tier.output_pico}.get(meter)


def _hours(charge: BookedCharge) -> int | None:
    if charge.occurred_at_us is None or charge.storage_end_us is None:
        return None
    return clock_hours(from_microseconds(charge.occurred_at_us), from_microseconds(charge.storage_end_us))


def _instant(microseconds: int | None) -> str:
    """The time in UTC as ISO 8601 with Z, to the second or finer."""
    return "" if microseconds is None else from_microseconds(microseconds).isoformat().replace("+00:00", "Z")


# --- files ----------------------------------------------------------------------------------------------------------

_guard = lru_cache(maxsize=10_000)(guard)


def write_csv(charges: Iterable[BookedCharge], lines: ChargeLines, out: IO[bytes]) -> None:
    """The lines as CSV with a header."""
    writer = CsvWriter()
    out.write(writer.encode([ChargeLine._fields]))
    cells = (_csv_cells(line) for charge in charges for line in lines.of(charge))
    while rows := list(islice(cells, LINES_AT_ONCE)):
        out.write(writer.encode(rows))


def _csv_cells(line: ChargeLine) -> list[object]:
    cells: list[object] = list(line)
    for place in TEXT_FIELDS:
        text = cells[place]
        if isinstance(text, str):
            cells[place] = _guard(text)
    cells[TAGS_FIELD] = safe_json(line.tags)
    cells[DIFFERS_FIELD] = "true" if line.model_differs else "false"
    return cells


def write_json(charges: Iterable[BookedCharge], lines: ChargeLines, out: IO[bytes], *, title: str) -> None:
    """The lines as one JSON document, a line of text each, with the control total at the end."""
    out.write(f'{{"schema":{SCHEMA},"title":{json_text(title)},"rows":['.encode())
    first = True
    for charge in charges:
        for line in lines.of(charge):
            row = line._asdict() | {"tags": json.loads(line.tags)}
            out.write(("\n" if first else ",\n").encode() + json_text(row).encode())
            first = False
    out.write(f'\n],"total":{json_text(lines.total.document())}}}\n'.encode())


def export_charges(
    database: Database, span: Span, out: IO[bytes], *, file_format: Literal["csv", "json"]
) -> ControlTotal:
    """Write the charges posted in the span, from one snapshot of the ledger; memory doesn't grow with their number."""
    selection = Selection(database.zone, span.start, span.end)
    with database.reading() as connection:
        lines = ChargeLines(read_rate_entries(connection), read_usd_rates(connection))
        charges = read_charges(connection, selection, ledger_zone=database.zone)
        if file_format == "csv":
            write_csv(charges, lines, out)
        else:
            write_json(charges, lines, out, title=f"Charges, {span.label} (posted, {database.zone.key})")
    return lines.total
