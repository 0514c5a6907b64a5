"""The price list of the package litellm: its model map, installed or as a file. The package is never imported."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from ledger.errors import LedgerError
from ledger.price_lists.prices import (
    OTHER_ENDPOINT,
    LeftOutError,
    ListedModel,
    ListedPrice,
    Meter,
    PriceList,
    Step,
    Steps,
    is_alias,
    rate_pico,
    refuse_odd_id,
    tiers_of,
)

PACKAGE = "litellm"
_FILE = "model_prices_and_context_window_backup.json"
_SAMPLE = "sample_spec"
_MODES = ("chat", "completion", "responses", "embedding")

# What each price is on a card. Of the names that _IS_PRICE finds one in no table is a price that usage may have and a
# card can't say: the model is left out, unless it is 0.
_IS_PRICE: Final = re.compile(r"cost|pric(e|ing)|multiplier|provider_specific_entry")
_METERS: Final[dict[str, Meter]] = {
    "input_cost_per_token": "input",
    "cache_read_input_token_cost": "cached_input",
    "output_cost_per_token": "output",
}
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
# Surcharges of endpoints in a region or for the state: no usage tells them, and a card is of the plain endpoint.
_ENDPOINT: Final = re.compile(r"(regional|fedramp)_\w*multiplier\w*")
# The same price in another unit, of Databricks.
_SAME: Final = re.compile(r"(input|output)_dbu_cost_per_token")
# Prices of other service tiers: the card has none of them, so a request at one is refused when it is priced.
_SERVICE: Final = re.compile(r"(.+)_(batches|flex|balanced|priority|fast|ultrafast|decisions)")
_ABOVE: Final = re.compile(r"(.+)_above_(\d{1,12})(k?)_tokens")
_MOST_TOKENS = 10**15
# Here a tier begins at the bound, elsewhere above it.
_FROM_BOUND: Final = frozenset({"xai"})
# Searches with each request, which its usage need not say.
_ALWAYS_SEARCHES: Final = frozenset({"perplexity"})

_Entry = Mapping[str, object]


class LiteLLM:
    """The list, from the installed package or the text of a file."""

    def __init__(self, source: str, entries: Mapping[str, _Entry]) -> None:
        """`source` is what notes call the list."""
        self.source = source
        self._entries: dict[str, dict[str, _Entry]] = {}
        self._aliases: dict[str, list[str]] = {}
        for name, entry in entries.items():
            if name == _SAMPLE:
                continue
            if isinstance(target := entry.get("alias_of"), str):
                self._aliases.setdefault(target, []).append(name)
            elif isinstance(provider := entry.get("litellm_provider"), str):
                self._entries.setdefault(provider, {})[name] = entry

    @classmethod
    def installed(cls) -> LiteLLM:
        """Reads the model map of the installed package; LedgerError without it."""
        from importlib.metadata import version

        spec = find_spec(PACKAGE)  # finds the package without running its code, which takes seconds
        places = [Path(folder) / _FILE for folder in (spec and spec.submodule_search_locations) or ()]
        found = next((path for path in places if path.is_file()), None)
        if found is None:
            message = f"{PACKAGE} isn't installed: pip install {PACKAGE}, or give its model map with --file"
            raise LedgerError(message)
        return cls.read(found.read_bytes(), f"{PACKAGE} {version(PACKAGE)}")

    @classmethod
    def read(cls, text: bytes, name: str) -> LiteLLM:
        """Reads a model map; LedgerError where it is none."""
        try:
            entries = json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise _unreadable(name, f"isn't JSON: {error}") from error
        if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
            raise _unreadable(name, "isn't an object of one object a model")
        return cls(name, entries)

    def models(self) -> dict[str, list[str]]:
        """Returns the ids of models by provider."""
        return {provider: list(entries) for provider, entries in self._entries.items()}

    def resolve(self, provider: str, name: str) -> str | None:
        """Returns the id of the provider's model that a name means; None without one."""
        if name in self._entries[provider]:
            return name
        return next((model for model, aliases in self._aliases_of(provider).items() if name in aliases), None)

    def price_list(self, name: str, chosen: Sequence[str], start: dt.date) -> PriceList:
        """Returns a provider's models, all or the chosen ids, whose prices hold from `start` on."""
        result = PriceList(self.source, name)
        aliases = self._aliases_of(name)
        for model, entry in self._entries[name].items():
            if chosen and model not in chosen:
                continue
            try:
                refuse_odd_id(model)
                result.models.append(_listed(model, entry, name, aliases.get(model, ()), start))
            except LeftOutError as reason:
                result.skip(model, str(reason))
        return result

    def _aliases_of(self, provider: str) -> dict[str, list[str]]:
        """Returns other names by model: those of the list, and the id without the provider's prefix.

        A name that two models would have is neither's.
        """
        models = self._entries[provider]
        prefixes = (f"{provider}/", f"{provider.partition('-')[0]}/")
        names: dict[str, list[str]] = {}
        for model in models:
            bare = [model.removeprefix(prefix) for prefix in prefixes if model.startswith(prefix)]
            for alias in dict.fromkeys((*bare[:1], *self._aliases.get(model, ()))):
                if alias not in models and is_alias(alias) and not alias.endswith("*"):
                    names.setdefault(alias, []).append(model)
        owned: dict[str, list[str]] = {}
        for alias, owners in names.items():
            if len(owners) == 1:
                owned.setdefault(owners[0], []).append(alias)
        return owned


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _unreadable(name: str, what: str) -> LedgerError:
    return LedgerError(f"{name}: {what}: give {PACKAGE}'s model_prices_and_context_window.json")


def _listed(model: str, entry: _Entry, provider: str, aliases: Sequence[str], start: dt.date) -> ListedModel:
    mode = entry.get("mode")
    if mode not in _MODES:
        raise LeftOutError(f"sold as {mode}" if isinstance(mode, str) else "no mode")
    left_out: set[str] = set()
    prices = {name: value for name, value in entry.items() if _IS_PRICE.search(name) and value is not None}
    tiers = tiers_of(_meters(prices, provider, left_out), left_out)
    if not any(tier.input_pico or tier.output_pico for tier in tiers):
        raise LeftOutError("a price of 0, which the map has too where it knows none")
    source = entry.get("source")
    return ListedModel(
        model,
        (ListedPrice(start, tiers),),
        aliases=tuple(aliases),
        left_out=tuple(sorted(left_out)),
        source_url=source if isinstance(source, str) and source.isprintable() else None,
    )


class _Rate(NamedTuple):
    above: int
    rate_pico: int


def _meters(prices: Mapping[str, object], provider: str, left_out: set[str]) -> dict[Meter, Steps]:
    """Returns the steps of each meter."""
    ranges = prices.get("tiered_pricing")
    if ranges is not None:
        return _of_ranges(ranges, {name: prices[name] for name in prices if name != "tiered_pricing"}, left_out)
    found: dict[str, list[_Rate]] = {}
    for name, value in prices.items():
        base, above = _split(name, provider)
        if base in _METERS or base in _PARTS:
            found.setdefault(base, []).append(_Rate(above, _rate(value)))
        else:
            _note(name, value, provider, left_out)
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
    for name, value in others.items():
        if name not in _METERS:
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
