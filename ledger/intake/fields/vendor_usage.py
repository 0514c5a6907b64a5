"""A vendor's own usage -> counts: each name means one thing, and what isn't in its list is refused by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from ledger.intake.fields.usage import Reported, count_mismatch, leaves, shown_name, unknown_usage
from ledger.intake.fields.usage_names import is_web_search
from ledger.intake.fields.values import is_nothing
from pricing.errors import RecordError, described
from pricing.record_values import read_count
from pricing.usage import TokenUsage, check_unpriced_tokens

Counts = Counter[str]
"""Counts by name, 0 for one that isn't stated."""
_STANDARD = "default"


def _same(path: str) -> str:
    return path


def _plain_leaves(usage: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    yield from leaves(usage)


@dataclass(frozen=True, slots=True)
class VendorUsage:
    """Reads the usage of one API.

    `counts` are the names of counts, and `words` names of words with those values that have the card's rates. `tier` is
    a word too: its other values are service tiers of their own. `needed` are counts that every usage has, `together`
    makes tokens of counts. `calls` are counts of calls that are billed apart. `name_of` turns a path into its name, and
    `parts` an object into paths and values.
    """

    prefix: str
    counts: AbstractSet[str]
    needed: tuple[str, ...]
    together: Callable[[Counts], TokenUsage]
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tier: str = ""
    calls: tuple[str, ...] = ()
    name_of: Callable[[str], str] = _same
    parts: Callable[[Mapping[str, Any]], Iterable[tuple[str, object]]] = _plain_leaves

    def read(self, usage: object, _status: str = "completed") -> Reported:
        """Reads a usage object; null and zeros under other names say nothing, zeros alone are no usage."""
        if usage is not None and not isinstance(usage, dict):
            name = self.prefix.rstrip(".")
            message = f"{name} {described(usage)} isn't an object: it holds counts; correct the record"
            raise RecordError("invalid_usage", message)
        counts: Counts = Counter()
        tier: object = None
        for path, value in self.parts(usage or {}):
            name = self.name_of(path)
            if is_nothing(value):
                continue
            if name in self.counts or name in self.calls:
                self._add(counts, name, path, value)
            elif self.tier and name == self.tier:
                tier = _STANDARD if value in self.words[name] else value
            elif value != 0 and value not in self.words.get(name, ()):
                raise unknown_usage(shown_name(self.prefix, path), value)
        for name in self.needed:
            if name not in counts:
                raise RecordError("missing_usage", f"{self.prefix}{name} is missing: every response has it; add it")
        tokens = self.together(counts)
        if not tokens.input_tokens and not tokens.output_tokens:
            raise RecordError(
                "missing_usage", f"{self.prefix.rstrip('.')} is zeros alone: that is no usage; correct it"
            )
        called = Counter({name: counts[name] for name in self.calls})
        searches = sum(count for name, count in called.items() if is_web_search(name))
        return Reported(tokens, tier, called.total(), searches)

    def _add(self, counts: Counts, name: str, path: str, value: object) -> None:
        count = read_count(value, shown_name(self.prefix, path))
        if counts.setdefault(name, count) != count:
            raise count_mismatch(f"{shown_name(self.prefix, path)} is both {counts[name]} and {count}")


def tokens_of(
    *, uncached: int, cached: int, output: int, reasoning: int = 0, cache_write_5m: int = 0, cache_write_1h: int = 0
) -> TokenUsage:
    """Adds up parts that are counted apart; `reasoning` is a part of the output."""
    whole = uncached + cached + cache_write_5m + cache_write_1h
    return TokenUsage(whole, cached, output, reasoning, cache_write_5m, cache_write_1h)


def cache_writes(counts: Counts, whole: str, five_minutes: str, one_hour: str) -> dict[str, int]:
    """Returns cache writes by how long they last; refused where these are not the whole, or nobody tells.

    Either lifetime has a price of its own: without a breakdown neither is known.
    """
    short, long = counts[five_minutes], counts[one_hour]
    if not short and not long:
        check_unpriced_tokens(cache_write_tokens=counts[whole])
    elif whole in counts and counts[whole] != short + long:
        stated = f"{short} for 5 minutes and {long} for an hour are not the {counts[whole]} tokens written to the cache"
        raise count_mismatch(stated)
    return {"cache_write_5m": short, "cache_write_1h": long}
