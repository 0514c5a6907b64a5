"""The manifest of an exported file: its digest, rows and control totals, and which close of which month it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ledger.exports.formats.writer import SCHEMA, ExportFile
from ledger.months.version import MonthVersion
from ledger.values.safe_text import json_text


class Exported(NamedTuple):
    """An export's account of itself once it is written: its control totals as people and as programs read them."""

    name: str
    title: str
    words: str
    totals: Mapping[str, object]
    version: MonthVersion
    notes: Sequence[str] = ()


def manifest(file_name: str | None, file: ExportFile, exported: Exported) -> bytes:
    """The manifest of a file as JSON; `file_name` None is standard output.

    `closed` is the number of the month's close, null where it was open: the next export may then differ.
    """
    document = {
        "schema": SCHEMA,
        "export": exported.name,
        "title": exported.title,
        "file": file_name,
        "format": file.options.format,
        "sha256": file.sha256,
        "rows": file.rows,
        "total": exported.totals,
        "month": exported.version.month,
        "closed": exported.version.closed,
        "export_version": exported.version.export_version,
        "last_redaction": exported.version.last_redaction,
        "guarded_cells": file.guarded_cells,
    }
    return (json_text(document, indent=2) + "\n").encode()
