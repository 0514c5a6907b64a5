"""Charges whose rows were archived as the book had them, from files that are checked before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping
from itertools import starmap
from typing import Any, Final, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Connection, Row, select

from ledger.book.booked_pages import METER_NANO
from ledger.lake.manifest import LakeFile
from ledger.lake.posted import Posting, booked_in
from ledger.lake.store import Lake
from ledger.store.bulk import in_chunks
from ledger.store.tables import archives, batches, lake_cells

T = TypeVar("T")
_ROWS_AT_ONCE: Final = 2_000
# Of a first charge that nothing has corrected.
_ALIKE: Final[Mapping[str, object]] = {
    "charge_class": "charge", "corrects_id": None, "reason": None, "reference": None
}  # fmt: skip
_WHERE_EMPTY: Final[Mapping[str, object]] = {"tags": "{}", "assumed": 0, "cache_storage_nano": 0}


def archived_charges(
    connection: Connection,
    lakes: Mapping[str, Lake],
    wanted: Callable[[Posting], Posting | None],
    row: Callable[..., T],
    fields: Collection[str],
) -> list[Generator[T]]:
    """Returns charges in files of the lakes, each generator by id, as `row` makes them of fields of `RowReader`.

    `wanted` says which, by the months that they are posted in and of. Files are checked before any is read.
    """
    found: list[tuple[Row[Any], list[Posting]]] = []
    for entry in connection.execute(select(archives).where(archives.c.lake.in_(lakes)).order_by(archives.c.first_id)):
        own = booked_in(connection, lake_cells.c.batch_id == entry.batch_id)
        postings = list(filter(None, (wanted(Posting(entry.lake, 0, entry.digest, *each)) for each in own)))
        if postings:
            found.append((entry, postings))
    for entry, _postings in found:
        lakes[entry.lake].check([LakeFile(entry.file, entry.rows, entry.sha256)])
    # Files of one run follow each other; only those of several runs lie between each other.
    runs: list[list[tuple[Row[Any], list[Posting]]]] = []
    for each in found:
        run = next((run for run in runs if run[-1][0].last_id < each[0].first_id), None)
        if run is None:
            runs.append([each])
        else:
            run.append(each)
    return [_rows(connection, lakes, run, row, fields) for run in runs]


def _rows(
    connection: Connection,
    lakes: Mapping[str, Lake],
    run: list[tuple[Row[Any], list[Posting]]],
    row: Callable[..., T],
    fields: Collection[str],
) -> Generator[T]:
    for entry, postings in run:
        with lakes[entry.lake].open(entry.file) as opened, pq.ParquetFile(opened) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE):
                kept = batch.filter(_is_in(batch, postings))
                columns = _Columns(connection, kept)
                yield from starmap(row, zip(*map(columns.of, fields), strict=True))


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
        column = self._batch.column(name.removesuffix("_us"))
        values = (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
        empty = _WHERE_EMPTY.get(name)
        return values if empty is None else [empty if value is None else value for value in values]

    def _runs(self) -> dict[int, int]:
        """Returns the run of each batch that is named."""
        of, found = batches.c, dict[int, int]()
        for chunk in in_chunks(set(self.of("batch_id")), 500):
            rows = self._connection.execute(select(of.id, of.run_id).where(of.id.in_(chunk)))
            found.update((number, run) for number, run in rows)
        return found
