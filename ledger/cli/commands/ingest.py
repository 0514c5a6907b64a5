"""`tollbook ingest`: usage from files or standard input, each request once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App, decide_exit
from ledger.cli.command import command
from ledger.cli.run_options import check_provider, input_options, tolerance_option
from ledger.cli.show.output import Output, note
from ledger.cli.show.run_counts import Progress, tell_counts
from ledger.cli.show.sheet import Column, Sheet
from ledger.errors import LedgerError
from pricing.money import format_nano

if TYPE_CHECKING:
    from ledger.intake.files import IngestResult
    from ledger.intake.labels import RunOptions


NEW_LEDGER = (
    "new ledger: its months are cut in {zone}, which is fixed once usage is booked. For another zone: remove this "
    "ledger, then 'tollbook db init --timezone Asia/Shanghai' before the first ingest"
)


@command(
    "tollbook ingest usage.jsonl",
    "tollbook ingest 'logs/2026-03-*.jsonl.gz' --project search --tag env=prod",
    "cat stream.sse | tollbook ingest - --input-format sse",
    "tollbook ingest usage.jsonl --dry-run --json",
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@input_options
@click.option("--strict", is_flag=True, help="One transaction: nothing is recorded if anything is rejected.")
@click.option("--dry-run", is_flag=True, help="Counts and money by project; nothing is recorded.")
@tolerance_option
def ingest(
    app: App,
    *,
    files: tuple[str, ...],
    input_format: str,
    options: RunOptions,
    strict: bool,
    dry_run: bool,
    tolerated: Callable[[int, int], bool],
    output: Output,
) -> None:
    """Record usage from FILEs (- is standard input), each request exactly once.

    A FILE may be a folder, a glob in quotes, or a URL such as s3://bucket/usage.

    Takes responses of OpenAI's, Anthropic's, Gemini's and Bedrock's APIs, event streams, envelopes, the ledger's own
    records (JSON Lines, CSV, Parquet) and OTLP spans; .gz and .zst too. What can't be recorded goes to quarantine.
    """
    from ledger.intake.containers.inputs import find_inputs
    from ledger.intake.containers.source import open_sources
    from ledger.intake.files import Ingest, begin_reading, ledger_for_dry_run

    if strict and dry_run:
        raise LedgerError("--strict and --dry-run contradict each other: give one of them")
    section = app.config.ledger
    with ExitStack() as stack:
        opened = [stack.enter_context(file) for file in open_sources(find_inputs(files))]
        begun = begin_reading(opened[0], input_format, options, app.config)
        if begun is not None:
            stack.callback(begun.close)
        if dry_run:
            database = stack.enter_context(
                ledger_for_dry_run(app.db_url, timezone=section.timezone, rollup_tags=section.rollup_tags)
            )
        else:
            database = app.open(create=True)
        check_provider(database, options.provider or section.provider)
        if database.is_new and not dry_run:
            note(NEW_LEDGER.format(zone=database.zone_name))
        progress = Progress()
        stack.callback(progress.close)
        run = Ingest(
            database, app.config, options, input_format=input_format, strict=strict, dry_run=dry_run, progress=progress
        )
        result = run.run(opened, begun)
        failed = result.not_recorded > 0 and not tolerated(result.not_recorded, result.tally.read)
        if strict:
            failed = bool(result.not_recorded or result.without_usage)
        code = decide_exit((1 if strict else 3) if failed else 0)
        try:
            output.write(_sheet(result, dry_run=dry_run))
        finally:  # also where nobody takes the result: it says what is booked
            progress.close()
            _tell(result, strict=strict)
    sys.exit(code)


def _sheet(result: IngestResult, *, dry_run: bool) -> Sheet:
    from ledger.values.spend import total

    by_project = sorted(result.tally.spend.items())
    spend = total([row for _name, row in by_project])
    seconds = max(result.seconds, 1e-9)
    document: dict[str, Any] = {
        "schema": 1,
        "read": result.tally.read,
        **result.tally.fates,
        "ignored": dict(sorted(result.tally.ignored.items())),
        "committed": result.committed,
        "batch": result.batch_id,
        "credits": format_nano(spend.nano("CRD")),
        "usd": spend.usd_text,
        "amounts": spend.amounts,
        "by_project": [
            {"project": name, "credits": format_nano(row.nano("CRD")), "usd": row.usd_text} for name, row in by_project
        ],
        "assumed_cache_storage": dict(result.tally.assumed),
        "differing_labels": result.tally.differing_labels,
        "lost_provider_amounts": result.tally.lost_amounts,
        "files_without_usage": result.without_usage,
        "seconds": round(result.seconds, 3),
        "records_per_second": round(result.tally.read / seconds),
        "rejections": [item._asdict() for item in result.rejections],
    }
    title = "Would be recorded" if dry_run else "Recorded" if result.committed else "Nothing recorded (--strict)"
    return Sheet(
        title=f"{title}: {result.tally.counts['accepted']:,} of {result.tally.read:,} read",
        columns=(Column("project"), Column("records", "count"), Column("credits", "money"), Column("usd", "usd")),
        rows=[(name, row.records, row.nano("CRD"), row.usd_nano) for name, row in by_project],
        total=("", spend.records, spend.nano("CRD"), spend.usd_nano),
        document=document,
    )


def _tell(result: IngestResult, *, strict: bool) -> None:
    """Counts and the first refusals, for people, on standard error."""
    tell_counts(result.tally)
    for name in result.without_usage[:5]:
        note(f"{name}: holds no usage")
    for item in result.rejections[:5]:
        note(f"{item.file}:{item.line}: {item.reason}: {item.message}")
    if result.not_recorded and result.committed:
        note(f"{result.not_recorded:,} in quarantine: tollbook quarantine list")
    elif strict and (result.not_recorded or result.without_usage):
        note("--strict: nothing was recorded, and nothing quarantined")
