"""The public face of tollbook: `from tollbook import Ledger, price_usage, …`.

Each name is imported when it is first asked for, so that pricing a request loads no database.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ledger.errors import DatabaseFailure, LedgerError
    from ledger.intake.application import Recorded
    from ledger.intake.calls import usage_record
    from ledger.library import Ledger
    from pricing import Charge, TokenUsage, UnknownCard, load_rate_cards, price_batch, price_usage
    from pricing.errors import PricingError
    from pricing.estimating.text import estimate
    from pricing.estimating.tokens import count_tokens

    __version__: str

__all__ = [
    "Charge",
    "DatabaseFailure",
    "Ledger",
    "LedgerError",
    "PricingError",
    "Recorded",
    "TokenUsage",
    "UnknownCard",
    "__version__",
    "count_tokens",
    "estimate",
    "load_rate_cards",
    "price_batch",
    "price_usage",
    "usage_record",
]

_HOMES = {
    "DatabaseFailure": "ledger.errors",
    "Ledger": "ledger.library",
    "LedgerError": "ledger.errors",
    "PricingError": "pricing.errors",
    "Recorded": "ledger.intake.application",
    "count_tokens": "pricing.estimating.tokens",
    "estimate": "pricing.estimating.text",
    "usage_record": "ledger.intake.calls",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the names above
    if name == "__version__":
        return version("tollbook")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "pricing")), name)


def __dir__() -> list[str]:
    return __all__
