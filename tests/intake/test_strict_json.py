"""JSON text is decoded fast, and whatever is wrong with it is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.intake.fields.strict_json import MAX_NESTING, _decode_slowly, decode, decode_lines, decode_object
from pricing.errors import RecordError


def reason_of(raw: bytes, *, cut: bool = False) -> str | None:
    try:
        decode_object(raw, cut=cut)
    except RecordError as error:
        return error.reason
    return None


BROKEN = {
    b"": "invalid_json",
    b"{": "invalid_json",
    b'{"a":1,}': "invalid_json",
    b"{'a':1}": "invalid_json",
    b'{"a":1}{"b":2}': "invalid_json",
    b'{"a":01}': "invalid_json",
    b'{"a":NaN}': "invalid_json",
    b'{"a":-Infinity}': "invalid_json",
    b'{"a":"tab\there"}': "invalid_json",
    b"[]": "not_an_object",
    b"null": "not_an_object",
    b"1": "not_an_object",
    b'"text"': "not_an_object",
    b'{"a":"\xff"}': "not_utf8",
    b'{"a":"\xed\xa0\x80"}': "not_utf8",
    b'{"a":"\xc0\x80"}': "not_utf8",
    b'{"a":\x00}': "nul_byte",
    b'{"a":"\x00"}': "nul_byte",
    b'{"a":"\\ud800"}': "lone_surrogate",
    b'{"a":"\\ud800\\u0041"}': "lone_surrogate",
    b'{"\\udc00":1}': "lone_surrogate",
    b'{"a":1,"a":2}': "duplicate_key",
    b'{"a":{"b":1,"b":1}}': "duplicate_key",
    b'[{"b":1,"b":1}]': "duplicate_key",
    b'{"a":' * 10_000 + b"1" + b"}" * 10_000: "nesting_too_deep",
    b"[" * 10_000 + b"]" * 10_000: "nesting_too_deep",
    b'{"a":' * 10_000: "nesting_too_deep",
}


@pytest.mark.parametrize(("raw", "reason"), BROKEN.items(), ids=lambda value: str(value)[:30])
def test_what_is_wrong_is_named(raw: bytes, reason: str) -> None:
    with pytest.raises(RecordError) as caught:
        decode_object(raw)
    assert caught.value.reason == reason
    assert "\n" not in str(caught.value)
    assert decode_lines([b"{}", raw]) is None or reason == "not_an_object"


WHOLE = r'{"a":["é",-1.5e+3,true,"\u00e9\ud83d\ude00\n",null,{"b":false}]}'.encode()


@pytest.mark.parametrize("at", range(1, len(WHOLE)))
def test_a_last_line_cut_anywhere_is_cut_off_and_not_broken(at: int) -> None:
    raw = WHOLE[:at]
    assert reason_of(raw, cut=True) == "truncated_json"
    assert reason_of(raw) in ("invalid_json", "not_utf8")


def test_a_last_line_that_no_rest_can_mend_is_broken() -> None:
    assert reason_of(b'{"a":tru3', cut=True) == "invalid_json"
    assert reason_of(b"text", cut=True) == "invalid_json"


# The quick test counts `":`. Each of these has a duplicate key and something that could make up for it in the count.
CRAFTED = [
    b'{"a":1,"a":2,"b":"\\u003ax"}',
    b'{"a":1,"a":2,"b":"\\u003Ax"}',
    b'{"a":1,"a":2,"b":"\\u0022:"}',
    b'{"a":1,"a":2,"b":"\\"\\u003a"}',
    b'{"a" :1,"a":2,"b":":x"}',
    b'{"a"\t:1,"a":2}',
    b'{"a"\r\n :1,"a":2,"b":1}',
    b'{"a\\\\" :1,"a\\\\":2}',
    b'{"a\\\\\\\\" :1,"a\\\\\\\\":2}',
    b'{"a":":",":":":","a":":"}',
    b'{"a":{":":1},"a":1}',
    b'{"\\u0061":1,"a":2}',
    b'{"":1,"":2}',
    b'{":":1,":":2}',
    b'{"a":1,"a":"\\":\\":\\":"}',
]


@pytest.mark.parametrize("raw", CRAFTED, ids=repr)
def test_no_crafted_line_hides_a_duplicate_key(raw: bytes) -> None:
    assert reason_of(raw) == "duplicate_key"
    assert decode_lines([raw]) is None
    assert decode_lines([b'{"x":1}', raw, b'{"y":" :"}']) is None


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a" : " :", "b":"\\" :"}',
        b'{"a":"\\u0022:\\u003a"}',
        b'{"a":"\\\\","b":1}',
        b'{"a":{"a":{"a":1}}}',
        b'\xef\xbb\xbf{"a":1}',
        b' {"a":1} \r',
    ],
    ids=repr,
)
def test_odd_text_without_a_duplicate_passes(raw: bytes) -> None:
    assert decode_object(raw) == json.loads(raw.removeprefix(b"\xef\xbb\xbf"))


def test_nesting_is_allowed_up_to_its_limit() -> None:
    def nested(depth: int) -> bytes:
        return b'{"a":' * depth + b"1" + b"}" * depth

    assert reason_of(nested(MAX_NESTING)) is None
    assert reason_of(nested(MAX_NESTING + 1)) == "nesting_too_deep"
    assert decode_lines([nested(MAX_NESTING)]) is not None
    assert decode_lines([nested(MAX_NESTING + 1)]) is None
    for depth in range(600, 1_300, 50):
        assert reason_of(nested(depth)[:-depth] + b"x") in ("nesting_too_deep", "invalid_json")
    wide = b'{"a":[' + b",".join([b"[[]]"] * 5_000) + b"]}"
    assert reason_of(wide) is None


def test_the_standard_librarys_own_limit_is_named_too() -> None:
    with pytest.raises(RecordError) as caught:
        _decode_slowly(b"[" * 100_000, cut=False, error=None)
    assert caught.value.reason == "nesting_too_deep"


def test_messages_show_no_payload() -> None:
    with pytest.raises(RecordError) as caught:
        decode_object(b'{"prompt":"the secret","b":\x1b[31m}')
    assert "secret" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


# --- laws -----------------------------------------------------------------------------------------------------------

STRINGS = st.text(alphabet='":\\ \t,{}a\u003aé😀', max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | STRINGS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(STRINGS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(STRINGS, VALUES, max_size=5)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : "), (",", "\t:")])


@given(OBJECTS, SEPARATORS, st.booleans())
def test_every_object_comes_back_as_the_standard_library_reads_it(
    obj: dict[str, Any], separators: tuple[str, str], ascii_only: bool
) -> None:
    raw = json.dumps(obj, separators=separators, ensure_ascii=ascii_only).encode()
    assert decode(raw) == obj
    if (many := decode_lines([raw, b"{}", raw])) is not None:
        assert many == [obj, {}, obj]


PAIRS = st.lists(st.tuples(st.sampled_from(["a", '"', ":", '":', "a\\"]), VALUES), max_size=6)


@st.composite
def written(draw: st.DrawFn) -> tuple[bytes, bool]:
    """An object with keys that may repeat, each text escaped in some way; and whether a key does repeat."""

    def text(value: str) -> str:
        return "".join(f"\\u{ord(c):04x}" if draw(st.booleans()) else json.dumps(c)[1:-1] for c in value)

    pairs = draw(PAIRS)
    blank = draw(st.sampled_from(["", " ", "\t", " \r\n "]))
    members = []
    for key, value in pairs:
        inner = f'"{text(value)}"' if isinstance(value, str) else json.dumps(value)
        members.append(f'"{text(key)}"{blank}:{inner}')
    return ("{" + ",".join(members) + "}").encode(), len({key for key, _ in pairs}) < len(pairs)


@given(written())
@example((b'{"a":1,"b":2}', False))
def test_duplicates_are_refused_exactly(case: tuple[bytes, bool]) -> None:
    raw, repeats = case
    assert reason_of(raw) == ("duplicate_key" if repeats else None)
    if repeats:
        assert decode_lines([raw]) is None


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\u0e1-. \n', max_size=40).map(str.encode), st.booleans())
def test_no_bytes_raise_anything_but_a_named_refusal(raw: bytes, cut: bool) -> None:
    if reason_of(raw, cut=cut) is None:
        assert decode(raw) == json.loads(raw.removeprefix(b"\xef\xbb\xbf"))
