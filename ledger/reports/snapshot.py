"""One snapshot of a ledger, for those who read several sums of it that must agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ledger.reports.selection import Selection
from ledger.reports.spend import SelectedSpend, read_spend
from ledger.store.database import Database


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A connection within `Database.reading`, with the ledger's zone and the tags that are rolled up."""

    connection: Connection
    zone: ZoneInfo
    rollup_tags: tuple[str, ...] = ()
    _known: dict[tuple[Selection, bool], SelectedSpend] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def of(cls, connection: Connection, database: Database) -> Snapshot:
        """Makes the snapshot that a connection to a ledger reads."""
        return cls(connection, database.zone, tuple(database.rollup_tags))

    def spend(self, selection: Selection) -> SelectedSpend:
        """Reads the selection's sums; those of one selection once, as nothing changes in a snapshot."""
        return self._read(selection, amounts_alone=False)

    def amounts(self, selection: Selection) -> SelectedSpend:
        """Reads the same faster, amounts alone: without counts, price entries and tiers."""
        return self._read(selection, amounts_alone=True)

    def _read(self, selection: Selection, *, amounts_alone: bool) -> SelectedSpend:
        if (selection, amounts_alone) not in self._known:
            self._known[selection, amounts_alone] = read_spend(
                self.connection,
                selection,
                ledger_zone=self.zone,
                rollup_tags=self.rollup_tags,
                amounts_alone=amounts_alone,
            )
        return self._known[selection, amounts_alone]
