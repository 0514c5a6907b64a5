"""The lakes that a command reads rows of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ledger.errors import LedgerError

if TYPE_CHECKING:
    from ledger.lake.given import Lakes
    from ledger.lake.store import Lake

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

    with needing_lakes():
        if names:
            import ledger.lake.rows  # noqa: F401 - the libraries that reading takes
        return Lakes(names)


def open_archives(names: Sequence[str]) -> list[Lake]:
    """Opens the lakes that rows were archived to."""
    with needing_lakes():
        if not names:
            return []
        import ledger.lake.archived_file  # noqa: F401 - the libraries that reading takes
        from ledger.lake.store import open_lake

        return [open_lake(name, making=False) for name in names]


@contextmanager
def needing_lakes() -> Iterator[None]:
    """Tells what to install where a library that lakes take is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise LedgerError(f"a lake needs {error.name}: pip install 'tollbook[lake]'") from error
