"""quarter-hours in packed rows of half a day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, groupby
from operator import itemgetter, lshift
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
QUARTER = 900_000_000  # microseconds
HALF_DAY = 48 * QUARTER
FIRST_MEASURES = (
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "storage_token_hours",
    "input_nano",
    "cached_input_nano",
    "output_nano",
    "cache_storage_nano",
    "amount_nano",
)
LATER_MEASURES = (
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "calls",
    "cache_write_5m_nano",
    "cache_write_1h_nano",
    "call_nano",
)
# Of a cell, in the order of its packed numbers; the last of these counts from the start of the quarter-hour.
NUMBERS = (*FIRST_MEASURES, *LATER_MEASURES, "last_occurred_at")


def upgrade() -> None:
    set_aside()
    op.create_table(
        "rollup_quarters",
        sa.Column("half_day", BIGINT, nullable=False, comment="the midnight or noon, UTC, at which it begins"),
        sa.Column("key_id", BIGINT, autoincrement=False, nullable=False),
        sa.Column("quarters", BIGINT, nullable=False, comment="bit n is set where the n-th quarter-hour has a cell"),
        sa.Column("cells", sa.LargeBinary(), nullable=False, comment="the cells packed: see ledger/book/quarters.py"),
        sa.PrimaryKeyConstraint("half_day", "key_id", name="pk_rollup_quarters"),
        comment="The same sums by quarter-hour, packed: every zone since 1980 starts its days on one.",
        sqlite_strict=True,
    )
    statement = sa.text(f"SELECT key_id, quarter, {', '.join(NUMBERS)} FROM {BEFORE} WHERE quarter >= :start"
                        " AND quarter < :end ORDER BY key_id, quarter")  # fmt: skip
    for first in first_of_half_days("quarter"):
        start = first // HALF_DAY * HALF_DAY
        found = stream(statement, {"start": start, "end": start + HALF_DAY})
        of_key = groupby(found, itemgetter(0))
        insert("half_day, key_id, quarters, cells", [(start, key, *packed(start, cells)) for key, cells in of_key])
    op.drop_table(BEFORE)


def downgrade() -> None:
    set_aside()
    op.create_table(
        "rollup_quarters",
        sa.Column("quarter", BIGINT, nullable=False, comment="start of the quarter-hour, UTC"),
        sa.Column("key_id", BIGINT, autoincrement=False, nullable=False),
        *(sa.Column(name, BIGINT, nullable=False) for name in (*FIRST_MEASURES, "last_occurred_at")),
        *(sa.Column(name, BIGINT, nullable=False, server_default=sa.text("0")) for name in LATER_MEASURES),
        sa.PrimaryKeyConstraint("quarter", "key_id", name="pk_rollup_quarters"),
        comment="The same sums by quarter-hour: every zone since 1980 starts its days on one.",
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    statement = sa.text(f"SELECT half_day, key_id, quarters, cells FROM {BEFORE} WHERE half_day = :start")
    for start in first_of_half_days("half_day"):
        found = stream(statement, {"start": start})
        insert(f"key_id, quarter, {', '.join(NUMBERS)}", [cell for row in found for cell in unpacked(row)])
    op.drop_table(BEFORE)


BEFORE = "rollup_quarters_before"


def set_aside() -> None:
    op.rename_table("rollup_quarters", BEFORE)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE {BEFORE} RENAME CONSTRAINT pk_rollup_quarters TO pk_{BEFORE}")


def first_of_half_days(column: str) -> Iterator[int]:
    """Yields the first time of each half day that there is."""
    statement = sa.text(f"SELECT min({column}) FROM {BEFORE} WHERE {column} >= :start")
    first = op.get_bind().execute(sa.text(f"SELECT min({column}) FROM {BEFORE}")).scalar()
    while first is not None:
        yield first
        first = op.get_bind().execute(statement, {"start": first // HALF_DAY * HALF_DAY + HALF_DAY}).scalar()


def stream(statement: sa.TextClause, times: Mapping[str, int]) -> Iterator[Sequence[Any]]:
    yield from op.get_bind().execute(statement, times, execution_options={"yield_per": 5_000})


def insert(columns: str, rows: Sequence[Sequence[object]]) -> None:
    names = columns.split(", ")
    values = ", ".join(f":{name}" for name in names)
    statement = sa.text(f"INSERT INTO rollup_quarters ({columns}) VALUES ({values})")
    op.get_bind().execute(statement, [dict(zip(names, row, strict=True)) for row in rows])


def packed(start: int, cells: Iterator[Sequence[int]]) -> tuple[int, bytes]:
    """Return the bits of the quarter-hours, and their cells: see the table's comment."""
    quarters, written = 0, []
    for _key, quarter, *measures, last in cells:
        quarters |= 1 << (quarter - start) // QUARTER
        written.append([2 * n if n >= 0 else -2 * n - 1 for n in (*measures, last - quarter)])
    widths = [(max(column).bit_length() + 7) // 8 for column in zip(*written, strict=True)]
    shifts = [8 * before for before in accumulate(widths, initial=0)]
    whole = shifts.pop() // 8
    body = (sum(map(lshift, row, shifts)).to_bytes(whole, "little") for row in written)
    return quarters, bytes(widths) + b"".join(body)


def unpacked(row: Sequence[Any]) -> Iterator[tuple[int, ...]]:
    """Yield the cells of a row: key, start of the quarter-hour, and its numbers."""
    start, key, quarters, cells = row
    at = len(NUMBERS)
    widths = cells[:at]
    for place in range(48):
        if quarters >> place & 1:
            numbers = []
            for width in widths:
                written = int.from_bytes(cells[at : at + width], "little")
                numbers.append(-(written + 1) // 2 if written % 2 else written // 2)
                at += width
            quarter = start + place * QUARTER
            yield (key, quarter, *numbers[:-1], quarter + numbers[-1])
