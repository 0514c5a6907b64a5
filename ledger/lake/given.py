"""Lakes that a command is given, whose rows it reads beside the book's."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection

from ledger.book.archived import lakes_at
from ledger.book.sources import lakes_of
from ledger.book.with_usage import ChargeWithUsage
from ledger.book.without_rows import Outside, check_rows
from ledger.lake.posted import Posting, read_postings
from ledger.lake.store import open_lake
from ledger.store.database import settings_in

if TYPE_CHECKING:
    from ledger.lake.rows import RowReader

R = TypeVar("R")
T = TypeVar("T", bound=ChargeWithUsage)


class Lakes:
    """Lakes by their folders or URLs; or none, and the book's rows are all."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        opened = [open_lake(name, making=False) for name in names]
        self._lakes = {lake.id: lake for lake in opened}
        self._checked: set[str] = set()

    def check(self, connection: Connection, sources: Sequence[Outside], what: str) -> None:
        """Raises a LedgerError where sources, all of them with sums alone, have their rows in none of these."""
        check_rows(self.missing(connection, sources), what, takes_lakes=True)

    def missing(self, connection: Connection, sources: Sequence[Outside]) -> list[Outside]:
        """Returns the sources, of those with sums alone, that have their rows in none of these."""
        homes = lakes_of(connection, [each.source for each in sources], settings_in(connection))
        opened = {Outside(source, "") for source, home in homes.items() if home.lake in self._lakes}
        archived = (each for each in sources if each.archive)
        opened |= {each for each in archived if lakes_at(connection, each.archive) <= self._lakes.keys()}
        return [each for each in sources if each not in opened]

    def beside(
        self, book: Generator[T], connection: Connection, wanted: Callable[[Posting], Posting | None], row: type[T]
    ) -> Generator[T]:
        """Returns charges of the book and of wanted postings in order of posting; `row` has fields of `RowReader`.

        Those that were archived are among them. LedgerError where manifests or files aren't those that were posted.
        """
        fields = row.__struct_fields__
        others = self.archived(connection, wanted, row, fields)
        postings = sorted(filter(None, map(wanted, self._postings(connection))), key=attrgetter("first_id"))
        if postings:
            reader = self.reader(connection, postings)
            others.append(charge for each in postings for charge in reader.rows(each, row, fields, {}))
        return _merged(book, *others) if others else book

    def archived(
        self,
        connection: Connection,
        wanted: Callable[[Posting], Posting | None],
        row: Callable[..., R],
        fields: Sequence[str],
        only: Mapping[str, Collection[str]] = MappingProxyType({}),
    ) -> list[Generator[R]]:
        """Returns charges that were archived to these, as `ArchivedReader` does."""
        if not self._lakes:
            return []
        from ledger.lake.archived_rows import ArchivedReader  # pyarrow is an extra

        return ArchivedReader(connection, self._lakes).charges(wanted, row, fields, only)

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


def _merged(*parts: Generator[T]) -> Generator[T]:
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(closing(part))
        yield from heapq.merge(*parts, key=attrgetter("id"))
