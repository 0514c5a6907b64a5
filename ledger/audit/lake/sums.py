"""A lake's charges added up and compared with its cells, and its requests with each other: SQL over files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from duckdb.func import PythonUDFType

from ledger.audit.lake.files import Checked
from ledger.book.rollups import TagSubset
from ledger.lake import queries
from ledger.lake.cells_file import CELLS, KEY
from ledger.lake.charges_file import CHARGES
from ledger.lake.local import columns_of, files
from ledger.store.tables import MEASURES
from ledger.values.instants import iso_text
from pricing.charge import METERS
from pricing.money import format_nano
from pricing.usage import US_PER_HOUR

if TYPE_CHECKING:
    import duckdb

    from ledger.lake.manifest import Manifest
    from ledger.lake.store import Lake

_ROWS_AT_ONCE: Final = 10_000
# As `token_hours` counts them: the clock hours that the time of storage touches.
_TOKEN_HOURS: Final = (
    f"CASE WHEN kind = 'cache_storage' THEN CAST(storage_tokens AS HUGEINT) "
    f"* ((storage_end + {US_PER_HOUR - 1}) // {US_PER_HOUR} - occurred_at // {US_PER_HOUR}) ELSE 0 END"
)
_SUMS: Final = (*MEASURES, "last_occurred_at")
_CELL: Final = (*KEY.names, "quarter")
_OTHERWISE: Final = f"""
    WITH sides AS (
        SELECT {", ".join((*_CELL, *_SUMS))}, TRUE AS is_stated FROM cells
        UNION ALL
        SELECT {", ".join((*_CELL, *_SUMS))}, FALSE FROM ({queries.grouped(MEASURES, KEY.names)})
    ),
    compared AS (
        SELECT {", ".join(_CELL)}, count(*) FILTER (is_stated) AS stated, count(*) FILTER (NOT is_stated) AS found,
            {", ".join(f"sum({name}) FILTER (is_stated) AS stated_{name}" for name in _SUMS)},
            {", ".join(f"sum({name}) FILTER (NOT is_stated) AS found_{name}" for name in _SUMS)}
        FROM sides GROUP BY {", ".join(_CELL)}
    )
    SELECT source, billed_model, project, quarter, stated, found,
        {", ".join(f"stated_{name}, found_{name}" for name in _SUMS)}
    FROM compared
    WHERE stated <> 1 OR found <> 1 OR {" OR ".join(f"stated_{name} IS DISTINCT FROM found_{name}" for name in _SUMS)}
    ORDER BY {", ".join(_CELL)}
"""
_METERS: Final = " + ".join(f"coalesce(CAST({meter}_nano AS HUGEINT), 0)" for meter in METERS)
_NOT_WHOLE: Final = (
    f"SELECT file, line, request_id FROM accepted WHERE amount_nano IS DISTINCT FROM {_METERS} ORDER BY ALL"
)
_AGAIN: Final = f"""
    WITH hashed AS (SELECT hash({", ".join(queries.IDENTITY)}) AS identity FROM requests),
    again AS (SELECT identity FROM hashed GROUP BY identity HAVING count(*) > 1)
    SELECT {", ".join(queries.IDENTITY)}, count(*), min(filename), max(filename)
    FROM requests WHERE hash({", ".join(queries.IDENTITY)}) IN (SELECT identity FROM again)
    GROUP BY {", ".join(queries.IDENTITY)} HAVING count(*) > 1 ORDER BY ALL
"""


def check_sums(connection: duckdb.DuckDBPyConnection, lake: Lake, checked: Checked) -> Iterator[str]:
    """Yields what of a manifest's charges doesn't add up to its cells, amounts, or the whole of a charge."""
    manifest = checked.manifest
    if not checked.charges or not checked.cells:
        if checked.charges or checked.cells:
            yield f"{checked.name}: it has {'charges' if checked.charges else 'sums'} alone"
        return
    _make_views(connection, lake, checked)
    for file, line, request_id in _rows(connection, _NOT_WHOLE):
        yield f"{checked.name}: charge {request_id!r} of {file}, line {line}: its amount isn't the sum of its meters"
    for row in _rows(connection, _OTHERWISE):
        yield f"{checked.name}: {_difference(row)}"
    yield from _check_amounts(connection, manifest)


def check_identities(connection: duckdb.DuckDBPyConnection, lake: Lake, paths: Sequence[str]) -> Iterator[str]:
    """Yields the requests that files of charges have more than once."""
    if not paths:
        return
    columns = ", ".join((*queries.IDENTITY, "filename"))
    connection.execute(
        f"CREATE OR REPLACE VIEW requests AS SELECT {columns} "
        f"FROM {files([lake.url(path) for path in paths], 'filename = true')}"
    )
    for source, kind, request_id, count, *found in _rows(connection, _AGAIN):
        places = " and ".join(sorted({f"charges/{name.rpartition('/charges/')[2]}" for name in found}))
        yield f"{kind} {request_id!r} of {source!r} is accepted {count} times: in {places}"


def _make_views(connection: duckdb.DuckDBPyConnection, lake: Lake, checked: Checked) -> None:
    """Makes `accepted` of the charges of a manifest, as a run of pricing has them, and `cells` of its sums."""
    manifest = checked.manifest
    charges, cells = (files([lake.url(path) for path, _rows in part]) for part in (checked.charges, checked.cells))
    tags = "'{}'"
    if manifest.rollup_tags:
        name = f"rolled_up_{manifest.number}"
        tags = f"{name}(tags)"
        connection.create_function(name, _rolled_up(manifest), ["VARCHAR"], "VARCHAR", type=PythonUDFType.ARROW)
    labels = f"'{manifest.month}' AS occurred_month, {tags} AS tags, {_TOKEN_HOURS} AS storage_token_hours"
    connection.execute(
        f"CREATE OR REPLACE VIEW accepted AS SELECT * EXCLUDE (tags), {labels} "
        f"FROM (SELECT {columns_of(CHARGES)} FROM {charges})"
    )
    connection.execute(f"CREATE OR REPLACE VIEW cells AS SELECT {columns_of(CELLS)} FROM {cells}")


def _rolled_up(manifest: Manifest) -> Any:  # noqa: ANN401 - a function of Arrow columns
    """Returns what leaves of a column of tags those that are rolled up."""

    def rolled_up(tags: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
        subset = TagSubset(manifest.rollup_tags)
        return pa.array([subset(text) for text in tags.to_pylist()], pa.string())

    return rolled_up


def _difference(row: Sequence[Any]) -> str:
    source, model, project, quarter, stated, found, *sums = row
    where = f"sums of {source!r}, {model}, project {project!r} at {quarter and iso_text(quarter)}"
    if not found:
        return f"{where} are of no charges"
    if stated != 1:
        return f"{where} are missing" if not stated else f"{where} are there {stated} times"
    pairs = zip(_SUMS, sums[::2], sums[1::2], strict=True)
    name, said, added = next(each for each in pairs if each[1] != each[2])
    return f"{where}: {name} is {said}, its charges come to {added}"


def _check_amounts(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> Iterator[str]:
    query = "SELECT currency, CAST(sum(amount_nano) AS HUGEINT) FROM accepted GROUP BY ALL ORDER BY ALL"
    found = {currency: format_nano(nano) for currency, nano in _rows(connection, query)}
    if found != dict(manifest.amounts):
        yield f"manifest {manifest.number}: it says amounts {dict(manifest.amounts)}, its charges come to {found}"


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[tuple[Any, ...]]:
    found = connection.execute(query)
    while rows := found.fetchmany(_ROWS_AT_ONCE):
        yield from rows
