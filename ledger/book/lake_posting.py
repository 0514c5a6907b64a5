"""The one way of a lake's sums into the book: packed rows, sealed in batches, and added to the roll-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from ledger.book.cells import Cells
from ledger.book.headroom import Cell, Sums
from ledger.book.key_ids import key_ids_of
from ledger.book.lake_cells import LakePage, LakeRow, amounts_of, merged, reversal_of
from ledger.book.newest import next_batch_and_charge
from ledger.book.posting import Poster, Run
from ledger.book.quarters import Packed, pack_quarters
from ledger.book.seals import cells_digest, sealed_conversions
from ledger.store.bulk import append_rows
from ledger.store.database import Database
from ledger.store.tables import lake_cells, lake_keys
from ledger.store.tables.rollups import Dimensions


class LakePoster(Poster):
    """Posts sums of a lake, each call a batch of the run; the caller holds the write lock."""

    def __init__(self, database: Database, run: Run) -> None:
        super().__init__(database, run)
        self._sums: dict[Cell, Sums] = {}

    def check(self, connection: Connection, cells: Cells) -> None:
        """Raises a LedgerError where a day of the roll-ups has no room for the cells after those looked at before."""
        self._headroom.check_cells(connection, cells, self._sums)

    def post(self, connection: Connection, cells: Cells, *, rolled_up: bool = False) -> None:
        """Appends sums that `check` has looked at, or of charges that are `rolled_up` already, whose rows go."""
        packed = pack_quarters(cells, key_ids_of(connection, lake_keys).of(connection, cells.keys))
        self._seal_cells(connection, cells, packed, [None] * len(packed), rolled_up=rolled_up)

    def reverse(self, connection: Connection, page: LakePage, first_open: str) -> None:
        """Takes rows back: each by a row of its own that negates it, in its month or the first open one."""
        page = page._replace(rows=sorted(page.rows, key=lambda row: (row.half_day, row.id)))
        keys = [reversal_of(page.key_of(row), first_open) for row in page.rows]
        by_row = page.by_row()
        cells = by_row._replace(keys=keys, sums=-by_row.sums)
        self.check(connection, cells)
        packed = pack_quarters(cells, key_ids_of(connection, lake_keys).of(connection, keys))
        self._seal_cells(connection, merged(cells), packed, [row.id for row in page.rows])

    def _seal_cells(
        self,
        connection: Connection,
        cells: Cells,
        packed: Sequence[Packed],
        corrects: Sequence[int | None],
        *,
        rolled_up: bool = False,
    ) -> None:
        self.check_settings()
        batch_id, first = next_batch_and_charge(connection)
        rows = [
            LakeRow(number, batch_id, key_id, half_day, quarters, body, corrected)
            for number, ((half_day, key_id, quarters, body), corrected) in enumerate(
                zip(packed, corrects, strict=True), first
            )
        ]
        append_rows(connection, lake_cells, rows)
        if not rolled_up:
            self._roll_up.add_cells(connection, cells)
        known = sealed_conversions(connection)
        named = self._named(connection, rows)

        def digest_of(batch: Mapping[str, Any]) -> str:
            return cells_digest(batch, rows, named, known)

        ids = {"id": batch_id, "first_usage_record_id": 1, "last_usage_record_id": 0}
        ids |= {"first_charge_id": first, "last_charge_id": first + len(rows) - 1}
        self.append_batch(connection, ids, amounts_of(cells), digest_of)

    @staticmethod
    def _named(connection: Connection, rows: Sequence[LakeRow]) -> dict[int, tuple[str, int | None]]:
        """Returns the digest and the conversion of each key that rows name."""
        known: Mapping[Dimensions, int] = key_ids_of(connection, lake_keys).known
        wanted = {row.key_id for row in rows}
        return {number: (key.digest, key.conversion_id) for key, number in known.items() if number in wanted}
