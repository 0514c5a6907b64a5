"""The price list of the package litellm: its model map, installed or as a file. The package is never imported."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

from ledger.errors import LedgerError
from ledger.price_lists.litellm_meters import IS_PRICE, read_call_pico, read_meters
from ledger.price_lists.prices import (
    LeftOutError,
    ListedModel,
    ListedPrice,
    PriceList,
    is_alias,
    refuse_odd_id,
    tiers_of,
)

PACKAGE = "litellm"
_FILE = "model_prices_and_context_window_backup.json"
_SAMPLE = "sample_spec"
_MODES = ("chat", "completion", "responses", "embedding")

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
    prices = {name: value for name, value in entry.items() if IS_PRICE.search(name) and value is not None}
    tiers = tiers_of(read_meters(prices, provider, left_out), left_out)
    if not any(tier.input_pico or tier.output_pico for tier in tiers):
        raise LeftOutError("a price of 0, which the map has too where it knows none")
    call_pico = read_call_pico(prices, left_out)
    source = entry.get("source")
    return ListedModel(
        model,
        (ListedPrice(start, tiers, call_pico),),
        aliases=tuple(aliases),
        left_out=tuple(sorted(left_out)),
        source_url=source if isinstance(source, str) and source.isprintable() else None,
    )
