"""Words on the names that a selection asks for and its ledger has never seen."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, select

from ledger.book.known_names import unknown_names, words_on
from ledger.reports.dimensions import TAG_PREFIX
from ledger.reports.selection import Selection
from ledger.reports.spend import SpendRow
from ledger.store.tables import rollup_keys, usage_records
from ledger.values.words import counted

# Of a tag with a value for each request, as many as are worth comparing.
MOST_COMPARED = 10_000
# Requests that are read for tags that aren't rolled up, the latest: a question isn't worth more time than a report.
MOST_READ = 500_000


class _Tags(msgspec.Struct):
    """The tag keys found and the values of some, each up to a bound; which of the filters are among them; and where."""

    where: str
    keys: set[str] = set()
    values: dict[str, set[str]] = {}
    found: set[tuple[str, str]] = set()


def unknown_in_selection(
    connection: Connection, selection: Selection, rows: Sequence[SpendRow], rollup_tags: Sequence[str]
) -> list[str]:
    """Returns words on each unknown name of a selection that found these rows.

    Tags are looked up only where they found nothing, for those that aren't rolled up are read from all usage.
    """
    words = unknown_names(connection, projects=selection.projects, models=selection.models)
    tags = () if rows else selection.tags
    places = [place for place, name in enumerate(selection.dimensions) if name.startswith(TAG_PREFIX)]
    empty = [place for place in places if rows and all(row.dimensions[place] is None for row in rows)]
    keys = [selection.dimensions[place].removeprefix(TAG_PREFIX) for place in empty]
    return words + _unknown_tags(connection, tags, keys, rollup_tags)


def _unknown_tags(
    connection: Connection, tags: Sequence[tuple[str, str]], keys: Sequence[str], rollup_tags: Sequence[str]
) -> list[str]:
    asked = dict.fromkeys([*(key for key, _value in tags), *keys])
    if not asked:
        return []
    known = _read_tags(connection, tags, is_rolled_up=asked.keys() <= set(rollup_tags))
    words = [words_on("tag key", key, known.keys, where=known.where) for key in asked if key not in known.keys]
    for key, value in tags:
        if key in known.keys and (key, value) not in known.found:
            words.append(words_on(f"tag {key} =", value, known.values[key], where=known.where))
    return words


def _read_tags(connection: Connection, asked: Sequence[tuple[str, str]], *, is_rolled_up: bool) -> _Tags:
    latest = select(usage_records.c.tags).order_by(usage_records.c.id.desc()).limit(MOST_READ)
    column = rollup_keys.c.tags if is_rolled_up else latest.subquery().c.tags
    is_whole = is_rolled_up or connection.execute(latest.offset(MOST_READ).limit(1)).first() is None
    where = "this ledger" if is_whole else f"the latest {counted(MOST_READ, 'request')}"
    found = _Tags(where, values={key: set() for key, _value in asked})
    wanted = set(asked)
    for text in connection.execute(select(column).distinct(), execution_options={"yield_per": 10_000}).scalars():
        for key, value in json.loads(text).items():
            if len(found.keys) < MOST_COMPARED:
                found.keys.add(key)
            if key in found.values:
                if len(found.values[key]) < MOST_COMPARED:
                    found.values[key].add(str(value))
                if (key, str(value)) in wanted:
                    found.found.add((key, str(value)))
    return found
