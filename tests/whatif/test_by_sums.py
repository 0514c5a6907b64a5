"""Another model priced by sums where that is what pricing each request gives, and by requests everywhere else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from ledger.whatif.by_sums import BySums
from ledger.whatif.changes import Asked
from ledger.whatif.whatif import run_whatif
from tests.conftest import Cli
from tests.helpers.book import CODE, LITE, MINI, PRO, Book
from tests.helpers.focus import MARCH, ingest, request, storage
from tests.helpers.random_charges import random_charges

NOW = datetime(2026, 8, 1, tzinfo=UTC)
TIERS = """[
  { up_to = 32_000, input = "3", cached_input = "1", output = "7" },
  { up_to = 128_000, input = "5", cached_input = "1", output = "9" },
  { up_to = 256_000, input = "6", cached_input = "1", output = "11" },
]"""
CARD = f"""
provider = "evolink"
currency = "CRD"
per_tokens = 1_000_000
[[model]]
id = "other"
max_input_tokens = 256_000
max_output_tokens = 128_000
[[model.price]]
effective_from = 2026-02-01
cache_storage_per_hour = "0.1"
tiers = {TIERS}
"""
NEW_PRICE = f"""[[model.price]]
effective_from = 2026-03-20
cache_storage_per_hour = "0.1"
tiers = {TIERS.replace("11", "12")}
"""
CONTRACT = """[[contract]]
name = "acme"
effective_from = 2026-03-20
factor = "0.5"
meters = ["input"]
"""
SETTLEMENT = '[settlement]\nquantum = "0.01"\nmode = "ceil"\n'
# What keeps sums from telling, as a change to the card.
HINDRANCES = {
    "tiers of other bounds": CARD.replace("32_000, input", "31_000, input"),
    "a rate that isn't whole in nano": CARD.replace('input = "3"', 'input = "3.0001"'),
    "no cached rate": CARD.replace('"5", cached_input = "1"', '"5"'),
    "shorter prompts": CARD.replace("max_input_tokens = 256_000", "max_input_tokens = 200_000"),
    "shorter answers": CARD.replace("128_000\n[[", "100_000\n[["),
    "lines that are rounded": CARD + SETTLEMENT,
    "another price in the month": CARD + NEW_PRICE,
    "a contract in the month": CARD + CONTRACT,
    "a first price after the booked one's": CARD.replace("2026-02-01", "2026-03-01"),
    "dearer storage": CARD.replace('"0.1"', '"0.5"'),
    "storage without a price": CARD.replace('cache_storage_per_hour = "0.1"\n', ""),
}


def use_all_tiers(cli: Cli) -> None:
    for place, tokens in enumerate((1, 32_000, 32_001, 128_000, 128_001, 256_000)):
        ingest(cli, request(f"r{place}", f"2026-03-{10 + place}", requested_model=PRO, input_tokens=tokens,
                            cached_input_tokens=tokens // 3, output_tokens=777))  # fmt: skip
    ingest(cli, storage("s", "2026-03-11T10:00:00Z", "2026-03-11T12:00:00Z", 123_457) | {"requested_model": PRO})


def ask(cli: Cli, *options: str) -> dict[str, object]:
    found: dict[str, object] = cli("whatif", "--month", MARCH, "--model", f"{PRO}=other", "--json", *options).ok().json
    return found


def without_count(found: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in found.items() if name != "charges_priced"}


def test_sums_give_what_each_request_does(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    use_all_tiers(cli)
    Path("card.toml").write_text(CARD)
    cli("rates", "add", "card.toml").ok()
    by_sums = ask(cli)
    assert by_sums["charges_priced"] == 0
    monkeypatch.setattr(BySums, "price", lambda *_args: None)
    by_requests = ask(cli)
    assert by_requests["charges_priced"] == 7
    assert without_count(by_sums) == without_count(by_requests)


@pytest.mark.parametrize("card", HINDRANCES.values(), ids=HINDRANCES)
def test_whatever_keeps_sums_from_telling_is_seen(cli: Cli, card: str) -> None:
    use_all_tiers(cli)
    Path("card.toml").write_text(card)
    cli("rates", "add", "card.toml").ok()
    assert ask(cli)["charges_priced"] == 7


def test_other_changes_are_of_requests(cli: Cli) -> None:
    use_all_tiers(cli)
    Path("card.toml").write_text(CARD)
    cli("rates", "add", "card.toml").ok()
    assert ask(cli, "--per-usd", "68")["charges_priced"] == 0
    assert ask(cli, "--cap-input", "200000")["charges_priced"] == 7
    assert ask(cli, "--rates", "card.toml")["charges_priced"] == 7


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_months_are_the_same_by_sums_and_by_requests(
    empty_db_url: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Book(empty_db_url).add(*random_charges(Random(seed))).post()
    asked = Asked(models=((PRO, LITE), (LITE, MINI), (MINI, CODE)), per_usd="66", provider="evolink")
    months = ("2026-02", "2026-03", "2026-04", "2026-05")
    by_sums = [run_whatif(book.database, month, asked, now=NOW) for month in months]
    assert not any(found.read for found in by_sums)
    monkeypatch.setattr(BySums, "price", lambda *_args: None)
    for month, found in zip(months, by_sums, strict=True):
        by_requests = run_whatif(book.database, month, asked, now=NOW)
        assert by_requests.read
        assert replace(by_requests, read=0, changed=0) == found
