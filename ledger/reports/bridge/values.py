"""The result of a bridge: the way from one spend to another, by project and by cause. Money is nano USD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Cause: TypeAlias = Literal[
    "requests", "prompt_length", "tier_mix", "cache", "models", "price", "exchange_rate", "corrections"
]


@dataclass(frozen=True, slots=True)
class Movement:
    """The change of a project's spend from one month to the next."""

    project: str
    before_nano: int
    after_nano: int

    @property
    def change_nano(self) -> int:
        return self.after_nano - self.before_nano


@dataclass(frozen=True, slots=True)
class Bridge:
    """The way from one month's spend to the next one's: by project, largest first, and by cause, in order.

    Either adds up to the change of the total to the last digit; docs/decisions/0023 has the method.
    """

    before_nano: int
    after_nano: int
    by_project: tuple[Movement, ...]
    by_cause: tuple[tuple[Cause, int], ...]
