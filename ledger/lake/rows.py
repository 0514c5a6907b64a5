"""Charges of a lake as the book has its own, from files that are checked before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import starmap
from typing import Any, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, select

from ledger.book.lake_cells import read_lake
from ledger.book.records import sum_by_code
from ledger.errors import LedgerError
from ledger.lake.charges_file import CHARGES, plain_values
from ledger.lake.manifest import LakeFile, Manifest
from ledger.lake.post import read_conversions, read_entries
from ledger.lake.posted import Posting
from ledger.lake.store import Lake
from ledger.store.tables import MEASURES, batches, lake_cells
from pricing.money import format_nano

T = TypeVar("T")
# Nano by currency and conversion, and by None the number of requests.
_Sums: TypeAlias = Counter[tuple[str, int | None] | None]
_ROWS_AT_ONCE = 2_000
_REQUESTS, _AMOUNT = MEASURES.index("requests"), MEASURES.index("amount_nano")


class RowReader:
    """Reads postings, whose manifests must be those that were posted, and their files those that they name.

    Fields are named as by `ChargeWithUsage` and its readers, `ChargeRow` and `Facts`, and two besides: `number`, of
    batch and place among the manifest's charges, such as 12/345, and the `corrected_number` of what it takes back.
    """

    def __init__(
        self, connection: Connection, lakes: Iterable[Lake], postings: Sequence[Posting], checked: set[str]
    ) -> None:
        """Checks all before any is read, but for manifests whose digests are `checked`, which it adds to."""
        self._pins = _Pins(connection)
        self._files: dict[Posting, tuple[Lake, Sequence[LakeFile]]] = {}
        self._posted: dict[Posting, _Sums] = {}
        for lake in lakes:
            own = [posting for posting in postings if posting.lake == lake.id]
            manifests = {digest: manifest for manifest, digest in lake.manifests()} if own else {}
            for posting in own:
                self._files[posting] = lake, _manifest_of(posting, manifests, lake).charges
                self._posted[posting] = _posted_sums(connection, posting.posted_by)
            for digest in {posting.digest for posting in own} - checked:
                lake.check(manifests[digest].charges)
                checked.add(digest)

    def rows(
        self, posting: Posting, row: Callable[..., T], fields: Sequence[str], only: Mapping[str, Collection[str]]
    ) -> Generator[T]:
        """Yields charges of a posting, as `row` makes them of fields, in the order of its files.

        `only` has the values, by column, of those that are wanted. LedgerError where all don't come to the sums.
        """
        lake, files = self._files[posting]
        found: _Sums = Counter()
        place = 1
        for file in files:
            for batch in _batches(lake, file.path):
                columns = _Columns(batch, posting, place, self._pins)
                columns.add_to(found)
                place += batch.num_rows
                yield from starmap(row, zip(*map(columns.only(only).of, fields), strict=True))
        if +found != +self._posted[posting]:
            raise LedgerError(
                f"{lake.name}: the charges of manifest {posting.manifest} don't come to the sums that batch "
                f"{posting.posted_by} posted: 'tollbook lake verify' says more"
            )


class _Pins:
    """Row ids of what charges are pinned to, by what a lake says of it."""

    def __init__(self, connection: Connection) -> None:
        self._entries = {key: entry.id for key, entry in read_entries(connection).items()}
        self._conversions = read_conversions(connection)

    def entry(self, key: str) -> int:
        if key not in self._entries:
            raise LedgerError(f"price entry {key}, which charges of a lake are pinned to, isn't in this ledger")
        return self._entries[key]

    def conversion(self, provider: str, currency: str, per_usd_nano: int | None, start_us: int | None) -> int | None:
        if per_usd_nano is None or start_us is None:
            return None
        found = self._conversions.get((provider, currency, per_usd_nano, start_us))
        if found is None:
            raise LedgerError(
                f"the conversion of {format_nano(per_usd_nano)} {currency} for 1 USD, which charges of a lake are "
                "pinned to, isn't in this ledger"
            )
        return found


class _Columns:
    """Rows of a file in columns, named as the fields of a charge; the first has this place among the manifest's."""

    def __init__(self, batch: Any, posting: Posting, first_place: int, pins: _Pins) -> None:  # noqa: ANN401
        self._batch = batch
        self._posting = posting
        self._places = np.arange(first_place, first_place + batch.num_rows)
        self._pins = pins
        corrected = posting.corrects
        self._alike: Mapping[str, object] = {
            "id": posting.first_id,
            "run_id": posting.batch,
            "batch_id": posting.batch,
            "usage_record_id": None,
            "generation": 0,
            "posted_month": posting.posted_month,
            "occurred_month": posting.occurred_month,
            "charge_class": "charge" if corrected is None else "reversal",
            "corrects_id": corrected and corrected.first_id,
            "corrected_posted_month": corrected and corrected.posted_month,
            "reason": None,  # which adjustments alone are shown with
            "reference": None,
        }

    def add_to(self, sums: _Sums) -> None:
        """Adds the rows up, as they were posted."""
        sums[None] += self.of("kind").count("request")
        of_rows = zip(self.of("currency"), self.of("conversion_id"), self._named("amount_nano"), strict=True)
        for currency, conversion_id, amount_nano in of_rows:
            sums[currency, conversion_id] += amount_nano

    def only(self, wanted: Mapping[str, Collection[str]]) -> _Columns:
        """Leaves out usage that isn't within the posting's bounds, and what has other values than those wanted."""
        start_us, end_us = self._posting.start_us, self._posting.end_us
        if start_us is not None or end_us is not None:
            at = self._batch.column("occurred_at").cast(pa.int64()).to_numpy()
            is_in = np.ones(len(at), bool) if start_us is None else at >= start_us
            is_in &= True if end_us is None else at < end_us
            self._keep(is_in)
        for name, values in wanted.items():
            self._keep(np.array([value in values for value in self._named(name)], bool))
        return self

    def _keep(self, is_in: Any) -> None:  # noqa: ANN401
        self._batch, self._places = self._batch.filter(pa.array(is_in)), self._places[is_in]

    def of(self, name: str) -> list[Any]:
        """Returns the values of a field."""
        corrected, count = self._posting.corrects, self._batch.num_rows
        if name in self._alike:
            return [self._alike[name]] * count
        if name == "number":
            return self._numbers(self._posting)
        if name == "rate_entry_id":
            return list(map(self._pins.entry, self._named("rate_entry")))
        if name == "conversion_id":
            stated = map(self._named, ("provider", "currency", "per_usd_nano", "conversion_from"))
            return list(starmap(self._pins.conversion, zip(*stated, strict=True)))
        if name.startswith("corrected_"):  # the row itself, or nothing
            if corrected is None:
                return [None] * count
            own = name.removeprefix("corrected_")
            return self._numbers(corrected) if own == "number" else self._named(own)
        values = self._named(name.removesuffix("_us"))
        return [value and -value for value in values] if corrected and name.endswith("_nano") else values

    def _numbers(self, posting: Posting) -> list[str]:
        return [f"{posting.batch}/{place}" for place in self._places.tolist()]

    def _named(self, name: str) -> list[Any]:
        """Returns a column of the file, times in microseconds."""
        return plain_values(self._batch.column(name))


def _manifest_of(posting: Posting, manifests: Mapping[str, Manifest], lake: Lake) -> Manifest:
    if posting.digest not in manifests:
        raise LedgerError(
            f"{lake.name}: manifest {posting.manifest} isn't the one that batch {posting.posted_by} posted: restore it"
        )
    return manifests[posting.digest]


def _posted_sums(connection: Connection, run: int) -> _Sums:
    sums: _Sums = Counter()
    of_run = select(batches.c.id).where(batches.c.run_id == run)
    for page in read_lake(connection, lake_cells.c.batch_id.in_(of_run)):
        cells = page.cells()
        sums[None] += sum(cells.sums[_REQUESTS].tolist())
        parts = sum_by_code(cells.sums[_AMOUNT], cells.key_place)
        for key, (amount_nano, _count) in zip(cells.keys, parts, strict=True):
            sums[key.currency, key.conversion_id] += amount_nano
    return sums


def _batches(lake: Lake, path: str) -> Iterator[Any]:
    try:
        with lake.open(path) as opened, pq.ParquetFile(opened) as file:
            if [(each.name, each.type) for each in file.schema_arrow] != [(each.name, each.type) for each in CHARGES]:
                raise LedgerError(f"{lake.url(path)}: its columns aren't those of a lake's charges")
            yield from file.iter_batches(_ROWS_AT_ONCE)
    except (pa.ArrowException, OSError) as error:
        raise LedgerError(
            f"{lake.url(path)}: can't be read: {(str(error).splitlines() or [type(error).__name__])[0]}"
        ) from error
