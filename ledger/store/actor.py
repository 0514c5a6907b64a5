"""Who acts on a ledger, and by which version of tollbook: what the log keeps of each change."""

from __future__ import annotations

import os
import sys
from functools import lru_cache

from sqlalchemy import Connection

from ledger.errors import LedgerError
from ledger.store.bulk import postgres_connection
from ledger.values.safe_text import UNPRINTABLE

MAX_ACTOR = 200


def stated_actor(option: str | None, name: str = "--actor") -> str | None:
    """Reads who acts: what `name` says, else TOLLBOOK_ACTOR; LedgerError where it isn't 1 to 200 printable characters.

    None where neither says.
    """
    if option is None:
        name, option = "TOLLBOOK_ACTOR", os.environ.get("TOLLBOOK_ACTOR") or None
    if option is not None and (not option.strip() or len(option) > MAX_ACTOR or UNPRINTABLE.search(option)):
        raise LedgerError(f"{name} {option[:40]!r}: give 1 to {MAX_ACTOR} printable characters")
    return option


def default_actor(connection: Connection) -> str:
    """Returns TOLLBOOK_ACTOR, else the operating system's user and, where it is another, the one PostgreSQL knows."""
    stated = stated_actor(None)
    if stated is not None:
        return stated
    name = _system_user()
    if connection.dialect.name == "sqlite":
        return name
    role = postgres_connection(connection).info.user
    return name if role == name else f"{name} as {role}"


def _system_user() -> str:
    """Returns the name of the process's user, else its number: a container's may have none."""
    if sys.platform == "win32":
        import getpass

        return getpass.getuser()
    return _user_named(os.getuid())


@lru_cache(maxsize=8)
def _user_named(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"


@lru_cache(maxsize=1)
def tollbook_version() -> str:
    """Returns the version of the installed tollbook."""
    from importlib.metadata import version  # takes a while, and only who writes needs it

    return version("tollbook")
