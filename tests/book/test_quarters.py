"""The roll-up by quarter-hour holds the sums of its charges, packed as a plain writer packs them, on both databases."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import true

from ledger.book.cells import Cells
from ledger.book.quarters import add_quarters, read_quarters
from ledger.store.database import Database
from ledger.store.opening import create_database, open_ledger
from ledger.store.tables import MEASURES, rollup_quarters
from ledger.values.instants import from_microseconds, to_microseconds
from tests.conftest import Cli
from tests.helpers.ledgers import responses, rows, tamper
from tests.helpers.quarters import EMPTY, HALF_DAY_US, QUARTER_US, Cell, held_cells, pack

NOON = to_microseconds(datetime(2026, 3, 1, 12, tzinfo=UTC))
MOST = 2**63 - 1
SIZES = (0, 0, 1, 127, 128, 255, 256, 32_767, 32_768, 2**31, 2**40, MOST)


@pytest.fixture
def ledger(empty_db_url: str) -> Database:
    create_database(empty_db_url)
    return open_ledger(empty_db_url)


def random_cell(chance: random.Random, quarter: int) -> Cell:
    used = chance.sample(range(len(MEASURES)), chance.randrange(len(MEASURES)))
    sign = chance.choice((1, -1))
    sums = [sign * chance.choice(SIZES) if place in used else 0 for place in range(len(MEASURES))]
    return Cell(tuple(sums), quarter + chance.choice((0, 1, QUARTER_US - 1)))


def merged(one: Cell | None, other: Cell) -> Cell:
    sums = zip(one.sums if one else EMPTY, other.sums, strict=True)
    return Cell(tuple(map(sum, sums)), max(one.last_occurred_at if one else other.last_occurred_at, other[1]))


def in_columns(cells: Mapping[tuple[int, int], Cell]) -> Cells:
    times, places = zip(*cells, strict=True)
    return Cells(
        [],
        np.array(times) // QUARTER_US,
        np.array(places),
        np.array([cell.sums for cell in cells.values()]).T,
        np.array([cell.last_occurred_at for cell in cells.values()]),
    )


def read(database: Database, first: int | None, after: int | None) -> dict[tuple[int, int], Cell]:
    moments = [None if each is None else from_microseconds(each) for each in (first, after)]
    found = {}
    with database.reading() as connection:
        for cells in read_quarters(connection, true(), *moments):
            columns = (cells.time * QUARTER_US, cells.key_place, cells.last_occurred_at, *cells.sums)
            for time, key, last, *sums in zip(*(column.tolist() for column in columns), strict=True):
                found[time, key] = Cell(tuple(sums), last)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_cells_add_up_in_any_order_to_the_bytes_of_a_plain_writer(
    ledger: Database, empty_db_url: str, seed: int
) -> None:
    chance = random.Random(seed)
    start = chance.choice((NOON, 0)) - 3 * HALF_DAY_US  # some before 1970
    expected: dict[tuple[int, int], Cell] = {}
    for most in (*[60] * 7, *[1] * 60):  # one cell alone is added by a way of its own
        key_ids = (
            chance.sample(range(-2, 900), chance.randrange(1, 5))
            if not expected
            else sorted({key for _, key in expected})
        )
        block: dict[tuple[int, int], Cell] = {}
        for _ in range(chance.randint(1, most)):
            quarter = start + chance.randrange(*((48, 6 * 48) if most > 1 else (5,))) * QUARTER_US
            place = chance.randrange(len(key_ids))
            cell, standing = random_cell(chance, quarter), expected.get((quarter, key_ids[place]))
            if standing is not None and chance.random() < 0.3:
                cell = Cell(tuple(-value for value in standing.sums), quarter)
            total = merged(standing, cell)
            if (quarter, place) not in block and all(-MOST <= value <= MOST for value in total.sums):
                block[quarter, place] = cell
                expected[quarter, key_ids[place]] = total
        if block:
            with ledger.writing() as connection:
                add_quarters(connection, rollup_quarters, in_columns(block), key_ids)
    found = rows(empty_db_url, "SELECT half_day, key_id, quarters, cells FROM rollup_quarters ORDER BY 1, 2")
    assert [(*row[:3], bytes(row[3])) for row in found] == pack(expected)
    assert held_cells(empty_db_url) == expected == read(ledger, None, None)
    for _ in range(5):
        first, after = sorted(start + chance.randrange(6 * 48) * QUARTER_US for _ in range(2))
        within = {name: cell for name, cell in expected.items() if first <= name[0] < after}
        assert read(ledger, first, after) == within
        assert read(ledger, first, None) == {name: cell for name, cell in expected.items() if name[0] >= first}
        assert read(ledger, None, after) == {name: cell for name, cell in expected.items() if name[0] < after}


def test_of_a_sum_past_64_bits_the_lower_ones_are_kept(ledger: Database, empty_db_url: str) -> None:
    for count in (MOST, 3):
        cells = in_columns({(NOON, 0): Cell((count, *EMPTY[1:]), NOON)})
        with ledger.writing() as connection:
            add_quarters(connection, rollup_quarters, cells, [7])
    assert held_cells(empty_db_url) == {(NOON, 7): Cell((MOST + 3 - 2**64, *EMPTY[1:]), NOON)}


def test_more_rows_than_are_read_at_once_are_all_read(ledger: Database, empty_db_url: str) -> None:
    cells = {(NOON + place * HALF_DAY_US, key): Cell((place, *EMPTY[1:]), NOON + place * HALF_DAY_US + key)
             for place in range(20) for key in range(60)}  # fmt: skip
    with ledger.writing() as connection:
        add_quarters(connection, rollup_quarters, in_columns(cells), range(60))
    assert read(ledger, None, None) == cells == held_cells(empty_db_url)


@pytest.mark.parametrize(
    "change", ["quarters = 0", "quarters = quarters * 2 + 1", "cells = {empty}", "cells = {wide}", "cells = {short}"]
)
def test_rows_that_another_program_changed_are_named_and_summed_again(db_cli: Cli, db_url: str, change: str) -> None:
    db_cli("ingest", "-", stdin=responses(range(4))).ok()
    before = rows(db_url, "SELECT * FROM rollup_quarters ORDER BY 1, 2")
    on_sqlite = db_url.startswith("sqlite")
    values = {"empty": "", "wide": "ff" * 40, "short": "01" * 17}
    written = {name: f"x'{digits}'" if on_sqlite else f"'\\x{digits}'::bytea" for name, digits in values.items()}
    tamper(db_url, f"UPDATE rollup_quarters SET {change.format(**written)}")
    outcome = db_cli("report", "--by", "day", "--timezone", "Asia/Shanghai")
    assert outcome.exit_code == 2
    assert "rollup_quarters: rows can't be read" in outcome.stderr
    found = db_cli("verify", "--json")
    assert found.exit_code == 1
    assert "rollup_quarters: the cell of key" in found.json["problems"][0]
    db_cli("db", "rollups", "--none").ok()
    db_cli("verify").ok()
    assert rows(db_url, "SELECT * FROM rollup_quarters ORDER BY 1, 2") == before


@pytest.mark.parametrize("measure", ["requests", "cached_input_tokens", "amount_nano", "call_nano"])
def test_verify_finds_a_number_changed_within_a_row(db_cli: Cli, db_url: str, measure: str) -> None:
    db_cli("ingest", "-", stdin=responses(range(4))).ok()
    cells = held_cells(db_url)
    (name, cell), *_others = cells.items()
    sums = dict(zip(MEASURES, cell.sums, strict=True))
    sums[measure] += 1
    for half_day, key, bits, packed in pack(cells | {name: Cell(tuple(sums.values()), cell.last_occurred_at)}):
        value = f"x'{packed.hex()}'" if db_url.startswith("sqlite") else f"'\\x{packed.hex()}'::bytea"
        row = f"half_day = {half_day} AND key_id = {key}"
        tamper(db_url, f"UPDATE rollup_quarters SET quarters = {bits}, cells = {value} WHERE {row}")
    [problem] = db_cli("verify", "--json").json["problems"]
    half_day = name[0] // HALF_DAY_US * HALF_DAY_US
    assert problem == f"rollup_quarters: the cell of key {name[1]} at {half_day} isn't the sum of its charges"
