"""`tollbook whatif`: a month's usage priced otherwise, with nothing posted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ledger.cli.app import POSITIVE, App
from ledger.cli.command import command, posted_month_option, rates_option
from ledger.cli.show.output import FILE_FORMATS, Output, note
from ledger.cli.show.sheet import Cell, Column, Sheet, columns
from ledger.reports.completeness_words import not_booked_document, not_booked_words
from ledger.values.words import counted, grouped
from pricing.money import format_nano

if TYPE_CHECKING:
    from ledger.values.spend import Spend
    from ledger.whatif.result import WhatIf

COLUMNS = (
    *columns("text", "by", "name"),
    *columns("count", "before_requests", "after_requests", priority=3),
    *columns("usd", "before_usd", "after_usd", priority=1),
    Column("change_usd", "usd"),
    Column("before_amounts", "facts", shown=False),
    Column("after_amounts", "facts", shown=False),
)


@command(
    "tollbook whatif --month last --model doubao-seed-2.0-pro=doubao-seed-2.0-lite",
    "tollbook whatif --month 2026-03 --per-usd 68",
    "tollbook whatif --month 2026-03 --rates july-prices.toml --cap-input 32000 --json",
)
@posted_month_option
@click.option(
    "--model", "models", metavar="A=B", multiple=True, help="Price what is billed as A as B; may be repeated."
)
@rates_option
@click.option("--per-usd", metavar="N", help="Another conversion, all month: units of the card's currency for 1 USD.")
@click.option("--service-tier", metavar="S", help="Requests as if they were served as S, such as batch.")
@click.option("--cap-input", metavar="TOKENS", type=POSITIVE, help="Longer prompts as if they were cut to so many.")
@click.option("--provider", metavar="P", help="Change only usage of this provider; --rates goes by its own.")
def whatif(
    app: App,
    *,
    month: str,
    models: tuple[str, ...],
    rates: tuple[str, ...],
    per_usd: str | None,
    service_tier: str | None,
    cap_input: int | None,
    provider: str | None,
    output: Output,
) -> None:
    """Show what a month would have cost at other models, prices or lengths; nothing is posted.

    Money moved is by project, by model, by tier and by cause: each of the four is the whole change. Corrections of
    closed months and adjustments stay as booked. Without a change each request is priced again by its own price, which
    gives what is booked.
    """
    from ledger.whatif.changes import Asked, parse_models
    from ledger.whatif.whatif import run_whatif

    asked = Asked(parse_models(models), rates, per_usd, service_tier, cap_input, provider)
    found = run_whatif(app.open(), month, asked, now=datetime.now(UTC))
    output.write(_sheet(found))
    for text in found.notes:
        note(text)
    if output.format in ("csv", *FILE_FORMATS):
        for text in _words(found):
            note(text)


def _sheet(found: WhatIf) -> Sheet:
    from ledger.pages.view.words import cause_name

    rows = [(moved.by, moved.name, *_figures(moved.before, moved.after)) for moved in found.rows]
    is_moved = [moved.change_nano or moved.before.parts != moved.after.parts for moved in found.rows]
    shown = [row for row, moves in zip(rows, is_moved, strict=True) if moves]
    causes = [(*_cause(cause), change, None, None) for cause, change in found.by_cause]
    said = [(*_cause(cause_name(cause, change)), change, None, None) for cause, change in found.by_cause if change]
    return Sheet(
        found.title,
        COLUMNS,
        [*rows, *causes],
        (None, None, *_figures(found.before, found.after)),
        facts=_facts(found),
        footnotes=_words(found),
        brief=[*shown, *said],
        total_label="total, at least" if found.not_booked else "total",
    )


def _cause(name: str) -> tuple[Cell, ...]:
    return ("cause", name, None, None, None, None)


def _figures(before: Spend, after: Spend) -> tuple[Cell, ...]:
    change_nano = after.usd_nano - before.usd_nano
    return (
        before.records, after.records, before.usd_nano, after.usd_nano, change_nano, before.amounts, after.amounts
    )  # fmt: skip


def _facts(found: WhatIf) -> dict[str, object]:
    asked, unpriced = found.asked, found.unpriced
    return {
        "month": found.month,
        "changes": {
            "models": dict(asked.models),
            "rates": list(asked.rates),
            "per_usd": None if asked.per_usd is None else format_nano(asked.per_usd_nano),
            "service_tier": asked.service_tier,
            "cap_input": asked.cap_input,
            "provider": asked.provider,
        },
        "charges_priced": found.read,
        "requests_changed": found.requests_changed,
        "unpriced": {
            "charges": unpriced.charges,
            "usd": format_nano(unpriced.spend.usd_nano),
            "message": unpriced.message or None,
        },
        "before_amounts": found.before.amounts,
        "after_amounts": found.after.amounts,
        "corrections_usd": format_nano(found.corrections_usd_nano),
        "adjustments_usd": format_nano(found.adjustments_usd_nano),
        "not_booked": not_booked_document(found.not_booked),
    }


def _words(found: WhatIf) -> list[str]:
    """Returns what readers of the figures must know: lines under a table, notes beside a file."""
    unpriced = found.unpriced
    words = []
    if not found.asked.words:
        priced = counted(found.read, "charge priced again by its own price", "charges priced again by their own prices")
        words.append(f"{priced}: {counted(found.changed, 'differs', 'differ')} from what is booked")
    elif found.before.parts == found.after.parts:
        words.append("nothing changes")
    if unpriced.charges:
        words.append(
            f"left at what is booked, {_usd(unpriced.spend.usd_nano)}, as they can't be priced so: "
            f"{counted(unpriced.charges, 'charge')}; {unpriced.message}"
        )
    kept = [
        f"{_usd(nano)} {what}"
        for nano, what in (
            (found.corrections_usd_nano, "corrections of closed months"),
            (found.adjustments_usd_nano, "adjustments"),
        )
        if nano
    ]
    if kept:
        words.append(f"in both totals as booked: {', '.join(kept)}")
    return words + not_booked_words(found.not_booked)


def _usd(nano: int) -> str:
    return f"{grouped(format_nano(nano))} USD"
