"""The packed roll-up by quarter-hour written and read a number at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ledger.store.tables import MEASURES
from tests.helpers.ledgers import rows

QUARTER_US = 900_000_000
HALF_DAY_US = 43_200_000_000
EMPTY = (0,) * len(MEASURES)


class Cell(NamedTuple):
    """The sums of a quarter-hour in the order of MEASURES, and its latest usage in microseconds."""

    sums: tuple[int, ...]
    last_occurred_at: int


Cells = Mapping[tuple[int, int], Cell]  # by the start of the quarter-hour, in microseconds, and the key's id


def pack(cells: Cells) -> list[tuple[int, int, int, bytes]]:
    """Rows as the table has them, in order of half day and key."""
    found: dict[tuple[int, int], tuple[int, list[list[int]]]] = {}
    for (quarter, key), cell in sorted(cells.items()):
        half_day = quarter // HALF_DAY_US * HALF_DAY_US
        bits, written = found.get((half_day, key), (0, []))
        numbers = [*cell.sums, cell.last_occurred_at - quarter]
        written.append([-2 * number - 1 if number < 0 else 2 * number for number in numbers])
        found[half_day, key] = bits | 1 << (quarter - half_day) // QUARTER_US, written
    return [(*row, bits, _bytes(written)) for row, (bits, written) in sorted(found.items())]


def _bytes(cells: Sequence[Sequence[int]]) -> bytes:
    widths = []
    for column in zip(*cells, strict=True):
        width = 0
        while max(column) >= 256**width:
            width += 1
        widths.append(width)
    packed = bytearray(widths)
    for numbers in cells:
        for number, width in zip(numbers, widths, strict=True):
            packed += bytes(number >> 8 * place & 255 for place in range(width))
    return bytes(packed)


def unpack(half_day: int, key: int, bits: int, packed: bytes) -> dict[tuple[int, int], Cell]:
    widths, rest = packed[: len(MEASURES) + 1], list(packed[len(MEASURES) + 1 :])
    found = {}
    for place in range(48):
        if not bits >> place & 1:
            continue
        numbers = []
        for width in widths:
            written = sum(rest.pop(0) << 8 * at for at in range(width))
            numbers.append(-(written // 2) - 1 if written % 2 else written // 2)
        quarter = half_day + place * QUARTER_US
        found[quarter, key] = Cell(tuple(numbers[:-1]), quarter + numbers[-1])
    assert not rest
    return found


def held_cells(url: str) -> dict[tuple[int, int], Cell]:
    """The cells of a ledger."""
    found: dict[tuple[int, int], Cell] = {}
    for row in rows(url, "SELECT half_day, key_id, quarters, cells FROM rollup_quarters"):
        found |= unpack(*row)
    return found


def total(url: str) -> dict[str, int]:
    """The sum of each measure over all cells of a ledger."""
    sums = zip(*(cell.sums for cell in held_cells(url).values()), strict=True)
    return dict(zip(MEASURES, map(sum, sums), strict=True))
