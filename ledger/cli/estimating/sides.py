"""The two sides of `tollbook diff`: estimates in JSON, or of today's or a ref's files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from ledger.cli.app import App
from ledger.cli.estimating.inputs import SHARED, EstimateOptions
from ledger.cli.estimating.workload_sheet import estimate_config
from ledger.config import load_config, read_config
from ledger.errors import LedgerError
from ledger.estimates.changes.causes import Side
from ledger.estimates.prompts.files import STANDARD_INPUT, read_json
from ledger.estimates.prompts.git_revision import baseline_of
from ledger.estimates.workloads.document import Total, WorkloadsDocument
from ledger.estimates.workloads.read_document import read_workloads
from pricing.errors import PricingError

NO_WORKLOADS = WorkloadsDocument(
    encoding="",
    calibration=None,
    workloads=[],
    rates={},
    total=Total(amount=None, currency=None, usd="0", usd_low="0", usd_high="0"),
)


class Sides(NamedTuple):
    """Both estimates, and notes on them; `before` is None without a baseline.

    `baseline_error` is why the ref's files can't be estimated.
    """

    before: Side | None
    after: Side
    notes: list[str]
    baseline_error: str | None = None


@dataclass(frozen=True, kw_only=True)
class DiffOptions(EstimateOptions):
    """The options of a comparison as they were given; None where one wasn't."""

    head: str | None
    compare_to: str | None
    base_ref: str | None

    def check(self) -> None:
        """Refuses what contradicts itself, before anything is read."""
        if self.compare_to is not None and self.base_ref is not None:
            raise LedgerError("--compare-to and --base-ref contradict each other: give the one to compare with")
        given = [self.head, self.compare_to, self.profile, self.calibration]
        if given.count(STANDARD_INPUT) > 1:
            raise LedgerError("standard input (-) is given more than once: it can be read only once")
        if self.base_ref is not None and self.head is None and STANDARD_INPUT in given:
            raise LedgerError("standard input (-) can't be read for both estimates of --base-ref: give a file")
        if self.head is not None and self.base_ref is None:
            for name in SHARED:
                if getattr(self, name):
                    raise LedgerError(f"--{name} is for an estimate, but {self.head} is one already: leave it out")


def sides_of(app: App, asked: DiffOptions) -> Sides:
    """The two estimates that the options ask for."""
    asked.check()
    # Both estimates take the prices of one instant.
    at = asked.at or datetime.now(UTC).isoformat()
    has_baseline = asked.compare_to is not None or asked.base_ref is not None
    if asked.head is not None:
        after = _side_of_file(asked.head)
    elif has_baseline and not read_config(Path(asked.config)).workloads:
        after = Side(NO_WORKLOADS, asked.config)
    else:
        after = Side(_estimate(app, asked, at, lambda file: file), asked.config)
    if asked.compare_to is not None:
        return Sides(_side_of_file(asked.compare_to), after, [])
    if asked.base_ref is not None:
        return _sides_of_ref(app, asked, asked.base_ref, at, after)
    return Sides(None, after, ["no --base-ref and no --compare-to: every workload is new"])


def _side_of_file(path: str) -> Side:
    where = "standard input" if path == STANDARD_INPUT else path
    return Side(read_workloads(read_json(path), where), where)


def _sides_of_ref(app: App, asked: DiffOptions, ref: str, at: str, after: Side) -> Sides:
    """The estimate of the ref's own files beside `after`; none where it has no workloads yet, or can't be estimated."""
    with baseline_of(ref, Path(asked.config).parent) as baseline:
        notes = [] if baseline.note is None else [baseline.note]
        config = baseline.path_of(asked.config)
        if config is None:
            raise LedgerError(f"--base-ref {ref}: {asked.config} lies outside of the repository {baseline.top}")
        try:
            if not config.is_file() or not read_config(config).workloads:
                lacks = "has no [[workload]]" if config.is_file() else "isn't there"
                return Sides(None, after, [*notes, f"{asked.config} {lacks} at {ref}: every workload is new"])
            here = baseline.path_of(Path.cwd())
            # [ledger] provider of the ref's tollbook.toml of the working directory.
            provider = None if here is None else load_config(here).ledger.provider
            document = _estimate(app, asked, at, baseline.version_of, provider)
        except (LedgerError, PricingError) as error:
            broken = str(baseline.renamed(error))
            return Sides(None, after, [*notes, f"nothing to compare with: {broken}"], broken)
    return Sides(Side(document, f"--base-ref {ref}"), after, notes)


def _estimate(
    app: App, asked: DiffOptions, at: str, version_of: Callable[[str], str], other_provider: str | None = None
) -> WorkloadsDocument:
    """Estimates with each file that the options name as `version_of` makes it.

    Both sides are counted by today's calibration: a new one changes no price.
    """
    options = replace(
        asked,
        config=version_of(asked.config),
        profile=asked.profile and version_of(asked.profile),
        rates=[version_of(file) for file in asked.rates],
        at=at,
    )
    return estimate_config(app, options, other_provider)
