"""Priced usage as Arrow columns: what a run stages, and what it keeps of them as charges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from ledger.book.records import Rated, recoded
from ledger.book.rollups import TagSubset, token_hours
from ledger.book.rows import AMOUNTS, OPTIONAL_AMOUNTS, OPTIONAL_COUNTS, TOKENS, ChargeRow, Facts
from ledger.lake.cells_file import KEY
from ledger.values.calendar import QUARTER_US, Calendar
from ledger.values.columns import numbered
from ledger.values.halves import digest_halves
from pricing.usage import epoch_us

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ledger.book.prices.pins import PinnedIds
    from pricing.money import Conversion, Int64Array
    from pricing.rate_card import RateCard

_TEXT = pa.string()
_TIME = pa.timestamp("us", tz="UTC")
_CODED = pa.dictionary(pa.int32(), pa.string())
_LABELS: Final = (
    "kind", "source", "provider", "requested_model", "reported_model", "project", "status", "service_tier"
)  # fmt: skip
_OWN_COUNTS: Final = Facts._fields[TOKENS]
_FEW: Final = ("storage_tokens", "provider_amount_nano", "tool_calls", *Facts._fields[OPTIONAL_COUNTS])
_AMOUNTS: Final = ChargeRow._fields[AMOUNTS]
_FEW_AMOUNTS: Final = ChargeRow._fields[OPTIONAL_AMOUNTS]

CHARGES: Final = pa.schema(
    [
        ("occurred_at", _TIME),
        ("request_id", _TEXT),
        *((name, _TEXT) for name in _LABELS),
        *((name, pa.int64()) for name in (*_OWN_COUNTS, *_FEW)),
        ("storage_end", _TIME),
        ("assumed", pa.bool_()),
        ("tags", _TEXT),  # JSON, keys sorted
        ("currency", _TEXT),
        ("billed_model", _TEXT),
        ("model_differs", pa.bool_()),
        ("tier", _TEXT),
        ("rate_entry", _TEXT),
        ("per_usd_nano", pa.int64()),
        ("conversion_from", _TIME),
        *((name, pa.int64()) for name in (*_AMOUNTS, *_FEW_AMOUNTS)),
        ("file", _TEXT),
        ("line", pa.int64()),
    ]
)
"""A charge as a lake keeps it, by the names of the ledger's views; what few usage has is null without."""


def _staged(field: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Returns a field as it is staged: times in microseconds, texts that many rows have alike by code."""
    if field.type == _TIME:
        return field.with_type(pa.int64())
    return field.with_type(_CODED) if field.type == _TEXT and field.name != "request_id" else field


STAGED: Final = pa.schema(
    [
        ("place", pa.int64()),  # in order of file and line
        ("occurred_day", _CODED),  # YYYY-MM-DD in the ledger's zone
        *map(_staged, CHARGES),
        ("storage_token_hours", pa.decimal128(38, 0)),
        ("key_upper", pa.int64()),  # the halves of the digest of its cell's key
        ("key_lower", pa.int64()),
    ]
)
CODED_NAMES: Final = [field.name for field in STAGED if field.type == _CODED]
KEYS: Final = pa.schema([STAGED.field("key_upper"), STAGED.field("key_lower"), *map(_staged, KEY)])
"""The keys of cells by their digests, times in microseconds."""


class Pins(NamedTuple):
    """The names of what charges are pinned to, by row ids: price entries' keys, and conversions."""

    entries: dict[int, str]
    conversions: dict[int | None, Conversion | None]

    @classmethod
    def of(cls, cards: Mapping[str, RateCard], ids: PinnedIds) -> Pins:
        """Returns those of cards whose rows were looked up."""
        entries = {ids.entry(entry): entry.key for card in cards.values() for entry in card.entries()}
        found: dict[int | None, Conversion | None] = {None: None}
        for card in cards.values():
            found |= {ids.conversion(card.provider, conversion): conversion for conversion in card.conversions}
        return cls(entries, found)


class Staging:
    """Turns rated usage of one month into columns of STAGED; remembers the keys of its cells."""

    def __init__(self, calendar: Calendar, rollup_tags: Sequence[str], pins: Pins) -> None:
        self._calendar = calendar
        self._rollup_tags = TagSubset(rollup_tags)
        self._pins = pins
        self._keys: dict[tuple[Any, ...], tuple[int, int]] = {}

    def table(self, rated: Rated, file: str, lines: Sequence[int], first_place: int) -> Any:  # noqa: ANN401
        """Returns rated usage of some lines of a file; places count up from the first."""
        count, records = len(rated), rated.records
        quarters, quarter = numbered(records.number("occurred_at") // QUARTER_US)
        days = [self._calendar.day(at * QUARTER_US) for at in quarters.tolist()]
        terms = self._terms(rated)
        upper, lower = self._cell_keys(rated, terms, days[0][:7])
        few = {name: _few(records.optional.get(name), count) for name in (*_FEW, "storage_end", "assumed")}
        hours = token_hours(records.columns()) if "storage_tokens" in records.optional else [0] * count
        columns = {
            "place": pa.array(np.arange(first_place, first_place + count)),
            "occurred_day": _spread(days, quarter),
            "request_id": pa.array(records.request_ids, _TEXT),
            **{
                name: _spread([getattr(each, name) for each in records.labels], records.number("label"))
                for name in _LABELS
            },
            **{name: pa.array(records.number(name)) for name in ("occurred_at", *_OWN_COUNTS)},
            **few,
            "assumed": few["assumed"].fill_null(0),
            "tags": _spread(records.tags, records.number("tags")),
            **{name: _spread(column, rated.term) for name, column in terms.items()},
            **{name: pa.array(rated.amount(name)) for name in _AMOUNTS},
            **{name: _few(rated.optional.get(name), count) for name in _FEW_AMOUNTS},
            "file": _spread([file], np.zeros(count, np.int64)),
            "line": pa.array(lines, pa.int64()),
            "storage_token_hours": pa.array(hours, pa.decimal128(38, 0)),
            "key_upper": pa.array(upper),
            "key_lower": pa.array(lower),
        }
        return pa.table({field.name: _cast(columns[field.name], field.type) for field in STAGED}, schema=STAGED)

    def keys(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Returns the keys of the cells of what was staged: see KEYS."""
        rows = [(*digest, *key) for key, digest in self._keys.items()]
        columns = zip(*rows, strict=True) if rows else [()] * len(KEYS)
        plain = [pa.array(column, _plain_type(field.type)) for column, field in zip(columns, KEYS, strict=True)]
        return pa.table([column.cast(field.type) for column, field in zip(plain, KEYS, strict=True)], schema=KEYS)

    def _terms(self, rated: Rated) -> dict[str, list[Any]]:
        conversions = [self._pins.conversions[terms.conversion_id] for terms in rated.terms]
        own = ("currency", "billed_model", "model_differs", "tier")
        values: dict[str, list[Any]] = {name: [getattr(terms, name) for terms in rated.terms] for name in own}
        values["rate_entry"] = [self._pins.entries[terms.rate_entry_id] for terms in rated.terms]
        values["per_usd_nano"] = [each and each.per_usd_nano for each in conversions]
        values["conversion_from"] = [each and epoch_us(each.effective_from) for each in conversions]
        return values

    def _cell_keys(self, rated: Rated, terms: Mapping[str, list[Any]], month: str) -> tuple[Int64Array, Int64Array]:
        """Returns the halves of the digest of each charge's cell, but its time."""
        records, places = rated.records, dict[str, int]()
        subset = [places.setdefault(self._rollup_tags(tags), len(places)) for tags in records.tags]
        label, tag = records.number("label"), np.array(subset, np.int64)[records.number("tags")]
        first, code = recoded(label, tag, rated.term)
        texts, digests = list(places), []
        for row in first:
            stated = records.labels[label[row]]._asdict() | {
                name: column[rated.term[row]] for name, column in terms.items()
            }
            stated |= {"occurred_month": month, "tags": texts[tag[row]]}
            key = tuple(stated[name] for name in KEY.names)
            digests.append(self._keys.get(key) or self._keys.setdefault(key, digest_halves(key)))
        upper, lower = np.array(digests, np.int64).T
        return upper[code], lower[code]


def _spread(values: Sequence[Any], codes: Int64Array) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Returns the value of each code: texts by their codes."""
    found = pa.array(values)
    if found.type != _TEXT:
        return found.take(pa.array(codes))
    coded = found.dictionary_encode()  # of which nulls are no values
    return pa.DictionaryArray.from_arrays(coded.indices.take(pa.array(codes)), coded.dictionary)


def _few(values: Sequence[int | None] | None, count: int) -> Any:  # noqa: ANN401 - pyarrow has no types
    return pa.nulls(count, pa.int64()) if values is None else pa.array(values, pa.int64())


def _cast(column: Any, wanted: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    if column.type == wanted:
        return column
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), wanted)
    return column.cast(wanted)


def plain_values(column: Any) -> list[Any]:  # noqa: ANN401 - pyarrow has no types
    """Returns a column's values, times in microseconds."""
    values: list[Any] = (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
    return values


def _plain_type(wanted: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    return wanted.value_type if pa.types.is_dictionary(wanted) else wanted


def month_places(occurred_at: Int64Array, month: str, calendar: Calendar) -> list[int] | None:
    """Returns the places of usage that occurred in a month; None where all did."""
    quarters, quarter = numbered(occurred_at // QUARTER_US)
    is_in = np.array([calendar.month(at * QUARTER_US) == month for at in quarters.tolist()], bool)
    if is_in.all():
        return None
    places: list[int] = np.flatnonzero(is_in[quarter]).tolist()
    return places
