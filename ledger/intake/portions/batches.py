"""Parquet files of usage records, batch by batch: most rows in columns, odd ones as the `records` lines they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ledger.book.records import OPTIONAL, Label, Records, coded
from ledger.intake.fields.record import Item, Rejected, UsageRecord, refused
from ledger.intake.fields.strict_json import encode
from ledger.intake.fields.values import read_figure, usd_of
from ledger.intake.formats.records import FORMAT, TABLE, TAG_COLUMN
from ledger.intake.labels import Resolver
from pricing.arrow.columns import LABELS, Usage, distinct
from pricing.arrow.refusals import plain_values, suspects
from pricing.arrow.schema import tag_parts, usage_columns
from pricing.errors import RecordError
from pricing.record_fields import COUNTS, FEW_HAVE
from pricing.record_values import read_tags, show, unique_pairs

if TYPE_CHECKING:
    from pricing.arrow.columns import Mask
    from pricing.money import Int64Array

ROWS_AT_ONCE = 20_000
_MEMORY = 10_000
_NO_LABEL = Label("request", "", "", None, None, "", "", None)

LabelsOf: TypeAlias = Callable[[tuple[Any, ...], tuple[tuple[str, str], ...]], tuple[Label, str] | None]


@dataclass(frozen=True)
class BatchLines:
    """The rows of a batch as `records` lines, made where one is asked for; `first_line` is the first row's number."""

    first_line: int
    columns: dict[str, Any]

    @cached_property
    def lines(self) -> list[bytes]:
        """Each row as canonical JSON."""
        count = len(next(iter(self.columns.values())))
        return [_line(stated) for stated in self.objects(range(count))]

    def objects(self, places: Sequence[int]) -> list[dict[str, Any]]:
        """Returns rows as the objects that their lines would state; tags are pairs."""
        taken = {
            name: plain_values(name, column.take(pa.array(places, pa.int64()))) for name, column in self.columns.items()
        }
        return [
            {name: values[row] for name, values in taken.items() if values[row] is not None}
            for row in range(len(places))
        ]

    def items(self, places: Sequence[int]) -> list[Item]:
        """Reads rows as the general reader reads `records` lines."""
        return [
            _item(self.first_line + place, stated) for place, stated in zip(places, self.objects(places), strict=True)
        ]


def _line(stated: dict[str, Any]) -> bytes:
    return encode({name: dict(value) if name == "tags" else value for name, value in stated.items()})


def _item(number: int, stated: dict[str, Any]) -> Item:
    raw = _line(stated)
    try:
        if "tags" in stated:
            stated["tags"] = unique_pairs(stated["tags"])
    except RecordError as error:
        return refused(number, raw, error)
    assert FORMAT.parse is not None
    return Item(number, raw, FORMAT.parse(stated))


@dataclass(frozen=True)
class BatchRead:
    """A batch as read: `records` with their numbers, and the other rows as items."""

    lines: BatchLines
    records: Records
    numbers: list[int]
    others: list[Item]
    lost_amounts: int


def read_parquet(file: BinaryIO, resolver: Resolver) -> Iterator[BatchRead | Item]:
    """Reads a Parquet file of usage records; an item says why it, or the rest of it, can't be read."""
    number, labels_of = 1, _resolving(resolver)
    try:
        opened = pq.ParquetFile(file)
        names = opened.schema_arrow.names
        _check_columns(names)
        texts = {field.name for field in opened.schema_arrow if field.type == pa.string()}
        coded_names = sorted(texts & set(LABELS))  # read as codes, as they are stored
        for batch in _whole_batches(pq.ParquetFile(file, read_dictionary=coded_names).iter_batches(ROWS_AT_ONCE)):
            yield _read(batch, number, resolver.default_provider, labels_of)
            number += batch.num_rows
    except RecordError as error:
        yield refused(number, None, error)
    except (TypeError, ValueError) as error:  # Arrow's own errors of what is damaged are ValueErrors
        kind = "damaged_file" if isinstance(error, pa.ArrowException) else "invalid_column"
        yield Item(number, None, Rejected(kind, str(error).partition("\n")[0]))
    except OSError as error:
        if error.errno is not None:
            raise
        # Arrow's own, of pages that can't be unpacked.
        yield Item(number, None, Rejected("damaged_file", str(error).partition("\n")[0]))


def _whole_batches(batches: Iterator[Any]) -> Iterator[Any]:
    """Joins the batches of small row groups to such of ROWS_AT_ONCE."""
    waiting: list[Any] = []
    for batch in batches:
        waiting += [batch] if batch.num_rows else []
        if sum(each.num_rows for each in waiting) >= ROWS_AT_ONCE:
            yield from _joined(waiting)
            waiting = []
    yield from _joined(waiting) if waiting else ()


def _joined(batches: list[Any]) -> list[Any]:
    if len(batches) == 1:
        return batches
    found: list[Any] = pa.Table.from_batches(batches).unify_dictionaries().combine_chunks().to_batches()
    return found


def _check_columns(names: Sequence[str]) -> None:
    apart = [name for name in names if name.startswith(TAG_COLUMN)]
    if apart:
        message = f"{show(apart[0])} is a tag's column in CSV: in Parquet tags is one column, a map of texts"
        raise RecordError("unknown_field", message)
    TABLE.check_header(names)


def _read(batch: Any, number: int, provider: str, labels_of: LabelsOf) -> BatchRead:  # noqa: ANN401 - pyarrow has no types
    columns = usage_columns(batch)
    usage = Usage.of(columns, batch.num_rows)
    lines = BatchLines(number, columns)
    odd = suspects(usage, provider) | usage.is_pending
    figures, lost = _figures(usage, odd)
    found, place = _labelled(usage, odd, labels_of)
    kept = np.flatnonzero(~odd)
    (labels, label), (tags, tag) = (coded(column) for column in zip(*found, strict=True))
    own = [usage.begins, *(usage.counts[name] for name in COUNTS)]
    numbers = np.array([np.array(label)[place], np.array(tag)[place], *own])[:, kept]
    ids = columns["request_id"].take(pa.array(kept)).to_pylist() if len(kept) else []
    records = Records(labels, tags, ids, numbers, _optional(usage, figures, kept))
    return BatchRead(lines, records, (kept + number).tolist(), lines.items(np.flatnonzero(odd).tolist()), lost)


def _figures(usage: Usage, odd: Mask) -> tuple[dict[int, int], int]:
    """Returns the gateway's own figures by row, and how many can't be read; one in USD makes its row odd."""
    figures, lost = dict[int, int](), 0
    stated = usage.arrow["provider_amount"].to_pylist() if "provider_amount" in usage.arrow else ()
    for place, value in enumerate(stated):
        if value is None or odd[place]:
            continue
        if usd_of(value) is not None:
            odd[place] = True
            continue
        nano, is_lost = read_figure(value, "provider_amount")
        lost += is_lost
        if nano is not None:
            figures[place] = nano
    return figures, lost


def _labelled(usage: Usage, odd: Mask, labels_of: LabelsOf) -> tuple[list[tuple[Label, str]], Int64Array]:
    """Returns label and tags of each distinct statement of them, and each row's number of these.

    Rows whose labels are refused become odd: the general reader names the reason.
    """
    of_rows, label = distinct(*(usage.labels[name].codes for name in LABELS), _tag_codes(usage))
    is_kept = np.zeros(len(of_rows), bool)
    is_kept[label[~odd]] = True
    stated = [[texts.values[code] for code in texts.codes[of_rows].tolist()] for texts in usage.labels.values()]
    tags: list[Any] = [()] * len(of_rows)
    if "tags" in usage.arrow:
        tags = [tuple(pairs or ()) for pairs in plain_values("tags", usage.arrow["tags"].take(pa.array(of_rows)))]
    found = [
        labels_of(tuple(values), pairs) if is_wanted else None
        for is_wanted, pairs, *values in zip(is_kept.tolist(), tags, *stated, strict=True)
    ]
    odd |= np.array([each is None for each in found], bool)[label]
    return [each or (_NO_LABEL, "{}") for each in found], label


def _resolving(resolver: Resolver) -> LabelsOf:
    """Returns what finds the label and tags of stated ones; None where they are refused. It remembers many."""

    @lru_cache(_MEMORY)
    def labels_of(values: tuple[Any, ...], pairs: tuple[tuple[str, str], ...]) -> tuple[Label, str] | None:
        stated = dict(zip(LABELS, values, strict=True))
        try:
            tags = read_tags(dict(pairs), "tags")
            facts = resolver.resolve(UsageRecord(request_id="", occurred_at_us=0, tags=tags, **stated))
        except RecordError:
            return None
        return Label(*(getattr(facts, name) for name in Label._fields)), facts.tags

    return labels_of


def _tag_codes(usage: Usage) -> Int64Array:
    """Numbers rows by their tags: rows of one number have the same."""
    codes = np.zeros(usage.length, np.int64)
    if "tags" not in usage.arrow:
        return codes
    offsets, keys, values = tag_parts(usage.arrow["tags"])
    each = np.diff(offsets)
    encoded = [part.dictionary_encode(null_encoding="encode") for part in (keys, values)]
    parts = [part.indices.to_numpy().astype(np.int64) for part in encoded]
    begun = 1
    for count in np.unique(each[each > 0]).tolist():
        rows = np.flatnonzero(each == count)
        columns = [part[offsets[rows] + place] for place in range(count) for part in parts]
        _rows, number = distinct(*columns)
        codes[rows] = number + begun
        begun = int(codes.max()) + 1
    return codes


def _optional(usage: Usage, figures: dict[int, int], kept: Int64Array) -> dict[str, list[int | None]]:
    """Returns the columns that few records have, where any of these has one."""
    found: dict[str, list[int | None]] = {}
    for name in ("tool_calls", *FEW_HAVE):
        if usage.counts[name].any():
            found[name] = [count or None for count in usage.counts[name][kept].tolist()]
    if usage.is_storage.any():
        for name, column in (("storage_tokens", usage.counts["tokens"]), ("storage_end", usage.times["end"])):
            found[name] = [
                number if stored else OPTIONAL[name]
                for number, stored in zip(column[kept].tolist(), usage.is_storage[kept].tolist(), strict=True)
            ]
    if figures:
        found["provider_amount_nano"] = [figures.get(place) for place in kept.tolist()]
    return found
