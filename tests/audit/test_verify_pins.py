"""What `verify` says of charges whose amounts are right but that should not stand as they do."""

from __future__ import annotations

from tests.conftest import Cli
from tests.helpers.ledgers import responses, tamper


def test_a_replacement_without_reversal_is_named(db_cli: Cli, db_url: str) -> None:
    db_cli("ingest", "-", stdin=responses([1])).ok()
    db_cli("reassign", "--project", "project-1", "--to", "search").ok()
    assert db_cli("verify", "--json").ok().json["ok"]
    tamper(db_url, "DELETE FROM charges WHERE charge_class = 'reversal'")
    found = db_cli("verify", "--json")
    assert found.exit_code == 1
    assert "charge 3: replaces charge 1, which no reversal takes back" in found.json["problems"]


def test_a_price_or_conversion_that_had_not_begun_is_named(db_cli: Cli, db_url: str) -> None:
    db_cli("ingest", "-", stdin=responses([1])).ok()
    # 2026-01-31T23:59:59.999999Z: a microsecond before the first price and conversion.
    tamper(db_url, "UPDATE usage_records SET occurred_at = 1769903999999999")
    problems = "\n".join(db_cli("verify", "--json").json["problems"])
    assert "its conversion isn't one of CRD that had begun by then" in problems
    assert "its rate entry evolink/doubao-seed-2.0-pro/2026-02-01#36cca0d1 had not begun by then" in problems
