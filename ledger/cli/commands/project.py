"""`tollbook project`: projects' names, owners and cost centers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledger.cli.app import App
from ledger.cli.command import command, group
from ledger.cli.show.output import Output, note
from ledger.cli.show.sheet import Cell, Column, Sheet
from ledger.values.instants import moment_text

if TYPE_CHECKING:
    from ledger.book.project_names import ProjectChange
    from ledger.config import Project

FIELDS = ("name", "owner", "cost_center", "aliases")


@group("tollbook project apply", "tollbook project list")
def project() -> None:
    """Projects' names, owners and cost centers: [[project]] of tollbook.toml, dated in the ledger.

    Chargeback exports show them, and count usage under an alias for its project. Charges and reports keep the names
    that usage came with.
    """


@command(
    "tollbook project apply --dry-run",
    "tollbook project apply",
    "tollbook project apply --config finance/tollbook.toml",
    within=project,
)
@click.option("--config", "file", metavar="FILE", default="tollbook.toml", show_default=True, help="Its [[project]].")
@click.option("--remove-all", is_flag=True, help="Take all projects out, where the file has none.")
@click.option("--dry-run", is_flag=True, help="Say what would change; change nothing.")
def apply(app: App, *, file: str, remove_all: bool, dry_run: bool, output: Output) -> None:
    """Write tollbook.toml's projects to the ledger.

    It says what that changed; the same again changes nothing. What an entry leaves out is nothing, and a project
    without an entry is removed. Closed months keep the projects that were in force when they were closed.
    """
    from ledger.book.project_names import apply_projects
    from ledger.config import read_config

    database = app.open()
    wanted = read_config(Path(file)).projects
    changes = apply_projects(database, wanted, now=datetime.now(UTC), remove_all=remove_all, dry_run=dry_run)
    output.write(_changes(changes, dry_run=dry_run))
    if not changes:
        note(f"the ledger's projects are those of {file} already")


@command("tollbook project list", "tollbook project list --month 2026-03 --json", within=project, name="list")
@click.option("--month", metavar="YYYY-MM|last", help="As this month's exports show them: if closed, as of the close.")
def list_(app: App, *, month: str | None, output: Output) -> None:
    """List the ledger's projects, and since when they are as they are."""
    from ledger.book.project_names import read_projects
    from ledger.values.periods import parse_month

    database = app.open()
    asked = None if month is None else parse_month(month, zone=database.zone, now=datetime.now(UTC)).month
    with database.reading() as connection:
        found = read_projects(connection, asked).by_id
    columns = (Column("project"), *_field_columns(), Column("since", priority=2))
    in_force = [found[number] for number in sorted(found)]
    rows: list[list[Cell]] = [
        [each.project.id, *_fields(each.project), moment_text(each.since, "seconds")] for each in in_force
    ]
    document = {
        "month": asked,
        "projects": [
            {"project": each.project.id, **_facts(each.project), "since": row[-1]}
            for each, row in zip(in_force, rows, strict=True)
        ],
    }
    output.write(Sheet(f"Projects{f', {asked}' if asked else ''}", columns, rows, document=document))


def _changes(changes: list[ProjectChange], *, dry_run: bool) -> Sheet:
    columns = (Column("change"), Column("project"), *_field_columns(), Column("before", "facts"))
    rows: list[list[Cell]] = []
    document_rows: list[dict[str, object]] = []
    for change, before, after in changes:
        shown = after or before
        assert shown is not None
        was = {} if before is None or after is None else _differing(before, after)
        rows.append([change, shown.id, *_fields(shown), {name: _text(value) for name, value in was.items()}])
        document_rows.append({"change": change, "project": shown.id, **_facts(shown), "before": was})
    document = {"changes": document_rows, "dry_run": dry_run}
    return Sheet("Would be applied" if dry_run else "Applied", columns, rows, document=document)


def _field_columns() -> tuple[Column, ...]:
    return tuple(Column(name, priority=int(name == "aliases")) for name in FIELDS)


def _facts(project: Project) -> dict[str, object]:
    """The fields as JSON has them: what isn't given is null."""
    return {name: getattr(project, name) for name in FIELDS}


def _fields(project: Project) -> list[Cell]:
    return [_text(value) for value in _facts(project).values()]


def _text(value: object) -> str:
    """A field as a cell: several aliases in one, nothing where it isn't given."""
    return ", ".join(value) if isinstance(value, tuple) else str(value or "")


def _differing(before: Project, after: Project) -> dict[str, object]:
    now = _facts(after)
    return {name: value for name, value in _facts(before).items() if value != now[name]}
