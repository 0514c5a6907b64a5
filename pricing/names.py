"""The known name that an unknown one was likely meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from pricing.errors import shown

# Comparing takes time quadratic in the length of a name; longer ones than these are nobody's slip of the finger.
MOST_CHARACTERS = 200


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns the question after the known name that is nearest; "" where none is near.

    "serch" of a ledger with "search": "did you mean 'search'?"; "Search": "..., which differs in case alone?"
    """
    near = nearest(name, known)
    if near is None:
        return ""
    alone = ", which differs in case alone" if near.casefold() == name.casefold() else ""
    return f"did you mean {shown(near)}{alone}?"


def with_question(question: str, rest: str) -> str:
    """Returns `rest` as a sentence after the question; alone, as it is, where there is none."""
    return f"{question} {rest[:1].upper()}{rest[1:]}" if question else rest


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name that differs in case alone, else the most alike one; None where none is alike."""
    return None if len(name) > MOST_CHARACTERS else _nearest(name, tuple(known))


@lru_cache(maxsize=1_000)  # a file may have the same unknown name on each of its lines
def _nearest(name: str, known: tuple[str, ...]) -> str | None:
    from difflib import get_close_matches  # only once something is wrong

    folded = {each.casefold(): each for each in known if len(each) <= MOST_CHARACTERS}
    alike = get_close_matches(name.casefold(), folded, n=1)
    return folded[alike[0]] if alike else None
