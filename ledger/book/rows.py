"""Usage records and charges as rows and columns, in the order of their tables, and the calendar they are posted by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple

from ledger.values.calendar import Calendar
from pricing.charge import METERS
from pricing.rate_entry import STANDARD_NAMES
from pricing.usage import TokenUsage

# An adjustment is of no usage: it comes in by command alone.
RecordKind = Literal["request", "cache_storage", "adjustment"]


class Facts(NamedTuple):
    """A usage record ready to be stored: the columns of `usage_records` after id and batch_id, in their order.

    Times are microseconds since the epoch UTC; `tags` is a JSON object with sorted keys; `assumed` is 0 or 1.
    `tool_calls` are calls whose fees are not booked, `calls` those that are; both, and tokens written to the cache, are
    None where there are none.
    """

    kind: RecordKind
    source: str
    request_id: str
    generation: int
    provider: str
    occurred_at: int
    requested_model: str | None
    reported_model: str | None
    project: str
    status: str
    service_tier: str | None
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    tags: str
    storage_tokens: int | None
    storage_end: int | None
    provider_amount_nano: int | None
    assumed: int
    tool_calls: int | None
    cache_write_5m_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    calls: int | None = None

    @property
    def identity(self) -> tuple[str, str, str]:
        """The identity of a request: (request_id, source, kind)."""
        return (self.request_id, self.source, self.kind)


# Places of the token counts in `Facts`, input to reasoning.
TOKENS = slice(Facts._fields.index("input_tokens"), Facts._fields.index("reasoning_tokens") + 1)
# Places of the counts that few requests have, which are None without.
OPTIONAL_COUNTS = slice(Facts._fields.index("cache_write_5m_tokens"), Facts._fields.index("calls") + 1)


# Of a usage record that is of no request: what only a request has.
NO_REQUEST: Final[Mapping[str, Any]] = {
    "status": "completed",
    **dict.fromkeys(Facts._fields[TOKENS], 0),
    **dict.fromkeys(("service_tier", "provider_amount_nano", "tool_calls", *Facts._fields[OPTIONAL_COUNTS])),
}


def same_facts(known: Facts, new: Facts) -> bool:
    """Tells whether records of one identity agree: provider, second, status, counts, models both name, service."""
    return (
        known.provider == new.provider
        and known.status == new.status
        and compared_numbers(known) == compared_numbers(new)
        and (known.calls == new.calls or _calls(known) == _calls(new))
        and _agree(known.requested_model, new.requested_model)
        and _agree(known.reported_model, new.reported_model)
        and (new.service_tier in (None, "auto") or _service(known) == _service(new))
    )


def compared_numbers(facts: Facts) -> tuple[int | None, ...]:
    """Returns the numbers in which records of one identity agree: times in whole seconds, counts but those of calls."""
    counts: Any = facts[TOKENS]
    written = facts.cache_write_5m_tokens, facts.cache_write_1h_tokens
    return (facts.occurred_at // 1_000_000, *counts, *written, facts.storage_tokens, _second(facts.storage_end))


def _calls(facts: Facts) -> int:
    """Returns all calls of tools, which a card may price by now that it didn't when they were recorded."""
    return (facts.calls or 0) + (facts.tool_calls or 0)


def _service(facts: Facts) -> str | None:
    return None if facts.service_tier in STANDARD_NAMES else facts.service_tier


def _second(microseconds: int | None) -> int | None:
    return None if microseconds is None else microseconds // 1_000_000


def _agree(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other


class ChargeRow(NamedTuple):
    """A row of `charges`, in the table's order. Amounts are nano of `currency`; reversals carry negative ones.

    Those after the whole are of meters that few requests have, None without.
    """

    id: int
    batch_id: int
    usage_record_id: int | None
    charge_class: str
    corrects_id: int | None
    occurred_month: str
    posted_month: str
    project: str
    provider: str
    currency: str
    billed_model: str
    model_differs: int
    rate_entry_id: int | None
    conversion_id: int | None
    tier: str
    input_nano: int
    cached_input_nano: int
    output_nano: int
    cache_storage_nano: int
    amount_nano: int
    cache_write_5m_nano: int | None = None
    cache_write_1h_nano: int | None = None
    call_nano: int | None = None


# Places of the amounts in `ChargeRow`: of the meters that every charge has and the whole, and of the others.
AMOUNTS = slice(ChargeRow._fields.index("input_nano"), ChargeRow._fields.index("amount_nano") + 1)
OPTIONAL_AMOUNTS = slice(AMOUNTS.stop, len(ChargeRow._fields))

ADJUSTMENT: Final = "adjustment"

_nano_by_meter = attrgetter(*(f"{meter}_nano" for meter in METERS))


def nano_by_meter(charge: object) -> tuple[int, ...]:
    """Returns nano by meter, in the order of METERS, of anything with a charge's amounts."""
    return tuple([amount or 0 for amount in _nano_by_meter(charge)])


def negated(charge: ChargeRow) -> ChargeRow:
    """Returns the charge with its amounts negated."""
    amounts_nano: Any = charge[AMOUNTS.start :]
    negative = [None if amount is None else -amount for amount in amounts_nano]
    return ChargeRow._make((*charge[: AMOUNTS.start], *negative))


# The counts that meters are made of.
METERED = ("input_tokens", "cached_input_tokens", "output_tokens", *Facts._fields[OPTIONAL_COUNTS])
_metered = attrgetter(*METERED)


def all_counts(facts: Facts) -> tuple[int, ...]:
    """Returns a request's counts in the order of TokenUsage, 0 where there are none."""
    counts: Any = (*facts[TOKENS], *facts[OPTIONAL_COUNTS])  # type: ignore[misc]
    return tuple(count or 0 for count in counts)


def usage_of(facts: Facts) -> TokenUsage:
    """Returns the counts of a request, to be priced."""
    return TokenUsage(*all_counts(facts))


def counts_by_meter(usage: object, stored: int) -> tuple[int, ...]:
    """Returns tokens, or calls, by meter, of anything with a usage record's counts; `stored` is that of storage."""
    return by_meter(_metered(usage), stored)


def by_meter(counts: Iterable[int | None], stored: int) -> tuple[int, ...]:
    """Puts METERED counts in the order of METERS: `input` is what is neither cached nor written to the cache."""
    whole, cached, output, written_5m, written_1h, calls = counts
    whole, cached, written_5m, written_1h = whole or 0, cached or 0, written_5m or 0, written_1h or 0
    return whole - cached - written_5m - written_1h, cached, output or 0, stored, written_5m, written_1h, calls or 0


def adjustment_facts(charge: ChargeRow, calendar: Calendar) -> Facts:
    """Returns an adjustment's stand-in for usage: its provider, project and month, and no tokens."""
    return Facts(
        kind=ADJUSTMENT,
        source=charge.provider,
        request_id="",
        generation=0,
        provider=charge.provider,
        occurred_at=calendar.month_start_us(charge.occurred_month),
        requested_model=None,
        reported_model=None,
        project=charge.project,
        tags="{}",
        storage_tokens=None,
        storage_end=None,
        assumed=0,
        **NO_REQUEST,
    )
