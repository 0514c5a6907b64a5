"""Names of who bills and who is billed, as cells of a FOCUS row."""

from __future__ import annotations

from ledger.config import FocusSection
from ledger.exports.focus.layout.shared_cells import Cells

# What the shipped cards' providers are called, and who makes the models they sell.
KNOWN = {"evolink": ("EvoLink", "ByteDance"), "volcengine": ("Volcengine", "ByteDance")}


def party_cells(provider: str, focus: FocusSection) -> Cells:
    """Returns the names of a provider's charges: those that `[focus]` sets, else by the provider itself."""
    known, maker = KNOWN.get(provider, (provider, provider))
    name = focus.provider or known
    return {
        "BillingAccountId": focus.billing_account_id or provider,
        "BillingAccountName": focus.billing_account_name or focus.billing_account_id or known,
        "InvoiceIssuerName": focus.invoice_issuer or name,
        "ProviderName": name,
        "PublisherName": focus.publisher or maker,
        "ServiceName": f"{name} Generative AI",
        "x_Provider": provider,
    }
