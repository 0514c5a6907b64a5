"""Records that come again as they are booked are found together; one that differs in anything is compared by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, create_engine, select

from ledger.book.charges import facts_columns, plain_rows
from ledger.book.records import Records
from ledger.book.repeats import find_booked
from ledger.book.rows import Facts
from ledger.store.tables import usage_records
from tests.conftest import Cli
from tests.helpers.ledgers import CODE
from tests.helpers.sources import AT, lines, response

STORAGE = {"kind": "cache_storage", "request_id": "s1", "tokens": 1_000, "start": AT, "end": AT + 3_600,
           "requested_model": CODE}  # fmt: skip
# What no rule compares.
FREE = {"generation", "provider_amount_nano", "assumed"}


def _booked(connection: Connection) -> list[Facts]:
    query = select(*facts_columns()).order_by(usage_records.c.id)
    return [Facts._make(row) for row in plain_rows(connection, query)]


def _changed(facts: Facts) -> Iterator[tuple[str, Facts]]:
    """The record with another value of each fact; of storage without any, too."""
    for name, value in facts._asdict().items():
        others: list[Any] = [f"{value}x" if isinstance(value, str) else (value or 0) + 1]
        if name.startswith("storage") and value is not None:
            others.append(None)
        yield from ((name, facts._replace(**{name: other})) for other in others)


def test_what_differs_in_anything_is_no_repeat(db_cli: Cli, db_url: str) -> None:
    tagged = response("r1", metadata={"project": "search", "team": "a"})
    db_cli("ingest", "-", stdin=lines([tagged, response("r2"), response("void"), STORAGE])).ok()
    db_cli("void", "--id", "void").ok()
    with create_engine(db_url).connect() as connection:
        booked = _booked(connection)
        new = booked[0]._replace(request_id="new")
        assert find_booked(connection, Records.of([*booked, new])) == ({0, 1, 3}, [2])
        for place in (0, 1, 3):
            for name, changed in _changed(booked[place]):
                expected = ({0}, []) if name in FREE else (set(), [] if name == "request_id" else [0])
                assert find_booked(connection, Records.of([changed])) == expected, name


def test_ids_of_two_streams_are_looked_at_by_themselves(cli: Cli, sqlite_url: str) -> None:
    cli("ingest", "-", stdin=lines([STORAGE, response("s1")])).ok()
    with create_engine(sqlite_url).connect() as connection:
        repeats, others = find_booked(connection, Records.of(_booked(connection)))
    assert (repeats, others) == ({1}, [0])
