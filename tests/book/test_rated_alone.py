"""A request that is priced by itself costs what it does among others, and is refused in the same words."""

from __future__ import annotations

from itertools import product
from pathlib import Path

from ledger.book.prices.in_force import cards_in_force
from ledger.book.prices.pins import PinnedIds
from ledger.book.prices.rating import Rater
from ledger.book.records import Records
from ledger.book.rows import NO_REQUEST, Facts
from ledger.store.opening import open_ledger
from pricing.times import read_time
from tests.conftest import Cli
from tests.helpers.ledgers import CODE

CARD = """
provider = "own"
currency = "USD"
per_tokens = 1
[[model]]
id = "calls-model"
[[model.price]]
effective_from = 2026-01-01
per_call = "0.01"
cache_storage_per_hour = "1"
tiers = [{ up_to = 100, input = "1", cached_input = "0.5", output = "1", cache_write_5m = "2" },
         { up_to = 2000, input = "3", output = "4" }]
[[model.price.service]]
names = ["batch"]
factor = "0.5"
meters = ["input", "cached_input", "output"]
"""


def facts(number: int, model: str, provider: str, service: str | None, day: str, *counts: int) -> Facts:
    whole, cached, output, written, calls = counts
    stated = dict(NO_REQUEST) | {"service_tier": service, "input_tokens": whole, "cached_input_tokens": cached}
    stated |= {"output_tokens": output, "cache_write_5m_tokens": written or None, "calls": calls or None}
    return Facts(
        kind="request", source="s", request_id=f"r{number}", generation=0, provider=provider, requested_model=model,
        occurred_at=read_time(f"{day}T12:00:00Z", "occurred_at"), reported_model=None, project="p", tags="{}",
        storage_tokens=None, storage_end=None, assumed=0, **stated,
    )  # fmt: skip


def test_one_alone_is_rated_as_among_others(cli: Cli, sqlite_url: str) -> None:
    Path("card.toml").write_text(CARD)
    cli("--db", sqlite_url, "rates", "add", "card.toml").ok()
    models = (("calls-model", "own"), (CODE, "evolink"), ("unknown", "own"), ("calls-model", "nobody"))
    counts = ((0, 0, 0, 0, 0), (100, 50, 7, 0, 0), (101, 0, 7, 0, 3), (90, 10, 0, 20, 0), (2001, 0, 1, 0, 0),
              (10, 20, 0, 0, 0), (101, 1, 0, 0, 0), (2**62, 0, 1, 0, 0))  # fmt: skip
    of = product(models, (None, "default", "batch", "odd"), ("2020-01-01", "2026-02-19"), counts)
    rows = [facts(place, *model, service, day, *each) for place, (model, service, day, each) in enumerate(of)]
    rows.append(rows[20]._replace(kind="cache_storage", storage_tokens=5, storage_end=rows[20].occurred_at + 1))
    with open_ledger(sqlite_url).reading() as connection:
        cards, pins = cards_in_force(connection), PinnedIds()
        pins.pin(connection, cards.values(), adding=False)
        rater = Rater(cards, pins)
        rated, errors = rater.rate(Records.of(rows))
        together = dict(zip((place for place in range(len(rows)) if place not in errors), rated.prices(), strict=True))
        for place, row in enumerate(rows):
            itself = Records.of([row])
            itself.change("calls", 0, row.calls)  # as where fees of calls were looked at
            alone, error = rater.rate(itself)
            assert alone.prices() == ([] if place in errors else [together[place]])
            assert {0: str(errors[place])} == {0: str(error[0])} if place in errors else not error
    assert len(together) > 20
    assert len({type(error) for error in errors.values()}) > 4
