"""Contract prices: charged at, beside the list's in reports and exports, and booked after the fact by reprice."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.helpers.focus import rows_of
from tests.helpers.ledgers import execute, tamper
from tests.helpers.sources import lines, record

CARD = """\
provider = "ark"
currency = "CNY"
per_tokens = 1_000_000
[[conversion]]
per_usd = "8"
effective_from = 2026-02-01
[[model]]
id = "seed"
[[model.price]]
effective_from = 2026-02-01
cache_storage_per_hour = "0.02"
tiers = [
  { up_to = 1_000, input = "4", cached_input = "1", output = "20" },
  { input = "8", cached_input = "2", output = "40" },
]
"""
CONTRACT = """\
provider = "ark"
currency = "CNY"
[[contract]]
name = "acme"
effective_from = 2026-03-10
effective_to = 2026-04-01
factor = "0.75"
meters = ["input", "output", "cache_storage"]
"""


def used(number: str, day: str, **changes: Any) -> dict[str, Any]:
    counts = {"input_tokens": 1_000, "cached_input_tokens": 400, "output_tokens": 100}
    return record(number, provider="ark", occurred_at=f"{day}T12:00:00Z", requested_model="seed", **counts, **changes)


def stored(number: str, day: str) -> dict[str, Any]:
    times = {"start": f"{day}T12:00:00Z", "end": f"{day}T13:00:00Z"}
    return {"request_id": number, "kind": "cache_storage", "provider": "ark", "requested_model": "seed",
            "tokens": 1_000_000, **times}  # fmt: skip


@pytest.fixture
def ark(db_cli: Cli, tmp_path: Path) -> Cli:
    (tmp_path / "ark.toml").write_text(CARD)
    (tmp_path / "acme.toml").write_text(CONTRACT)
    db_cli("rates", "add", "ark.toml").ok()
    return db_cli


def sign(ark: Cli) -> str:
    return ark("rates", "add", "acme.toml").ok().stderr


def ingest(ark: Cli, *records: dict[str, Any]) -> None:
    ark("ingest", "-", stdin=lines(records)).ok()


def spend(ark: Cli) -> tuple[str, str, str]:
    total = ark("report", "--month", "2026-03", "--list-prices", "--json").ok().json["total"]
    return total["usd"], total["list_usd"], total["saved_usd"]


# 600 x 4 + 400 x 1 + 100 x 20 = 4,800 millionths of a yuan by the list, 1,800 + 400 + 1,500 = 3,700 by the contract.
LISTED, AGREED = Decimal("0.0006"), Decimal("0.0004625")


def test_usage_is_charged_at_the_contract_and_shown_beside_the_list(ark: Cli) -> None:
    assert "added entry ark/seed/2026-03-10/acme#" in sign(ark)
    ingest(ark, used("1", "2026-03-09"), used("2", "2026-03-10"), used("3", "2026-03-31"), used("4", "2026-04-01"))
    usd, listed, saved = spend(ark)
    assert (Decimal(usd), Decimal(listed), Decimal(saved)) == (LISTED + 2 * AGREED, 3 * LISTED, 2 * (LISTED - AGREED))
    plain = ark("report", "--month", "2026-03", "--json").ok().json["total"]
    assert plain["usd"] == usd
    assert "list_usd" not in plain
    ark("verify").ok()


def test_stored_tokens_and_corrections_are_at_list_price_too(ark: Cli) -> None:
    sign(ark)
    ingest(ark, used("1", "2026-03-10"), stored("s", "2026-03-10"), used("2", "2026-03-11"))
    ark("void", "--id", "2", "--reason", "r").ok()
    ark(
        "adjust",
        "--month",
        "2026-03",
        "--project",
        "unassigned",
        "--amount",
        "-0.0001usd",
        "--reason",
        "r",
        "--reference",
        "CN-1",
    ).ok()
    usd, listed, saved = spend(ark)
    assert Decimal(listed) == LISTED + Decimal("0.0025") - Decimal("0.0001")
    assert Decimal(usd) == AGREED + Decimal("0.001875") - Decimal("0.0001")
    assert Decimal(saved) == Decimal(listed) - Decimal(usd)


def test_what_rounding_adds_is_at_list_price_too(ark: Cli, tmp_path: Path) -> None:
    settled = CARD.replace("2026-02-01", "2026-03-01") + '[settlement]\nquantum = "0.001"\nmode = "ceil"\n'
    (tmp_path / "ark.toml").write_text(settled)
    ark("rates", "add", "ark.toml").ok()
    sign(ark)
    ingest(ark, used("1", "2026-03-10"))
    usd, listed, saved = (Decimal(figure) for figure in spend(ark))
    # 1,800 + 400 + 1,500 millionths come to 2 + 1 + 2 thousandths; the contract took off 600 and 500 millionths.
    assert (usd, saved) == (Decimal("0.005") / 8, LISTED - AGREED)
    assert listed == usd + saved
    focus = rows_of(ark("export", "focus", "--month", "2026-03").ok().stdout)
    assert sum(Decimal(row["ListCost"]) for row in focus) == listed


def test_a_ledger_whose_contract_no_longer_fits_goes_on(ark: Cli, tmp_path: Path, db_url: str) -> None:
    sign(ark)
    execute(db_url, "INSERT INTO card_versions SELECT 99, provider, origin, 'x', replace(content, '0.75', "
            "'0.7500000000000001'), NULL, added_at FROM card_versions WHERE content LIKE '%acme%'")  # fmt: skip
    ark("status").ok()
    held = ark("ingest", "-", "--json", stdin=lines([used("1", "2026-03-10"), used("2", "2026-03-09")]))
    assert (held.exit_code, held.json["accepted"]) == (3, 1)
    assert held.json["rejections"][0]["reason"] == "unpriced_contract"
    (tmp_path / "acme.toml").write_text(CONTRACT.replace("0.75", "0.5"))
    ark("rates", "add", "acme.toml", "--replace", "--reason", "it fits").ok()
    ark("quarantine", "retry").ok()
    assert Decimal(spend(ark)[0]) == LISTED + Decimal("0.000325")


def test_a_contract_signed_late_is_booked_by_reprice(ark: Cli) -> None:
    ingest(ark, used("1", "2026-03-09"), used("2", "2026-03-10"))
    assert spend(ark)[2] == "0"
    assert "1 posted charge has other figures" in sign(ark)
    ark("reprice", "--since", "2026-03-01").ok()
    usd, _listed, saved = spend(ark)
    assert (Decimal(usd), Decimal(saved)) == (LISTED + AGREED, LISTED - AGREED)
    assert ark("reprice", "--since", "2026-03-01", "--dry-run", "--json").ok().json["rows"] == []
    assert "nothing new" in sign(ark)
    ark("verify").ok()


def test_an_ended_contract_leaves_no_charge_priced_otherwise(ark: Cli, tmp_path: Path) -> None:
    sign(ark)
    ingest(ark, used("1", "2026-03-09"), used("2", "2026-03-10"), used("3", "2026-04-01"))
    (tmp_path / "alias.toml").write_text(CARD.replace('id = "seed"', 'id = "seed"\naliases = ["s"]'))
    assert "other figures" not in ark("rates", "add", "alias.toml").ok().stderr


def test_another_term_of_the_name_needs_a_reason(ark: Cli, tmp_path: Path) -> None:
    sign(ark)
    (tmp_path / "acme.toml").write_text(CONTRACT.replace("0.75", "0.5"))
    refused = ark("rates", "add", "acme.toml")
    assert (refused.exit_code, "ark/contract/acme is known with other figures" in refused.stderr) == (2, True)
    ark("rates", "add", "acme.toml", "--replace", "--reason", "the signed one").ok()
    price = ark(
        "price", "--provider", "ark", "--model", "seed", "--input-tokens", 1_000, "--at", "2026-03-20", "--json"
    )
    assert price.ok().json["amount"] == "0.002"


def test_exports_have_both_prices(ark: Cli) -> None:
    sign(ark)
    ingest(ark, used("1", "2026-03-09"), used("2", "2026-03-10"))
    charges = rows_of(ark("export", "charges", "--month", "2026-03").ok().stdout)
    rates = [(row["line_id"], row["rate"], row["list_rate"]) for row in charges if row["meter"] != "output"]
    assert rates == [
        ("1-input", "4", "4"), ("1-cached_input", "1", "1"), ("2-input", "3", "4"), ("2-cached_input", "1", "1"),
    ]  # fmt: skip
    focus = rows_of(ark("export", "focus", "--month", "2026-03").ok().stdout)
    [agreed] = [row for row in focus if row["x_Meter"] == "output" and "/acme#" in row["x_RateEntry"]]
    names = [f"{currency}{kind}UnitPrice" for currency in ("", "PricingCurrency") for kind in ("List", "Contracted")]
    assert [Decimal(agreed[name]) for name in names] == [Decimal("2.5"), Decimal("1.875"), 20, 15]
    for name, usd in (("ListCost", 2 * LISTED), ("ContractedCost", LISTED + AGREED), ("BilledCost", LISTED + AGREED)):
        assert sum(Decimal(row[name]) for row in focus) == usd, name


def test_a_list_price_that_is_gone_is_named(ark: Cli, db_url: str) -> None:
    sign(ark)
    ingest(ark, used("1", "2026-03-10"))
    tamper(db_url, "DELETE FROM rate_entries WHERE key LIKE 'ark/seed/2026-02-01#%'")
    found = ark("verify")
    assert found.exit_code == 1, found
    assert "the list price that it names isn't there" in found.stdout + found.stderr, found
    refused = ark("report", "--list-prices")
    assert (refused.exit_code, "run 'tollbook verify'" in refused.stderr) == (2, True)
