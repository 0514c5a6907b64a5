"""Labels of records by a run's options and rules: source, provider, project, tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import msgspec

from ledger.book.rows import Facts
from ledger.config import UNASSIGNED, Config
from ledger.errors import LedgerError
from ledger.intake.fields.record import UsageRecord
from pricing.billing import ToolFees
from pricing.errors import RecordError
from pricing.record_fields import COUNTS, FEW_HAVE, check_stream
from pricing.record_values import MAX_NAME, MAX_SOURCE, MAX_TAGS, check_tag, check_text, read_text, read_tier
from pricing.usage import TokenUsage

# Facts that a record states in the same words.
ALIKE = sorted({each.name for each in fields(UsageRecord)} & set(Facts._fields) - {"project", "tags", "tool_calls"})


@dataclass(frozen=True, slots=True)
class RunOptions:
    """A run's options for every record; kept with quarantined lines, for a retry."""

    provider: str | None = None
    source: str | None = None
    project: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    assume_cache_storage: bool = False
    tool_fees: ToolFees | None = None
    service_tier: str | None = None


class Resolver:
    """Turns records into facts by a run's options and the configuration's rules."""

    def __init__(self, options: RunOptions, config: Config) -> None:
        check_options(options)
        self.options = options
        self._config = config
        self._keep = set(config.ledger.keep_tags)
        self.default_provider = options.provider or config.ledger.provider
        """The provider where the record names none."""
        self.default_source = options.source or self.default_provider
        """The stream of ids where neither options nor record name one."""

    def resolve(self, record: UsageRecord) -> Facts:
        """Returns the facts to record; RecordError where a name or tag breaks a limit."""
        provider = self.options.provider or record.provider or self.default_provider
        source = self.options.source or record.source or provider
        check_stream(source, record.occurred_at_us)
        project, tags = self.labels(record, source)
        usage = record.usage or TokenUsage(0)
        stated = {name: getattr(record, name) for name in ALIKE} | {name: getattr(usage, name) for name in COUNTS}
        stated |= {name: getattr(usage, name) or None for name in FEW_HAVE} | {"calls": record.priced_calls or None}
        served = self.options.service_tier if record.kind == "request" else None
        stated |= {"source": source, "provider": provider, "service_tier": record.service_tier or served}
        return Facts(
            **stated, generation=0, occurred_at=record.occurred_at_us, project=project, tags=tags,
            storage_end=record.storage_end_us, assumed=0, tool_calls=record.other_calls or None,
        )  # fmt: skip

    @property
    def leaves_fees_unbooked(self) -> bool:
        """True where calls of tools that the card doesn't price are counted, and their fees not booked."""
        return (self.options.tool_fees or self._config.ledger.tool_fees) == "unbooked"

    def labels(self, record: UsageRecord, source: str) -> tuple[str, str]:
        """Returns project and tags: as stated, else the project by the rules, else unassigned."""
        tags = self.tags(record)
        project = self.stated_project(record) or self._by_rule(record, source, tags) or UNASSIGNED
        return project, msgspec.json.encode(tags, order="sorted").decode()

    def stated_project(self, record: UsageRecord) -> str | None:
        """Returns the option's project, else the record's, response's, request's; blank is none."""
        stated = (
            self.options.project,
            record.project,
            record.response_metadata.get("project"),
            record.request_metadata.get("project"),
        )
        return read_text(next((name for name in stated if name and not name.isspace()), None), "project")

    def tags(self, record: UsageRecord) -> dict[str, str]:
        """Returns tags of request, response (kept keys), record and option: the last holds."""
        tags = {key: value for key, value in record.request_metadata.items() if key in self._keep}
        tags.update((key, value) for key, value in record.response_metadata.items() if key in self._keep)
        for key, value in tags.items():
            check_tag(key, value)
        tags.update(record.tags)
        tags.update(self.options.tags)
        if len(tags) > MAX_TAGS:
            raise RecordError("invalid_tags", f"{len(tags)} tags, at most {MAX_TAGS} are kept: drop some")
        return tags

    def _by_rule(self, record: UsageRecord, source: str, tags: Mapping[str, str]) -> str | None:
        if not self._config.project_rules:
            return None
        values = {f"tag.{key}": value for key, value in tags.items()}
        named = {
            "source": source,
            "model": record.requested_model or record.reported_model,
            "service.name": record.service_name,
        }
        values |= {key: value for key, value in named.items() if value is not None}
        return next((rule.project for rule in self._config.project_rules if rule.matches(values)), None)


def check_options(options: RunOptions) -> None:
    """Refuses, with a LedgerError, options that no record could be kept with."""
    limits = {"provider": MAX_NAME, "source": MAX_SOURCE, "project": MAX_NAME, "service_tier": MAX_NAME}
    try:
        for name, limit in limits.items():
            value = getattr(options, name)
            if value is not None and not value.strip():
                raise LedgerError(f"{name} {value!r} is blank: give a name, or leave it out")
            check_text(value or "", name, limit)
        read_tier(options.service_tier, "service_tier")
        for key, tag in options.tags.items():
            check_tag(key, tag)
    except RecordError as error:
        raise LedgerError(str(error)) from error
