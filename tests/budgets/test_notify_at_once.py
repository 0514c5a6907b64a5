"""Two processes that notify at once, one of them killed now and then: no threshold is missed, only ids repeat."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.helpers.budgets import FROM, use
from tests.helpers.ledgers import PRO, finish, rows, start
from tests.helpers.receiver import Answer, Receiver, running_receiver

CHANNEL = '[[channel]]\nname = "ops"\nkind = "webhook"\nurl_env = "OPS_URL"\ntimeout = 5\n'
CHANNEL += '[[source]]\nname = "evolink"\nexpect_every = "60d"\n'
AT = ("--at", "2026-03-31")
LEASE_SECONDS = 1.0
# Runs again and again, at least so many times and once after the file is there; claims end after some seconds.
NOTIFY = """
import sys
from datetime import timedelta
from pathlib import Path
from ledger.budgets import events
from ledger.cli import cli
lease, runs, url = sys.argv[1:]
events.LEASE = timedelta(seconds=float(lease))
print("ready", flush=True)
done, is_enough = 0, False
while done < int(runs) or not is_enough:
    done, is_enough = done + 1, Path("enough").exists()
    try:
        cli.main(["budget", "notify", "--at", "2026-03-31", "--db", url], prog_name="tollbook")
    except SystemExit as end:
        assert end.code in (0, 1), end.code
"""

# Kills itself when it sends, at a moment of the sending: before it, within its 20 ms, or after it.
DYING = """
import os, random, signal, threading, time
from ledger.budgets import notify
send = notify.send
def dies(*args):
    moment = random.choice([0, random.random() * 0.04, random.random() * 0.04])
    kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
    kill() if moment == 0 else threading.Timer(moment, kill).start()
    send(*args)
    time.sleep(random.random() * 0.02)
notify.send = dies
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as found:
        found.otherwise = Answer(seconds=0.02)
        yield found


class Scene:
    """Two budgets that usage in some steps uses up: one of them at the end, the other at half of it, and twice."""

    def __init__(self, cli: Cli, url: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
        self.cli, self.url, self.receiver, self.steps = cli, url, receiver, steps
        self._monkeypatch = monkeypatch
        self.percents = range(100 // steps, 101, 100 // steps)
        Path("tollbook.toml").write_text(CHANNEL, encoding="utf-8")
        alerts = ",".join(map(str, self.percents))
        for name, credits in (("half", steps), ("whole", 2 * steps)):
            options = ("--alert", alerts, "--alert-forecast", "1000", "--notify", "ops", *FROM)
            cli("budget", "set", name, "--amount", f"{credits}credits", *options).ok()

    def spend(self, step: int) -> None:
        use(self.cli, (f"2026-03-{step % 28 + 1:02}", f"project-{step}", PRO, 2))

    def start(
        self, *names: str, runs: int, lease: float = LEASE_SECONDS, code: str = NOTIFY
    ) -> list[subprocess.Popen[str]]:
        """Starts processes whose posts have their names as path; returns once all are about to notify."""
        processes = []
        for name in names:
            self._monkeypatch.setenv("OPS_URL", f"{self.receiver.url}/{name}")
            processes.append(start(code, [lease, runs, self.url], Path.cwd()))
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", finish(process)
        return processes

    def end(self, *processes: subprocess.Popen[str]) -> None:
        """Lets processes come to their end, each with a run after all that was spent."""
        Path("enough").touch()
        for process in processes:
            exit_code, _out, err = finish(process)
            assert exit_code == 0, err

    def told(self) -> Counter[tuple[str, int, str]]:
        """Counts the posts by budget, percent and id; each threshold has one id."""
        posts = (post.json for post in self.receiver.posts)
        found = Counter((post["budget"], post["percent"], post["event_id"]) for post in posts)
        wanted = {(name, percent) for name in ("half", "whole") for percent in self.percents}
        assert {(name, percent) for name, percent, _id in found} == wanted
        assert len({event_id for _name, _percent, event_id in found}) == len(found) == len(wanted)
        return found


def test_two_processes_at_once_send_each_once(
    db_cli: Cli, db_url: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(db_cli, db_url, receiver, monkeypatch, steps=4)
    processes = scene.start("one", "two", runs=1, lease=60)
    for step in range(scene.steps):
        scene.spend(step)
    scene.end(*processes)
    assert set(scene.told().values()) == {1}


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is of POSIX")
@pytest.mark.parametrize(("steps", "runs"), [(2, 1), pytest.param(50, 100, marks=pytest.mark.long)])
def test_a_process_that_is_killed_now_and_then_makes_no_threshold_missed(
    db_cli: Cli, db_url: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, steps: int, runs: int
) -> None:
    scene = Scene(db_cli, db_url, receiver, monkeypatch, steps)
    # Alone at first, it has something to send.
    scene.spend(0)
    [victim] = scene.start("victim", runs=runs, code=DYING + NOTIFY)
    assert finish(victim)[0] == -signal.SIGKILL
    [steady], [victim] = (
        scene.start(name, runs=runs, code=code) for name, code in (("steady", NOTIFY), ("victim", DYING + NOTIFY))
    )
    for step in range(1, steps):
        scene.spend(step)
        try:
            victim.wait(timeout=1)
        except subprocess.TimeoutExpired:
            continue
        exit_code, _out, err = finish(victim)
        assert exit_code == -signal.SIGKILL, err
        if step < steps - 1:
            [victim] = scene.start("victim", runs=runs, code=DYING + NOTIFY)
    victim.kill()
    finish(victim)
    time.sleep(LEASE_SECONDS)
    scene.end(steady)
    assert scene.told()
    assert set(rows(db_url, "SELECT state FROM budget_deliveries")) == {("delivered",)}
    db_cli("verify").ok()
