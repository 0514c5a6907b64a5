"""`tollbook reconcile`: the ledger compared with the provider's statement, its own figures, or its balance."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ledger.cli.app import App, parse_usd
from ledger.cli.command import command
from ledger.cli.show.output import Output, note
from ledger.cli.show.sheet import Cell, Column, Sheet, json_row
from ledger.errors import LedgerError
from ledger.values.amounts import Amount, parse_number, unit_of
from ledger.values.words import counted
from pricing.money import NANO, format_nano, format_usd, round_usd

if TYPE_CHECKING:
    from ledger.audit.reconcile.results import Reconciliation

COLUMNS = (
    Column("status"),
    Column("key"),
    Column("model", priority=2),
    Column("ledger_requests", "count", 3),
    Column("provider_requests", "count", 3),
    Column("ledger_amount", "money", 1, exact=True),
    Column("provider_amount", "money", 1, exact=True),
    Column("difference", "money", exact=True),
    Column("difference_usd", "usd", exact=True),
    Column("cause"),
)
STATUSES = ("matched", "only_ledger", "only_provider", "differs")
LABELS = frozenset({"status", "key", "model", "cause"})


@command(
    "tollbook reconcile --statement evolink-march.csv --month 2026-03",
    "tollbook reconcile --statement bill.csv --map day=Date --map amount='Cost (USD)' --timezone Asia/Shanghai",
    "tollbook reconcile --month last --tolerance 1usd",
    "tollbook reconcile --remaining-credits 8423.1 --at 2026-03-31",
)
@click.option("--statement", "statement", metavar="FILE", help="The provider's statement, a CSV file with a header.")
@click.option(
    "--map",
    "columns",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Which column a field is in, where it isn't named alike: request_id, occurred_at, day, model, input_tokens, "
    "cached_input_tokens, output_tokens, amount, currency.",
)
@click.option("--month", metavar="YYYY-MM|last", help="A whole month.  [default: the statement's days, else all time]")
@click.option("--since", metavar="TIME", help="From this time, inclusive; without a statement.")
@click.option("--until", metavar="TIME", help="Up to this time, exclusive; without a statement.")
@click.option("--timezone", metavar="TZ", help="Zone of the statement's days and of dates.  [default: the ledger's]")
@click.option("--remaining-credits", metavar="N", help="The balance that the provider shows, compared with the wallet.")
@click.option("--at", "at", metavar="DATE|TIME", help="When it showed that balance, as for 'wallet balance'.")
@click.option("--provider", metavar="P", help="Whose usage.  [default: as for ingest]")
@click.option(
    "--tolerance", default="0.01usd", show_default=True, metavar="AMOUNT", help="Exit 1 where more than that differs."
)
@click.option("--all", "everything", is_flag=True, help="Show what matches, too.")
def reconcile(app: App, /, *, tolerance: str, everything: bool, output: Output, **options: Any) -> None:
    """Compare the ledger with the provider and show what differs, by how much and the likely cause.

    A statement is matched request by request where it has a request_id, else by day and model; amounts are plain
    decimals, in the card's currency unless a currency column says CRD, USD or another. Without a statement, usage is
    compared with the provider_amount that its records came with.

    The ledger's side is what occurred in the period, corrected as it is now, in whatever month it is posted:
    providers bill what occurred. A difference is the provider's side less the ledger's.

    \b
    Statuses: matched, only_ledger, only_provider, differs.
    Causes:
      rounding            less than one unit of the last place printed, or each line rounded to it
      conversion          the same amount at another known conversion
      tiered_cached_rate  cached input at a rate that follows the tier, or that doesn't where the card's does
      other_model         another model's price, as of the one that answered
      twice               a request counted more than once
      token_counts        the statement counts other tokens

    The tolerance is compared with the differences without their signs, only those of rounding are added up first.
    """  # noqa: D301 - click's mark for lines to keep
    limit = parse_usd("--tolerance", tolerance)
    asked = ReconcileOptions(**options)
    _check(asked)
    provider = app.provider(asked.provider)
    if asked.remaining_credits is not None:
        found = _credits(app, provider, asked.remaining_credits, asked.at)
    elif asked.statement is not None:
        found = _statement(app, provider, asked, asked.statement, everything=everything)
    else:
        found = _stored(app, provider, asked, everything=everything)
    passed = found.deviation_usd * NANO <= limit.nano
    output.write(_sheet(found, limit, passed=passed))
    _tell(found, with_statement=asked.statement is not None)
    if not passed:
        sys.exit(1)


class ReconcileOptions(NamedTuple):
    """The options that say what is compared with what."""

    statement: str | None
    columns: tuple[str, ...]
    month: str | None
    since: str | None
    until: str | None
    timezone: str | None
    remaining_credits: str | None
    at: str | None
    provider: str | None


def _check(asked: ReconcileOptions) -> None:
    with_balance = asked.remaining_credits is not None
    if asked.statement is not None and with_balance:
        raise LedgerError("--statement and --remaining-credits are two reconciliations: give one of them")
    if asked.columns and asked.statement is None:
        raise LedgerError("--map says which columns a statement has: give --statement FILE with it")
    if asked.at is not None and not with_balance:
        raise LedgerError("--at is the time of a balance: give --remaining-credits N with it")
    if with_balance and (asked.month or asked.since or asked.until or asked.timezone):
        raise LedgerError("--remaining-credits is compared with the wallet at one time: give --at, and no period")
    if asked.statement is not None and (asked.since or asked.until):
        raise LedgerError(
            "--since and --until don't go with --statement: give --month, or leave the period to its days"
        )


def _statement(app: App, provider: str, asked: ReconcileOptions, file: str, *, everything: bool) -> Reconciliation:
    from ledger.audit.reconcile.reconcile import reconcile_statement
    from ledger.audit.reconcile.statement import ProviderStatement, parse_columns
    from ledger.audit.reconcile.tables import read_table
    from ledger.intake.containers.source import open_source
    from ledger.store.database import zone_named
    from ledger.values.layout import Layout
    from ledger.values.periods import parse_month

    layout = Layout(map=parse_columns(asked.columns))
    database = app.open()
    named = None if asked.timezone is None else zone_named(asked.timezone)
    zone = named or database.zone
    span = None if asked.month is None else parse_month(asked.month, zone=zone, now=datetime.now(UTC))
    with open_source(file) as source:
        opened = ProviderStatement(source.name, read_table(source, layout), layout, zone=zone, naive_zone=named)
        return reconcile_statement(database, opened, provider=provider, zone=zone, span=span, keep_matched=everything)


def _stored(app: App, provider: str, asked: ReconcileOptions, *, everything: bool) -> Reconciliation:
    from ledger.audit.reconcile.reconcile import reconcile_stored
    from ledger.store.database import zone_named
    from ledger.values.periods import parse_span

    database = app.open()
    zone = database.zone if asked.timezone is None else zone_named(asked.timezone)
    now = datetime.now(UTC)
    span = parse_span(month=asked.month, since=asked.since, until=asked.until, zone=zone, now=now)
    return reconcile_stored(database, provider=provider, span=span, zone=zone, keep_matched=everything)


def _credits(app: App, provider: str, remaining: str, at: str | None) -> Reconciliation:
    from ledger.audit.reconcile.reconcile import reconcile_credits
    from ledger.cli.commands.wallet import until_option

    remaining_nano = parse_number(remaining, "--remaining-credits")
    places = len(remaining.partition(".")[2])
    database = app.open()
    until = until_option(at, database.zone)
    return reconcile_credits(database, provider, remaining_nano, places, until)


# --- showing --------------------------------------------------------------------------------------------------------


def _sheet(found: Reconciliation, limit: Amount, *, passed: bool) -> Sheet:
    basis = found.basis
    rows: list[tuple[Cell, ...]] = [
        (
            row.status, row.key, row.model, row.ledger_requests, row.provider_requests, row.ledger_nano,
            row.provider_nano, row.difference_nano, round_usd(row.difference_usd), row.cause,
        )
        for row in found.rows
    ]  # fmt: skip
    total: tuple[Cell, ...] = (
        None, None, None, found.ledger_requests, found.provider_requests, found.ledger_nano, found.provider_nano,
        found.difference_nano, round_usd(found.difference_usd), None,
    )  # fmt: skip
    deviation_usd = format_usd(found.deviation_usd)
    document = {
        "provider": basis.provider,
        "currency": basis.currency,
        "period": basis.period.label,
        "timezone": basis.zone.key,
        "rows": [json_row(COLUMNS, row) for row in rows],
        **{status: found.by_status[status] for status in STATUSES},
        "total": {name: cell for name, cell in json_row(COLUMNS, total).items() if name not in LABELS}
        | {"deviation_usd": deviation_usd},
        "tolerance": limit.text,
        "passed": passed,
    }
    title = f"Reconciled with {basis.provider}, {basis.period.label}, in {unit_of(basis.currency)}"
    counts = ", ".join(f"{found.by_status[name]:,} {name}" for name in STATUSES if found.by_status[name])
    verdict = f"{deviation_usd} USD apart, {'within' if passed else 'beyond'} the tolerance of {limit.text}"
    footnote = f"{counts or 'nothing to compare'}; {verdict}"
    return Sheet(title, COLUMNS, rows, total, document=document, footnotes=[footnote])


def _tell(found: Reconciliation, *, with_statement: bool) -> None:
    if found.outside:
        note(f"left out, outside {found.basis.period.label}: {counted(found.outside, 'row')} of the statement")
    if found.unstated:
        note(f"left out, without a provider_amount: {counted(found.unstated, 'request')}")
    if not with_statement and not found.by_status:
        note(f"no usage of {found.basis.period.label} has a provider_amount: nothing was compared")
    if found.adjustments_nano:
        sums = ", ".join(f"{format_nano(nano)}{unit_of(code)}" for code, nano in found.adjustments_nano.items())
        note(f"left out, as they have no request: adjustments for these months, {sums}")
