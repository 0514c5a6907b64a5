"""`tollbook budget report`: the page of a month."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from ledger.cli.app import App, check_text
from ledger.cli.command import command
from ledger.cli.show.output import Output, note, output_options

PAGE_FORMATS = ("html", "markdown", "json", "csv")


@command(
    "tollbook budget report --month last -o march.html",
    "tollbook budget report --month 2026-03 --project search --format markdown",
    "tollbook budget report --month 2026-03 --format csv -o march.csv",
    name="report",
    shows=output_options(PAGE_FORMATS),
)
@click.option("--month", metavar="YYYY-MM|last", required=True, help="The month that the page is of, posted basis.")
@click.option("--project", metavar="P", help="The page of this project alone.")
@click.option("--rows", is_flag=True, help="Read the rows of more than 1,000,000 requests too, for what to do.")
def month_page(app: App, *, month: str, project: str | None, rows: bool, output: Output) -> None:
    """Make the page of a month: its cost, its budgets, why it moved.

    Then what to do to spend less, the dearest projects and models, and the details: one file without scripts, for a
    mail, paper or a phone. The page of a closed month is the same for ever.
    """
    write_page(app, output, month=month, project=project, rows=rows)


def write_page(app: App, output: Output, *, month: str, project: str | None, rows: bool) -> None:
    """Writes the page of a month in the output's format."""
    from ledger.pages.figures.read import read_month
    from ledger.pages.view.page import page_of

    if project is not None:
        check_text("--project", project)
    figures = read_month(
        app.open(), month, project=project, rows=rows, expectations=app.config.sources, now=datetime.now(UTC)
    )
    page = page_of(figures, output.format)
    if output.format == "html":
        from ledger.pages.html import to_html

        data = to_html(page).encode()
    elif output.format == "markdown":
        from ledger.pages.markdown import to_markdown

        data = to_markdown(page).encode()
    else:
        from ledger.pages.document import document_of
        from ledger.pages.tidy import to_csv, to_json

        document = document_of(figures, page)
        if output.format == "csv":
            data = to_csv(document, excel=output.excel)
        else:
            data = to_json(document, indent=2 if output.to_terminal else None).encode()
    with output.stream() as out:
        out.write(data)
    for text in figures.notes:
        note(text)
