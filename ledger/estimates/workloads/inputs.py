"""Figures that a workload leaves out, from the ledger's means and a profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from ledger.config import Workload
from ledger.estimates.workloads.document import OutputBasis
from ledger.estimates.workloads.facts import RequestFacts, expected_output
from pricing.estimating.calibration import TokenRange
from pricing.rate_entry import RateEntry

if TYPE_CHECKING:
    from ledger.estimates.history.means import Means
    from ledger.estimates.history.profile import Profile, ProfileRow

NO_OUTPUT = "no output_tokens are given, nor a ledger or profile that knows them: output counts as 0"
NO_REQUESTS = "no requests_per_month is given, nor a profile that knows it: the month counts as 0"


@dataclass(frozen=True, slots=True)
class WorkloadInputs:
    """A workload's requests a month, and the facts of each without its cached prefix."""

    requests_per_month: int
    facts: RequestFacts
    output_basis: OutputBasis
    mean_input_tokens: int | None
    warnings: tuple[str, ...]

    def warning_of_input(self, ranges: Sequence[TokenRange]) -> str | None:
        """Returns a warning where the profile's mean input is outside of what is counted."""
        mean = self.mean_input_tokens
        if mean is None:
            return None
        low, high = (sum(ends) / Fraction(len(ranges)) for ends in zip(*((r.low, r.high) for r in ranges), strict=True))
        if low <= mean <= high:
            return None
        outside = (
            f"the profile's mean input of {mean:,} tokens is outside the {int(low):,} to {-int(-high // 1):,} counted"
        )
        return f"{outside}: give what is added at run time as extra_input_tokens"


def inputs_of(
    workload: Workload,
    entry: RateEntry,
    *,
    profile: Profile | None,
    means: Means | None,
    alike: int,
) -> WorkloadInputs:
    """Returns the configuration's figures, else the ledger's mean output, else the profile's.

    `alike` is how many workloads of one configuration have this model and project: they share one row of a profile.
    """
    row = None if profile is None else profile.row(entry.model, workload.project)
    output_tokens, basis = expected_output(
        entry.model, workload.project, given=workload.output_tokens, means=means, profile=profile
    )
    warnings = [NO_OUTPUT] if basis == "none" else []
    requests = workload.requests_per_month
    if requests is None and profile is not None and row is not None:
        requests = profile.requests_per_month(row)
        warnings += _warnings_of_requests(workload, entry, alike)
    elif requests is None:
        warnings.append(NO_REQUESTS)
    is_stated = workload.cached_prefix is not None or workload.cached_input_tokens is not None
    return WorkloadInputs(
        requests_per_month=requests or 0,
        facts=RequestFacts(
            cached_input_tokens=workload.cached_input_tokens,
            cached_share=None if row is None or is_stated else Fraction(row.cached_share),
            extra_input_tokens=workload.extra_input_tokens,
            image_tokens=workload.image_tokens,
            output_tokens=output_tokens,
            max_output_tokens=_most_output(entry, row, output_tokens) if workload.output_tokens is None else None,
        ),
        output_basis=basis,
        mean_input_tokens=None if row is None else row.mean_input_tokens,
        warnings=tuple(warnings),
    )


def _most_output(entry: RateEntry, row: ProfileRow | None, output_tokens: int) -> int | None:
    """Returns the profile's p90 as the worst case: at least the mean, at most what the entry allows."""
    if row is None:
        return None
    most = max(row.p90_output_tokens, output_tokens)
    return most if entry.max_output_tokens is None else min(most, entry.max_output_tokens)


def _warnings_of_requests(workload: Workload, entry: RateEntry, alike: int) -> list[str]:
    if alike > 1:
        return [
            f"takes all that the profile has, as {_others(alike)} of its project and model: give requests_per_month"
        ]
    if workload.project is None:
        return [f"takes the requests of all projects that use {entry.model} from the profile: name its project"]
    return []


def _others(alike: int) -> str:
    return "does another workload" if alike == 2 else f"do {alike - 1} other workloads"
