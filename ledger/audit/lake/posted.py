"""Posted sums of a lake compared with its files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeAlias

from sqlalchemy import Connection, select

from ledger.audit.lake.files import Checked
from ledger.book.cells import Cells
from ledger.book.corrections.void_sums import posted_as, postings_of
from ledger.book.lake_cells import read_lake
from ledger.lake.cells import read_cells
from ledger.lake.post import ResolvedCells
from ledger.lake.store import Lake
from ledger.store.tables import batches, lake_cells
from ledger.store.tables.rollups import Dimensions
from ledger.values.calendar import QUARTER_US, Calendar
from ledger.values.instants import iso_text

_Cell: TypeAlias = tuple[Dimensions, int]
_Sums: TypeAlias = dict[_Cell, list[int]]


class PostedSums:
    """Compares the cells of manifests with the ledger's: it has `count`, and those of the `unposted` manifests not."""

    def __init__(self, connection: Connection, lake: Lake, calendar: Calendar) -> None:
        self._connection = connection
        self._lake = lake
        self._calendar = calendar
        # The month in whose books they are is the ledger's to know.
        self._resolved = ResolvedCells(connection, "", adding=False)
        self.unposted: list[int] = []
        self.count = 0

    def check(self, checked: Checked) -> Iterator[str]:
        """Yields what differs; LedgerError where the file has what no ledger could hold."""
        _reference, batch = posted_as(self._connection, checked.digest)
        if batch is None:
            if checked.cells:
                self.unposted.append(checked.manifest.number)
            for _cell in self._in_file(checked):
                pass  # it could be posted
            return
        in_file = self._in_file(checked)
        for posted in self._in_ledger(batch):  # in the order of the file
            self.count += len(posted)
            stated = dict(islice(in_file, len(posted)))
            if posted != stated:
                yield f"{checked.name}: batch {batch} posted its sums: {_difference(posted, stated)}"
        if left := dict(islice(in_file, 1)):
            yield f"{checked.name}: batch {batch} posted its sums: {_difference({}, left)}"

    def _in_file(self, checked: Checked) -> Iterator[tuple[_Cell, list[int]]]:
        for path, _rows in checked.cells:
            with self._lake.open(path) as file:
                for read in read_cells(file, path, checked.manifest, self._calendar):
                    yield from _sums(self._resolved.cells(read)).items()

    def _in_ledger(self, run: int) -> Iterator[_Sums]:
        of_run = select(batches.c.id).where(batches.c.run_id == run).order_by(batches.c.id)
        for batch in self._connection.execute(of_run).scalars().all():
            sums: _Sums = {}
            for page in read_lake(self._connection, lake_cells.c.batch_id == batch):
                sums |= _sums(page.cells())
            yield sums


def check_batches(connection: Connection, lake: Lake, digests: Iterable[str]) -> Iterator[str]:
    """Yields the batches that posted manifests of the lake which aren't among these."""
    known = set(digests)
    for batch, manifest, digest in postings_of(connection, lake.id):
        if digest not in known:
            yield f"manifest {manifest}: batch {batch} posted another of this number: it was changed or is missing"


def _sums(cells: Cells) -> _Sums:
    keys = [key._replace(posted_month="") for key in cells.keys]
    places = zip(cells.key_place.tolist(), cells.time.tolist(), strict=True)
    values = zip(cells.sums.T.tolist(), cells.last_occurred_at.tolist(), strict=True)
    return {(keys[place], time): [*sums, last] for (place, time), (sums, last) in zip(places, values, strict=True)}


def _difference(posted: _Sums, stated: _Sums) -> str:
    key, time = next(cell for cell in (*posted, *stated) if posted.get(cell) != stated.get(cell))
    where = f"of {key.source!r}, {key.billed_model}, project {key.project!r} at {iso_text(time * QUARTER_US)}"
    if (key, time) not in posted:
        return f"those {where} aren't in the ledger"
    return f"those {where} {'differ from the file' if (key, time) in stated else 'are in the ledger alone'}"
