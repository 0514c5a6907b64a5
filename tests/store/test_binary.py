"""Columns in PostgreSQL's binary form arrive as what they were, copied and as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest

from ledger.store.binary import Values, array_cursor, array_of, copy_pieces
from tests.conftest import PostgresServer

MOST = 2**63 - 1
# By type: columns of three rows, each with what the server is to hold.
COLUMNS: list[tuple[str, Values, list[Any]]] = [
    ("BIGINT", np.array([0, MOST, -MOST - 1]), [0, MOST, -MOST - 1]),
    ("BIGINT", range(3, 6), [3, 4, 5]),
    ("BIGINT", [7, None, -7], [7, None, -7]),
    ("BIGINT", [None, None, None], [None, None, None]),
    ("SMALLINT", [1, None, 0], [1, None, 0]),
    ("SMALLINT", [1, 0, -1], [1, 0, -1]),
    ("TEXT", ["a", "bb", "ccc"], ["a", "bb", "ccc"]),
    ("TEXT", ["same", "long", "text"], ["same", "long", "text"]),
    ("TEXT", ["", "", ""], ["", "", ""]),
    ("TEXT", ["", None, "豆包"], ["", None, "豆包"]),
    ("TEXT", [None, None, None], [None, None, None]),
    ("TEXT", [r"\N", "a\tb\nc\\", '{"NULL",}'], [r"\N", "a\tb\nc\\", '{"NULL",}']),
    ("BYTEA", [b"\x00\xff", b"", b"\x00"], [b"\x00\xff", b"", b"\x00"]),
    ("BYTEA", [b"a\x00", b"b\x00", b"\x00\x00"], [b"a\x00", b"b\x00", b"\x00\x00"]),
]


@pytest.fixture
def connection(postgres_server: PostgresServer) -> Iterator[psycopg.Connection[Any]]:
    url = postgres_server.database_url("postgres").replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        yield connection


def copied(connection: psycopg.Connection[Any], kinds: list[str], columns: list[Values]) -> list[tuple[Any, ...]]:
    names = [f"c{place}" for place in range(len(kinds))]
    stated = ", ".join(f"{name} {kind}" for name, kind in zip(names, kinds, strict=True))
    connection.execute(f"CREATE TEMPORARY TABLE held ({stated}, row BIGINT GENERATED ALWAYS AS IDENTITY)")
    statement = f"COPY held ({', '.join(names)}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for piece in copy_pieces(kinds, columns):
            copy.write(piece)
    return connection.execute(f"SELECT {', '.join(names)} FROM held ORDER BY row").fetchall()


def test_rows_of_all_types_are_copied(connection: psycopg.Connection[Any]) -> None:
    kinds, columns, held = (list(each) for each in zip(*COLUMNS, strict=True))
    assert copied(connection, kinds, columns) == list(zip(*held, strict=True))


@pytest.mark.parametrize(("kind", "column", "held"), COLUMNS)
def test_a_column_is_copied_alone(
    connection: psycopg.Connection[Any], kind: str, column: Values, held: list[Any]
) -> None:
    assert copied(connection, [kind], [column]) == [(value,) for value in held]


def test_rows_of_more_than_a_slice_are_copied_in_order(connection: psycopg.Connection[Any]) -> None:
    count = 6_001
    texts = ["x" * (number % 7) for number in range(count)]
    found = copied(connection, ["BIGINT", "TEXT"], [np.arange(count), texts])
    assert found == list(zip(range(count), texts, strict=True))


@pytest.mark.parametrize(("kind", "column", "held"), COLUMNS)
def test_arrays_of_all_types_are_taken(
    connection: psycopg.Connection[Any], kind: str, column: Values, held: list[Any]
) -> None:
    with array_cursor(connection) as cursor:
        assert cursor.execute(f"SELECT %b::{kind}[]", [array_of(kind, column)]).fetchone() == (held,)
        assert cursor.execute(f"SELECT %b::{kind}[]", [array_of(kind, column[:0])]).fetchone() == ([],)
