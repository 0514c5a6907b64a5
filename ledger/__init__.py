"""The book: usage records priced, posted once, and reported. `Ledger` and `usage_record` serve running applications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ledger.intake.application import Recorded
    from ledger.intake.calls import usage_record
    from ledger.library import Ledger

_MODULES = {
    "Ledger": "ledger.library",
    "Recorded": "ledger.intake.application",
    "usage_record": "ledger.intake.calls",
}
__all__ = ["Ledger", "Recorded", "usage_record"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the names above, imported when first asked for: the command line starts without them
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
