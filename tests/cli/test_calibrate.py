"""`tollbook calibrate`: pairs from files, the table, the calibration it writes and what an estimate makes of it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from pricing.estimating.calibration import Calibration
from pricing.estimating.counting import PromptText, count_inputs
from pricing.estimating.tokens import count_tokens
from tests.conftest import Cli

CODE, LITE = "doubao-seed-2.0-code", "doubao-seed-2.0-lite"
ALIAS = "doubao-seed-2-0-code-260215"
WORDS = "The quick brown fox jumps over the lazy dog by the river bank at dawn "
OVERHEAD = 11


def text_of(number: int) -> str:
    return WORDS * (10 + 7 * number)


def real_count(text: str) -> int:
    return round(1.2 * count_tokens(text)) + OVERHEAD


def pair(number: int, **changes: Any) -> dict[str, Any]:
    text = text_of(number)
    return {"model": CODE, "text": text, "input_tokens": real_count(text)} | changes


def chat(number: int, content: Any = None, **changes: Any) -> dict[str, Any]:
    """An envelope of a chat request by the model's other name, as a gateway logs it."""
    text = text_of(number)
    request = {"model": ALIAS, "messages": [{"role": "user", "content": content or text}]}
    response = {"id": f"chat-{number}", "model": ALIAS, "usage": {"prompt_tokens": real_count(text) + 6}}
    return {"request": request, "response": response, "project": "search"} | changes


def responses(number: int) -> dict[str, Any]:
    """An envelope of a Responses request whose body names no model."""
    text = text_of(number)
    usage = {"input_tokens": real_count(text) + 6, "output_tokens": 3}
    return {"request": {"input": text}, "response": {"model": CODE, "usage": usage}}


def write(path: Path, *lines: object) -> str:
    path.write_text("".join(line + "\n" if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return path.name


@pytest.fixture
def pairs(tmp_path: Path) -> str:
    return write(tmp_path / "pairs.jsonl", *(pair(number) for number in range(20)))


def calibration_of(path: Path) -> Calibration:
    return Calibration.from_document(json.loads(path.read_text()), path.name)


def test_a_calibration_is_shown_and_written(cli: Cli, tmp_path: Path, pairs: str) -> None:
    shown = cli("calibrate", pairs, "-o", "calibration.json").ok()
    assert "Calibration of counts by o200k_base" in shown.stdout
    assert CODE in shown.stdout
    assert shown.stderr == "" or "left out to fit" in shown.stderr
    found = calibration_of(tmp_path / "calibration.json")
    assert found.encoding == "o200k_base"
    model = found.models[CODE]
    assert (model.pairs, model.by_script) == (20, False)
    assert model.factors.words / 10_000 == pytest.approx(1.2, abs=0.003)
    assert model.overhead / 10_000 == pytest.approx(OVERHEAD, abs=2)
    assert model.after.median < 5 < model.before.median


def test_an_estimate_uses_what_was_written(cli: Cli, tmp_path: Path, pairs: str) -> None:
    cli("calibrate", pairs, "-o", "calibration.json").ok()
    (tmp_path / "prompt.txt").write_text(WORDS * 60)
    estimate = cli("estimate", "prompt.txt", "--model", ALIAS, "--calibration", "calibration.json", "--json").ok().json
    calibration = calibration_of(tmp_path / "calibration.json")
    prompt = PromptText((WORDS * 60,))
    (expected,) = count_inputs([prompt], CODE, encoding="o200k_base", calibration=calibration)
    found = estimate["prompts"][0]
    assert (found["input_tokens_low"], found["input_tokens"], found["input_tokens_high"]) == expected.tokens
    assert found["input_tokens"] == pytest.approx(real_count(WORDS * 60), rel=0.01)
    assert estimate["calibration"] == calibration.summary(CODE)


def test_requests_and_envelopes_are_pairs_too(cli: Cli, tmp_path: Path) -> None:
    texts = write(tmp_path / "texts.jsonl", *(pair(number) for number in range(5)), "")
    logged = write(tmp_path / "logged.jsonl", *(chat(number) for number in range(5, 10)))
    bodies = {"request": {"input": text_of(30)}, "model": CODE, "input_tokens": real_count(text_of(30)) + 6}
    others = write(tmp_path / "others.jsonl", *(responses(number) for number in range(10, 15)), bodies)
    found = cli("calibrate", texts, logged, others, "--json").ok().json
    # 3 a message and 3 a request are what wraps them
    assert list(found["models"]) == [CODE]
    assert found["models"][CODE]["pairs"] == 5 + 5 + 5 + 1
    assert found["models"][CODE]["error_after"]["p90_percent"] in {"0", "0.1", "0.2", "0.3"}


def test_the_json_is_the_calibration(cli: Cli, tmp_path: Path, pairs: str) -> None:
    shown = cli("calibrate", pairs, "-o", "calibration.json", "--json").ok().json
    assert shown == json.loads((tmp_path / "calibration.json").read_text())


def test_the_same_pairs_are_the_same_bytes(cli: Cli, tmp_path: Path, pairs: str) -> None:
    cli("calibrate", pairs, "-o", "one.json").ok()
    cli("calibrate", pairs, "-o", "two.json", "--json").ok()
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_other_formats_have_every_column(cli: Cli, pairs: str) -> None:
    (row,) = csv.DictReader(io.StringIO(cli("calibrate", pairs, "--format", "csv").ok().stdout))
    assert (row["model"], row["pairs"], row["bias_before_percent"][0]) == (CODE, "20", "-")
    assert f"| {CODE} | 20 |" in cli("calibrate", pairs, "--format", "markdown").ok().stdout


def test_another_encoding_is_kept_in_the_calibration(cli: Cli, tmp_path: Path, pairs: str) -> None:
    cli("calibrate", pairs, "--encoding", "cl100k_base", "-o", "calibration.json").ok()
    assert calibration_of(tmp_path / "calibration.json").encoding == "cl100k_base"
    (tmp_path / "prompt.txt").write_text("hi")
    refused = cli(
        *("estimate", "prompt.txt", "--model", CODE),
        *("--calibration", "calibration.json", "--encoding", "o200k_base"),
    )
    assert refused.exit_code == 2
    assert "o200k_base and calibration.json" in refused.stderr


def test_standard_input_has_pairs_too(cli: Cli, tmp_path: Path, pairs: str) -> None:
    shown = cli("calibrate", "-", "--json", stdin=(tmp_path / pairs).read_text()).ok().json
    assert shown["models"][CODE]["pairs"] == 20


def test_a_name_that_no_card_knows_stands_for_itself(cli: Cli, tmp_path: Path) -> None:
    lines = write(tmp_path / "own.jsonl", *(pair(number, model="=own\x1b[31m") for number in range(9)))
    shown = cli("calibrate", lines, "-o", "calibration.json").ok()
    assert "=own\\x1b[31m" in shown.stdout
    assert list(calibration_of(tmp_path / "calibration.json").models) == ["=own\x1b[31m"]
    assert "'=own" in cli("calibrate", lines, "--format", "csv").ok().stdout


# --- what is left out -----------------------------------------------------------------------------------------------


def test_requests_beyond_text_are_left_out_and_counted(cli: Cli, tmp_path: Path) -> None:
    image = chat(1, [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": "x"}}])
    tools = chat(2)
    tools["request"]["tools"] = [{"type": "function", "function": {"name": "f"}}]
    lines = write(tmp_path / "pairs.jsonl", *(pair(number) for number in range(9)), image, tools)
    done = cli("calibrate", lines, "--json").ok()
    assert done.json["models"][CODE]["pairs"] == 9
    assert done.stderr == (
        f"Note: left out of {CODE}: 1 pair with tools or schemas; "
        "8 of different lengths would give these a factor of their own\n"
        "Note: left out, as their requests hold more than text: 1 line\n"
    )


def test_pairs_with_tools_give_these_a_factor(cli: Cli, tmp_path: Path) -> None:
    """Tools that the API counts as 0.6 of their JSON narrow the range of a prompt that has such."""

    def with_tools(number: int) -> dict[str, Any]:
        line = chat(number)
        tool = {"type": "function", "function": {"name": "f", "description": text_of(40 + 9 * number)}}
        line["request"]["tools"] = [tool]
        usage = line["response"]["usage"]
        key = next(iter(usage))
        usage[key] += round(0.6 * count_tokens(json.dumps(tool, ensure_ascii=False)))
        return line

    lines = [*(pair(number) for number in range(12)), *(with_tools(number) for number in range(12))]
    file = write(tmp_path / "pairs.jsonl", *lines)
    done = cli("calibrate", file, "-o", "calibration.json", "--json").ok()
    assert done.stderr == ""
    assert float(done.json["models"][CODE]["schema_factor"]) == pytest.approx(0.6, abs=0.05)
    body = with_tools(20)
    (tmp_path / "r.json").write_text(json.dumps(body["request"]))
    arguments = ("estimate", "r.json", "--model", CODE, "--output-tokens", "1", "--json")
    found = cli(*arguments, "--calibration", "calibration.json").ok().json["prompts"][0]
    real = next(iter(body["response"]["usage"].values()))
    assert found["input_tokens"] == pytest.approx(real, rel=0.03)
    assert found["input_tokens_high"] - found["input_tokens"] < 0.1 * real
    by_hand = cli(*arguments).ok().json["prompts"][0]
    assert by_hand["input_tokens_high"] - by_hand["input_tokens"] > 0.3 * real


def test_responses_without_usage_are_left_out_and_counted(cli: Cli, tmp_path: Path) -> None:
    failed = [
        chat(1, response={"model": CODE, "status": "failed"}),
        chat(2, response={"model": CODE, "usage": None}),
        chat(3, response={"model": CODE, "usage": {"input_tokens": 0}}),
    ]
    lines = write(tmp_path / "pairs.jsonl", *(pair(number) for number in range(9)), *failed)
    done = cli("calibrate", lines, "--json").ok()
    assert done.json["models"][CODE]["pairs"] == 9
    assert done.stderr == "Note: left out, as their responses report no input tokens: 3 lines\n"


def test_models_with_too_few_pairs_are_left_out_if_any_has_enough(cli: Cli, tmp_path: Path) -> None:
    few = [pair(number, model=LITE) for number in range(7)]
    lines = write(tmp_path / "pairs.jsonl", *(pair(number) for number in range(9)), *few)
    done = cli("calibrate", lines, "--json").ok()
    assert list(done.json["models"]) == [CODE]
    told = f"model '{LITE}' has 7 of the 8 pairs of different texts that it needs: add more"
    assert done.stderr == f"Note: left out: {told}\n"

    refused = cli("calibrate", write(tmp_path / "few.jsonl", *few), "-o", "calibration.json")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert told in refused.stderr
    assert not (tmp_path / "calibration.json").exists()


def test_many_outliers_are_told(cli: Cli, tmp_path: Path) -> None:
    wild = [pair(number, input_tokens=30_000_000) for number in range(30, 34)]
    lines = write(tmp_path / "pairs.jsonl", *(pair(number) for number in range(20)), *wild)
    told = f"Note: 4 of 24 pairs of {CODE} are beyond twice or half of what the fit predicts\n"
    assert told in cli("calibrate", lines, "--json").ok().stderr


# --- wrong use ------------------------------------------------------------------------------------------------------

BAD_LINES: list[tuple[object, str]] = [
    ("{", "JSON"),
    ('{"model": "m", "model": "m"}', "model"),
    ([1], "isn't an object: give "),
    (pair(1, text=1), "text must be a string"),
    (pair(1, model=None), 'names no model: add "model"'),
    (pair(1, model=""), 'names no model: add "model"'),
    (pair(1, model=7), 'names no model: add "model"'),
    (pair(1, input_tokens=0), "input_tokens must be a whole number from 1 on"),
    (pair(1, input_tokens=1.5), "input_tokens must be a whole number from 1 on"),
    (pair(1, input_tokens=True), "input_tokens must be a whole number from 1 on"),
    (pair(1, input_tokens=2**63), "input_tokens must be a whole number from 1 on"),
    (pair(1, request={"input": "x"}), "has text and request: give one of them"),
    ({"model": CODE, "input_tokens": 3}, "has neither text nor request: give "),
    ({"model": CODE, "text": "x"}, "has neither input_tokens nor response: give "),
    (chat(1, request={"model": CODE}), "isn't a request body"),
    (chat(1, response=[]), "response must be an object"),
    (chat(1, response={"usage": 3}), "usage must be an object"),
    (chat(1, response={"usage": {"input_tokens": "3"}}), "usage.input_tokens must be a whole number from 1 on"),
]


@pytest.mark.parametrize(("line", "fault"), BAD_LINES, ids=[str(number) for number in range(len(BAD_LINES))])
def test_a_bad_line_is_named_and_nothing_is_written(cli: Cli, tmp_path: Path, line: object, fault: str) -> None:
    lines = write(tmp_path / "pairs.jsonl", *(pair(number) for number in range(9)), "", line)
    refused = cli("calibrate", lines, "-o", "calibration.json")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "Error: pairs.jsonl:11: " in refused.stderr
    assert fault in refused.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs.jsonl"]


def test_files_without_a_pair_are_refused(cli: Cli, tmp_path: Path) -> None:
    refused = cli(
        "calibrate",
        write(tmp_path / "empty.jsonl", "", ""),
        write(tmp_path / "failed.jsonl", chat(1) | {"response": {}}),
    )
    assert refused.exit_code == 2
    assert "empty.jsonl, failed.jsonl: no line has a pair to calibrate with: give " in refused.stderr


@pytest.mark.parametrize(
    ("args", "fault"),
    [
        ([], "Missing argument 'PAIRS...'"),
        (["missing.jsonl"], "missing.jsonl: can't be read: No such file or directory"),
        (["pairs.jsonl", "--encoding", "p50k_base"], "'p50k_base' is not one of 'cl100k_base', 'o200k_base'"),
        (["pairs.jsonl", "--provider", "nobody"], "provider 'nobody' has no rate card"),
        (["pairs.jsonl", "-o", "-"], "--output needs a file for the calibration"),
        (["pairs.jsonl", "-o", ""], "--output needs a file for the calibration"),
        (["pairs.jsonl", "-o", "none/calibration.json"], "none/calibration.json: can't be written"),
        (["pairs.jsonl", "--json", "--format", "csv"], "--json and --format csv contradict each other"),
    ],
)
def test_wrong_use_is_one_line(cli: Cli, pairs: str, args: list[str], fault: str) -> None:
    refused = cli("calibrate", *args)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert fault in refused.stderr


def test_a_damaged_vocabulary_is_one_line(cli: Cli, pairs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from pricing.estimating import tokens

    monkeypatch.setattr(tokens, "_DATA_PACKAGE", "no_such_package")
    monkeypatch.setattr(tokens, "_encoder", tokens._encoder.__wrapped__)
    refused = cli("calibrate", pairs)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "pip install --force-reinstall --no-deps no_such_package" in refused.stderr
