"""A look into a SQLite ledger by the driver alone, for SQLAlchemy takes longer to load than a price takes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ledger.errors import LedgerError
from ledger.store.read_only import find_way
from ledger.store.revision import HEAD_REVISION

# What `in_force` lays over the built-in cards.
_HAS_BUILT_IN_ALONE = """
    SELECT (SELECT group_concat(version_num) FROM alembic_version) = ?
        AND EXISTS (SELECT 1 FROM ledger_settings)
        AND NOT EXISTS (SELECT 1 FROM card_versions WHERE origin = 'user')
        AND NOT EXISTS (SELECT 1 FROM conversions WHERE origin = 'user')
"""


def has_built_in_prices_alone(file: Path) -> bool:
    """Tells whether a ledger of this revision holds no card and no conversion of a user's.

    False in every doubtful case, such as another revision or no ledger at all: opening it says what is wrong.
    """
    try:
        way = find_way(str(file))
        with closing(sqlite3.connect(way.uri, uri=True)) as connection:
            found = connection.execute(_HAS_BUILT_IN_ALONE, (HEAD_REVISION,)).fetchone()
    except (OSError, ValueError, sqlite3.Error, LedgerError):
        return False
    return bool(found == (1,)) and not way.is_outdated()
