"""The short way for ordinary lines gives what the general way gives, or leaves the line to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.book.rows import Facts
from ledger.config import Config, LedgerSection
from ledger.intake.containers.lines import LineChunk
from ledger.intake.fields.record import UsageRecord
from ledger.intake.labels import Resolver, RunOptions
from ledger.intake.portions import fast_lines
from ledger.intake.portions.fast_lines import OrdinaryLines, unknown_keys
from ledger.intake.portions.portion import portions
from ledger.values.project_rule import ProjectRule
from pricing.errors import RecordError
from tests.helpers.ledgers import responses
from tests.helpers.sources import parse_line, response, source, usage
from tests.intake.test_kinds import OTHERS as OTHER_OBJECTS
from tests.intake.test_kinds import TYPES
from tests.intake.test_tool_fees import CALLS
from tests.intake.test_usage_names import HARMLESS, REFUSED, nested

CONFIG = Config(LedgerSection(keep_tags=("team", "env")), (ProjectRule("by-rule", {"model": "doubao-seed-2-0-lite*"}),))
USAGE = json.dumps(
    usage(input_tokens_details={"cached_tokens": 8}, output_tokens_details={"reasoning_tokens": 211}),
    separators=(",", ":"),
)
OUTPUT = '[{"id":"m","type":"message","status":"completed","content":[{"text":"{\\"id\\": 1}"}]}]'
ORDINARY = (
    ("id", '"r1"'),
    ("object", '"response"'),
    ("created_at", "1771486674"),
    ("model", '"doubao-seed-2-0-code-260215"'),
    ("status", '"completed"'),
    ("output", OUTPUT),
    ("service_tier", '"default"'),
    ("metadata", '{"project":"search","team":"a"}'),
    ("temperature", "1"),
    ("usage", USAGE),
)
TEXTS = ('""', '" "', '"a"', '"\\u0000"', '"\\ud800"', '"\\ud83d\\ude00"', '"ü漢"', '"a\\tb"', '"\\/"', '"a\x1bb"',
         f'"{"x" * 600}"', '"\x00"', '"auto"', '"failed"', '"queued"')  # fmt: skip
NUMBERS = ("0", "-0", "1", "-1", "1.0", "1.5", "1e3", "88", "88.0", "true", "9223372036854775807", "01", "1e400", "NaN",
           "9223372036854775808", "253402214400", "253402214401", "1771486674.0", "1771486674.25",
           "1" * 400, "1" * 5_000)  # fmt: skip
OTHERS = ("null", "false", "{}", "[]", "[{}]", '{"id":"n","status":"s","usage":{"a":1}}', '{"team":{"x":1}}',
          '{"team":1,"env":true,"other":"x"}', '{"project":null}', '{"project":" "}', '{"team":"a","team":"b"}', "",
          "tru")  # fmt: skip
DETAILS = ("cached_tokens", "reasoning_tokens", "audio_tokens", "total_tokens", "input_tokens", "x")
VALUES = st.sampled_from(TEXTS + NUMBERS + OTHERS + (USAGE, OUTPUT))
KEYS = st.sampled_from([key for key, _value in ORDINARY] + ["error", "caching", "x", "\\u0069d", "us\\u0061ge", "i\\d"])


@st.composite
def usages(draw: st.DrawFn) -> str:
    """The usage object with some of its counts changed, left out, added or doubled."""
    pairs = list(json.loads(USAGE).items())
    texts = [(key, json.dumps(value)) for key, value in pairs]
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(texts) - 1))
        key = draw(st.sampled_from([texts[place][0], *DETAILS]))
        value = draw(st.one_of(VALUES, st.builds('{{"{}":{}}}'.format, st.sampled_from(DETAILS), VALUES)))
        texts[place : place + draw(st.integers(0, 1))] = [(key, value)]
    return "{" + ",".join(f'"{key}":{value}' for key, value in texts) + "}"


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An ordinary line with keys changed, doubled, escaped, moved, spaced out, or bytes of it damaged."""
    pairs = list(ORDINARY)
    for _ in range(draw(st.integers(0, 3))):
        change = draw(st.sampled_from(["value", "add", "drop", "move", "usage"]))
        place = draw(st.integers(0, len(pairs) - 1)) if pairs else 0
        if change == "value" and pairs:
            pairs[place] = (pairs[place][0], draw(VALUES))
        elif change == "add":
            pairs.insert(place, (draw(KEYS), draw(VALUES)))
        elif change == "drop" and pairs:
            del pairs[place]
        elif change == "move" and pairs:
            pairs.append(pairs.pop(place))
        elif change == "usage":
            pairs = [(key, draw(usages()) if key == "usage" else value) for key, value in pairs]
    comma, colon = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " : "), (",", "\t:")]))
    text = "{" + comma.join(f'"{key}"{colon}{value}' for key, value in pairs) + "}"
    line = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(line)))
        line = line[:at] + draw(st.sampled_from([b"\xff", b"\0", b"", b"\xc3", b'"', b"\\", b"{"])) + line[at + 1 :]
    return line


def resolver() -> Resolver:
    return Resolver(RunOptions(tags={"env": "prod"}), CONFIG)


def short_way(line: bytes) -> Facts | None:
    found = OrdinaryLines(resolver()).read(LineChunk(1, line))
    return found.records.facts(0) if found is not None and found.lines else None


def read_together(lines: list[bytes]) -> list[Facts | None] | None:
    """Each line's facts, None where it is left to the general way; None if hardly one is ordinary."""
    found = OrdinaryLines(resolver()).read(LineChunk(1, b"\n".join([*lines, b""])))
    if found is None:
        return None
    assert sorted(found.lines + [number for number, _line in found.others]) == [
        number for number, line in enumerate(lines, 1) if line
    ]
    assert all(line == lines[number - 1] for number, line in found.others)
    facts = dict(zip(found.lines, found.records.rows(), strict=True))
    return [facts.get(number) for number in range(1, len(lines) + 1)]


def general_way(line: bytes) -> Facts | str:
    """The facts, or the reason why there are none."""
    [parsed] = parse_line(line)
    if not isinstance(parsed, UsageRecord):
        return getattr(parsed, "reason", type(parsed).__name__)
    try:
        return resolver().resolve(parsed)
    except RecordError as error:
        return error.reason


def without_repeats(line: bytes) -> bytes:
    """The line with the last of equal keys alone; numbers that no double holds stay JSON."""
    found = json.loads(line, parse_int=lambda digits: int(digits) if len(digits) < 4_000 else float(digits))
    return json.dumps(found).replace("Infinity", "1e400").encode()


@settings(max_examples=800)
@given(line=mutated())
def test_the_short_way_gives_the_facts_of_the_general_way_or_none(line: bytes) -> None:
    facts = short_way(line)
    if facts is None:
        return
    general = general_way(line)
    # The one leniency: a key twice that decides nothing is passed over with the rest of what isn't read.
    if general == "duplicate_key":
        general = general_way(without_repeats(line))
    assert repr(facts) == repr(general)


def ordinary_line(*more: tuple[str, str], **changes: str) -> bytes:
    pairs = [*((key, changes.get(key, value)) for key, value in ORDINARY), *more]
    return ("{" + ",".join(f'"{key}":{value}' for key, value in pairs) + "}").encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    "line",
    [
        ordinary_line(),
        ordinary_line(status='"incomplete"', service_tier="null", metadata="null", output="null"),
        ordinary_line(created_at="1771486674.0", service_tier='"auto"'),  # as the SDK writes it
        ordinary_line(metadata='{"project":"ü漢","team":1,"env":null,"other":{"deep":[1]}}'),
        ordinary_line(model='"doubao-seed-2-0-lite-260215"', metadata="{}"),
        ordinary_line(("error", "{}"), ("text", '{"a":[1.5e3,"\\n"]}'), ("user", '"\\u4f60\\ud83d\\ude00"')),
        *(
            ordinary_line(temperature=number)
            for number in ("1e400", "-1e400", "1" * 400, "1" * 5_000, f"-{'1' * 5_000}")
        ),
        ordinary_line(usage=USAGE.replace('"cached_tokens":8', "").replace('"reasoning_tokens":211', "")),
        json.dumps(response()).encode(),
        json.dumps(response(), indent=None, ensure_ascii=False, separators=(" , ", ": ")).encode(),
    ],
)
def test_ordinary_lines_go_the_short_way(line: bytes) -> None:
    facts = short_way(line)
    assert isinstance(facts, Facts)
    assert repr(facts) == repr(general_way(line))


@pytest.mark.parametrize("key", [*dict(ORDINARY), "error", "user"])
def test_a_key_twice_is_left_to_the_general_way(key: str) -> None:
    value = dict(ORDINARY, error="{}", user="null")[key]
    escaped = f"\\u{ord(key[0]):04x}{key[1:]}"
    for again in (key, escaped):
        line = ordinary_line(*([] if key in dict(ORDINARY) else [(key, value)]), (again, value))
        assert short_way(line) is None
        assert general_way(line) == "duplicate_key"


def test_a_longer_spelling_of_a_number_hides_no_key_that_came_twice() -> None:
    """Encoded again, 1e9 is 9 characters longer, as many as the key that is dropped has."""
    assert short_way(ordinary_line(("user", "1"), created_at="1e9")) is not None
    assert short_way(ordinary_line(("user", "1"), ("user", "1"), created_at="1e9")) is None


A, B, C = (ordinary_line(id=f'"{name}"') for name in "abc")
WRONG = ordinary_line(usage=USAGE.replace("318", "319"))
OVER_TWO = C.replace(b",", b",\n", 1)


@pytest.mark.parametrize(
    "text",
    [
        A + B + b"\n\n", A + WRONG + b"\n\n", A + B + b"\n\n" + C + b"\n", A + b"\n" + B + C + b"\n\n" + A,
        A + b"\n" + OVER_TWO + B + b"\n" + A, OVER_TWO + b"\n" + A + B + b"\n", A + b" \r\n" + B + b"\r\n\r\n" + C + A,
        A + b"\r\n" + B + b"\n" + C, b"\n" + A + b"\n\n" + B + C,
    ],
)  # fmt: skip
def test_objects_that_share_a_line_and_lines_that_share_an_object_say_what_they_say_one_by_one(
    text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> list[tuple[Any, ...]]:
        found = portions(source(text), "responses", resolver())
        return [(portion.rows(), portion.held, portion.rejected) for portion in found]

    short = read()
    monkeypatch.setattr(OrdinaryLines, "read", lambda _self, _chunk: None)
    assert short == read()


def test_an_unknown_key_is_left_to_the_general_way() -> None:
    line = ordinary_line(("sparkle", "1"))
    assert short_way(line) is None
    assert isinstance(general_way(line), Facts)
    other = json.dumps({"request": {}, "response": response()}).encode()
    assert unknown_keys([line, ordinary_line(), line, other, b"", b"{broken"]) == {"sparkle": 2}


@pytest.mark.parametrize("size", [1, 700, 5_000, 2**20])
def test_pieces_of_any_size_say_the_same(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_lines, "_PIECE_BYTES", size)
    lines = responses(range(40)).encode().splitlines()
    lines[7] = ordinary_line(("sparkle", "1"))
    lines[30] = lines[31] = b""
    found = read_together(lines)
    assert found is not None
    assert [place for place, facts in enumerate(found) if facts is None] == [7, 30, 31]
    assert [repr(facts) for facts in found if facts] == [repr(general_way(line)) for line in lines if facts_of(line)]


def facts_of(line: bytes) -> bool:
    return bool(line) and b"sparkle" not in line


@pytest.mark.parametrize(
    "changes",
    [
        {"id": '""'}, {"id": '" "'}, {"id": f'"{"x" * 513}"'}, {"id": '"a\x00b"'}, {"id": "7"},
        {"object": '"chat.completion"'}, {"created_at": "1.5"}, {"created_at": "-1"}, {"created_at": "253402214401"},
        {"model": '"\\u0000"'}, {"model": "null"}, {"status": '"failed"'}, {"status": '"queued"'}, {"status": "null"},
        {"service_tier": '"flex"'}, {"metadata": "[]"}, {"metadata": f'{{"team":"{"x" * 513}"}}'},
        {"metadata": '{"team":"a","team":"b"}'}, {"metadata": f'{{"project":"{"p" * 201}"}}'}, {"output": "[01]"},
        {"usage": "null"}, {"usage": USAGE.replace("88", "88.0")}, {"usage": USAGE.replace("318", "319")},
        {"usage": USAGE.replace("211", "231")}, {"usage": USAGE.replace(":8}", ":89}")},
        {"usage": USAGE.replace("cached_tokens", "audio_tokens")}, {"usage": USAGE.replace("}}", '},"x_tokens":1}')},
        {"temperature": '"\\ud800"'}, {"temperature": "NaN"}, {"temperature": "01"},
    ],
)  # fmt: skip
def test_what_is_unusual_is_left_to_the_general_way(changes: dict[str, str]) -> None:
    assert short_way(ordinary_line(**changes)) is None


def test_bytes_that_are_no_text_are_left_to_the_general_way() -> None:
    line = ordinary_line()
    for place in range(len(line)):
        for damage in (b"\xff", b"\x00"):
            damaged = line[:place] + damage + line[place + 1 :]
            assert short_way(damaged) is None, damaged


LONG = ("user", f'"{"x" * fast_lines._LONG_TEXT}"')


@pytest.mark.parametrize("kind", ["web_search_call", "function_call", "web_search", "web_fetch", "server_tool_use"])
def test_a_call_is_found_anywhere_in_a_long_text(kind: str) -> None:
    for written in (kind, f"\\u{ord(kind[0]):04x}{kind[1:]}"):
        for place in range(4):
            line = ordinary_line(LONG, temperature=f"1{'0' * place}", output=f'[{{"type":"{written}"}}]')
            assert (short_way(line) is None) == (written != "function_call")
            assert fast_lines._may_have_calls(line)
    assert not fast_lines._may_have_calls(ordinary_line(LONG))


def test_what_the_short_way_leaves_is_known_by_its_place() -> None:
    lines = responses(range(12)).encode().splitlines()
    lines[3] = b""
    lines[5] = ordinary_line(("id", '"twice"'))
    lines[8] = b"{broken"
    found = read_together(lines)
    assert found is not None
    assert [place for place, facts in enumerate(found) if facts is None] == [3, 5, 8]
    assert [repr(facts) for facts in found if facts is not None] == [
        repr(general_way(line)) for place, line in enumerate(lines) if place not in (3, 5, 8)
    ]


def test_a_file_of_other_lines_is_not_tried_line_by_line() -> None:
    other = json.dumps({"request": {}, "response": response()}).encode()
    assert read_together([other] * 100) is None
    assert read_together([ordinary_line(), *[other] * 99]) is None
    found = read_together([*[ordinary_line()] * 20, *[other] * 80])
    assert found is not None
    assert [facts is None for facts in found] == [False] * 20 + [True] * 80


def test_labels_are_resolved_by_model_and_metadata() -> None:
    """What was remembered of one line's labels never serves another's."""
    lines = [
        ordinary_line(model=f'"{model}"', metadata=metadata)
        for model in ("doubao-seed-2-0-lite-260215", "doubao-seed-2-0-code-260215")
        for metadata in ("{}", '{"team":"a"}', '{"project":"p"}', '{"team":"b"}', '{"team":"a"}', "{}")
    ]
    found = read_together(lines)
    assert found is not None
    assert [repr(facts) for facts in found] == [repr(general_way(line)) for line in lines]
    assert {facts.project for facts in found if facts is not None} == {"by-rule", "unassigned", "p"}


ZEROS = usage(input_tokens=0, output_tokens=0, total_tokens=0, input_tokens_details={}, output_tokens_details={})
OF_OTHER_TESTS: list[dict[str, Any]] = [
    *(response(usage=usage(**nested(path, value))) for path, value in HARMLESS),
    *(response(usage=usage(**nested(path, value))) for path, value, _reason in REFUSED),
    *(response(object=kind) for kind in OTHER_OBJECTS),
    *(response(type=kind) for kind in TYPES),
    *(obj for obj, _calls in CALLS if obj.get("object") == "response"),
    *(response() | {key: {"n": 1}} for key in ("bot_usage", "usage_metadata", "usageMetadata", "toolUsage")),
    response(tool_usage={"web_search": {"num_requests": 1}}),
    *(response(cache_hit=flag) for flag in (True, "true", 1, False, None)),
    *(response(_hidden_params={"cache_hit": flag}) for flag in (True, False)),
    response(usage=ZEROS),
    *(response(created_at=time) for time in (0, 0.0, 1, 0.5)),
    *(response(service_tier=tier) for tier in ("", "flex", "auto", None)),
]  # fmt: skip


@pytest.mark.parametrize("obj", OF_OTHER_TESTS, ids=lambda obj: str(obj)[-50:])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "spaced"])
def test_no_payload_of_the_other_tests_slips_through(obj: dict[str, Any], separators: tuple[str, str]) -> None:
    line = json.dumps(obj, separators=separators).encode()
    facts = short_way(line)
    assert facts is None or repr(facts) == repr(general_way(line))
