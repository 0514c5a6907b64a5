r"""JSON text -> value: repeated keys, half surrogate pairs and deep nesting are refused.

msgspec decodes, but keeps the last of two equal keys. A key is followed by a colon, so the byte pairs `":` of the text
are counted against those of the value encoded again. Besides keys, that pair occurs where a text starts with a colon
and where it holds an escaped quote before a colon: in both counts alike, unless a value was dropped, which lowers the
second. So equal counts prove that no key was dropped, as long as the text holds no blank between a key and its colon
and neither character as an escape (\u0022, \u003a). Where counts differ or that is not so, the standard library reads
all pairs.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec

from ledger.intake.fields.record import JsonObject
from pricing.errors import RecordError, described
from pricing.record_values import unique_pairs

MAX_NESTING = 500
"""Levels of objects and lists, inclusive: beyond any payload, below Python's stack."""

_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()
_CONTAINERS = (dict, list)
# Not behind a single backslash, which escapes the quote. It begins with the quote, for which texts are searched fast.
_BLANK_BEFORE_COLON = re.compile(rb'"(?<!(?<!\\)\\")[ \t\n\r]+:')
_ESCAPED_MARK = re.compile(rb"\\u00(?:22|3[aA])")


def decode_object(raw: bytes, *, cut: bool = False) -> JsonObject:
    """Returns the one JSON object in `raw`; RecordError else. `cut`: no line end followed."""
    value = decode(raw, cut=cut)
    if type(value) is not dict:
        message = f"{described(value)} isn't a JSON object: each request is one; correct the line"
        raise RecordError("not_an_object", message)
    return value


def decode(raw: bytes, *, cut: bool = False) -> Any:  # noqa: ANN401 - any JSON
    """Returns the one JSON value in `raw`; RecordError where it is none."""
    try:
        value = _decoder.decode(raw)
        encoded = _encoder.encode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        if raw.startswith(BOM_UTF8):
            return decode(raw.removeprefix(BOM_UTF8), cut=cut)
        return _decode_slowly(raw, cut=cut, error=error)
    _check_nesting(raw, value)
    if not has_same_keys(raw, encoded):
        return _decode_slowly(raw, cut=cut, error=None)
    return value


def decode_lines(lines: Sequence[bytes]) -> list[Any] | None:
    """Returns the values of many lines; None where one needs a closer look by `decode`."""
    try:
        values = [_decoder.decode(line) for line in lines]
        encoded = _encoder.encode_lines(values)
        for line, value in zip(lines, values, strict=True):
            if len(line) > MAX_NESTING:
                _check_nesting(line, value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, RecordError):
        return None
    text = b"".join(lines)
    # Each line's first count is at least its second, so equal sums are equal counts line by line.
    return values if has_same_keys(text, encoded) else None


def has_same_keys(raw: bytes, encoded: bytes) -> bool:
    """Tells whether a text's value, encoded again, has all of its keys; may wrongly say no."""
    return raw.count(b'":') == encoded.count(b'":') and not _unsure(raw)


def is_prefix(raw: bytes) -> bool:
    """Tells whether the text is JSON as far as it goes, but goes on."""
    # A number may end in a point or a sign, which a digit then makes one.
    return any(_ends_early(text) for text in (raw, raw + b"0"))


def _ends_early(raw: bytes) -> bool:
    try:
        _decoder.decode(raw)
    except msgspec.DecodeError as error:
        return "truncated" in str(error)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    return False


def encode(value: object) -> bytes:
    """Returns canonical JSON: no blanks, plain Unicode, keys in their order."""
    return _encoder.encode(value)


def _unsure(raw: bytes) -> bool:
    # Most lines are settled by looking for single bytes, which is many times faster.
    if (b"\t" in raw or b"\n" in raw or b"\r" in raw or b" :" in raw) and _BLANK_BEFORE_COLON.search(raw):
        return True
    return b"\\" in raw and b"\\u00" in raw and _ESCAPED_MARK.search(raw) is not None


def _check_nesting(raw: bytes, value: object) -> None:
    if raw.count(b"{") + raw.count(b"[") <= MAX_NESTING:
        return
    level: list[Any] = [value] if type(value) in _CONTAINERS else []
    for _ in range(MAX_NESTING):
        inner = (node.values() if type(node) is dict else node for node in level)
        level = [child for children in inner for child in children if type(child) in _CONTAINERS]
        if not level:
            return
    raise _too_deep()


def _decode_slowly(raw: bytes, *, cut: bool, error: Exception | None) -> Any:  # noqa: ANN401 - any JSON
    """Reads by the standard library, which sees every pair; names what is wrong."""
    if b"\0" in raw:
        raise RecordError("nul_byte", f"NUL byte at byte {raw.index(0) + 1}: JSON text holds none; the line is damaged")
    if isinstance(error, RecursionError):
        raise _too_deep()
    try:
        value = json.loads(
            raw.decode(), object_pairs_hook=unique_pairs, parse_constant=_no_constant, parse_int=_whole_number
        )
    except RecordError:
        raise
    except UnicodeDecodeError as fault:
        _refuse_bytes(fault, cut=cut)
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as fault:
        _refuse_text(fault, raw, cut=cut)
    _check_nesting(raw, value)
    if error is not None:
        _refuse_surrogates(value)
    return value


def _whole_number(digits: str) -> float:
    """An integer; infinite, as 1e400 is, where it has more digits than Python converts."""
    try:
        return int(digits)
    except ValueError:
        return float(digits)


def _no_constant(name: str) -> NoReturn:
    raise RecordError("invalid_json", f"{name} isn't a JSON number: numbers are finite; correct the line")


def _refuse_surrogates(value: object) -> None:
    """Refuses half a surrogate pair; what else msgspec refused is a number no double holds."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        message = "an escape is half a surrogate pair: that is no character; correct the text"
        raise RecordError("lone_surrogate", message) from None


def _refuse_bytes(fault: UnicodeDecodeError, *, cut: bool) -> NoReturn:
    if cut and fault.reason == "unexpected end of data":
        raise _cut_off()
    message = f"byte {fault.start + 1} of the line is not UTF-8: JSON text is; convert the file"
    raise RecordError("not_utf8", message) from None


def _refuse_text(fault: json.JSONDecodeError, raw: bytes, *, cut: bool) -> NoReturn:
    if cut and raw.lstrip()[:1] in (b"{", b"[") and is_prefix(raw):
        raise _cut_off()
    message = f"broken JSON at character {fault.pos + 1}: {fault.msg[:1].lower()}{fault.msg[1:]}; correct the line"
    raise RecordError("invalid_json", message) from None


def _cut_off() -> RecordError:
    message = "the last line is cut off and has no line end: read the file again when it is whole"
    return RecordError("truncated_json", message)


def _too_deep() -> RecordError:
    return RecordError("nesting_too_deep", f"objects and lists are nested beyond {MAX_NESTING} levels: no payload is")
