"""Usage that costs whole credits, and wallets at the command line."""

from __future__ import annotations

from typing import Any

from tests.conftest import Cli, Outcome
from tests.helpers.ledgers import PRO
from tests.helpers.sources import lines, record

# Output of pro is 160 credits per 1M tokens up to 32,000 tokens of input.
TOKENS_OF_A_CREDIT = 1_000_000 // 160


def use(cli: Cli, *days: tuple[str, int], **changes: Any) -> None:
    """Ingest one request a day that costs so many credits (at most 20), at noon UTC; ids are `DAY-CREDITS`."""
    made = [
        record(
            f"{day}-{credits}",
            occurred_at=f"{day}T12:00:00Z",
            requested_model=PRO,
            input_tokens=0,
            output_tokens=credits * TOKENS_OF_A_CREDIT,
        )
        | changes
        for day, credits in days
    ]
    cli("ingest", "-", stdin=lines(made)).ok()


def top_up(
    cli: Cli, credits: int | str, on: str, *options: str, paid: str | None = "1usd", reference: str = ""
) -> Outcome:
    """A top-up; with `paid` None a grant. The reference is `DAY-CREDITS` unless it is given."""
    cost = ["--grant"] if paid is None else ["--paid", paid]
    of = ["--reference", reference or f"{on}-{credits}"]
    return cli("wallet", "topup", "--credits", credits, "--on", on, *cost, *of, *options, "--json")


def draw(cli: Cli, credits: int | str, on: str, *options: str, reference: str = "") -> Outcome:
    of = ["--reference", reference or f"draw-{on}-{credits}", "--reason", "images"]
    return cli("wallet", "draw", "--credits", credits, "--on", on, *of, *options, "--json")


def close(cli: Cli, month: str) -> None:
    cli("close", "--through", month, "--force", "--reason", "all is there").ok()


def statement(cli: Cli, month: str, *options: str) -> Any:
    return cli("wallet", "statement", "--month", month, "--json", *options).ok().json


def items(cli: Cli, month: str, *options: str) -> list[str]:
    """A statement's lines in short: `05 usage -3 = 7`, or `01 opening balance = 10`."""
    short = []
    for row in statement(cli, month, *options)["rows"]:
        moved = "" if row["credits"] is None else f" {row['credits']}"
        short.append(f"{row['day'][8:]} {row['item']}{moved} = {row['balance']}")
    return short


def balance(cli: Cli, *options: str) -> tuple[str, str]:
    """What is left, and what is overdrawn."""
    found = cli("wallet", "balance", "--json", *options).ok().json
    return found["balance"], found["overdrawn"]
