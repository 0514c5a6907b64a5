"""The levers of a project to spend less: at most three of a month, each with what it would have saved.

All are of the month's own usage, by what its books say alone, so that those of a closed month never change. Each is
worked out as if nothing else changed: a request may be in several, so they don't add up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ledger.book.project_names import read_projects
from ledger.book.without_rows import left_out, month_without_rows
from ledger.budgets.schedule import Schedules
from ledger.budgets.status import held_on
from ledger.pages.figures.month_spend import MonthSpend
from ledger.pages.figures.uncached import uncached_prefixes
from ledger.pages.figures.values import Lever
from ledger.reports.price_steps import OverStep, Step, read_over_steps, steps_of
from ledger.reports.snapshot import Snapshot
from ledger.reports.tally import Tally, price_of
from ledger.values.spend import Convertible
from pricing.money import INT64_MAX, PICO_PER_NANO, round_usd
from pricing.rate_entry import RateEntry

MOST_LEVERS = 3
# Of a month's spend, in percent: less isn't worth a line.
LEAST_PERCENT = 1
# A month of more requests is read row by row only where that is asked for.
MOST_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class Levers:
    """The dearest levers; `rows_skipped` where price steps were left out, as the month has too many requests.

    `without_rows` has words on usage whose prompts' lengths aren't known, as its rows aren't in the ledger.
    """

    found: tuple[Lever, ...] = ()
    rows_skipped: bool = False
    without_rows: tuple[str, ...] = ()


def find_levers(snapshot: Snapshot, month: MonthSpend, schedules: Schedules, *, rows: bool = False) -> Levers:
    """Finds the levers that would have saved most, none of under 1 % of the month's spend; `rows` reads any number."""
    whole_nano = month.usd_nano
    least_nano = whole_nano * LEAST_PERCENT // 100
    if least_nano <= 0:
        return Levers()
    steps = _steps_worth(month, least_nano)
    skipped = bool(steps) and not rows and sum(row.sums.requests for row in month.own_rows()) > MOST_ROWS
    found = [*_storage(month), *uncached_prefixes(snapshot, month, least_nano)]
    if steps and not skipped:
        over = read_over_steps(snapshot.connection, month.selection, month.month, steps)
        found += _price_steps(over, month.spend.rate_entries)
    worth = [lever for lever in found if lever.saving_nano * 100 >= whole_nano * LEAST_PERCENT]
    dearest = sorted(worth, key=lambda lever: (-lever.saving_nano, lever.kind, lever.project, lever.model or ""))
    unread = month_without_rows(snapshot.connection, month.month) if steps and not skipped else ()
    return Levers(_with_owners(snapshot, month, schedules, dearest[:MOST_LEVERS]), skipped, tuple(left_out(unread)))


def _steps_worth(month: MonthSpend, least_nano: int) -> list[Step]:
    """Returns the steps over which some project and model spent enough for a lever."""
    entries = month.spend.rate_entries
    steps = {(step.rate_entry_id, step.tier): step for each, entry in entries.items() for step in steps_of(each, entry)}
    spent: dict[tuple[str | None, ...], Convertible] = defaultdict(Convertible)
    at: dict[tuple[str | None, ...], set[Step]] = defaultdict(set)
    for row in month.own_rows():
        step = None if row.rate_entry_id is None else steps.get((row.rate_entry_id, row.tier))
        if step is not None:
            cell = (*row.dimensions[:2], str(step.bound))
            spent[cell][row.per_usd_nano] += row.sums.amount_nano
            at[cell].add(step)
    return sorted({step for cell, nano in spent.items() if round_usd(nano.usd) >= least_nano for step in at[cell]})


def _price_steps(found: Iterator[OverStep], entries: Mapping[int, RateEntry]) -> Iterator[Lever]:
    """Yields what the prompts just over a step would have saved, had each had exactly the bound's tokens.

    The uncached part of a prompt is cut first; output stays, at the cheaper tier's rate.
    """
    saved_pico: dict[tuple[str, str, int], Convertible] = defaultdict(Convertible)
    requests: dict[tuple[str, str, int], int] = defaultdict(int)
    for over in found:
        cell = (over.project, over.model, over.step.bound)
        # Of tiers that differ by output the one of the longest answers: at least so much would have been saved.
        tier = entries[over.step.rate_entry_id].tier_for(over.step.bound, INT64_MAX)
        assert tier is not None
        cached_pico = tier.input_pico if tier.cached_input_pico is None else tier.cached_input_pico
        uncached_tokens = over.requests * over.step.bound - over.cached_tokens
        cheaper_pico = uncached_tokens * tier.input_pico + over.cached_tokens * cached_pico
        cheaper_pico += over.output_tokens * tier.output_pico
        saved_pico[cell][over.per_usd_nano] += over.amount_nano * PICO_PER_NANO - cheaper_pico
        requests[cell] += over.requests
    for (project, model, bound), pico in saved_pico.items():
        saving_nano = round_usd(pico.usd / PICO_PER_NANO)
        yield Lever("price_step", project, model, None, saving_nano, requests[project, model, bound], bound=bound)


def _storage(month: MonthSpend) -> Iterator[Lever]:
    """Yields the projects whose storage cost more than reading from cache saved, by the difference."""
    stored = {row.dimensions[0] for row in month.own_rows() if row.sums.cache_storage_nano}
    tallies: dict[str, Tally] = defaultdict(Tally)
    for row in month.own_rows():
        if row.dimensions[0] in stored:
            price = price_of(month.spend.rate_entries, row.rate_entry_id, row.tier)
            tallies[row.dimensions[0] or ""].add(row, price)
    for project, tally in tallies.items():
        saving_nano = round_usd(tally.storage_nano.usd - tally.saved_pico.usd / PICO_PER_NANO)
        if saving_nano > 0:
            yield Lever("cache_storage", project, None, None, saving_nano, tally.counts[0])


def _with_owners(
    snapshot: Snapshot, month: MonthSpend, schedules: Schedules, levers: Sequence[Lever]
) -> tuple[Lever, ...]:
    """Adds each project's owner, else that of a budget of exactly this project on the month's last day."""
    projects = read_projects(snapshot.connection, month.month)
    owners = {
        budget.projects: budget.owner
        for budget in held_on(schedules, month.last_day)
        if budget.owner and not budget.models and not budget.tags
    }
    return tuple(
        replace(lever, owner=projects.of(lever.project).owner or owners.get((lever.project,))) for lever in levers
    )
