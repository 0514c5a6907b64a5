"""`tollbook backup`: a copy of the ledger, made while others write."""

from __future__ import annotations

from pathlib import Path

import click

from ledger.cli.app import App
from ledger.cli.command import command
from ledger.cli.show.output import refuse_unwritable
from ledger.cli.show.whole_files import replacing
from ledger.errors import LedgerError
from ledger.values.safe_text import visible

OWNER_ALONE = 0o600


@command(
    "tollbook backup tollbook-2026-03-31.db",
    "tollbook backup /backups/tollbook.db --replace",
    "tollbook backup --db /backups/tollbook.db tollbook.db --replace",
    shows=None,
)
@click.argument("path", metavar="FILE")
@click.option("--replace", is_flag=True, help="Take the place of a FILE that is there.")
def backup(app: App, path: str, replace: bool) -> None:
    """Copy the ledger into FILE, whole or not at all, while others go on writing.

    The copy is a ledger as it was at one moment, checked before it gets its name, for its owner alone (mode 0600). A
    backup the other way round restores it. For a ledger on PostgreSQL the call of pg_dump is named.
    """
    from ledger.store.backup import copy_sqlite, pg_dump_command, refuse_target

    database = app.open()
    if not database.is_sqlite:
        raise LedgerError(
            f"this ledger is on PostgreSQL, whose own program copies it: {pg_dump_command(database, path)} "
            "(PGPASSWORD or ~/.pgpass has the password)"
        )
    if path in ("", "-"):
        raise LedgerError("a ledger's copy is no text to be piped: give it a file")
    refuse_unwritable(path)
    refuse_target(database, path, replace=replace)
    with replacing(path, mode=OWNER_ALONE) as file:
        copy_sqlite(database, Path(file.name))
    size = Path(path).stat().st_size
    click.echo(f"{visible(path)}: {size:,} bytes, of {visible(database.url)}, checked", err=True)
