"""`export focus`: a month's books as FOCUS 1.2 Cost and Usage rows, streamed from one snapshot of the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

from ledger.book.prices.pinned import read_rate_entries, read_usd_rates
from ledger.book.project_names import read_projects
from ledger.book.rollups import TagSubset
from ledger.book.without_rows import check_rows, month_without_rows
from ledger.config import FocusSection
from ledger.errors import LedgerError
from ledger.exports.focus.items.by_charge import adjustment_item, line_items
from ledger.exports.focus.items.by_day import day_items, items_of_charges
from ledger.exports.focus.items.costs import Costing, WalletShare
from ledger.exports.focus.items.item import Costs, GrainName, Item
from ledger.exports.focus.items.lookups import Books
from ledger.exports.focus.items.of_wallets import wallet_rows
from ledger.exports.focus.items.read import (
    corrects_earlier_usage,
    read_adjustments,
    read_late_corrected,
    read_posted,
    read_rolled_up,
)
from ledger.exports.focus.layout.columns import COLUMNS, LINE_COLUMNS
from ledger.exports.focus.layout.row import Rows
from ledger.exports.formats.columns import Row
from ledger.exports.formats.writer import ExportFile
from ledger.exports.manifest import Exported
from ledger.lake.given import Lakes
from ledger.months.version import MonthSettings, month_settings, month_version
from ledger.store.database import Database
from ledger.values.calendar import Calendar
from ledger.wallet.month import BillingMode, MonthWallet, month_wallets
from pricing.money import PICO_PER_NANO, format_nano

_AS_CLOSED = "day, with tags that were rolled up when the month was closed,"
# Items that charges come to; the others are of wallets.
CHARGED = frozenset({"usage", "rounding", "adjustment"})


@dataclass(frozen=True, slots=True)
class FocusOptions:
    """The caller's choices: rows, how the month is billed (None: as it was closed), and its invoice."""

    grain: GrainName = "day"
    billing: BillingMode | None = None
    invoice_id: str | None = None

    def __post_init__(self) -> None:
        if self.invoice_id is not None and not self.invoice_id.strip():
            raise LedgerError("--invoice-id is empty: give the invoice's number, or leave it out")


@dataclass(slots=True)
class Totals:
    """The control totals: rows, pico of charges by currency, and nano-USD of each cost, top-ups and lots included.

    `usd_nano` is that of charges at their conversions, which is a report's of the same month.
    """

    rows: int = 0
    amounts_pico: Counter[str] = field(default_factory=Counter)
    costs_nano: list[int] = field(default_factory=lambda: [0] * len(Costs._fields))
    usd_nano: int = 0

    def add(self, item: Item, costs: Costs) -> None:
        """Counts a row in."""
        self.rows += 1
        self.costs_nano = [one + other for one, other in zip(self.costs_nano, costs, strict=True)]
        if item.kind in CHARGED:
            self.amounts_pico[item.currency] += item.amount_pico
            self.usd_nano += costs.contracted_nano

    @property
    def amounts(self) -> dict[str, str]:
        """Plain decimals by currency."""
        return {code: format_nano(pico // PICO_PER_NANO) for code, pico in sorted(self.amounts_pico.items())}

    def document(self) -> dict[str, object]:
        """Returns the totals as JSON has them."""
        names = ("list_cost", "contracted_cost", "billed_cost", "effective_cost")
        costs = {name: format_nano(nano) for name, nano in zip(names, self.costs_nano, strict=True)}
        return {"rows": self.rows, "amounts": self.amounts, "usd": format_nano(self.usd_nano), **costs}

    def words(self) -> str:
        """Returns the totals as people read them."""
        amounts = " + ".join(f"{amount} {code}" for code, amount in self.amounts.items()) or "0"
        _list_nano, _contracted_nano, billed_nano, effective_nano = self.costs_nano
        return (
            f"{self.rows:,} rows, {amounts} = {format_nano(self.usd_nano)} USD; "
            f"billed {format_nano(billed_nano)} USD, effective {format_nano(effective_nano)} USD"
        )


def export_focus(
    database: Database,
    month: str,
    file: ExportFile,
    options: FocusOptions,
    *,
    focus: FocusSection,
    now: datetime,
    lakes: Lakes | None = None,
) -> Exported:
    """Writes the rows of a month of the ledger's zone; memory doesn't grow with its charges.

    `focus` names open months; a closed one goes by what was kept with its close. `lakes` have the rows of usage whose
    sums were posted, for lines of charges.
    """
    lakes = lakes or Lakes()
    totals = Totals()
    with database.reading() as connection:
        settings = month_settings(
            connection, month, MonthSettings(focus=focus, rollup_tags=tuple(database.rollup_tags))
        )
        books = Books(
            month,
            Calendar(database.zone),
            read_rate_entries(connection),
            read_usd_rates(connection),
            read_projects(connection, month),
            TagSubset(settings.rollup_tags),
        )
        by_day = options.grain == "day" and set(settings.rollup_tags) <= set(database.rollup_tags)
        items: Iterator[Item]
        if options.grain == "charge":
            lakes.check(connection, month_without_rows(connection, month), "export focus by charge")
            items = line_items(read_posted(connection, month, lakes), books)
        elif by_day:
            late = read_late_corrected(connection, month) if corrects_earlier_usage(connection, month) else ()
            items = day_items(read_rolled_up(connection, month), late, books)
        else:
            # Lakes would have nothing of late usage that was voided in the month, of which roll-ups have both.
            check_rows(month_without_rows(connection, month), f"export focus by {_AS_CLOSED}")
            items = items_of_charges(read_posted(connection, month, Lakes()), books)
        if options.grain == "day":
            adjustments = read_adjustments(connection, month)
            items = chain(items, (adjustment_item(charge, books) for charge in adjustments))
        wallets = month_wallets(connection, month, options.billing, zone=database.zone, now=now)
        maker = Rows(month, database.zone, focus=settings.focus, projects=books.projects, invoice_id=options.invoice_id)
        title = f"FOCUS 1.2 Cost and Usage, {month} (posted, {database.zone_name})"
        columns = COLUMNS + (LINE_COLUMNS if options.grain == "charge" else ())
        rows = _rows(items, wallets, maker, totals, columns=len(columns))
        file.write("focus", columns, rows, title=title, total=totals.document)
        version = month_version(connection, month)
    return Exported("focus", title, totals.words(), totals.document(), version)


def _rows(
    items: Iterable[Item], wallets: Sequence[MonthWallet], maker: Rows, totals: Totals, *, columns: int
) -> Iterator[Row]:
    """Yields the charges' rows, then those of wallets."""
    shares = {
        (wallet.provider, wallet.currency): WalletShare(wallet.costs, wallet.used_up_before) for wallet in wallets
    }
    costing = Costing(shares)
    of_charges = ((item, costing.of(item)) for item in items)
    of_wallets = (wallet_rows(wallet, shares[wallet.provider, wallet.currency]) for wallet in wallets)
    for item, costs in chain(of_charges, chain.from_iterable(of_wallets)):
        totals.add(item, costs)
        row = maker.row(item, costs)
        yield row + (None,) * (columns - len(row))
