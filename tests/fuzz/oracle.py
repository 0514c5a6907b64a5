"""The charges that a payload may get at most, by plain functions of their own: prices as the contract's table has them.

Each reader takes decoded JSON of its format and yields the one row it may become. It is generous where a spelling may
be read or refused, and strict about money: counts, unknown names in a usage, tiers, models, contradictions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

MODELS = ("pro", "code", "lite", "mini")
# Credits per 1M tokens, by tier: (up to, input, output), and the cached rate of all tiers.
TIERS = {
    "pro": (((32_000, 32, 160), (128_000, 48, 240), (256_000, 96, 480)), Fraction("6.4")),
    "lite": (((32_000, 6, 36), (128_000, 9, 54), (256_000, 18, 108)), Fraction("1.2")),
    "mini": (((32_000, 2, 20), (128_000, 4, 40), (256_000, 8, 80)), Fraction("0.4")),
}
TIERS["code"] = TIERS["pro"]
STORAGE = Fraction("0.17")
FIRST_DAY = datetime(2026, 2, 1, tzinfo=UTC)
INT64_MAX = 2**63 - 1
# The words of a count's name, in any order and spelling, without those that every name has.
MEANINGS = {
    "input": ("input", "prompt"),
    "output": ("output", "completion"),
    "total": ("total",),
    "cached": ("cached", "input cached", "prompt cached", "cache read input"),
    "reasoning": ("reasoning", "output reasoning", "completion reasoning"),
}
MEANING_OF = {frozenset(words.split()): meaning for meaning, names in MEANINGS.items() for words in names}
FILLER = {"tokens", "token", "details"}


class Row(NamedTuple):
    """A usage record and its charge, as the tables have them."""

    request_id: str
    status: str
    counts: tuple[int, int, int, int]
    storage_tokens: int | None
    amount_nano: int


class Counts(NamedTuple):
    input: int
    cached: int
    output: int
    reasoning: int


def nano(credits_per_million: Fraction) -> int:
    """Half-even, as `round` of a fraction is."""
    return round(credits_per_million * 10**9 / 10**6)


def price(model: str, counts: Counts) -> int | None:
    """Nano-credits; None where the model, or a request this long, has no price."""
    tiers, cached_rate = TIERS[model]
    if counts.input > tiers[-1][0] or counts.output > 128_000:
        return None
    _up_to, input_rate, output_rate = next(tier for tier in tiers if counts.input <= tier[0])
    parts = ((counts.input - counts.cached, input_rate), (counts.cached, cached_rate), (counts.output, output_rate))
    return sum(nano(tokens * Fraction(rate)) for tokens, rate in parts)


def model_of(*names: object) -> str | None:
    """The first name that the card knows."""
    for name in names:
        if isinstance(name, str):
            known = [model for model in MODELS if name == f"doubao-seed-2.0-{model}"]
            known += [model for model in MODELS if name.startswith(f"doubao-seed-2-0-{model}-")]
            if known:
                return known[0]
    return None


def time_of(value: object) -> datetime | None:
    """An instant, cut to a second; None where it is none, or before there are prices."""
    try:
        if isinstance(value, str):
            text = value.strip()
            if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
                return time_of(Decimal(text))
            found = datetime.fromisoformat(text)
            found = found if found.tzinfo else found.replace(tzinfo=UTC)
        elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            found = datetime.fromtimestamp(int(value), UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return found if found >= FIRST_DAY else None


def is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= INT64_MAX


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    else:
        yield path, value


def read_usage(named: list[tuple[str, object]], status: str) -> Counts | str | None:
    """Counts, None for a request that used nothing, or the word `refused`."""
    found: dict[str, int] = {}
    for path, value in named:
        words = re.findall("[a-z0-9]+", path.lower())
        meaning = None if words[-1:] == ["details"] else MEANING_OF.get(frozenset(words) - FILLER)
        if value is None or value is False or value in ("", [], {}):
            continue
        if meaning is None:
            priced_tier = path.endswith("service_tier") and value in ("auto", "default")
            is_time = path.endswith("createTime") and not isinstance(value, list)
            if value in (0, 0.0) or path == "cost" or priced_tier or is_time:
                continue
            return "refused"
        if not is_count(value):
            return "refused"
        assert isinstance(value, int)
        if found.get(meaning) and value and found[meaning] != value:
            return "refused"
        found[meaning] = found.get(meaning) or value
    return check_counts(found, status)


def check_counts(found: dict[str, int], status: str) -> Counts | str | None:
    complete = status in ("completed", "incomplete")
    if not any(found.values()):
        return "refused" if complete else None
    if complete and not {"input", "output"} <= found.keys():
        return "refused"
    counts = Counts(*(found.get(name, 0) for name in Counts._fields))
    if counts.cached > counts.input or counts.reasoning > counts.output:
        return "refused"
    return "refused" if found.get("total") not in (None, 0, counts.input + counts.output) else counts


def tier_is_priced(*values: object) -> bool:
    return all(value in ("auto", "default", None, 0, "", [], {}) for value in values)


def row(request_id: object, status: object, counts: object, model: str | None) -> Iterator[Row]:
    """The row of a request; nothing where it can't be booked."""
    named = isinstance(request_id, str) and request_id.strip() and "\0" not in request_id and len(request_id) <= 512
    if not named or status not in ("completed", "incomplete", "failed", "cancelled") or counts == "refused":
        return
    assert isinstance(request_id, str)
    if counts is None:
        yield Row(request_id, str(status), (0, 0, 0, 0), None, 0)
        return
    assert isinstance(counts, Counts)
    amount = price(model, counts) if model else None
    if amount is not None:
        yield Row(request_id, str(status), (counts.input, counts.cached, counts.output, counts.reasoning), None, amount)


def has_count(value: object) -> bool:
    return any(
        isinstance(inner, int | float) and type(inner) is not bool and inner > 0 for _path, inner in spread(value)
    )


def spread(value: object) -> Iterator[tuple[str, object]]:
    """Every scalar inside, lists too, with the key it stands under."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else ((("", each) for each in value) if isinstance(value, list) else ())
    )
    for key, child in inner:
        yield from ((key, child),) if not isinstance(child, dict | list) else spread(child)
    if not isinstance(value, dict | list):
        yield "", value


def is_usage_name(key: str) -> bool:
    return key != "usage" and (key.startswith("usage") or key.endswith(("usage", "Usage")))
