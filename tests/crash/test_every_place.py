"""A command that is killed at any place and run again leaves the ledger as if nothing had happened.

Killed is each command that writes, on a copy of the ledger as it was before it, and sometimes its second run too. The
clock stands still, so that all rows can be compared, with their times, ids and digests.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.conftest import PostgresServer
from tests.crash.ledgers import Ledger, Tables, differences
from tests.crash.script import OF_RUNS, START, STEPS, Step, write_files
from tests.crash.warm import Ended, Order, Warm, warm_process
from tests.helpers.receiver import Receiver

LOOKS = (
    ["verify"],
    ["db", "check"],
    ["report", "--by", "month", "--by", "project", "--by", "model", "--json"],
)
# What is said of a ledger that isn't there yet, or not yet upgraded.
NOT_YET = ("there is no ledger at", "run 'tollbook db upgrade'")
# Of ten second runs, so many are killed too.
KILLED_AGAIN = 2


@dataclass(frozen=True, eq=False)
class Peace:
    """A step that was left in peace: the ledger before it, and what came of it."""

    step: Step
    before: Ledger
    at: datetime
    ended: Ended
    tables: Tables
    looks: str
    events: set[str]


@dataclass(frozen=True)
class Runs:
    """Runs of the script's steps."""

    warm: Warm
    receiver: Receiver

    def run(self, ledger: Ledger, lines: Sequence[Sequence[str]], at: datetime, kill_at: int | None = None) -> Ended:
        environment = {"TOLLBOOK_DB": ledger.url, "OPS_URL": self.receiver.url}
        return self.warm.run(Order(lines, str(ledger.folder), at, environment, kill_at))

    def looks(self, ledger: Ledger, at: datetime) -> str:
        ended = self.run(ledger, LOOKS, at)
        assert ended.code == 0, ended
        return ended.out

    def in_peace(self, ledger: Ledger, folder: Path, stack: ExitStack) -> Iterator[Peace]:
        """Runs the script, each step in peace."""
        for number, step in enumerate(STEPS):
            at = START + timedelta(hours=number)
            if step.before is not None:
                step.before(ledger.url)
            before = stack.enter_context(ledger.copied(folder / f"before {number}"))
            self.receiver.posts.clear()
            ended = self.run(ledger, [step.line], at)
            assert ended.code in (0, 3), (step, ended)
            yield Peace(step, before, at, ended, ledger.read(), self.looks(ledger, at), self.events)

    @property
    def events(self) -> set[str]:
        return {post.json["event_id"] for post in self.receiver.posts}

    def killed(self, peace: Peace, ledger: Ledger, kills: Sequence[int]) -> int:
        """Kills runs of a step at these places, the last one perhaps beyond its end, and runs it until it is done.

        Returns how many were killed. The ledger is sound after each, and in the end as in peace. The second run doesn't
        wait for the server to notice that the first is gone.
        """
        step, line = peace.step, [peace.step.line]
        self.receiver.posts.clear()
        count = 0
        for place in kills:
            ended = self.run(ledger, line, peace.at, place)
            assert ended.was_killed or count, ended
            if not ended.was_killed:
                break
            count += 1
            for path in ledger.folder.glob("several.json"):
                json.loads(path.read_text(encoding="utf-8"))  # written whole, or not at all
            checked = self.run(ledger, [["verify"]], peace.at)
            assert checked.code == 0 or any(words in checked.err for words in NOT_YET), checked
        ended = self.run(ledger, line, peace.at)
        assert ended.code in (peace.ended.code, step.again), ended
        if step.later is not None:
            ended = self.run(ledger, line, peace.at + step.later)
            assert ended.code == peace.ended.code, ended
        left_out = {name: {*OF_RUNS.get(name, ()), *step.of_runs.get(name, ())} for name in {*OF_RUNS, *step.of_runs}}
        assert differences(ledger.read(), peace.tables, left_out) == []
        assert self.looks(ledger, peace.at) == peace.looks
        assert self.events == peace.events
        return count


def draw(found: Sequence[Peace], number: int, rng: random.Random) -> list[tuple[Peace, list[int]]]:
    """Draws places to kill runs at: of each step one in turn, and all once before one comes again."""
    drawn: list[tuple[Peace, int]] = []
    while len(drawn) < number:
        counts = [(peace, len(peace.ended.places)) for peace in found]
        decks = [[(peace, place) for place in rng.sample(range(1, count + 1), count)] for peace, count in counts]
        for turn in zip_longest(*decks):
            dealt = [each for each in turn if each is not None]
            drawn += rng.sample(dealt, len(dealt))
    return [
        (peace, [place, rng.randint(1, len(peace.ended.places))] if rng.randrange(10) < KILLED_AGAIN else [place])
        for peace, place in drawn[:number]
    ]


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with warm_process() as process:
        yield process


@pytest.fixture(params=["sqlite", "postgres"])
def empty_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """A folder with the script's files, and a database nothing was written to yet."""
    folder = tmp_path / "ledger"
    folder.mkdir()
    write_files(folder)
    if request.param == "sqlite":
        yield Ledger(folder)
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create()
    yield Ledger(folder, server, name)
    server.drop(name)


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="forks and kill -9 are of POSIX")
def test_each_command_can_be_killed_anywhere_and_run_again(
    empty_ledger: Ledger, warm: Warm, receiver: Receiver, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    number, seed = int(pytestconfig.getoption("--kills")), pytestconfig.getoption("--kill-seed")
    assert number >= len(STEPS), f"--kills {number}: give at least one for each of the {len(STEPS)} steps"
    runs, killed, failures = Runs(warm, receiver), 0, []
    with ExitStack() as stack:
        found = list(runs.in_peace(empty_ledger, tmp_path, stack))
        for peace, places in draw(found, number, random.Random(seed)):
            with peace.before.copied(tmp_path / "killed") as ledger:
                try:
                    killed += runs.killed(peace, ledger, places)
                except AssertionError as error:
                    names = [f"{place} {peace.ended.places[place - 1]}" for place in places]
                    failures.append(f"{peace.step}, killed at {', then '.join(names)}: {error}")
    assert not failures, "\n\n".join(failures[:10])
    every = sum(len(peace.ended.places) for peace in found)
    print(f"{killed} kills, at places drawn by seed {seed} of {every} in {len(found)} steps")  # noqa: T201 - for -rP
    assert killed >= number
