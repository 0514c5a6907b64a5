"""All workloads of a configuration -> counts, prices, a month of each, and its limits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from ledger.config import Config, Workload, usd_limit
from ledger.errors import LedgerError
from ledger.estimates.workloads.document import (
    COUNTING,
    GateResult,
    WorkloadEntry,
    WorkloadsDocument,
    caveats_of,
    hold_within,
)
from ledger.estimates.workloads.facts import RequestFacts, Settings
from ledger.estimates.workloads.files import WorkloadRequests, requests_of
from ledger.estimates.workloads.inputs import NO_REQUESTS, WorkloadInputs, inputs_of
from ledger.estimates.workloads.priced import EstimatedPrompt, price_counted, texts_of
from ledger.estimates.workloads.totals import EstimateTotal, add_up, total_of
from ledger.values.amounts import Amount
from pricing.errors import PricingError, shown
from pricing.estimating.calibration import TokenRange
from pricing.estimating.counting import PromptCount, PromptText, count_inputs
from pricing.estimating.estimate import PromptEstimate
from pricing.money import format_nano, format_usd, round_usd

if TYPE_CHECKING:
    from ledger.estimates.history.means import Means
    from ledger.estimates.history.profile import Profile
    from pricing.estimating.calibration import Calibration
    from pricing.rate_card import RateCard

TOO_LONG = "a prompt is longer than the card prices: the workload has no price, and the total is without it"


def estimate_workloads(
    config: Config,
    *,
    folder: Path,
    card: RateCard,
    at: datetime,
    encoding: str,
    calibration: Calibration | None,
    profile: Profile | None,
    means: Means | None,
    file: str,
) -> WorkloadsDocument:
    """Estimates the configuration's workloads in order; their files are below `folder`.

    LedgerError naming `file`, the configuration, and the workload that can't be estimated.
    """
    if not config.workloads:
        raise LedgerError(f"{file}: has no [[workload]]: add one that names a model and prompts")
    planner = _Planner(config.workloads, folder, Settings(card, "", at, encoding, calibration), profile, means, file)
    plans = planner.plans()
    months = [plan.month(counts) for plan, counts in zip(plans, _count(plans), strict=True)]
    workloads = [month.entry() for month in months]
    entries = {plan.settings.entry.key: plan.settings.entry for plan in plans}
    return WorkloadsDocument(
        counting=COUNTING,
        encoding=encoding,
        calibration=_summaries(calibration, sorted({entry.model for entry in entries.values()})),
        workloads=workloads,
        rates={key: json.loads(entries[key].content()) for key in sorted(entries)},
        total=add_up(month.total for month in months if month.is_priced).document(
            card.currency,
            caveats_of([w.output_basis for w in workloads], [prompt for w in workloads for prompt in w.prompts]),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Planner:
    """The common inputs of all workloads."""

    workloads: Sequence[Workload]
    folder: Path
    settings: Settings
    profile: Profile | None
    means: Means | None
    file: str
    texts: dict[str, str] = field(default_factory=dict)

    def plans(self) -> list[_Plan]:
        alike = Counter(self._row_of(workload) for workload in self.workloads if workload.requests_per_month is None)
        return [self._plan(workload, alike[self._row_of(workload)]) for workload in self.workloads]

    def _row_of(self, workload: Workload) -> tuple[str | None, str | None]:
        return self.settings.card.resolve(workload.model), workload.project

    def _plan(self, workload: Workload, alike: int) -> _Plan:
        """Reads the workload's files and figures; nothing is counted yet."""
        where = f"{self.file}: workload {shown(workload.name)}"
        with _naming(where):
            settings = replace(self.settings, model=workload.model)
            inputs = inputs_of(workload, settings.entry, profile=self.profile, means=self.means, alike=alike)
            requests = self._sharing_texts(requests_of(workload, self.folder))
        facts = replace(inputs.facts, cached_prefix=requests.cached_prefix)
        return _Plan(where, workload, requests, inputs, settings, facts)

    def _sharing_texts(self, requests: WorkloadRequests) -> WorkloadRequests:
        """Returns the requests with texts held once: a part may be that of thousands."""
        prompts = [
            structs.replace(prompt, text=structs.replace(prompt.text, texts=tuple(map(self._held, prompt.text.texts))))
            for prompt in requests.prompts
        ]
        prefix = None if requests.cached_prefix is None else self._held(requests.cached_prefix)
        return replace(requests, prompts=tuple(prompts), cached_prefix=prefix)

    def _held(self, text: str) -> str:
        return self.texts.setdefault(text, text)


@dataclass(frozen=True, slots=True)
class _Plan:
    """One workload before its texts are counted."""

    where: str
    workload: Workload
    requests: WorkloadRequests
    inputs: WorkloadInputs
    settings: Settings
    facts: RequestFacts

    def month(self, counts: Sequence[PromptCount]) -> _Month:
        """Prices the workload by what its texts were counted as."""
        with _naming(self.where):
            prompts = price_counted(self.requests.prompts, counts, settings=self.settings, facts=self.facts)
        estimates = [prompt.estimate for prompt in prompts if prompt.estimate is not None]
        return _Month(
            self, prompts, estimates, total_of(estimates, Fraction(self.inputs.requests_per_month, len(prompts)))
        )


@dataclass(frozen=True, slots=True)
class _Month:
    """One workload priced: `total` is a month of the mean of its alternatives.

    Of three alternatives of 100, 100 and 101 nano-credits, 10 requests are 1_003 1/3 and are shown as 1_003.
    """

    plan: _Plan
    prompts: Sequence[EstimatedPrompt]
    estimates: Sequence[PromptEstimate]
    total: EstimateTotal

    @property
    def is_priced(self) -> bool:
        """Tells whether each alternative has a price."""
        return len(self.estimates) == len(self.prompts)

    def entry(self) -> WorkloadEntry:
        """Returns the workload's entry; without a price where an alternative has none."""
        plan, total, is_priced = self.plan, self.total, self.is_priced
        settings, per_usd_nano = plan.settings, plan.settings.per_usd_nano
        gates = list(self._gates())
        return WorkloadEntry(
            name=plan.workload.name,
            model=settings.entry.model,
            project=plan.workload.project,
            status="ok" if is_priced and all(gate.passed for gate in gates) else "over_limit",
            card=settings.entry.key,
            currency=settings.entry.currency,
            per_usd=None if per_usd_nano is None else format_nano(per_usd_nano),
            output_basis=plan.inputs.output_basis,
            extra_input_tokens=plan.workload.extra_input_tokens,
            prompts=[prompt.entry for prompt in self.prompts],
            requests_per_month=plan.inputs.requests_per_month,
            usd_per_request=format_usd(self._mean_usd) if is_priced else None,
            amount_per_month=format_nano(round(total.amount_nano)) if is_priced else None,
            usd_per_month=format_usd(total.usd) if is_priced else None,
            usd_per_month_low=format_usd(total.usd_low) if is_priced else None,
            usd_per_month_high=format_usd(total.usd_high) if is_priced else None,
            gates=gates,
            warnings=list(self._warnings()),
        )

    @property
    def _mean_usd(self) -> Fraction:
        return sum((estimate.usd for estimate in self.estimates), Fraction()) / len(self.estimates)

    def _gates(self) -> Iterator[GateResult]:
        """Compares the limits with printed figures; an unknown one is within none."""
        workload, estimates = self.plan.workload, self.estimates if self.is_priced else []
        dearest = max((estimate.usd for estimate in estimates), default=None)
        month = self.total.usd if self.is_priced and NO_REQUESTS not in self.plan.inputs.warnings else None
        caveats = caveats_of([self.plan.inputs.output_basis], [prompt.entry for prompt in self.prompts])
        for name, per, text, usd in (
            ("max_usd_per_request", "request", workload.max_usd_per_request, dearest),
            ("max_usd_per_month", "month", workload.max_usd_per_month, month),
        ):
            limit, value = usd_limit(text, name), None if usd is None else Amount(round_usd(usd), "USD")
            if limit is not None:
                yield hold_within(limit, value, name=name, per=per, caveats=caveats)
        if not self.is_priced:
            top_tokens = self.plan.settings.entry.top_tokens
            longest = max(prompt.entry.input_tokens for prompt in self.prompts)
            said = f"{longest:,} input tokens, limit {top_tokens:,}"
            yield GateResult(
                name="max_input_tokens", limit=str(top_tokens), value=str(longest), passed=False, message=said
            )

    def _warnings(self) -> Iterator[str]:
        plan = self.plan
        yield from plan.requests.warnings
        yield from plan.inputs.warnings
        yield from plan.settings.counting_warnings()
        ranges = [
            TokenRange(prompt.input_tokens_low, prompt.input_tokens, prompt.input_tokens_high)
            for prompt in (prompt.entry for prompt in self.prompts)
        ]
        of_input = plan.inputs.warning_of_input(ranges)
        if of_input is not None:
            yield of_input
        if not self.is_priced:
            yield TOO_LONG


def _count(plans: Sequence[_Plan]) -> list[list[PromptCount]]:
    """Counts each plan's texts, in one go for each model that is counted as others aren't."""
    texts = [texts_of(plan.requests.prompts, plan.facts) for plan in plans]
    groups: dict[str, list[int]] = {}
    for number, plan in enumerate(plans):
        settings = plan.settings
        is_common = settings.calibration is None and settings.is_tokenizer_known
        groups.setdefault("" if is_common else settings.entry.model, []).append(number)
    counted: list[list[PromptCount]] = [[] for _ in plans]
    for numbers in groups.values():
        together: list[PromptText] = [text for number in numbers for text in texts[number]]
        settings = plans[numbers[0]].settings
        model = settings.entry.model
        counts = iter(count_inputs(together, model, encoding=settings.encoding, calibration=settings.calibration))
        for number in numbers:
            counted[number] = [next(counts) for _ in texts[number]]
    return counted


def _summaries(calibration: Calibration | None, models: Sequence[str]) -> dict[str, Any] | None:
    """Returns the calibration of each model that is in it; None without any."""
    if calibration is None:
        return None
    found = {model: calibration.summary(model) for model in models}
    return {model: summary for model, summary in found.items() if summary is not None} or None


@contextmanager
def _naming(where: str) -> Iterator[None]:
    try:
        yield
    except (LedgerError, PricingError) as error:
        raise LedgerError(f"{where}: {error}") from error
