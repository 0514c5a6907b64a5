"""The sum of what waits in quarantine: lines, tokens, and money where a card prices them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, select

from ledger.book.rows import OPTIONAL_COUNTS, TOKENS, Facts
from ledger.reports.completeness import NotBooked
from ledger.reports.selection import Selection
from ledger.store.expressions import ROWS_AT_ONCE
from ledger.store.tables import quarantine
from ledger.values.spend import Convertible
from pricing.charge import Charge, price_entry, price_storage
from pricing.money import round_usd
from pricing.rate_card import RateCard
from pricing.rate_entry import RateEntry
from pricing.times import parse_iso
from pricing.usage import TokenUsage

# Its request is booked with other facts: whether more or less is due is undecided.
CONFLICT = "conflict"
COUNTS = Facts._fields[TOKENS] + Facts._fields[OPTIONAL_COUNTS]


class _Line(NamedTuple):
    occurred_at: datetime | None
    reason: str
    complete: int
    fields: str
    options: str


class _Price(NamedTuple):
    amount_nano: int
    per_usd_nano: int | None


@dataclass(slots=True)
class _Sum:
    lines: int = 0
    tokens: int = 0
    priced_lines: int = 0
    undated_lines: int = 0
    conflicts: int = 0
    cost: Convertible = field(default_factory=Convertible)

    def add(self, line: _Line, tokens: int, price: _Price | None) -> None:
        self.lines += 1
        self.undated_lines += line.occurred_at is None
        self.conflicts += line.reason == CONFLICT
        self.tokens += tokens
        if price is not None:
            self.priced_lines += 1
            self.cost[price.per_usd_nano] += price.amount_nano

    @property
    def total(self) -> NotBooked:
        usd_nano = round_usd(self.cost.usd)
        return NotBooked(self.lines, self.tokens, self.priced_lines, usd_nano, self.undated_lines, self.conflicts)


def sum_waiting(
    connection: Connection, wanted: ColumnElement[bool], selections: Sequence[Selection], cards: Mapping[str, RateCard]
) -> list[NotBooked]:
    """Sums the entries of a condition, streamed: of each selection those that may be of its projects, models, tags."""
    columns = (quarantine.c[name] for name in _Line._fields)
    rows = connection.execute(select(*columns).where(wanted), execution_options={"yield_per": ROWS_AT_ONCE})
    sums = [_Sum() for _selection in selections]
    for row in rows:
        line = _Line(*row)
        fields = _decoded(line.fields)
        tokens, price = 0, None
        if line.reason != CONFLICT:
            tokens = sum(map(_count, (fields.get("input_tokens"), fields.get("output_tokens"))))
            price = _price(line, fields, cards)
        for selection, found in zip(selections, sums, strict=True):
            if _may_be_of(selection, line, fields, cards):
                found.add(line, tokens, price)
    return [found.total for found in sums]


def _decoded(text: str) -> dict[str, Any]:
    """Returns a JSON object; nothing where it is none."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _count(value: object) -> int:
    return value if type(value) is int and value > 0 else 0


def _may_be_of(selection: Selection, line: _Line, fields: Mapping[str, Any], cards: Mapping[str, RateCard]) -> bool:
    """Tells whether nothing in a line says that it is of another project, model or tag value than those asked for."""
    if selection.projects:
        project = _decoded(line.options).get("project") or fields.get("project")
        if project is not None and project not in selection.projects:
            return False
    if selection.models:
        card = cards.get(str(fields.get("provider")))
        model = None if card is None else _billed_model(card, fields)
        if model is not None and model not in selection.models:
            return False
    return not selection.tags or _may_have_tags(selection, line, fields.get("tags"))


def _may_have_tags(selection: Selection, line: _Line, tags: object) -> bool:
    stated: Mapping[str, object] = tags if isinstance(tags, dict) else {}
    for key in {name for name, _value in selection.tags}:
        wanted = [value for name, value in selection.tags if name == key]
        # A complete line has all of its tags.
        if stated.get(key) not in wanted and (key in stated or line.complete):
            return False
    return True


def _billed_model(card: RateCard, fields: Mapping[str, Any]) -> str | None:
    """Returns the model that a card would bill: the requested one where it knows it, else the reported one."""
    rates = card.rates_of(fields.get("requested_model")) or card.rates_of(fields.get("reported_model"))
    return None if rates is None else rates.id


def _price(line: _Line, fields: Mapping[str, Any], cards: Mapping[str, RateCard]) -> _Price | None:
    """Returns the price of a line that has all of its facts; None where its card doesn't price them."""
    card, at = cards.get(str(fields.get("provider"))), line.occurred_at
    model = None if card is None else _billed_model(card, fields)
    if card is None or model is None or at is None or not line.complete:
        return None
    try:
        charge = _charge(card.entry_at(model, at, fields.get("service_tier")), fields, at)
        conversion = card.conversion_at(at)
    except ValueError:  # a PricingError is one
        return None
    return _Price(charge.amount_nano, None if conversion is None else conversion.per_usd_nano)


def _charge(entry: RateEntry, fields: Mapping[str, Any], at: datetime) -> Charge:
    if fields.get("kind") == "cache_storage":
        return price_storage(entry, fields.get("tokens", 0), at, parse_iso(str(fields.get("end"))))
    counts = {name: fields.get(name, 0) for name in COUNTS}
    counts["calls"] += fields.get("tool_calls", 0)
    return price_entry(entry, TokenUsage(**counts))
