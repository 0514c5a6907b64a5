"""Calls of a running application, booked at once or spooled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import Connection

from ledger.book.posting import Run
from ledger.config import Config
from ledger.intake.calls import Call
from ledger.intake.containers.source import Source
from ledger.intake.fields.record import IGNORED, Held, Ignored, Item
from ledger.intake.formats.records import REFUSED
from ledger.intake.labels import Resolver, RunOptions
from ledger.intake.pipeline import Intake
from ledger.intake.portions.portion import LineFacts, Portion, portions, resolve_into, resolved
from ledger.intake.quarantine import hold
from ledger.intake.rating import fields_of
from ledger.store.database import Database
from ledger.store.log import memory_of
from pricing.money import format_nano

# The file that quarantine names for what came from an application.
FILE = "(application)"


@dataclass(frozen=True, slots=True)
class Recorded:
    """The fate of one response: `status` is buffered, ignored, spooled or one of `OUTCOMES`.

    `amount` is a plain decimal in `currency` where it was accepted; `reason` and `message` say why it was held back.
    Ignored is an answer of a proxy's own cache: nothing was bought. Buffered is what is booked soon, spooled
    what will be booked from the spool; `message` says why it wasn't at once, and `reason` why it will be held back,
    where that is known.
    """

    status: str
    amount: str | None = None
    currency: str | None = None
    reason: str | None = None
    message: str | None = None


@dataclass(slots=True)
class _Known:
    """An intake, what it was made by, and for how many calls it serves: it remembers each name and tag that it saw."""

    intake: Intake
    config: Config
    calls_left: int = 10_000


def book_calls(
    database: Database, config: Config, calls: Sequence[Call], *, wait: float | None = None
) -> list[list[Recorded]]:
    """Books calls in one transaction that waits so many seconds for its turn; returns the fate of each response."""
    if not any(call.items for call in calls):
        return [[] for _call in calls]
    return database.write(
        lambda connection: _book_together(connection, _intake(connection, database, config), calls, config), wait=wait
    )


def _intake(connection: Connection, database: Database, config: Config) -> Intake:
    """Returns the last call's intake with its cards, for as long as they are in force; else another."""
    memory = memory_of(connection)
    known: _Known | None = memory.get(_Known)
    if known is None or known.config is not config or not known.calls_left:
        intake = Intake(database, config, RunOptions(), Run("record"))
        intake.prepare(connection)
        known = _Known(intake, config)
        memory[_Known] = known
    known.calls_left -= 1
    known.intake.begin(Run("record"))
    return known.intake


def _book_together(
    connection: Connection, intake: Intake, calls: Sequence[Call], config: Config
) -> list[list[Recorded]]:
    """Books calls as one portion, whose lines are numbered through; each call has labels of its own."""
    portion, rows, options_of = Portion(), list[LineFacts](), list[RunOptions]()
    numbered: list[list[Item]] = []
    for call in calls:
        items = [replace(item, line=line) for line, item in enumerate(call.items, len(options_of))]
        numbered.append(items)
        options_of += [call.options] * len(items)
        rows += resolve_into(portion, items, Resolver(call.options, config))
    portion.set_rows(rows)
    rated = intake.rate(portion)
    money = zip(rated.amount_nano.tolist(), rated.of_terms("currency"), strict=True)
    amounts = dict(zip(portion.lines, money, strict=True))
    posted = intake.post(connection, rated, portion)
    for options, held in groupby(portion.held, key=lambda one: options_of[one.line]):
        hold(connection, FILE, [replace(one, raw=_held_line(one, options)) for one in held], options)
    outcomes = {line: posted.outcome(place) for place, line in enumerate(portion.lines)}
    held_at = {one.line: one for one in portion.held}
    return [
        [_result(item, held_at.get(item.line), outcomes.get(item.line), amounts) for item in items]
        for items in numbered
    ]


def spooled(calls: Sequence[Call], config: Config, why: str) -> tuple[list[bytes], list[list[Recorded]]]:
    """Returns `records` lines, which book calls' responses as they would be now, and the fate of each response.

    What can't be read is a line with its reason and the digest of what it was. What isn't to be booked has none.
    """
    found = [_spooled(call, config, why) for call in calls]
    return [line for lines, _told in found for line in lines], [told for _lines, told in found]


def _spooled(call: Call, config: Config, why: str) -> tuple[list[bytes], list[Recorded]]:
    portion = resolved(call.items, Resolver(call.options, config))
    lines = {row.line: _encoded(fields_of(row.facts, row.figure_usd)) for row in portion.rows()}
    lines |= {one.line: _held_line(one, call.options) for one in portion.held}
    fates = {line: Recorded("spooled", message=why) for line in portion.lines}
    fates |= {one.line: Recorded("spooled", reason=one.reason, message=one.message) for one in portion.held}
    results = [fates.get(item.line) or _result(item, None, None, {}) for item in call.items]
    return [lines[item.line] for item in call.items if item.line in lines], results


def _held_line(held: Held, options: RunOptions) -> bytes:
    """Returns the line that something held back is known by: the same, whether it came at once or through a spool."""
    if held.complete:
        return _encoded(held.fields)
    labels = {"provider": options.provider, "source": held.source, "project": options.project}
    fields = {**held.fields, **{name: label for name, label in labels.items() if label}}
    if options.tags:
        fields["tags"] = {**fields.get("tags", {}), **options.tags}
    refused = {"reason": held.reason, "message": held.message, "digest": (held.raw or b"").decode()}
    return _encoded(fields | {REFUSED: refused})


def _encoded(fields: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(dict(fields), order="sorted")


def book_lines(database: Database, config: Config, source: Source, *, wait: float) -> Iterator[int]:
    """Books the `records` lines of a spool, as `tollbook ingest` would; yields the number of each transaction's."""
    intake = Intake(database, config, RunOptions(), Run("record"))
    for portion in portions(source, "records", intake.resolver):
        lines = len(portion.lines) + len(portion.held)
        with database.writing(wait=wait) as connection:
            intake.prepare(connection)
            intake.post(connection, intake.rate(portion), portion)
            hold(connection, FILE, portion.held, intake.options)
        yield lines


def _result(item: Item, held: Held | None, outcome: str | None, amounts: Mapping[int, tuple[int, str]]) -> Recorded:
    if held is not None:
        status = "conflict" if held.reason == "conflict" else "rejected"
        return Recorded(status, reason=held.reason, message=held.message)
    if isinstance(item.parsed, Ignored):
        return Recorded("ignored", reason=item.parsed.reason, message=IGNORED[item.parsed.reason])
    if outcome != "accepted":
        return Recorded(outcome or "pending")
    amount_nano, currency = amounts[item.line]
    return Recorded("accepted", format_nano(amount_nano), currency)
