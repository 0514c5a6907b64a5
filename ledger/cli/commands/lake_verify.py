"""`tollbook lake verify`: a lake checked against itself, its prices and the ledger."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ledger.cli.app import App, decide_exit
from ledger.cli.command import command
from ledger.cli.show.output import Output, note
from ledger.cli.show.verification import tell_problems, verification_sheet
from ledger.errors import LedgerError


@command(
    "tollbook lake verify lake/",
    "tollbook lake verify lake/ --month 2026-03 --sample all",
    "tollbook lake verify s3://billing/lake --json | jq .ok",
    name="verify",
)
@click.argument("lake", metavar="LAKE")
@click.option("--month", metavar="YYYY-MM|last", help="Only what was priced of usage in that month.")
@click.option(
    "--sample",
    metavar="N|all",
    default="10000",
    show_default=True,
    help="How many charges of each manifest are priced again, evenly apart.",
)
def verify_files(app: App, *, lake: str, month: str | None, sample: str, output: Output) -> None:
    """Check a lake's files, sums and prices, and what was posted of it. It fails where something is wrong.

    Manifests must follow each other and name the files that are there, all charges add up to the sums, and each
    request be accepted once. Charges are priced again by the card entries that they are pinned to. Posted sums must be
    those of the files.
    """
    from ledger.values.periods import parse_month

    try:
        from ledger.audit.lake.verify import verify_lake
    except ModuleNotFoundError as error:
        raise LedgerError(f"a lake needs {error.name}: pip install 'tollbook[lake]'") from error
    count = _count(sample)
    database = app.open()
    span = None if month is None else parse_month(month, zone=database.zone, now=datetime.now(UTC))
    verified = verify_lake(database, lake, month=None if span is None else span.month, sample=count)
    decide_exit(0 if verified.result.passed else 1)
    output.write(verification_sheet(verified.result, unposted=verified.unposted))
    tell_problems(verified.result)
    for number in verified.unposted:
        note(f"manifest {number} isn't posted: 'tollbook lake post' books its sums")


def _count(sample: str) -> int | None:
    """Returns how many charges are asked for, None where all are."""
    if sample == "all":
        return None
    if not (sample.isascii() and sample.isdigit()):
        raise LedgerError(f"--sample {sample}: it is a number of charges, or all")
    return int(sample)
