"""`tollbook wallet`: prepaid credits, what is left of them, and a month of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

import click

from ledger.cli.app import App, command_options, pass_app
from ledger.cli.commands.wallet_sheets import balance_sheet, statement_sheet
from ledger.cli.show.output import Output, note, output_options
from ledger.cli.show.sheet import Cell, Column, Sheet, json_cell
from ledger.errors import LedgerError
from ledger.values.amounts import parse_amount, parse_number

if TYPE_CHECKING:
    from ledger.wallet.book import Until
    from ledger.wallet.moves import Movement

F = TypeVar("F", bound=Callable[..., Any])

# Amounts of 64 bits, with room for sums of a few.
MOST_NANO = 2**62


@click.group(
    epilog="""\b
Examples:
  tollbook wallet topup --credits 10000 --paid 138.89usd --on 2026-03-01 --reference INV-7
  tollbook wallet balance
"""
)
@command_options
def wallet() -> None:
    """Credits paid in advance, one wallet a provider: usage draws on them as it is posted.

    The lot that expires soonest is drawn first, then the oldest. Beyond the balance a wallet is overdrawn, and the next
    top-up repays that first.
    """


def _movement_options(function: F) -> F:
    """Add what top-ups and draws have in common."""
    for option in reversed(
        [
            click.option("--credits", "credits", required=True, metavar="N", help="How many, in the card's currency."),
            click.option("--on", "on", required=True, metavar="DATE", help="The day, in the ledger's zone."),
            click.option("--reference", required=True, metavar="X", help="The same one and facts again do nothing."),
            click.option("--provider", metavar="P", help="Whose wallet.  [default: as for ingest]"),
        ]
    ):
        function = option(function)
    return function


@wallet.command(
    epilog="""\b
Examples:
  tollbook wallet topup --credits 10000 --paid 138.89usd --on 2026-03-01 --reference INV-7
  tollbook wallet topup --credits 500 --grant --on 2026-03-01 --expires 2026-03-31 --reference WELCOME
"""
)
@_movement_options
@click.option("--paid", metavar="AMOUNT", help="What they cost, such as 138.89usd.")
@click.option("--expires", metavar="DATE", help="The last day on which they can be used.  [default: never]")
@click.option("--grant", is_flag=True, help="They were granted, and cost nothing.")
@output_options()
@command_options
@pass_app
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
    kind = "granted" if grant else "purchased"
    movement = Movement(
        kind, _provider(app, provider), _credits(credits), paid_nano, day, last, None, _text(reference, "--reference")
    )
    _record(app, movement, output)


@wallet.command(
    epilog="""\b
Example:
  tollbook wallet draw --credits 120 --on 2026-03-09 --reason 'images of the March campaign' --reference IMG-3
"""
)
@_movement_options
@click.option("--reason", required=True, metavar="R", help="What they went to; kept with the ledger.")
@output_options()
@command_options
@pass_app
def draw(app: App, *, credits: str, on: str, reference: str, provider: str | None, reason: str, output: Output) -> None:
    """Record what the same balance paid for elsewhere. Makes the ledger where there is none."""
    from ledger.values.periods import parse_day
    from ledger.wallet.moves import DRAW, Movement

    text = _text(reason, "--reason")
    movement = Movement(
        DRAW, _provider(app, provider), _credits(credits), 0, parse_day(on, "--on"), None, text,
        _text(reference, "--reference"),
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
    amount = parse_amount(text, "--paid")
    if amount.currency != "USD":
        raise LedgerError(f"--paid {text}: give it in usd, such as 138.89usd")
    if grant and amount.nano:
        raise LedgerError(f"--grant and --paid {text} contradict each other: granted credits cost nothing")
    if not grant and not 0 < amount.nano < MOST_NANO:
        raise LedgerError(f"--paid {text}: give more than 0 and below 4.6 billion, or --grant")
    return amount.nano


def _text(text: str, option: str) -> str:
    from ledger.intake.fields.record import MAX_NAME

    if not text.strip() or len(text) > MAX_NAME or "\0" in text:
        raise LedgerError(f"{option} {text[:40]!r}: give 1 to {MAX_NAME} characters")
    return text


def _provider(app: App, provider: str | None) -> str:
    return provider or app.config.ledger.provider


def _record(app: App, movement: Movement, output: Output) -> None:
    from ledger.wallet.moves import record_movement

    now = datetime.now(UTC)
    database = app.open(create=True)
    number, currency, repeated = record_movement(database, movement, now=now)
    columns = (
        Column("number", "count"),
        Column("kind"),
        Column("provider"),
        Column("credits", "money", exact=True),
        Column("currency"),
        Column("paid_usd", "usd", exact=True),
        Column("on"),
        Column("expires"),
        Column("reference"),
        Column("reason", priority=1),
    )
    row = (
        number, movement.kind, movement.provider, movement.credits_nano, currency, movement.paid_nano, movement.day,
        movement.expires, movement.reference, movement.reason,
    )  # fmt: skip
    document = {"schema": 1, **_as_json(columns, row), "repeated": repeated}
    output.write(Sheet("Recorded", columns, [row], document=document))
    if repeated:
        note(f"this reference was recorded already, as number {number}: nothing was added")
    elif movement.day > now.astimezone(database.zone).date().isoformat():
        note(f"{movement.day} is still to come: it counts from then on")


def _as_json(columns: Sequence[Column], row: Sequence[Cell]) -> dict[str, object]:
    return {column.name: json_cell(cell, column.kind) for column, cell in zip(columns, row, strict=True)}


# --- balance --------------------------------------------------------------------------------------------------------


@wallet.command(
    epilog="""\b
Examples:
  tollbook wallet balance
  tollbook wallet balance --at 2026-03-31 --json
  tollbook wallet balance --at 2026-03-31T18:00:00+08:00 --provider volcengine
"""
)
@click.option(
    "--at",
    "at",
    metavar="DATE|TIME",
    help="At the end of a day, when what ends with it has expired; or at a time, to the quarter-hour.  [default: now]",
)
@click.option("--provider", metavar="P", help="Whose wallet.  [default: as for ingest]")
@output_options()
@command_options
@pass_app
def balance(app: App, *, at: str | None, provider: str | None, output: Output) -> None:
    """What is left, lot by lot; when it expires; and how long it lasts at the rate of the last 7 and 28 days.

    Without --at, all usage of today counts, and what expires today is still there.
    """
    from ledger.wallet.statement import balance as balance_of

    database = app.open()
    found = balance_of(database, _provider(app, provider), until_option(at, database.zone))
    output.write(balance_sheet(found))


def until_option(at: str | None, zone: ZoneInfo) -> Until:
    """What `--at` asks for: now where it is left out."""
    from ledger.values.periods import parse_day, parse_moment
    from ledger.wallet.book import Until
    from ledger.wallet.statement import until_moment

    if at is None:
        return Until(datetime.now(zone).date().isoformat(), over=False)
    if len(at) <= len("2026-03-01"):
        return Until(parse_day(at, "--at"))
    return until_moment(parse_moment(at, zone, "--at"), zone)


# --- statement ------------------------------------------------------------------------------------------------------


@wallet.command(
    epilog="""\b
Examples:
  tollbook wallet statement --month 2026-03
  tollbook wallet statement --month last --format csv -o wallet.csv
"""
)
@click.option("--month", required=True, metavar="YYYY-MM|last", help="A month of the ledger's zone.")
@click.option("--provider", metavar="P", help="Whose wallet.  [default: as for ingest]")
@output_options()
@command_options
@pass_app
def statement(app: App, *, month: str, provider: str | None, output: Output) -> None:
    """A month, item by item: top-ups, usage of each day, draws and what expired, between two balances.

    A balance below 0 is overdrawn. A closed month's statement doesn't change any more. Usage that is posted later than
    in its own month counts on the first day.
    """
    from ledger.values.periods import parse_month
    from ledger.wallet.statement import statement as statement_of

    now = datetime.now(UTC)
    database = app.open()
    asked = parse_month(month, zone=database.zone, now=now).month or ""
    output.write(statement_sheet(statement_of(database, _provider(app, provider), asked, now=now)))
