"""The sums of a manifest read and checked: each must be one that charges of the ledger could come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from ledger.errors import LedgerError
from ledger.lake.cells_file import CELLS, LABELS
from ledger.lake.manifest import Manifest
from ledger.store.tables import MEASURES
from ledger.values.calendar import QUARTER_US, Calendar
from ledger.values.instants import from_microseconds, iso_text
from pricing.errors import RecordError
from pricing.money import INT64_MAX
from pricing.record_fields import MAX_OCCURRED_US
from pricing.record_values import MAX_NAME, MAX_SOURCE, STATUSES, check_tag, check_text, show

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

ROWS_AT_ONCE = 20_000
# Of one quarter-hour: so many more than any lake has that no day's sum of them passes 64 bits.
MAX_REQUESTS = 2**40
_KINDS = ("request", "cache_storage")
_LIMITS = {name: MAX_SOURCE if name == "source" else MAX_NAME for name in LABELS if name != "tags"}
# Pairs of measures of which the sum of the first ones is never above the second.
_BOUNDS = (
    (("cached_input_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"), "input_tokens"),
    (("reasoning_tokens",), "output_tokens"),
)
_METERS = tuple(name for name in MEASURES if name.endswith("_nano") and name != "amount_nano")


class CellKey(NamedTuple):
    """The key of a cell: what its charges have alike, as the file says it; times in microseconds."""

    occurred_month: str
    source: str
    provider: str
    currency: str
    billed_model: str
    project: str
    tier: str
    status: str
    kind: str
    tags: str
    rate_entry: str
    per_usd_nano: int | None
    conversion_from: int | None


class CellsRead(NamedTuple):
    """Cells in columns: the place of each one's key in `keys`, its quarter-hour by number, sums and latest usage."""

    keys: list[CellKey]
    key_place: npt.NDArray[np.int64]
    time: npt.NDArray[np.int64]
    sums: npt.NDArray[np.int64]
    last_occurred_at: npt.NDArray[np.int64]


def read_cells(source: Path | IO[bytes], name: str, manifest: Manifest, calendar: Calendar) -> Iterator[CellsRead]:
    """Reads a file of cells by `name` some ten thousand at a time; LedgerError for what no ledger could hold.

    Each page becomes a batch of the book.
    """
    try:
        with pq.ParquetFile(source) as file:
            if [(each.name, each.type) for each in file.schema_arrow] != [(each.name, each.type) for each in CELLS]:
                raise LedgerError(f"{name}: its columns aren't those of a lake's sums: price the usage again")
            first = 1
            for batch in file.iter_batches(ROWS_AT_ONCE):
                yield _Rows(batch, name, first).read(manifest, calendar)
                first += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise LedgerError(f"{name}: can't be read: {str(error).splitlines()[0]}") from error


class _Rows:
    """Rows of the file, the first of which has this number: refusals name the row."""

    def __init__(self, batch: Any, name: str, first: int) -> None:  # noqa: ANN401 - it has no types
        self._batch = batch
        self._name = name
        self._first = first

    def read(self, manifest: Manifest, calendar: Calendar) -> CellsRead:
        import numpy as np

        for place, field in enumerate(CELLS):
            if field.name not in ("per_usd_nano", "conversion_from") and self._batch.column(place).null_count:
                missing = self._batch.column(place).is_null().to_pylist().index(True)
                raise self._refusal(missing, f"has no {field.name}")
        keys, key_place = self._keys(manifest)
        quarter, last = self._times("quarter"), self._times("last_occurred_at")
        read = CellsRead(keys, key_place, quarter // QUARTER_US, np.stack(list(self._sums())), last)
        self._check_times(read, quarter, calendar)
        self._check_sums(read.sums)
        return read

    def _keys(self, manifest: Manifest) -> tuple[list[CellKey], npt.NDArray[np.int64]]:
        import numpy as np

        columns = [self._batch.column(name).to_pylist() for name in (*LABELS, "rate_entry", "per_usd_nano")]
        starts = self._batch.column("conversion_from").cast(pa.int64()).to_pylist()
        places: dict[CellKey, int] = {}
        codes = []
        for row, values in enumerate(zip(*columns, starts, strict=True)):
            key = CellKey._make(values)
            code = places.get(key)
            if code is None:
                if (wrong := key_problem(key, manifest)) is not None:
                    raise self._refusal(row, wrong)
                code = places[key] = len(places)
            codes.append(code)
        return list(places), np.array(codes, dtype=np.int64)

    def _times(self, name: str) -> npt.NDArray[np.int64]:
        times: npt.NDArray[np.int64] = self._batch.column(name).cast(pa.int64()).to_numpy(zero_copy_only=False)
        return times

    def _sums(self) -> Iterator[Any]:
        """Yields each measure as 64 bits, none of it negative."""
        for name in MEASURES:
            column = self._batch.column(name)
            try:
                numbers = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
                wrong = int((numbers < 0).argmax()) if (numbers < 0).any() else None
            except pa.ArrowInvalid:
                wrong = next(row for row, number in enumerate(column.to_pylist()) if not 0 <= number <= INT64_MAX)
            if wrong is not None:
                said = "is negative: sums of charges are 0 or more" if column[wrong].as_py() < 0 else _PAST
                raise self._refusal(wrong, f"{name} {int(column[wrong].as_py())} {said}")
            yield numbers

    def _check_times(self, read: CellsRead, quarter: npt.NDArray[np.int64], calendar: Calendar) -> None:
        import numpy as np

        last = read.last_occurred_at
        self._refuse_first(quarter % QUARTER_US != 0, lambda row: f"quarter {iso_text(int(quarter[row]))} begins none")
        self._refuse_first(
            (quarter < 0) | (quarter > MAX_OCCURRED_US), lambda row: f"quarter {int(quarter[row])} is out of range"
        )
        self._refuse_first(
            (last < quarter) | (last >= quarter + QUARTER_US),
            lambda row: f"last_occurred_at {int(last[row])} µs isn't within its quarter-hour",
        )
        starts = np.array([key.conversion_from or 0 for key in read.keys], dtype=np.int64)[read.key_place]
        self._refuse_first(starts > last, lambda _row: "its conversion had not begun by then")
        for row, (place, start) in enumerate(zip(read.key_place.tolist(), quarter.tolist(), strict=True)):
            month, stated = calendar.month(start), read.keys[place].occurred_month
            if month != stated:
                raise self._refusal(
                    row, f"quarter {from_microseconds(start):%Y-%m-%dT%H:%MZ} lies in {month}, not in {stated}"
                )

    def _check_sums(self, sums: npt.NDArray[np.int64]) -> None:
        import numpy as np

        of = dict(zip(MEASURES, sums, strict=True))
        self._refuse_first(of["requests"] > MAX_REQUESTS, lambda row: f"requests {int(of['requests'][row])} {_PAST}")
        for parts, whole in _BOUNDS:
            left = of[whole].astype(object) - sum(of[part].astype(object) for part in parts)
            said = " and ".join(parts)
            self._refuse_first(left < 0, lambda _row, said=said, whole=whole: f"{said} are more than {whole}")
        total = sum(of[name].astype(object) for name in _METERS)
        self._refuse_first(
            np.asarray(total != of["amount_nano"], dtype=bool), lambda _row: "amount_nano isn't the sum of its meters"
        )

    def _refuse_first(self, wrong: Any, said: Any) -> None:  # noqa: ANN401 - a column, a function of a row
        if wrong.any():
            row = int(wrong.argmax())
            raise self._refusal(row, said(row))

    def _refusal(self, row: int, what: str) -> LedgerError:
        return LedgerError(f"{self._name}: row {self._first + row}: {what}; nothing was posted: price the usage again")


_PAST = "passes what a ledger's sum holds"


def key_problem(key: CellKey, manifest: Manifest) -> str | None:
    """Says what of a key no ledger could hold, or isn't the manifest's; None where nothing is."""
    values = key._asdict()
    for name, limit in _LIMITS.items():
        try:
            check_text(values[name], name, limit)
        except RecordError as error:
            return str(error)
        if not values[name].strip():
            return f"{name} is blank"
    listed: Sequence[tuple[str, Sequence[str]]] = (
        ("occurred_month", (manifest.month,)),
        ("source", manifest.sources),
        ("status", STATUSES),
        ("kind", _KINDS),
    )
    for name, known in listed:
        if values[name] not in known:
            return f"{name} {show(values[name])} isn't one of {', '.join(known)}"
    if (key.per_usd_nano is None) != (key.currency == "USD") or (key.per_usd_nano is None) != (
        key.conversion_from is None
    ):
        return f"currency {key.currency} goes with {'no' if key.currency == 'USD' else 'a'} conversion"
    return _tags_problem(key.tags, manifest.rollup_tags)


def _tags_problem(text: str, rollup_tags: Sequence[str]) -> str | None:
    try:
        tags: Mapping[str, str] = msgspec.json.decode(text, type=dict[str, str])
        for name, value in tags.items():
            check_tag(name, value)
    except (msgspec.MsgspecError, RecordError) as error:
        return f"tags {show(text)}: {error}"
    other = sorted(tags.keys() - set(rollup_tags))
    if other:
        return f"tag {show(other[0])} isn't one that is rolled up"
    if msgspec.json.encode(tags, order="sorted").decode() != text:
        return f"tags {show(text)} aren't JSON with sorted keys"
    return None
