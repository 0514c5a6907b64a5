"""A lake as its sums say it: a manifest and cells written from what a ledger has rolled up."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import select

from ledger.book.quarters import read_quarters
from ledger.lake.cells_file import CELLS
from ledger.lake.manifest import LakeFile, Manifest
from ledger.store.opening import open_ledger
from ledger.store.tables import MEASURES, conversions, rate_entries, rollup_keys, rollup_quarters
from ledger.store.tables.rollups import Dimensions
from ledger.values.calendar import QUARTER_US
from ledger.values.instants import from_microseconds
from tests.conftest import Cli

LAKE = "lake-of-tests"
Row = dict[str, Any]


def cell_rows(url: str, month: str) -> list[Row]:
    """The charges of usage in a month, as a file of cells has them."""
    database = open_ledger(url)
    rows: list[Row] = []
    with database.reading() as connection:
        keys = {number: Dimensions(*values) for number, _digest, *values in connection.execute(select(rollup_keys))}
        entries = {row.id: row.key for row in connection.execute(select(rate_entries.c.id, rate_entries.c.key))}
        converted = {row.id: row for row in connection.execute(select(conversions))}
        wanted = [number for number, key in keys.items() if (key.occurred_month, key.charge_class) == (month, "charge")]
        for cells in read_quarters(connection, rollup_quarters.c.key_id.in_(wanted), None, None):
            for time, number, sums, last in zip(
                cells.time.tolist(), cells.key_place.tolist(), cells.sums.T.tolist(),
                cells.last_occurred_at.tolist(), strict=True,
            ):  # fmt: skip
                key = keys[number]
                conversion = None if key.conversion_id is None else converted[key.conversion_id]
                stated = {name: value for name, value in key._asdict().items() if name in CELLS.names}
                rows.append({
                    **stated,
                    "rate_entry": entries[key.rate_entry_id or 0],
                    "per_usd_nano": conversion and conversion.per_usd_nano,
                    "conversion_from": conversion and conversion.effective_from,
                    "quarter": from_microseconds(time * QUARTER_US),
                    **dict(zip(MEASURES, sums, strict=True)),
                    "last_occurred_at": from_microseconds(last),
                })  # fmt: skip
    database.close()
    return rows


def write_lake(
    folder: Path,
    month: str,
    rows: Sequence[Row],
    *,
    number: int = 1,
    timezone: str = "UTC",
    rollup_tags: Iterable[str] = (),
    lake: str = LAKE,
    **changes: Any,
) -> Path:
    """Write cells and their manifest, whose path is returned; `changes` are to the manifest."""
    for name in ("cells", "manifests"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    path = folder / "cells" / f"{number:06}.parquet"
    pq.write_table(pa.Table.from_pylist(list(rows), schema=CELLS), path)
    file = LakeFile(path=f"cells/{path.name}", rows=len(rows), sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    stated: dict[str, Any] = {
        "schema": 1, "lake": lake, "number": number, "previous": "", "run": f"run-{number}", "month": month,
        "timezone": timezone, "rollup_tags": tuple(sorted(rollup_tags)),
        "sources": tuple(sorted({row["source"] for row in rows})), "inputs": (), "pins": {}, "counts": {},
        "amounts": {}, "charges": (), "quarantine": (), "cells": (file,),
    }  # fmt: skip
    manifest = Manifest(**(stated | changes))
    (folder / manifest.name).write_bytes(manifest.encoded())
    return folder / manifest.name


def lake_of(url: str, folder: Path, month: str, **options: Any) -> Path:
    """Write the lake that holds what a ledger was charged of usage in a month."""
    database = open_ledger(url)
    stated = {"timezone": database.zone_name, "rollup_tags": database.rollup_tags}
    database.close()
    return write_lake(folder, month, cell_rows(url, month), **(stated | options))


def at(text: str) -> datetime:
    """An instant, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def post_again(cli: Cli, url: str, folder: Path, month: str, source: str = "of-a-lake") -> None:
    """Post what a ledger was charged of usage in a month once more, as a lake's, under another source."""
    rows = [row | {"source": source} for row in cell_rows(url, month)]
    database = open_ledger(url)
    stated = {"timezone": database.zone_name, "rollup_tags": database.rollup_tags}
    database.close()
    cli("lake", "post", write_lake(folder, month, rows, **stated)).ok()  # type: ignore[arg-type]
