"""The service tiers of a price: rates of their own, or the standard ones times a factor."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pricing.card_shape import ServiceShape
from pricing.card_tiers import is_dear_cache, read_tiers
from pricing.card_values import Key, read_day, read_source, read_units
from pricing.errors import shown
from pricing.money import INT64_MAX, PICO
from pricing.rate_entry import STANDARD_NAMES, TIER_METERS, PromptTier, RateEntry

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


def read_services(entry: RateEntry, services: Sequence[ServiceShape], per_tokens: int, key: Key) -> Iterator[RateEntry]:
    """Yields the prices of each service tier of `entry`, over the same days."""
    taken = set(STANDARD_NAMES)
    for index, service in enumerate(services):
        place = key.sub(f"service[{index}]")
        for position, name in enumerate(service.names):
            _check_name(name, taken, place.sub(f"names[{position}]"))
            taken.add(name)
        yield replace(
            entry,
            service=service.names[0],
            service_names=tuple(service.names),
            tiers=_tiers(entry, service, per_tokens, place),
            source_url=read_source(service.source_url, place.sub("source_url")) or entry.source_url,
            checked_on=read_day(service.checked_on, place.sub("checked_on")) or entry.checked_on,
            derived=service.derived or entry.derived,
        )


def _check_name(name: str, taken: set[str], key: Key) -> None:
    if _NAME.fullmatch(name) is None:
        raise key.refused(f"{shown(name)} isn't a service tier: write a word such as 'batch', as responses state it")
    if name in STANDARD_NAMES:
        raise key.refused(f"{shown(name)} is the standard one, which the price itself is of; remove it")
    if name in taken:
        raise key.refused(f"{shown(name)} is given twice in this price; remove one")


def _tiers(entry: RateEntry, service: ServiceShape, per_tokens: int, key: Key) -> tuple[PromptTier, ...]:
    if service.tiers is not None:
        if service.factor is not None or service.meters is not None:
            raise key.refused("has rates of its own and a factor; write either tiers, or factor and meters")
        return tuple(read_tiers(service.tiers, per_tokens, key))
    if service.factor is None or service.meters is None:
        raise key.refused("has no rates; write tiers, or factor and the meters that it covers")
    return multiplied(entry, service.factor, service.meters, key).tiers


def multiplied(entry: RateEntry, factor: str, meters: Sequence[str], key: Key) -> RateEntry:
    """Returns an entry with the rates of these meters times a decimal factor, whole in pico, else RateCardError."""
    place = key.sub("factor")
    factor_pico = read_units(factor, PICO, place)

    def times(meter: str, rate_pico: int | None) -> int | None:
        if rate_pico is None or meter not in meters:
            return rate_pico
        product, rest = divmod(rate_pico * factor_pico, PICO)
        if rest or product > INT64_MAX:
            unit = "call" if meter == "call" else "token"
            rule = f"is not whole in 10^-12 per {unit}" if rest else f"is past 2**63 - 1 times 10^-12 a {unit}"
            raise place.refused(f"{shown(factor)} times a rate of {rate_pico} x 10^-12 {rule}; write tiers instead")
        return product

    tiers = []
    for index, tier in enumerate(entry.tiers):
        rates = {f"{meter}_pico": times(meter, tier.rate_pico(meter)) for meter in TIER_METERS}
        changed = replace(tier, **rates)  # type: ignore[arg-type]
        if is_dear_cache(changed):
            rule = f"{shown(factor)} makes input of tier {index + 1} cheaper than cached input; write tiers instead"
            raise place.refused(rule)
        tiers.append(changed)
    return replace(
        entry,
        tiers=tuple(tiers),
        cache_storage_pico=times("cache_storage", entry.cache_storage_pico),
        call_pico=times("call", entry.call_pico),
    )
