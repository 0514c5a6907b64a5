"""`tollbook reconcile`: the ledger compared with the provider's statement, its own figures, or its balance."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ledger.cli.app import App, decide_exit, parse_usd
from ledger.cli.command import command
from ledger.cli.commands.reconcile_layout import LAYOUT_NAMES, layout_options, save_layout, stated_layout
from ledger.cli.commands.reconcile_sheet import reconcile_sheet, tell_what_is_left_out
from ledger.cli.show.lakes import lake_option, open_lakes
from ledger.cli.show.output import Output, note
from ledger.errors import LedgerError
from ledger.values.amounts import parse_amount, parse_number
from pricing.money import NANO, format_nano

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from ledger.audit.reconcile.bills import CreditsLeft
    from ledger.audit.reconcile.results import Reconciliation
    from ledger.audit.reconcile.statement import ProviderStatement
    from ledger.values.layout import Layout


@command(
    "tollbook reconcile --statement evolink-march.csv --month 2026-03",
    "tollbook reconcile --statement bill.csv --map day=Date --map amount='Cost (USD)' --timezone Asia/Shanghai",
    "tollbook reconcile --statement rechnung.csv --decimal , --date-format DD.MM.YYYY --save-as reseller",
    "tollbook reconcile --total 37.71usd --month 2026-03",
    "tollbook reconcile --month last --tolerance 1usd",
    "tollbook reconcile --statement credits.json --at 2026-03-31",
    "tollbook reconcile --statement evolink-march.csv --month 2026-03 --lake lake/",
)
@click.option(
    "--statement",
    "statement",
    metavar="FILE",
    help="The provider's statement: CSV, .xlsx, Volcengine's ListBillDetail or EvoLink's credits as JSON.",
)
@layout_options
@click.option("--total", metavar="AMOUNT", help="The one amount of a bill, such as 37.71usd; with --month.")
@click.option("--month", metavar="YYYY-MM|last", help="A whole month.  [default: the statement's days, else all time]")
@click.option("--since", metavar="TIME", help="From this time, inclusive; without a statement.")
@click.option("--until", metavar="TIME", help="Up to this time, exclusive; without a statement.")
@click.option("--timezone", metavar="TZ", help="Zone of the statement's days and of dates.  [default: the ledger's]")
@click.option("--remaining-credits", metavar="N", help="The balance that the provider shows, compared with the wallet.")
@click.option("--at", "at", metavar="DATE|TIME", help="When it showed that balance, as for 'wallet balance'.")
@click.option("--provider", metavar="P", help="Whose usage.  [default: as for ingest]")
@click.option(
    "--tolerance", default="0.01usd", show_default=True, metavar="AMOUNT", help="Fail where more than that differs."
)
@lake_option
@click.option("--all", "everything", is_flag=True, help="Show every row: what matches and what is rounding, too.")
def reconcile(app: App, /, *, tolerance: str, everything: bool, output: Output, **options: Any) -> None:
    """Compare the ledger with the provider and show what differs, by how much and the likely cause.

    A statement is matched request by request where it has a request_id, else by day and model, as far as it has them.
    Amounts are in the card's currency unless a column, a sign or --currency says another; one that may be two numbers
    is refused. Without a statement, usage is compared with the provider_amount that its records came with.

    The ledger's side is what occurred in the period, corrected as it is now, in whatever month it is posted:
    providers bill what occurred. A difference is the provider's side less the ledger's.

    \b
    Statuses: matched, only_ledger, only_provider, differs.
    Causes:
      rounding              less than one unit of the last place printed, or each line rounded to it
      conversion            the same amount at another known conversion
      not_priced            the other side has it at nothing
      tiered_cached_rate    cached input at a rate that follows the tier, or that doesn't where the card's does
      cached_at_input_rate  cached input at the rate of other input
      lowest_tier           the lowest tier's rates, whatever the prompt's length
      other_model           another model's price, as of the one that answered
      twice                 a request counted more than once
      token_counts          the statement counts other tokens

    The tolerance is compared with the differences without their signs, only those of rounding are added up first.
    """  # noqa: D301 - click's mark for lines to keep
    limit = parse_usd("--tolerance", tolerance)
    layout = {name: options.pop(name) for name in LAYOUT_NAMES}
    asked = ReconcileOptions(**options, layout=layout)
    _check(asked)
    provider = app.provider(asked.provider)
    if asked.remaining_credits is not None:
        found = _credits(app, provider, asked.remaining_credits, asked.at)
    elif asked.statement is not None or asked.total is not None:
        found = _statement(app, provider, asked, everything=everything)
    else:
        found = _stored(app, provider, asked, everything=everything)
    passed = found.deviation_usd * NANO <= limit.nano if found.compared else None
    decide_exit(0 if passed else 1)
    output.write(reconcile_sheet(found, limit, passed=passed))
    tell_what_is_left_out(found, with_statement=asked.statement is not None)


class ReconcileOptions(NamedTuple):
    """The options that say what is compared with what."""

    statement: str | None
    total: str | None
    month: str | None
    since: str | None
    until: str | None
    timezone: str | None
    remaining_credits: str | None
    at: str | None
    provider: str | None
    layout: dict[str, Any]
    lakes: tuple[str, ...]


def _check(asked: ReconcileOptions) -> None:
    compared = {
        "--statement": asked.statement,
        "--total": asked.total,
        "--remaining-credits": asked.remaining_credits,
    }
    given = [name for name, value in compared.items() if value is not None]
    if len(given) > 1:
        raise LedgerError(f"{' and '.join(given)} are two reconciliations: give one of them")
    stated = [name for name, value in asked.layout.items() if value not in (None, ())]
    if asked.statement is None and stated:
        name = stated[0]
        option = "map" if name == "columns" else name.replace("saved_as", "as").replace("_", "-")
        raise LedgerError(f"--{option} says how a statement is laid out: give --statement FILE with it")
    if asked.at is not None and given not in (["--remaining-credits"], ["--statement"]):
        raise LedgerError("--at is the time of a balance: give --remaining-credits N with it")
    if asked.remaining_credits is not None:
        _check_balance(asked, "--remaining-credits")
    if asked.total is not None and asked.month is None:
        raise LedgerError("--total is of a whole month: give --month with it")
    if given and (asked.since or asked.until):
        raise LedgerError(
            f"--since and --until don't go with {given[0]}: give --month, or leave the period to its days"
        )


def _check_balance(asked: ReconcileOptions, name: str) -> None:
    if asked.month or asked.since or asked.until or asked.timezone:
        raise LedgerError(f"{name} is compared with the wallet at one time: give --at, and no period")
    if asked.lakes:
        raise LedgerError(f"{name} is compared with the wallet, which counts lakes by their sums: leave --lake out")


def _statement(app: App, provider: str, asked: ReconcileOptions, *, everything: bool) -> Reconciliation:
    from ledger.audit.reconcile.bills import CreditsLeft
    from ledger.audit.reconcile.files import read_file
    from ledger.audit.reconcile.reconcile import reconcile_statement
    from ledger.audit.reconcile.statement import ProviderStatement
    from ledger.intake.containers.source import open_source
    from ledger.store.database import zone_named
    from ledger.values.periods import parse_month

    layout = stated_layout(app.config, asked.layout)
    database = app.open()
    zone_name = asked.timezone or layout.timezone
    named = None if zone_name is None else zone_named(zone_name)
    zone = named or database.zone
    span = None if asked.month is None else parse_month(asked.month, zone=zone, now=datetime.now(UTC))
    if asked.statement is None:
        lakes, opened = open_lakes(asked.lakes), _one_amount(str(asked.total), layout, zone)
        return reconcile_statement(
            database, opened, provider=provider, zone=zone, span=span, keep_all=everything, lakes=lakes
        )
    with open_source(asked.statement) as source:
        read = read_file(source, layout)
        if isinstance(read, CreditsLeft):
            _check_balance(asked, source.name)
            if any(value not in (None, ()) for value in asked.layout.values()):
                raise LedgerError(f"{source.name} states a balance: options of a table's layout don't go with it")
            _tell_used(read)
            return _credits(app, provider, read.remaining, asked.at)
        if asked.at is not None:
            raise LedgerError("--at is the time of a balance: this statement has rows; give --month instead")
        lakes = open_lakes(asked.lakes)
        opened = ProviderStatement(source.name, read, layout, zone=zone, naive_zone=named)
        found = reconcile_statement(
            database, opened, provider=provider, zone=zone, span=span, keep_all=everything, lakes=lakes
        )
        found.totals = None if layout.total_row is None else opened.totals
    if asked.layout["save_as"] is not None:
        import msgspec

        saved = msgspec.structs.replace(layout, header=tuple(opened.header), timezone=zone_name)
        save_layout(Path("tollbook.toml"), asked.layout["save_as"], saved)
        note(f"tollbook.toml has the layout now: --as {asked.layout['save_as']}")
    return found


def _one_amount(text: str, layout: Layout, zone: ZoneInfo) -> ProviderStatement:
    """A statement of one amount, without a day or a model."""
    from ledger.audit.reconcile.statement import ProviderStatement
    from ledger.audit.reconcile.tables import Table

    amount = parse_amount(text, "--total", signed=True)
    row = (1, [format_nano(amount.nano), amount.currency])
    return ProviderStatement("--total", Table(1, ["amount", "currency"], iter([row])), layout, zone=zone)


def _tell_used(credits: CreditsLeft) -> None:
    for whose, used in (("the account", credits.used), ("the key", credits.key_used)):
        if used is not None:
            note(f"{whose} has used {used} credits since it exists, by the provider")
    if credits.key_remaining is not None:
        note(f"the key may use {credits.key_remaining} credits more, whatever the account has")


def _stored(app: App, provider: str, asked: ReconcileOptions, *, everything: bool) -> Reconciliation:
    from ledger.audit.reconcile.reconcile import reconcile_stored
    from ledger.store.database import zone_named
    from ledger.values.periods import parse_span

    database = app.open()
    zone = database.zone if asked.timezone is None else zone_named(asked.timezone)
    now = datetime.now(UTC)
    span = parse_span(month=asked.month, since=asked.since, until=asked.until, zone=zone, now=now)
    lakes = open_lakes(asked.lakes)
    return reconcile_stored(database, provider=provider, span=span, zone=zone, keep_all=everything, lakes=lakes)


def _credits(app: App, provider: str, remaining: str, at: str | None) -> Reconciliation:
    from ledger.audit.reconcile.reconcile import reconcile_credits
    from ledger.cli.commands.wallet import until_option

    remaining_nano = parse_number(remaining, "--remaining-credits")
    places = len(remaining.partition(".")[2])
    database = app.open()
    until = until_option(at, database.zone)
    return reconcile_credits(database, provider, remaining_nano, places, until)
