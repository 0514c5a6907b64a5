"""`price_usage` beside `genai_prices.calc_price`, and columns in records a second on one core: `price_batch`, Arrow's.

Both sides price one prompt of 40,000 tokens (12,000 of them cached where the peer's model has a cached rate) and 500
output tokens at a tiered price of the same day. genai-prices has no card of the Seed models, so it prices tiered ones
of its own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from benchmarks.runs import timed
from benchmarks.setting import Setting
from benchmarks.turns import RATE, SPEED, Case, Goal, Side, Trial
from pricing import ModelColumn, RateCard, TokenUsage, load_rate_cards, price_batch, price_usage

AT = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
MODEL = "doubao-seed-2.0-code"
LEAST_SPEED = 15
LEAST_ROWS_PER_SECOND = 10_000_000
LEAST_ARROW_ROWS_PER_SECOND = 1_000_000
ARROW_BATCH = 1 << 16
MOST_LIST_ROWS = 200_000
# (provider, model, cached tokens): models of genai-prices with price tiers
PEERS = (
    ("google", "gemini-2.5-pro", 12_000),
    ("anthropic", "claude-sonnet-4-5", 12_000),
    ("google", "gemini-1.5-pro", 0),
)


@contextmanager
def prepare_scalar(_setting: Setting) -> Iterator[Trial]:
    """One exact tiered price, Python call, both sides with the usage object made before."""
    card = load_rate_cards()["evolink"]
    charge = price_usage(TokenUsage(40_000, 12_000, 500), card=card, model=MODEL, at=AT)
    assert charge.amount_nano == 28_000 * 48_000 + 12_000 * 6_400 + 500 * 240_000
    sides: dict[str, Side] = {}
    goals = []
    for provider, model, cached in PEERS:
        ours = "price_usage" if cached else "price_usage, nothing cached"
        sides[ours] = partial(timed, our_price(card, cached), calls=20_000)
        sides[model] = partial(timed, peer_price(provider, model, cached), calls=2_000)
        goals.append(Goal(ours, SPEED, LEAST_SPEED, model))
    yield Trial(sides, goals)


def our_price(card: RateCard, cached: int) -> Callable[[], object]:
    """One call of ours."""
    usage = TokenUsage(40_000, cached, 500)
    return lambda: price_usage(usage, card=card, model=MODEL, at=AT)


def peer_price(provider: str, model: str, cached: int) -> Callable[[], object]:
    """One call of the peer's."""
    import genai_prices  # the tests' dependency

    usage = genai_prices.Usage(input_tokens=40_000, cache_read_tokens=cached, output_tokens=500)
    return lambda: genai_prices.calc_price(usage, model, provider_id=provider, genai_request_timestamp=AT)


@contextmanager
def prepare_batch(setting: Setting) -> Iterator[Trial]:
    """Columns of numpy arrays, and shorter ones of Python lists; each run once before, to have its memory."""
    card = load_rate_cards()["evolink"]
    columns = {"arrays": arrays(card, setting.records)}
    few = arrays(card, min(setting.records, MOST_LIST_ROWS))
    model: ModelColumn = few["model"]
    columns["lists"] = {name: column.tolist() for name, column in few.items() if name != "model"} | {
        "model": [model.categories[code] for code in model.codes.tolist()],
        "at": [dt.datetime.fromtimestamp(us // 10**6, dt.UTC) for us in few["at"].tolist()],
    }
    sides: dict[str, Side] = {}
    for name, each in columns.items():
        call = partial(price_batch, card=card, **each)
        assert not call().errors
        sides[f"price_batch, {name}"] = partial(timed, call, records=len(each["at"]))
    yield Trial(sides, [Goal("price_batch, arrays", RATE, LEAST_ROWS_PER_SECOND), Goal("price_batch, lists", RATE)])


def arrays(card: RateCard, rows: int) -> dict[str, Any]:
    """The columns of a year's usage over all tiers."""
    random = np.random.default_rng(2026)
    whole = random.integers(0, 256_001, rows)
    names = list(card.models)
    first_us = int(dt.datetime(2026, 2, 1, tzinfo=dt.UTC).timestamp()) * 10**6
    return {
        "model": ModelColumn(names, random.integers(0, len(names), rows)),
        "at": first_us + random.integers(0, 365 * 86_400 * 10**6, rows),
        "input_tokens": whole,
        "cached_input_tokens": (whole * random.random(rows)).astype(np.int64),
        "output_tokens": random.integers(0, 128_001, rows),
    }


@contextmanager
def prepare_arrow(setting: Setting) -> Iterator[Trial]:
    """Whole usage records in batches from memory, each with an id, labels and two tags, beside their prices alone."""
    import pyarrow as pa  # an extra

    from pricing.arrow import USAGE_SCHEMA, price_batches

    cards = load_rate_cards()
    columns = arrays(cards["evolink"], setting.records)
    numbers = range(setting.records)
    model = columns["model"]
    tags = [[("env", "prod"), ("team", f"team-{number}")] for number in range(20)]
    fields = {
        "request_id": [f"resp_02{1_770_000_000_000 + number:x}{number * 7_919 % 2**64:032x}" for number in numbers],
        "occurred_at": columns["at"],
        "source": ["evolink"] * setting.records,
        "requested_model": [model.categories[code] for code in model.codes.tolist()],
        "project": [f"project-{number % 200}" for number in numbers],
        "tags": [tags[number % 20] for number in numbers],
        **{name: columns[name] for name in ("input_tokens", "cached_input_tokens", "output_tokens")},
    }
    table = pa.table({name: pa.array(column, USAGE_SCHEMA.field(name).type) for name, column in fields.items()})
    batches = table.to_batches(max_chunksize=ARROW_BATCH)

    def price() -> None:
        for batch in price_batches(batches, cards):
            assert batch.column("reason").null_count == batch.num_rows

    price()
    ours, peer = "price_batches of Arrow", "price_batch, arrays"
    prices_alone = partial(price_batch, card=cards["evolink"], **columns)
    sides: dict[str, Side] = {
        ours: partial(timed, price, records=setting.records),
        peer: partial(timed, prices_alone, records=setting.records),
    }
    yield Trial(sides, [Goal(ours, RATE, LEAST_ARROW_ROWS_PER_SECOND), Goal(peer, RATE)])


CASES = (
    Case("price", "one exact tiered price beside genai-prices", prepare_scalar),
    Case("price-batch", "columns of records at once", prepare_batch),
    Case("price-arrow", "record batches of whole records", prepare_arrow),
)
