"""`tollbook workload`: what estimates learn from the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import msgspec

from ledger.cli.app import App
from ledger.cli.command import command, group
from ledger.cli.show.output import Output, note, output_options
from ledger.cli.show.sheet import Column, Sheet, cells_of, columns, to_json

if TYPE_CHECKING:
    from ledger.estimates.history.profile import Profile

COLUMNS = (
    *columns("text", "project", "model"),
    Column("requests", "count"),
    Column("requests_per_month", "count", 1),
    Column("mean_input_tokens", "count", 2),
    Column("mean_output_tokens", "count"),
    Column("p90_output_tokens", "count", 3),
    Column("cached_share", "decimal", 4),
)


@group("tollbook workload pull --since 30d -o profile.json")
def workload() -> None:
    """Show or write what the ledger knows of workloads: how many requests, how long, how much of them cached."""


@command(
    "tollbook workload pull",
    "tollbook workload pull --since 30d -o profile.json",
    "tollbook workload pull --since 2026-03-01 --until 2026-04-01 --project search --json",
    within=workload,
    shows=output_options(to_file="json"),
)
@click.option(
    "--since",
    metavar="30d|4w|TIME",
    default="30d",
    show_default=True,
    help="The last days or weeks, today included, or hours; or from this time, inclusive. A date is its midnight.",
)
@click.option("--until", metavar="TIME", help="Up to this time, exclusive.  [default: now]")
@click.option("--project", "projects", metavar="P", multiple=True, help="Only this project; of several, any.")
def pull(app: App, since: str, until: str | None, projects: tuple[str, ...], output: Output) -> None:
    """Write the profile that 'estimate --profile' takes.

    It has, per project and model, the requests, their mean and 90th percentile of output, mean input and cached share.
    Completed and incomplete requests are counted by when they occurred, in the ledger's zone; voided ones are not. A
    month's requests are those of 30 days. A ledger that began within the period counts from its first request on, but a
    day at least.
    """
    from ledger.book.known_names import unknown_names_in
    from ledger.estimates.history.profile import pull_profile
    from ledger.values.periods import parse_recent

    database = app.open()
    span = parse_recent(since, until, zone=database.zone, now=datetime.now(UTC).replace(microsecond=0))
    assert span.start is not None
    assert span.end is not None
    profile = pull_profile(database, since=span.start, until=span.end, projects=projects)
    sheet = _sheet(profile, span.label)
    if output.format == "json" and output.path is not None:
        # It is kept beside the prompts, where changes to it are read line by line.
        with output.stream() as out:
            out.write(to_json(sheet, indent=2).encode())
    else:
        output.write(sheet)
    if not profile.workloads:
        note("the profile is empty: no request is in this period" + (" and project" if projects else ""))
    for text in unknown_names_in(database, projects=projects):
        note(text)


def _sheet(profile: Profile, period: str) -> Sheet:
    rows = [cells_of(row, COLUMNS, requests_per_month=profile.requests_per_month(row)) for row in profile.workloads]
    days = f"{profile.days} {'day' if profile.days == '1' else 'days'}"
    return Sheet(f"Workloads, {period}: {days} of usage", COLUMNS, rows, document=msgspec.to_builtins(profile))
