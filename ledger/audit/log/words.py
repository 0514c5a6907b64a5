"""Entries of the log in words: who did what, derived from the rows that each covers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, func, select

from ledger.book.archived import KIND as ARCHIVE
from ledger.book.corrections.void_sums import KIND as LAKE
from ledger.store.expressions import column_within
from ledger.store.log import SETTINGS, Content, read_content
from ledger.store.tables import log_entries, metadata, quarantine
from ledger.values.words import counted
from pricing.money import format_nano

PAGE_ENTRIES = 500
# Of more rows at once their number is told.
NAMED_ROWS = 3


class LogLine(NamedTuple):
    """An entry of the log: `what` was done, in words."""

    entry: int
    at: datetime
    actor: str
    version: str
    what: str


class _Kind(NamedTuple):
    """How rows of a table are told: columns for the words of one, these words if it has any, a noun for several."""

    columns: Sequence[str]
    words: Callable[[Row[Any]], str] | None
    noun: str
    plural: str


def _because(words: str, reason: str | None) -> str:
    return words if reason is None else f"{words}: {reason}"


def _batch(row: Row[Any]) -> str:
    count = row.last_charge_id - row.first_charge_id + 1
    nouns = ("row of sums", "rows of sums") if row.kind in (LAKE, ARCHIVE) else ("charge", "charges")
    words = f", {counted(count, *nouns)}" if count else ""  # none where texts were redacted
    return _because(f"{row.kind}: batch {row.id}{words}", row.reason)


def _closing(row: Row[Any]) -> str:
    return _because(f"{'closed' if row.action == 'close' else 'reopened'} {row.month}", row.reason)


def _move(row: Row[Any]) -> str:
    return _because(f"{'draw' if row.kind == 'draw' else 'top-up lot'} {row.id}", row.reason)


def _conversion(row: Row[Any]) -> str:
    words = f"conversion {row.currency} {format_nano(row.per_usd_nano)} from {row.effective_from:%Y-%m-%d}"
    return _because(words, row.reason)


_KINDS = {
    "batches": _Kind(("kind", "reason", "first_charge_id", "last_charge_id"), _batch, "batch", "batches"),
    "closings": _Kind(("action", "month", "reason"), _closing, "close", "closes"),
    "archives": _Kind(
        ("rows", "through", "location"),
        lambda row: f"archived {counted(row.rows, 'row')} through {row.through} to {row.location}",
        "file of archived rows",
        "files of archived rows",
    ),
    "wallet_moves": _Kind(("kind", "reason"), _move, "wallet move", "wallet moves"),
    "wallet_entries": _Kind((), None, "wallet entry", "wallet entries"),
    "projects": _Kind(
        ("project", "removed"),
        lambda row: f"project {row.project} {'removed' if row.removed else 'set'}",
        "project",
        "projects",
    ),
    "budgets": _Kind(
        ("name", "removed"), lambda row: f"budget {row.name} {'removed' if row.removed else 'set'}", "budget", "budgets"
    ),
    "budget_events": _Kind(("kind", "name"), lambda row: f"event {row.kind} of {row.name}", "event", "events"),
    "card_versions": _Kind(
        ("provider", "origin", "reason"),
        lambda row: _because(f"card of {row.provider} ({row.origin})", row.reason),
        "card",
        "cards",
    ),
    "rate_entries": _Kind((), None, "price", "prices"),
    "conversions": _Kind(
        ("currency", "per_usd_nano", "effective_from", "reason"), _conversion, "conversion", "conversions"
    ),
    "quarantine": _Kind((), None, "line held back", "lines held back"),
}


_ORDER = {table: place for place, table in enumerate(_KINDS)}
_STATES = {"open": "opened again"}
# Beside the tables: why an entry of quarantine was settled.
_RESOLUTION = "resolution"


def count_entries(connection: Connection, since: datetime | None, until: datetime | None) -> int:
    """Counts the entries made in [since, until); None is open."""
    return int(connection.execute(_within(select(func.count()).select_from(log_entries), since, until)).scalar_one())


def read_log(
    connection: Connection, since: datetime | None, until: datetime | None, latest: int | None = None
) -> Iterator[LogLine]:
    """Reads the entries made in [since, until), oldest first, or the latest ones alone; some hundreds in memory."""
    after = 0
    if latest is not None:
        newest = _within(select(log_entries.c.id), since, until).order_by(log_entries.c.id.desc()).limit(latest)
        after = int(connection.execute(select(func.coalesce(func.min(newest.subquery().c.id), 1))).scalar_one()) - 1
    query = _within(select(log_entries), since, until).order_by(log_entries.c.id).limit(PAGE_ENTRIES)
    while page := connection.execute(query.where(log_entries.c.id > after)).all():
        after = page[-1].id
        contents = [_contents(row) for row in page]
        named = _named(connection, [each for each in contents if each is not None])
        for row, content in zip(page, contents, strict=True):
            what = "can't be read: 'tollbook verify' says more" if content is None else _what(row, content, named)
            yield LogLine(row.id, row.at, row.actor, row.version, what)


def _within(query: Select[Any], since: datetime | None, until: datetime | None) -> Select[Any]:
    return query.where(column_within(log_entries.c.at, since, until))


def _contents(row: Row[Any]) -> Content | None:
    try:
        return read_content(row.rows, row.settled)
    except ValueError:
        return None


def _is_named(table: str, first: int, last: int) -> bool:
    return table in _KINDS and _KINDS[table].words is not None and last - first < NAMED_ROWS


def _named(connection: Connection, contents: Iterable[Content]) -> dict[tuple[str, int], str]:
    """Reads the words of the rows that are told one by one, by table and id."""
    wanted = defaultdict[str, list[int]](list)
    reasons: list[int] = []
    for content in contents:
        for table, first, last, _digest in content.rows:
            if _is_named(table, first, last):
                wanted[table] += range(first, last + 1)
        reasons += [ranges[0][0] for ranges in content.settled.values() if ranges]
    found: dict[tuple[str, int], str] = {}
    for table, ids in wanted.items():
        columns, kind = metadata.tables[table].c, _KINDS[table]
        query = select(columns.id, *(columns[name] for name in kind.columns)).where(columns.id.in_(ids))
        for row in connection.execute(query):
            assert kind.words is not None
            found[table, row.id] = kind.words(row)
    query = select(quarantine.c.id, quarantine.c.resolution).where(quarantine.c.id.in_(reasons))
    found.update(((_RESOLUTION, number), reason) for number, reason in connection.execute(query) if reason is not None)
    return found


def _what(row: Row[Any], content: Content, named: Mapping[tuple[str, int], str]) -> str:
    added = {table: (first, last) for table, first, last, _digest in content.rows}
    parts = []
    if SETTINGS in added:
        parts.append("settings changed" if row.id > 1 else "ledger created" if len(added) == 1 else "log begun")
    for table, (first, last) in sorted(added.items(), key=lambda item: _ORDER.get(item[0], len(_ORDER))):
        if table in _KINDS and not (table == "wallet_entries" and "closings" in added):
            parts += _rows_in_words(table, first, last, named)
    for state, ranges in content.settled.items():
        count = counted(sum(last - first + 1 for first, last in ranges), "line")
        reason = named.get((_RESOLUTION, ranges[0][0])) if state in ("discarded", "accepted") and ranges else None
        parts.append(_because(f"{_STATES.get(state, state)} {count}", reason))
    return "; ".join(parts) or "lines held back, read again"


def _rows_in_words(table: str, first: int, last: int, named: Mapping[tuple[str, int], str]) -> list[str]:
    kind, count = _KINDS[table], last - first + 1
    if not _is_named(table, first, last):
        return [counted(count, kind.noun, kind.plural)]
    return [named.get((table, number), f"{kind.noun} {number}, which is missing") for number in range(first, last + 1)]
