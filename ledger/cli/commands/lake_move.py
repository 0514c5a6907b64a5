"""`tollbook lake move`: a source of the book whose later usage a lake keeps."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ledger.cli.app import App
from ledger.cli.command import command
from ledger.cli.show.output import Output, note
from ledger.cli.show.sheet import Sheet, columns
from ledger.errors import LedgerError

COLUMNS = columns("text", "source", "lake", "from")


@command("tollbook lake move gateway --lake lake/ --from 2026-07", name="move")
@click.argument("source")
@click.option("--lake", required=True, metavar="LAKE", help="A folder or URL; a lake is made where there is none.")
@click.option("--from", "month", required=True, metavar="YYYY-MM", help="The first month whose usage the lake keeps.")
def move_usage(app: App, *, source: str, lake: str, month: str, output: Output) -> None:
    """Keep a source's usage in a lake from a month on.

    What occurred before stays in the book, to which late lines of it still go; later records are held back there as
    'source_in_lake', and the lake's sums of them are taken. The book must have no usage of that month or later. A
    source moves once.
    """
    from ledger.values.periods import parse_month

    try:
        from ledger.lake.move import move_source
    except ModuleNotFoundError as error:
        raise LedgerError(f"a lake needs {error.name}: pip install 'tollbook[lake]'") from error
    database = app.open()
    span = parse_month(month, zone=database.zone, now=datetime.now(UTC), option="--from")
    home, is_new = move_source(database, source, lake, span.label)
    row = (source, home.lake, home.month)
    document = {"source": source, "lake": home.lake, "from": home.month, "moved": is_new}
    output.write(Sheet("Moved", COLUMNS, [row], document=document))
    if not is_new:
        note(f"source {source!r} was moved there already: nothing was changed")
