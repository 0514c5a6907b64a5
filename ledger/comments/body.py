"""A comment's text: its marker line, and what of it fits into one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ledger.errors import LedgerError

QUIET = "<!-- tollbook:quiet -->"
_TAG = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_MARKER = re.compile(r"<!-- tollbook:(?P<report>[a-z]+)(?::[A-Za-z0-9._-]+)? -->", re.ASCII)
# GitLab runs such lines as commands (/merge, /approve) with the rights of the token; bots on GitHub do so too.
_COMMAND = re.compile(r"^([ \t]*)/(?=[A-Za-z])", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Body:
    """A comment's text, marker first; a `quiet` one is worth no new comment."""

    marker: str
    text: str
    quiet: bool


def read_body(text: str, where: str, tag: str | None = None) -> Body:
    """Reads Markdown and adds the tag to its marker; LedgerError naming `where` without one.

    The tag keeps the comments of several configurations apart: `<!-- tollbook:diff:search -->`.
    """
    lines = text.splitlines()
    first = lines[0].strip() if lines else ""
    found = _MARKER.fullmatch(first)
    if found is None or first == QUIET:
        raise LedgerError(
            f"{where}: its first line isn't a marker <!-- tollbook:… -->: give what"
            " 'tollbook diff' or 'tollbook estimate' wrote with --format markdown"
        )
    if tag is not None:
        if not _TAG.fullmatch(tag):
            raise LedgerError(f"--tag {tag!r}: give 1 to 64 letters, digits, dots, dashes or underscores")
        first = f"<!-- tollbook:{found['report']}:{tag} -->"
    rest = _COMMAND.sub(r"\1\\/", "\n".join(lines[1:]))
    return Body(first, f"{first}\n{rest}\n", quiet=len(lines) > 1 and lines[1].strip() == QUIET)


def first_line(text: str) -> str:
    """The first line without blanks around it: the marker, where a comment is ours."""
    return next(iter(text.splitlines()), "").strip()


def is_same(one: str, other: str) -> bool:
    """Tells whether two texts are the same, line ends aside."""
    return one.rstrip().splitlines() == other.rstrip().splitlines()


def fitted(text: str, limit: int) -> str:
    """Cuts a text over `limit` characters behind a line, and adds a sentence that says so.

    What a cut leaves open of `<details>` is closed, for the sentence must not be folded away.
    """
    if len(text) <= limit:
        return text
    said = f"**Cut here**: a comment takes {limit:,} characters, this report has {len(text):,}.\n"
    kept = text[: limit - len(said) - 100]
    kept = kept[: kept.rfind("\n") + 1]
    # At most as many as fit into the 100 characters kept back; reports fold one level deep.
    unclosed = min(kept.count("<details") - kept.count("</details>"), 8)
    return f"{kept}\n{'</details>' * unclosed}\n\n{said}"
