"""One model's prices in LiteLLM's map: steps by meter, the price of a call, and what a card can't say of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from ledger.price_lists.prices import OTHER_ENDPOINT, LeftOutError, Meter, Step, Steps, rate_pico

# What each price is on a card. Of the names that IS_PRICE finds one in no table is a price that usage may have and a
# card can't say: the model is left out, unless it is 0.
IS_PRICE: Final = re.compile(r"cost|pric(e|ing)|multiplier|provider_specific_entry")
_METERS: Final[dict[str, Meter]] = {
    "input_cost_per_token": "input",
    "cache_read_input_token_cost": "cached_input",
    "output_cost_per_token": "output",
    "cache_creation_input_token_cost": "cache_write_5m",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
}
# Left out where only some prompts have a price of them.
_WRITTEN: Final = frozenset(name for name, meter in _METERS.items() if meter.startswith("cache_write"))
# Tokens that are booked as a part of these meters: the model is left out where they have a price of their own.
_PARTS: Final[dict[str, Meter]] = {
    "input_cost_per_image_token": "input",
    "cache_read_input_image_token_cost": "cached_input",
    "output_cost_per_image_token": "output",
    "output_cost_per_video_token": "output",
    "output_cost_per_reasoning_token": "output",
}
# Usage that has these is refused by name when it is read.
_REFUSED: Final = re.compile(
    r"cache_creation_input(_audio)?_token_cost(_above_\d+hr)?|cache_read_input_audio_token_cost|"
    r"(input|output)_cost_per_audio_token|input_cost_per_video_token|citation_cost_per_token|"
    r"input_cost_per_token_cache_hit|"
    r"search_context_cost_per_query|google_maps_grounding_cost_per_query|code_interpreter_cost_per_session|"
    r"file_search_cost_per_(1k_calls|gb_per_day)|vector_store_cost_per_gb_per_day|"
    r"computer_use_(input|output)_cost_per_1k_tokens|"
    r"provider_specific_entry"
)
# Prices of calls: usage says how many there were and not of which tool, so that a card has one of them.
_CALLS: Final = re.compile(r"\w+_cost_per_(query|session|1k_calls)")
_SEARCHES: Final = "search_context_cost_per_query"
# Surcharges of endpoints in a region or for the state: no usage tells them, and a card is of the plain endpoint.
_ENDPOINT: Final = re.compile(r"(regional|fedramp)_\w*multiplier\w*")
# The same price in another unit, of Databricks.
_SAME: Final = re.compile(r"(input|output)_dbu_cost_per_token")
_SERVICE: Final = re.compile(r"(.+)_(batches|flex|balanced|priority|fast|ultrafast|decisions)")
_ABOVE: Final = re.compile(r"(.+)_above_(\d{1,12})(k?)_tokens")
_MOST_TOKENS = 10**15
# Here a tier begins at the bound, elsewhere above it.
_FROM_BOUND: Final = frozenset({"xai"})
# Searches with each request, which its usage need not say.
_ALWAYS_SEARCHES: Final = frozenset({"perplexity"})


def read_call_pico(prices: Mapping[str, object], left_out: set[str]) -> int | None:
    """Returns the price of a web search where it is one whatever it reads, and no other call has a price."""
    called = [name for name, value in prices.items() if _CALLS.fullmatch(name) and not _is_free(value)]
    sizes = prices.get(_SEARCHES)
    if called != [_SEARCHES] or not isinstance(sizes, dict):
        return None
    first, *others = map(_rate, sizes.values())
    if any(other != first for other in others):
        return None
    left_out.discard(_SEARCHES)
    return first


class _Rate(NamedTuple):
    above: int
    rate_pico: int


def read_meters(prices: Mapping[str, object], provider: str, left_out: set[str]) -> dict[Meter, Steps]:
    """Returns the steps of each meter."""
    ranges = prices.get("tiered_pricing")
    if ranges is not None:
        return _of_ranges(ranges, {name: prices[name] for name in prices if name != "tiered_pricing"}, left_out)
    found: dict[str, list[_Rate]] = {}
    for name, value in prices.items():
        base, above = _split(name, provider)
        if base in _WRITTEN and _is_free(value):
            continue  # which the map has too where it knows none
        if base in _METERS or base in _PARTS:
            found.setdefault(base, []).append(_Rate(above, _rate(value)))
        else:
            _note(name, value, provider, left_out)
    for name in _WRITTEN & found.keys():
        if min(found[name]).above:
            left_out.add(name)
            del found[name]
    return _joined({name: _steps(name, rates) for name, rates in found.items()})


def _of_ranges(ranges: object, others: Mapping[str, object], left_out: set[str]) -> dict[Meter, Steps]:
    """Returns the steps of a list of ranges; those of no length beside them are never asked for."""
    found: dict[str, list[Step]] = {}
    rows = _ranges(ranges)
    for up_to, prices in rows:
        for name, value in prices.items():
            if name in _METERS or name in _PARTS:
                found.setdefault(name, []).append(Step(up_to, _rate(value)))
            else:
                _note(name, value, "", left_out)
    for name in _WRITTEN & found.keys():
        if len(found[name]) != len(rows):
            left_out.add(name)
            del found[name]
    for name, value in others.items():
        if name not in _METERS or name in _WRITTEN - found.keys():
            _note(name, value, "", left_out)
    if any(len(steps) != len(rows) for steps in found.values()):
        raise LeftOutError("ranges of length without all prices")
    return _joined({name: tuple(steps) for name, steps in found.items()})


def _ranges(ranges: object) -> list[tuple[int, dict[str, object]]]:
    """Returns the upper bound of each range, inclusive, with its prices: [0, 256000], [256000, 1000000]."""
    try:
        tiers = msgspec.convert(ranges, list[dict[str, Any]])
        bounds = [msgspec.convert(tier.pop("range", None), tuple[Decimal, Decimal]) for tier in tiers]
    except msgspec.ValidationError as error:
        raise LeftOutError("ranges of another kind than length") from error
    ends = [Decimal(0), *(last for _first, last in bounds)]
    if [first for first, _last in bounds] != ends[:-1] or not all(
        0 <= end < _MOST_TOKENS and end % 1 == 0 for end in ends
    ):
        raise LeftOutError("ranges of length with gaps")
    return [(int(last), tier) for (_first, last), tier in zip(bounds, tiers, strict=True)]


def _joined(steps: Mapping[str, Steps]) -> dict[Meter, Steps]:
    """Returns the meters' steps; LeftOutError where a part of one has another price."""
    meters = {_METERS[name]: each for name, each in steps.items() if name in _METERS}
    for name, meter in _PARTS.items():
        if name in steps and steps[name] != meters.get(meter):
            raise LeftOutError(f"{name} beside {meter}")
    return meters


def _split(name: str, provider: str) -> tuple[str, int]:
    """Returns a price's name without its bound, and the tokens above which it holds."""
    found = _ABOVE.fullmatch(name)
    if found is None:
        return name, 0
    bound = int(found[2]) * (1_000 if found[3] else 1)
    return found[1], bound - 1 if provider in _FROM_BOUND else bound


def _steps(name: str, rates: Sequence[_Rate]) -> Steps:
    ordered = sorted(rates)
    if ordered[0].above:
        raise LeftOutError(f"{name} for long prompts alone")
    bounds = [*(rate.above for rate in ordered[1:]), None]
    return tuple(Step(bound, rate.rate_pico) for bound, rate in zip(bounds, ordered, strict=True))


def _note(name: str, value: object, provider: str, left_out: set[str]) -> None:
    """Notes a price that is left out; LeftOutError where usage that has it would be booked without."""
    service = _SERVICE.fullmatch(name)
    above = _ABOVE.fullmatch(name)
    plain = above[1] if above else name
    if _SAME.fullmatch(name) or _is_free(value):
        return
    if _ENDPOINT.fullmatch(name):
        left_out.add(f"{OTHER_ENDPOINT}{name}")
    elif service:
        left_out.add(f"service tier {service[2]}")
    elif _REFUSED.fullmatch(plain) and not ("search" in name and provider in _ALWAYS_SEARCHES):
        left_out.add(plain)
    else:
        raise LeftOutError("prices by the hour of the day" if plain == "off_peak_pricing" else plain)


def _is_free(value: object) -> bool:
    """Tells whether it is null, false or 0, or holds these alone: a text or true may be a price."""
    if isinstance(value, dict | list):
        return all(map(_is_free, value.values() if isinstance(value, dict) else value))
    return value is None or value == 0


def _rate(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise LeftOutError("a price that isn't a number")
    return rate_pico(Decimal(value), 1)
