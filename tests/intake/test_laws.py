"""What holds for any input: nothing is raised, each thing is one item, and what was refused stays refused."""

from __future__ import annotations

import copy
import json
import random
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.intake.fields.record import Ignored, Parsed, Pending, Rejected, UsageRecord
from ledger.intake.fields.records_line import to_fields
from ledger.intake.formats.registry import FORMATS, recognise
from pricing.record_fields import FIELDS
from tests.helpers.sources import (
    API_REFERENCE,
    chat,
    counts,
    lines,
    only_record,
    parse_line,
    parse_object,
    read,
    record,
    response,
)
from tests.intake.test_anthropic import delta as message_delta
from tests.intake.test_anthropic import message, stream
from tests.intake.test_anthropic import start as message_start
from tests.intake.test_bedrock import converse, streamed
from tests.intake.test_gemini import generated, part
from tests.intake.test_otel import export, span
from tests.intake.test_sse import chunk, delta, ended, final, sse, started

FORMAT_NAMES = ["auto", *sorted(FORMATS)]
ENVELOPE = {
    "request": {"model": "doubao-seed-2.0-pro", "metadata": {"team": "a"}},
    "response": response(),
    "project": "search",
    "tags": {"env": "prod"},
    "occurred_at": "2026-02-19T07:37:54Z",
}
STORAGE = {"kind": "cache_storage", "request_id": "c", "tokens": 5, "start": 5, "end": 6}
SEEDS: list[dict[str, Any]] = [
    API_REFERENCE,
    chat(),
    ENVELOPE,
    record(tags={"a": "b"}, provider_amount="0.5", status="failed"),
    STORAGE,
    export(span(), span({"gen_ai.operation.name": "embeddings"}), resource={"service.name": "x"}),
    ended(),
    started(),
    chunk(finish="stop"),
    final(),
    message(occurred_at="2026-02-19T07:37:54Z"),
    message_start(),
    message_delta(),
    generated(),
    part(),
    converse(modelId="doubao-seed-2.0-pro"),
    streamed(),
]
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, False, 0, -1, 1, 5.5, 2**63, -(2**70), 1e300, "", "x", "5", "\0", "\x1b[m", "é" * 600, [], {}, [{}]]
).map(copy.deepcopy)
JSON: st.SearchStrategy[Any] = st.recursive(
    ODD | st.text(max_size=5) | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside."""
    found = [path] if path else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        found += places(child, (*path, key))
    return found


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """One of the payloads with some of its values replaced, dropped or added."""
    obj: dict[str, Any] = json.loads(json.dumps(draw(st.sampled_from(SEEDS))))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(obj) or [("x",)]))
        owner: Any = obj
        for key in path[:-1]:
            owner = owner[key]
        action = draw(st.sampled_from(["replace", "drop", "add"]))
        if action == "drop" and isinstance(owner, dict):
            owner.pop(path[-1], None)
        elif action == "add" and isinstance(owner, dict):
            owner[draw(st.sampled_from(["audio_tokens", "cache_write_tokens", "usage", "id", "x"]))] = draw(ODD)
        elif isinstance(owner, dict | list) and path[-1] != "x":
            owner[path[-1]] = draw(JSON)
    return obj


CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def check(parsed: Parsed) -> None:
    """What any answer must be."""
    assert isinstance(parsed, UsageRecord | Rejected | Pending | Ignored)
    if isinstance(parsed, Rejected):
        assert re.fullmatch("[a-z0-9_]+", parsed.reason)
        assert parsed.message
        assert not CONTROLS.search(parsed.message)
        assert len(parsed.message) < 1_500
        assert parsed.fields.keys() <= set(FIELDS)
        # The same fields as a record are refused again: nothing is booked that was refused.
        assert not isinstance(parse_object(dict(parsed.fields), "records")[0], UsageRecord | Pending)
        json.dumps(parsed.fields).encode()
    elif isinstance(parsed, UsageRecord):
        input_tokens, cached, output_tokens, reasoning = counts(parsed)
        assert 0 <= cached <= input_tokens < 2**63
        assert 0 <= reasoning <= output_tokens < 2**63
        assert parsed.request_id
        again = only_record(parse_object(to_fields(parsed), "records"))
        assert to_fields(again) == to_fields(parsed)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(mutated(), st.sampled_from(FORMAT_NAMES))
def test_payloads_with_odd_values_raise_nothing(obj: dict[str, Any], input_format: str) -> None:
    raw = json.dumps(obj).encode()
    found = parse_line(raw, input_format)
    for parsed in found:
        check(parsed)
    if input_format not in ("otel", "sse") and not {"resourceSpans", "type", "object"} & obj.keys():
        # A chunk without a choice, as a stream's sign of life is, is of no request.
        assert len(found) == 1 or (not found and obj.get("choices") == [])
    assert parse_object(json.loads(raw), input_format) == found


@pytest.mark.parametrize("obj", SEEDS, ids=lambda obj: str(obj)[:40])
@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_format_reads_an_object_by_itself_as_in_a_file(obj: dict[str, Any], name: str) -> None:
    form = FORMATS[name]
    if form.parts is not None:
        found = [parsed for _raw, parsed in form.parts(obj, form.memory())]
    else:
        found = parse_object(obj, name) if form.parse is None else [form.parse(obj)]
    assert found
    assert [type(parsed) for parsed in found] == [type(parsed) for parsed in parse_object(obj, name)]
    if recognise(obj) == name:
        assert found == parse_object(obj) == parse_object(obj, name)


@given(JSON, st.sampled_from(FORMAT_NAMES))
def test_any_json_raises_nothing(value: Any, input_format: str) -> None:
    for parsed in parse_line(json.dumps(value).encode(), input_format):
        check(parsed)


PROMPT = "xyzzy-secret-prompt"


@given(mutated())
def test_no_part_of_a_payload_is_kept(obj: dict[str, Any]) -> None:
    hidden = {"instructions": PROMPT, "output": [{"text": PROMPT}], "input": PROMPT, "choices": [{"message": PROMPT}]}
    for owner in (obj, obj.get("response"), obj.get("request")):
        if isinstance(owner, dict):
            owner.update(hidden)
    for parsed in parse_object(obj):
        if isinstance(parsed, Rejected):
            kept = json.dumps(parsed.fields) + (parsed.message if parsed.reason != "unknown_field" else "")
            assert PROMPT not in kept
        elif isinstance(parsed, UsageRecord):
            assert PROMPT not in repr(parsed)


@given(st.lists(st.sampled_from(range(8)), max_size=12), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_every_line_that_is_not_blank_is_one_item(kinds: list[int], end: str, last_end: bool) -> None:
    texts = [
        json.dumps(response()),
        json.dumps(chat()),
        json.dumps(record(input_tokens=-1)),
        json.dumps(response(status="queued")),
        '{"id": "cut',
        '{"a":1,"a":2}',
        "",
        "  ",
    ]
    chosen = [texts[kind] for kind in kinds]
    text = end.join(chosen) + (end if last_end else "")
    if json.dumps(response()) not in chosen:
        return
    items = read(text)
    numbered = [number for number, line in enumerate(chosen, 1) if line.strip()]
    assert [item.line for item in items] == numbered
    assert [item.raw for item in items] == [line.encode() for line in chosen if line.strip()]


BOM = b"\xef\xbb\xbf"
FILES = [
    lines([*SEEDS, response("b")]).encode(),
    json.dumps(SEEDS).encode(),
    json.dumps(SEEDS, indent=2).encode(),
    json.dumps(response(), indent=2).encode() * 2,
    sse(started(), delta(), ended(), chunk(), final(), "[DONE]").encode(),
    ("date: Wed, 04 Mar 2026 05:06:07 GMT\n\n" + sse(*stream(), part(), part(out=9, finish="STOP"))).encode(),
    b'request_id,occurred_at,input_tokens,output_tokens,tags,tag.a\na,5,1,2,"{""x"":""y""}",z\nb,5,1,2,,\n' * 3,
]


@pytest.mark.parametrize("seed", range(60))
def test_damaged_files_raise_nothing(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(chance.choice(FILES))
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data))
        action = chance.randrange(5)
        if action == 0:
            data[at] = chance.randrange(256)
        elif action == 1:
            del data[at : at + chance.randint(1, 30)]
        elif action == 2:
            data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 5)))
        elif action == 3:
            data[at:at] = chance.choice([b'"', b"\\", b"{", b"}", b"[", b"]", b"\n", b",", b"\0", b"\r\n", BOM])
        else:
            start = chance.randrange(len(data))
            data[at:at] = data[start : start + chance.randint(1, 400)]
    for input_format in FORMAT_NAMES:
        items = read(bytes(data), input_format)
        assert items
        for item in items:
            check(item.parsed)


@settings(max_examples=200)
@given(st.binary(max_size=300), st.sampled_from(FORMAT_NAMES))
def test_any_bytes_as_a_file_raise_nothing(data: bytes, input_format: str) -> None:
    for item in read(data, input_format):
        check(item.parsed)
    for cut in (False, True):
        for parsed in parse_line(data, input_format, cut=cut):
            check(parsed)


@settings(max_examples=200)
@given(st.text(alphabet='{}[]",:\n\\ adt0:', max_size=80), st.sampled_from(FORMAT_NAMES))
def test_any_text_near_json_raises_nothing(text: str, input_format: str) -> None:
    for item in read(text, input_format):
        check(item.parsed)
