"""A look for names into a SQLite ledger by the driver alone, while somebody waits for a word to be completed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ledger.errors import LedgerError
from ledger.store.read_only import find_way

WAIT_SECONDS = 1
_QUERIES = {
    "project": "SELECT DISTINCT project FROM rollup_keys",
    "model": "SELECT DISTINCT billed_model FROM rollup_keys",
    "month": "SELECT DISTINCT posted_month FROM rollup_keys",
    "rollup_tags": "SELECT value FROM ledger_settings WHERE name = 'rollup_tags'",
}


def peek(file: Path, kind: str) -> list[str]:
    """Reads the names of a kind that a ledger's file has; none of a file that isn't there or isn't a ledger."""
    try:
        connecting = sqlite3.connect(find_way(str(file)).uri, uri=True, timeout=WAIT_SECONDS)
        with closing(connecting) as connection:
            return [str(name) for (name,) in connection.execute(_QUERIES[kind])]
    except (OSError, ValueError, sqlite3.Error, LedgerError):
        return []
