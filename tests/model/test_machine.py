"""The whole ledger in any order of commands, compared step by step with a naive one.

`pytest tests/model --model-steps 20000` takes so many steps on each database, others each time.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.ledger import Ledger
from tests.model.machine import LedgerMachine

STEPS = 1_000
STEPS_OF_A_SCRIPT = 50


def test_the_ledger_is_what_a_naive_one_is(ledger: Ledger, pytestconfig: pytest.Config) -> None:
    asked: int | None = pytestconfig.getoption("--model-steps")
    run_state_machine_as_test(
        lambda: LedgerMachine(ledger),  # type: ignore[arg-type]  # any factory will do, says its documentation
        settings=settings(
            max_examples=-(-(asked or STEPS) // STEPS_OF_A_SCRIPT),
            stateful_step_count=STEPS_OF_A_SCRIPT,
            derandomize=not asked,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
