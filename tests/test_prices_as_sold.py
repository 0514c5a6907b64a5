"""A month at every kind of price: it closes, exports, reconciles and is replayed to the last digit."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.helpers.focus import MARCH, close, rows_of, total
from tests.helpers.reconciling import reconcile
from tests.helpers.sources import lines, record

ARK = """\
provider = "ark"
currency = "CNY"
per_tokens = 1_000_000
[[conversion]]
per_usd = "7.3"
effective_from = 2026-02-01
[[model]]
id = "seed"
[[model.price]]
effective_from = 2026-02-01
cache_storage_per_hour = "0.017"
tiers = [
  { up_to = 1_000, output_up_to = 200, input = "0.8", cached_input = "0.16", output = "2" },
  { up_to = 1_000, input = "0.8", cached_input = "0.16", output = "8" },
  { input = "1.2", cached_input = "0.16", output = "16" },
]
[[model.price.service]]
names = ["batch"]
factor = "0.5"
meters = ["input", "output"]
[[contract]]
name = "acme"
effective_from = 2026-03-10
factor = "0.85"
meters = ["input", "output"]
"""
CLAUDE = """\
provider = "anthropic"
currency = "USD"
per_tokens = 1_000_000
[[model]]
id = "claude"
[[model.price]]
effective_from = 2026-02-01
per_call = "0.01"
tiers = [{ input = "3", cached_input = "0.3", output = "15", cache_write_5m = "3.75", cache_write_1h = "6" }]
"""


def ark(number: str, day: str, input_tokens: int, output_tokens: int, **changes: Any) -> dict[str, Any]:
    counts = {"input_tokens": input_tokens, "cached_input_tokens": input_tokens // 3, "output_tokens": output_tokens}
    facts = {"provider": "ark", "source": "ark", "requested_model": "seed", "project": "search"}
    return record(number, occurred_at=f"{day}T12:00:00Z") | facts | counts | changes


def claude(number: str, **counts: int) -> dict[str, Any]:
    facts = {"provider": "anthropic", "source": "anthropic", "requested_model": "claude", "project": "care"}
    return record(number, occurred_at="2026-03-05T12:00:00Z", **facts, **counts)


USAGE = [
    ark("a1", "2026-03-09", 1_000, 200), ark("a2", "2026-03-10", 1_000, 201), ark("a3", "2026-03-31", 1_001, 7),
    ark("a4", "2026-03-09", 997, 101, service_tier="batch"), ark("a5", "2026-03-10", 5_003, 211, service_tier="batch"),
    {"request_id": "a6", "kind": "cache_storage", "provider": "ark", "source": "ark", "requested_model": "seed",
     "project": "search", "tokens": 12_345, "start": "2026-03-11T10:00:00Z", "end": "2026-03-11T11:30:00Z"},
    claude("c1", input_tokens=7_100, cached_input_tokens=5_000, cache_write_5m_tokens=1_500, cache_write_1h_tokens=500,
           output_tokens=300, calls=2),
    claude("c2", input_tokens=33, output_tokens=1),
]  # fmt: skip
# Worked out by hand, in millionths: 0.85 of the list from 10 March, half of input and output as batch.
AMOUNTS = {
    "a1": Decimal(667) * Decimal("0.8") + Decimal(333) * Decimal("0.16") + 200 * 2,
    "a2": Decimal(667) * Decimal("0.68") + Decimal(333) * Decimal("0.16") + Decimal(201) * Decimal("6.8"),
    "a3": Decimal(668) * Decimal("1.02") + Decimal(333) * Decimal("0.16") + Decimal(7) * Decimal("13.6"),
    "a4": Decimal(665) * Decimal("0.4") + Decimal(332) * Decimal("0.16") + 101,
    "a5": Decimal(3336) * Decimal("0.51") + Decimal(1667) * Decimal("0.16") + Decimal(211) * Decimal("6.8"),
    "a6": Decimal(12345) * 2 * Decimal("0.017"),
    "c1": 100 * 3 + 5_000 * Decimal("0.3") + 1_500 * Decimal("3.75") + 500 * 6 + 300 * 15 + 20_000,
    "c2": Decimal(33 * 3 + 15),
}


@pytest.fixture
def book(db_cli: Cli) -> Cli:
    for name, text in (("ark.toml", ARK), ("claude.toml", CLAUDE)):
        Path(name).write_text(text)
        db_cli("rates", "add", name).ok()
    db_cli("ingest", "-", stdin=lines(USAGE)).ok()
    return db_cli


def usd(cli: Cli) -> Decimal:
    return Decimal(cli("report", "--month", MARCH, "--json").ok().json["total"]["usd"])


def test_a_month_at_every_kind_of_price(book: Cli) -> None:
    close(book, MARCH)
    charges = rows_of(book("export", "charges", "--month", MARCH).ok().stdout)
    amounts: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in charges:
        amounts[row["request_id"]] += Decimal(row["amount"])
    assert amounts == {number: millionths / 10**6 for number, millionths in AMOUNTS.items()}
    focus = rows_of(book("export", "focus", "--month", MARCH).ok().stdout)
    chargeback = rows_of(book("export", "chargeback", "--month", MARCH).ok().stdout)
    by_tier = rows_of(book("export", "chargeback", "--month", MARCH, "--by", "service_tier").ok().stdout)
    assert usd(book) == total(charges, "usd") == total(focus, "BilledCost") == total(focus, "ContractedCost")
    assert usd(book) == total(chargeback, "usd_exact") == total(by_tier, "usd_exact")
    assert {row["service_tier"] for row in by_tier} == {"default", "batch"}
    listed = book("report", "--month", MARCH, "--list-prices", "--json").ok().json["total"]
    assert Decimal(listed["list_usd"]) == total(focus, "ListCost") > usd(book)
    for provider, currency in (("ark", "CNY"), ("anthropic", "USD")):
        of_provider = {row["request_id"]: row["occurred_at"] for row in charges if row["source"] == provider}
        rows = [f"{number},{at},{amounts[number]},{currency}" for number, at in of_provider.items()]
        statement = " / ".join(["request_id,occurred_at,amount,currency", *rows])
        found = reconcile(book, statement, "--provider", provider, "--month", MARCH)
        assert (found.exit_code, found.json["passed"]) == (0, True), found
    replay = book("whatif", "--month", MARCH, "--json").ok().json
    assert (replay["total"]["change_usd"], replay["requests_changed"], replay["charges_priced"]) == ("0", 0, len(USAGE))
    assert Decimal(replay["total"]["after_usd"]) == usd(book)
    book("verify").ok()
    book("db", "check").ok()
