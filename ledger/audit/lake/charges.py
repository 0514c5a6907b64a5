"""Charges of a lake priced again by the entries that they are pinned to, as the ledger's own are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection

from ledger.audit.charge_checks import ChargeChecks, CheckedCharges, Terms
from ledger.audit.lake.files import Checked
from ledger.audit.verification import Verification
from ledger.book.records import coded
from ledger.book.rows import Facts
from ledger.lake.charges_file import CHARGES
from ledger.lake.local import columns_of, files
from ledger.lake.post import read_conversions, read_entries
from ledger.values.calendar import Calendar

if TYPE_CHECKING:
    import duckdb

    from ledger.lake.store import Lake
    from pricing.money import Int64Array

_ROWS_AT_ONCE = 20_000
_NONE_SUCH = -1  # the id of no row
_FACTS = tuple(name for name in Facts._fields if name not in ("generation", "assumed"))


class PinnedCharges:
    """Prices charges of a lake again; what they name is looked up in the ledger once."""

    def __init__(self, connection: Connection, calendar: Calendar, result: Verification) -> None:
        self._result = result
        self._checks = ChargeChecks(connection, calendar, result, "charges priced again")
        self._entries = {key: entry.id for key, entry in read_entries(connection).items()}
        self._conversions = read_conversions(connection)

    def check(self, engine: duckdb.DuckDBPyConnection, lake: Lake, checked: Checked, sample: int | None) -> None:
        """Prices so many charges of a manifest again, chosen evenly, or all; each that differs is a problem."""
        whole, first = sum(rows for _path, rows in checked.charges), 0
        for path, rows in checked.charges:
            query = (
                f"SELECT {columns_of(CHARGES)}, file_row_number + 1 AS row_number "
                f"FROM {files([lake.url(path)], 'file_row_number = true')}"
            )
            if sample is not None and sample < whole:
                query += f" WHERE {_is_chosen('file_row_number', first, whole, sample)} ORDER BY file_row_number"
            for columns in _pages(engine, query):
                self._checks.check(self._charges(columns, path, checked.manifest.month), self._result)
            first += rows

    def _charges(self, columns: dict[str, list[Any]], path: str, month: str) -> CheckedCharges:
        converted = ("provider", "currency", "per_usd_nano", "conversion_from")
        pinned = zip(*(columns[name] for name in converted), strict=True)
        columns |= {
            "charge_class": ["charge"] * len(columns["kind"]),
            "occurred_month": [month] * len(columns["kind"]),
            "conversion_id": [self._conversion_id(*each) for each in pinned],
            "rate_entry_id": [self._entries.get(key, _NONE_SUCH) for key in columns["rate_entry"]],
        }
        found, code = coded(zip(*(columns[name] for name in Terms._fields), strict=True))

        def number(name: str) -> Int64Array:
            return np.array([value or 0 for value in columns[name]], dtype=np.int64)

        def facts(place: int) -> Facts:
            stated = {name: columns[name][place] for name in _FACTS}
            return Facts(**stated, generation=0, assumed=int(columns["assumed"][place] or 0))

        ids = [f"{path}:{row}" for row in columns["row_number"]]
        terms = [Terms(*each) for each in found]
        return CheckedCharges(ids, columns["request_id"], terms, np.array(code, np.int64), number, facts)

    def _conversion_id(self, provider: str, currency: str, per_usd_nano: int | None, start: int | None) -> int | None:
        if currency == "USD" and per_usd_nano is None and start is None:
            return None
        return self._conversions.get((provider, currency, per_usd_nano or 0, start or 0), _NONE_SUCH)


def _is_chosen(place: str, first: int, whole: int, sample: int) -> str:
    """Returns a condition on places after the first ones, which is true of so many of the whole, evenly apart."""
    at = f"CAST({first} + {place} AS HUGEINT)"
    return f"({at} + 1) * {sample} // {whole} > {at} * {sample} // {whole}"


def _pages(engine: duckdb.DuckDBPyConnection, query: str) -> Iterator[dict[str, list[Any]]]:
    found = engine.execute(query)
    names = [name for name, *_type in found.description or ()]
    while rows := found.fetchmany(_ROWS_AT_ONCE):
        yield dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
