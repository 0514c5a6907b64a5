"""Sheets of `reconcile`: the sums by status and cause above the rows."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from ledger.cli.show.output import note
from ledger.cli.show.sheet import Cell, Column, Sheet, json_row
from ledger.reports.conversion_words import conversion_documents, conversion_words
from ledger.values.amounts import Amount, unit_of
from ledger.values.words import counted
from pricing.errors import shown
from pricing.money import format_nano, format_usd, round_usd

if TYPE_CHECKING:
    from ledger.audit.reconcile.results import Reconciliation, Status

SUMMARY_COLUMNS = (
    Column("status"),
    Column("cause"),
    Column("rows", "count"),
    Column("difference", "money", exact=True),
    Column("difference_usd", "usd", exact=True),
)
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
STATUSES: tuple[Status, ...] = ("matched", "only_ledger", "only_provider", "differs")
MOST_MODELS = 5
# Rows that people are shown: a table of a million takes gigabytes and minutes to lay out.
MOST_SHOWN = 10_000
LABELS = frozenset({"status", "key", "model", "cause"})


def reconcile_sheet(found: Reconciliation, limit: Amount, *, passed: bool | None) -> Sheet:
    """A reconciliation as sums by status and cause above its rows; `passed` None where nothing was compared."""
    basis = found.basis
    rows: list[tuple[Cell, ...]] = [
        (
            row.status, row.key, row.model, row.ledger_requests, row.provider_requests, row.ledger_nano,
            row.provider_nano, row.difference_nano, row.difference_usd_nano, row.cause,
        )
        for row in found.rows
    ]  # fmt: skip
    total: tuple[Cell, ...] = (
        None, None, None, found.ledger_requests, found.provider_requests, found.ledger_nano, found.provider_nano,
        found.difference_nano, round_usd(found.difference_usd), None,
    )  # fmt: skip
    summary: list[tuple[Cell, ...]] = [
        (status, cause, group.rows, group.nano, round_usd(group.usd.usd))
        for (status, cause), group in sorted(found.groups.items(), key=lambda item: STATUSES.index(item[0][0]))
    ]
    deviation_usd = format_usd(found.deviation_usd)

    def document() -> dict[str, object]:
        made: dict[str, object] = {
            "provider": basis.provider,
            "currency": basis.currency,
            "period": basis.period.label,
            "timezone": basis.zone.key,
            "summary": [json_row(SUMMARY_COLUMNS, row) for row in summary],
            "rows": [json_row(COLUMNS, row) for row in rows],
            **{str(status): found.by_status[status] for status in STATUSES},
            "total": {name: cell for name, cell in json_row(COLUMNS, total).items() if name not in LABELS}
            | {"deviation_usd": deviation_usd},
            "tolerance": limit.text,
            "passed": passed,
        }
        if found.conversion_note is not None:
            made["conversion_notes"] = conversion_documents([found.conversion_note])
        return made

    title = f"Reconciled with {basis.provider}, {basis.period.label}, in {unit_of(basis.currency)}"
    verdict = "nothing to compare"
    if passed is not None:
        verdict = f"{deviation_usd} USD apart, {'within' if passed else 'beyond'} the tolerance of {limit.text}"
    lead = Sheet(title, SUMMARY_COLUMNS, summary)
    hidden = sum(found.by_status.values()) - len(rows)
    left_out = f"; --all shows {counted(hidden, 'row')} more, matched or explained by rounding" if hidden else ""
    shown, brief = "Rows" if rows else "No row to show", rows[:MOST_SHOWN] if len(rows) > MOST_SHOWN else None
    notes = [f"{verdict}{left_out}"]
    if brief is not None:
        notes.append(f"Shown are the {MOST_SHOWN:,} greatest differences of {len(rows):,}: CSV and JSON have all.")
    return Sheet(shown, COLUMNS, rows, total, document=document, footnotes=notes, lead=lead, brief=brief)


def tell_what_is_left_out(found: Reconciliation, *, with_statement: bool) -> None:
    """Notes on standard error what was left out of the comparison, and another conversion that explains all of it."""
    if found.conversion_note is not None:
        note(conversion_words(found.conversion_note))
    if found.outside:
        note(f"left out, outside {found.basis.period.label}: {counted(found.outside, 'row')} of the statement")
    for text in found.unread:
        note(f"requests that only the statement has were looked for {text}")
    for model, question in islice(found.unknown_models.items(), MOST_MODELS):
        note(f"model {shown(model)} of the statement is not on card {found.basis.provider!r}: {question}")
    for column, day in found.stray_days.items():
        what = f"column {shown(column)} has days outside {found.basis.period.label}, such as {day}"
        note(f"{what}, and its rows were compared: --map day={column} leaves them out")
    if found.totals is not None:
        note(f"left out as sums of others, by --total-row: {counted(found.totals, 'row')}")
    if found.unstated:
        note(f"left out, without a provider_amount: {counted(found.unstated, 'request')}")
    if not with_statement and not found.by_status:
        note(f"no usage of {found.basis.period.label} has a provider_amount: nothing was compared")
    if found.adjustments_nano:
        sums = ", ".join(f"{format_nano(nano)}{unit_of(code)}" for code, nano in found.adjustments_nano.items())
        note(f"left out, as they have no request: adjustments for these months, {sums}")
