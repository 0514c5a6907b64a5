"""Parts of a request that no tokenizer counts, such as images and files: names, and digests that tell a change."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

IMAGE = "image"
# How the name of a body's key begins that no API knows.
KEY = "the key "
_MOST_NAMES = 10


class Part(NamedTuple):
    """One part: a noun such as `image`, or a name such as "the stored prompt", and the SHA-256 of its JSON."""

    noun: str
    digest: str

    @classmethod
    def of(cls, noun: str, content: object) -> Part:
        """Makes the part of its content, of which only the digest is kept."""
        return cls(noun, sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest())


def names_of(parts: Sequence[Part]) -> list[str]:
    """Names the parts, like ones together: "2 images", "1 file", "the stored prompt"; the first ten, then "5 more"."""
    names = [_named(noun, count) for noun, count in sorted(Counter(part.noun for part in parts).items())]
    more = len(names) - _MOST_NAMES
    return [*names[:_MOST_NAMES], f"{more:,} more"] if more > 0 else names


def digest_of(parts: Sequence[Part]) -> str | None:
    """Computes one digest of all parts, in their order; None without any."""
    return sha256("".join(part.digest for part in parts).encode()).hexdigest()[:16] if parts else None


def _named(noun: str, count: int) -> str:
    if noun.startswith(("the ", "what ")):
        return noun
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
