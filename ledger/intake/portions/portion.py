"""A source in portions: facts ready to be priced, and what is held back. Needs no ledger."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from ledger.book.records import Records, joined
from ledger.book.rows import NO_REQUEST, Facts
from ledger.errors import LedgerError
from ledger.intake.containers.lines import FileLines, LineChunk
from ledger.intake.containers.reading import SourceReader
from ledger.intake.fields.record import Held, Item, Pending, Rejected, UsageRecord
from ledger.intake.fields.records_line import to_fields
from ledger.intake.fields.refusals import sealed
from ledger.intake.labels import Resolver
from ledger.intake.portions.fast_lines import OrdinaryLines, unknown_keys
from pricing.errors import RecordError
from pricing.times import read_time

if TYPE_CHECKING:
    from ledger.intake.containers.source import Source
    from ledger.intake.portions.batches import BatchLines

PORTION = 20_000


class LineFacts(NamedTuple):
    """The facts of one line, with its number and the bytes to know it by."""

    line: int
    raw: bytes | None
    facts: Facts
    figure_usd: str | None = None
    """The gateway's own figure in USD, which becomes the facts' provider_amount when they are rated."""


@dataclass(slots=True)
class Portion:
    """Records in order of lines, and what is held back so far."""

    records: Records = field(default_factory=lambda: Records.of(()))
    lines: list[int] = field(default_factory=list)
    """The line of each record."""
    chunk: LineChunk | FileLines | BatchLines | None = None
    """The lines that records are known by, but for those in `raws`."""
    raws: dict[int, bytes | None] = field(default_factory=dict)
    figures_usd: dict[int, str] = field(default_factory=dict)
    """Gateways' own figures in USD by place: see LineFacts."""
    held: list[Held] = field(default_factory=list)
    rejected: int = 0
    pending: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    """Things with counts that are no request to book, by reason."""
    unknown_keys: Counter[str] = field(default_factory=Counter)
    """Keys by which responses, nearly all of them, were left to the general way."""
    lost_amounts: int = 0
    """Records without the gateway's own figure, since that can't be read."""
    bytes_read: int = 0
    """Bytes of the source that were read by then."""

    def set_rows(self, rows: Sequence[LineFacts]) -> None:
        """Takes these rows in place of what records there are."""
        self.records, self.chunk = Records.of([row.facts for row in rows]), None
        self.lines = [row.line for row in rows]
        self.raws = {place: row.raw for place, row in enumerate(rows)}
        self.figures_usd = {place: row.figure_usd for place, row in enumerate(rows) if row.figure_usd is not None}

    def rows(self) -> list[LineFacts]:
        """Returns the records one by one, each with what it is known by."""
        return [
            LineFacts(self.lines[place], self.raw(place), facts, self.figures_usd.get(place))
            for place, facts in enumerate(self.records.rows())
        ]

    def raw(self, place: int) -> bytes | None:
        """Returns the bytes that a record is known by, before `line_of`."""
        if place in self.raws or self.chunk is None:
            return self.raws.get(place)
        return self.chunk.lines[self.lines[place] - self.chunk.first_line]

    def keep(self, places: Sequence[int]) -> None:
        """Leaves out all records but those at these places."""
        self.records, self.lines = self.records.take(places), [self.lines[place] for place in places]
        self.raws = {new: self.raws[old] for new, old in enumerate(places) if old in self.raws}
        self.figures_usd = {new: self.figures_usd[old] for new, old in enumerate(places) if old in self.figures_usd}

    def add_ordinary(self, records: Records, chunk: LineChunk | BatchLines, lines: list[int]) -> None:
        """Adds records of ordinary lines of a chunk or rows of a batch, each known by its line."""
        if not self.lines:
            self.records, self.lines, self.chunk = records, lines, chunk
            return
        both, of_lines = joined([self.records, records]), self.lines + lines
        order = sorted(range(len(of_lines)), key=of_lines.__getitem__)
        self.records, self.lines, self.chunk = both, of_lines, chunk
        self.keep(order)


def resolved(items: Sequence[Item], resolver: Resolver) -> Portion:
    """Returns the items' facts, derived storage among them, and what is held back."""
    portion = Portion()
    portion.set_rows(resolve_into(portion, items, resolver))
    return portion


def resolve_into(portion: Portion, items: Sequence[Item], resolver: Resolver) -> list[LineFacts]:
    """Adds to a portion what of the items is held back, and counts of them; returns the others' facts."""
    rows = list[LineFacts]()
    for item in items:
        parsed = item.parsed
        if isinstance(parsed, UsageRecord):
            rows += _resolve(item, parsed, resolver, portion)
        elif isinstance(parsed, Rejected):
            _refuse(item, parsed, resolver, portion)
        elif isinstance(parsed, Pending):
            portion.pending += 1
        elif parsed.reason:
            portion.ignored[parsed.reason] = portion.ignored.get(parsed.reason, 0) + 1
    return rows


def _resolve(item: Item, record: UsageRecord, resolver: Resolver, portion: Portion) -> list[LineFacts]:
    try:
        facts = resolver.resolve(record)
    except RecordError as error:
        _refuse(item, Rejected(error.reason, str(error), to_fields(record)), resolver, portion)
        return []
    storage: Facts | None = None
    if resolver.options.assume_cache_storage:
        try:
            storage = assumed_storage(facts, record.caching_expires_at)
        except RecordError as error:
            _refuse(item, Rejected(error.reason, str(error), sealed(to_fields(record))), resolver, portion)
            return []
    portion.lost_amounts += record.lost_amount
    own = LineFacts(item.line, item.raw, facts, record.provider_amount_usd)
    return [own] if storage is None else [own, LineFacts(item.line, item.raw, storage)]


def _refuse(item: Item, rejected: Rejected, resolver: Resolver, portion: Portion) -> None:
    source = resolver.options.source or rejected.fields.get("source") or resolver.default_source
    held = Held(item.line, item.raw, rejected.reason, rejected.message, rejected.fields, source, complete=False)
    portion.held.append(held)
    portion.rejected += 1


def assumed_storage(facts: Facts, expires_at: object) -> Facts | None:
    """Returns the storage that enabled caching implies: of the input, from start to expiry; RecordError for no time."""
    expires_at_us = 0 if expires_at is None else read_time(expires_at, "expire_at")
    if expires_at_us <= facts.occurred_at:
        return None
    return facts._replace(
        kind="cache_storage",
        storage_tokens=facts.input_tokens,
        storage_end=expires_at_us,
        assumed=1,
        **NO_REQUEST,
    )


@contextmanager
def without_collector() -> Iterator[None]:
    """Switches Python's cycle collector off: rows make no cycles, and it looks at each."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def portions(source: Source, input_format: str, resolver: Resolver) -> Generator[Portion]:
    """Yields all of a source, ordinary lines by the short way."""
    for portion in _portions(source, input_format, resolver):
        portion.bytes_read = source.bytes_read
        yield portion


def _portions(source: Source, input_format: str, resolver: Resolver) -> Iterator[Portion]:
    file = source.parquet() if input_format in ("auto", "records") else None
    if file is not None:
        yield from _of_batches(file, source.name, resolver)
        return
    reader = SourceReader(source, input_format)
    short_way = input_format in ("auto", "responses") and not resolver.options.assume_cache_storage
    ordinary = OrdinaryLines(resolver) if short_way else None
    waiting: list[Item] = []
    for piece in reader.pieces():
        if isinstance(piece, Item):
            waiting.append(piece)
        if waiting and (isinstance(piece, LineChunk) or len(waiting) >= PORTION):
            yield resolved(waiting, resolver)
            waiting = []
        if isinstance(piece, LineChunk):
            yield _read_lines(piece, reader, ordinary, resolver)
    if waiting:
        yield resolved(waiting, resolver)


def _of_batches(file: BinaryIO, name: str, resolver: Resolver) -> Iterator[Portion]:
    try:
        from ledger.intake.portions.batches import read_parquet
    except ModuleNotFoundError:
        raise LedgerError(f"{name}: Parquet needs pyarrow: pip install 'tollbook[parquet]'") from None
    for found in read_parquet(file, resolver):
        if isinstance(found, Item):
            yield resolved([found], resolver)
            continue
        portion = resolved(found.others, resolver)
        portion.lost_amounts += found.lost_amounts
        portion.add_ordinary(found.records, found.lines, found.numbers)
        yield portion


def _read_lines(chunk: LineChunk, reader: SourceReader, ordinary: OrdinaryLines | None, resolver: Resolver) -> Portion:
    found = None if ordinary is None else ordinary.read(chunk)
    if found is None:
        portion = resolved(list(reader.items(chunk)), resolver)
        portion.unknown_keys = Counter() if ordinary is None else unknown_keys(chunk.lines)
        return portion
    last = chunk.first_line + chunk.count - 1 if chunk.last_is_cut else 0
    portion = resolved(
        [item for number, line in found.others for item in reader.line(number, line, cut=number == last)], resolver
    )
    if len(found.others) > len(found.lines):
        portion.unknown_keys = unknown_keys(line for _number, line in found.others)
    portion.add_ordinary(found.records, chunk, found.lines)
    return portion
