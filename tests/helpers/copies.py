"""Copies of a ledger, compared with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conftest import Cli, close_connections
from tests.helpers.ledgers import rows

BOOK = ("batches", "usage_records", "charges")


def book_of(url: str) -> dict[str, list[Any]]:
    """The rows of the book, table by table."""
    return {name: rows(url, f"SELECT * FROM {name} ORDER BY id") for name in BOOK}


def assert_sound(cli: Cli, url: str) -> None:
    cli("verify", "--db", url).ok()
    cli("db", "check", "--db", url).ok()
    close_connections()


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"
