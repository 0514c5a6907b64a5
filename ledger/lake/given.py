"""Lakes that a command is given, whose rows it reads beside the book's."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection

from ledger.book.in_lakes import check_rows
from ledger.book.sources import lakes_of
from ledger.book.with_usage import ChargeWithUsage
from ledger.lake.posted import Posting, read_postings
from ledger.lake.store import open_lake
from ledger.store.database import settings_in

if TYPE_CHECKING:
    from ledger.lake.rows import RowReader

T = TypeVar("T", bound=ChargeWithUsage)


class Lakes:
    """Lakes by their folders or URLs; or none, and the book's rows are all."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        opened = [open_lake(name, making=False) for name in names]
        self._lakes = {lake.id: lake for lake in opened}
        self._checked: set[str] = set()

    def check(self, connection: Connection, sources: Sequence[str], what: str) -> None:
        """Raises a LedgerError where sources, all of them with sums of a lake, have their rows in none of these."""
        homes = lakes_of(connection, sources, settings_in(connection))
        known = {source for source, home in homes.items() if home.lake in self._lakes}
        check_rows([source for source in sources if source not in known], what, takes_lakes=True)

    def beside(
        self, book: Generator[T], connection: Connection, wanted: Callable[[Posting], Posting | None], row: type[T]
    ) -> Generator[T]:
        """Returns charges of the book and of wanted postings in order of posting; `row` has fields of `RowReader`.

        LedgerError where manifests or files aren't those that were posted.
        """
        postings = sorted(filter(None, map(wanted, self._postings(connection))), key=attrgetter("first_id"))
        if not postings:
            return book
        reader, fields = self.reader(connection, postings), row.__struct_fields__
        return _merged(book, (charge for each in postings for charge in reader.rows(each, row, fields, {})))

    def live(self, connection: Connection) -> list[Posting]:
        """Reads the postings that nothing has taken back."""
        found = list(self._postings(connection))
        back = {posting.corrects for posting in found}
        return [posting for posting in found if posting.corrects is None and posting not in back]

    def reader(self, connection: Connection, postings: Sequence[Posting]) -> RowReader:
        """Checks the manifests and files of postings, and reads their rows."""
        from ledger.lake.rows import RowReader  # pyarrow is an extra

        return RowReader(connection, self._lakes.values(), postings, self._checked)

    def _postings(self, connection: Connection) -> Iterator[Posting]:
        return (posting for lake in self._lakes for posting in read_postings(connection, lake))


def _merged(book: Generator[T], of_lakes: Generator[T]) -> Generator[T]:
    with closing(book), closing(of_lakes):
        yield from heapq.merge(book, of_lakes, key=attrgetter("id"))
