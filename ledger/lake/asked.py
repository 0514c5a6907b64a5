"""The facts that a run of `lake price` is known again by: its files, cards, rules and options."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ledger.intake.containers.inputs import reaching
from ledger.intake.files import plain_name
from ledger.lake.staging import Job
from pricing.rate_card import RateCard

# What stores call the time of a file's last change, or the state of its content.
_CHANGED: Final = ("mtime", "LastModified", "last_modified", "updated", "ETag", "etag", "modified", "created")


def state_input(name: str) -> dict[str, Any]:
    """Returns what tells a file from what it may be later: its size, and when it was written."""
    with reaching(name) as (store, path):
        info = store.info(path)
    times = {key: str(info[key]) for key in _CHANGED if info.get(key) is not None}
    return {"file": plain_name(name), "size": info["size"], "written": next(iter(times.values()), "")}


def pins_of(job: Job) -> dict[str, Any]:
    """Returns what prices and labels were decided by, as the manifest keeps it."""
    options = msgspec.to_builtins(job.inputs.options)
    section = job.config.ledger
    return {
        "cards": {provider: _card_digest(card) for provider, card in sorted(job.cards.items())},
        "input_format": job.inputs.input_format,
        "options": options,
        "keep_tags": sorted(section.keep_tags),
        "provider": section.provider,
        "tool_fees": section.tool_fees,
        "project_rules": [str(rule) for rule in job.config.project_rules],
    }


def _card_digest(card: RateCard) -> str:
    conversions = [(each.effective_from.isoformat(), each.per_usd_nano) for each in card.conversions]
    return hashlib.sha256(msgspec.json.encode((sorted(e.digest for e in card.entries()), conversions))).hexdigest()


def run_digest(job: Job, stated: Sequence[Mapping[str, Any]]) -> str:
    asked = (job.month, job.zone, job.rollup_tags, stated, pins_of(job))
    return hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()
