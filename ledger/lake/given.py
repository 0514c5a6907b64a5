"""Lakes that a command is given, whose rows it reads beside the book's."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from operator import attrgetter
from typing import TypeVar

from sqlalchemy import Connection

from ledger.book.in_lakes import check_rows
from ledger.book.sources import lakes_of
from ledger.book.with_usage import ChargeWithUsage
from ledger.lake.posted import Posting, read_postings
from ledger.lake.store import open_lake

T = TypeVar("T", bound=ChargeWithUsage)


class Lakes:
    """Lakes by their folders or URLs; or none, and the book's rows are all."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        opened = [open_lake(name, making=False) for name in names]
        self._lakes = {lake.id: lake for lake in opened}

    def check(self, connection: Connection, sources: Sequence[str], what: str) -> None:
        """Raises a LedgerError where sources, all of them with sums of a lake, have their rows in none of these."""
        homes = lakes_of(connection, sources)
        check_rows([source for source in sources if homes.get(source) not in self._lakes], what, takes_lakes=True)

    def beside(
        self, book: Generator[T], connection: Connection, wanted: Callable[[Posting], Posting | None], row: type[T]
    ) -> Generator[T]:
        """Returns charges of the book and of wanted postings in order of posting; `row` as `RowReader` makes it.

        LedgerError where manifests or files aren't those that were posted.
        """
        found = (posting for lake in self._lakes for posting in read_postings(connection, lake))
        postings = sorted(filter(None, map(wanted, found)), key=attrgetter("first_id"))
        if not postings:
            return book
        from ledger.lake.rows import RowReader  # pyarrow is an extra

        reader = RowReader(connection, self._lakes.values(), postings)
        return _merged(book, (charge for posting in postings for charge in reader.rows(posting, row)))


def _merged(book: Generator[T], of_lakes: Generator[T]) -> Generator[T]:
    with closing(book), closing(of_lakes):
        yield from heapq.merge(book, of_lakes, key=attrgetter("id"))
