"""The real ledger as the machine drives it: commands in this process, and its rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ledger.store.database import Database
from tests.conftest import Cli, Outcome
from tests.model.prices import Entry, Usage

ROWS = """
    SELECT c.id, c.charge_class, c.batch_id, c.corrects_id, c.occurred_month, c.posted_month, c.project, c.currency,
        c.billed_model, c.tier, c.input_nano, c.cached_input_nano, c.output_nano, c.cache_storage_nano, c.amount_nano,
        v.per_usd_nano, u.source, u.kind, u.request_id, u.id
    FROM charges c LEFT JOIN usage_records u ON u.id = c.usage_record_id
        LEFT JOIN conversions v ON v.id = c.conversion_id
    ORDER BY c.id
"""
HELD = "SELECT id, request_id, state, reason, complete, seen FROM quarantine ORDER BY id"
BATCHES = "SELECT run_id, kind FROM batches ORDER BY sequence"
CARD = """
provider = "{provider}"
currency = "{currency}"
per_tokens = 1_000_000
[[model]]
id = "{model}"
[[model.price]]
effective_from = {start}
{storage}tiers = [{tiers}]
"""


class Ledger:
    """A ledger that commands share while it is open, as opening it would take most of their time."""

    def __init__(self, cli: Cli, database: Database, empty: Callable[[], None]) -> None:
        self._cli = cli
        self._database = database
        self._empty = empty

    def renew(self) -> None:
        """Begins with nothing in it."""
        self._database.close()
        self._empty()

    def run(self, *args: object, code: int = 0) -> Outcome:
        outcome = self._cli(*args)
        assert outcome.exit_code == code, f"exit code {outcome.exit_code}, not {code}: {args}\n{outcome.stderr}"
        return outcome

    def read(self, query: str) -> list[tuple[Any, ...]]:
        with self._database.reading() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]


def line(usage: Usage) -> str:
    """A records line; what is the default is left out."""
    times = {"start": usage.at, "end": usage.end} if usage.end else {"occurred_at": usage.at}
    counts = {"input_tokens": usage.input, "cached_input_tokens": usage.cached, "output_tokens": usage.output}
    fields = {
        "request_id": usage.request_id,
        "kind": usage.kind,
        "requested_model": usage.model,
        "status": usage.status,
        "source": usage.source,
        "provider": usage.provider,
        **times,
        **({"tokens": usage.input} if usage.end else counts),
        **({} if usage.project == "unassigned" else {"project": usage.project}),
    }
    return json.dumps(fields) + "\n"


def card(provider: str, currency: str, model: str, entry: Entry) -> str:
    storage = "" if entry.storage is None else f'cache_storage_per_hour = "{entry.storage}"\n'
    tiers = ", ".join(
        f'{{ up_to = {tier.up_to}, input = "{tier.input}", cached_input = "{tier.cached}", output = "{tier.output}" }}'
        for tier in entry.tiers
    )
    return CARD.format(
        provider=provider, currency=currency, model=model, start=entry.start, storage=storage, tiers=tiers
    )
