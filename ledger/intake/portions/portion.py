"""A source in portions: facts ready to be priced, and what is held back. Needs no ledger."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from ledger.book.rows import NO_REQUEST, Facts
from ledger.intake.containers.lines import LineChunk
from ledger.intake.containers.reading import SourceReader
from ledger.intake.fields.record import Held, Item, Pending, RecordError, Rejected, UsageRecord
from ledger.intake.fields.record_fields import to_fields
from ledger.intake.fields.refusals import sealed
from ledger.intake.fields.times import read_time
from ledger.intake.labels import Resolver
from ledger.intake.portions.fast_lines import OrdinaryLines

if TYPE_CHECKING:
    from ledger.intake.containers.source import Source

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
    """Rows in order of lines, and what is held back so far."""

    rows: list[LineFacts] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    rejected: int = 0
    pending: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    """Things with counts that are no request to book, by reason."""
    lost_amounts: int = 0
    """Records without the gateway's own figure, since that can't be read."""
    has_calls: bool = False
    """True where any row has calls of tools: nearly always none does."""


def resolved(items: Sequence[Item], resolver: Resolver) -> Portion:
    """Returns the items' facts, derived storage among them, and what is held back."""
    portion = Portion()
    for item in items:
        parsed = item.parsed
        if isinstance(parsed, UsageRecord):
            _resolve(item, parsed, resolver, portion)
        elif isinstance(parsed, Rejected):
            _refuse(item, parsed, resolver, portion)
        elif isinstance(parsed, Pending):
            portion.pending += 1
        elif parsed.reason:
            portion.ignored[parsed.reason] = portion.ignored.get(parsed.reason, 0) + 1
    return portion


def _resolve(item: Item, record: UsageRecord, resolver: Resolver, portion: Portion) -> None:
    try:
        facts = resolver.resolve(record)
    except RecordError as error:
        _refuse(item, Rejected(error.reason, str(error), to_fields(record)), resolver, portion)
        return
    storage: Facts | None = None
    if resolver.options.assume_cache_storage:
        try:
            storage = assumed_storage(facts, record.caching_expires_at)
        except RecordError as error:
            _refuse(item, Rejected(error.reason, str(error), sealed(to_fields(record))), resolver, portion)
            return
    portion.rows.append(LineFacts(item.line, item.raw, facts, record.provider_amount_usd))
    portion.lost_amounts += record.lost_amount
    portion.has_calls |= bool(facts.calls or facts.tool_calls)
    if storage is not None:
        portion.rows.append(LineFacts(item.line, item.raw, storage))


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


def portions(source: Source, input_format: str, resolver: Resolver) -> Iterator[Portion]:
    """Yields all of a source, ordinary lines by the short way."""
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


def _read_lines(chunk: LineChunk, reader: SourceReader, ordinary: OrdinaryLines | None, resolver: Resolver) -> Portion:
    found = None if ordinary is None else ordinary.read(chunk.lines)
    if found is None:
        return resolved(list(reader.items(chunk)), resolver)
    rows: list[LineFacts] = []
    others: list[Item] = []
    last = chunk.first_line + len(chunk.lines) - 1
    for number, (line, facts) in enumerate(zip(chunk.lines, found, strict=True), chunk.first_line):
        if facts is not None:
            rows.append(LineFacts(number, line, facts))
        elif line:
            others += reader.line(number, line, cut=chunk.last_is_cut and number == last)
    portion = resolved(others, resolver)
    portion.rows = sorted(portion.rows + rows, key=attrgetter("line")) if others else rows
    return portion
