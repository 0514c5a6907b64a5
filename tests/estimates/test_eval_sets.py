"""Eval sets and batches as other tools write them, through `tollbook estimate`: what of a row is counted.

Samples have each tool's shape, with ` tea` for text: a token each. A message adds 3 tokens, a request 3.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import LedgerError
from ledger.estimates.prompts.requests import read_prompts
from tests.conftest import Cli
from tests.helpers.sources import lines
from tests.helpers.workloads import LITE, Project, tea

ANSWER = "its last message is the assistant's and counts as input: leave it out where it is the answer asked for"

NO_BODY = "a Responses body has input or instructions, a chat body messages"
OF_BATCH = "is of a batch and priced as any other request: batches may have prices of their own"


def says(role: str, tokens: int) -> dict[str, str]:
    return {"role": role, "content": tea(tokens)}


def table(*rows: Sequence[str], delimiter: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue()


def batch(url: str | None = "/v1/chat/completions", **body: Any) -> dict[str, Any]:
    line = {"custom_id": "request-1", "method": "POST", "body": {"model": LITE, **body}}
    return line if url is None else {**line, "url": url}


def cell(value: object) -> str:
    """A table whose one cell is JSON."""
    return table(("q",), (json.dumps(value),))


def asked(columns: Sequence[str]) -> list[str]:
    return [part for column in columns for part in ("--column", column)]


def estimated(cli: Cli, path: Path, columns: Sequence[str] = (), **options: Any) -> list[dict[str, Any]]:
    outcome = cli("estimate", path.name, "--model", LITE, "--output-tokens", 1, "--json", *asked(columns), **options)
    prompts: list[dict[str, Any]] = outcome.ok().json["prompts"]
    return prompts


def refusal(path: Path, columns: Sequence[str] = ()) -> str:
    with pytest.raises(LedgerError) as refused:
        read_prompts(str(path), columns)
    message = str(refused.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(str(path))


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# --- what tools write -----------------------------------------------------------------------------------------------

EVALS = {"input": [says("system", 5), {**says("system", 7), "name": "example_user"}, says("user", 9)], "ideal": "11"}
FINE_TUNING = {"messages": [says("system", 5), says("user", 9), says("assistant", 30)]}
PROMPTFOO = table(
    ("language", "body", "style", "__expected", "__metadata:topic"),
    (tea(1), tea(9), '{"tone": "brief"}', "icontains:bonjour", "greeting"),
)
LANGSMITH = {
    "id": "e1",
    "inputs": {"question": tea(9), "chat": [{"type": "human", "content": tea(4)}, {"type": "ai", "content": tea(5)}]},
    "outputs": {"answer": tea(50)},
    "metadata": {"dataset_split": ["base"]},
}
LANGFUSE = {"id": "i1", "expectedOutput": {"answer": tea(50)}, "metadata": None, "sourceTraceId": None}
GSM8K = {"question": tea(9), "answer": tea(60)}
MMLU = table(("question", "A", "B", "C", "D", "answer"), (tea(9), tea(1), tea(2), tea(1), tea(2), "B"))
HF_MMLU = {"question": tea(9), "subject": "anatomy", "choices": [tea(1), tea(2), tea(1), tea(2)], "answer": 1}
DEEPEVAL = {"input": tea(9), "actual_output": None, "expected_output": tea(50), "context": None}
RAGAS = {"user_input": tea(9), "retrieved_contexts": [tea(20), tea(30)], "response": tea(8), "reference": tea(50)}
RAGAS_TURNS = {"user_input": [{"content": tea(4), "type": "human"}, {"content": tea(5), "type": "ai"}]}
BRAINTRUST = {"input": tea(9), "expected": tea(50), "metadata": {"topic": "tea"}, "tags": ["a"]}
INSPECT = {"id": 1, "input": [says("system", 5), says("user", 9)], "target": "11"}
PORTKEY = {"id": "1", "request": {"body": {"messages": [says("user", 9)]}}, "response": {"status": 200}}
GEMINI = {"key": "1", "request": {"contents": [{"parts": [{"text": tea(9)}]}]}}
ALPACA = {"instruction": tea(5), "input": tea(9), "output": tea(50)}


@pytest.mark.parametrize(
    ("name", "content", "columns", "tokens", "warnings"),
    [
        ("evals.jsonl", lines([EVALS]), [], 21 + 2 + 3 * 3 + 3, []),  # example_user is 2 tokens
        ("evals.jsonl", lines([EVALS]), ["input"], 21 + 2 + 3 * 3 + 3, []),
        ("fine-tuning.jsonl", lines([FINE_TUNING]), [], 44 + 3 * 3 + 3, [ANSWER]),
        ("fine-tuning.jsonl", lines([FINE_TUNING]), ["messages"], 44 + 3 * 3 + 3, [ANSWER]),
        ("promptfoo.csv", PROMPTFOO, ["language", "body"], 10 + 3 + 3, []),
        ("promptfoo.csv", PROMPTFOO, ["style.tone"], 1 + 3 + 3, []),
        ("langsmith.jsonl", lines([LANGSMITH]), ["inputs.question"], 9 + 3 + 3, []),
        ("langsmith.json", json.dumps([LANGSMITH]), ["inputs.chat"], 9 + 2 * 3 + 3, [ANSWER]),
        ("langfuse.json", json.dumps([{**LANGFUSE, "input": tea(9)}]), [], 9 + 3 + 3, []),
        ("langfuse.json", json.dumps([{**LANGFUSE, "input": [says("user", 9)]}]), [], 9 + 3 + 3, []),
        ("langfuse.json", json.dumps([{**LANGFUSE, "input": {"q": tea(9)}}]), ["input.q"], 9 + 3 + 3, []),
        ("langfuse.csv", table(("id", "input"), ("i1", json.dumps([says("user", 9)]))), ["input"], 9 + 3 + 3, []),
        ("langfuse.csv", table(("id", "input"), ("i1", json.dumps({"q": tea(9)}))), ["input.q"], 9 + 3 + 3, []),
        ("gsm8k.jsonl", lines([GSM8K]), ["question"], 9 + 3 + 3, []),
        ("mmlu.csv", MMLU, ["question", "A", "B", "C", "D"], 15 + 3 + 3, []),
        ("mmlu.jsonl", lines([HF_MMLU]), ["question", "choices"], 15 + 3 + 3, []),
        ("deepeval.json", json.dumps([DEEPEVAL]), [], 9 + 3 + 3, []),
        ("ragas.jsonl", lines([RAGAS]), ["retrieved_contexts", "user_input"], 59 + 3 + 3, []),
        ("ragas.jsonl", lines([RAGAS_TURNS]), ["user_input"], 9 + 2 * 3 + 3, [ANSWER]),
        ("braintrust.jsonl", lines([BRAINTRUST]), [], 9 + 3 + 3, []),
        ("inspect.jsonl", lines([INSPECT]), [], 14 + 2 * 3 + 3, []),
        ("alpaca.json", json.dumps([ALPACA]), ["instruction", "input"], 14 + 3 + 3, []),
    ],
)
def test_rows_of_other_tools_count_what_is_sent(
    cli: Cli, tmp_path: Path, name: str, content: str, columns: list[str], tokens: int, warnings: list[str]
) -> None:
    (prompt,) = estimated(cli, write(tmp_path, name, content), columns)
    assert prompt["input_tokens"] == tokens
    assert prompt["warnings"] == warnings


@pytest.mark.parametrize(
    ("content", "wrong", "named"),
    [
        (LANGSMITH, NO_BODY, "id, inputs.question, "),
        (GSM8K, NO_BODY, "question, answer"),
        (RAGAS, NO_BODY, "user_input, retrieved_contexts, "),
        ({**LANGFUSE, "input": {"q": "a", "more": {"b": 1}}}, "its input is an object", "id, expectedOutput.answer, "),
        ({"input": {"q": "a", "more": {"b": 1}}}, "its input is an object", "input.q, input.more.b"),
        (PORTKEY, NO_BODY, "id, request.body, response.s"),
        (GEMINI, NO_BODY, "key, request.contents"),
        ({"custom_id": "1", "params": {"prompt": "a"}}, NO_BODY, "custom_id, params.prompt"),
    ],
)
def test_a_row_that_is_no_body_names_its_fields(tmp_path: Path, content: object, wrong: str, named: str) -> None:
    takes = f": isn't a request body: {wrong}; --column, or columns of a workload, takes a field of each row: {named}"
    assert refusal(write(tmp_path, "rows.jsonl", lines([content]))).startswith(f":1{takes}")
    assert refusal(write(tmp_path, "rows.json", json.dumps([content]))).startswith(f"[0]{takes}")


def test_the_fields_that_are_named_can_be_read(cli: Cli, tmp_path: Path) -> None:
    (prompt,) = estimated(cli, write(tmp_path, "portkey.jsonl", lines([PORTKEY])), ["request.body"])
    assert prompt["input_tokens"] == 9 + 3 + 3


def test_texts_that_a_row_has_beside_its_input_are_named(cli: Cli, tmp_path: Path) -> None:
    (prompt,) = estimated(cli, write(tmp_path, "alpaca.json", json.dumps([ALPACA])))
    assert prompt["input_tokens"] == 9 + 3 + 3
    assert prompt["uncounted"] == ["the key instruction"]
    (warning,) = prompt["warnings"]
    assert "at least this: the key instruction; name what is sent of a row by --column, or " in warning


@pytest.mark.parametrize(
    ("beside", "named"),
    [
        ({"tools": [{"name": "find"}], "system": "Be brief."}, ["the key system", "the key tools"]),
        ({"context": "很长的文本。"}, ["the key context"]),
        ({"retrieved_context": [{"content": "long"}]}, ["the key retrieved_context"]),
        ({"images": ["a", "b"]}, ["2 images"]),
        ({"response": {"id": "r"}, "project": "a b", "tags": {"a": "b"}, "trace": "t-1", "cost": 5, "error": None}, []),
    ],
)
def test_what_stands_beside_the_body_of_an_envelope_is_named(
    cli: Cli, tmp_path: Path, beside: dict[str, Any], named: list[str]
) -> None:
    said = [says("user", 9)]
    line = batch(messages=said)
    envelopes: list[dict[str, Any]] = [{"request": {"messages": said}}, {"request": said}, {"request": line}, line]
    for prompt in estimated(cli, write(tmp_path, "log.jsonl", lines([{**one, **beside} for one in envelopes]))):
        assert (prompt["input_tokens"], prompt["uncounted"]) == (9 + 3 + 3, named)


# --- batches --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["/v1/chat/completions", "/api/v3/chat/completions", "/chat/completions/", None])
def test_a_line_of_a_batch_is_its_body(cli: Cli, tmp_path: Path, url: str | None) -> None:
    content = lines([batch(url, messages=[says("user", 9)])])
    (prompt,) = estimated(cli, write(tmp_path, "batch.jsonl", content))
    assert (prompt["name"], prompt["input_tokens"]) == ("batch.jsonl:1", 9 + 3 + 3)
    assert prompt["warnings"] == [OF_BATCH]


def test_a_line_of_anthropics_batch_is_its_params(cli: Cli, tmp_path: Path) -> None:
    params = {"model": LITE, "max_tokens": 50, "system": tea(4), "messages": [says("user", 9)]}
    content = lines([{"custom_id": "1", "params": params}])
    (prompt,) = estimated(cli, write(tmp_path, "batch.jsonl", content))
    assert prompt["input_tokens"] == 13 + 2 * 3 + 3
    assert prompt["warnings"] == [OF_BATCH]


def test_a_request_that_a_gateway_logged_with_its_url_is_its_body(tmp_path: Path) -> None:
    logged = {
        "request": {"method": "POST", "url": "https://a/v1/chat/completions", "body": {"messages": [says("user", 9)]}}
    }
    (prompt,) = read_prompts(str(write(tmp_path, "log.jsonl", lines([logged]))))
    assert prompt.text.texts == (tea(9),)


def test_a_batch_may_be_of_responses_and_on_standard_input(cli: Cli, tmp_path: Path) -> None:
    content = lines([batch("/v1/responses", input=tea(9)), batch("/v1/responses", instructions=tea(4))])
    found = estimated(cli, Path("-"), stdin=content)
    assert [prompt["input_tokens"] for prompt in found] == [9 + 3 + 3, 4 + 3 + 3]


@pytest.mark.parametrize("url", ["/v1/embeddings", "/v1/completions", "/v1/images/generations", "/v1/moderations", ""])
def test_a_line_of_another_api_is_refused(tmp_path: Path, url: str) -> None:
    content = lines([batch(input="a"), batch(url, input="a")])
    assert refusal(write(tmp_path, "batch.jsonl", content)) == (
        f":2: its url {url!r} is of another API: requests to /v1/responses and /v1/chat/completions are estimated; "
        "leave the line out"
    )


@pytest.mark.parametrize(
    "url",
    ["sk-proj-Zq7Kx9b2Wm4Zq7Kx", "Zq7Kx tell nobody", "https://u:Zq7Kx9@a/v1/embeddings", "/v1/x?key=Zq7Kx", "\x1b[2J"],
)
def test_an_url_that_is_no_path_isnt_shown(tmp_path: Path, url: str) -> None:
    told = refusal(write(tmp_path, "batch.jsonl", lines([batch(url, input="a")])))
    assert f"its url (a text of {len(url)} characters) is of another API" in told


# --- tables ---------------------------------------------------------------------------------------------------------

ROWS = (("question", "note"), (tea(9), "a"), (tea(4), "b"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", table(*ROWS)),
        ("t.CSV", table(*ROWS, delimiter=";")),
        ("t.csv", "sep=|\r\n" + table(*ROWS, delimiter="|")),
        ("t.tsv", table(*ROWS, delimiter="\t")),
        ("t.txt", table(*ROWS, delimiter="\t")),
        ("t.csv", b"\xef\xbb\xbf" + table(*ROWS).encode()),
        ("t.csv", table(*ROWS, delimiter="\t").encode("utf-16")),
        ("t.jsonl", lines([{"question": tea(9)}, {"question": tea(4)}])),
        ("t.json", json.dumps([{"question": tea(9)}, {"question": tea(4)}])),
        ("t", lines([{"question": tea(9)}, {"question": tea(4)}])),
        ("t", json.dumps([{"question": tea(9)}, {"question": tea(4)}], indent=1)),
    ],
)
def test_each_row_is_a_request_whatever_the_file(cli: Cli, tmp_path: Path, name: str, content: str | bytes) -> None:
    found = estimated(cli, write(tmp_path, name, content), ["question"])
    assert [prompt["input_tokens"] for prompt in found] == [9 + 3 + 3, 4 + 3 + 3]
    assert all(prompt["name"].startswith(name) for prompt in found)
    piped = content if isinstance(content, bytes) else content.encode()
    assert len(estimated(cli, Path("-"), ["question"], stdin=piped)) == 2


def test_rows_are_named_by_the_line_that_they_begin_on(tmp_path: Path) -> None:
    path = write(tmp_path, "t.csv", 'question\n"a\nb"\n\n"c"\n')
    assert [(prompt.name, prompt.text.texts) for prompt in read_prompts(str(path), ["question"])] == [
        (f"{path}:2", ("a\nb",)),
        (f"{path}:5", ("c",)),
    ]


def test_columns_are_joined_in_the_order_asked_for(tmp_path: Path) -> None:
    row = {"a.b": "dotted", "n": 7, "x": 1.50, "yes": True, "chat": [says("user", 1)], "last": "end"}
    path = write(tmp_path, "t.jsonl", lines([row]))
    (prompt,) = read_prompts(str(path), ["yes", "n", "chat", "x", "a.b", "last"])
    assert prompt.text.texts == ("true", "7", tea(1), "1.5", "dotted", "end")
    assert prompt.text.message_overhead_tokens == 3 * 3 + 3  # what comes before the chat, the chat, what comes after


@pytest.mark.parametrize("body", [{"model": LITE, "input": tea(9)}, batch(messages=[says("user", 9)])])
def test_a_column_may_hold_whole_bodies(tmp_path: Path, body: dict[str, Any]) -> None:
    for path in (
        write(tmp_path, "t.csv", table(("body", "note"), (json.dumps(body), "x"))),
        write(tmp_path, "t.jsonl", lines([{"body": body, "note": "x"}])),
    ):
        (prompt,) = read_prompts(str(path), ["body"])
        assert (prompt.text.texts, prompt.text.message_overhead_tokens, prompt.model) == ((tea(9),), 3 + 3, LITE)
        words = "its 'body' is a whole request body: give that --column alone"
        assert words in refusal(path, ["note", "body"])


def test_json_in_a_cell_that_is_no_request_counts_as_written_and_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, "t.csv", table(("a", "b"), ('{"tone": "brief", "x": {"y": 1}}', "[1, 2"), ("[0]", "{{c}}")))
    first, second = read_prompts(str(path), ["a", "b"])
    assert first.text.texts == ('{"tone": "brief", "x": {"y": 1}}', "[1, 2")
    assert first.warnings == ("its 'a' is JSON and counts as written: --column takes a field of it: a.tone, a.x.y",)
    assert (second.text.texts, second.warnings) == (("[0]", "{{c}}"), ())


def test_a_list_of_texts_in_a_cell_is_the_texts(tmp_path: Path) -> None:
    for name, content in (("t.csv", cell(["a", "b"])), ("t.jsonl", lines([{"q": ["a", "b"]}]))):
        (prompt,) = read_prompts(str(write(tmp_path, name, content)), ["q"])
        assert (prompt.text.texts, prompt.text.message_overhead_tokens) == (("a", "b"), 3 + 3)


@pytest.mark.parametrize("text", ["['a', 'b']", "['a' 'b']", "{'a': 1}", "[{'x': 1}]", "[AIMessage(content='a')]"])
def test_a_cell_that_may_be_pythons_own_writing_says_so(tmp_path: Path, text: str) -> None:
    (prompt,) = read_prompts(str(write(tmp_path, "t.csv", table(("q",), (text,)))), ["q"])
    assert prompt.text.texts == (text,)
    assert prompt.warnings == (
        "its 'q' may be as Python prints it and counts as written: write it as JSON, or the rows as JSON Lines if so",
    )


@pytest.mark.parametrize(
    "text", ['[{"role": "user", "content": "cut', '{"a": NaN}', '[ {"content": None}]', '["it\'s" "b"]']
)
def test_a_cell_of_json_that_is_broken_says_so(tmp_path: Path, text: str) -> None:
    (prompt,) = read_prompts(str(write(tmp_path, "t.csv", table(("q",), (text,)))), ["q"])
    assert prompt.text.texts == (text,)
    assert prompt.warnings == ("its 'q' may be JSON that is cut off or broken, and counts as written: mend it if so",)


def test_a_cell_that_names_a_file_is_not_counted_as_its_text(cli: Cli, tmp_path: Path) -> None:
    path = write(
        tmp_path, "promptfoo.csv", table(("q", "context"), (tea(9), "file://docs/tea.md"), ("see file://a", "b"))
    )
    first, second = estimated(cli, path, ["q", "context"])
    assert (first["input_tokens"], first["uncounted"]) == (9 + 3 + 3, ["1 file"])
    assert second["uncounted"] == []


def test_a_cell_that_is_an_image_is_one(cli: Cli, tmp_path: Path) -> None:
    path = write(tmp_path, "images.csv", table(("q", "image"), (tea(9), "data:image/png;base64,iVBORw0KGgo=")))
    (prompt,) = estimated(cli, path, ["q", "image"])
    assert (prompt["input_tokens"], prompt["uncounted"]) == (9 + 3 + 3, ["1 image"])


# --- what is wrong with them ----------------------------------------------------------------------------------------


def test_rows_without_any_of_the_columns_are_left_out_and_told(cli: Cli, tmp_path: Path) -> None:
    path = write(tmp_path, "t.csv", 'q,note\n"",a\nwhy,b\n,c\n')
    (prompt,) = estimated(cli, path, ["q"])
    assert prompt["name"] == "t.csv:3"
    assert prompt["warnings"] == ["2 rows of the file without 'q' left out, the first is t.csv:2"]


DOLLY = {"instruction": tea(5), "context": "", "response": tea(50)}
SWE_BENCH = {"problem_statement": tea(5), "hints_text": None, "patch": tea(50)}


@pytest.mark.parametrize(
    ("name", "content", "columns", "tokens", "note"),
    [
        (
            "t.json", json.dumps([ALPACA, {**ALPACA, "input": ""}]), ["instruction", "input"], [14, 5],
            "1 row of the file sent without 'input', which is empty, the first is t.json[1]",
        ),
        (
            "t.jsonl", lines([DOLLY, DOLLY]), ["instruction", "context"], [5, 5],
            "2 rows of the file sent without 'context', which is empty, the first is t.jsonl:1",
        ),
        (
            "t.jsonl", lines([SWE_BENCH]), ["problem_statement", "hints_text"], [5],
            "1 row of the file sent without 'hints_text', which is null, the first is t.jsonl:1",
        ),
        (
            "t.jsonl", lines([{**DOLLY, "context": []}, {**DOLLY, "context": None}]), ["context", "instruction"],
            [5, 5],
            "2 rows of the file sent without 'context', which is empty or null, the first is t.jsonl:1",
        ),
        (
            "t.csv", table(("a", "b"), (tea(2), tea(1)), (tea(3), " ")), ["a", "b"], [3, 3],
            "1 row of the file sent without 'b', which is empty, the first is t.csv:3",
        ),
    ],
)  # fmt: skip
def test_rows_are_sent_without_their_empty_columns_and_one_note_tells(
    cli: Cli, tmp_path: Path, name: str, content: str, columns: list[str], tokens: list[int], note: str
) -> None:
    prompts = estimated(cli, write(tmp_path, name, content), columns)
    assert [prompt["input_tokens"] for prompt in prompts] == [count + 3 + 3 for count in tokens]
    assert [warning for prompt in prompts for warning in prompt["warnings"]] == [note]


@pytest.mark.parametrize(
    ("name", "content", "columns", "words"),
    [
        ("t.csv", "answer,question\nb,a\n", ["qestion"], ": has no column 'qestion': its columns are question, answer"),
        ("t.csv", "q;a\nx;y\n", ["Q"], ": has no column 'Q': its columns are q, a"),
        ("t.csv", "q,q\nx,y\n", ["q"], ": has two columns 'q': which one is sent can't be known; rename one"),
        ("t.csv", "q,a\n,y\n", ["q"], ":2: its 'q' is empty: fill it in, or leave the row out"),
        ("t.jsonl", lines([{"q": None}]), ["q"], ":1: its 'q' is null: fill it in, or leave the row out"),
        ("t.jsonl", lines([{"a": {"q": None}}]), ["a.q"], ":1: its 'a.q' is null: fill it in, or leave the row out"),
        ("t.csv", "a, b;q\nx;y\n", ["q"], ": has no column 'q': its columns are b;q, a; where ';' parts them, a fi"),
        ("t.csv", "a;b,q\nx,y,z\n", ["q"], ":2: has 3 cells below 2 columns: quote cells that hold a separator; wh"),
        ("t.csv", "q,a\nx,y\nx\n", ["q", "a"], ":3: has no 'a': it has q"),
        ("t.csv", "q,a\nx,y,z\n", ["q"], ":2: has 3 cells below 2 columns: quote cells that hold a separator"),
        ("t.csv", "q,a\n", ["q"], ": holds no row: --column takes a column of each"),
        ("t.csv", "", ["q"], ": has no column 'q': its columns are none"),
        ("t.csv", 'q\n"open\n', ["q"], ", line 2: can't be read as CSV (unexpected end of data): check its quotes"),
        ("t.csv", b"q\n\xff\n", ["q"], ", line 2: isn't utf-8: convert it to UTF-8"),
        ("t.jsonl", lines([{"answer": 1, "quest": 2}]), ["question"], ":1: has no 'question': it has quest, answer"),
        ("t.jsonl", lines([{"q": "a", "s": "b"}, {"q": "a"}]), ["q", "s"], ":2: has no 's': it has q"),
        ("t.jsonl", lines([{"q": "a"}, "b"]), ["q"], ":2: isn't an object, whose fields --column names"),
        ("t.jsonl", lines([{"q": {"a": 1}}]), ["q"], ":1: its 'q' is an object: --column takes a field of it: q.a"),
        ("t.jsonl", lines([{"q": [{"from": "human"}]}]), ["q"], ":1: its 'q' is a list of neither texts nor messages"),
        ("t.jsonl", lines([{"q": [{"role": "user"}]}]), ["q"], ":1: messages[0] must have content"),
        (
            "t.jsonl",
            lines([{"docs": [{"content": "a", "title": "b"}]}]),
            ["docs"],
            (
                ":1: its 'docs' is a list of neither texts nor messages, which have role and content; write what is "
                "sent of its objects as text: they have content, title"
            ),
        ),
        ("t.csv", cell([{"from": "human", "value": "a"}]), ["q"], ":2: its 'q' is a list of neither texts nor message"),
        ("t.csv", cell([{"message.role": "user"}]), ["q"], ":2: its 'q' is a list of neither texts nor messages, whi"),
        ("t.csv", cell([{"type": "text", "content": "a"}]), ["q"], ":2: its 'q' is a list of neither texts nor messag"),
        ("t.csv", cell(["a", {"b": 1}]), ["q"], ":2: its 'q' is a list of neither texts nor messages, which have"),
        (
            "t.csv",
            table(("q",), ("[{'role': 'user', 'content': \"it's\"}\n {'role': 'user', 'content': 'b'}]",)),
            ["q"],
            ":2: its 'q' is a list as Python prints it: write it as JSON, or the rows as JSON Lines",
        ),
        ("t.json", "[]", ["q"], ": holds no row: --column takes a column of each"),
        ("t.yaml", "- a\n", ["q"], ": is YAML, whose rows aren't read: convert it to CSV or JSON Lines"),
        ("t.parquet", "PAR1", [], ": is a Parquet file, whose rows aren't read: convert it to CSV or JSON Lines"),
        ("t.XLSX", "PK", ["q"], ": is an Excel workbook, whose rows aren't read: convert it to CSV or JSON Lines"),
    ],
)
def test_what_can_not_be_sent_is_named(
    tmp_path: Path, name: str, content: str | bytes, columns: list[str], words: str
) -> None:
    assert refusal(write(tmp_path, name, content), columns).startswith(words)


@pytest.mark.parametrize(
    ("name", "content", "warning"),
    [
        (
            "t.csv",
            table(*ROWS),
            "is read as one text; --column, or columns of a workload, takes a field of each row: question, note",
        ),
        (
            "t.tsv",
            table(*ROWS, delimiter="\t"),
            "is read as one text; --column, or columns of a workload, takes a field of each row: question, note",
        ),
        (
            "t.csv",
            '"open',
            "is read as one text; --column, or columns of a workload, takes a field of each row",
        ),
        (
            "rows.txt",
            lines([ALPACA, ALPACA]),
            "is read as one text, JSON and all: call the file .json or .jsonl to have its requests read",
        ),
        (
            "promptfooconfig.yaml",
            "prompts:\n  - 'Say a'\n",
            "is read as one text, YAML and all: prompts within it are read from text, JSON Lines or CSV files",
        ),
    ],
)
def test_a_text_that_holds_several_says_so(cli: Cli, tmp_path: Path, name: str, content: str, warning: str) -> None:
    (prompt,) = estimated(cli, write(tmp_path, name, content))
    assert (prompt["name"], prompt["warnings"]) == (name, [warning])
    assert read_prompts(str(tmp_path / name))[0].text.texts == (content,)


# --- workloads ------------------------------------------------------------------------------------------------------


def test_columns_of_a_workload_are_of_its_prompts(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write({"evals/a.csv": table(*ROWS), "system.csv": tea(5)})
    found = project.estimate('prompts = ["evals/*.csv"]\nparts = ["system.csv"]\ncolumns = ["question"]')
    prompts = found.workloads[0].prompts
    assert [(prompt.name, prompt.input_tokens) for prompt in prompts] == [
        ("evals/a.csv:2", 5 + 9 + 3 + 3),
        ("evals/a.csv:3", 5 + 4 + 3 + 3),
    ]
