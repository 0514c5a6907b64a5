"""`tollbook verify`: the book checked against its own rows."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ledger.cli.app import App, decide_exit
from ledger.cli.command import command
from ledger.cli.show.lakes import open_archives
from ledger.cli.show.output import Output, refuse_unwritable
from ledger.cli.show.verification import tell_problems, verification_sheet
from ledger.cli.show.whole_files import replacing
from ledger.errors import LedgerError


@command(
    "tollbook verify",
    "tollbook verify --month 2026-03",
    "tollbook verify --archive archive/",
    "tollbook verify --head ~/tollbook.head",
    "tollbook verify --json | jq .ok",
)
@click.option("--month", metavar="YYYY-MM|last", help="Only what is posted in that month, and its closes.")
@click.option(
    "--archive", "archives", metavar="LAKE", multiple=True, help="Read archived rows there too; may be repeated."
)
@click.option("--head", metavar="FILE", help="Compare the log with the head in FILE, and write the new one there.")
def verify(app: App, month: str | None, archives: tuple[str, ...], head: str | None, output: Output) -> None:
    """Recompute every charge and compare batches and roll-ups with the rows. It fails where something is wrong.

    Each charge is priced again from its stored facts and the card entry it is pinned to; each batch is
    compared with its digest, both roll-ups with sums of the rows, closed months with theirs, and all that
    the log says was recorded with what is there.

    Only a copy from outside shows that the newest entries were cut off, or the whole rewritten: --head
    writes the log's last entry to FILE and, from then on, checks that the ledger still has it. Once all is
    sound FILE gets the newer head; else it stays as it is.
    """
    from ledger.audit.log.head import head_document, read_head
    from ledger.audit.verify import verify as check
    from ledger.values.periods import parse_month

    for name, given in (("--head", head is not None), ("--archive", archives)):
        if given and month is not None:
            raise LedgerError(f"{name} is of the whole ledger: leave --month out")
    signed = None if head is None else read_head(head)
    if head is not None:
        refuse_unwritable(head)
    database = app.open()
    span = None if month is None else parse_month(month, zone=database.zone, now=datetime.now(UTC))
    lakes = open_archives(archives)
    result = check(database, None if span is None else span.month, signed, lakes)
    more: dict[str, object] = {}
    if result.head is not None:
        more["head"] = {"sequence": result.head.sequence, "digest": result.head.digest}
    decide_exit(0 if result.passed else 1)
    if head is not None and result.head is not None and result.passed:
        with replacing(head) as file:
            file.write(head_document(result.head, database.url))
    output.write(verification_sheet(result, **more))
    tell_problems(result)
