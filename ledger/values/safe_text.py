"""Text from data, fit to be shown: control characters and direction overrides appear escaped, never raw."""

from __future__ import annotations

import json
import re

# What has no width, so that two names look alike, or text hides in one: joiners, fillers, soft hyphens, tags.
ZERO_WIDTH = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0"
    "\ufff0-\ufffb\U000e0000-\U000e0fff"
)
# C1 controls and DEL move cursors, ring bells and colour screens, as C0 do; direction marks reorder what is read;
# U+2028 and U+2029 end lines; lone surrogates can't be written as UTF-8 at all.
_CONTROLS = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
# What a name may not have: it has no look at all, or changes that of the text around.
UNPRINTABLE = re.compile(f"[\x00-\x1f{_CONTROLS}]")
# Of the joiners those within an emoji are seen: they make one picture of two.
_EMOJI = "\u2600-\u27bf\U0001f000-\U0001faff"
# Behind the characters looked for, which are found four times as fast where a pattern begins with them.
_UNSEEN = f"(?<!(?<=[{_EMOJI}\ufe0f])\u200d(?=[{_EMOJI}]))"
UNSAFE = re.compile(f"[\x00-\x1f{_CONTROLS}{ZERO_WIDTH}]{_UNSEEN}")
# JSON already escapes C0 itself, and the line breaks of an indented document are its own.
_UNSAFE_IN_JSON = re.compile(f"[{_CONTROLS}{ZERO_WIDTH}]{_UNSEEN}")
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
    if text.isascii() and "\x7f" not in text:  # as most is, told far faster
        return text
    return _UNSAFE_IN_JSON.sub(_json_escape, text)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _json_escape(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]  # two halves of a pair beyond 16 bits
