"""Lays an item out as the cells of a FOCUS row."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from fractions import Fraction
from functools import lru_cache
from zoneinfo import ZoneInfo

from ledger.book.project_names import Projects
from ledger.config import FocusSection
from ledger.exports.focus.items.item import Costs, Item
from ledger.exports.focus.layout.columns import COLUMNS
from ledger.exports.focus.layout.names import party_cells
from ledger.exports.focus.layout.numbers import decimal_text, nano_text, usd_text
from ledger.exports.focus.layout.shared_cells import TOKENS, Cells, nature, prices, sku, tokens_priced, top_up_prices
from ledger.exports.formats.columns import Cell, Row
from ledger.values.calendar import day_start
from ledger.values.instants import moment_text
from ledger.values.periods import month_span
from pricing.money import PICO_PER_NANO

PLACE = {column.name: place for place, column in enumerate(COLUMNS)}
# The cells that differ between rows of otherwise one kind, in the order of `_varying`.
VARYING = tuple(
    PLACE[name]
    for name in (
        "BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "ChargePeriodStart", "ChargePeriodEnd",
        "ConsumedQuantity", "PricingQuantity", "PricingCurrencyEffectiveCost", "Tags",
    )
)  # fmt: skip
MILLIONTHS = 6


class Rows:
    """Makes the rows of one month; `invoice_id` is the same in all of them, or none."""

    def __init__(
        self, month: str, zone: ZoneInfo, *, focus: FocusSection, projects: Projects, invoice_id: str | None = None
    ) -> None:
        self._zone = zone
        self._focus = focus
        self._projects = projects
        span = month_span(month, zone)
        assert span.start is not None
        assert span.end is not None
        self._of_all: Cells = {
            "BillingPeriodStart": moment_text(span.start, "seconds"),
            "BillingPeriodEnd": moment_text(span.end, "seconds"),
            "InvoiceId": invoice_id,
        }
        # Rows of one kind share most cells: few of these are worked out.
        self._shared = lru_cache(maxsize=20_000)(self._work_out)
        self._midnight = lru_cache(maxsize=5_000)(self._work_out_midnight)

    def row(self, item: Item, costs: Costs) -> Row:
        """Lays out the cells of COLUMNS, and those of LINE_COLUMNS where the item is of one line."""
        # An adjustment's sign says what it is; else its amount, and what else varies, is left out.
        kind_of_item = item._replace(
            amount_pico=-1 if item.amount_pico < 0 else 1, days=("", ""), counts_on="", quantity=0, tags=None, line=None
        )
        cells = list(self._shared(kind_of_item))
        for place, cell in zip(VARYING, self._varying(item, costs), strict=True):
            cells[place] = cell
        if item.kind == "top_up":
            credits_nano = item.amount_pico // PICO_PER_NANO
            for name, cell in top_up_prices(usd_text(Fraction(costs.list_nano, credits_nano))).items():
                cells[PLACE[name]] = cell
        return (*cells, *(item.line or ()))

    def _varying(self, item: Item, costs: Costs) -> Row:
        list_cost, contracted_cost, billed_cost, effective_cost = self._costs(costs)
        amount = decimal_text(item.amount_pico, 12)
        consumed = priced = None
        if item.kind == "usage":
            consumed = decimal_text(item.quantity, 0)
            priced = decimal_text(item.quantity * TOKENS // tokens_priced(item.meter), MILLIONTHS)
        return (
            billed_cost,
            effective_cost,
            list_cost,
            contracted_cost,
            self._midnight(item.days[0]),
            self._midnight(item.days[1]),
            consumed,
            priced or amount,
            # Credits count when they are used: not as they are bought, and not again as they are paid for later.
            "0.0" if item.kind in {"top_up", "repaid"} else amount,
            item.tags,
        )

    @staticmethod
    def _costs(costs: Costs) -> Iterable[str]:
        if len(set(costs)) == 1:  # nothing is prepaid, nor under contract
            return (nano_text(costs.list_nano),) * len(costs)
        return map(nano_text, costs)

    def _work_out_midnight(self, day: str) -> str:
        return moment_text(day_start(date.fromisoformat(day), self._zone), "seconds")

    def _work_out(self, item: Item) -> list[Cell]:
        cells = self._of_all | party_cells(item.provider, self._focus) | nature(item) | sku(item) | prices(item)
        if item.project is not None:
            project = self._projects.of(item.project)
            cells |= {
                "SubAccountId": project.id,
                "SubAccountName": project.name or project.id,
                "x_CostCenter": project.cost_center,
                "x_Owner": project.owner,
            }
        return [cells.get(column.name) for column in COLUMNS]
