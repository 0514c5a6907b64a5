"""The changes of a month priced otherwise as they are asked for, and as a ledger's cards and usage understand them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ledger.errors import LedgerError
from ledger.values.amounts import parse_number
from ledger.values.words import listed
from pricing.errors import shown
from pricing.money import INT64_MAX
from pricing.names import did_you_mean, with_question
from pricing.rate_card import RateCard
from pricing.rate_entry import STANDARD_NAMES, STANDARD_SERVICE

USD = "USD"


@dataclass(frozen=True, slots=True)
class Asked:
    """The changes as the command line words them; LedgerError where they can't be meant.

    `models` maps a model to the one that its requests are priced as, by ids or aliases. `provider` narrows everything
    except the card files of `rates`, which are of a provider each.
    """

    models: tuple[tuple[str, str], ...] = ()
    rates: tuple[str, ...] = ()
    per_usd: str | None = None
    service_tier: str | None = None
    cap_input: int | None = None
    provider: str | None = None

    def __post_init__(self) -> None:
        """Checks all that needs no ledger."""
        if self.per_usd is not None and not 0 < self.per_usd_nano <= INT64_MAX:
            raise LedgerError(f"--per-usd {self.per_usd}: must be above 0 and below 9 billion, such as 68")
        if self.cap_input is not None and not 0 < self.cap_input <= INT64_MAX:
            raise LedgerError(f"--cap-input {self.cap_input}: give a number of tokens above 0, such as 32000")

    @property
    def per_usd_nano(self) -> int:
        """Nano of a currency for 1 USD; 0 where it isn't asked for."""
        return 0 if self.per_usd is None else parse_number(self.per_usd, "--per-usd")

    @property
    def words(self) -> list[str]:
        """Returns a word on each change, none where nothing is to change."""
        return [
            *(f"{model} as {other}" for model, other in self.models),
            *(f"prices of {file}" for file in self.rates),
            *([f"at {self.per_usd} for 1 USD"] if self.per_usd is not None else []),
            *([f"served as {self.service_tier}"] if self.service_tier is not None else []),
            *([f"prompts cut to {self.cap_input:,} tokens"] if self.cap_input is not None else []),
        ]


def parse_models(texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Reads changes of models, such as doubao-seed-2.0-pro=doubao-seed-2.0-lite."""
    found: list[tuple[str, str]] = []
    for text in texts:
        model, equals, other = text.partition("=")
        if not (model and equals and other):
            raise LedgerError(
                f"--model {text!r} isn't a change: give the model and the one to price it as, such as "
                "doubao-seed-2.0-pro=doubao-seed-2.0-lite"
            )
        found.append((model, other))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes to a month's usage: by provider and billed model the model to price by, and the rest by provider.

    `providers` are those of the month's usage that they are about, `carded` those whose usage the card files price
    anew.
    """

    providers: frozenset[str]
    models: Mapping[tuple[str, str], str]
    carded: frozenset[str]
    per_usd_nano: int | None = None
    service_tier: str | None = None
    cap_input: int | None = None

    @property
    def are_none(self) -> bool:
        """True where nothing is to change: each request is priced again by its own price."""
        return not self.are_of_requests and self.per_usd_nano is None

    @property
    def are_of_requests(self) -> bool:
        """True where prices of single requests change, and not only what they are converted by."""
        return bool(self.models) or self.need_rows

    @property
    def need_rows(self) -> bool:
        """True where sums never do, as they don't tell what single requests would be priced at."""
        return bool(self.carded) or (self.service_tier, self.cap_input) != (None, None)


def understand(
    asked: Asked,
    cards: Mapping[str, RateCard],
    used: Mapping[str, str],
    billed: Collection[tuple[str, str]],
    carded: Iterable[str],
) -> Changes:
    """Finds the models on the cards of the providers that the month used.

    `used` has their currencies, `billed` are providers and models of its usage, `carded` the providers of card files.

    LedgerError for an unknown provider or model, and for a conversion of more than one currency.
    """
    if asked.provider is not None and asked.provider not in cards:
        raise LedgerError(f"provider {shown(asked.provider)} has no rate card: known are {', '.join(sorted(cards))}")
    providers = set(used) if asked.provider is None else {asked.provider}
    _check_currencies(asked, {used[name] for name in providers & set(used)})
    of_providers = [cards[name] for name in sorted(providers or cards) if name in cards]
    return Changes(
        providers=frozenset(providers),
        models=_models(asked.models, of_providers, billed),
        carded=frozenset(carded),
        per_usd_nano=None if asked.per_usd is None else asked.per_usd_nano,
        service_tier=_service(asked.service_tier, of_providers),
        cap_input=asked.cap_input,
    )


def _check_currencies(asked: Asked, currencies: Collection[str]) -> None:
    if asked.per_usd is None:
        return
    others = sorted(set(currencies) - {USD})
    if len(others) > 1:
        raise LedgerError(
            f"--per-usd {asked.per_usd}: the month has amounts in {listed(others)}: say of whose by --provider"
        )
    if currencies and not others:
        raise LedgerError(f"--per-usd {asked.per_usd}: the amounts are in USD: leave it out")


def _service(asked: str | None, cards: Sequence[RateCard]) -> str | None:
    """Returns the service tier by the name that its prices are pinned under, refused where no card prices it."""
    if asked is None:
        return None
    if asked in STANDARD_NAMES:
        return STANDARD_SERVICE
    entries = [entry for card in cards for entry in card.entries()]
    found = next((entry.service for entry in entries if asked in entry.service_names), None)
    if found is None:
        known = sorted({STANDARD_SERVICE, *(name for entry in entries for name in entry.service_names)})
        are = f"{_of(cards)} {'prices' if len(cards) == 1 else 'price'} {listed(known)}"
        question = with_question(did_you_mean(asked, known), are)
        raise LedgerError(
            f"--service-tier {shown(asked)}: {question}; for another give --rates FILE with its [[model.price.service]]"
        )
    return found


def _models(
    pairs: Sequence[tuple[str, str]], cards: Sequence[RateCard], billed: Collection[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for one, other in pairs:
        knowing = {card: model for card in cards if (model := card.resolve(one)) is not None}
        if not knowing:
            raise _unknown(one, cards)
        # Of several providers one may lack the other model, as long as nothing there is to be priced by it.
        targets = {card: target for card in knowing if (target := card.resolve(other)) is not None}
        lacking = [card for card in knowing if card not in targets]
        needed = [card for card in lacking if not targets or (card.provider, knowing[card]) in billed]
        if needed:
            raise _unknown(other, needed)
        for card, target in targets.items():
            if (card.provider, knowing[card]) in found:
                raise LedgerError(f"--model {one}={other}: {knowing[card]} is to be priced as another model already")
            found[card.provider, knowing[card]] = target
    return found


def _unknown(model: str, cards: Sequence[RateCard]) -> LedgerError:
    question = next(filter(None, (card.did_you_mean(model) for card in cards)), "")
    known = sorted({name for card in cards for name in card.models})
    knows = f"{_of(cards)} {'knows' if len(cards) == 1 else 'know'} {', '.join(known)}"
    return LedgerError(f"--model {shown(model)}: {with_question(question, knows)}")


def _of(cards: Sequence[RateCard]) -> str:
    return f"the card{'s' if len(cards) > 1 else ''} of {listed([card.provider for card in cards])}"
