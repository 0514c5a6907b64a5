"""The lakes that a command reads rows of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ledger.errors import LedgerError

if TYPE_CHECKING:
    from ledger.lake.given import Lakes

lake_option = click.option(
    "--lake",
    "lakes",
    metavar="LAKE",
    multiple=True,
    help="A lake, whose posted usage has its rows there; may be repeated.",
)


def open_lakes(names: Sequence[str]) -> Lakes:
    """Opens the lakes of `lake_option`."""
    from ledger.lake.given import Lakes

    try:
        if names:
            import ledger.lake.rows  # noqa: F401 - the libraries that reading takes
        return Lakes(names)
    except ModuleNotFoundError as error:
        raise LedgerError(f"a lake needs {error.name}: pip install 'tollbook[lake]'") from error
