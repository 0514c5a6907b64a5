"""Rounds of a fuzz test: a fixed count, for a time with --fuzz-seconds, or the one of --fuzz-seed again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

Fuzz = Callable[[int, Callable[[random.Random], object]], None]
_ROUNDS = "fuzzed rounds"


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Fuzz:
    """Runs `round(chance)` that many times, each on its own seed; a failure names the seed."""
    options = request.config.option
    sharing = sum("fuzz" in getattr(item, "fixturenames", ()) for item in request.session.items)

    def run(count: int, one_round: Callable[[random.Random], object]) -> None:
        ends = time.monotonic() + options.fuzz_seconds / sharing
        seeds = [options.fuzz_seed] if options.fuzz_seed is not None else list(range(count))
        done = 0
        while seeds or (options.fuzz_seed is None and time.monotonic() < ends):
            seed = seeds.pop() if seeds else random.SystemRandom().randrange(10**9)
            try:
                one_round(random.Random(seed))
            except BaseException as error:
                error.add_note(f"again: pytest '{request.node.nodeid}' --fuzz-seed {seed}")
                raise
            done += 1
        request.node.user_properties.append((_ROUNDS, done))

    return run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.option.fuzz_seconds:
        terminalreporter.section("fuzzed")
        for report in [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]:
            done = dict(report.user_properties).get(_ROUNDS)
            if report.when == "call" and done:
                terminalreporter.line(f"{done:>8,} rounds  {report.nodeid}")
