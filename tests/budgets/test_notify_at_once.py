"""Two processes that notify at once, one of them killed now and then: no threshold is missed, only ids repeat."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_budget_status import FROM, use
from tests.conftest import Cli
from tests.helpers.ledgers import PRO, finish, rows, start
from tests.helpers.receiver import Answer, Receiver, running_receiver

CHANNEL = '[[channel]]\nname = "ops"\nkind = "webhook"\nurl_env = "OPS_URL"\ntimeout = 5\n'
CHANNEL += '[[source]]\nname = "evolink"\nexpect_every = "60d"\n'
ALERTS = range(5, 101, 5)
BUDGETS = {"all": 20, "search": 40}
STEPS = 20
# Runs in one process, with claims that end after some seconds.
NOTIFY = """
import sys
from datetime import timedelta
from ledger.budgets import events
from ledger.cli import cli
lease, runs, url = sys.argv[1:]
events.LEASE = timedelta(seconds=float(lease))
for _ in range(int(runs)):
    try:
        cli.main(["budget", "notify", "--at", "2026-03-25", "--db", url], prog_name="tollbook")
    except SystemExit as end:
        assert end.code in (0, 1), end.code
"""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with running_receiver() as found:
        monkeypatch.setenv("OPS_URL", found.url)
        found.otherwise = Answer(seconds=0.02)
        yield found


@pytest.fixture
def budgets(db_cli: Cli) -> Cli:
    """Two budgets of 20 alerts each."""
    Path("tollbook.toml").write_text(CHANNEL, encoding="utf-8")
    for name, credits in BUDGETS.items():
        alerts = ",".join(map(str, ALERTS))
        options = ("--alert", alerts, "--alert-forecast", "1000", "--notify", "ops", *FROM)
        db_cli("budget", "set", name, "--amount", f"{credits}credits", *options).ok()
    return db_cli


def spend(cli: Cli, step: int) -> None:
    """2 credits a step: 40 in the end, all of the one budget and twice the other."""
    use(cli, (f"2026-03-{step + 1:02}", "search", PRO, 2))


def told(receiver: Receiver) -> Counter[tuple[str, int, str]]:
    return Counter((post.json["budget"], post.json["percent"], post.json["event_id"]) for post in receiver.posts)


def assert_each_is_told_by_one_id(receiver: Receiver) -> None:
    found = told(receiver)
    assert {(name, percent) for name, percent, _id in found} == {(name, each) for name in BUDGETS for each in ALERTS}
    assert len({event_id for _name, _percent, event_id in found}) == len(found) == len(BUDGETS) * len(ALERTS)


def run(url: str, runs: int, lease: float, folder: Path) -> subprocess.Popen[str]:
    return start(NOTIFY, [lease, runs, url], folder)


def test_two_processes_at_once_send_each_once(budgets: Cli, db_url: str, tmp_path: Path, receiver: Receiver) -> None:
    processes = [run(db_url, 15, 60, tmp_path) for _ in range(2)]
    for step in range(STEPS):
        spend(budgets, step)
    for process in processes:
        exit_code, _out, err = finish(process)
        assert exit_code == 0, err
    budgets("budget", "notify", "--at", "2026-03-25").ok()
    assert_each_is_told_by_one_id(receiver)
    assert set(told(receiver).values()) == {1}


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is of POSIX")
@pytest.mark.parametrize("runs", [15, pytest.param(100, marks=pytest.mark.long)])
def test_a_process_that_is_killed_now_and_then_makes_no_threshold_missed(
    budgets: Cli, db_url: str, tmp_path: Path, receiver: Receiver, runs: int
) -> None:
    moments = random.Random(f"{db_url.partition(':')[0]} {time.time_ns()}")
    lease = 2.0
    steady, victim = (run(db_url, runs, lease, tmp_path) for _ in range(2))
    kills, step = 0, 0
    while steady.poll() is None:
        seen, deadline = len(receiver.posts), time.monotonic() + 3
        if step < STEPS:
            spend(budgets, step)
            step += 1
        # Mostly while something is being sent.
        while len(receiver.posts) == seen and time.monotonic() < deadline and steady.poll() is None:
            time.sleep(0.005)
        time.sleep(moments.random() * 0.03)
        receiver.answers += [Answer(500)] * moments.randrange(2)
        if victim.poll() is None:
            victim.kill()
            kills += 1
        finish(victim)
        victim = run(db_url, runs, lease, tmp_path)
    victim.kill()
    finish(victim)
    exit_code, _out, err = finish(steady)
    assert exit_code == 0, err
    assert kills
    for rest in range(step, STEPS):
        spend(budgets, rest)
    receiver.answers.clear()
    time.sleep(lease)
    exit_code, _out, err = finish(run(db_url, 1, lease, tmp_path))
    assert exit_code == 0, err
    assert_each_is_told_by_one_id(receiver)
    assert set(rows(db_url, "SELECT state FROM budget_deliveries")) == {("delivered",)}
    budgets("verify").ok()
