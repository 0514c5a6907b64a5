"""`tollbook report`: spend by model, project and more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import POSITIVE, App
from ledger.cli.command import command, period_options
from ledger.cli.commands.budget_report import write_page
from ledger.cli.show.output import FILE_FORMATS, SHEET_FORMATS, Output, note, output_options
from ledger.cli.show.sheet import Column, Sheet, without_fees
from ledger.errors import LedgerError
from ledger.reports.completeness_words import not_booked_document, not_booked_words
from ledger.reports.conversion_words import conversion_documents
from ledger.values.instants import moment_text
from ledger.values.words import grouped, listed
from pricing.money import format_nano

if TYPE_CHECKING:
    from ledger.reports.comparison import Compared
    from ledger.reports.table import Report

# What a narrow terminal shows last, most important first; dimensions and usd are always shown.
IMPORTANCE = (
    "usd", "change_usd", "change_percent", "previous_usd", "amount", "credits", "requests", "cache_savings_usd",
    "input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens", "input_credits", "output_credits",
    "cached_input_credits", "cache_storage_credits",
)  # fmt: skip

# What the command line calls an option, where it isn't its name.
OPTIONS = {"dimensions": "by", "models": "model", "tags": "tag"}

PARTS = {"correction": "corrections of closed months", "adjustment": "adjustments"}


@command(
    "tollbook report",
    "tollbook report --by model --by project --month last",
    "tollbook report --by project --month 2026-03 --compare previous --top 10",
    "tollbook report --by day --last 7d --timezone Asia/Shanghai",
    "tollbook report --by charge_class --by project --month last",
    "tollbook report --by tag:team --project search --format csv -o march.csv",
    "tollbook report --by project --month last -o march.xlsx",
    "tollbook report --month last -o march.html",
    shows=output_options((*SHEET_FORMATS, *FILE_FORMATS, "html")),
)
@click.option(
    "--by",
    "dimensions",
    metavar="DIM",
    multiple=True,
    help="model, project, day, month, tier, service_tier, source, provider, status, currency, charge_class or tag:KEY; "
    "may be repeated.  [default: model]",
)
@period_options
@click.option(
    "--basis",
    type=click.Choice(["posted", "occurred"]),
    default="posted",
    show_default=True,
    help="Periods by the month it is booked in, or by when it happened.",
)
@click.option("--project", "projects", metavar="P", multiple=True, help="Only this project; of several, any.")
@click.option("--model", "models", metavar="M", multiple=True, help="Only this billed model; of several, any.")
@click.option(
    "--tag", "tags", metavar="K=V", multiple=True, help="Only with this tag; of several values of a key, any."
)
@click.option("--sort", metavar="COLUMN", help="By this column: numbers falling, text rising.")
@click.option("--top", metavar="N", type=POSITIVE, help="The first N rows; the total stays that of all.")
@click.option("--list-prices", is_flag=True, help="Beside it what list prices come to, and what contracts saved.")
@click.option("--rows", is_flag=True, help="Of the page: read the rows of more than 1,000,000 requests too.")
@click.option(
    "--compare",
    metavar="previous|YYYY-MM",
    help="Beside another period: the one before, or a month; as much of it as is over of this one.",
)
def report(app: App, /, *, output: Output, rows: bool, **options: Any) -> None:
    """Show what was spent, by model, project, day, month, tier, tag and more.

    Amounts are exact; USD is converted at the rate in effect when each request happened and rounded once a figure.
    A table rounds for the eye: --format json and csv have every place. --format html is the page of a month, as
    'tollbook budget report' makes it.
    """
    if output.format == "html":
        _write_page(app, output, rows=rows, **options)
        return
    if rows:
        raise LedgerError("--rows is for the page of a month: give --format html too, or leave it out")
    from ledger.reports.report import ReportOptions, run_report

    asked = ReportOptions(**options)
    found = run_report(app.open(), asked, now=datetime.now(UTC))
    output.write(_sheet(found))
    for text in found.notes:
        note(text)
    if output.format in ("csv", *FILE_FORMATS):
        for text in _words(found):
            note(text)


def _write_page(app: App, output: Output, *, rows: bool, **options: Any) -> None:
    """Writes the page of the month; LedgerError for options that it has no room for."""
    taken = ("month", "projects", "basis")
    others = [f"--{OPTIONS.get(name, name)}" for name, value in options.items() if value and name not in taken]
    if options["basis"] != "posted":
        others.append(f"--basis {options['basis']}")
    if others:
        raise LedgerError(f"--format html is the page of a month: leave out {listed(others)}")
    if options["month"] is None or len(options["projects"]) > 1:
        give = "give --month" if options["month"] is None else "give one --project, or none"
        raise LedgerError(f"--format html is the page of a month, of all projects or one: {give}")
    write_page(app, output, month=options["month"], project=next(iter(options["projects"]), None), rows=rows)


def _sheet(report: Report) -> Sheet:
    columns = [
        Column(column.name, column.kind, IMPORTANCE.index(column.name) if column.name in IMPORTANCE else 0)
        for column in report.columns
    ]
    return Sheet(
        report.title,
        columns,
        report.rows,
        report.total,
        facts={
            "data_through": report.data_through,
            "not_booked": not_booked_document(report.not_booked),
            "corrections_usd": format_nano(report.corrections_usd_nano),
            "adjustments_usd": format_nano(report.adjustments_usd_nano),
        }
        | ({"unbooked_tool_calls": report.unbooked_calls} if report.unbooked_calls else {})
        | ({"compared_with": _other(report.compared)} if report.compared else {})
        | ({"conversion_notes": conversion_documents(report.conversion_notes)} if report.conversion_notes else {}),
        footnotes=([f"data through {report.data_through}"] if report.data_through else []) + _words(report),
        total_label="total, at least" if report.not_booked else "total",
    )


def _words(report: Report) -> list[str]:
    """Returns what readers of the figures must know: lines under a table, notes beside a file."""
    parts = [
        f"{grouped(format_nano(report.parts_usd_nano[part]))} USD {word}"
        for part, word in PARTS.items()
        if part in report.parts_usd_nano
    ]
    return (
        not_booked_words(report.not_booked)
        + ([without_fees(report.unbooked_calls)] if report.unbooked_calls else [])
        + ([f"in the total: {', '.join(parts)}"] if parts else [])
        + [remark.message for remark in (report.compared.remarks if report.compared else ())]
    )


def _other(compared: Compared) -> dict[str, object]:
    span = compared.span
    since, until = (moment and moment_text(moment) for moment in (span.start, span.end))
    return {"since": since, "until": until, "remarks": [remark._asdict() for remark in compared.remarks]}
