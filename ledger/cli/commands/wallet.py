"""`tollbook wallet`: prepaid credits, what is left of them, and a month of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from ledger.cli.app import App, check_text, parse_usd
from ledger.cli.command import command, group, options, wallet_option
from ledger.cli.commands.wallet_sheets import balance_sheet, statement_sheet
from ledger.cli.show.output import Output, note
from ledger.cli.show.sheet import Column, Sheet, columns, json_row
from ledger.errors import LedgerError
from ledger.values.amounts import parse_number

if TYPE_CHECKING:
    from ledger.wallet.book import Until
    from ledger.wallet.moves import Movement

# Amounts of 64 bits, with room for sums of a few.
MOST_NANO = 2**62
MOVEMENT = (
    Column("number", "count"),
    *columns("text", "kind", "provider"),
    Column("credits", "money", exact=True),
    Column("currency"),
    Column("paid_usd", "usd", exact=True),
    *columns("text", "on", "expires", "reference"),
    Column("reason", priority=1),
)


@group(
    "tollbook wallet topup --credits 10000 --paid 138.89usd --on 2026-03-01 --reference INV-7",
    "tollbook wallet balance",
)
def wallet() -> None:
    """Credits paid in advance, one wallet a provider: usage draws on them as it is posted.

    The lot that expires soonest is drawn first, then the oldest. Beyond the balance a wallet is overdrawn, and the next
    top-up repays that first.
    """


_movement_options = options(
    click.option("--credits", "credits", required=True, metavar="N", help="How many, in the card's currency."),
    click.option("--on", "on", required=True, metavar="DATE", help="The day, in the ledger's zone."),
    click.option("--reference", required=True, metavar="X", help="The same one and facts again do nothing."),
    wallet_option,
)


@command(
    "tollbook wallet topup --credits 10000 --paid 138.89usd --on 2026-03-01 --reference INV-7",
    "tollbook wallet topup --credits 500 --grant --on 2026-03-01 --expires 2026-03-31 --reference WELCOME",
    within=wallet,
)
@_movement_options
@click.option("--paid", metavar="AMOUNT", help="What they cost, such as 138.89usd.")
@click.option("--expires", metavar="DATE", help="The last day on which they can be used.  [default: never]")
@click.option("--grant", is_flag=True, help="They were granted, and cost nothing.")
def topup(
    app: App,
    *,
    credits: str,
    on: str,
    reference: str,
    provider: str | None,
    paid: str | None,
    expires: str | None,
    grant: bool,
    output: Output,
) -> None:
    """Record credits that were bought or granted. Makes the ledger where there is none."""
    from ledger.values.periods import parse_day
    from ledger.wallet.moves import Movement

    paid_nano = _paid(paid, grant=grant)
    day = parse_day(on, "--on")
    last = None if expires is None else parse_day(expires, "--expires")
    if last is not None and last < day:
        raise LedgerError(f"--expires {last} is before --on {day}: it is the last day on which they can be used")
    check_text("--reference", reference)
    kind = "granted" if grant else "purchased"
    movement = Movement(kind, app.provider(provider), _credits(credits), paid_nano, day, last, None, reference)
    _record(app, movement, output)


@command(
    "tollbook wallet draw --credits 120 --on 2026-03-09 --reason 'images of the March campaign' --reference IMG-3",
    within=wallet,
)
@_movement_options
@click.option("--reason", required=True, metavar="R", help="What they went to; kept with the ledger.")
def draw(app: App, *, credits: str, on: str, reference: str, provider: str | None, reason: str, output: Output) -> None:
    """Record what the same balance paid for elsewhere. Makes the ledger where there is none."""
    from ledger.values.periods import parse_day
    from ledger.wallet.moves import DRAW, Movement

    check_text("--reason", reason)
    check_text("--reference", reference)
    movement = Movement(
        DRAW, app.provider(provider), _credits(credits), 0, parse_day(on, "--on"), None, reason,
        reference,
    )  # fmt: skip
    _record(app, movement, output)


def _credits(text: str) -> int:
    nano = parse_number(text, "--credits")
    if not 0 < nano < MOST_NANO:
        raise LedgerError(f"--credits {text}: give more than 0 and below 4.6 billion")
    return nano


def _paid(text: str | None, *, grant: bool) -> int:
    if text is None and not grant:
        raise LedgerError("say what the credits cost, such as --paid 138.89usd, or --grant where they cost nothing")
    if text is None:
        return 0
    amount = parse_usd("--paid", text)
    if grant and amount.nano:
        raise LedgerError(f"--grant and --paid {text} contradict each other: granted credits cost nothing")
    if not grant and not 0 < amount.nano < MOST_NANO:
        raise LedgerError(f"--paid {text}: give more than 0 and below 4.6 billion, or --grant")
    return amount.nano


def _record(app: App, movement: Movement, output: Output) -> None:
    from ledger.wallet.moves import record_movement

    now = datetime.now(UTC)
    database = app.open(create=True)
    number, currency, repeated = record_movement(database, movement, now=now)
    row = (
        number, movement.kind, movement.provider, movement.credits_nano, currency, movement.paid_nano, movement.day,
        movement.expires, movement.reference, movement.reason,
    )  # fmt: skip
    document = {**json_row(MOVEMENT, row), "repeated": repeated}
    output.write(Sheet("Recorded", MOVEMENT, [row], document=document))
    if repeated:
        note(f"this reference was recorded already, as number {number}: nothing was added")
    elif movement.day > now.astimezone(database.zone).date().isoformat():
        note(f"{movement.day} is still to come: it counts from then on")


# --- balance --------------------------------------------------------------------------------------------------------


@command(
    "tollbook wallet balance",
    "tollbook wallet balance --at 2026-03-31 --json",
    "tollbook wallet balance --at 2026-03-31T18:00:00+08:00 --provider volcengine",
    within=wallet,
)
@click.option(
    "--at",
    "at",
    metavar="DATE|TIME",
    help="At the end of a day, when what ends with it has expired; or at a time, to the quarter-hour.  [default: now]",
)
@wallet_option
def balance(app: App, *, at: str | None, provider: str | None, output: Output) -> None:
    """Show what is left, when it expires and how long it lasts.

    It lasts at the rate of the last 7 days, and of the last 28. Without --at, all usage of today counts, and what
    expires today is still there.
    """
    from ledger.wallet.statement import read_balance

    database = app.open()
    found = read_balance(database, app.provider(provider), until_option(at, database.zone))
    output.write(balance_sheet(found))


def until_option(at: str | None, zone: ZoneInfo) -> Until:
    """The time of `--at`, now where it is left out."""
    from ledger.values.periods import parse_day, parse_moment
    from ledger.wallet.book import Until
    from ledger.wallet.statement import until_moment

    if at is None:
        return Until(datetime.now(zone).date().isoformat(), over=False)
    if len(at) <= len("2026-03-01"):
        return Until(parse_day(at, "--at"))
    return until_moment(parse_moment(at, zone, "--at"), zone)


# --- statement ------------------------------------------------------------------------------------------------------


@command(
    "tollbook wallet statement --month 2026-03",
    "tollbook wallet statement --month last --format csv -o wallet.csv",
    within=wallet,
)
@click.option("--month", required=True, metavar="YYYY-MM|last", help="A month of the ledger's zone.")
@wallet_option
def statement(app: App, *, month: str, provider: str | None, output: Output) -> None:
    """Show a month, item by item, between two balances.

    Items are top-ups, usage of each day, draws and what expired. A balance below 0 is overdrawn. A closed month's
    statement doesn't change any more. Usage that is posted later than in its own month counts on the first day.
    """
    from ledger.values.periods import parse_month
    from ledger.wallet.statement import read_statement

    now = datetime.now(UTC)
    database = app.open()
    asked = parse_month(month, zone=database.zone, now=now).month or ""
    output.write(statement_sheet(read_statement(database, app.provider(provider), asked, now=now)))
