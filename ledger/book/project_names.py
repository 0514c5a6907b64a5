"""Names, owners and cost centers of projects: tollbook.toml as it was applied, dated in the ledger.

Charges carry the names that usage came with and are never touched. Chargeback and FOCUS exports look names up here: a
closed month by what was in force when it was closed, an open one by what is now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec
from sqlalchemy import Connection, Row, func, select

from ledger.book.open_months import standing_close
from ledger.book.seals import append_sealed, read_sealed
from ledger.config import Project
from ledger.errors import LedgerError
from ledger.store.database import Database
from ledger.store.tables import closings, projects

Change: TypeAlias = Literal["added", "changed", "removed"]


class ProjectChange(NamedTuple):
    """A change of a project by applying: `before` is None for one added, `after` for one removed."""

    change: Change
    before: Project | None
    after: Project | None


class Standing(NamedTuple):
    """A project in force, and since when."""

    project: Project
    since: datetime


class Projects(msgspec.Struct, frozen=True):
    """The projects in force, by id and by alias."""

    by_id: Mapping[str, Standing]
    by_alias: Mapping[str, str]

    def of(self, name: str) -> Project:
        """Returns the project that usage of this name counts for: the one of this id, else of this alias."""
        number = self.by_alias.get(name, name)
        standing = self.by_id.get(number)
        return Project(id=number) if standing is None else standing.project


def read_projects(connection: Connection, month: str | None = None) -> Projects:
    """Reads the projects in force now; for a closed month, those in force when it was closed."""
    close = standing_close(connection, month)
    standing: dict[str, Standing] = {}
    for row in _rows(connection):
        if close is not None and row.closing_id >= close.id:
            break
        standing.pop(row.project, None)
        if not row.removed:
            standing[row.project] = Standing(_project(row), row.recorded_at)
    by_alias = {alias: number for number, found in standing.items() for alias in found.project.aliases}
    return Projects(standing, by_alias)


def apply_projects(
    database: Database, wanted: Sequence[Project], *, now: datetime, remove_all: bool = False, dry_run: bool = False
) -> list[ProjectChange]:
    """Puts the wanted projects in force from now on; returns what that changes, by id.

    No project at all is taken for a mistake, such as the wrong folder, unless `remove_all` says that it is meant.
    """
    if wanted and remove_all:
        raise LedgerError("--remove-all is for a file without [[project]]: leave it out, or take the entries out")
    with database.reading() if dry_run else database.writing() as connection:
        standing = read_projects(connection).by_id
        if standing and not wanted and not remove_all:
            raise LedgerError(f"the file has no [[project]], the ledger has {len(standing)}: --remove-all removes them")
        found = _changes({number: each.project for number, each in standing.items()}, wanted)
        if not dry_run:
            for change in found:
                _append(connection, change, now)
        return found


def _changes(before: Mapping[str, Project], wanted: Iterable[Project]) -> list[ProjectChange]:
    after = {project.id: _in_order(project) for project in wanted}
    found = []
    for number in sorted({*before, *after}):
        old, new = before.get(number), after.get(number)
        if old != new:
            change: Change = "added" if old is None else "removed" if new is None else "changed"
            found.append(ProjectChange(change, old, new))
    return found


def _in_order(project: Project) -> Project:
    """Returns the same with its aliases sorted: their order says nothing."""
    return msgspec.structs.replace(project, aliases=tuple(sorted(project.aliases)))


def _rows(connection: Connection) -> Iterator[Row[Any]]:
    yield from connection.execute(select(projects).order_by(projects.c.id))


def _project(row: Row[Any]) -> Project:
    return Project(
        id=row.project,
        name=row.name,
        owner=row.owner,
        cost_center=row.cost_center,
        aliases=tuple(msgspec.json.decode(row.aliases)),
    )


def _append(connection: Connection, change: ProjectChange, now: datetime) -> None:
    project = change.after or Project(id=change.before.id if change.before else "")
    row: dict[str, Any] = {
        "project": project.id,
        "name": project.name,
        "owner": project.owner,
        "cost_center": project.cost_center,
        "aliases": msgspec.json.encode(project.aliases).decode(),
        "removed": int(change.after is None),
        "recorded_at": now,
        "closing_id": connection.execute(select(func.coalesce(func.max(closings.c.id), 0))).scalar_one(),
    }
    append_sealed(connection, projects, row)


def check_projects(connection: Connection) -> Iterator[str]:
    """Yields what is wrong with the rows: one is no longer as it was recorded, or missing."""
    for row, intact in read_sealed(connection, projects):
        if not intact:
            yield f"projects {row.id} ({row.project}): it is no longer as it was recorded"
