"""The JSON that `estimate --config` writes and `diff` reads: counts, prices and money.

Money and rates are plain decimals in strings. `usd…_low` and `…_high` are the ends of the range that a token count has;
the high end also takes the worst-case output, where one is given. What can't be priced, beyond the card's top tier, is
null and its workload `over_limit`. A month is 30 days.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from ledger.estimates.workloads.gate_words import over_message
from ledger.values.amounts import Amount
from ledger.values.words import listed

SCHEMA = 1
# The way of counting: 1 counted texts alone, 2 counts tools, schemas and images too. Raised with every change of what
# the same request counts as, so that a change by counting isn't taken for one of a prompt.
COUNTING = 2
# The first way of counting that says what it leaves out.
NAMES_UNCOUNTED = 2

Status: TypeAlias = Literal["ok", "over_limit"]
Level: TypeAlias = Literal["fail", "warn"]
OutputBasis: TypeAlias = Literal["given", "ledger", "profile", "none"]


class PromptEntry(msgspec.Struct, kw_only=True):
    """One request: counts, tier (its `up_to`, and as `tier_output` that of output; null without bound or price), costs.

    `schema_tokens` are those of tools and output formats, `image_tokens` those of images: both are in the input.
    `uncounted` names what else the request holds; a digest of that tells a change of it. `uncorrected_tokens` is
    tiktoken's own count of texts and schemas, the same under any calibration.
    """

    name: str
    input_tokens: int
    input_tokens_low: int
    input_tokens_high: int
    cached_input_tokens: int
    output_tokens: int
    tier: int | None
    amount: str | None
    usd: str | None
    usd_low: str | None
    usd_high: str | None
    warnings: list[str] = []
    max_output_tokens: int | None = None
    message_overhead_tokens: int = 0
    schema_tokens: int = 0
    image_tokens: int = 0
    uncounted: list[str] = []
    uncounted_digest: str | None = None
    uncorrected_tokens: int | None = None
    tier_output: int | None = None


def said_once(warnings: Iterable[tuple[str, str]]) -> list[str]:
    """Joins the names that have the same warning: "a.md and 2 more: …"."""
    names: dict[str, list[str]] = {}
    for name, text in warnings:
        names.setdefault(text, []).append(name)
    return [f"{of[0]}{f' and {len(of) - 1:,} more' if len(of) > 1 else ''}: {text}" for text, of in names.items()]


def caveats_of(bases: Iterable[OutputBasis], prompts: Iterable[PromptEntry]) -> list[str]:
    """Words for a price that lacks the output, all of it or that of a part, or something of the input."""
    unknown = {basis == "none" for basis in bases}
    lacking = ["input only" if unknown == {True} else "in part input only"] if True in unknown else []
    return lacking + ["at least"] * any(prompt.uncounted for prompt in prompts)


def first_of(texts: Sequence[str], most: int = 10) -> list[str]:
    """Returns the first texts, and how many more there are."""
    return [*texts[:most], *([f"{len(texts) - most:,} more"] if len(texts) > most else [])]


class GateResult(msgspec.Struct, kw_only=True):
    """One limit: `value` was compared with it, in its own units; null where there was none.

    Of a workload: `max_usd_per_request` and `max_usd_per_month` where it has them, and `max_input_tokens` where a
    prompt is longer than the card prices. `message` says it for people.
    """

    name: str
    limit: str
    value: str | None
    level: Level = "fail"
    passed: bool
    message: str = ""


def hold_within(
    limit: Amount, value: Amount | None, *, name: str, per: str, caveats: Sequence[str] = (), level: Level = "fail"
) -> GateResult:
    """Compares as printed: the limit itself passes, no value fails. `per` is a month or a request."""
    passed = value is not None and value.nano <= limit.nano
    return GateResult(
        name=name,
        limit=limit.text,
        value=None if value is None else value.text,
        level=level,
        passed=passed,
        message=over_message(limit, value, per=per, caveats=caveats),
    )


def uncounted_gate(requests: Iterable[tuple[str, Sequence[str]]]) -> GateResult:
    """Fails where a request, given by its name, has something that isn't counted."""
    found = said_once((name, listed(uncounted)) for name, uncounted in requests if uncounted)
    message = "; ".join(first_of(found))
    return GateResult(
        name="uncounted",
        limit="nothing",
        value=message or "nothing",
        passed=not found,
        message=f"not counted: {message}" if found else "everything is counted",
    )


class WorkloadEntry(msgspec.Struct, kw_only=True):
    """One workload: alternative requests spread evenly, so that a request costs their mean.

    `card` is the key of the price entry, found in the document's `rates`; `per_usd` the conversion, null for USD.
    `model` is the card's own name of it. Money of a month is null where a prompt has no price. `warnings` are of the
    workload as a whole; prompts have their own.
    """

    name: str
    model: str
    project: str | None
    status: Status
    prompts: list[PromptEntry]
    requests_per_month: int
    usd_per_request: str | None
    usd_per_month: str | None
    gates: list[GateResult] = []
    warnings: list[str] = []
    usd_per_month_low: str | None
    usd_per_month_high: str | None
    amount_per_month: str | None
    currency: str
    per_usd: str | None
    card: str
    output_basis: OutputBasis
    extra_input_tokens: int = 0

    @property
    def caveats(self) -> list[str]:
        """Words for a price that lacks something: its output, or what isn't counted of its input."""
        return caveats_of([self.output_basis], self.prompts)


class Total(msgspec.Struct, kw_only=True):
    """A month of all workloads with a price; `amount` is null where currencies differ.

    `caveats`: "input only" where no output is known, "in part input only" where some aren't, "at least" where something
    isn't counted.
    """

    amount: str | None
    currency: str | None
    usd: str
    usd_low: str
    usd_high: str
    caveats: list[str] = []


class WorkloadsDocument(msgspec.Struct, kw_only=True):
    """`estimate --config --json`.

    `rates` holds the price entries by key, as `RateEntry.content()` states them. The way of counting is `counting`, a
    number that grows with each change of it, the `encoding`, and `calibration`: what corrected the counts, by model,
    null where nothing did.
    """

    schema: int = SCHEMA
    encoding: str
    calibration: dict[str, Any] | None
    workloads: list[WorkloadEntry]
    rates: dict[str, dict[str, Any]]
    total: Total
    counting: int = 1

    def uncounted(self) -> Iterator[tuple[str, list[str]]]:
        """Yields each prompt's name with what of it isn't counted."""
        if self.counting < NAMES_UNCOUNTED:
            yield "the estimate", ["what an older version of tollbook left out, unnamed: estimate it again"]
        for workload in self.workloads:
            for prompt in workload.prompts:
                yield f"{workload.name}, {prompt.name}", prompt.uncounted
