"""Record batches of usage in, the same rows with their prices out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
import pyarrow as pa

from pricing.arrow.columns import Usage, distinct
from pricing.arrow.refusals import refusals
from pricing.arrow.results import COUNT_OF_SELDOM, Results
from pricing.arrow.schema import RESULT_SCHEMA, usage_columns
from pricing.billing import (
    DEFAULT_PROVIDER,
    ToolFees,
    billed_model,
    card_of_provider,
    conversion_places,
    priced_tiers,
    unpriced_calls,
)
from pricing.by_card import price_batch
from pricing.columns import ModelColumn, service_column
from pricing.errors import PricingError
from pricing.rate_table import DateTable
from pricing.storage_batch import price_storage_batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pricing.batch import BatchCharges
    from pricing.money import Int64Array
    from pricing.rate_card import RateCard
    from pricing.storage_batch import StorageCharges

_PRICED = ("input_tokens", "cached_input_tokens", "output_tokens", *COUNT_OF_SELDOM.values())


class _Group(NamedTuple):
    """Rows of one card and one kind, by place in the batch, with the model that each is billed as."""

    card: RateCard
    is_storage: bool
    rows: Int64Array
    model: ModelColumn


def price_batches(
    batches: Iterable[Any],
    cards: Mapping[str, RateCard],
    *,
    provider: str = DEFAULT_PROVIDER,
    tool_fees: ToolFees = "refuse",
) -> Iterator[Any]:
    """Prices record batches of USAGE_SCHEMA one by one: their columns as they are, then those of RESULT_SCHEMA.

    A row is priced, or refused in the same words, as `tollbook ingest` does it; `provider` is that of rows that name
    none. Calls that a card doesn't price are refused, or "unbooked": their amount is null then. Duplicates, and what
    has no room in roll-ups, are the ledger's. A column of a wrong type is a TypeError that names it.
    """
    if tool_fees not in get_args(ToolFees):
        raise ValueError(f"tool_fees {tool_fees!r} is none of its choices: give {' or '.join(get_args(ToolFees))}")
    return _priced(batches, cards, provider, is_refused=tool_fees == "refuse")


def _priced(batches: Iterable[Any], cards: Mapping[str, RateCard], provider: str, *, is_refused: bool) -> Iterator[Any]:
    """Yields the batches with their prices; calls without one are refused where `is_refused`."""
    for batch in batches:
        usage = Usage.of(usage_columns(batch), batch.num_rows)
        results = Results(usage.is_pending)
        if batch.num_rows:
            results.refuse(refusals(usage, provider))
            fees = usage.counts["tool_calls"] if is_refused else None
            for group in _groups(usage, cards, provider, results, fees):
                _price(usage, group, results, fees)
        schema = pa.schema([*batch.schema, *RESULT_SCHEMA], batch.schema.metadata)
        yield pa.RecordBatch.from_arrays([*batch.columns, *results.arrays()], schema=schema)


def _groups(
    usage: Usage, cards: Mapping[str, RateCard], provider: str, results: Results, fees: Int64Array | None
) -> Iterator[_Group]:
    """Yields the open rows by card and kind; refuses those without a card or a model that it knows."""
    named = [usage.labels[name] for name in ("provider", "requested_model", "reported_model")]
    some_rows, label = distinct(*(texts.codes for texts in named), usage.is_storage.astype(np.int64))
    groups: dict[tuple[str, bool], dict[int, tuple[str, bool]]] = {}
    errors: dict[int, PricingError] = {}
    for number, row in enumerate(some_rows.tolist()):
        stated, requested, reported = (texts.values[texts.codes[row]] for texts in named)
        try:
            billed = billed_model(card_of_provider(cards, stated or provider), requested, reported)
            groups.setdefault((stated or provider, bool(usage.is_storage[row])), {})[number] = billed
        except PricingError as error:
            errors[number] = error
    rows, codes = _of_labels(errors, label, len(some_rows), results)
    if fees is not None:
        _refuse_fees(results, rows, fees[rows])
    results.refuse_alike(rows, list(errors.values()), codes)
    for (name, is_storage), billed_of in groups.items():
        rows, codes = _of_labels(billed_of, label, len(some_rows), results)
        results.set_models(rows, list(billed_of.values()), codes)
        model = ModelColumn([model for model, _differs in billed_of.values()], codes)
        yield _Group(cards[name], is_storage, rows, model)


def _of_labels(
    numbers: Iterable[int], label: Int64Array, labels: int, results: Results
) -> tuple[Int64Array, Int64Array]:
    """Returns the open rows with a label of these numbers, and the place of each one's among them."""
    code_of = np.full(labels, -1, np.int64)
    for code, number in enumerate(numbers):
        code_of[number] = code
    codes = code_of.take(label)
    rows = np.flatnonzero((codes >= 0) & results.is_open)
    return rows, codes[rows]


def _refuse_fees(results: Results, rows: Int64Array, *calls: Int64Array) -> None:
    """Refuses rows with calls that have no price, of one sort or several, whose sum may pass 64 bits."""
    billed = np.flatnonzero(np.any(calls, axis=0)).tolist()
    results.refuse({int(rows[row]): unpriced_calls(sum(int(each[row]) for each in calls)) for row in billed})


def _price(usage: Usage, group: _Group, results: Results, fees: Int64Array | None) -> None:
    rows, at_us = group.rows, usage.begins[group.rows]
    batch: BatchCharges | StorageCharges
    if group.is_storage:
        end, tokens = usage.times["end"][rows], usage.counts["tokens"][rows]
        batch = price_storage_batch(card=group.card, model=group.model, start=at_us, end=end, tokens=tokens)
    else:
        counts = {name: usage.counts[name][rows] for name in _PRICED}
        stated = usage.labels["service_tier"]
        code_of = np.array([-1 if tier is None else code for code, tier in enumerate(stated.values)])
        tier = ModelColumn(stated.values, code_of.take(stated.codes[rows]))
        unpriced = _unpriced_calls(group, at_us, tier, counts["calls"])
        counts["calls"] = counts["calls"] - unpriced
        if fees is not None:
            _refuse_fees(results, rows, unpriced, fees[rows])
        tier = tier._replace(codes=priced_tiers(tier.codes, counts.values()))
        batch = price_batch(card=group.card, model=group.model, at=at_us, service_tier=tier, **counts)
        for amount, count in COUNT_OF_SELDOM.items():
            results.set_absent(amount, rows, counts[count] == 0)
    results.set_charges(rows, batch)
    conversion, missing = conversion_places(group.card, at_us)
    results.set_conversions(rows, group.card, conversion)
    results.refuse({int(rows[row]): error for row, error in (missing | batch.errors).items()})


def _unpriced_calls(group: _Group, at_us: Int64Array, tier: ModelColumn, calls: Int64Array) -> Int64Array:
    """Returns each row's calls where its price has none for calls; 0 where there is no price, which pricing tells."""
    if not calls.any():
        return calls
    tiers, codes = service_column(tier, len(calls))
    table = DateTable.of(group.card, group.model.categories, tiers)
    lacks_price = np.array([*(entry.call_pico is None for entry in table.entries), False])
    return np.where(lacks_price[table.entries_at(group.model.codes, at_us, codes)], calls, 0)
