"""`tollbook rates import`: a card that `rates add` takes, what is left out on standard error, refusals that name."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Cli
from tests.helpers.ledgers import nano, rows
from tests.helpers.sources import lines, response

LIST = ROOT / "examples" / "prices" / "genai-prices.json"
PRO = "gemini-2.5-pro"


def entry(provider: str, **prices: Any) -> dict[str, Any]:
    return {"litellm_provider": provider, "mode": "chat", **prices}


@pytest.fixture
def model_map(tmp_path: Path) -> Path:
    plain = {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}
    entries = {
        "acme/a": entry("acme", **plain, input_cost_per_audio_token=3e-06),
        "acme/b": entry("acme", **plain, fedramp_uplift_multiplier=1.2),
        "acme/odd": entry("acme", **plain, input_cost_per_request=1),
        "other/a": entry("other", **plain),
        "third/c": entry("third", input_cost_per_second=1),
    }
    path = tmp_path / "map.json"
    path.write_text(json.dumps(entries))
    return path


def test_a_card_is_added_and_prices_both_sides_of_a_bound(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    made = db_cli("rates", "import", "genai-prices", "--file", LIST, "-o", tmp_path / "google.toml").ok()
    assert made.stdout == ""
    assert made.stderr.splitlines()[:2] == [
        f"3 models of google, by {LIST}",
        "Note: 1 model left out, output_image_mtok beside output: gemini-2.5-flash-image",
    ]
    assert "Note: left out, so that usage that names it is refused: cache_audio_read_mtok (1 model)" in made.stderr
    db_cli("rates", "add", tmp_path / "google.toml").ok()
    requests = []
    for name, tokens in (("short", 200_000), ("long", 200_001)):
        usage = {"input_tokens": tokens, "output_tokens": 10, "total_tokens": tokens + 10}
        requests.append(response(name, model=PRO, usage=usage | {"input_tokens_details": {"cached_tokens": 1_000}}))
    db_cli("ingest", "-", "--provider", "google", stdin=lines(requests)).ok()
    found = rows(db_url, "SELECT tier, amount_nano FROM charges ORDER BY id")
    assert found == [
        ("200000", nano("0.24875") + nano("0.000125") + nano("0.0001")),
        ("unbounded", nano("0.4975025") + nano("0.00025") + nano("0.00015")),
    ]


def test_without_a_file_the_card_is_standard_output(cli: Cli) -> None:
    made = cli("rates", "import", "genai-prices", "--file", LIST, "--model", PRO, "--from", "2026-02-01").ok()
    assert made.stdout.startswith(f"# Prices of {LIST}, in USD per 1M tokens")
    assert made.stdout.count("[[model]]") == 1
    assert "effective_from = 2026-02-01\n" in made.stdout
    assert cli("rates", "import", "genai-prices", "--file", LIST, "--model", PRO, "-o", "-").ok().stdout


def test_each_thing_left_out_is_told(cli: Cli, model_map: Path, tmp_path: Path) -> None:
    made = cli("rates", "import", "litellm", "--file", model_map, "--provider", "acme", "-o", tmp_path / "a.toml").ok()
    assert made.stderr == (
        f"2 models of acme, by {model_map}\n"
        "Note: 1 model left out, input_cost_per_request: acme/odd\n"
        "Note: left out, so that usage that names it is refused: input_cost_per_audio_token (1 model)\n"
        "Note: left out, and told by no usage: another endpoint's fedramp_uplift_multiplier (1 model)\n"
    )


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "has prices of 3 providers: give --provider, one of acme, other, third"),
        (("--model", "a"), "has these models of 2 providers: give --provider, one of acme, other"),
        (("--provider", "amce"), "has no provider 'amce': did you mean 'acme'? Known are acme, other, third"),
        (("--model", "acme/aa"), "has no model 'acme/aa': did you mean 'acme/a'? Known are acme/a, acme/b"),
        (("--model", "a", "--model", "c"), "has no model 'c': known are acme/a, acme/b, acme/odd, other/a"),
        (("--model", "odd", "--model", "b"), "nothing is written: input_cost_per_request: acme/odd"),
        (("--provider", "third"), "nothing is written: input_cost_per_second: third/c"),
        (("--provider", "acme", "--from", "soon"), "'soon' does not match the format '%Y-%m-%d'"),
        (("--provider", "acme", "-o", "no/such/folder.toml"), "no/such/folder.toml: can't be written"),
    ],
)
def test_what_cannot_be_imported_is_named(cli: Cli, model_map: Path, args: tuple[str, ...], words: str) -> None:
    outcome = cli("rates", "import", "litellm", "--file", model_map, *args)
    assert outcome.exit_code == 2
    assert words in " ".join(outcome.stderr.split())
    assert outcome.stdout == ""


@pytest.mark.parametrize("package", ["genai-prices", "litellm"])
def test_a_missing_package_says_how_to_install_it(cli: Cli, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices.data", None)
    outcome = cli("rates", "import", package, "--provider", "openai")
    assert outcome.exit_code == 2
    assert f"{package} isn't installed: pip install {package}, or give its" in outcome.stderr
