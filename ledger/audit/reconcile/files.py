"""Files of bills, told apart by their first bytes: a workbook, a provider's JSON answer, or CSV."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain

from ledger.audit.reconcile.bills import CreditsLeft, read_answers, read_bill, read_credits
from ledger.audit.reconcile.tables import Table, read_csv
from ledger.audit.reconcile.workbooks import read_workbook
from ledger.errors import LedgerError
from ledger.intake.containers.source import Source
from ledger.values.layout import Layout

_ZIP = b"PK\x03\x04"
# First bytes of files that aren't read -> what they are, and what to do.
_OTHERS = {
    b"\xd0\xcf\x11\xe0": "an Excel file of before 2007 (.xls): save it as .xlsx or CSV",
    b"%PDF": "a PDF: fetch the statement as CSV or .xlsx, or give its amount with --total",
    b"PAR1": "a Parquet file: write it as CSV",
    b"Rar!": "an archive: unpack it and give the file within",
    b"7z\xbc\xaf": "an archive: unpack it and give the file within",
    b"<": "a web page or XML: save it as .xlsx or CSV",
}
# What only answers of these have -> whose they are.
_APIS = {"bucket": "OpenAI", "starting_at": "Anthropic", "byok_usage_inference": "OpenRouter"}


def read_file(source: Source, layout: Layout) -> Table | CreditsLeft:
    """Reads the table of a bill, or the credits that an answer states; LedgerError names what to give."""
    blocks = source.blocks()
    head = next(blocks, b"")
    for start, what in _OTHERS.items():
        if head.startswith(start):
            raise LedgerError(f"{source.name} is {what}")
    if head.startswith(_ZIP):
        _refuse(source.name, "a workbook", {"encoding": layout.encoding != "utf-8", "delimiter": layout.delimiter})
        data = b"".join([head, *blocks])
        _check_workbook(source.name, data)
        return read_workbook(source.name, data, layout)
    if head.lstrip()[:1] not in (b"{", b"["):
        _refuse(source.name, "CSV", {"sheet": layout.sheet})
        return read_csv(source, chain([head], blocks), layout)
    _refuse(source.name, "JSON", {"sheet": layout.sheet, "delimiter": layout.delimiter})
    answers = read_answers(source.name, b"".join([head, *blocks]))
    if isinstance(answers[0].get("data"), list):
        rows = json.dumps(answers[0]["data"][:1], default=str)
        whose = next((f"{whose}'s" for mark, whose in _APIS.items() if mark in rows), "a provider's")
        raise LedgerError(
            f"{source.name} looks like an answer of {whose} own interface, whose rows aren't known: export the costs "
            "as CSV in its console, or give their sum with --total"
        )
    if len(answers) == 1 and "data" in answers[0]:
        return read_credits(source.name, answers[0])
    return read_bill(source.name, answers)


def _refuse(name: str, kind: str, stated: Mapping[str, object]) -> None:
    """LedgerError for an option that says nothing of such a file."""
    for option, value in stated.items():
        if value:
            raise LedgerError(f"{name} is {kind}, which has no {option}: leave out --{option}")


def _check_workbook(name: str, data: bytes) -> None:
    """LedgerError for other zip files; a damaged one is for the reader of workbooks to tell."""
    with suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        if "xl/workbook.xml" in names:
            return
        if "xl/workbook.bin" in names or "mimetype" in names:
            raise LedgerError(f"{name} is a workbook of another kind (.xlsb, .ods): save it as .xlsx or CSV")
        raise LedgerError(f"{name} is a zip archive of {', '.join(map(repr, names[:5]))}: unpack it and give the file")
