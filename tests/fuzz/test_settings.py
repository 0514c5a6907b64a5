"""Damaged rate cards, configurations, statements and prompts: refused in one line, or taken as they say."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import tomllib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ledger.config import FILE_NAME, Config, load_config
from ledger.errors import LedgerError
from pricing import TokenUsage, load_rate_cards, price_usage
from pricing.errors import PricingError, RateCardError
from tests.conftest import ROOT, Cli, Outcome
from tests.fuzz.conftest import Fuzz
from tests.fuzz.mutations import MARK, MODELS, ODD, SECRETS, damage, mutate, text_of
from tests.fuzz.toml_mutations import mutate_toml
from tests.helpers.ledgers import PRO
from tests.helpers.sources import lines, record

CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
CARD = (ROOT / "pricing" / "rates" / "volcengine.toml").read_text(encoding="utf-8").replace("volcengine", "acme")
OWN_CARD = """
provider = "acme"
currency = "EUR"
per_tokens = 1_000_000
[[conversion]]
per_usd = "0.9"
effective_from = 2026-02-01
[settlement]
quantum = "0.0001"
mode = "ceil"
minimum = "0"
[[model]]
id = "m"
aliases = ["m-*"]
max_input_tokens = 256_000
[[model.price]]
effective_from = 2026-02-01
effective_to = 2026-06-01
cache_storage_per_hour = "0.17"
tiers = [ { up_to = 32_000, input = "3.2", cached_input = "0.64", output = "16" }, { input = "6", output = "48" } ]
[[model.price]]
effective_from = 2026-06-01T00:00:00+08:00
tiers = [ { input = "5", output = "40" } ]
"""
CONFIG = """
[ledger]
provider = "evolink"
timezone = "Asia/Shanghai"
keep_tags = ["team", "env"]
rollup_tags = ["team"]
tool_fees = "unbooked"
[[project_rule]]
project = "search"
model = "doubao-*"
"tag.team" = "a"
[[workload]]
name = "w"
model = "doubao-seed-2.0-lite"
prompts = ["p/*.md"]
variables = { a = "b" }
output_tokens = 350
requests_per_month = 60_000
max_usd_per_month = 50
[[budget]]
name = "all"
amount = "100 USD"
period = "month"
alerts = [50, 80]
alert_forecast = 100
projects = ["search"]
tags = { team = "a" }
from = 2026-02-01
months = { 2026-12 = "150 USD" }
notify = "ops"
[[channel]]
name = "ops"
kind = "webhook"
url_env = "OPS_URL"
timeout = 5
[page]
url = "https://pages.invalid/{month}"
[[project]]
id = "search"
owner = "o"
aliases = ["find"]
[[source]]
name = "evolink"
expect_every = "1d"
[focus]
provider = "EvoLink"
[statement.evolink]
decimal = "."
currency = "CRD"
skip_lines = 0
map = { amount = "Cost" }
"""


def check_line(message: str) -> None:
    """One line for people: nothing of a terminal's, no secret."""
    assert message
    assert "\n" not in message.rstrip("\n")
    assert not CONTROLS.search(message)


def check_ended(outcome: Outcome, *codes: int) -> None:
    """Ended with one of the codes; a refusal is one line, and says so."""
    assert outcome.exit_code in codes, outcome
    assert not CONTROLS.search(outcome.stderr)
    if outcome.exit_code == 2:
        assert outcome.stdout == ""
        assert outcome.stderr.count("\n") == 1, outcome.stderr


# --- rate cards -----------------------------------------------------------------------------------------------------


def instant(value: date | datetime) -> datetime:
    return value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)


def naive_nano(card: dict[str, Any], price: dict[str, Any], usage: TokenUsage) -> int:
    """The charge by the file's own words, line by line."""
    tier = next(each for each in price["tiers"] if usage.input_tokens <= each.get("up_to", usage.input_tokens))
    tokens = {
        "input": usage.input_tokens - usage.cached_input_tokens,
        "cached_input": usage.cached_input_tokens,
        "output": usage.output_tokens,
    }
    rule = card.get("settlement")
    total = 0
    for meter, count in tokens.items():
        if count:
            exact = Fraction(tier[meter]) * count * 10**9 / card["per_tokens"]
            total += settled(exact, rule) if rule else round(exact)
    return total


def settled(exact: Fraction, rule: dict[str, str]) -> int:
    quantum = Fraction(rule["quantum"]) * 10**9
    steps = exact / quantum
    whole = {"ceil": -(-steps // 1), "floor": steps // 1, "half_even": round(steps), "half_up": (2 * steps + 1) // 2}
    return int(max(whole[rule["mode"]] * quantum, Fraction(rule.get("minimum", "0")) * 10**9))


def check_card(data: bytes) -> None:
    """Loads the card: refused in one line, or each of its prices is what the file says."""
    Path("card.toml").write_bytes(data)
    try:
        cards = load_rate_cards(Path("card.toml"))
    except RateCardError as error:
        check_line(str(error))
        return
    stated = tomllib.loads(data.decode("utf-8-sig"))
    card = cards[stated["provider"]]
    for model in stated.get("model", []):
        for price in model.get("price", []):
            start = instant(price["effective_from"])
            for usage in (TokenUsage(1_000, 0, 7), TokenUsage(40_000, 10_000, 333)):
                try:
                    found = price_usage(usage, card=card, model=model["id"], at=start + timedelta(seconds=1))
                except PricingError as error:
                    check_line(str(error))
                else:
                    assert found.amount_nano == naive_nano(stated, price, usage)


@pytest.mark.parametrize("card", [CARD, OWN_CARD], ids=["shipped", "own"])
def test_a_rate_card_is_refused_or_means_what_it_says(
    fuzz: Fuzz, cli: Cli, sqlite_url: str, tmp_path: Path, card: str
) -> None:
    check_card(card.encode())

    def one_round(chance: random.Random) -> None:
        for _ in range(40):
            check_card(mutate_toml(chance, card))
        before = (tmp_path / "tollbook.db").read_bytes()
        outcome = cli("rates", "add", "card.toml", "--replace", "--reason", "fuzz", env={"TOLLBOOK_DB": sqlite_url})
        check_ended(outcome, 0, 2)
        assert outcome.exit_code == 0 or (tmp_path / "tollbook.db").read_bytes() == before

    fuzz(5, one_round)


# --- tollbook.toml --------------------------------------------------------------------------------------------------


def test_a_configuration_is_refused_in_one_line_or_read(fuzz: Fuzz, cli: Cli, sqlite_url: str) -> None:
    Path(FILE_NAME).write_text(CONFIG)
    assert isinstance(load_config(Path()), Config)

    def one_round(chance: random.Random) -> None:
        for _ in range(30):
            Path(FILE_NAME).write_bytes(mutate_toml(chance, CONFIG))
            try:
                load_config(Path())
            except LedgerError as error:
                check_line(str(error))
        for args in (["project", "apply"], ["budget", "apply"], ["budget", "status"], ["report"]):
            check_ended(cli(*args, env={"TOLLBOOK_DB": sqlite_url}), 0, 1, 2)

    fuzz(3, one_round)


# --- statements -----------------------------------------------------------------------------------------------------


def test_a_statement_is_refused_or_its_amounts_are_compared_as_written(fuzz: Fuzz, cli: Cli, sqlite_url: str) -> None:
    usage = [
        record(f"r{number}", requested_model=PRO, input_tokens=0, output_tokens=number * 100) for number in range(1, 9)
    ]
    cli("ingest", "-", stdin=lines(usage), env={"TOLLBOOK_DB": sqlite_url}).ok()
    booked = {f"r{number}": Decimal(number * 100 * 160) / 10**6 for number in range(1, 9)}
    odd = ["1,5", "1.234,50", "(1.5)", "-1.5", "1.5-", "$1.50", "1.5 CRD", "1.5 EUR", "1.5 CR", "1e2", "NaN",
    "Total", "٣", "1 2",
           "1\u00a0234.5", "+1", "0x1", "9" * 40, "1.0000000001", "0.016", "r1", "2026-02-19"]  # fmt: skip

    def one_round(chance: random.Random) -> None:
        rows = [[name, str(amount)] for name, amount in booked.items()]
        for _ in range(chance.choice([0, 1, 1, 1, 3])):
            pool = chance.choice([odd, [str(each) for each in (*ODD, *SECRETS)]])
            rows[chance.randrange(len(rows))][chance.choice([0, 1, 1])] = chance.choice(pool)
        written = io.StringIO()
        csv.writer(written).writerows([["request_id", "amount"], *rows])
        data = written.getvalue().encode("utf-8", "replace")
        Path("bill.csv").write_bytes(damage(chance, data) if chance.random() < 0.3 else data)
        of = ("--month", "2026-02", "--tolerance", "0usd", "--all", "--json")
        outcome = cli("reconcile", "--statement", "bill.csv", *of, env={"TOLLBOOK_DB": sqlite_url})
        check_ended(outcome, 0, 1, 2)
        if outcome.exit_code == 2 or Path("bill.csv").read_bytes() != data:
            return
        stated = {name: Decimal(amount) for name, amount in rows if re.fullmatch(r"[0-9]+(\.[0-9]{1,9})?", amount)}
        for row in outcome.json["rows"]:
            if row["key"] in stated and row["key"] in booked and [name for name, _ in rows].count(row["key"]) == 1:
                matched = stated[row["key"]] == booked[row["key"]]
                assert (row["status"] == "matched") is matched, (row, rows)

    fuzz(20, one_round)


# --- prompts --------------------------------------------------------------------------------------------------------


def test_prompts_are_counted_or_refused_and_never_shown(fuzz: Fuzz, cli: Cli) -> None:
    said = f"{MARK} said this"
    seeds: list[dict[str, Any]] = [
        {"model": PRO, "messages": [{"role": "user", "content": said}], "max_tokens": 100},
        {
            "model": PRO,
            "input": [{"role": "user", "content": [{"type": "input_text", "text": said}]}],
            "instructions": said,
        },
        {"custom_id": "c", "method": "POST", "url": "/v1/responses", "body": {"model": PRO, "input": said}},
        {"prompt": said, "completion": said},
    ]

    def one_round(chance: random.Random) -> None:
        texts: list[bytes] = []
        seed = chance.choice(seeds)
        for _ in range(12):
            obj = json.loads(json.dumps(seed))
            if chance.random() < 0.6:
                mutate(chance, obj)
            text = text_of(chance, obj).encode("utf-8", "surrogatepass")
            texts.append(damage(chance, text) if chance.random() < 0.15 else text)
        Path("prompts.jsonl").write_bytes(b"\n".join(texts) + b"\n")
        model = chance.choice([PRO, *(each for each in MODELS if isinstance(each, str) and each)])
        outcome = cli("estimate", "prompts.jsonl", "--model", model, "--output-tokens", "5", "--json")
        check_ended(outcome, 0, 1, 2)
        assert not re.search("said this|tell nobody|sk-proj", outcome.stdout + outcome.stderr)
        if outcome.exit_code == 0:
            told = outcome.json
            assert sum(Decimal(each["credits"]) for each in told["prompts"]) == Decimal(told["total"]["credits"])

    fuzz(15, one_round)
