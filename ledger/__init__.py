"""The book: usage records priced, posted once, and reported. `Ledger` and `usage_record` serve running applications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ledger.intake.application import Ledger, Recorded, usage_record

__all__ = ["Ledger", "Recorded", "usage_record"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the names above, imported when first asked for: the command line starts without them
    if name in __all__:
        from ledger.intake import application

        return getattr(application, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
