"""The results of a reconciliation: rows of keys that differ, and sums over all of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import Literal, NamedTuple, Protocol, TypeAlias
from zoneinfo import ZoneInfo

from ledger.audit.reconcile.sides import Grain, Measure, Sides
from ledger.reports.conversion_notes import ConversionNote
from ledger.values.periods import Span
from ledger.values.spend import Convertible
from pricing.money import NANO, divide_half_even

Status: TypeAlias = Literal["matched", "only_ledger", "only_provider", "differs"]
Cause: TypeAlias = Literal[
    "",
    "rounding",
    "twice",
    "conversion",
    "not_priced",
    "tiered_cached_rate",
    "cached_at_input_rate",
    "lowest_tier",
    "other_model",
    "token_counts",
]


@dataclass(frozen=True, slots=True)
class Basis:
    """A comparison's terms: a provider's usage of a period in one currency, by request or by day and model.

    `unit_nano` is one unit of the last place that the provider's figures are printed with: rounding to it moves a
    figure by less. Where a row of theirs may be of many requests, `rows_are_requests` is False.
    """

    provider: str
    currency: str
    period: Span
    zone: ZoneInfo
    unit_nano: int
    grain: Grain
    rows_are_requests: bool


class Result(NamedTuple):
    """A key with both sides, in nano; the difference is the provider's side less the ledger's.

    `per_usd_nano` turns it into USD; None where it is USD. Requests that aren't known are None; `counts_differ` where
    the sides' tokens do.
    """

    status: Status
    key: str
    model: str | None
    ledger_requests: int | None
    provider_requests: int | None
    ledger_nano: int
    provider_nano: int
    per_usd_nano: int | None
    cause: Cause = ""
    provider_rows: int = 0
    counts_differ: bool = False

    @property
    def difference_nano(self) -> int:
        """Nano that the provider has more than the ledger."""
        return self.provider_nano - self.ledger_nano

    @property
    def difference_usd_nano(self) -> int:
        """The difference in nano-USD, rounded half-even once."""
        return divide_half_even(self.difference_nano * NANO, self.per_usd_nano or NANO)


@dataclass(slots=True)
class Group:
    """The rows of one status and cause: how many, and their differences added up, in nano and for USD."""

    rows: int = 0
    nano: int = 0
    usd: Convertible = field(default_factory=Convertible)


@dataclass(slots=True)
class Reconciliation:
    """Rows in order of falling difference, matched ones last where they are kept; and the sums over all keys.

    `outside` are rows of the statement that are of other days, `unstated` records without a provider's figure;
    neither is compared. `totals` are rows left out as sums of others, None where none was asked for. `compared` is
    False where neither side had anything to compare. `stray_days` are days outside the period, one a column that no
    field is of: their rows were compared all the same. `unknown_models` are the statement's that the card has only near
    names for, each with the question after it.
    """

    basis: Basis
    rows: list[Result] = field(default_factory=list)
    by_status: Counter[Status] = field(default_factory=Counter)
    groups: defaultdict[tuple[Status, Cause], Group] = field(default_factory=lambda: defaultdict(Group))
    ledger_requests: int | None = None
    provider_requests: int | None = None
    ledger_nano: int = 0
    provider_nano: int = 0
    outside: int = 0
    unstated: int = 0
    totals: int | None = None
    compared: bool = False
    adjustments_nano: Mapping[str, int] = field(default_factory=dict)
    unknown_models: Mapping[str, str] = field(default_factory=dict)
    stray_days: Mapping[str, str] = field(default_factory=dict)
    conversion_note: ConversionNote | None = None
    unread: Sequence[str] = ()
    _net: Convertible = field(default_factory=Convertible)
    _rounding: Convertible = field(default_factory=Convertible)
    _gross: Convertible = field(default_factory=Convertible)

    @property
    def difference_nano(self) -> int:
        """The provider's total less the ledger's."""
        return self.provider_nano - self.ledger_nano

    @property
    def difference_usd(self) -> Fraction:
        """The same in USD."""
        return self._net.usd

    @property
    def deviation_usd(self) -> Fraction:
        """USD compared with a tolerance: differences without their signs, those of rounding added up first.

        So one request too much doesn't hide one too little, and a million roundings to either side come to little.
        """
        return self._gross.usd + abs(self._rounding.usd)

    def add(self, result: Result, *, keep: bool) -> None:
        """Counts a key in; its row is kept where that is asked for."""
        self.by_status[result.status] += 1
        on_both = result.provider_rows and result.ledger_requests
        self.compared |= bool(on_both or result.ledger_nano or result.provider_nano)
        group = self.groups[result.status, result.cause]
        group.rows += 1
        group.nano += result.difference_nano
        group.usd[result.per_usd_nano] += result.difference_nano
        if result.ledger_requests is not None:
            self.ledger_requests = (self.ledger_requests or 0) + result.ledger_requests
        if result.provider_requests is not None:
            self.provider_requests = (self.provider_requests or 0) + result.provider_requests
        self.ledger_nano += result.ledger_nano
        self.provider_nano += result.provider_nano
        self._net[result.per_usd_nano] += result.difference_nano
        if result.cause == "rounding":
            self._rounding[result.per_usd_nano] += result.difference_nano
        else:
            self._gross[result.per_usd_nano] += abs(result.difference_nano)
        if keep:
            self.rows.append(result)

    def sort(self) -> None:
        """Puts the greatest differences in USD first, equal ones in order of key."""
        common = lcm(*{row.per_usd_nano or NANO for row in self.rows})
        self.rows.sort(key=lambda row: (-abs(row.difference_nano) * (common // (row.per_usd_nano or NANO)), row.key))


class Explains(Protocol):
    """Finds likely causes, and conversions for what the ledger doesn't have."""

    def causes(self, differing: Mapping[str, Result]) -> dict[str, Cause]: ...

    def per_usd_nano(self, day_ordinal: int) -> int | None: ...


def collect(sides: Sides, measure: Measure, basis: Basis, explains: Explains, *, keep_all: bool) -> Reconciliation:
    """Compares all keys; those that agree, or differ by rounding alone, are counted, and are rows with `keep_all`."""
    found = Reconciliation(basis)
    differing: dict[str, Result] = {}
    for result in _compared(sides, measure, basis, explains):
        if result.status == "matched":
            found.add(result, keep=keep_all)
        else:
            differing[result.key] = result
    causes = explains.causes(differing)
    for key, result in differing.items():
        cause = causes.get(key, "")
        found.add(result._replace(cause=cause) if cause else result, keep=keep_all or cause != "rounding")
    found.sort()
    return found


def _compared(sides: Sides, measure: Measure, basis: Basis, explains: Explains) -> Iterator[Result]:
    """Yields all keys of which a side has anything left. What costs nothing, on one side alone, is matched."""
    for key, place in sides.places.items():
        rows, requests = sides.provider_rows[place], sides.ledger_requests[place]
        if not rows and not requests:
            continue
        parts = list(sides.parts(place))
        provider_nano, ledger_nano = sides.provider_nano[place], measure.rounded(parts)
        difference_nano = provider_nano - ledger_nano
        per_usd_nano = None
        if difference_nano and not measure.in_usd:
            # By what most of it was converted, where there are several.
            number = max(parts, key=lambda part: abs(part[1]))[0] if parts else None
            per_usd_nano = measure.per_usd_nano(number) if parts else explains.per_usd_nano(sides.days[place])
        yield Result(
            _status(difference_nano, rows, requests),
            key,
            sides.models[place],
            requests,
            rows if basis.rows_are_requests else None,
            ledger_nano,
            provider_nano,
            per_usd_nano,
            provider_rows=rows,
            counts_differ=any(tally[place] for tally in sides.counts.values()),
        )


def _status(difference_nano: int, provider_rows: int, ledger_requests: int) -> Status:
    if not difference_nano:
        return "matched"
    if not provider_rows:
        return "only_ledger"
    return "differs" if ledger_requests else "only_provider"
