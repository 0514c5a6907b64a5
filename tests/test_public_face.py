"""`from tollbook import …`: every promised name, the same object as in its room, loaded when it is asked for."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import ledger
import pricing
import tollbook
from tests.conftest import ROOT, command_environment

NAMES = {
    "Charge", "DatabaseFailure", "UnknownCard", "count_tokens", "estimate",
    "Ledger", "LedgerError", "PricingError", "Recorded", "TokenUsage", "__version__", "load_rate_cards", "price_batch",
    "price_usage", "usage_record",
}  # fmt: skip


def test_every_name_is_the_one_of_its_room() -> None:
    assert set(tollbook.__all__) == set(dir(tollbook)) == NAMES
    assert tollbook.Ledger is ledger.Ledger
    assert tollbook.usage_record is ledger.usage_record
    for name in ("TokenUsage", "load_rate_cards", "price_batch", "price_usage"):
        assert getattr(tollbook, name) is getattr(pricing, name)
    assert tollbook.__version__ == version("tollbook")
    assert issubclass(tollbook.LedgerError, Exception)
    assert issubclass(tollbook.PricingError, Exception)
    assert issubclass(tollbook.DatabaseFailure, tollbook.LedgerError)
    assert tollbook.count_tokens("hello world") == 2
    assert all(getattr(tollbook, name).__doc__ for name in NAMES)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        tollbook.nothing  # noqa: B018 - asked for


def test_pricing_loads_no_database() -> None:
    code = "import sys, tollbook; tollbook.price_usage; sys.exit('sqlalchemy' in sys.modules or 'click' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=command_environment(), check=False).returncode == 0
    )


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tollbook", "--version"],
        cwd=ROOT,
        env=command_environment(),
        capture_output=True,
        check=True,
    )
    assert version("tollbook") in done.stdout.decode()
