"""The subject of one FOCUS row, before its money is laid out."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from ledger.exports.formats.columns import Row
from pricing.money import PICO_PER_NANO

# | kind | what |
# |---|---|
# | usage | tokens of one meter at one price |
# | rounding | what settlement or rounding to nano made of usage beyond unit price x quantity |
# | adjustment | a credit note or surcharge |
# | top_up | credits bought or granted |
# | expired | credits that a lot lost |
# | drawn | credits that paid elsewhere |
# | repaid | usage of earlier months beyond the balance then, which a top-up paid since |
ItemKind: TypeAlias = Literal["usage", "rounding", "adjustment", "top_up", "expired", "drawn", "repaid"]
GrainName: TypeAlias = Literal["day", "charge"]


class Rate(NamedTuple):
    """A price: pico of the currency per token (storage: and an hour), the list's, the entry's key and service tier."""

    pico: int
    list_pico: int
    entry: str
    service: str


class Item(NamedTuple):
    """One row's facts. Amounts are pico of the currency, which is what rates x tokens are exact in.

    `quantity` counts tokens or token-hours. `days` are the first day of the charge and the one after its last,
    `counts_on` the day that a wallet counts it on. `corrects` says that it corrects a closed month. `tags` is a JSON
    object; `line` holds the cells of LINE_COLUMNS.
    """

    kind: ItemKind
    provider: str
    currency: str
    per_usd_nano: int | None
    amount_pico: int
    days: tuple[str, str]
    counts_on: str
    project: str | None = None
    model: str | None = None
    tier: str | None = None
    meter: str | None = None
    rate: Rate | None = None
    quantity: int = 0
    corrects: bool = False
    tags: str | None = None
    lot: int | None = None
    granted: bool = False
    reason: str | None = None
    reference: str | None = None
    line: Row | None = None


class Costs(NamedTuple):
    """A row's USD in nano: at list price, as agreed upon, on the invoice, and as it is borne."""

    list_nano: int
    contracted_nano: int
    billed_nano: int
    effective_nano: int


def usage_items(usage: Item, amount_nano: int) -> list[Item]:
    """Splits usage into an item of its unit price x its quantity, and one of what its charges differ from that by.

    2 tokens at 0.25 nano each are 0.5 nano, which round to 0: usage of 500 pico and a rounding of -500.
    """
    assert usage.rate is not None
    exact_pico = usage.rate.pico * usage.quantity
    items = [usage._replace(amount_pico=exact_pico)] if usage.quantity else []
    rounded_pico = amount_nano * PICO_PER_NANO - exact_pico
    if rounded_pico:
        items.append(usage._replace(kind="rounding", amount_pico=rounded_pico, quantity=0))
    return items
