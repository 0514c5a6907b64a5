"""`tollbook log`: who changed the ledger, when and how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ledger.cli.app import App
from ledger.cli.command import command
from ledger.cli.show.output import Output, note, note_rounded
from ledger.cli.show.sheet import Column, Sheet
from ledger.values.words import counted

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from ledger.audit.log.words import LogLine

# Of a table: what a screen of history needs; the other formats have all.
SHOWN_ENTRIES = 200
_COLUMNS = (Column("entry", "count"), Column("at"), Column("actor"), Column("version", priority=1), Column("what"))
_TITLE = "Log"


@command("tollbook log", "tollbook log --month 2026-03", "tollbook log --format csv -o log.csv")
@click.option("--month", metavar="YYYY-MM|last", help="Only what was done in that month.")
def log(app: App, month: str | None, output: Output) -> None:
    """Show who changed the ledger, when, with which version and how; the newest last.

    Each entry is one change that was kept whole: a part of an ingest, a correction, a close, a budget, a
    top-up, a price. Times are in the ledger's zone. `tollbook verify` checks the log against the rows.
    """
    from ledger.audit.log.words import count_entries, read_log
    from ledger.values.periods import parse_month

    database = app.open()
    span = None if month is None else parse_month(month, zone=database.zone, now=datetime.now(UTC))
    since, until = (None, None) if span is None else (span.start, span.end)
    title = _TITLE if span is None else f"{_TITLE}, {span.month}"
    with database.reading() as connection:
        count = count_entries(connection, since, until)
        if output.format in ("table", "markdown"):
            lines = read_log(connection, since, until, SHOWN_ENTRIES)
            output.write(Sheet(title, _COLUMNS, list(_rows(lines, database.zone))))
            if count > SHOWN_ENTRIES:
                note(
                    f"{counted(count - SHOWN_ENTRIES, 'entry', 'entries')} before these: --format csv and json have all"
                )
        else:
            _write_all(output, title, _rows(read_log(connection, since, until), database.zone), count)


def _rows(lines: Iterable[LogLine], zone: ZoneInfo) -> Iterator[tuple[int, str, str, str, str]]:
    for line in lines:
        at = line.at.astimezone(zone).isoformat(timespec="seconds").replace("+00:00", "Z")
        yield line.entry, at, line.actor, line.version, line.what


def _write_all(output: Output, title: str, rows: Iterator[tuple[int, str, str, str, str]], count: int) -> None:
    """Writes every entry as it is read."""
    from ledger.exports.formats import columns
    from ledger.exports.formats.writer import ExportFile, FileOptions

    kinds: tuple[columns.Column, ...] = (
        columns.Column("entry", "serial"),
        columns.Column("at", "word"),
        *(columns.Column(name, "text") for name in ("actor", "version", "what")),
    )
    with output.stream() as out:
        file = ExportFile(out, FileOptions(output.format, excel=output.excel))  # type: ignore[arg-type]  # one of its
        file.write("log", kinds, rows, title=title, total=lambda: {"entries": count})
    note_rounded(file.rounded_cells)
