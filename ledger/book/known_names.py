"""Names that something of a ledger is booked under, and words on those that nothing is."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, select

from ledger.book.project_names import read_projects
from ledger.store.database import Database
from ledger.store.tables import rollup_keys
from pricing.errors import shown
from pricing.names import did_you_mean

# Of a ledger's names, as many as a line has room for.
MOST_LISTED = 8
_COLUMNS = {
    "project": rollup_keys.c.project,
    "model": rollup_keys.c.billed_model,
    "source": rollup_keys.c.source,
    "month": rollup_keys.c.posted_month,
}

# What an option holds that may be left out.
Asked = Iterable[str | None]


def unknown_names(
    connection: Connection, *, projects: Asked = (), models: Asked = (), sources: Asked = ()
) -> list[str]:
    """Returns words on each name that the ledger has never seen, with the nearest one that it has."""
    words: list[str] = []
    for kind, names in (("project", projects), ("model", models), ("source", sources)):
        asked = [name for name in names if name is not None]
        known = known_names(connection, kind) if asked else set()
        words += [words_on(kind, name, known) for name in asked if name not in known]
    return words


def unknown_names_in(database: Database, *, projects: Asked = (), models: Asked = (), sources: Asked = ()) -> list[str]:
    """Returns `unknown_names` of a ledger as it is now."""
    with database.reading() as connection:
        return unknown_names(connection, projects=projects, models=models, sources=sources)


def mistaken_project(database: Database, name: str) -> list[str]:
    """Returns words on a project to book for that is new in the ledger, where it is much like one that isn't."""
    with database.reading() as connection:
        known = known_names(connection, "project")
    question = "" if name in known else did_you_mean(name, known)
    return [f"project {shown(name)} is new in this ledger: {question}"] if question else []


def words_on(kind: str, name: str, known: Collection[str], *, where: str = "this ledger") -> str:
    """Returns that there is no such name among the known ones, with the nearest, or with all if they are few."""
    what = f"no {kind} {shown(name)} in {where}"
    question = did_you_mean(name, known)
    if question or len(known) > MOST_LISTED:
        return f"{what}: {question}" if question else what
    return f"{what}: known are {', '.join(sorted(known)) or 'none'}"


def known_names(connection: Connection, kind: str) -> set[str]:
    """Reads the names of a kind that anything was ever booked under; of projects, those of tollbook.toml too."""
    booked = set(connection.execute(select(_COLUMNS[kind]).distinct()).scalars())
    return booked | set(read_projects(connection).by_id) if kind == "project" else booked
