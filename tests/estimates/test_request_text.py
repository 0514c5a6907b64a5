"""Prompts out of files: what counts as text of a request, what is named instead, and what is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import LedgerError
from ledger.estimates.prompts.files import read_calibration, read_json, read_text
from ledger.estimates.prompts.parts import digest_of, names_of
from ledger.estimates.prompts.requests import Prompt, prompt_of_body, read_prompts
from ledger.estimates.prompts.variables import fill, placeholders_in
from pricing.estimating.counting import PromptText


def texts(body: object) -> tuple[str, ...]:
    return prompt_of_body("p", body).text.texts


def overhead(body: object) -> int:
    return prompt_of_body("p", body).text.message_overhead_tokens


def uncounted(body: object) -> list[str]:
    return names_of(prompt_of_body("p", body).parts)


def schemas(body: object) -> tuple[str, ...]:
    return prompt_of_body("p", body).text.schemas


def user(content: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}]}


# --- bodies ---------------------------------------------------------------------------------------------------------


def test_an_input_text_is_one_message() -> None:
    body = {"model": "doubao-seed-2.0-code", "input": "Hello"}
    assert prompt_of_body("p", body) == Prompt("p", PromptText(("Hello",), 3 + 3), model="doubao-seed-2.0-code")


def test_instructions_are_a_message_before_the_input() -> None:
    body = {"instructions": "Be brief.", "input": "Hello"}
    assert texts(body) == ("Be brief.", "Hello")
    assert overhead(body) == 2 * 3 + 3
    assert texts({"instructions": "Be brief."}) == ("Be brief.",)
    assert texts({"instructions": None, "input": "Hello"}) == ("Hello",)


def test_items_of_the_input_count_each_as_a_message() -> None:
    body = {
        "input": [
            {"role": "system", "content": "a"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "b"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "c"}]},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "d"}]},
        ]
    }
    assert texts(body) == ("a", "b", "c", "d")
    assert overhead(body) == 4 * 3 + 3
    assert uncounted(body) == []


def test_a_part_in_place_of_an_item_is_a_message_too() -> None:
    body = {"input": [{"type": "input_text", "text": "a"}, {"type": "input_image"}]}
    assert (texts(body), overhead(body)) == (("a",), 2 * 3 + 3)
    assert uncounted(body) == ["1 image"]


def test_calls_and_what_they_returned_are_text() -> None:
    body = {
        "input": [
            {"type": "function_call", "call_id": "1", "name": "find", "arguments": '{"q":1}'},
            {"type": "function_call_output", "call_id": "1", "output": "found"},
            {"type": "function_call_output", "call_id": "2", "output": [{"type": "input_text", "text": "parts"}]},
            {"type": "custom_tool_call", "call_id": "3", "name": "run", "input": "ls"},
            {"type": "custom_tool_call_output", "call_id": "3", "output": "files"},
        ]
    }
    assert texts(body) == ("find", '{"q":1}', "found", "parts", "run", "ls", "files")
    assert overhead(body) == 5 * 3 + 3


def test_chat_messages_count_content_names_and_calls() -> None:
    body = {
        "messages": [
            {"role": "system", "content": "a"},
            {"role": "user", "name": "ann", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "c"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "find", "arguments": "{}"}},
                    {"id": "2", "type": "custom", "custom": {"name": "run", "input": "ls"}},
                ],
            },
            {"role": "tool", "tool_call_id": "1", "content": "found"},
            {"role": "assistant", "function_call": {"name": "old", "arguments": "[]"}},
            {"role": "assistant", "content": "d", "refusal": "no", "tool_calls": []},
        ]
    }
    assert texts(body) == ("a", "b", "c", "ann", "find", "{}", "run", "ls", "found", "old", "[]", "d", "no")
    assert overhead(body) == 6 * 3 + 3
    assert uncounted(body) == []


def test_an_envelope_is_its_request() -> None:
    envelope = {"request": {"input": "Hello"}, "response": {"id": "r"}, "project": "p"}
    assert texts(envelope) == ("Hello",)


TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "städte", "schema": {"type": "array"}}}


@pytest.mark.parametrize(
    ("body", "json_texts"),
    [
        ({**user("a"), "tools": [TOOL]}, [TOOL]),
        ({**user("a"), "tools": [TOOL, TOOL]}, [TOOL, TOOL]),
        ({"input": "a", "tools": [{"type": "function", "name": "f"}, {"type": "custom"}]}, 2),
        ({**user("a"), "functions": [{"name": "f"}]}, [{"name": "f"}]),
        ({**user("a"), "response_format": FORMAT}, [FORMAT]),
        ({**user("a"), "response_format": {"type": "json_object"}}, [{"type": "json_object"}]),
        ({"input": "a", "text": {"format": FORMAT, "verbosity": "low"}}, [FORMAT]),
        ({**user("a"), "tools": {"odd": 1}}, [{"odd": 1}]),
        ({**user("a"), "tools": 5}, [5]),
        ({**user("a"), "tools": json.dumps([TOOL, TOOL])}, [TOOL, TOOL]),
        ({**user("a"), "format": {"type": "object", "properties": {}}}, [{"type": "object", "properties": {}}]),
        ({"input": "a", "tools": json.dumps(TOOL), "response_format": json.dumps(FORMAT)}, [TOOL, FORMAT]),
        ({"input": "a", "tools": "[not JSON"}, ["[not JSON"]),
    ],
)
def test_tools_and_formats_are_schemas(body: object, json_texts: list[object] | int) -> None:
    found = schemas(body)
    assert uncounted(body) == []
    if isinstance(json_texts, int):
        assert len(found) == json_texts
    else:
        assert [json.loads(text) for text in found] == json_texts
    assert "\\u" not in "".join(found)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"input": "a", "previous_response_id": "resp_1"}, ["the conversation of previous_response_id"]),
        ({"input": "a", "prompt": {"id": "p"}}, ["the stored prompt"]),
        (user([{"type": "image_url", "image_url": {"url": "data:"}}]), ["1 image"]),
        (user([{"type": "input_audio"}, {"type": "input_audio"}]), ["2 audio parts"]),
        (user([{"type": "file"}, {"type": "video_url"}]), ["1 file", "1 video"]),
        ({"input": [{"type": "reasoning"}, {"type": "item_reference", "id": "x"}]}, ["1 item_reference item", "1 r"]),
        ({"messages": [{"role": "assistant", "content": "a", "reasoning_content": "b"}]}, ["1 reasoning text"]),
        (user([{"type": ["odd"]}, {"type": "x" * 99}]), ["1 unknown part", f"1 {'x' * 40} part"]),
        # What runs at the provider adds what it finds, beside its own schema.
        (
            {"input": "a", "tools": [{"type": "web_search"}, {"type": "mcp"}]},
            ["what the tool mcp", "what the tool w"],
        ),
        ({"input": "a", "tools": '[{"type": "web_search"}]'}, ["what the tool web_search adds"]),
        ({**user("a"), "web_search_options": {"x": 1}}, ["what web_search_options finds"]),
        ({**user("a"), "enable_search": True}, ["what enable_search finds"]),
        ({**user("a"), "enable_search": False}, []),
        ({**user("a"), "tools": ["find", TOOL]}, ["what the tool find adds"]),
        ({**user("a"), "documents": [{"text": "long"}], "plugins": "x"}, ["the key documents", "the key plugins"]),
    ],
)
def test_what_is_not_text_is_named(body: object, named: list[str]) -> None:
    found = uncounted(body)
    assert len(found) == len(named)
    assert all(name.startswith(start) for name, start in zip(found, named, strict=True)), found


def message(**keys: object) -> dict[str, Any]:
    return {"role": "user", "content": "hi", **keys}


def part(kind: str = "text", **keys: object) -> dict[str, Any]:
    return message(content=[{"type": kind, "text": "hi", **keys}])


IMAGE_URL = {"url": "data:"}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        (message(images=["a", "b"]), ["2 images"]),
        (message(image_url=IMAGE_URL), ["1 image"]),
        (part(image_url=IMAGE_URL), ["1 image"]),
        (part("image_url", image_url=IMAGE_URL, detail="low"), ["1 image", "the part key text"]),
        *(
            (message(**{key: content}), [f"the message key {key}"])
            for key in (
                "experimental_attachments", "parts", "toolInvocations", "attachments", "documents", "thinking",
                "reasoning", "reasoning_details", "annotations", "additional_kwargs", "tool_plan", "thinking_blocks",
                "x" * 40,
            )
            for content in ("text", [{"text": "long"}], {"text": "long"})
        ),
        (message(content=None, parts=[{"text": "hi"}]), ["the message key parts"]),
        (part("output_text", annotations=[{"url": "a"}]), ["the part key annotations"]),
        (message(content=[{"text": "hi", "inline_data": {"data": "a"}}]), ["the part key inline_data"]),
        (message(content=[{"type": "tool_result", "content": "a", "more": "b"}]), ["the part key more"]),
        (message(tool_calls=[{**CALL, "extra_content": {"signature": "a"}}]), ["the call key extra_content"]),
        (message(reasoning_content="a", audio={"id": "a"}), ["1 audio part", "1 reasoning text"]),
        # Settings, ids, numbers and what is empty add nothing.
        (message(id="a", created_at="now", tool_call_id="1", weight=0, prefix=True, cache_control={"type": "e"}), []),
        (message(annotations=[], thinking="", images=None, audio=None, reasoning={}), []),
        (part("output_text", annotations=[], logprobs=[], id="a"), []),
        (part("input_image", image_url="data:", detail="low", file_id="a", text=""), ["1 image"]),
    ],
)  # fmt: skip
def test_every_key_of_a_message_is_counted_named_or_known_to_add_nothing(entry: object, named: list[str]) -> None:
    assert uncounted({"messages": [entry]}) == named
    assert uncounted({"input": [entry]}) == named


def test_an_item_names_its_other_keys_too() -> None:
    item = {"type": "function_call_output", "call_id": "1", "id": "a", "status": "completed", "output": {"a": "é"}}
    assert texts({"input": [item]}) == ('{"a": "é"}',)
    assert uncounted({"input": [item]}) == []
    assert uncounted({"input": [{**item, "files": ["a"]}]}) == ["the item key files"]


@pytest.mark.parametrize(
    ("keys", "counted"),
    [
        ({"tool_calls": [CALL]}, ("f", "{}")),
        ({"tool_calls": [{"name": "f", "args": {"q": "é"}, "id": "1", "type": "tool_call"}]}, ("f", '{"q": "é"}')),
        ({"tool_calls": [{"function": {"name": "f", "arguments": {"q": 1}}}]}, ("f", '{"q": 1}')),
        ({"function_call": {"name": "f", "arguments": "[]"}}, ("f", "[]")),
        ({"tool_calls": [CALL], "function_call": {"name": "g", "arguments": "[]"}}, ("f", "{}", "g", "[]")),
        ({"name": "ann", "refusal": "no"}, ("ann", "no")),
    ],
)
def test_a_message_is_read_alike_in_both_apis(keys: dict[str, Any], counted: tuple[str, ...]) -> None:
    for body in ({"messages": [message(**keys)]}, {"input": [message(**keys)]}):
        assert texts(body) == ("hi", *counted)
        assert overhead(body) == 3 + 3
        assert uncounted(body) == []


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"text": "Translate this."}, ["the key text"]),
        ({"text": ["a"], "reasoning": "because"}, ["the key reasoning", "the key text"]),
        ({"text": {"content": "long"}}, ["the text key content"]),
        ({"format": "Answer in one sentence.", "truncation": ["a b"]}, ["the key format", "the key truncation"]),
        ({"format": "用一句话回答。"}, ["the key format"]),
        ({"user": "Which tea is it?"}, ["the key user"]),
        ({"user": "ann@example.com"}, []),
        ({"temperature": "a text", "stream": {"a": 1}}, ["the key stream", "the key temperature"]),
        ({"images": ["a", "b"], "image_url": "c"}, ["3 images"]),
        ({"web_search_options": {}}, ["what web_search_options finds"]),
        (
            {
                "stop_sequences": ["Human: a"], "route": "fallback", "usage": {"include": True}, "keep_alive": "5m",
                "anthropic_version": "bedrock-2023-05-31", "transforms": ["middle-out"], "format": "json", "n": 2,
                "tool_choice": {"type": "auto"}, "reasoning_effort": "low", "thinking": {"type": "enabled"},
                "stream": True, "temperature": 0.5, "text": {"verbosity": "low"}, "stop": "a b", "options": {"seed": 1},
            },
            [],
        ),
    ],
)  # fmt: skip
def test_a_setting_adds_nothing_where_its_value_is_one(keys: dict[str, Any], named: list[str]) -> None:
    assert uncounted({"input": "a", **keys}) == named
    assert uncounted({**user("a"), **keys}) == named


def test_a_call_that_is_a_part_and_among_the_calls_counts_once() -> None:
    used = {"type": "tool_use", "id": "1", "name": "find", "input": {"q": 1}}
    calls = [{"type": "tool_call", "id": id_, "name": "find", "args": {"q": 1}} for id_ in ("1", "2", None)]
    body = {
        "messages": [message(content=[{"type": "text", "text": "hi"}, used, {**used, "id": None}], tool_calls=calls)]
    }
    assert texts(body) == ("hi", *("find", '{"q": 1}') * 4)
    assert uncounted(body) == []


def test_what_a_body_of_the_other_api_would_send_is_named() -> None:
    assert uncounted({"messages": None, "input": "a", "system": "s"}) == ["the key system"]


def test_at_most_ten_parts_are_named_and_all_are_in_the_digest() -> None:
    many = {f"key{number:04}": "a" for number in range(3_000)}
    assert uncounted({"input": "a", **many}) == [*(f"the key key{number:04}" for number in range(10)), "2,990 more"]
    other = prompt_of_body("p", {"input": "a", **many, "key2999": "b"}).parts
    assert digest_of(prompt_of_body("p", {"input": "a", **many}).parts) != digest_of(other)


def test_a_part_is_told_from_another_by_its_digest() -> None:
    def of(url: str) -> str | None:
        return digest_of(prompt_of_body("p", user([{"type": "image_url", "image_url": {"url": url}}])).parts)

    assert of("https://a/1.png") == of("https://a/1.png") != of("https://a/2.png")
    assert digest_of(prompt_of_body("p", user("a")).parts) is None


def test_a_body_of_anthropics_api_is_read_too() -> None:
    body = {
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "find", "input": {"q": "é"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "found"}]},
        ],
        "tools": [{"name": "find", "input_schema": {"type": "object"}}],
        "max_tokens": 50,
    }
    assert texts(body) == ("s", "a", "find", '{"q": "é"}', "found")
    assert uncounted(body) == []
    assert len(schemas(body)) == 1


@pytest.mark.parametrize(
    ("body", "limit", "choices"),
    [
        (user("a"), None, 1),
        ({**user("a"), "max_tokens": None, "n": None}, None, 1),
        ({**user("a"), "max_tokens": 100}, 100, 1),
        ({**user("a"), "max_completion_tokens": 100}, 100, 1),
        ({**user("a"), "max_tokens": 100, "max_completion_tokens": 50}, 50, 1),
        ({**user("a"), "max_tokens": 100, "n": 3}, 100, 3),
        ({"input": "a", "max_output_tokens": 100}, 100, 1),
        # The other API's keys are none of this one.
        ({**user("a"), "max_output_tokens": 100}, None, 1),
        ({**user("a"), "max_output_tokens": "100", "max_tokens": 200}, 200, 1),
        ({"input": "a", "max_tokens": 100, "max_completion_tokens": "50", "n": 3}, None, 1),
        ({"messages": None, "input": "a", "max_tokens": 100, "max_output_tokens": 200}, 200, 1),
    ],
)
def test_the_bodys_own_limit_bounds_the_output_of_each_choice(
    body: dict[str, Any], limit: int | None, choices: int
) -> None:
    prompt = prompt_of_body("p", body)
    assert (prompt.max_output_tokens, prompt.choices) == (limit, choices)
    assert prompt.parts == ()


@pytest.mark.parametrize("choices", [0, -1, "3", 1.5, True, 1_001])
def test_choices_that_no_api_gives_are_refused(choices: object) -> None:
    with pytest.raises(LedgerError, match="its n must be a whole number from 1 to 1,000"):
        prompt_of_body("p", {**user("a"), "n": choices})


@pytest.mark.parametrize("limit", [0, -1, "100", 1.5, True, 2**63])
def test_a_limit_that_no_api_takes_is_refused(limit: object) -> None:
    with pytest.raises(LedgerError, match="its limit of output tokens must be a whole number from 1 on"):
        prompt_of_body("p", {**user("a"), "max_tokens": limit})


@pytest.mark.parametrize(
    "extra",
    [
        {"tools": []},
        {"tools": None},
        {"text": {"format": {"type": "text"}}},
        {"text": {"verbosity": "low"}},
        {"response_format": {"type": "text"}},
        {"max_output_tokens": 100, "temperature": 0.1, "metadata": {"project": "p"}, "stream": True},
    ],
)
def test_what_adds_no_input_goes_unnamed(extra: dict[str, Any]) -> None:
    assert uncounted({"input": "a", **extra}) == []
    assert schemas({"input": "a", **extra}) == ()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "isn't a request body: a Responses body has input or instructions, a chat body messages"),
        ("text", "isn't a request body"),
        ({}, "isn't a request body"),
        ({"prompt": "old"}, "isn't a request body"),
        ({"request": {"model": "m"}}, "isn't a request body"),
        ({"request": "a"}, "isn't a request body"),
        ({"input": None}, "isn't a request body"),
        ({"input": "a", "messages": []}, "has input and messages, of two APIs"),
        ({"instructions": "a", "messages": []}, "has instructions and messages, of two APIs"),
        ({"input": 5}, "input must be text or a list of items, one at least"),
        ({"input": []}, "input must be text or a list"),
        ({"input": ["a"]}, "input[0] must be an object"),
        ({"input": [{"role": "user"}]}, "input[0] must have content"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0] must have arguments"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content must be text or a list of parts"),
        ({"instructions": ["a"], "input": "b"}, "instructions must be text"),
        ({"messages": {}}, "messages must be a list of messages, one at least"),
        ({"messages": []}, "messages must be a list of messages, one at least"),
        ({"messages": ["a"]}, "messages[0] must be an object"),
        ({"messages": [{"role": "user"}]}, "messages[0] must have content or tool_calls"),
        (user([5]), "messages[0].content[0] must be an object"),
        (user([{"type": "text"}]), "messages[0].content[0].text must be text"),
        (user([{"type": "text", "text": ["a"]}]), "messages[0].content[0].text must be text"),
        ({"messages": [{"role": "user", "content": "a", "name": 5}]}, "messages[0].name must be text"),
        ({"messages": [{"content": None, "tool_calls": {"a": 1}}]}, "messages[0].tool_calls must be a list"),
        ({"messages": [{"content": None, "tool_calls": [1]}]}, "messages[0].tool_calls must be an object"),
        (
            {"messages": [{"content": None, "tool_calls": [{"function": 1}]}]},
            "messages[0].tool_calls must be an object",
        ),
    ],
)
def test_what_no_api_takes_is_refused_by_name_and_key(body: object, words: str) -> None:
    with pytest.raises(LedgerError) as refused:
        prompt_of_body("dir/p.json", body)
    assert str(refused.value).startswith(f"dir/p.json: {words}")


# --- files ----------------------------------------------------------------------------------------------------------


def write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def named(path: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(prompt.name, prompt.text.texts) for prompt in read_prompts(path)]


def test_a_text_file_is_one_prompt_as_it_stands(tmp_path: Path) -> None:
    path = write(tmp_path / "p.md", b"\xef\xbb\xbf# H\xc3\xa9llo\r\n{}\n")
    assert read_prompts(path) == [Prompt(path, PromptText(("# Héllo\r\n{}\n",), 0))]


BODY, ROW = '{"input": "a"}', '{"question": "a", "more": {"b": 1}}'
AS_JSON = "is read as one text, JSON and all"
CALLED_JSON = f"{AS_JSON}: call the file .json or .jsonl to have its requests read"
FIELDS = f"{AS_JSON}; --column, or columns of a workload, takes a field of each row: question, more.b"
AS_MARKUP = "is read as written, front matter and markup too"


@pytest.mark.parametrize(
    ("name", "text", "notes"),
    [
        ("p.txt", BODY, [CALLED_JSON]),
        ("p.log", f"{BODY}\n\n{BODY}\n", [CALLED_JSON]),
        ("p", f"[{BODY}]", [CALLED_JSON]),
        ("p.md", '[{"role": "user", "content": "a"}]', [CALLED_JSON]),
        ("p.txt", '{"custom_id": "1", "params": {"messages": []}}', [CALLED_JSON]),
        ("p.txt", f"\ufeff \n{ROW}", [FIELDS]),
        ("p.txt", f"{ROW}\n{ROW}", [FIELDS]),
        ("p.txt", f"[{ROW}]", [FIELDS]),
        ("p.txt", "[1, 2]", [AS_JSON]),
        ("p.txt", "{}", [AS_JSON]),
        ("p.txt", f"{ROW}\nand so on", []),
        ("p.txt", "[INST] Say hello {name}", []),
        ("p.txt", "[1]\n[2]", []),
        ("p.txt", "", ["holds no text"]),
        ("p.csv", " \n", ["holds no text"]),
        ("p", "\ufeff", ["holds no text"]),
        ("p.prompty", "---\nname: a\n---\nsystem:\nBe brief.", [AS_MARKUP]),
        ("p.prompt", "---\nmodel: a\n---\nBe brief.", [AS_MARKUP]),
        ("p.POML", "<poml><role>Be brief.</role></poml>", [AS_MARKUP]),
        ("p.baml", 'function F() -> string { prompt #"a"# }', [AS_MARKUP]),
        ("p.prompt", "Be brief.", []),
        ("p.md", "---\ntitle: a\n---\n", []),
    ],
)
def test_a_text_is_one_prompt_and_says_what_else_it_may_be(
    tmp_path: Path, name: str, text: str, notes: list[str]
) -> None:
    path = write(tmp_path / name, text)
    (prompt,) = read_prompts(path)
    assert prompt.text.texts == (text.removeprefix("\ufeff"),)
    assert list(prompt.warnings) == notes


@pytest.mark.parametrize("name", ["p.jinja", "p.j2", "p.md", "p.txt"])
def test_placeholders_of_a_text_that_nothing_fills_are_told(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, "Say {{b}} to {{ a }} and {{b}}")
    (prompt,) = read_prompts(path, as_written=True)
    assert prompt.warnings == ("{{a}}, {{b}} counted as written: variables of a workload fill placeholders",)
    (prompt,) = read_prompts(path)
    assert prompt.warnings == ()


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("{% include 's.md' %}{{ a | upper }}{{a}}", "{% include 's.md' %}, {{ a | upper }}, {{a}}"),
        ("{{> head }} {{#if x}}", "{{#if x}}, {{> head }}"),
    ],
)
def test_placeholders_of_requests_and_of_other_templates_are_told(tmp_path: Path, text: str, marks: str) -> None:
    for name, content in (
        ("p.txt", text),
        ("p.json", json.dumps(user(text))),
        ("p.jsonl", json.dumps({"input": text})),
    ):
        (prompt,) = read_prompts(write(tmp_path / name, content), as_written=True)
        assert prompt.warnings == (f"{marks} counted as written: variables of a workload fill placeholders",)
    (prompt,) = read_prompts(write(tmp_path / "p.csv", f'q\n"{text}"\n'), ["q"], as_written=True)
    assert prompt.warnings == (f"{marks} counted as written: variables of a workload fill placeholders",)


def test_a_json_file_is_a_body_or_a_list_of_them(tmp_path: Path) -> None:
    one = write(tmp_path / "one.json", b'\xef\xbb\xbf {"input": "a"} ')
    assert named(one) == [(one, ("a",))]
    two = write(tmp_path / "two.JSON", json.dumps([{"input": "a"}, {"request": {"input": "b"}}]))
    assert named(two) == [(f"{two}[0]", ("a",)), (f"{two}[1]", ("b",))]


def test_a_list_of_messages_is_one_request(tmp_path: Path) -> None:
    said = [{"role": "system", "content": "a"}, {"role": "assistant", "tool_calls": [CALL]}, message()]
    for name in ("p.json", "p.jsonl"):
        (prompt,) = read_prompts(write(tmp_path / name, json.dumps(said)))
        assert prompt.text == PromptText(("a", "f", "{}", "hi"), 3 * 3 + 3)
    two = write(tmp_path / "two.json", json.dumps([said, {"request": said}]))
    assert named(two) == [(f"{two}[0]", ("a", "f", "{}", "hi")), (f"{two}[1]", ("a", "f", "{}", "hi"))]
    for wrong in ({"role": "nurse", "content": "a"}, {"role": "user", "text": "a"}, {"content": "a"}):
        with pytest.raises(LedgerError, match=r"p\.json\[0\]: isn't a request body"):
            read_prompts(write(tmp_path / "p.json", json.dumps([wrong, message()])))


def test_json_lines_may_be_called_json(tmp_path: Path) -> None:
    path = write(tmp_path / "p.json", '{"input": "a"}\n\n{"input": "b"}\n')
    assert named(path) == [(f"{path}:1", ("a",)), (f"{path}:3", ("b",))]


def test_json_lines_are_named_by_line_and_blank_ones_skipped(tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", '{"input": "a"}\r\n\n  \n{"input": "b\\u2028"}')
    assert named(path) == [(f"{path}:1", ("a",)), (f"{path}:4", ("b\u2028",))]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.txt", b"a\0b", "is binary, it holds a NUL byte"),
        ("p.txt", b"ab\xff", "byte 3 is not UTF-8"),
        ("p.txt", "é".encode("utf-16"), "is UTF-16: convert it to UTF-8"),
        ("p.json", BODY.encode("utf-16"), "is UTF-16: convert it to UTF-8"),
        ("p.jsonl", BODY.encode("utf-16"), "is UTF-16: convert it to UTF-8"),
        ("p.json", b"", "broken JSON"),
        ("p.json", b'{"input": "a"}\n{"input"', "broken JSON"),
        ("p.json", b"{", "broken JSON"),
        ("p.json", b'{"input": "a", "input": "b"}', "the key 'input' is given twice"),
        ("p.json", b'{"input": NaN}', "NaN isn't a JSON number"),
        ("p.json", b'{"input": "\xff"}', "is not UTF-8"),
        ("p.json", b'{"input": "a\0"}', "NUL byte"),
        ("p.json", b"[]", "holds no request"),
        ("p.json", b'[{"input": "a"}, {}]', "isn't a request body"),
        ("p.jsonl", b"\n\n", "holds no request"),
        ("p.jsonl", b'{"input": "a"}\n{"input"', "broken JSON"),
        ("p.jsonl", b'{"input": "a"}\n[]', "isn't a request body"),
    ],
)
def test_what_can_not_be_read_is_one_line_naming_the_file(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(LedgerError) as refused:
        read_prompts(path)
    message = str(refused.value)
    assert message.startswith(path)
    assert words in message
    assert "\n" not in message
    if b"\n" in content.strip():
        assert message.startswith(f"{path}:2: ")


@pytest.mark.parametrize(
    ("path", "words"), [("missing.txt", "No such file"), (".", "Is a directory"), ("a\0b", "can't be read")]
)
def test_a_path_without_a_readable_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for read in (read_text, read_json, read_prompts, read_calibration):
        with pytest.raises(LedgerError) as refused:
            read(path)
        assert str(refused.value).startswith(f"{path}: can't be read")
        assert words in str(refused.value)


def test_a_list_says_which_of_its_bodies_is_none(tmp_path: Path) -> None:
    path = write(tmp_path / "p.json", '[{"input": "a"}, {}]')
    with pytest.raises(LedgerError, match=r"p\.json\[1\]: isn't a request body"):
        read_prompts(path)


# --- standard input -------------------------------------------------------------------------------------------------


def standard_input(monkeypatch: pytest.MonkeyPatch, content: str | bytes) -> list[tuple[str, tuple[str, ...]]]:
    raw = content if isinstance(content, bytes) else content.encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
    return named("-")


@pytest.mark.parametrize(
    "text", ["Hello", "", "{name}, hello", '{"name": "a"}', '{"input": ', "[1]", '{"a": 1}\n{"input": "b"}', "{\n}\n"]
)
def test_standard_input_is_text(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert standard_input(monkeypatch, text) == [("-", (text,))]


def test_standard_input_that_is_a_body_is_read_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert standard_input(monkeypatch, '\n{"input":\n"a"}\n') == [("-", ("a",))]
    assert standard_input(monkeypatch, json.dumps(user("b"))) == [("-", ("b",))]
    assert standard_input(monkeypatch, '{"request": {"input": "c"}}') == [("-", ("c",))]
    assert standard_input(monkeypatch, b'\xef\xbb\xbf{"input": "d"}') == [("-", ("d",))]
    assert standard_input(monkeypatch, '{"instructions": "e"}') == [("-", ("e",))]
    assert standard_input(monkeypatch, '[{"role": "user", "content": "f"}]') == [("-", ("f",))]
    assert standard_input(monkeypatch, '{"input": "a"}\n\n{"input": "b"}\n') == [("-:1", ("a",)), ("-:3", ("b",))]
    assert standard_input(monkeypatch, '\n[{"input": "a"},\n{"input": "b"}]') == [("-[0]", ("a",)), ("-[1]", ("b",))]


def test_a_body_on_standard_input_that_no_api_takes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LedgerError, match="-: input must be text"):
        standard_input(monkeypatch, '{"input": 5}')
    with pytest.raises(LedgerError, match=r"-\[0\]: input must be text"):
        standard_input(monkeypatch, '[{"input": 5}]')
    with pytest.raises(LedgerError, match="-:2: broken JSON"):
        standard_input(monkeypatch, '{"input": "a"}\nno\n')
    with pytest.raises(LedgerError, match="standard input: is binary"):
        standard_input(monkeypatch, b"\0")


def test_closed_standard_input_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(LedgerError, match="standard input is closed"):
        read_text("-")


# --- variables ------------------------------------------------------------------------------------------------------


def test_placeholders_are_replaced_once() -> None:
    variables = {"name": "Ann {{city}}", "city": "Rome"}
    assert fill("{{name}}, {{ name }}, {{\tcity\n}}", variables) == "Ann {{city}}, Ann {{city}}, Rome"
    assert fill("{name} {{}} {{ na me }} {{{city}}} {{x}}", variables) == "{name} {{}} {{ na me }} {Rome} {{x}}"
    assert placeholders_in(["{{a}} {{b}}", "{{ a }} {{name}}"]) == {"a", "b", "name"}


def test_a_million_braces_are_gone_through_in_no_time() -> None:
    for text in ("{" * 1_000_000, "{{ " * 300_000, "{{" + "a" * 1_000_000, "{{a" + " " * 1_000_000):
        assert fill(text, {"a": "b"}) == text
