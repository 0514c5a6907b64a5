"""`tollbook price`: the edges of every tier on both cards, the document's keys, and wrong use."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.book.prices.peek import has_built_in_prices_alone
from tests.conftest import Cli, close_connections
from tests.helpers.ledgers import execute, responses, tamper

MODELS = ("pro", "code", "lite", "mini")
# Per 1M tokens by tier: input and output; cached input.
EVOLINK = {
    "pro": ([("32", "160"), ("48", "240"), ("96", "480")], ["6.4"] * 3),
    "code": ([("32", "160"), ("48", "240"), ("96", "480")], ["6.4"] * 3),
    "lite": ([("6", "36"), ("9", "54"), ("18", "108")], ["1.2"] * 3),
    "mini": ([("2", "20"), ("4", "40"), ("8", "80")], ["0.4"] * 3),
}
VOLCENGINE = {
    "pro": ([("3.2", "16"), ("4.8", "24"), ("9.6", "48")], ["0.64", "0.96", "1.92"]),
    "code": ([("3.2", "16"), ("4.8", "24"), ("9.6", "48")], ["0.64", "0.96", "1.92"]),
    "lite": ([("0.6", "3.6"), ("0.9", "5.4"), ("1.8", "10.8")], ["0.12", "0.18", "0.36"]),
    "mini": ([("0.2", "2"), ("0.4", "4"), ("0.8", "8")], ["0.04", "0.08", "0.16"]),
}
CARDS = {"evolink": (EVOLINK, "CRD", Decimal(72)), "volcengine": (VOLCENGINE, "CNY", Decimal("7.2"))}
BOUNDS = (32_000, 128_000, 256_000)
EDGES = [(31_999, 0), (32_000, 0), (32_001, 1), (127_999, 1), (128_000, 1), (128_001, 2), (256_000, 2)]
KEYS = [
    "schema", "provider", "model", "card", "tier", "tier_output", "service_tier", "effective_from", "currency",
    "input_tokens", "cached_input_tokens", "output_tokens",
    "cache_write_5m_tokens", "cache_write_1h_tokens", "calls", "lines", "amount", "usd",
]  # fmt: skip


def price(cli: Cli, model: str, input_tokens: int, *options: object) -> dict[str, object]:
    outcome = cli("price", "--model", f"doubao-seed-2.0-{model}", "--input-tokens", input_tokens, "--json", *options)
    found: dict[str, object] = outcome.ok().json
    assert outcome.stderr == ""
    return found


@pytest.mark.parametrize("provider", CARDS)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("input_tokens", "tier"), EDGES)
def test_the_whole_prompt_picks_the_tier(cli: Cli, provider: str, model: str, input_tokens: int, tier: int) -> None:
    table, currency, per_usd = CARDS[provider]
    (input_rate, output_rate), cached_rate = table[model][0][tier], table[model][1][tier]
    found = price(cli, model, input_tokens, "--provider", provider, "--cached-tokens", 1_000, "--output-tokens", 10)
    assert list(found) == KEYS
    assert (found["schema"], found["provider"], found["currency"]) == (1, provider, currency)
    assert found["tier"] == BOUNDS[tier]
    meters = [
        ("input", input_tokens - 1_000, input_rate),
        ("cached_input", 1_000, cached_rate),
        ("output", 10, output_rate),
    ]
    amounts = [tokens * Decimal(rate) / 1_000_000 for _meter, tokens, rate in meters]
    assert found["lines"] == [
        {"meter": meter, "tokens": tokens, "rate": rate, "amount": f"{amount.normalize():f}"}
        for (meter, tokens, rate), amount in zip(meters, amounts, strict=True)
    ]
    amount = sum(amounts, Decimal())
    assert Decimal(str(found["amount"])) == amount
    assert abs(Decimal(str(found["usd"])) - amount / per_usd) <= Decimal("0.0000000005")


@pytest.mark.parametrize("provider", CARDS)
@pytest.mark.parametrize("model", MODELS)
def test_a_prompt_above_the_top_tier_is_refused(cli: Cli, provider: str, model: str) -> None:
    outcome = cli("price", "--model", f"doubao-seed-2.0-{model}", "--input-tokens", 256_001, "--provider", provider)
    assert outcome.exit_code == 2
    assert outcome.stdout == ""
    assert "256001" in outcome.stderr
    assert "256000" in outcome.stderr


def test_the_document_of_a_small_request(cli: Cli) -> None:
    found = price(cli, "code", 50, "--output-tokens", 5, "--at", "2026-03-01")
    assert found["model"] == "doubao-seed-2.0-code"
    assert str(found["card"]).startswith("evolink/doubao-seed-2.0-code/2026-02-01#")
    assert found["effective_from"] == "2026-02-01"
    assert found["amount"] == "0.0024"
    assert found["usd"] == "0.000033333"
    assert (found["input_tokens"], found["cached_input_tokens"], found["output_tokens"]) == (50, 0, 5)


def test_a_tier_without_bound_is_null(cli: Cli, tmp_path: Path) -> None:
    card = tmp_path / "card.toml"
    card.write_text(
        'provider = "acme"\ncurrency = "USD"\nper_tokens = 1_000_000\n'
        '[[model]]\nid = "a"\n[[model.price]]\neffective_from = 2026-01-01T08:00:00Z\n'
        'tiers = [{ input = "3", output = "15" }]\n'
    )
    options = ("price", "--rates", card, "--provider", "acme", "--model", "a", "--input-tokens", 1_000_001)
    found = cli(*options, "--json", "--at", "2026-01-01T08:00:00Z").ok().json
    assert found["tier"] is None
    assert found["effective_from"] == "2026-01-01T08:00:00Z"
    assert (found["currency"], found["amount"], found["usd"]) == ("USD", "3.000003", "3.000003")
    assert "tier without bound" in cli(*options).ok().stdout
    early = cli(*options, "--at", "2026-01-01T07:59:59Z")
    assert early.exit_code == 2
    assert "2026-01-01" in early.stderr


@pytest.mark.parametrize(("output_tokens", "bound", "rate"), [(200, 200, "2"), (201, None, "8")])
def test_a_short_answer_has_a_tier_of_its_own(cli: Cli, output_tokens: int, bound: int | None, rate: str) -> None:
    model = ("--provider", "volcengine", "--model", "doubao-seed-1.8", "--at", "2026-03-01")
    options = ("price", *model, "--input-tokens", 32_000, "--output-tokens", output_tokens)
    found = cli(*options, "--json").ok().json
    assert (found["tier"], found["tier_output"], found["lines"][-1]["rate"]) == (32_000, bound, rate)
    words = "tier up to 32,000 tokens with answers of up to 200;" if bound else "tier up to 32,000 tokens;"
    assert words in cli(*options).ok().stdout


def test_the_table_says_all_places(cli: Cli) -> None:
    lines = cli("price", "--model", "doubao-seed-2.0-mini", "--input-tokens", 1, "--cached-tokens", 1).ok().stdout
    assert "cached_input       1   0.4  0.0000004  CRD" in lines
    assert "0.0000004 CRD is 0.000000006 USD at 72 CRD = 1 USD" in lines


def test_the_provider_of_the_configuration_is_the_default(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tollbook.toml").write_text('[ledger]\nprovider = "volcengine"\n')
    assert price(cli, "mini", 1)["provider"] == "volcengine"
    assert price(cli, "mini", 1, "--provider", "evolink")["provider"] == "evolink"


def test_an_alias_is_priced_as_its_model(cli: Cli) -> None:
    outcome = cli("price", "--model", "doubao-seed-2-0-code-preview-260215", "--input-tokens", 1, "--json")
    assert outcome.ok().json["model"] == "doubao-seed-2.0-code"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--input-tokens", "-1"), "-1 is negative"),
        (("--input-tokens", "1.5"), "1.5"),
        (("--input-tokens", "10", "--cached-tokens", "11"), "cached_input_tokens 11 exceed input_tokens 10"),
        (("--input-tokens", "1", "--output-tokens", "128001"), "128001"),
        (("--input-tokens", str(2**63)), "2**63 - 1"),
        (("--input-tokens", "1", "--at", "2026-01-31"), "2026-02-01"),
        (("--input-tokens", "1", "--at", "2026-03-01T10:00"), "has no time zone"),
        (("--input-tokens", "1", "--provider", "acme"), "evolink or volcengine"),
        (("--input-tokens", "1", "--model", "gpt-9"), "gpt-9"),
        (("--input-tokens", "1", "--rates", "missing.toml"), "missing.toml"),
        (("--input-tokens", "1", "--json", "--format", "csv"), "contradict"),
        ((), "--input-tokens"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(cli: Cli, options: tuple[str, ...], words: str) -> None:
    outcome = cli("price", "--model", "doubao-seed-2.0-code", *options)
    assert outcome.exit_code == 2
    assert outcome.stdout == ""
    assert words in outcome.stderr.splitlines()[-1]
    assert "Traceback" not in outcome.stderr


def test_neither_database_nor_numbers_library_is_loaded(tmp_path: Path) -> None:
    code = (
        "import sys; from ledger.cli import cli\n"
        "cli(['price', '--model', 'doubao-seed-2.0-code', '--input-tokens', '5', '--json'], standalone_mode=False)\n"
        "print([name for name in ('sqlalchemy', 'numpy', 'pandas', 'rich', 'tiktoken') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    document, loaded = done.stdout.splitlines()
    assert json.loads(document)["amount"] == "0.00016"
    assert loaded == "[]"
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_prices_by_its_own_cards(db_cli: Cli, tmp_path: Path) -> None:
    card = tmp_path / "card.toml"
    card.write_text(
        'provider = "evolink"\ncurrency = "CRD"\nper_tokens = 1_000_000\n'
        '[[model]]\nid = "a"\n[[model.price]]\neffective_from = 2026-02-01\ntiers = [{ input = "68", output = "1" }]\n'
    )
    db_cli("rates", "add", card).ok()
    db_cli("rates", "conversion", "add", "--per-usd", "68", "--from", "2026-03-01").ok()
    options = ("price", "--model", "a", "--input-tokens", 1_000_000, "--json", "--at", "2026-03-01")
    found = db_cli(*options).ok().json
    assert (found["amount"], found["usd"]) == ("68", "1")
    card.write_text(
        'provider = "evolink"\ncurrency = "CRD"\n[[conversion]]\nper_usd = "34"\neffective_from = 2026-03-01\n'
    )
    assert db_cli(*options, "--rates", card).ok().json["usd"] == "2"
    assert db_cli(*options).ok().json["usd"] == "1"


HOUSE = """
provider = "house"
currency = "USD"
per_tokens = 1
[[model]]
id = "house-1"
[[model.price]]
effective_from = 2026-02-01
tiers = [{ input = "1", output = "2" }]
"""


def test_a_ledger_without_prices_of_its_own_is_told_from_any_other(cli: Cli, tmp_path: Path, sqlite_url: str) -> None:
    ledger = tmp_path / "tollbook.db"
    cli("ingest", "-", stdin=responses([1])).ok()
    assert has_built_in_prices_alone(ledger)
    assert list(tmp_path.iterdir()) == [ledger]  # neither write-ahead file nor index is left

    (tmp_path / "card.toml").write_text(HOUSE)
    changes = (
        (lambda: cli("rates", "conversion", "add", "--per-usd", "68", "--from", "2026-03-01").ok()),
        (lambda: cli("rates", "add", tmp_path / "card.toml").ok()),
        (lambda: tamper(sqlite_url, "UPDATE alembic_version SET version_num = '0001'")),
        (lambda: tamper(sqlite_url, "DELETE FROM ledger_settings")),
        (lambda: execute(sqlite_url, "DROP TABLE conversions")),
    )
    before = ledger.read_bytes()
    for change in changes:
        ledger.write_bytes(before)
        change()
        close_connections()
        assert not has_built_in_prices_alone(ledger)
    for other in (b"", b"no database", before[:5_000]):
        ledger.write_bytes(other)
        assert not has_built_in_prices_alone(ledger)
    assert not has_built_in_prices_alone(tmp_path / "none.db")
    assert not has_built_in_prices_alone(tmp_path)
    assert not (tmp_path / "none.db").exists()


def test_a_ledger_without_prices_of_its_own_prices_as_an_opened_one_does(
    cli: Cli, tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tmp_path / "card.toml"
    card.write_text(
        'provider = "evolink"\ncurrency = "CRD"\n[[conversion]]\nper_usd = "34"\neffective_from = 2026-03-01\n'
    )
    options = ("price", "--model", "doubao-seed-2.0-pro", "--input-tokens", 40_000, "--output-tokens", 7, "--json")
    quick = [cli(*options, *more).ok().stdout for more in ((), ("--rates", card))]
    monkeypatch.setattr("ledger.book.prices.peek.has_built_in_prices_alone", lambda _file: False)
    assert [cli(*options, *more).ok().stdout for more in ((), ("--rates", card))] == quick
    assert quick[0] != quick[1]


WRITTEN = """\
provider = "anthropic"
currency = "USD"
per_tokens = 1_000_000
[[model]]
id = "claude"
[[model.price]]
effective_from = 2026-01-01
per_call = "0.01"
tiers = [{ input = "3", cached_input = "0.3", output = "15", cache_write_5m = "3.75", cache_write_1h = "6" }]
"""


def test_written_tokens_and_calls_have_lines_of_their_own(cli: Cli, tmp_path: Path) -> None:
    card = tmp_path / "claude.toml"
    card.write_text(WRITTEN)
    asked = ["price", "--model", "claude", "--provider", "anthropic", "--rates", card, "--input-tokens", 1_000]
    parts = ["--cached-tokens", 100, "--cache-write-5m-tokens", 200, "--cache-write-1h-tokens", 300, "--calls", 2]
    found = cli(*asked, *parts, "--json").ok().json
    assert [tuple(line.values()) for line in found["lines"]] == [
        ("input", 1_000 - 100 - 200 - 300, "3", "0.0012"),
        ("cached_input", 100, "0.3", "0.00003"),
        ("cache_write_5m", 200, "3.75", "0.00075"),
        ("cache_write_1h", 300, "6", "0.0018"),
        ("call", 2, "0.01", "0.02"),
    ]
    assert (found["cache_write_5m_tokens"], found["cache_write_1h_tokens"], found["calls"]) == (200, 300, 2)
    assert found["amount"] == found["usd"] == "0.02378"
    assert "rates for 1M tokens, or a call" in cli(*asked, *parts).ok().stdout
    assert "or a call" not in cli(*asked).ok().stdout
    refused = cli(*asked, "--cached-tokens", 801, *parts[2:])
    assert (refused.exit_code, "written parts" in refused.stderr) == (2, True)
