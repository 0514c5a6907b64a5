"""`tollbook lake price`: usage priced into a lake, outside of the ledger's tables."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import POSITIVE, App, decide_exit
from ledger.cli.command import command
from ledger.cli.run_options import check_provider, input_options, tolerance_option
from ledger.cli.show.output import SHEET_FORMATS, Output, note, output_options
from ledger.cli.show.run_counts import Progress, tell_counts
from ledger.cli.show.sheet import Column, Sheet
from ledger.errors import LedgerError
from ledger.intake.labels import RunOptions
from pricing.money import format_nano

if TYPE_CHECKING:
    from ledger.lake.price import Opening, Priced


@command(
    "tollbook lake price --input usage/ --output lake/ --month 2026-03",
    "tollbook lake price --input 's3://logs/2026/03/*.jsonl.gz' --output s3://billing/lake --month 2026-03",
    name="price",
    shows=output_options(SHEET_FORMATS, writes=False),
)
@click.option(
    "--input",
    "inputs",
    metavar="NAME",
    multiple=True,
    required=True,
    help="A file, a folder, a glob in quotes or a URL; may be repeated.",
)
@click.option("--output", "lake", metavar="NAME", required=True, help="The lake: a folder, or a URL of one.")
@click.option("--month", metavar="YYYY-MM|last", required=True, help="Price the usage of this month alone.")
@click.option("--processes", type=POSITIVE, help="How many processes read at once. Default: as many as cores.")
@click.option(
    "--engine",
    type=click.Choice(["local", "spark"]),
    default="local",
    show_default=True,
    help="What sorts, compares and sums: this machine, or a Spark cluster, whose workers read the files too.",
)
@click.option("--master", metavar="URL", help="The cluster of --engine spark. Default: Spark's own settings.")
@input_options
@tolerance_option
def price_usage(
    app: App,
    *,
    inputs: tuple[str, ...],
    lake: str,
    month: str,
    processes: int | None,
    engine: str,
    master: str | None,
    input_format: str,
    options: RunOptions,
    tolerated: Callable[[int, int], bool],
    output: Output,
) -> None:
    """Price a month's usage into a lake, each request once.

    No row of it goes into the ledger. The lake gets charges by day, what can't be priced, the sums that 'tollbook
    lake post' books, and a manifest that names them. Prices, rules and zone are the ledger's. The same run again
    changes nothing.
    """
    from ledger.intake.containers.inputs import find_inputs
    from ledger.intake.labels import check_options
    from ledger.values.periods import parse_month

    try:
        from ledger.lake.price import price_lake
        from ledger.lake.staging import Inputs
    except ModuleNotFoundError as error:
        raise LedgerError(f"a lake needs {error.name}: pip install 'tollbook[lake]'") from error
    opening = _engine(engine, master, processes)
    check_options(options)
    if "-" in inputs:
        raise LedgerError("--input -: standard input isn't read here, as a run is known by its files: give files")
    database = app.open()
    span = parse_month(month, zone=database.zone, now=datetime.now(UTC))
    check_provider(database, options.provider or app.config.ledger.provider)
    files = Inputs(tuple(find_inputs(inputs)), input_format, options)
    with closing(Progress()) as progress:
        priced = price_lake(database, app.config, files, lake, span.label, opening=opening, progress=progress)
    failed = priced.not_accepted > 0 and not tolerated(priced.not_accepted, priced.tally.read)
    code = decide_exit(3 if failed else 0)
    try:
        output.write(_sheet(priced, lake))
    finally:
        _tell(priced, lake)
    sys.exit(code)


def _engine(engine: str, master: str | None, processes: int | None) -> Opening:
    if engine == "local":
        if master:
            raise click.UsageError("--master is for --engine spark")
        from ledger.lake.local import local_engine

        return partial(local_engine, processes=processes)
    if processes:
        raise click.UsageError("--processes is for --engine local: Spark has workers")
    try:
        from ledger.lake.spark import spark_engine
    except ModuleNotFoundError as error:
        raise LedgerError(f"--engine spark needs {error.name}: pip install 'tollbook[spark]'") from error
    return partial(spark_engine, master=master)


def _manifest(priced: Priced, lake: str) -> str:
    return f"{lake.rstrip('/')}/{priced.manifest.name}"


def _sheet(priced: Priced, lake: str) -> Sheet:
    from ledger.values.spend import total

    manifest = priced.manifest
    by_project = sorted(priced.tally.spend.items())
    spend = total([row for _name, row in by_project])
    document: dict[str, Any] = {
        "schema": 1,
        "lake": manifest.lake,
        "manifest": _manifest(priced, lake),
        "digest": priced.digest,
        "is_new": priced.is_new,
        "month": manifest.month,
        "read": priced.tally.read,
        **priced.tally.fates,
        "other_months": priced.other_months,
        "ignored": dict(sorted(priced.tally.ignored.items())),
        "amounts": dict(manifest.amounts),
        "sources": list(manifest.sources),
        "charges": [file.path for file in manifest.charges],
        "quarantine": [file.path for file in manifest.quarantine],
        "cells": [file.path for file in manifest.cells],
        "rejections": [item._asdict() for item in priced.rejections],
        "by_project": [
            {"project": name, "credits": format_nano(row.nano("CRD")), "usd": row.usd_text} for name, row in by_project
        ],
    }
    return Sheet(
        title=f"Priced into {lake}: {priced.tally.counts['accepted']:,} of {priced.tally.read:,} read",
        columns=(Column("project"), Column("records", "count"), Column("credits", "money"), Column("usd", "usd")),
        rows=[(name, row.records, row.nano("CRD"), row.usd_nano) for name, row in by_project],
        total=("", spend.records, spend.nano("CRD"), spend.usd_nano) if by_project else None,
        document=document,
    )


def _tell(priced: Priced, lake: str) -> None:
    tell_counts(priced.tally)
    if priced.other_months:
        note(f"{priced.other_months:,} of other months, which are left to the runs of theirs")
    for item in priced.rejections[:5]:
        note(f"{item.file}:{item.line}: {item.reason}: {item.message}")
    if priced.not_accepted and priced.manifest.quarantine:
        note(f"{priced.not_accepted:,} in the lake's quarantine: {priced.manifest.quarantine[0].path}")
    if priced.is_new and priced.manifest.cells:
        note(f"book its sums: tollbook lake post {_manifest(priced, lake)}")
    if not priced.is_new:
        note(f"manifest {priced.manifest.number} holds this very run: nothing was done")
