"""`tollbook lake`: usage kept as Parquet files, outside of the ledger's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ledger.cli.app import App
from ledger.cli.command import command, group
from ledger.cli.commands.lake_move import move_usage
from ledger.cli.commands.lake_price import price_usage
from ledger.cli.commands.lake_verify import verify_files
from ledger.cli.show.output import Output, note
from ledger.cli.show.sheet import Column, Sheet, columns
from ledger.errors import LedgerError
from pricing.money import format_nano

if TYPE_CHECKING:
    from ledger.lake.post import LakePosted

COLUMNS = (
    Column("batch", "count"),
    *columns("text", "month", "posted_month", "currency"),
    Column("amount", "money", exact=True),
    *columns("count", "requests", "cells"),
)


@group(
    "tollbook lake price --input usage/ --output lake/ --month 2026-03",
    "tollbook lake post lake/manifests/000001.json",
    "tollbook lake verify lake/",
)
def lake() -> None:
    """Usage kept outside of the ledger, as Parquet files: priced by its rules, summed up into its book."""


lake.add_command(price_usage)
lake.add_command(move_usage)
lake.add_command(verify_files)


@command(
    "tollbook lake post lake/manifests/000001.json",
    "tollbook lake post lake/manifests/000001.json --dry-run",
    within=lake,
)
@click.argument("manifest")
@click.option("--dry-run", is_flag=True, help="Check and sum up, post nothing.")
def post(app: App, *, manifest: str, dry_run: bool, output: Output) -> None:
    """Post a manifest's sums, which count as charges do.

    Reports, budgets, wallets, chargeback, FOCUS by day and closes have them. All or none of them is posted, in the
    month in which the usage occurred, or the first open one after it. The same manifest again changes nothing.
    """
    try:
        from ledger.lake.post import post_manifest
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "pyarrow":
            raise
        raise LedgerError("a lake takes a library more: pip install 'tollbook[lake]'") from error

    posted = post_manifest(app.open(), manifest, dry_run=dry_run)
    output.write(_sheet(posted, dry_run=dry_run))
    if posted.repeated:
        note(f"batch {posted.batch_id} posted this manifest already: nothing was posted")
    elif posted.batch_id is None and not dry_run:
        note("the manifest has no sums: nothing was posted")
    elif posted.posted_month != posted.manifest.month:
        verb = "would post" if dry_run else "posted"
        note(f"{posted.manifest.month} is closed: its usage {verb} in {posted.posted_month}, as late usage does")


def _sheet(posted: LakePosted, *, dry_run: bool) -> Sheet:
    manifest = posted.manifest
    amounts = sorted(posted.amounts_nano.items())
    rows = [
        (posted.batch_id, manifest.month, posted.posted_month, currency, nano, posted.requests, posted.cells)
        for currency, nano in amounts
    ]
    document = {
        "batch": posted.batch_id,
        "lake": manifest.lake,
        "manifest": manifest.number,
        "digest": posted.digest,
        "month": manifest.month,
        "posted_month": posted.posted_month or None,
        "sources": list(manifest.sources),
        "requests": posted.requests,
        "cells": posted.cells,
        "amounts": {currency: format_nano(nano) for currency, nano in amounts},
        "committed": not (dry_run or posted.repeated or posted.batch_id is None),
        "repeated": posted.repeated,
    }
    return Sheet("Trial: nothing was posted" if dry_run else "Posted", COLUMNS, rows, document=document)
