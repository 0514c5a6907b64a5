"""A manifest's sums posted into the book, all or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, select

from ledger.book.cells import Cells
from ledger.book.corrections.void_sums import live_manifests, posted_as
from ledger.book.lake_cells import amounts_of
from ledger.book.lake_posting import LakePoster
from ledger.book.open_months import first_open_month, posted_month
from ledger.book.posting import Run
from ledger.book.prices.in_force import cards_in_force
from ledger.book.prices.pins import PinnedIds
from ledger.book.sources import check_sources_of, claim_sources
from ledger.errors import LedgerError
from ledger.intake.containers.inputs import is_url, reaching
from ledger.lake.cells import CellKey, CellsRead, read_cells
from ledger.lake.manifest import Manifest, read_manifest
from ledger.lake.store import Lake
from ledger.store.database import Database, settings_in
from ledger.store.expressions import microseconds
from ledger.store.tables import MEASURES, conversions, rate_entries
from ledger.store.tables.rollups import Dimensions
from ledger.values.instants import from_microseconds, to_microseconds
from pricing.money import format_nano

_REQUESTS = MEASURES.index("requests")


@dataclass(slots=True)
class LakePosted:
    """The outcome of a post: its batch, None for a trial or where there is nothing, and what was posted by currency.

    `repeated` where the manifest was posted before.
    """

    manifest: Manifest
    digest: str
    batch_id: int | None = None
    repeated: bool = False
    posted_month: str = ""
    cells: int = 0
    requests: int = 0
    amounts_nano: Counter[str] = field(default_factory=Counter)

    def add(self, cells: Cells) -> None:
        """Counts cells in."""
        self.cells += len(cells.time)
        self.requests += sum(cells.sums[_REQUESTS].tolist())
        self.amounts_nano.update(amounts_of(cells))


def post_manifest(database: Database, path: str, *, dry_run: bool = False) -> LakePosted:
    """Posts the sums of a manifest, each in its month or the first open one after it; nothing the second time.

    LedgerError, and nothing is posted, where any of them can't be.
    """
    lake, manifest, digest = _opened(path)
    options = {"lake": manifest.lake, "manifest": manifest.number, "month": manifest.month}
    run = Run("lake", options | {"rollup_tags": sorted(manifest.rollup_tags)})
    result = LakePosted(manifest, digest)
    with database.reading() if dry_run else database.writing() as connection:
        run.reference, done = posted_as(connection, digest)
        if done is not None:
            result.batch_id, result.repeated = done, True
            return result
        _check_settings(database, manifest)
        other = live_manifests(connection, manifest.lake).get(manifest.number)
        if other is not None:
            raise LedgerError(
                f"batch {other} has the sums of another manifest {manifest.number} of lake {manifest.lake}: restore "
                f"that one, or take its sums back first: tollbook void --batch {other}"
            )
        check_sources_of(connection, manifest.sources, settings_in(connection), manifest.lake, manifest.month)
        poster = LakePoster(database, run)
        result.posted_month = posted_month(manifest.month, first_open_month(connection))
        resolved = ResolvedCells(connection, result.posted_month, adding=not dry_run)
        latest: dict[str, int] = {}
        for read in _read_cells(lake, manifest, poster):
            cells = resolved.cells(read)
            poster.check(connection, cells)
            result.add(cells)
            _note_latest(latest, cells)
            if not dry_run:
                poster.post(connection, cells)
        if not dry_run and latest:
            claim_sources(connection, latest, manifest.lake)
    result.batch_id = run.id
    return result


def _opened(path: str) -> tuple[Lake, Manifest, str]:
    """Opens the lake of a manifest by the manifest's path or URL; returns it, the manifest and its digest."""
    name = path if is_url(path) else str(Path(path).resolve())
    try:
        with reaching(name) as (store, there):
            data = store.cat_file(there)
    except OSError as error:
        raise LedgerError(f"{path}: can't be read: {error.strerror}") from error
    manifest, digest = read_manifest(data, path)
    root, name = (each.rpartition("/")[0].rpartition("/")[0] for each in (there, name))
    return Lake(name, manifest.lake, store, root), manifest, digest


def _read_cells(lake: Lake, manifest: Manifest, poster: LakePoster) -> Iterator[CellsRead]:
    """Reads the sums of a manifest, whose files must be those that were written."""
    lake.check(manifest.cells)
    for file in manifest.cells:
        count = 0
        with lake.open(file.path) as opened:
            for read in read_cells(opened, file.path, manifest, poster.calendar):
                count += len(read.time)
                yield read
        if count != file.rows:
            raise LedgerError(f"{file.path}: has {count} rows, its manifest says {file.rows}: price the usage again")


def _check_settings(database: Database, manifest: Manifest) -> None:
    if manifest.timezone != database.zone_name:
        raise LedgerError(
            f"the manifest's months are of {manifest.timezone}, the ledger's of {database.zone_name}: "
            "price the usage again in the ledger's zone"
        )
    stated, kept = sorted(manifest.rollup_tags), sorted(database.rollup_tags)
    if stated != kept:
        raise LedgerError(
            f"the manifest's sums are by tags {', '.join(stated) or 'none'}, the ledger rolls up "
            f"{', '.join(kept) or 'none'}: price the usage again by these"
        )


def _note_latest(latest: dict[str, int], cells: Cells) -> None:
    for place, at in zip(cells.key_place.tolist(), cells.last_occurred_at.tolist(), strict=True):
        source = cells.keys[place].source
        latest[source] = max(latest.get(source, at), at)


class _Entry(NamedTuple):
    """A price entry: its row, what it is of, and when it begins, in microseconds."""

    id: int
    provider: str
    model: str
    currency: str
    start_us: int


class ResolvedCells:
    """Row ids of the price entries and conversions that cells name; with `adding`, of those in force all have rows."""

    def __init__(self, connection: Connection, in_books: str, *, adding: bool) -> None:
        self._in_books = in_books
        cards = cards_in_force(connection)
        pins = PinnedIds()
        pins.pin(connection, cards.values(), adding=adding)
        self._entries = read_entries(connection)
        self._conversions = read_conversions(connection)
        for card in cards.values():
            for entry in card.entries():
                begins = to_microseconds(entry.effective_from)
                own = _Entry(pins.entry(entry), card.provider, entry.model, entry.currency, begins)
                self._entries.setdefault(entry.key, own)
            for each in card.conversions:
                named = card.provider, card.currency, each.per_usd_nano, to_microseconds(each.effective_from)
                self._conversions.setdefault(named, pins.conversion(card.provider, each) or 0)

    def cells(self, read: CellsRead) -> Cells:
        """Returns cells by the ledger's dimensions."""
        import numpy as np

        starts = np.array([self._entry(key).start_us for key in read.keys], dtype=np.int64)[read.key_place]
        if (starts > read.last_occurred_at).any():
            key = read.keys[read.key_place[int((starts > read.last_occurred_at).argmax())]]
            raise LedgerError(f"price entry {key.rate_entry} had not begun when usage by it occurred: {_AGAIN}")
        keys = [self._dimensions(key) for key in read.keys]
        return Cells(keys, read.time, read.key_place, read.sums, read.last_occurred_at)

    def _entry(self, key: CellKey) -> _Entry:
        entry = self._entries.get(key.rate_entry)
        if entry is None:
            raise LedgerError(
                f"price entry {key.rate_entry} isn't in this ledger: add the card that it is of with 'tollbook rates "
                "add FILE' and post again"
            )
        stated = key.provider, key.billed_model, key.currency
        if stated != entry[1:4]:
            raise LedgerError(f"price entry {key.rate_entry} isn't one of {' '.join(stated)}: {_AGAIN}")
        return entry

    def _dimensions(self, key: CellKey) -> Dimensions:
        stated = {name: value for name, value in key._asdict().items() if name in Dimensions._fields}
        return Dimensions(
            **stated,
            posted_month=self._in_books,
            charge_class="charge",
            rate_entry_id=self._entry(key).id,
            conversion_id=self._conversion(key),
        )

    def _conversion(self, key: CellKey) -> int | None:
        if key.per_usd_nano is None or key.conversion_from is None:
            return None
        found = self._conversions.get((key.provider, key.currency, key.per_usd_nano, key.conversion_from))
        if found is None:
            start = from_microseconds(key.conversion_from)
            raise LedgerError(
                f"the conversion of {key.provider}, {format_nano(key.per_usd_nano)} {key.currency} for 1 USD from "
                f"{start:%Y-%m-%dT%H:%MZ}, isn't in this ledger: add it with 'tollbook rates conversion' and post again"
            )
        return found


_AGAIN = "price the usage again"


def read_entries(connection: Connection) -> dict[str, _Entry]:
    found = rate_entries.c
    query = select(found.key, found.id, found.provider, found.model, found.currency, microseconds(found.effective_from))
    return {key: _Entry(*own) for key, *own in connection.execute(query)}


def read_conversions(connection: Connection) -> dict[tuple[str, str, int, int], int]:
    """Reads conversions by what they say; of one that was put back, the first row, to which all charges are pinned."""
    found = conversions.c
    columns = found.provider, found.currency, found.per_usd_nano, microseconds(found.effective_from), found.id
    rows: dict[tuple[str, str, int, int], int] = {}
    for provider, currency, per_usd_nano, start_us, number in connection.execute(select(*columns).order_by(found.id)):
        rows.setdefault((provider, currency, per_usd_nano, start_us), number)
    return rows
