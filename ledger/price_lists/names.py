"""The names that genai-prices matches a model by, as aliases of a rate card.

Of several models that match a name the first in the list is meant there, on a card the exact name, then the longest
prefix. A name is an alias where both say the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

# What a pattern begins with, whatever follows it.
_LITERAL = re.compile(r"\^([A-Za-z0-9/_-]*)")


class Clause(msgspec.Struct, rename={"any_of": "or", "all_of": "and"}):
    """One of these is given; texts are compared in lower case."""

    equals: str | None = None
    starts_with: str | None = None
    ends_with: str | None = None
    contains: str | None = None
    regex: str | None = None
    any_of: list[Clause] | None = None
    all_of: list[Clause] | None = None

    def matches(self, text: str) -> bool:
        """Tells whether it matches the text, which is in lower case, as genai-prices does."""
        return (
            text == _lower(self.equals)
            or (self.starts_with is not None and text.startswith(self.starts_with.lower()))
            or (self.ends_with is not None and text.endswith(self.ends_with.lower()))
            or (self.contains is not None and self.contains.lower() in text)
            or (self.regex is not None and _finds(self.regex, text))
            or (self.any_of is not None and any(clause.matches(text) for clause in self.any_of))
            or (self.all_of is not None and all(clause.matches(text) for clause in self.all_of))
        )

    def alternatives(self) -> Iterator[Clause]:
        """Yields the clauses any of which matches."""
        if self.any_of is None:
            yield self
        for clause in self.any_of or ():
            yield from clause.alternatives()

    def may_match_after(self, prefix: str) -> bool:
        """Tells whether it may match a name that begins so; where that can't be told it may.

        A name has the first word of a prefix once: one that begins with `claude-3` contains `-mini`, not `claude-v2`.
        """
        if self.equals is not None:
            return self.equals.lower().startswith(prefix)
        if self.all_of is not None:
            return all(clause.may_match_after(prefix) for clause in self.all_of)
        if self.any_of is not None:
            return any(clause.may_match_after(prefix) for clause in self.any_of)
        inner = _lower(self.contains if self.contains is not None else self.ends_with)
        begin = inner if inner and _first_word(inner) == _first_word(prefix) else _lower(self.starts_with)
        if self.regex is not None and "|" not in self.regex and (literal := _LITERAL.match(self.regex)):
            begin = literal[1][:-1].lower()  # what follows may make the last character optional
        return begin is None or begin.startswith(prefix) or prefix.startswith(begin)

    def __str__(self) -> str:
        """Returns it in words, such as "contains -mini"."""
        if self.all_of is not None or self.any_of is not None:
            return " and ".join(map(str, self.all_of or ())) or " or ".join(map(str, self.any_of or ()))
        return ", ".join(
            f"{kind.replace('_', ' ')} {text}" for kind, text in msgspec.structs.asdict(self).items() if text
        )


class _Test(NamedTuple):
    model: int
    clause: Clause


class Names:
    """Whom each name means, among models in the order of their list."""

    def __init__(self, matches: Sequence[Clause]) -> None:
        """`matches` are the models' clauses, in that order."""
        self._of_model = [list(clause.alternatives()) for clause in matches]
        self._tests = [_Test(model, clause) for model, clauses in enumerate(self._of_model) for clause in clauses]
        self._exact: dict[str, int] = {}
        for model, clause in self._tests:
            if clause.equals is not None:
                self._exact.setdefault(clause.equals.lower(), model)
        self._patterns = [test for test in self._tests if test.clause.equals is None]

    def owner(self, name: str) -> int | None:
        """Returns the first model that matches the name; None if none does."""
        text = name.lower()
        by_pattern = next((model for model, clause in self._patterns if clause.matches(text)), None)
        return min((model for model in (by_pattern, self._exact.get(text)) if model is not None), default=None)

    def aliases(self, model: int, written: Sequence[bool]) -> tuple[list[str], list[str]]:
        """Returns a model's aliases, prefixes with *, and in words what it is matched by that can't be one.

        `written` says which models are on the card: a prefix must not catch the names of one that isn't.
        """
        aliases, lost = [], []
        for clause in self._of_model[model]:
            name = clause.equals if clause.equals is not None else clause.starts_with
            if name is None or self.owner(name) != model:
                lost.append(str(clause))
            elif clause.equals is not None:
                aliases.append(name)
            elif self._is_shared(name.lower(), model, written):
                lost.append(str(clause))
            else:
                aliases.append(f"{name}*")
        return aliases, lost

    def _is_shared(self, prefix: str, model: int, written: Sequence[bool]) -> bool:
        """Tells whether an earlier model may match a name with this prefix that the card would give to this one."""
        return any(
            test.clause.may_match_after(prefix)
            for test in self._tests
            if test.model < model and not (written[test.model] and test.clause in self._sayable(test.model))
        )

    def _sayable(self, model: int) -> list[Clause]:
        return [each for each in self._of_model[model] if each.equals is not None or each.starts_with is not None]


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _first_word(text: str) -> str:
    return re.match("[a-z]*", text)[0] or text  # type: ignore[index]  # it matches any text


def _finds(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except (re.error, OverflowError, RecursionError):
        return False
