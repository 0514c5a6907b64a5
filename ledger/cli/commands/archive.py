"""`tollbook archive`: rows of closed months moved from the ledger to Parquet files."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

import click

from ledger.cli.app import App
from ledger.cli.command import command
from ledger.cli.show.lakes import needing_lakes
from ledger.cli.show.output import SHEET_FORMATS, Output, note, output_options
from ledger.cli.show.run_counts import Progress
from ledger.cli.show.sheet import Column, Sheet, json_row

COLUMNS = (Column("through"), *(Column(name, "count") for name in ("rows", "files", "staying", "batch")))


@command(
    "tollbook archive --through 2026-03 --dry-run -o archive/",
    "tollbook archive --through 2026-03 -o s3://billing/archive",
    shows=output_options(SHEET_FORMATS, writes=False),
)
@click.option("--through", required=True, metavar="YYYY-MM|last", help="The last closed month whose rows go.")
@click.option(
    "-o", "--output", "lake", required=True, metavar="LAKE", help="A folder or URL; made where there is none."
)
@click.option("--dry-run", is_flag=True, help="Count the rows that would go; write nothing.")
def archive(app: App, *, through: str, lake: str, dry_run: bool, output: Output) -> None:
    """Move the rows of closed months to Parquet files, and keep their sums.

    Reports, budgets, closes and exports by day stay as they are, and a request that comes again is still known. 'export
    charges', FOCUS by charge and 'reconcile' read the rows with --lake LAKE, and 'verify --archive LAKE' checks them.
    Rows that were corrected stay. It can't be undone: keep copies of the files as of the ledger.
    """
    from ledger.values.periods import parse_month
    from ledger.values.words import counted

    database = app.open()
    span = parse_month(through, zone=database.zone, now=datetime.now(UTC), option="--through")
    with needing_lakes():
        from ledger.lake.archive import archive as move_rows
    with closing(Progress()) as progress:
        moved = move_rows(database, span.label, lake, dry_run=dry_run, progress=progress.show)
    row = (span.label, moved.rows, moved.files, moved.staying, moved.batch_id)
    document = {**json_row(COLUMNS, row), "location": moved.location, "dry_run": dry_run}
    title = "Would be archived" if dry_run else f"Archived to {moved.location}" if moved.rows else "Nothing archived"
    output.write(Sheet(title, COLUMNS, [row], document=document))
    if not moved.rows:
        note(f"no rows posted through {span.label} are left to archive")
    if moved.staying:
        note(f"{counted(moved.staying, 'row')} of these months stay: corrected, redacted, or with calls of tools")
