"""`tollbook estimate` of prompts: counts, ranges, both prices at an edge, the gate, the same money as the ledger."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from pricing.estimating.calibration import Calibration, Errors, ModelCalibration
from pricing.estimating.tokens import ScriptTokens
from pricing.money import format_nano, format_usd
from tests.conftest import Cli, Outcome, command_environment
from tests.helpers.ledgers import CODE, LITE, MINI, PRO, nano
from tests.helpers.sources import lines, record

OF_DOCUMENT = (
    "schema", "model", "encoding", "card", "calibration", "output_basis", "prompts", "requests", "total", "gate",
)  # fmt: skip
OF_PROMPT = (
    "name", "input_tokens", "input_tokens_low", "input_tokens_high", "cached_input_tokens", "output_tokens", "tier",
    "amount", "usd", "usd_low", "usd_high", "warnings",
)  # fmt: skip
NO_OUTPUT = "no --output-tokens are given, nor a ledger or profile that knows them: output counts as 0"


def text_of(tokens: int) -> str:
    """A text of exactly so many tokens."""
    return ("a" + " a" * (tokens - 1)) if tokens else ""


def prompt(folder: Path, tokens: int, name: str = "p.txt") -> str:
    (folder / name).write_text(text_of(tokens))
    return name


def estimate(cli: Cli, *args: object, model: str = CODE, **options: Any) -> Any:
    return cli("estimate", "--model", model, "--json", *args, **options).ok().json


def refused(outcome: Outcome) -> str:
    """The one line of a command that was used wrongly."""
    assert outcome.exit_code == 2
    assert outcome.stdout == ""
    *usage, line = outcome.stderr.splitlines()
    assert all(text.startswith(("Usage:", "Try ")) or not text for text in usage), outcome.stderr
    return line


def usd(amount_nano: int, per_usd: int = 72) -> str:
    return format_usd(Fraction(amount_nano, per_usd * 10**9))


# --- counts and prices ----------------------------------------------------------------------------------------------


def test_the_document_states_counts_range_and_prices(cli: Cli, tmp_path: Path) -> None:
    path = prompt(tmp_path, 101)
    found = estimate(cli, path, "--output-tokens", 50, "--max-output-tokens", 70, "--at", "2026-03-01")
    assert tuple(found)[: len(OF_DOCUMENT)] == OF_DOCUMENT
    assert (found["schema"], found["model"], found["encoding"]) == (1, CODE, "o200k_base")
    assert found["card"].startswith(f"evolink/{CODE}/2026-02-01#")
    assert (found["calibration"], found["output_basis"], found["gate"]) == (None, "given", None)
    (row,) = found["prompts"]
    assert tuple(row)[: len(OF_PROMPT)] == OF_PROMPT
    expected, low, high = (101 * 32_000 + 50 * 160_000, 80 * 32_000 + 50 * 160_000, 122 * 32_000 + 70 * 160_000)
    assert row == {
        "name": "p.txt",
        "input_tokens": 101,
        "input_tokens_low": 80,
        "input_tokens_high": 122,
        "cached_input_tokens": 0,
        "output_tokens": 50,
        "tier": 32_000,
        "amount": format_nano(expected),
        "usd": usd(expected),
        "usd_low": usd(low),
        "usd_high": usd(high),
        "warnings": [],
        "max_output_tokens": 70,
        "message_overhead_tokens": 0,
        "schema_tokens": 0,
        "image_tokens": 0,
        "uncounted": [],
        "uncounted_digest": None,
        "uncorrected_tokens": 101,
        "tier_output": None,
        "model": CODE,
    }
    assert found["requests"] == 1
    assert found["total"] == {
        "amount": format_nano(expected),
        "currency": "CRD",
        "usd": usd(expected),
        "usd_low": usd(low),
        "usd_high": usd(high),
        "caveats": [],
    }
    assert "±20 %" in " ".join(found["notes"])


@pytest.mark.parametrize(
    ("model", "edge", "below", "above"),
    [(CODE, 32_000, 32_000, 48_000), (CODE, 128_000, 48_000, 96_000), (MINI, 32_000, 2_000, 4_000)],
)
def test_a_range_across_an_edge_warns_with_both_prices(
    cli: Cli, tmp_path: Path, model: str, edge: int, below: int, above: int
) -> None:
    outcome = cli("estimate", "--json", prompt(tmp_path, edge), "--model", model, "--output-tokens", 0)
    (row,) = outcome.ok().json["prompts"]
    low, high = edge * 4 // 5, edge * 6 // 5
    assert (row["input_tokens_low"], row["input_tokens_high"], row["tier"]) == (low, high, edge)
    assert (row["usd_low"], row["usd"], row["usd_high"]) == (usd(low * below), usd(edge * below), usd(high * above))
    warning = (
        f"the range of {low:,} to {high:,} input tokens crosses {edge:,}: a request costs "
        f"{usd(edge * below)} USD at {edge:,}, {usd((edge + 1) * above)} USD at {edge + 1:,}"
    )
    assert row["warnings"] == [warning]
    assert f"Note: p.txt: {warning}\n" in outcome.stderr


def test_far_from_an_edge_nothing_is_warned_of(cli: Cli, tmp_path: Path) -> None:
    for tokens in (26_666, 40_001):  # 26_666 x 1.2 is 31_999.2, 40_001 x 0.8 is 32_000.8
        (row,) = estimate(cli, prompt(tmp_path, tokens), "--output-tokens", 1)["prompts"]
        assert row["warnings"] == ([] if tokens == 26_666 else row["warnings"])
    assert row["input_tokens_low"] == 32_000
    assert len(row["warnings"]) == 1


def test_many_prompts_are_shown_in_order_and_summed(cli: Cli, tmp_path: Path) -> None:
    bodies = [{"input": text_of(10)}, {"messages": [{"role": "user", "content": text_of(20)}]}]
    (tmp_path / "r.jsonl").write_text(lines(bodies))
    found = estimate(cli, prompt(tmp_path, 7), "r.jsonl", "--output-tokens", 3, "--requests", 1_000)
    counts = [(row["name"], row["input_tokens"], row["message_overhead_tokens"]) for row in found["prompts"]]
    assert counts == [("p.txt", 7, 0), ("r.jsonl:1", 10 + 6, 6), ("r.jsonl:2", 20 + 6, 6)]
    total = 1_000 * ((7 + 16 + 26) * 32_000 + 3 * 3 * 160_000)
    assert found["requests"] == 1_000
    assert (found["total"]["amount"], found["total"]["usd"]) == (format_nano(total), usd(total))
    assert "12 of the input tokens are for messages: 3 a message and 3 a request" in " ".join(found["notes"])


def test_a_total_is_rounded_once(cli: Cli, tmp_path: Path) -> None:
    # 1 token of mini is 2_000 nano-credits, 27.77… nano-USD: 28 a prompt, but 83 for three
    found = estimate(cli, *[prompt(tmp_path, 1)] * 3, "--output-tokens", 0, model=MINI)
    assert [row["usd"] for row in found["prompts"]] == ["0.000000028"] * 3
    assert found["total"]["usd"] == "0.000000083"


def test_what_is_added_at_run_time_is_exact(cli: Cli, tmp_path: Path) -> None:
    (row,) = estimate(cli, prompt(tmp_path, 100), "--extra-input-tokens", 5_000, "--output-tokens", 1)["prompts"]
    assert (row["input_tokens_low"], row["input_tokens"], row["input_tokens_high"]) == (5_080, 5_100, 5_120)


def test_another_encoding_counts_in_its_own_way(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("今天天气很好，我们去公园散步。")
    counts = {
        name: estimate(cli, "p.txt", "--encoding", name)["prompts"][0]["input_tokens"]
        for name in ("o200k_base", "cl100k_base")
    }
    assert counts["o200k_base"] < counts["cl100k_base"]
    assert estimate(cli, "p.txt", "--encoding", "cl100k_base")["encoding"] == "cl100k_base"


def test_text_that_looks_like_a_special_token_is_text(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("<|endoftext|>")
    assert estimate(cli, "p.txt")["prompts"][0]["input_tokens"] > 1


def test_standard_input_is_a_text_or_a_body(cli: Cli) -> None:
    (row,) = estimate(cli, "-", stdin=text_of(5))["prompts"]
    assert (row["name"], row["input_tokens"], row["message_overhead_tokens"]) == ("-", 5, 0)
    (row,) = estimate(cli, "-", stdin=json.dumps({"input": text_of(5)}))["prompts"]
    assert (row["name"], row["input_tokens"]) == ("-", 5 + 6)


def test_an_empty_prompt_costs_its_output(cli: Cli, tmp_path: Path) -> None:
    (row,) = estimate(cli, prompt(tmp_path, 0), "--output-tokens", 1)["prompts"]
    assert (row["input_tokens"], row["input_tokens_high"], row["amount"]) == (0, 0, format_nano(160_000))


def test_what_a_body_holds_besides_text_is_warned_of(cli: Cli, tmp_path: Path) -> None:
    body = {"model": LITE, "plugins": [1], "input": [{"role": "user", "content": [{"type": "input_image"}] * 2}]}
    (tmp_path / "r.json").write_text(json.dumps(body))
    outcome = cli("estimate", "r.json", "--model", CODE, "--output-tokens", 1, "--json").ok()
    assert outcome.json["prompts"][0]["warnings"] == [
        f"its body names model {LITE!r}: priced as {CODE}",
        (
            "not counted, so that the price is at least this: 2 images and the key plugins; "
            "give image_tokens for images, or name what is sent of a row by --column, or "
            "add their tokens as extra input tokens"
        ),
    ]
    assert "Note: r.json: not counted, so that the price is at least this: 2 images" in outcome.stderr
    assert outcome.json["total"]["caveats"] == ["at least"]
    assert "1 prompt, at least\n" in cli("estimate", "r.json", "--output-tokens", 1).ok().stdout
    (tmp_path / "r.json").write_text(json.dumps({"model": "doubao-seed-2-0-code-preview-260215", "input": "a"}))
    assert estimate(cli, "r.json", "--output-tokens", 1)["prompts"][0]["warnings"] == []
    (tmp_path / "r.json").write_text(json.dumps({"model": "m" * 10_000, "input": "a"}))
    (warning,) = estimate(cli, "r.json", "--output-tokens", 1)["prompts"][0]["warnings"]
    assert warning.startswith("its body names model 'mmm")
    assert len(warning) < 200


# --- cached input ---------------------------------------------------------------------------------------------------


def test_a_prefix_that_prompts_begin_with_is_cached(cli: Cli, tmp_path: Path) -> None:
    system = text_of(1_000)
    (tmp_path / "system.md").write_text(f"{system}\n")
    (tmp_path / "whole.txt").write_text(f"{system}\n and more")
    (tmp_path / "other.txt").write_text(f"no {system}")
    body = {"messages": [{"role": "system", "content": system}, {"role": "user", "content": "and more"}]}
    (tmp_path / "chat.json").write_text(json.dumps(body))
    files = ("whole.txt", "other.txt", "chat.json")
    outcome = cli("estimate", "--json", *files, "--model", CODE, "--cached-prefix", "system.md", "--output-tokens", 1)
    whole, other, chat = outcome.ok().json["prompts"]
    cached = whole["cached_input_tokens"]
    assert cached in (1_000, 1_001)  # the line end may be a token of its own
    assert whole["amount"] == format_nano((whole["input_tokens"] - cached) * 32_000 + cached * 6_400 + 160_000)
    # the prefix's range is the same ±20 % of it
    low = whole["input_tokens_low"] - cached * 4 // 5
    assert whole["usd_low"] == usd(low * 32_000 + cached * 4 // 5 * 6_400 + 160_000)
    assert chat["cached_input_tokens"] == cached
    assert other["cached_input_tokens"] == 0
    assert other["amount"] == format_nano(other["input_tokens"] * 32_000 + 160_000)
    assert other["warnings"] == ["does not begin with the text of the cached prefix: nothing of it is priced as cached"]
    assert "Note: other.txt: does not begin with" in outcome.stderr


def test_a_prefix_that_is_the_whole_prompt_is_all_of_it(cli: Cli, tmp_path: Path) -> None:
    path = prompt(tmp_path, 1_000)
    (row,) = estimate(cli, path, "--cached-prefix", path, "--output-tokens", 0)["prompts"]
    assert (row["cached_input_tokens"], row["amount"]) == (1_000, format_nano(1_000 * 6_400))
    assert row["usd_high"] == usd(1_200 * 6_400)


def test_cached_tokens_are_exact_and_at_most_the_input(cli: Cli, tmp_path: Path) -> None:
    path = prompt(tmp_path, 100)
    (row,) = estimate(cli, path, "--cached-tokens", 100, "--output-tokens", 0)["prompts"]
    assert (row["cached_input_tokens"], row["amount"]) == (100, format_nano(100 * 6_400))
    assert (row["usd_low"], row["usd_high"]) == (usd(80 * 6_400), usd(20 * 32_000 + 100 * 6_400))
    line = refused(cli("estimate", path, "--model", CODE, "--cached-tokens", 101))
    assert line.startswith("Error: p.txt: 101 cached input tokens are more than its 100 input tokens")
    estimate(cli, path, "--cached-tokens", 101, "--extra-input-tokens", 1)


# --- calibrated counts ----------------------------------------------------------------------------------------------


def calibration(folder: Path) -> str:
    """Counts of code are 1.5 times tiktoken's and 7 a request, of -10 % to +10 %."""
    error = Errors(100, 200, 0)
    model = ModelCalibration(
        pairs=20,
        outliers=0,
        by_script=False,
        factors=ScriptTokens(15_000, 15_000, 15_000, 15_000),
        message_factor=10_000,
        overhead=70_000,
        low=9_000,
        high=11_000,
        before=error,
        after=error,
    )
    (folder / "c.json").write_text(json.dumps(Calibration("cl100k_base", {CODE: model}).to_document()))
    return "c.json"


def test_a_calibration_corrects_counts_and_narrows_the_range(cli: Cli, tmp_path: Path) -> None:
    args = (prompt(tmp_path, 100), "--calibration", calibration(tmp_path), "--output-tokens", 0)
    found = estimate(cli, *args)
    (row,) = found["prompts"]
    assert (row["input_tokens_low"], row["input_tokens"], row["input_tokens_high"]) == (141, 157, 173)  # 141.3, 172.7
    assert row["amount"] == format_nano(157 * 32_000)
    assert (found["encoding"], found["calibration"]["model"]) == ("cl100k_base", CODE)
    assert "±20 %" not in " ".join(found["notes"])
    assert found["prompts"] == estimate(cli, *args, model="doubao-seed-2-0-code-preview-260215")["prompts"]


def test_a_cached_prefix_is_corrected_without_what_a_request_adds(cli: Cli, tmp_path: Path) -> None:
    args = ("--calibration", calibration(tmp_path), "--cached-prefix", prompt(tmp_path, 40, "prefix.md"))
    (row,) = estimate(cli, prompt(tmp_path, 100), *args, "--output-tokens", 0)["prompts"]
    assert (row["input_tokens"], row["cached_input_tokens"]) == (157, 60)
    assert row["usd_high"] == usd((173 - 66) * 32_000 + 66 * 6_400)


def test_a_calibration_without_the_model_is_told(cli: Cli, tmp_path: Path) -> None:
    args = (prompt(tmp_path, 100), "--calibration", calibration(tmp_path), "--output-tokens", 0)
    found = estimate(cli, *args, model=LITE)
    assert (found["calibration"], found["prompts"][0]["input_tokens_high"]) == (None, 120)
    assert found["prompts"][0]["warnings"] == [f"the calibration knows no {LITE}: counts are tiktoken's own, ±20 %"]


def test_a_calibration_is_of_one_encoding(cli: Cli, tmp_path: Path) -> None:
    args = ("estimate", prompt(tmp_path, 1), "--model", CODE, "--calibration", calibration(tmp_path), "--encoding")
    assert cli(*args, "cl100k_base").exit_code == 0
    assert "--encoding o200k_base and c.json" in refused(cli(*args, "o200k_base"))


# --- the same money as the ledger -----------------------------------------------------------------------------------

MODELS = (PRO, CODE, LITE, MINI)
EDGES = (1, 31_999, 32_000, 32_001, 127_999, 128_000, 128_001, 255_999, 256_000)


def booked(cli: Cli, provider: str, records: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Amount and USD that the ledger booked, by the project that each record has of its own."""
    ingested = cli("ingest", "-", "--provider", provider, "--db", "booked.db", "--json", stdin=lines(records)).ok().json
    assert ingested["accepted"] == len(records)
    rows = cli("report", "--by", "project", "--by", "currency", "--db", "booked.db", "--json").ok().json["rows"]
    return {row["project"]: (row["amount"], row["usd"]) for row in rows}


@pytest.mark.parametrize("provider", ["evolink", "volcengine"])
def test_an_estimate_is_what_the_ledger_books_for_the_same_counts(cli: Cli, tmp_path: Path, provider: str) -> None:
    prompt(tmp_path, 1)
    estimated, records = {}, []
    for model in MODELS:
        for tokens in EDGES:
            name = f"{model}/{tokens}"
            counts = {"input_tokens": tokens, "cached_input_tokens": tokens // 3, "output_tokens": 777}
            records.append(
                record(name, project=name, requested_model=model, occurred_at="2026-03-01T10:00:00Z", **counts)
            )
            found = estimate(
                cli, "p.txt", "--extra-input-tokens", tokens - 1, "--cached-tokens", tokens // 3,
                "--output-tokens", 777, "--provider", provider, "--at", "2026-03-01T10:00:00Z", model=model,
            )  # fmt: skip
            (row,) = found["prompts"]
            assert {key: row[key] for key in counts} == counts
            estimated[name] = (found["total"]["amount"], found["total"]["usd"])
    assert booked(cli, provider, records) == estimated


def test_texts_of_so_many_tokens_cost_what_the_ledger_books(cli: Cli, tmp_path: Path) -> None:
    files = [prompt(tmp_path, tokens, f"{tokens}.txt") for tokens in EDGES]
    found = estimate(cli, *files, "--output-tokens", 5, "--at", "2026-03-01T10:00:00Z")
    assert [row["input_tokens"] for row in found["prompts"]] == list(EDGES)
    at = "2026-03-01T10:00:00Z"
    records = [
        record(
            row["name"],
            project=row["name"],
            requested_model=CODE,
            occurred_at=at,
            input_tokens=row["input_tokens"],
            output_tokens=5,
        )
        for row in found["prompts"]
    ]
    by_project = booked(cli, "evolink", records)
    assert {row["name"]: (row["amount"], row["usd"]) for row in found["prompts"]} == by_project
    assert nano(found["total"]["amount"]) == sum(nano(amount) for amount, _usd in by_project.values())


def test_what_the_ledger_refuses_has_no_estimate(cli: Cli, tmp_path: Path) -> None:
    path = prompt(tmp_path, 256_001, "big.txt")
    line = refused(cli("estimate", prompt(tmp_path, 1), path, "--model", CODE, "--output-tokens", 1))
    assert line.startswith("Error: big.txt: 256,001 input tokens are beyond the 256,000 that evolink/")
    ingested = cli("ingest", "-", "--json", stdin=lines([record(requested_model=CODE, input_tokens=256_001)]))
    assert (ingested.exit_code, ingested.json["rejections"][0]["reason"]) == (3, "input_over_limit")


def test_a_range_that_only_reaches_beyond_the_card_is_priced_with_a_warning(cli: Cli, tmp_path: Path) -> None:
    (row,) = estimate(cli, prompt(tmp_path, 213_334), "--output-tokens", 0)["prompts"]
    assert row["input_tokens_high"] == 256_001  # 256_000.8
    assert row["usd_high"] == usd(256_000 * 96_000)
    assert "the request may be refused" in row["warnings"][0]


# --- the gate -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "on", "passed"),
    [
        ("36credits", None, True),
        ("35.999999999credits", None, False),
        ("36.000000001 credits", None, True),
        ("1credit", None, False),
        ("0.5usd", None, True),
        ("0.50 USD", None, True),
        ("0.499999999usd", None, False),
        ("36credits", "high", False),
        ("43.2credits", "high", True),
        ("0.6usd", "high", True),
        ("0.599999999usd", "high", False),
        ("0usd", "expected", False),
    ],
)
def test_the_gate_fails_above_its_limit(cli: Cli, tmp_path: Path, limit: str, on: str | None, passed: bool) -> None:
    # 1_000 requests of 1_125 tokens are 36 credits, 0.5 USD; 1_350 tokens are 43.2 credits, 0.6 USD
    args = ("estimate", prompt(tmp_path, 1_125), "--model", CODE, "--output-tokens", 0, "--requests", 1_000)
    gate = () if on is None else ("--gate", on)
    outcome = cli(*args, "--fail-over", limit, *gate, "--json")
    assert outcome.exit_code == (0 if passed else 1)
    found = outcome.json["gate"]
    assert (found["passed"], found["on"]) == (passed, on or "expected")
    amount = "43.2" if on == "high" else "36"
    assert found["value"] == (amount if "credit" in limit else format_nano(nano(amount) // 72))
    assert ("--fail-over" in outcome.stderr) == (not passed)


def test_the_gate_is_on_the_total_of_all_prompts(cli: Cli, tmp_path: Path) -> None:
    args = ("estimate", *[prompt(tmp_path, 1_000)] * 2, "--model", CODE, "--output-tokens", 0, "--fail-over")
    assert cli(*args, "0.064credits").exit_code == 0
    failed = cli(*args, "0.063999999credits")
    assert failed.exit_code == 1
    assert "Note: --fail-over: the total is 0.064 credits, limit 0.063999999 credits\n" in failed.stderr
    assert "Gate FAILED: --fail-over: the total is 0.064 credits, limit 0.063999999 credits." in failed.stdout


def test_a_limit_in_a_currency_of_neither_kind_is_refused(cli: Cli, tmp_path: Path) -> None:
    args = ("estimate", prompt(tmp_path, 10), "--model", CODE, "--output-tokens", 0, "--fail-over")
    assert "is in cny: the card's prices need usd or credits" in refused(cli(*args, "5cny"))
    assert "is in credits: the card's prices need usd or cny" in refused(
        cli(*args, "5credits", "--provider", "volcengine")
    )
    assert cli(*args, "5cny", "--provider", "volcengine").exit_code == 0


# --- where output comes from ----------------------------------------------------------------------------------------


def test_without_output_tokens_the_ledgers_mean_is_taken(db_cli: Cli, tmp_path: Path) -> None:
    path = prompt(tmp_path, 10)
    records = [
        record(f"r{number}", requested_model=CODE, project=project, output_tokens=output)
        for number, (project, output) in enumerate([("a", 100), ("a", 201), ("b", 1_000)])
    ]
    db_cli("ingest", "-", stdin=lines(records)).ok()
    for project, output in ((("--project", "a"), 150), (("--project", "b"), 1_000), ((), 434)):  # 150.5 and 433.7
        found = estimate(db_cli, path, *project)
        assert (found["output_basis"], found["prompts"][0]["output_tokens"]) == ("ledger", output)
        assert found["prompts"][0]["warnings"] == []
    given = estimate(db_cli, path, "--output-tokens", 7)
    assert (given["output_basis"], given["prompts"][0]["output_tokens"]) == ("given", 7)
    unknown = estimate(db_cli, path, "--project", "c")
    assert (unknown["output_basis"], unknown["prompts"][0]["output_tokens"]) == ("none", 0)
    most = estimate(db_cli, path, "--project", "b", "--max-output-tokens", 600)
    assert most["prompts"][0]["output_tokens"] == 600


def profile(folder: Path) -> str:
    row = {
        "project": "a", "model": CODE, "requests": 10, "mean_input_tokens": 5, "mean_output_tokens": 321,
        "p90_output_tokens": 400, "cached_share": "0",
    }  # fmt: skip
    span = {"since": "2026-03-01T00:00:00Z", "until": "2026-03-31T00:00:00Z", "days": "30"}
    (folder / "profile.json").write_text(json.dumps({"schema": 1, **span, "workloads": [row]}))
    return "profile.json"


def test_a_profile_stands_in_for_a_ledger(cli: Cli, tmp_path: Path) -> None:
    args = (prompt(tmp_path, 10), "--profile", profile(tmp_path))
    for project in ((), ("--project", "a")):
        found = estimate(cli, *args, *project)
        assert (found["output_basis"], found["prompts"][0]["output_tokens"]) == ("profile", 321)
    assert estimate(cli, *args, "--project", "b")["output_basis"] == "none"
    cli("ingest", "-", stdin=lines([record(requested_model=CODE, project="a", output_tokens=9)])).ok()
    found = estimate(cli, *args)
    assert (found["output_basis"], found["prompts"][0]["output_tokens"]) == ("ledger", 9)


def test_output_that_nothing_tells_counts_as_none_with_a_warning(cli: Cli, tmp_path: Path) -> None:
    outcome = cli("estimate", prompt(tmp_path, 10), "--model", CODE, "--json").ok()
    assert outcome.json["output_basis"] == "none"
    assert outcome.json["prompts"][0]["warnings"] == [NO_OUTPUT]
    assert outcome.stderr == f"Note: {NO_OUTPUT}\n"
    assert cli("estimate", "p.txt", "--model", CODE, "--json", "--output-tokens", 0).ok().stderr == ""


def test_an_estimate_makes_no_ledger(cli: Cli, tmp_path: Path) -> None:
    estimate(cli, prompt(tmp_path, 10))
    assert [path.name for path in tmp_path.iterdir()] == ["p.txt"]


def test_a_ledgers_cards_and_conversion_price_it(cli: Cli, tmp_path: Path) -> None:
    path = prompt(tmp_path, 1_000)
    cli("rates", "conversion", "add", "--per-usd", "68", "--from", "2026-03-01").ok()
    found = estimate(cli, path, "--output-tokens", 0, "--at", "2026-03-01")
    assert found["total"]["usd"] == usd(1_000 * 32_000, 68)
    assert estimate(cli, path, "--output-tokens", 0, "--at", "2026-02-28")["total"]["usd"] == usd(1_000 * 32_000)


# --- how it is shown ------------------------------------------------------------------------------------------------


def test_a_table_fits_and_says_what_it_rests_on(cli: Cli, tmp_path: Path) -> None:
    args = (
        "estimate",
        prompt(tmp_path, 32_000),
        prompt(tmp_path, 10, "q.txt"),
        "--model",
        CODE,
        "--output-tokens",
        800,
    )
    wide = cli(*args, env={"COLUMNS": "100"}).ok().stdout
    assert max(map(len, wide.splitlines())) <= 100
    for words in (
        "p.txt",
        "32,000",
        "25,600",
        "38,400",
        "±20 %",
        "o200k_base",
        "Output tokens: 800, as given",
        "evolink/",
    ):
        assert words in wide
    total = usd(32_010 * 32_000 + 2 * 800 * 160_000)  # 0.017782222
    assert f"Total: {total} USD, from " in wide
    (row,) = [line.split() for line in wide.splitlines() if line.startswith("total")]
    assert row[1] == "0.0178"
    narrow = cli(*args, env={"COLUMNS": "60"}).ok()
    assert max(map(len, narrow.stdout.splitlines())) <= 60
    assert "38,400" in narrow.stdout
    assert "cached_input_tokens" in narrow.stderr


def test_one_request_a_prompt_is_shown_where_each_is_sent_more_often(cli: Cli, tmp_path: Path) -> None:
    shown = (
        cli("estimate", prompt(tmp_path, 10), "--model", CODE, "--output-tokens", 1, "--requests", 2_000).ok().stdout
    )
    assert "one request each" in shown
    total = 2_000 * (10 * 32_000 + 160_000)
    assert f"Total, each prompt sent 2,000 times: {usd(total)} USD" in shown
    assert f"That is {format_nano(total)} CRD at 72 CRD = 1 USD" in shown


def test_csv_and_markdown_have_every_column(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "=a|b.txt").write_text(text_of(10))
    args = ("estimate", "=a|b.txt", "--model", CODE, "--output-tokens", 1, "--format")
    (row,) = csv.DictReader(io.StringIO(cli(*args, "csv").ok().stdout))
    assert row["name"] == "'=a|b.txt"
    assert (row["input_tokens"], row["input_tokens_high"], row["tier"], row["usd"]) == (
        "10",
        "12",
        "32000",
        usd(480_000),
    )
    markdown = cli(*args, "markdown").ok().stdout
    assert markdown.startswith("<!-- tollbook:estimate -->\n**")
    assert r"=a\|b.txt" in markdown


def test_junit_has_a_case_a_prompt_and_the_gate(cli: Cli, tmp_path: Path) -> None:
    args = ("estimate", prompt(tmp_path, 32_000), "--model", CODE, "--output-tokens", 1, "--fail-over", "1credits")
    outcome = cli(*args, "--report", "junit=report.xml")
    assert outcome.exit_code == 1
    tree = ET.parse(tmp_path / "report.xml")
    cases = {case.get("name"): case for case in tree.iter("testcase")}
    assert list(cases) == ["p.txt", "fail-over 1credits"]
    assert "crosses 32,000" in (cases["p.txt"].findtext("system-out") or "")
    failure = cases["fail-over 1credits"].find("failure")
    assert failure is not None
    assert "the total is 1.02 credits, limit 1 credit" in (failure.get("message") or "")


def test_control_characters_of_names_reach_no_terminal(cli: Cli, tmp_path: Path) -> None:
    name = "a\x1b[31m.txt"
    (tmp_path / name).write_text(text_of(32_000))
    outcome = cli("estimate", name, "--model", CODE).ok()
    assert "\x1b" not in outcome.stdout + outcome.stderr
    assert "\x1b" not in refused(cli("estimate", f"{name}x", "--model", CODE))


def test_a_warning_of_many_prompts_is_told_once(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text(lines([{"input": "a", "plugins": [1]}] * 30))
    outcome = cli("estimate", "r.jsonl", "--model", CODE, "--output-tokens", 1).ok()
    assert outcome.stderr.count("not counted") == 1
    assert "r.jsonl:1 and 29 more: not counted, so that the price is at least this: the key plugins" in outcome.stderr
    for number in range(30):
        prompt(tmp_path, 32_000 + number, f"{number}.txt")
    outcome = cli("estimate", *(f"{number}.txt" for number in range(30)), "--model", CODE, "--output-tokens", 1).ok()
    assert outcome.stderr.count("crosses 32,000") == 20
    assert "10 more warnings; --json has them" in outcome.stderr


def test_warnings_are_annotations_where_github_runs_it(cli: Cli, tmp_path: Path) -> None:
    args = ("estimate", prompt(tmp_path, 32_000), "--model", CODE, "--output-tokens", 1, "--fail-over", "1credits")
    warning, failure = cli(*args, env={"GITHUB_ACTIONS": "true"}).stderr.splitlines()
    assert warning.startswith(
        "::warning title=tollbook::p.txt: the range of 25,600 to 38,400 input tokens crosses 32,000"
    )
    assert failure == "::error title=tollbook::--fail-over: the total is 1.02 credits, limit 1 credit"


# --- wrong use ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "nothing to estimate: give FILE..., - for standard input, or --config tollbook.toml"),
        (("missing.txt",), "missing.txt: can't be read: No such file"),
        (("folder",), "folder: can't be read: Is a directory"),
        (("binary.txt",), "binary.txt: is binary"),
        (("body.json",), "body.json: isn't a request body"),
        (("p.txt", "--model", "gpt-9"), "'gpt-9' is not on card 'evolink'"),
        (("p.txt", "--encoding", "p50k_base"), "--encoding 'p50k_base' is unknown: give cl100k_base or o200k_base"),
        (("p.txt", "--provider", "acme"), "provider 'acme' has no rate card"),
        (("p.txt", "--at", "2026-01-01"), "2026-02-01"),
        (("p.txt", "--at", "yesterday"), "--at 'yesterday' isn't a time"),
        (("p.txt", "--output-tokens", "-1"), "-1"),
        (("p.txt", "--extra-input-tokens", "-1"), "-1"),
        (("p.txt", "--cached-tokens", "-1"), "-1"),
        (("p.txt", "--max-output-tokens", "-1"), "-1"),
        (("p.txt", "--requests", "0"), "0"),
        (("p.txt", "--requests", "1.5"), "1.5"),
        (("p.txt", "--output-tokens", "128001"), "output_tokens 128001 are over max_output_tokens 128000"),
        (
            ("p.txt", "--output-tokens", "5", "--max-output-tokens", "4"),
            "--max-output-tokens 4 is below --output-tokens 5",
        ),
        (("p.txt", "--extra-input-tokens", "256000"), "p.txt: 256,010 input tokens are beyond"),
        (("p.txt", "--cached-tokens", "1", "--cached-prefix", "p.txt"), "say the same thing"),
        (("p.txt", "--cached-prefix", "missing.md"), "missing.md: can't be read"),
        (("p.txt", "--calibration", "missing.json"), "missing.json: can't be read"),
        (("p.txt", "--calibration", "body.json"), "body.json: "),
        (("p.txt", "--profile", "missing.json"), "missing.json: can't be read"),
        (("p.txt", "--profile", "body.json"), "body.json: "),
        (("-", "--cached-prefix", "-"), "standard input (-) is given more than once"),
        (("-", "-"), "standard input (-) is given more than once"),
        (("p.txt", "--fail-over", "0.5"), "--fail-over '0.5' isn't an amount"),
        (("p.txt", "--fail-over", "-1usd"), "--fail-over '-1usd' is negative"),
        (("p.txt", "--fail-over", "many usd"), "--fail-over 'many usd' isn't an amount"),
        (("p.txt", "--gate", "high"), "--gate high says what a limit is compared with: give --fail-over too"),
        (("p.txt", "--gate", "low", "--fail-over", "1usd"), "low"),
        (("--config", "tollbook.toml"), "--config and --model contradict each other"),
        (("p.txt", "--json", "--format", "csv"), "contradict"),
        (("p.txt", "-o", "missing/out.json"), "missing/out.json: can't be written"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(cli: Cli, tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    prompt(tmp_path, 10)
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary.txt").write_bytes(b"\x89PNG\0")
    (tmp_path / "body.json").write_text("{}")
    model = () if "--model" in options else ("--model", CODE)
    assert words in refused(cli("estimate", *options, *model))


def test_a_model_is_needed(cli: Cli, tmp_path: Path) -> None:
    assert "--model is missing" in refused(cli("estimate", prompt(tmp_path, 10)))
    assert "--config and FILE contradict" in refused(cli("estimate", "p.txt", "--config", "t.toml"))
    assert "--config and --fail-over contradict" in refused(
        cli("estimate", "--config", "t.toml", "--fail-over", "1usd")
    )


# --- processes of their own -----------------------------------------------------------------------------------------

_OFFLINE = """
import socket, sys
def refuse(*args, **kwargs):
    raise OSError("no network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from ledger.cli import main
main()
"""


def test_two_megabytes_are_counted_without_a_network_and_with_an_empty_cache(tmp_path: Path) -> None:
    text = "The price of a prompt is known before it is sent. 提示词的价格。 {'a': 1234}\n" * 2_500
    (tmp_path / "long.jsonl").write_text(lines([{"input": text}] * 12))
    assert (tmp_path / "long.jsonl").stat().st_size > 2_000_000
    (tmp_path / "cache").mkdir()
    cache = str(tmp_path / "cache")
    done = subprocess.run(
        [sys.executable, "-c", _OFFLINE, "estimate", "long.jsonl", "--model", CODE, "--json"],
        cwd=tmp_path,
        env=command_environment({"TIKTOKEN_CACHE_DIR": cache, "DATA_GYM_CACHE_DIR": cache, "TMPDIR": cache}),
        capture_output=True,
        text=True,
        check=True,
    )
    counts = [row["input_tokens"] for row in json.loads(done.stdout)["prompts"]]
    assert len(counts) == 12
    assert len(set(counts)) == 1
    assert 2_500 * 20 < counts[0] < 2_500 * 40
    assert list((tmp_path / "cache").iterdir()) == []


def test_nothing_slow_is_loaded_to_count_a_text(tmp_path: Path) -> None:
    prompt(tmp_path, 10)
    code = (
        "import sys; from ledger.cli import cli\n"
        f"cli(['estimate', 'p.txt', '--model', '{CODE}', '--json'], standalone_mode=False)\n"
        "slow = ('sqlalchemy', 'numpy', 'pandas', 'rich', 'alembic', 'zstandard', 'requests', 'junitparser')\n"
        "print([name for name in slow if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    document, loaded = done.stdout.splitlines()
    assert json.loads(document)["prompts"][0]["input_tokens"] == 10
    assert loaded == "[]"
