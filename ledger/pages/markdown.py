"""A page as Markdown: the same words and tables as in HTML, bars left out."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.pages.view.blocks import Cell, Page, Section, Table
from ledger.pages.view.words import Text, plain
from ledger.values.markdown import markdown_text


def to_markdown(page: Page) -> str:
    """Returns the page; whatever text the data has can't become markup."""
    lines = [f"# {' '.join(map(_text, page.verdict))}", "", _text(page.kicker), ""]
    lines += [f"- **{fact.label}**: {_text(fact.text)}" for fact in page.facts]
    for section in (*page.first, *page.details):
        lines += ["", f"## {_text(section.heading)}", *_section(section)]
    lines += ["", "---", "", *(f"{_text(line)}  " for line in page.footer)]
    lines.append(f"{page.control}, as {_code(page.report_command)} says. This page again: {_code(page.command)}")
    return "\n".join(lines) + "\n"


def _section(section: Section) -> Iterator[str]:
    for line in section.lines:
        yield from ("", _text(line))
    tables = section.tables if section.chart is None else (*section.tables, section.chart.table)
    for table in tables:
        yield from ("", *_table(table))
    if section.note:
        yield from ("", _text(section.note))


def _table(table: Table) -> Iterator[str]:
    kept = [place for place, head in enumerate(table.headings) if head.text]
    yield f"| {' | '.join(table.headings[place].text for place in kept)} |"
    yield f"| {' | '.join('--:' if table.headings[place].kind == 'number' else ':--' for place in kept)} |"
    for row in (*table.rows, *([table.total] if table.total else [])):
        yield f"| {' | '.join(_cell(row[place]) for place in kept)} |"


def _cell(cell: Cell) -> str:
    return f"{_text(cell.text)} ({_text(cell.note)})" if cell.note else _text(cell.text)


def _text(text: Text) -> str:
    return markdown_text(plain(text))


def _code(command: str) -> str:
    """Returns a command between as many marks as it has none of in a row."""
    marks = "`"
    while marks in command:
        marks += "`"
    return f"{marks} {command} {marks}" if len(marks) > 1 else f"`{command}`"
