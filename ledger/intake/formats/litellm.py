"""Rows of LiteLLM's spend log (table LiteLLM_SpendLogs), as JSON objects or as a CSV file of that table.

Names and meanings are those of `schema.prisma` and `spend_tracking_utils.py` in LiteLLM 1.110. Its times have no zone
and are UTC; `metadata` and `request_tags` are JSON, in a CSV file as text. Of a row's `messages`, `response` and
`proxy_server_request` nothing is read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from ledger.intake.fields.kinds import holds_counts, is_cached_answer, unknown_object, unpriced_batch
from ledger.intake.fields.record import Ignored, JsonObject, Parsed, UsageRecord
from ledger.intake.fields.refusals import guarded, salvaged, salvaged_counts
from ledger.intake.fields.strict_json import decode
from ledger.intake.fields.usage import Reported, UsageReader, leaves
from ledger.intake.fields.values import read_metadata, read_usd_figure
from ledger.intake.formats.format import Format, Table
from ledger.values.instants import iso_text
from pricing.errors import RecordError, shown_word
from pricing.record_values import read_id, read_tags, read_text, read_tier
from pricing.times import read_time

COLUMNS: Final = frozenset({"request_id", "spend", "startTime"})
"""Columns that tell a row of this table from a usage record of the ledger's own."""
COUNTS: Final = ("prompt_tokens", "completion_tokens", "total_tokens")

_IN_METADATA = ("usage_object", "additional_usage_values")
_WHOLE = re.compile(r"[0-9]{1,19}")
_USAGE = UsageReader("prompt_tokens", "completion_tokens", prefix="")
_STATUSES = {"success": "completed", "failure": "failed", "": "completed"}
# What is priced by the tokens of a text; other calls (images, speech, searches) have units that no card states.
_PRICED_CALLS = frozenset(
    {
        "",
        "completion",
        "text_completion",
        "responses",
        "anthropic_messages",
        "generate_content",
        "generate_content_stream",
        "pass_through_endpoint",
        "llm_passthrough_route",
    }
)


def recognise(obj: Mapping[str, Any]) -> bool:
    """Tells whether an object has the columns that a row of the spend log is known by."""
    return obj.keys() >= COLUMNS


def parse(obj: JsonObject) -> Parsed:
    """The one request a row is about; never raises."""
    return guarded(_read, obj, _salvage)


def _read(obj: JsonObject) -> Parsed:
    if is_cached_answer(obj):
        return Ignored("cache_hit")
    metadata = _json_object(obj, "metadata")
    call = _check_call(obj, metadata)
    if call is not None:
        return call
    status = _status(obj, metadata)
    usage = _usage(obj, metadata, status)
    spend, lost = read_usd_figure(obj.get("spend"), "spend")
    requested, group = _models(obj)
    return UsageRecord(
        read_id(obj.get("request_id"), "request_id"),
        _time(obj),
        requested_model=requested,
        reported_model=group,
        project=read_text(metadata.get("user_api_key_project_alias"), "metadata.user_api_key_project_alias"),
        status=status,
        service_tier=read_tier(usage.service_tier, "service_tier"),
        usage=usage.tokens,
        tags=_tags(obj, metadata),
        response_metadata=_stated_metadata(obj, metadata),
        provider_amount_usd=spend,
        lost_amount=lost,
        tool_calls=usage.tool_calls,
        searches=usage.searches,
    )


def _check_call(obj: JsonObject, metadata: JsonObject) -> Ignored | None:
    """Refuse a call that tokens don't price; one that cost nothing is no request."""
    call = (read_text(obj.get("call_type"), "call_type") or "").removeprefix("litellm.")
    is_batch = "batch" in call or bool(metadata.get("batch_models"))
    if not is_batch and (call in _PRICED_CALLS or call.removeprefix("a") in _PRICED_CALLS):
        return None
    if not holds_counts([obj.get("spend"), *(obj.get(name) for name in COUNTS)]):
        return Ignored()
    raise unpriced_batch() if is_batch else unknown_object(call)


def _status(obj: JsonObject, metadata: JsonObject) -> str:
    status = obj.get("status") or metadata.get("status") or ""
    if not isinstance(status, str) or status not in _STATUSES:
        raise RecordError(
            "unknown_status", f"status {shown_word(status)} is unknown: LiteLLM writes success or failure"
        )
    return _STATUSES[status]


def _usage(obj: JsonObject, metadata: JsonObject, status: str) -> Reported:
    """The row's counts and those in its metadata, which tells the cached part; each name must agree."""
    stated: list[Iterator[tuple[str, object]]] = [leaves({name: obj.get(name) for name in COUNTS})]
    if obj.get("prompt_tokens") and not any(isinstance(metadata.get(name), dict) for name in _IN_METADATA):
        message = (
            f"metadata has none of {' and '.join(_IN_METADATA)}, so how much was cached isn't known: export it too"
        )
        raise RecordError("missing_usage", message)
    for name in _IN_METADATA:
        part = metadata.get(name)
        if isinstance(part, dict):
            stated.append(leaves(part))
    return _USAGE.read_leaves(chain.from_iterable(stated), status)


def _models(obj: JsonObject) -> tuple[str | None, str | None]:
    """The model asked for, without its provider's prefix, and the name that the proxy gives it."""
    model = read_text(obj.get("model"), "model")
    provider = read_text(obj.get("custom_llm_provider"), "custom_llm_provider")
    group = read_text(obj.get("model_group"), "model_group")
    if model is None:
        return group, None
    if provider is None:
        # LiteLLM's own names are provider/model.
        provider = model.partition("/")[0]
    # Volcengine's endpoints have ids of their own: the proxy's name alone says which model one is.
    return model.removeprefix(f"{provider}/"), group if "ep-" in model else None


def _time(obj: JsonObject) -> int:
    value = obj.get("startTime")
    try:
        return read_time(value, "startTime")
    except RecordError as error:
        if error.reason != "no_time_zone":
            raise
    return read_time(f"{value}Z", "startTime")


def _tags(obj: JsonObject, metadata: JsonObject) -> Mapping[str, str]:
    """The team, the key's alias, the user and the customer that LiteLLM counts spend by."""
    named = {
        "team": metadata.get("user_api_key_team_alias") or obj.get("team_id"),
        "key_alias": metadata.get("user_api_key_alias"),
        "user": obj.get("user") or metadata.get("user_api_key_user_id"),
        "end_user": obj.get("end_user"),
    }
    return read_tags({key: value for key, value in named.items() if value}, "tags")


def _stated_metadata(obj: JsonObject, metadata: JsonObject) -> Mapping[str, str]:
    """Returns the caller's metadata: `request_tags` of the form KEY:VALUE, and `spend_logs_metadata`."""
    tags = _json(obj.get("request_tags"), "request_tags")
    pairs = (tag.partition(":") for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
    stated = {key.strip(): value.strip() for key, colon, value in pairs if colon and value.strip()}
    return stated | dict(read_metadata(metadata.get("spend_logs_metadata")))


def _json(value: object, name: str) -> object:
    """A column of JSON, which a CSV file has as text."""
    if not isinstance(value, str) or not value.strip():
        return value or None
    try:
        return decode(value.encode())
    except (RecordError, UnicodeEncodeError):
        raise RecordError("invalid_json", f"{name} isn't JSON: export the column as LiteLLM wrote it") from None


def _json_object(obj: JsonObject, name: str) -> JsonObject:
    value = _json(obj.get(name), name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RecordError("not_an_object", f"{name} isn't a JSON object: export the column as LiteLLM wrote it")
    return value


def _salvage(obj: JsonObject) -> dict[str, Any]:
    metadata: JsonObject = salvaged({"metadata": lambda: _json_object(obj, "metadata")}).get("metadata", {})
    fields = salvaged(
        {
            "request_id": lambda: read_id(obj.get("request_id"), "request_id"),
            "occurred_at": lambda: iso_text(_time(obj)),
            "requested_model": lambda: _models(obj)[0],
            "reported_model": lambda: _models(obj)[1],
            "status": lambda: _status(obj, metadata),
            "tags": lambda: dict(_tags(obj, metadata)),
        }
    )
    status = fields.get("status", "completed")
    return fields | salvaged_counts(lambda: _usage(obj, metadata, status).tokens)


def _is_header(names: Collection[str]) -> bool:
    return set(names) >= COLUMNS


def _check_header(names: Sequence[str]) -> None:
    missing = [name for name in ("request_id", "startTime", "model", "metadata", *COUNTS) if name not in names]
    if missing:
        raise RecordError("missing_column", f"the header lacks {', '.join(missing)}: export the whole spend log")


def _read_row(cells: Mapping[str, str]) -> JsonObject:
    return {name: int(cell) if name in COUNTS and _WHOLE.fullmatch(cell) else cell for name, cell in cells.items()}


FORMAT = Format("litellm", recognise, parse, table=Table(_is_header, _check_header, _read_row, parse))
