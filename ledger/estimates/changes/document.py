"""The JSON that `diff` writes: costs a month before and after, and the gates."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from ledger.estimates.workloads.document import SCHEMA, GateResult

# "not_compared" where there is a baseline that can't be estimated.
ChangeStatus: TypeAlias = Literal["new", "removed", "changed", "unchanged", "not_compared"]
# "counting" stands in for "prompts" where the way of counting differs: the same text has other counts then.
ChangeKind: TypeAlias = Literal[
    "prices",
    "model",
    "counting",
    "prompts",
    "uncounted",
    "images",
    "extra_input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "requests_per_month",
]


class PromptChange(msgspec.Struct, kw_only=True):
    """Tokens of one request before and after, null on the side where it is missing."""

    name: str
    input_tokens_before: int | None
    input_tokens_after: int | None
    cached_input_tokens_before: int | None
    cached_input_tokens_after: int | None
    output_tokens_before: int | None
    output_tokens_after: int | None


class WorkloadChange(msgspec.Struct, kw_only=True):
    """One workload in USD a month: null without a price, "0" on the side where it is missing.

    Tiers are `up_to` of the dearest prompt, null where there is none. `price_change_usd`, `counting_change_usd` and
    `prompt_change_usd` add up to `change_usd`; `changes` says what differs, `prompts` lists those with other counts.
    Where there is nothing to compare with, all but the figures of after are null.
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
    counting_change_usd: str | None
    prompts: list[PromptChange] = []
    uncounted_before: list[str] = []
    uncounted_after: list[str] = []


class TotalChange(msgspec.Struct, kw_only=True):
    """A month of all workloads with a price; the price and counting parts are of those whose own are known.

    All but the month of after is null where the baseline can't be estimated. `caveats` are of after: "input only" where
    an output isn't known, "at least" where something isn't counted.
    """

    before_usd_per_month: str | None
    after_usd_per_month: str
    change_usd: str | None
    change_percent: str | None
    price_change_usd: str | None
    prompt_change_usd: str | None
    counting_change_usd: str | None
    caveats: list[str] = []


class DiffDocument(msgspec.Struct, kw_only=True):
    """`diff --json`. `passed` is false where a gate of level "fail" isn't.

    `baseline_error` says why the baseline can't be estimated, null where it can or there is none.
    """

    schema: int = SCHEMA
    workloads: list[WorkloadChange]
    total: TotalChange
    gates: list[GateResult]
    passed: bool
    warnings: list[str] = []
    baseline_error: str | None = None
