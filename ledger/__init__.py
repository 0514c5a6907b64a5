"""The book: usage records priced, posted once, and reported. `Ledger` and `usage_record` serve running applications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ledger.intake.application import Recorded, usage_record
    from ledger.library import Ledger

__all__ = ["Ledger", "Recorded", "usage_record"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the names above, imported when first asked for: the command line starts without them
    if name in __all__:
        from importlib import import_module

        return getattr(import_module("ledger.library" if name == "Ledger" else "ledger.intake.application"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
