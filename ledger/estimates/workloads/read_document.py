"""An estimate of workloads read back from JSON, checked before it is used."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Any, NamedTuple

import msgspec

from ledger.errors import LedgerError
from ledger.estimates.workloads.document import SCHEMA, WorkloadEntry, WorkloadsDocument
from pricing.charge import price_entry
from pricing.errors import PricingError, retold, shown
from pricing.money import CURRENCIES, NANO, SettlementMode, parse_units, usd_fraction
from pricing.rate_entry import RateEntry
from pricing.usage import TokenUsage, check_count

HOW_TO_MAKE = "make one with: tollbook estimate --config tollbook.toml --json -o FILE"


# Beyond what 2**63 of the dearest requests cost; a percentage of it still reads back as a decimal.
_MOST_NANO = 10**36

_Pico = Annotated[int, msgspec.Meta(ge=0)]
_Limit = Annotated[int, msgspec.Meta(ge=1)]


class _Tier(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    up_to: _Limit | None
    input_pico: _Pico
    cached_input_pico: _Pico | None
    output_pico: _Pico
    output_up_to: _Limit | None = None


class _Rates(msgspec.Struct, forbid_unknown_fields=True):
    """The statement of `RateEntry.content()` in strict types."""

    provider: str
    currency: str
    model: str
    effective_from: str
    effective_to: str | None
    tiers: Annotated[list[_Tier], msgspec.Meta(min_length=1)]
    cache_storage_pico: _Pico | None
    max_input_tokens: _Limit | None
    max_output_tokens: _Limit | None
    settlement: tuple[_Limit, SettlementMode, _Pico] | None


def read_workloads(document: object, where: str) -> WorkloadsDocument:
    """Reads an estimate from JSON; LedgerError naming file, key and rule."""
    if not isinstance(document, dict):
        raise LedgerError(f"{where}: isn't an estimate of workloads: {HOW_TO_MAKE}")
    _check_kind(document, where)
    try:
        read = msgspec.convert(document, WorkloadsDocument)
    except msgspec.ValidationError as error:
        key, rule = retold(error)
        raise LedgerError(f"{where}: {f'{key}: ' if key else ''}{rule}; {HOW_TO_MAKE}") from None
    names: set[str] = set()
    for number, workload in enumerate(read.workloads):
        key = f"{where}: workloads[{number}]"
        if workload.name in names:
            raise LedgerError(f"{key}.name: {shown(workload.name)} is an earlier workload's name too; {HOW_TO_MAKE}")
        names.add(workload.name)
        _check_workload(workload, read.rates, key)
    for name, text, parts in (
        ("usd", read.total.usd, [w.usd_per_month for w in read.workloads]),
        ("amount", read.total.amount, [w.amount_per_month for w in read.workloads]),
    ):
        total, known = nano_of(text, f"{where}: total.{name}"), [parse_units(part, NANO) for part in parts if part]
        # Each part is rounded, the total once.
        if total is not None and abs(total - sum(known)) > len(known):
            raise LedgerError(f"{where}: total.{name}: isn't the sum of the workloads; {HOW_TO_MAKE}")
    return read


def price_entry_of(rates: dict[str, dict[str, Any]], card: str, where: str) -> RateEntry:
    """Returns the price entry of that key in `rates`; LedgerError where it isn't there whole."""
    if card not in rates:
        raise LedgerError(f"{where}: rates has no {shown(card)}, which a workload is priced by; {HOW_TO_MAKE}")
    try:
        msgspec.convert(rates[card], _Rates)
        entry = RateEntry.from_content(json.dumps(rates[card]))
        is_whole = entry.key == card
    except ValueError:  # msgspec's is one too
        is_whole = False
    if not is_whole:
        raise LedgerError(f"{where}: rates[{shown(card)}] isn't the price entry of that key; {HOW_TO_MAKE}")
    return entry


def nano_of(text: str | None, where: str) -> int | None:
    """Returns nano of an amount of 0 or more, None of None; LedgerError naming the key."""
    if text is None:
        return None
    try:
        nano = parse_units(text, NANO)
    except ValueError as error:
        raise LedgerError(f"{where}: {error}; {HOW_TO_MAKE}") from None
    if nano < 0:
        raise LedgerError(f"{where}: {shown(text)} is negative; {HOW_TO_MAKE}")
    if nano > _MOST_NANO:
        raise LedgerError(f"{where}: {shown(text)} is more than anything costs; {HOW_TO_MAKE}")
    return nano


def usages_of(workload: WorkloadEntry) -> list[TokenUsage]:
    """Returns the usage of each prompt, at the expected counts."""
    return [TokenUsage(p.input_tokens, p.cached_input_tokens, p.output_tokens) for p in workload.prompts]


class MonthCost(NamedTuple):
    """A month of a workload, exact: USD, and nano of its currency."""

    usd: Fraction
    amount_nano: Fraction


def month_cost(usages: Sequence[TokenUsage], requests: int, entry: RateEntry, per_usd: int | None) -> MonthCost:
    """Computes a month: the mean of these requests times their number. `per_usd` is the conversion in nano."""
    amount_nano = sum(price_entry(entry, usage).amount_nano for usage in usages) * requests
    return MonthCost(usd_fraction([(amount_nano, per_usd)]) / len(usages), Fraction(amount_nano, len(usages)))


def per_usd_nano(workload: WorkloadEntry) -> int | None:
    """Nano-units of the workload's currency for 1 USD; None for USD."""
    return None if workload.per_usd is None else parse_units(workload.per_usd, NANO)


def _check_kind(document: dict[str, Any], where: str) -> None:
    if "workloads" in document and "passed" in document:
        raise LedgerError(f"{where}: is a comparison, made by tollbook diff: give an estimate; {HOW_TO_MAKE}")
    if "workloads" not in document and "prompts" in document:
        raise LedgerError(
            f"{where}: is an estimate of prompts, made without --config: give one of workloads; {HOW_TO_MAKE}"
        )
    schema = document.get("schema")
    if type(schema) is not int or schema != SCHEMA:
        stated = "names no schema" if schema is None else f"is of schema {shown(schema)}"
        raise LedgerError(f"{where}: {stated}, this version reads schema {SCHEMA}: estimate it again with this version")


def _check_workload(workload: WorkloadEntry, rates: dict[str, dict[str, Any]], key: str) -> None:
    for name in ("usd_per_request", "amount_per_month", "usd_per_month"):
        nano_of(getattr(workload, name), f"{key}.{name}")
    if (workload.usd_per_month is None) != (workload.amount_per_month is None):
        raise LedgerError(f"{key}: has only one of amount_per_month and usd_per_month; {HOW_TO_MAKE}")
    if workload.currency not in CURRENCIES:
        raise LedgerError(
            f"{key}.currency: {shown(workload.currency)} is neither CRD nor an ISO 4217 code; {HOW_TO_MAKE}"
        )
    if (workload.currency == "USD") != (workload.per_usd is None) or nano_of(workload.per_usd, f"{key}.per_usd") == 0:
        raise LedgerError(f"{key}.per_usd: {shown(workload.per_usd)} isn't a conversion; {HOW_TO_MAKE}")
    entry = price_entry_of(rates, workload.card, key)
    if not workload.prompts:
        raise LedgerError(f"{key}.prompts: is empty; {HOW_TO_MAKE}")
    try:
        for number, prompt in enumerate(workload.prompts):
            nano_of(prompt.amount, f"{key}.prompts[{number}].amount")
            if prompt.input_tokens < workload.extra_input_tokens + prompt.image_tokens:
                raise LedgerError(f"{key}.prompts[{number}]: has fewer input tokens than it adds; {HOW_TO_MAKE}")
        usages = usages_of(workload)
        check_count("requests_per_month", workload.requests_per_month)
        if workload.usd_per_month is not None:
            cost = month_cost(usages, workload.requests_per_month, entry, per_usd_nano(workload))
            _check_month(workload, cost, key)
    except PricingError as error:
        raise LedgerError(f"{key}: {error}") from None


def _check_month(workload: WorkloadEntry, cost: MonthCost, key: str) -> None:
    """Refuses a month that isn't what its counts cost at its rates."""
    for name, figure in (("usd_per_month", cost.usd * NANO), ("amount_per_month", cost.amount_nano)):
        stated = nano_of(getattr(workload, name), f"{key}.{name}")
        if stated is not None and abs(stated - figure) > 1:
            raise LedgerError(f"{key}.{name}: isn't what its counts cost at its rates; {HOW_TO_MAKE}")
