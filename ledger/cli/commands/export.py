"""`tollbook export`: files for other programs."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ledger.cli.app import App
from ledger.cli.command import command, group, period_options, posted_month_option
from ledger.cli.show.export_files import Destination, export_options
from ledger.cli.show.lakes import lake_option, open_lakes
from ledger.errors import LedgerError


@group(
    "tollbook export charges --month last -o charges.csv",
    "tollbook export chargeback --month last -o chargeback.csv",
    "tollbook export focus --month last -o focus.csv",
)
def export() -> None:
    """Write files for other programs: charge lines, what each project or team owes, and FOCUS rows."""


@command(
    "tollbook export charges --month 2026-03 -o charges-2026-03.csv --manifest",
    "tollbook export charges --month 2026-03 -o charges-2026-03.xlsx",
    "tollbook export charges --month 2026-03 -o charges-2026-03.parquet",
    "tollbook export charges --month last --format json | jq '.rows[0]'",
    "tollbook export charges --since 2026-03-01 --until 2026-03-15",
    "tollbook export charges --month 2026-03 --lake lake/ -o charges-2026-03.csv",
    within=export,
    shows=export_options(),
)
@period_options
@lake_option
def charges(
    app: App,
    /,
    *,
    timezone: str | None,
    lakes: tuple[str, ...],
    destination: Destination,
    **period: str | None,
) -> None:
    """Write a line for each meter of each charge, as posted.

    Rates are for 1M tokens (storage: and an hour). The usd column adds up to the total of `tollbook report` for the
    same period. The control total goes to standard error.
    """
    from ledger.exports.charges import export_charges
    from ledger.store.database import zone_named
    from ledger.values.periods import parse_span

    database = app.open()
    zone = database.zone if timezone is None else zone_named(timezone)
    span = parse_span(**period, zone=zone, now=datetime.now(UTC))
    opened = open_lakes(lakes)
    destination.write(lambda file: export_charges(database, span, file, zone=zone, lakes=opened))


@command(
    "tollbook export chargeback --month last -o chargeback.csv --manifest",
    "tollbook export chargeback --month 2026-03 --by tag:team -o teams.xlsx",
    "tollbook export chargeback --month 2026-03 --excel -o chargeback.csv",
    within=export,
    shows=export_options(),
)
@posted_month_option
@click.option(
    "--by",
    "dimension",
    metavar="project|service_tier|tag:KEY",
    default="project",
    show_default=True,
    help="A row each.",
)
def chargeback(app: App, *, month: str, dimension: str, destination: Destination) -> None:
    """Write what each project or team owes for a month.

    Cents add up to the month's total. usd_exact adds up to the total of `tollbook report`, and usd to that total
    rounded to cents: every row has its exact share rounded down, and the cents that are left go one each to the
    greatest remainders, of equal ones by name. corrections_usd is the part of usd_exact that corrects usage of earlier
    months.

    Usage under an alias counts for its project. By tag:KEY the column is named tag:KEY, usage without the tag is a row
    with nothing in it, and the columns that describe a project are empty.
    """
    from ledger.exports.chargeback import export_chargeback
    from ledger.values.periods import parse_month

    database = app.open()
    span = parse_month(month, zone=database.zone, now=datetime.now(UTC))
    destination.write(lambda file: export_chargeback(database, span, file, dimension=dimension))


@command(
    "tollbook export focus --month 2026-03 -o focus-2026-03.csv --manifest",
    "tollbook export focus --month 2026-03 -o focus-2026-03.parquet",
    "tollbook export focus --month 2026-03 --grain charge --invoice-id INV-2026-03 -o lines.csv",
    within=export,
    shows=export_options(),
)
@posted_month_option
@click.option(
    "--grain",
    type=click.Choice(["day", "charge"]),
    default="day",
    show_default=True,
    help="A row for each day, project, model, tier, meter and conversion; or for each line of each charge.",
)
@click.option(
    "--billing",
    type=click.Choice(["prepaid", "postpaid"]),
    help="Whether usage draws on the wallet. Default: as when the month was closed; while open, if there is a wallet.",
)
@click.option("--invoice-id", metavar="TEXT", help="The InvoiceId of all rows. Default: none.")
@lake_option
def focus(
    app: App,
    *,
    month: str,
    grain: str,
    billing: str | None,
    invoice_id: str | None,
    lakes: tuple[str, ...],
    destination: Destination,
) -> None:
    """Write a month as FOCUS 1.2 Cost and Usage rows.

    Prices are in credits and, by the conversion, in USD; [focus] of tollbook.toml names account, provider, publisher
    and invoice issuer, for a closed month as it did when the month was closed. Usage that a wallet paid for is billed
    at 0 and has the cost of the credits that it drew; top-ups and expired credits are rows of their own.
    """
    from ledger.exports.focus.export import FocusOptions, export_focus
    from ledger.values.periods import parse_month

    if lakes and grain != "charge":
        raise LedgerError("--lake is for --grain charge: rows by day are made of the sums that the ledger has")
    now = datetime.now(UTC)
    database = app.open()
    name = parse_month(month, zone=database.zone, now=now).month or ""
    options = FocusOptions(grain, billing, invoice_id)  # type: ignore[arg-type]  # the choices that click allows
    names, opened = app.config.focus, open_lakes(lakes)
    destination.write(lambda file: export_focus(database, name, file, options, focus=names, now=now, lakes=opened))
