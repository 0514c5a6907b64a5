"""The JSON that `diff` writes: costs a month before and after, and the gates."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from ledger.estimates.workloads.document import SCHEMA, GateResult

ChangeStatus: TypeAlias = Literal["new", "removed", "changed", "unchanged"]
# "counting" stands in for "prompts" where encoding or calibration differ: the same text has other counts then.
ChangeKind: TypeAlias = Literal[
    "prices",
    "model",
    "counting",
    "prompts",
    "extra_input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "requests_per_month",
]


class WorkloadChange(msgspec.Struct, kw_only=True):
    """One workload in USD a month: null without a price, "0" on the side where it is missing.

    Tiers are `up_to` of the dearest prompt, null where there is none. `price_change_usd` and `prompt_change_usd` add
    up to `change_usd`; `changes` says what differs.
    """

    name: str
    status: ChangeStatus
    before_usd_per_month: str | None
    after_usd_per_month: str | None
    change_usd: str | None
    change_percent: str | None
    tier_before: int | None
    tier_after: int | None
    price_change_usd: str | None
    prompt_change_usd: str | None
    changes: list[ChangeKind] = []


class TotalChange(msgspec.Struct, kw_only=True):
    """A month of all workloads with a price; the price part is of those whose own is known."""

    before_usd_per_month: str
    after_usd_per_month: str
    change_usd: str
    change_percent: str | None
    price_change_usd: str
    prompt_change_usd: str


class DiffDocument(msgspec.Struct, kw_only=True):
    """`diff --json`. `passed` is false where a gate of level "fail" isn't."""

    schema: int = SCHEMA
    workloads: list[WorkloadChange]
    total: TotalChange
    gates: list[GateResult]
    passed: bool
    warnings: list[str] = []
