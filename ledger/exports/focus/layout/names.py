"""Who bills and who is billed, as the cells of a FOCUS row name them."""

from __future__ import annotations

from typing import NamedTuple

from ledger.config import FocusSection


class Names(NamedTuple):
    """The names in a row's cells; all rows of a ledger that sets them have the same."""

    account_id: str
    account_name: str
    provider: str
    publisher: str
    invoice_issuer: str
    service: str


# What the shipped cards' providers are called, and who makes the models they sell.
KNOWN = {"evolink": ("EvoLink", "ByteDance"), "volcengine": ("Volcengine", "ByteDance")}


def names_of(provider: str, focus: FocusSection) -> Names:
    """The names of a provider's charges: those that `[focus]` sets, else by the provider itself."""
    known, maker = KNOWN.get(provider, (provider, provider))
    name = focus.provider or known
    return Names(
        account_id=focus.billing_account_id or provider,
        account_name=focus.billing_account_name or focus.billing_account_id or known,
        provider=name,
        publisher=focus.publisher or maker,
        invoice_issuer=focus.invoice_issuer or name,
        service=f"{name} Generative AI",
    )
