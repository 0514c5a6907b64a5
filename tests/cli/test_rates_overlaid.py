"""`tollbook rates`: cards and conversions laid over one another, and what that says of posted charges."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Cli
from tests.helpers.ledgers import responses


def conversions(cli: Cli) -> list[tuple[str, str]]:
    rows = cli("rates", "conversion", "list", "--json").ok().json["rows"]
    return [(row["effective_from"], row["per_usd"]) for row in rows if row["provider"] == "evolink"]


def test_a_card_corrects_a_conversion_that_a_command_added(db_cli: Cli, tmp_path: Path) -> None:
    db_cli("ingest", "-", stdin=responses(range(4))).ok()
    db_cli("rates", "conversion", "add", "--per-usd", "68", "--from", "2026-02-10").ok()
    card = tmp_path / "card.toml"
    card.write_text(
        'provider = "evolink"\ncurrency = "CRD"\n[[conversion]]\nper_usd = "70"\neffective_from = 2026-02-10\n'
    )
    assert db_cli("rates", "add", card).exit_code == 2
    corrected = db_cli("rates", "add", card, "--replace", "--reason", "read wrongly").ok()
    assert "added conversion 70 CRD = 1 USD from 2026-02-10" in corrected.stderr
    assert "4 posted charges" in corrected.stderr
    assert conversions(db_cli) == [("2026-02-01", "72"), ("2026-02-10", "70")]
    assert "nothing new" in db_cli("rates", "add", card).ok().stderr
    db_cli("rates", "conversion", "add", "--per-usd", "71", "--from", "2026-02-10", "--replace", "--reason", "x").ok()
    assert conversions(db_cli) == [("2026-02-01", "72"), ("2026-02-10", "71")]
