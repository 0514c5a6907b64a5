"""Why spend moved from one month to another: by project, and by cause in the order of `Cause`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from math import lcm
from typing import TypeAlias, get_args

from ledger.reports.bridge.cells import ANY_TIER, CellUsage, EntryRates, Units
from ledger.reports.bridge.steps import WAY_LENGTH, project_way
from ledger.reports.bridge.values import Bridge, Cause, Movement
from ledger.reports.plan import PART
from ledger.reports.spend import SelectedSpend, SpendRow
from pricing.money import NANO, PICO_PER_NANO, divide_half_even

# The first dimensions of the rows that a bridge is made of.
CELLS = ("project", "model", PART)
# Values within a cell are rounded to whole units, at least this many of which are a pico of any currency.
FINENESS = 10**9

Usage: TypeAlias = dict[str, dict[str, CellUsage]]


def bridge_between(before: SelectedSpend, after: SelectedSpend) -> Bridge:
    """Explains the change between two months' spend by CELLS, in any order of rows."""
    months = (before, after)
    usd = FINENESS * PICO_PER_NANO * lcm(NANO, *(row.per_usd_nano or NANO for month in months for row in month.rows))
    usage_before, usage_after = _usage(months, usd)
    other_before, other_after = (_corrections(month, usd) for month in months)
    ways: dict[str, list[Units]] = {}
    for project in sorted({*usage_before, *usage_after, *other_before, *other_after}):
        way = project_way(usage_before.get(project, {}), usage_after.get(project, {}))
        ways[project] = [*(value + other_before[project] for value in way), way[-1] + other_after[project]]
    totals = [sum(values) for values in zip([0] * (WAY_LENGTH + 1), *ways.values(), strict=True)]
    by_cause = tuple(zip(get_args(Cause), _differences(totals, usd), strict=True))
    return Bridge(_nano(totals[0], usd), _nano(totals[-1], usd), _movements(ways, usd), by_cause)


def _nano(units: Units, usd: Units) -> int:
    """Returns nano-USD, rounded half-even; `usd` is 1 USD in units."""
    return divide_half_even(units * NANO, usd)


def _differences(totals: Iterable[Units], usd: Units) -> list[int]:
    """Returns nano-USD from each running total to the next: 0 where it stays, and adding up to the whole change."""
    return [following - total for total, following in pairwise(_nano(total, usd) for total in totals)]


def _movements(ways: Mapping[str, list[Units]], usd: Units) -> tuple[Movement, ...]:
    """Returns the projects' movements, largest first; they add up to the totals, each right to a nano-USD or two."""
    befores = [way[0] for way in ways.values()]
    changes = [way[-1] - way[0] for way in ways.values()]
    before_nano = _differences(accumulate(befores, initial=0), usd)
    change_nano = _differences(accumulate(changes, initial=sum(befores)), usd)
    found = [
        Movement(project, start, start + change)
        for project, start, change in zip(ways, before_nano, change_nano, strict=True)
    ]
    return tuple(sorted(found, key=lambda one: (-abs(one.change_nano), one.project)))


def _usage(months: Sequence[SelectedSpend], usd: Units) -> list[Usage]:
    """Sums each month's usage, without what was taken back whole.

    Of a cell whose prices have other bounds from one entry to the next, tiers are not told apart.
    """
    entries = [{number: EntryRates.of(entry) for number, entry in month.rate_entries.items()} for month in months]
    bounds: defaultdict[tuple[str | None, ...], set[tuple[str, ...]]] = defaultdict(set)
    for month, rates in zip(months, entries, strict=True):
        for row in month.rows:
            if row.rate_entry_id is not None:
                bounds[row.dimensions[:2]].add(tuple(rates[row.rate_entry_id].tiers))
    found: list[Usage] = []
    for month, rates in zip(months, entries, strict=True):
        usage: defaultdict[str, dict[str, CellUsage]] = defaultdict(dict)
        for row in month.rows:
            project, model, part, *_rest = row.dimensions
            if part is None and row.rate_entry_id is not None and any(row.sums):
                tier = row.tier if len(bounds[project, model]) == 1 else ANY_TIER
                cell = usage[str(project)].setdefault(str(model), CellUsage())
                cell.add(row, rates[row.rate_entry_id], tier, _units_per_pico(row, usd))
        found.append(usage)
    return found


def _corrections(month: SelectedSpend, usd: Units) -> Counter[str]:
    """Sums what isn't usage by project: corrections of closed months, and adjustments."""
    found: Counter[str] = Counter()
    for row in month.rows:
        project, _model, part, *_rest = row.dimensions
        if part is not None:
            found[str(project)] += row.sums.amount_nano * PICO_PER_NANO * _units_per_pico(row, usd)
    return found


def _units_per_pico(row: SpendRow, usd: Units) -> Units:
    return usd // ((row.per_usd_nano or NANO) * PICO_PER_NANO)
