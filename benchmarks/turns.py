"""Timing in turns: the sides of a case, and the figures by which they are compared."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, TypeAlias

from benchmarks.runs import Run
from benchmarks.setting import Setting

Side: TypeAlias = Callable[[], Run]


class Measure(NamedTuple):
    """A figure of our run, or of ours and the peer's in the same turn, and whether less of it is better."""

    name: str
    figure: Callable[[Run, Run], float]
    less_is_better: bool = True


TIME = Measure("× time", lambda ours, peer: ours.seconds / peer.seconds)
SPEED = Measure("× speed", lambda ours, peer: peer.seconds / ours.seconds, less_is_better=False)
SECONDS = Measure("s", lambda ours, _peer: ours.seconds)
EACH = Measure("µs a record", lambda ours, _peer: ours.seconds / ours.records * 1e6)
RATE = Measure("records/s", lambda ours, _peer: ours.records / ours.seconds, less_is_better=False)
PEAK = Measure("MB at the peak", lambda ours, _peer: ours.peak_bytes / 1e6)
SIZE = Measure("bytes a record", lambda ours, _peer: ours.bytes_per_record)


class Goal(NamedTuple):
    """One side by a measure, beside a peer where the measure needs one; `bound` is the target, None without one."""

    ours: str
    measure: Measure
    bound: float | None = None
    peer: str | None = None


class Trial(NamedTuple):
    """A case that is ready to be run: its sides by name, and what is asked of them."""

    sides: Mapping[str, Side]
    goals: Sequence[Goal]


class Case(NamedTuple):
    """A case by its name: what it measures, how it is prepared, and whether its work is by the count of records."""

    name: str
    about: str
    prepare: Callable[[Setting], AbstractContextManager[Trial]]
    grows: bool = False


class Figure(NamedTuple):
    """A goal's figure: the median of the turns, the least and the most."""

    goal: Goal
    median: float
    least: float
    most: float

    @property
    def is_met(self) -> bool | None:
        """True where the median is within the bound; None where there is none."""
        if self.goal.bound is None:
            return None
        return self.median <= self.goal.bound if self.goal.measure.less_is_better else self.median >= self.goal.bound


class Result(NamedTuple):
    """A case that was run: the runs of each side, turn by turn, and the figures of its goals."""

    case: str
    records: int
    runs: Mapping[str, Sequence[Run]]
    figures: Sequence[Figure]

    def seconds(self, side: str) -> float:
        """The median of a side's wall seconds."""
        return statistics.median(run.seconds for run in self.runs[side])


def run_case(case: Case, setting: Setting, turns: int) -> Result:
    """Runs each side of a case once a turn, each turn beginning with another one."""
    with case.prepare(setting) as trial:
        names = list(trial.sides)
        runs: dict[str, list[Run]] = {name: [] for name in names}
        for turn in range(turns):
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                runs[name].append(trial.sides[name]())
    return Result(case.name, setting.records, runs, [figure_of(goal, runs) for goal in trial.goals])


def figure_of(goal: Goal, runs: Mapping[str, Sequence[Run]]) -> Figure:
    """Compares both sides turn by turn; the median is that of these figures, not a ratio of medians."""
    pairs = zip(runs[goal.ours], runs[goal.peer or goal.ours], strict=True)
    each = [goal.measure.figure(ours, peer) for ours, peer in pairs]
    return Figure(goal, statistics.median(each), min(each), max(each))


def growth_exponent(counts: Sequence[int], seconds: Sequence[float]) -> float:
    """The slope of log seconds over log counts: 1 where the time grows as the records do, 2 with their square."""
    return statistics.linear_regression([math.log(each) for each in counts], [math.log(each) for each in seconds]).slope
