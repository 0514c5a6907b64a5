"""Charges whose rows were archived as the book had them, from files that are checked before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from itertools import starmap
from typing import Any, Final, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Connection, Row, select

from ledger.book.booked_pages import METER_NANO
from ledger.lake.charges_file import plain_values
from ledger.lake.manifest import LakeFile
from ledger.lake.posted import Posting, booked_in
from ledger.lake.store import Lake
from ledger.store.bulk import in_chunks
from ledger.store.tables import archives, batches, lake_cells

T = TypeVar("T")
# An entry of `archives`, and what is wanted of its file.
_File: TypeAlias = tuple[Row[Any], list[Posting]]
_ROWS_AT_ONCE: Final = 2_000
# Of a first charge that nothing has corrected.
_ALIKE: Final[Mapping[str, object]] = {
    "charge_class": "charge", "corrects_id": None, "reason": None, "reference": None
}  # fmt: skip
_WHERE_EMPTY: Final[Mapping[str, object]] = {"tags": "{}", "assumed": 0, "cache_storage_nano": 0}


class ArchivedReader:
    """Reads charges that were archived to any of the lakes, by their ids."""

    def __init__(self, connection: Connection, lakes: Mapping[str, Lake]) -> None:
        self._connection = connection
        self._lakes = lakes

    def charges(
        self,
        wanted: Callable[[Posting], Posting | None],
        row: Callable[..., T],
        fields: Sequence[str],
        only: Mapping[str, Collection[str]],
    ) -> list[Generator[T]]:
        """Returns charges, each generator by id, as `row` makes them of fields, which are named as by `RowReader`.

        `wanted` says which, by the months that they are posted in and of, `only` has values, by column, that they have.
        Files are checked before any is read.
        """
        files: list[_File] = []
        within = archives.c.lake.in_(self._lakes)
        for entry in self._connection.execute(select(archives).where(within).order_by(archives.c.first_id)):
            own = booked_in(self._connection, lake_cells.c.batch_id == entry.batch_id)
            postings = list(filter(None, (wanted(Posting(entry.lake, 0, entry.digest, *each)) for each in own)))
            if postings:
                files.append((entry, postings))
        for entry, _postings in files:
            self._lakes[entry.lake].check([LakeFile(entry.file, entry.rows, entry.sha256)])
        # Files of one run follow each other; only those of several runs lie between each other.
        runs: list[list[_File]] = []
        for file in files:
            run = next((run for run in runs if run[-1][0].last_id < file[0].first_id), None)
            if run is None:
                runs.append([file])
            else:
                run.append(file)
        return [self._rows(run, row, fields, only) for run in runs]

    def _rows(
        self,
        files: Sequence[_File],
        row: Callable[..., T],
        fields: Sequence[str],
        only: Mapping[str, Collection[str]],
    ) -> Generator[T]:
        for entry, postings in files:
            with self._lakes[entry.lake].open(entry.file) as opened, pq.ParquetFile(opened) as file:
                for batch in file.iter_batches(_ROWS_AT_ONCE):
                    kept = batch.filter(_is_in(batch, postings))
                    for name, values in only.items():
                        kept = kept.filter(pc.is_in(kept.column(name), pa.array(list(values), pa.string())))
                    yield from starmap(row, zip(*map(_Columns(self._connection, kept).of, fields), strict=True))


def _is_in(batch: Any, postings: Collection[Posting]) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Tells which rows are of any of the postings, and within its bounds."""
    found: Any = pa.array([False] * batch.num_rows)
    at = batch.column("occurred_at").cast(pa.int64())
    for posting in postings:
        own = pc.and_(
            pc.equal(batch.column("posted_month"), posting.posted_month),
            pc.equal(batch.column("occurred_month"), posting.occurred_month),
        )
        if posting.start_us is not None:
            own = pc.and_(own, pc.greater_equal(at, posting.start_us))
        if posting.end_us is not None:
            own = pc.and_(own, pc.less(at, posting.end_us))
        found = pc.or_(found, own)
    return found


class _Columns:
    """Rows of a file in columns, named as the fields of a charge."""

    def __init__(self, connection: Connection, batch: Any) -> None:  # noqa: ANN401 - pyarrow has no types
        self._connection = connection
        self._batch = batch

    def of(self, name: str) -> list[Any]:
        """Returns the values of a field."""
        if name in _ALIKE or name.startswith("corrected_"):
            return [_ALIKE.get(name)] * self._batch.num_rows
        if name == "number":
            return list(map(str, self.of("id")))
        if name == "usage_record_id":
            return self.of("id")
        if name == "run_id":
            runs = self._runs()
            return [runs[number] for number in self.of("batch_id")]
        if name == "amount_nano":
            of_meters = zip(*map(self.of, METER_NANO), strict=True)
            return [sum(filter(None, amounts)) for amounts in of_meters]
        values = plain_values(self._batch.column(name.removesuffix("_us")))
        empty = _WHERE_EMPTY.get(name)
        return values if empty is None else [empty if value is None else value for value in values]

    def _runs(self) -> dict[int, int]:
        """Returns the run of each batch that is named."""
        of, found = batches.c, dict[int, int]()
        for chunk in in_chunks(set(self.of("batch_id")), 500):
            rows = self._connection.execute(select(of.id, of.run_id).where(of.id.in_(chunk)))
            found.update((number, run) for number, run in rows)
        return found
