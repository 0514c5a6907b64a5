"""Whatever huge figures are posted, corrected and taken back, cells end as plain loops say, and everything adds up."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.audit.verify import verify
from ledger.book.corrections.adjust import adjust
from ledger.book.corrections.reversing import Selection as Corrected
from ledger.book.corrections.reversing import reassign, void
from ledger.book.posting import Run
from ledger.book.settings import rebuild_rollups
from ledger.config import Config
from ledger.errors import LedgerError
from ledger.intake.files import Ingest
from ledger.intake.labels import RunOptions
from ledger.intake.rating import RunCounts
from ledger.reports.selection import Selection
from ledger.reports.spend import read_spend
from ledger.store.opening import open_ledger
from ledger.values.amounts import Amount
from tests.book.test_full_cells import CARD, stored, used
from tests.conftest import Cli
from tests.helpers.sources import lines, source

pytestmark = pytest.mark.long

MOST = 2**63 - 1
COUNT = st.sampled_from([0, 1, 2**61, 2**62 - 1, 2**62, 2**62 + 1, MOST - 1, MOST])
PROJECT = st.sampled_from(["a", "b"])
# What reports say of the four sums that the loops keep, by place: token-hours are in none.
REPORTED = {"input_tokens": 0, "output_tokens": 1, "amount_nano": 3}


@dataclass(frozen=True)
class Usage:
    """One record of a file: a request, or storage for so many hours where it has some."""

    project: str
    count: int
    other: int
    hours: int


Posted: TypeAlias = list[Usage]
Command: TypeAlias = Posted | tuple[str, str] | tuple[str, int]
FILE = st.lists(st.builds(Usage, PROJECT, COUNT, COUNT, st.sampled_from([0, 0, 1, 3])), min_size=1, max_size=6)
CORRECTION = st.tuples(PROJECT, st.sampled_from(["void", "reassign"]))
ADJUSTMENT = st.tuples(
    PROJECT, st.integers(-(2**62), 2**62).filter(bool) | st.sampled_from([2**62, -(2**62), MOST, -MOST])
)
COMMANDS = st.lists(FILE | CORRECTION | ADJUSTMENT, min_size=1, max_size=8)


@dataclass
class Expected:
    """Cells by project, kind and class, and the usage that is live, by plain loops."""

    cells: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)
    live: list[tuple[str, str, list[int]]] = field(default_factory=list)

    def fits(self, added: dict[tuple[str, str, str], list[int]]) -> bool:
        """Add to the cells, all of it or nothing."""
        after = {
            key: [one + other for one, other in zip(self.cells.get(key, [0] * 4), part, strict=True)]
            for key, part in added.items()
        }
        if any(not -MOST - 1 <= value <= MOST for part in after.values() for value in part):
            return False
        self.cells |= after
        return True

    def record(self, made: Usage) -> bool:
        kind = "cache_storage" if made.hours else "request"
        part = [0, 0, made.count * made.hours, 0] if made.hours else [made.count, made.other, 0, 0]
        if not self.fits({(made.project, kind, "charge"): part}):
            return False
        self.live.append((made.project, kind, part))
        return True

    def correct(self, project: str, to: str | None) -> bool:
        chosen = [each for each in self.live if each[0] == project]
        added: dict[tuple[str, str, str], list[int]] = {}
        for _project, kind, part in chosen:
            for key, sign in (((project, kind, "reversal"), -1), ((to or "", kind, "replacement"), 1)):
                if key[0]:
                    added[key] = [one + sign * other for one, other in zip(added.get(key, [0] * 4), part, strict=True)]
        if not self.fits(added):
            return False
        moved = [] if to is None else [(to, kind, part) for _project, kind, part in chosen]
        self.live = [each for each in self.live if each[0] != project] + moved
        return True

    def totals(self, project: str) -> dict[str, int]:
        of_project = [part for key, part in self.cells.items() if key[0] == project]
        return {name: sum(part[place] for part in of_project) for name, place in REPORTED.items()}


examples = itertools.count()


class Real:
    """The same commands given to a ledger; each example has projects and ids of its own in it."""

    def __init__(self, url: str) -> None:
        self.database = open_ledger(url)
        self._prefix = f"e{next(examples)}"
        self._numbers = itertools.count()

    def name(self, project: str) -> str:
        return f"{self._prefix}-{project}"

    def ingest(self, made: Posted) -> RunCounts:
        """Record the usage as one file."""
        data = lines(map(self._line, made)).encode()
        return Ingest(self.database, Config(), RunOptions()).run([source(data)]).tally

    def _line(self, made: Usage) -> dict[str, Any]:
        named = {"request_id": f"{self._prefix}-{next(self._numbers)}", "project": self.name(made.project)}
        if made.hours:
            return stored(0, made.count, made.hours) | named
        return used(0, made.count, output_tokens=made.other) | named

    def adjust(self, project: str, nano: int) -> None:
        amount = Amount(nano, "USD")
        adjust(self.database, Run("adjust"), project=self.name(project), amount=amount, month="2026-02", provider="own")

    def correct(self, project: str, to: str | None) -> None:
        chosen = Corrected(project=self.name(project))
        if to is None:
            void(self.database, chosen, "R")
        else:
            reassign(self.database, chosen, self.name(to), "R")

    def totals(self, project: str) -> dict[str, int]:
        """What a report of the project adds up to."""
        selection = Selection(self.database.zone, projects=(self.name(project),))
        with self.database.reading() as connection:
            spend = read_spend(connection, selection, ledger_zone=self.database.zone, rollup_tags=())
        return {name: sum(row.sums._asdict()[name] for row in spend.rows) for name in REPORTED}


def obey(command: Command, real: Real, expected: Expected) -> None:
    """Give one command to both: what doesn't fit is refused, and nothing else is."""
    if isinstance(command, list):
        tally = real.ingest(command)
        fitting = sum(expected.record(each) for each in command)
        assert (tally.counts["accepted"], tally.counts["rejected"]) == (fitting, len(command) - fitting)
        return
    project, what = command
    if isinstance(what, int):
        fits = expected.fits({(project, "", "adjustment"): [0, 0, 0, what]})
    else:
        to = {"a": "b", "b": "a"}[project] if what == "reassign" else None
        fits = expected.correct(project, to)
    with nullcontext() if fits else pytest.raises(LedgerError, match="a day's sum holds at most"):
        if isinstance(what, int):
            real.adjust(project, what)
        else:
            real.correct(project, to)


@pytest.fixture
def url(db_cli: Cli, db_url: str) -> str:
    """A ledger that knows a model without bounds and prices."""
    Path("card.toml").write_text(CARD)
    db_cli("rates", "add", "card.toml").ok()
    return db_url


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commands=COMMANDS)
def test_huge_figures_end_as_plain_loops_say(commands: list[Command], url: str) -> None:
    real, expected = Real(url), Expected()
    for command in commands:
        obey(command, real, expected)
    for project in ("a", "b"):
        assert real.totals(project) == expected.totals(project)
    for month in (None, "2026-02"):
        assert verify(real.database, month).passed
    rebuild_rollups(real.database, ())
    assert verify(real.database).passed
    real.database.close()
