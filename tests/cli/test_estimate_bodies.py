"""`tollbook estimate` of request bodies: tools, images, limits and models of their own, and many of them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from pricing.estimating.tokens import count_tokens
from tests.conftest import Cli
from tests.helpers.ledgers import CODE, LITE, MINI, PRO
from tests.helpers.sources import lines, record

TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": "the weather of a city " * 40, "parameters": {"type": "object"}},
}
OUTPUT = ("--output-tokens", 1)


def body(**more: Any) -> dict[str, Any]:
    return {"model": LITE, "messages": [{"role": "user", "content": "hi"}], **more}


def written(folder: Path, *bodies: object, name: str = "r.jsonl") -> str:
    (folder / name).write_text(lines(bodies))
    return name


def test_tools_are_input_with_a_wider_range(cli: Cli, tmp_path: Path) -> None:
    with_tools, without = (
        cli("estimate", written(tmp_path, body(tools=[TOOL]), body()), *OUTPUT, "--json").ok().json["prompts"]
    )
    schema = count_tokens(json.dumps(TOOL))
    assert (with_tools["schema_tokens"], without["schema_tokens"]) == (schema, 0)
    assert with_tools["input_tokens"] == without["input_tokens"] + schema
    assert with_tools["input_tokens_low"] == without["input_tokens_low"] + schema // 2
    assert with_tools["input_tokens_high"] == without["input_tokens_high"] - (-schema * 3 // 2)
    assert with_tools["warnings"] == []
    shown = cli("estimate", "r.jsonl", *OUTPUT).ok().stdout
    assert f"{schema} of the input tokens are for tools and schemas, ±50 %" in " ".join(shown.split())


@pytest.mark.parametrize("options", [(), ("--cached-prefix", "prefix.txt"), ("--all-models",)])
def test_bodies_are_read_and_counted_in_pieces(
    cli: Cli, tmp_path: Path, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "prefix.txt").write_text("word")
    bodies = [body(messages=[{"role": "user", "content": "word " * (n + n % 2)}], tools=[TOOL]) for n in range(7)]
    file = written(tmp_path, *bodies)
    whole = cli("estimate", file, *OUTPUT, *options, "--json").ok()
    monkeypatch.setattr("ledger.estimates.prompts.files._LINES_AT_ONCE", 3)
    monkeypatch.setattr("ledger.estimates.workloads.priced._AT_ONCE", 2)
    pieces = cli("estimate", file, *OUTPUT, *options, "--json").ok()
    assert (pieces.stdout, pieces.stderr) == (whole.stdout, whole.stderr)
    (tmp_path / file).write_text(lines(bodies[:5]) + "\n{}\n{\n")
    assert f"{file}:7: isn't a request body" in cli("estimate", file, *OUTPUT, *options).stderr


def test_images_count_as_given_and_else_make_the_price_at_least(cli: Cli, tmp_path: Path) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://a/b.png"}}
    file = written(tmp_path, {"model": LITE, "messages": [{"role": "user", "content": [image, image]}]})
    unknown = cli("estimate", file, *OUTPUT, "--json").ok().json
    assert (unknown["prompts"][0]["uncounted"], unknown["total"]["caveats"]) == (["2 images"], ["at least"])
    known = cli("estimate", file, *OUTPUT, "--image-tokens", 1_000, "--json").ok().json
    assert (known["prompts"][0]["uncounted"], known["total"]["caveats"]) == ([], [])
    assert known["prompts"][0]["input_tokens"] == unknown["prompts"][0]["input_tokens"] + 2_000
    strict = cli("estimate", file, *OUTPUT, "--fail-uncounted")
    assert strict.exit_code == 1
    assert "Gate FAILED: not counted: r.jsonl:1: 2 images." in strict.stdout
    assert cli("estimate", file, *OUTPUT, "--fail-uncounted", "--image-tokens", 9).exit_code == 0


def test_the_bodys_limit_bounds_the_high_end(cli: Cli, tmp_path: Path) -> None:
    file = written(tmp_path, body(max_tokens=500), body(max_completion_tokens=50), body())

    def outputs(*options: object) -> list[tuple[int, int | None]]:
        found = cli("estimate", file, *options, "--json").ok().json["prompts"]
        return [(prompt["output_tokens"], prompt["max_output_tokens"]) for prompt in found]

    assert outputs("--output-tokens", 100) == [(100, 500), (50, 50), (100, None)]
    assert outputs("--output-tokens", 100, "--max-output-tokens", 200) == [(100, 200), (50, 50), (100, 200)]
    assert outputs() == [(0, 500), (0, 50), (0, None)]


def test_several_answers_have_each_their_output(cli: Cli, tmp_path: Path) -> None:
    """Each within its own limit, and all of them within what the card prices."""
    file = written(tmp_path, body(n=3), body(n=3, max_tokens=150), body(n=5, max_tokens=100_000))
    found = cli("estimate", file, "--output-tokens", 100, "--json").ok().json["prompts"]
    assert [(p["output_tokens"], p["max_output_tokens"]) for p in found] == [(300, None), (300, 450), (500, 128_000)]
    bound = cli("estimate", file, "--output-tokens", 100, "--max-output-tokens", 200, "--json").ok().json["prompts"]
    assert [(p["output_tokens"], p["max_output_tokens"]) for p in bound] == [(200, 200)] * 3


def test_without_output_the_price_is_of_the_input_only(cli: Cli, tmp_path: Path) -> None:
    file = written(tmp_path, body())
    shown = cli("estimate", file, "--fail-over", "0usd")
    assert shown.exit_code == 1
    assert shown.stdout.startswith(f"{LITE}, 1 prompt, input only\n")
    assert "Total, input only: " in shown.stdout
    assert " (input only), limit $0\n" in shown.stderr
    assert "input only" not in cli("estimate", file, *OUTPUT).ok().stdout


def test_each_body_has_its_own_model(cli: Cli, tmp_path: Path) -> None:
    alias = "doubao-seed-2-0-lite-260215"
    file = written(tmp_path, body(), body(model=PRO), body(model=alias))
    found = cli("estimate", file, *OUTPUT, "--json").ok().json
    assert [prompt["model"] for prompt in found["prompts"]] == [LITE, PRO, LITE]
    assert (found["model"], [model["model"] for model in found["models"]]) == (None, [LITE, PRO])
    assert all(prompt["warnings"] == [] for prompt in found["prompts"])
    apart = [cli("estimate", file, *OUTPUT, "--model", model, "--json").ok().json["prompts"] for model in (LITE, PRO)]
    assert [p["usd"] for p in found["prompts"]] == [apart[0][0]["usd"], apart[1][1]["usd"], apart[0][2]["usd"]]
    assert "3 prompts by 2 models" in cli("estimate", file, *OUTPUT).ok().stdout
    refused = cli("estimate", written(tmp_path, body(), body(model="gpt-9")), *OUTPUT)
    assert refused.exit_code == 2
    assert "r.jsonl:2: model 'gpt-9' is not on card 'evolink'" in refused.stderr
    (tmp_path / "p.txt").write_text("plain")
    assert "p.txt names no model" in cli("estimate", file, "p.txt", *OUTPUT).stderr


def test_of_many_prompts_the_sum_and_the_dearest_are_shown(cli: Cli, tmp_path: Path) -> None:
    sizes = [*range(1, 60), 30_000]  # the range of the last one crosses 32,000
    file = written(tmp_path, *({"input": "a" + " a" * (size - 1)} for size in sizes))
    options = ("estimate", file, "--model", CODE, *OUTPUT)
    shown = cli(*options).ok().stdout
    assert "60 prompts in short" in shown
    names = [line.split()[0] for line in shown.splitlines() if line.startswith("r.jsonl:")]
    assert names == [f"r.jsonl:{number}" for number in (60, *range(59, 50, -1))]
    assert "Shown are the 10 dearest, then of the 1 whose range crosses a tier; --all shows the 50 others" in shown
    found = cli(*options, "--json").ok().json
    summary = found["summary"]
    assert summary["p90_input_tokens"] == found["prompts"][53]["input_tokens"]
    assert summary["mean_input_tokens"] == round(sum(p["input_tokens"] for p in found["prompts"]) / 60)
    assert summary["dearest"] == names
    assert summary["crossing_a_tier"] == ["r.jsonl:60"]
    assert len(list(csv.DictReader(io.StringIO(cli(*options, "--format", "csv").ok().stdout)))) == 60
    assert cli(*options, "--all").ok().stdout.count("r.jsonl:") == 60
    assert cli(*options, "--format", "markdown").ok().stdout.count("r.jsonl:") == 10


def test_markdown_fits_into_a_comment(cli: Cli, tmp_path: Path) -> None:
    file = written(tmp_path, *({"input": "a"} for _ in range(2_000)))
    text = cli("estimate", file, "--model", CODE, *OUTPUT, "--all", "--format", "markdown").ok().stdout
    assert len(text) < 60_000
    assert "more rows" in text


def test_models_side_by_side_cheapest_first(cli: Cli, tmp_path: Path) -> None:
    file = written(tmp_path, {"input": "a b c"}, {"input": "d e f"})
    found = cli("estimate", file, "--all-models", *OUTPUT, "--json").ok().json["models"]
    assert {model["model"] for model in found} == {CODE, LITE, MINI, PRO}
    assert [model["total"]["usd"] for model in found] == sorted((m["total"]["usd"] for m in found), key=float)
    for model in found:
        alone = cli("estimate", file, "--model", model["model"], *OUTPUT, "--json").ok().json
        assert model["total"] == alone["total"]
    shown = cli("estimate", file, "--all-models", *OUTPUT).ok().stdout
    assert MINI in shown.splitlines()[4]


def test_models_side_by_side_have_one_output(cli: Cli, tmp_path: Path) -> None:
    """Not each the mean of its own requests, which are of other prompts."""
    assert (
        cli("ingest", "-", stdin=lines([record("a", requested_model=MINI, output_tokens=900)]).encode()).exit_code == 0
    )
    file = written(tmp_path, {"input": "a b c", "plugins": [1]})
    found = cli("estimate", file, "--all-models", "--json").ok()
    assert [model["prompts"][0]["output_tokens"] for model in found.json["models"]] == [0] * 4
    assert found.json["models"][0]["total"]["caveats"] == ["input only", "at least"]
    assert "r.jsonl:1: not counted, so that the price is at least this: the key plugins" in found.stderr


@pytest.mark.parametrize(
    "option",
    [("--model", LITE), ("--fail-over", "1usd"), ("--config", "tollbook.toml"), ("--profile", "profile.json")],
)
def test_models_side_by_side_take_no_model_and_no_gate(cli: Cli, tmp_path: Path, option: tuple[str, str]) -> None:
    refused = cli("estimate", written(tmp_path, body()), "--all-models", *option)
    assert refused.exit_code == 2
    assert "--all-models" in refused.stderr


def test_a_model_whose_tokenizer_is_not_known_is_named(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(
        'provider = "other"\ncurrency = "USD"\nper_tokens = 1_000_000\n\n'
        + "".join(
            f'[[model]]\nid = "{model}"\naliases = []\nmax_input_tokens = 100_000\nmax_output_tokens = 1_000\n\n'
            '[[model.price]]\neffective_from = 2026-02-01\nsource_url = "https://a/b"\nchecked_on = 2026-03-01\n'
            'tiers = [{ up_to = 100_000, input = "1", cached_input = "1", output = "1" }]\n\n'
            for model in ("glm-5", "gpt-4o", "gpt-4")
        )
    )
    (tmp_path / "p.txt").write_text("a" + " a" * 99)
    options = ("estimate", "p.txt", *OUTPUT, "--rates", "other.toml", "--provider", "other", "--json", "--model")

    def range_of(model: str) -> tuple[int, int, list[str]]:
        (found,) = cli(*options, model).ok().json["prompts"]
        return found["input_tokens_low"], found["input_tokens_high"], found["warnings"]

    low, high, (warning,) = range_of("glm-5")
    assert (low, high) == (70, 130)
    assert warning.startswith("how glm-5 splits text isn't known: counts are tiktoken's (o200k_base), ±30 %")
    assert range_of("gpt-4o") == (80, 120, [])
    # Known, but by another encoding than the counts are of.
    assert range_of("gpt-4")[:2] == (70, 130)
