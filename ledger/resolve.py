"""What the options and rules of a run make of an input's record: source, provider, project and tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from ledger.config import UNASSIGNED, Config
from ledger.facts import Facts
from ledger.records import MAX_NAME, MAX_SOURCE, MAX_TAG_KEY, MAX_TAG_VALUE, MAX_TAGS, RecordError, UsageRecord
from pricing.money import INT64_MAX, NANO, parse_units

# A day short of year 10000, so that every zone can say which day it is.
MAX_OCCURRED_US = 253_402_214_400_000_000


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line fixes for every record of a run; kept with quarantined lines so that a retry does the same."""

    provider: str | None = None
    source: str | None = None
    project: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    assume_cache_storage: bool = False

    def to_json(self) -> str:
        """JSON text with sorted keys."""
        return msgspec.json.encode(self, order="sorted").decode()

    @classmethod
    def from_json(cls, text: str) -> RunOptions:
        """The options that `to_json` wrote."""
        return msgspec.json.decode(text, type=cls)


class Resolver:
    """Turns usage records into facts by a run's options and the configuration's rules."""

    def __init__(self, options: RunOptions, config: Config) -> None:
        for key, value in options.tags.items():
            check_tag(key, value)
        self._options = options
        self._config = config
        self._keep = set(config.ledger.keep_tags)

    @property
    def default_provider(self) -> str:
        """The provider where the record names none."""
        return self._options.provider or self._config.ledger.provider

    @property
    def default_source(self) -> str:
        """The stream of ids where neither options nor record name one."""
        return self._options.source or self.default_provider

    def provider(self, record: UsageRecord) -> str:
        return self._options.provider or record.provider or self._config.ledger.provider

    def resolve(self, record: UsageRecord) -> Facts:
        """The facts to record; RecordError where a name or tag breaks a limit."""
        provider = self.provider(record)
        source = self._options.source or record.source or provider
        if len(source) > MAX_SOURCE:
            raise RecordError(
                "too_long", f"source has {len(source)} characters, at most {MAX_SOURCE} are kept: give --source"
            )
        if record.occurred_at_us > MAX_OCCURRED_US:
            raise RecordError("time_out_of_range", "the time is after 9999-12-30: correct the record")
        project, tags = self.labels(record, source)
        return Facts(
            record.kind,
            source,
            record.request_id,
            0,
            provider,
            record.occurred_at_us,
            record.requested_model,
            record.reported_model,
            project,
            record.status,
            record.service_tier,
            record.input_tokens,
            record.cached_input_tokens,
            record.output_tokens,
            record.reasoning_tokens,
            tags,
            record.storage_tokens,
            record.storage_end_us,
            _amount_nano(record.provider_amount),
            0,
        )

    def labels(self, record: UsageRecord, source: str) -> tuple[str, str]:
        """Project and tags: the option's, else the record's, else response metadata, else request metadata, else the rules'."""
        tags = self._tags(record)
        options = self._options
        project = (
            options.project
            or record.project
            or record.response_metadata.get("project")
            or record.request_metadata.get("project")
            or self._by_rule(record, source, tags)
            or UNASSIGNED
        )
        if len(project) > MAX_NAME:
            raise RecordError(
                "too_long", f"project has {len(project)} characters, at most {MAX_NAME} are kept: give --project"
            )
        return project, encode_tags(tags) if tags else "{}"

    def _tags(self, record: UsageRecord) -> dict[str, str]:
        tags = {key: value for key, value in record.request_metadata.items() if key in self._keep}
        tags.update((key, value) for key, value in record.response_metadata.items() if key in self._keep)
        for key, value in tags.items():
            check_tag(key, value)
        tags.update(record.tags)
        tags.update(self._options.tags)
        if len(tags) > MAX_TAGS:
            raise RecordError("invalid_tags", f"{len(tags)} tags, at most {MAX_TAGS} are kept: drop some")
        return tags

    def _by_rule(self, record: UsageRecord, source: str, tags: Mapping[str, str]) -> str | None:
        if not self._config.project_rules:
            return None
        values = {f"tag.{key}": value for key, value in tags.items()}
        values |= {
            "source": source,
            "model": record.requested_model or record.reported_model or "",
            "service.name": record.service_name or "",
        }
        return next((rule.project for rule in self._config.project_rules if rule.matches(values)), None)


def check_tag(key: str, value: str) -> None:
    """RecordError where a tag breaks its limits."""
    if not key or len(key) > MAX_TAG_KEY:
        raise RecordError(
            "invalid_tags", f"tag key {key[:40]!r} has {len(key)} characters: 1 to {MAX_TAG_KEY} are allowed"
        )
    if len(value) > MAX_TAG_VALUE:
        raise RecordError(
            "invalid_tags", f"tag {key} has a value of {len(value)} characters, at most {MAX_TAG_VALUE} are kept"
        )
    if "\x00" in key or "\x00" in value:
        raise RecordError("nul_byte", f"tag {key!r} holds a NUL character: remove it")


def encode_tags(tags: Mapping[str, str]) -> str:
    """Tags as a JSON object with sorted keys."""
    return msgspec.json.encode(dict(tags), order="sorted").decode()


def _amount_nano(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        amount = parse_units(text, NANO)
    except ValueError as error:
        raise RecordError(
            "invalid_amount", f"provider_amount {text[:40]!r}: must be a plain decimal of at most 9 places"
        ) from error
    if abs(amount) > INT64_MAX:
        raise RecordError("invalid_amount", f"provider_amount {text[:40]!r} is too large")
    return amount
