"""FOCUS exports at the command line, as rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from decimal import Decimal

from tests.conftest import Cli

FEBRUARY, MARCH, APRIL = ("2026-02", "2026-03", "2026-04")
Row = dict[str, str]


def export(cli: Cli, month: str = MARCH, *options: str) -> str:
    return cli("export", "focus", "--month", month, *options).ok().stdout


def rows_of(text: str) -> list[Row]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def rows(cli: Cli, month: str = MARCH, *options: str) -> list[Row]:
    return rows_of(export(cli, month, *options))


def lines_of(cli: Cli, month: str = MARCH, *options: str) -> list[Row]:
    return rows(cli, month, "--grain", "charge", *options)


def cells(found: Iterable[Row], *names: str) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in names) for row in found]


def total(found: Iterable[Row], name: str) -> Decimal:
    """The column's sum, exactly."""
    return sum((Decimal(row[name]) for row in found), Decimal())
