"""`tollbook export`: files for other programs."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ledger.cli.app import App, command_options, pass_app
from ledger.cli.output import Output, note, output_options
from ledger.cli.periods import period_options


@click.group(
    epilog="""\b
Example:
  tollbook export charges --month last -o charges.csv
"""
)
@command_options
def export() -> None:
    """Write files for other programs: charge lines for finance."""


@export.command(
    epilog="""\b
Examples:
  tollbook export charges --month 2026-03 -o charges-2026-03.csv
  tollbook export charges --month last --format json | jq '.rows[0]'
  tollbook export charges --since 2026-03-01 --until 2026-03-15
"""
)
@period_options
@output_options(("csv", "json"))
@command_options
@pass_app
def charges(
    app: App,
    /,
    *,
    month: str | None,
    since: str | None,
    until: str | None,
    last: str | None,
    timezone: str | None,
    output: Output,
) -> None:
    """Write one line for each meter of each charge, in order of posting.

    Rates are for 1M tokens (storage: and an hour). The usd column adds up to the total of `tollbook report` for the
    same period. The control total goes to standard error.
    """
    from ledger.db import zone_named  # noqa: PLC0415 - start-up time
    from ledger.exports.charges import export_charges  # noqa: PLC0415
    from ledger.timespan import parse_span  # noqa: PLC0415

    database = app.open()
    zone = database.zone if timezone is None else zone_named(timezone)
    span = parse_span(month=month, since=since, until=until, last=last, zone=zone, now=datetime.now(UTC))
    with output.stream() as out:
        total = export_charges(database, span, out, zone=zone, file_format="json" if output.format == "json" else "csv")
    note(f"control total: {total.words()}")
