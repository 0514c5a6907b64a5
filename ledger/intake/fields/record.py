"""The formats' results: usage records, and the reasons why something is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger.book.rows import RecordKind
from pricing.errors import RecordError
from pricing.usage import TokenUsage

# Why something that carries token counts is no request to book.
IGNORED = {
    "cache_hit": "answered from a proxy's own cache, so that nothing was bought",
    "no_response_id": "spans with token counts and without gen_ai.response.id, by which a request is booked once",
    "other_operation": "spans with token counts of operations other than chat, text_completion, generate_content",
    "other_attributes": "spans whose token counts are not in gen_ai.usage",
    "repeated_span": "spans that repeat the counts of another span",
    "otel_logs": "exports of logs that count tokens: of OpenTelemetry only spans are read",
    "otel_metrics": "exports of metrics that count tokens: of OpenTelemetry only spans are read",
    "unknown_event": "events with a usage, of streams that no format lists",
}


@dataclass(slots=True)
class UsageRecord:
    """One request's counts and facts as its input states them, before options and rules.

    `occurred_at_us` and `storage_end_us` are microseconds since the epoch, UTC. `project` and `tags` are what the
    record or envelope itself says; the two metadata mappings come after them, in that order. `service_name` only
    serves project rules. `usage` is None for cache storage, and where a failed request reported none.
    """

    request_id: str
    occurred_at_us: int
    kind: RecordKind = "request"
    provider: str | None = None
    source: str | None = None
    requested_model: str | None = None
    reported_model: str | None = None
    project: str | None = None
    status: str = "completed"
    service_tier: str | None = None
    usage: TokenUsage | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    response_metadata: Mapping[str, str] = field(default_factory=dict)
    request_metadata: Mapping[str, str] = field(default_factory=dict)
    service_name: str | None = None
    storage_tokens: int | None = None
    storage_end_us: int | None = None
    provider_amount_nano: int | None = None
    provider_amount_usd: str | None = None
    """The gateway's own figure where it is in USD, as a decimal with all its places; the other one is None then."""
    lost_amount: bool = False
    """A gateway's own figure was there and can't be read: the record goes without it."""
    tool_calls: int = 0
    """Calls of tools that the gateway bills apart from the tokens."""
    searches: int = 0
    """Those of them that are web searches."""
    caching_expires_at: object = None
    """End of the storage that `caching.type = enabled` states, as it is written: --assume-cache-storage reads it."""

    @property
    def priced_calls(self) -> int:
        """The calls that a card's price of a call is for: as stated, or billed ones that are all web searches."""
        stated = 0 if self.usage is None else self.usage.calls
        return stated + (self.tool_calls if self.searches == self.tool_calls else 0)

    @property
    def other_calls(self) -> int:
        """The billed calls of which not all are web searches: no card says which of them costs what."""
        return 0 if self.searches == self.tool_calls else self.tool_calls


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something that can't be recorded: a reason slug, a message, and what fields were read.

    `fields` holds only keys of the `records` format; never a prompt, an output, or any other part of a payload.
    """

    reason: str
    message: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pending:
    """A request still in progress or queued: counted, not recorded."""

    status: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something that is no request, such as a span of another operation.

    `reason` is a key of IGNORED where it carries token counts, so that it is counted and named; else empty.
    """

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """One thing held back; `fields` are keys of the records format.

    `raw` is digested, never kept, and None for a file as a whole.

    `complete` says that the fields hold every fact, so that they can be recorded once a card prices them.
    """

    line: int
    raw: bytes | None
    reason: str
    message: str
    fields: Mapping[str, Any]
    source: str
    complete: bool


Parsed = UsageRecord | Rejected | Pending | Ignored
JsonObject = dict[str, Any]

MAX_ITEM_BYTES = 32 * 2**20
"""Most bytes of a line, element, document or event; longer ones are refused unread."""


@dataclass(slots=True)
class Item:
    """One thing read: `line` is 1 for a file's first; `raw` tells it from other items.

    `raw` is the line without its end; an array element, span or event canonically encoded; for something too long
    its sha256 and length as text; None for what concerns a file as a whole.
    """

    line: int
    raw: bytes | None
    parsed: Parsed


def refused(line: int, raw: bytes | None, error: RecordError) -> Item:
    """An item that can't be recorded, by the error that reading it raised."""
    return Item(line, raw, Rejected(error.reason, str(error)))
