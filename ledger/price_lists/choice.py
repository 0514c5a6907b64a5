"""The choice of a list, and of the provider and models of it that become a card."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ledger.errors import LedgerError
from ledger.price_lists.genai_prices import PACKAGE as GENAI_PRICES
from ledger.price_lists.genai_prices import GenaiPrices
from ledger.price_lists.litellm import PACKAGE as LITELLM
from ledger.price_lists.litellm import LiteLLM
from ledger.price_lists.prices import PriceList
from pricing.errors import shown
from pricing.names import did_you_mean, with_question

_MOST_NAMES = 60


class Source(Protocol):
    """A list as its file has it."""

    source: str

    def models(self) -> dict[str, list[str]]:
        """Returns the ids of models by provider."""

    def resolve(self, provider: str, name: str) -> str | None:
        """Returns the id of the provider's model that a name means; None without one."""

    def price_list(self, name: str, chosen: Sequence[str], start: dt.date) -> PriceList:
        """Returns a provider's models, all or the chosen ids; their first prices hold from `start` on."""


SOURCES: dict[str, type[GenaiPrices | LiteLLM]] = {GENAI_PRICES: GenaiPrices, LITELLM: LiteLLM}


def open_source(package: str, file: Path | None) -> Source:
    """Reads the installed package's data, or the file of the same form."""
    kind = SOURCES[package]
    return kind.installed() if file is None else kind.read(file.read_bytes(), str(file))


def chosen_prices(source: Source, provider: str | None, models: Sequence[str], start: dt.date) -> PriceList:
    """Returns the prices of one provider's models, all or those named; LedgerError for any named that has none."""
    try:
        return _chosen_prices(source, provider, models, start)
    except RecursionError as error:
        raise LedgerError(f"{source.source}: has clauses nested too deeply: give another file") from error


def _chosen_prices(source: Source, provider: str | None, models: Sequence[str], start: dt.date) -> PriceList:
    known = source.models()
    if provider is not None and provider not in known:
        raise _unknown(source, "provider", provider, list(known))
    candidates = list(known) if provider is None else [provider]
    for model in models:
        having = [name for name in candidates if source.resolve(name, model) is not None]
        if not having:
            raise _unknown(source, "model", model, [each for name in candidates for each in known[name]])
        candidates = having
    if len(candidates) != 1:
        raise LedgerError(
            f"{source.source} has {'these models' if models else 'prices'} of {len(candidates)} providers: "
            f"give --provider, one of {_names(candidates)}"
        )
    [name] = candidates
    ids = [source.resolve(name, model) or model for model in models]
    prices = source.price_list(name, ids, start)
    if prices.skipped and (models or not prices.models):
        reasons = "; ".join(f"{reason}: {_names(skipped)}" for reason, skipped in prices.skipped.items())
        raise LedgerError(f"a card can't price these models of {name} rightly, so that nothing is written: {reasons}")
    if not prices.models:
        raise LedgerError(f"{source.source} has no model of {name}: choose another provider")
    return prices


def _unknown(source: Source, what: str, name: str, known: Sequence[str]) -> LedgerError:
    rest = with_question(did_you_mean(name, known), f"known are {_names(sorted(known))}")
    return LedgerError(f"{source.source} has no {what} {shown(name)}: {rest}")


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
