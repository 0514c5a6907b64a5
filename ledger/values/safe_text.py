"""Text from data, fit to be shown: control characters and direction overrides appear escaped, never raw."""

from __future__ import annotations

import json
import re

# C0 and C1 controls and DEL move cursors, ring bells and colour screens; direction marks reorder what is read; U+2028
# and U+2029 end lines; U+FEFF is invisible; lone surrogates can't be written as UTF-8 at all.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
# JSON already escapes C0 itself, and the line breaks of an indented document are its own.
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


# USER:PASSWORD@ of a URL where none belongs, be it taken for a path.
_CREDENTIALS = re.compile(r"(\w{2}:/{1,3}[^\s:/@'\"]*):[^\s'\"]*@")


def without_credentials(text: str) -> str:
    """Returns the text with the password of any URL in it masked."""
    return _CREDENTIALS.sub(r"\1:***@", text)


def visible(text: str) -> str:
    r"""Returns the text with every unsafe character as an escape: ESC is shown as \x1b, U+202E as \u202e."""
    return UNSAFE.sub(_escape, text)


def json_text(value: object, *, indent: int | None = None) -> str:
    r"""Returns JSON in plain Unicode, with unsafe characters as \uXXXX, so that it reads back the same."""
    separators = (",", ": ") if indent else (",", ":")
    return safe_json(json.dumps(value, ensure_ascii=False, indent=indent, separators=separators))


def safe_json(text: str) -> str:
    r"""Returns ready JSON with the unsafe characters that JSON allows as \uXXXX."""
    return _UNSAFE_IN_JSON.sub(_json_escape, text)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _json_escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
