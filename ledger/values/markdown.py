"""Text in Markdown that stays text."""

from __future__ import annotations

import re

from ledger.values.safe_text import visible

_MARKDOWN = re.compile(r"[\\`*\[\]~|]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")
# @name, #1, GH-1 and !1 would tell people and link requests, https://, mailto: and www. would be links.
_REFERENCE = re.compile(
    r"@(?=[\w-])|#(?=\d+\b)|!(?=\d)|(?<![0-9A-Za-z])(?i:gh)-(?=\d)|(?<=:)//|(?i:mailto|xmpp)(?=:)|(?i:www)(?=\.)"
)
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def markdown_text(text: str) -> str:
    """Text that GitHub shows as it is: no cell border, markup, HTML, mention or link can come of it."""
    escaped = _MARKDOWN.sub(lambda found: "\\" + found[0], visible(text)).translate(_HTML)
    return _REFERENCE.sub(r"\g<0><!-- -->", escaped)
