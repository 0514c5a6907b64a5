"""Pricing measured beside its peer: `price_usage` by `genai_prices.calc_price`, and `price_batch` in records a second.

Run: python benchmarks/bench_pricing.py [--rows N]

Both sides price one prompt of 40,000 tokens (12,000 of them cached where the peer's model has a cached rate) and 500
output tokens at a tiered price of the same day. genai-prices has no card of the Seed models, so it prices tiered ones
of its own. Batch runs on one core.
"""

from __future__ import annotations

import argparse
import datetime as dt
import time
from collections.abc import Callable

import genai_prices
import numpy as np

from pricing import ModelColumn, RateCard, TokenUsage, load_rate_cards, price_batch, price_usage

AT = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
MODEL = "doubao-seed-2.0-code"
TARGET_RATIO = 15
TARGET_ROWS_PER_SECOND = 10_000_000
# (provider, model, cached tokens): models of genai-prices with price tiers
PEERS = [
    ("google", "gemini-2.5-pro", 12_000),
    ("anthropic", "claude-sonnet-4-5", 12_000),
    ("google", "gemini-1.5-pro", 0),
]


def seconds_each(call: Callable[[], object], calls: int = 20_000, rounds: int = 7) -> float:
    """The best round's seconds a call."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        best = min(best, time.perf_counter() - start)
    return best / calls


def bench_scalar(card: RateCard) -> None:
    """One exact tiered price, Python call, both sides with the usage object made before."""
    usage = TokenUsage(40_000, 12_000, 500)
    charge = price_usage(usage, card=card, model=MODEL, at=AT)
    assert charge.amount_nano == 28_000 * 48_000 + 12_000 * 6_400 + 500 * 240_000
    whole = seconds_each(lambda: price_usage(TokenUsage(40_000, 12_000, 500), card=card, model=MODEL, at=AT))
    print(f"price_usage, TokenUsage included: {whole * 1e6:.2f} us")
    for provider, model, cached in PEERS:
        ours = seconds_each(our_price(card, cached))
        theirs = seconds_each(peer_price(provider, model, cached), calls=2_000)
        ratio = f"{theirs / ours:.1f} x (target {TARGET_RATIO} x)"
        print(f"price_usage {ours * 1e6:.2f} us, {cached:,} tokens cached")
        print(f"  genai_prices.calc_price {theirs * 1e6:.2f} us on {model}: {ratio}")


def our_price(card: RateCard, cached: int) -> Callable[[], object]:
    """One call of ours."""
    usage = TokenUsage(40_000, cached, 500)
    return lambda: price_usage(usage, card=card, model=MODEL, at=AT)


def peer_price(provider: str, model: str, cached: int) -> Callable[[], object]:
    """One call of the peer's."""
    usage = genai_prices.Usage(input_tokens=40_000, cache_read_tokens=cached, output_tokens=500)
    return lambda: genai_prices.calc_price(usage, model, provider_id=provider, genai_request_timestamp=AT)


def bench_batch(card: RateCard, rows: int) -> None:
    """Columns of numpy arrays, then of Python lists; the first run also fetches memory from the system."""
    random = np.random.default_rng(2026)
    whole = random.integers(0, 256_001, rows)
    cached = (whole * random.random(rows)).astype(np.int64)
    output = random.integers(0, 128_001, rows)
    names = list(card.models)
    model = ModelColumn(names, random.integers(0, len(names), rows))
    first_us = int(dt.datetime(2026, 2, 1, tzinfo=dt.UTC).timestamp()) * 10**6
    at = first_us + random.integers(0, 365 * 86_400 * 10**6, rows)

    def run(count: int = rows) -> float:
        start = time.perf_counter()
        charges = price_batch(
            card=card,
            model=ModelColumn(names, model.codes[:count]),
            at=at[:count],
            input_tokens=whole[:count],
            cached_input_tokens=cached[:count],
            output_tokens=output[:count],
        )
        seconds = time.perf_counter() - start
        assert not charges.errors
        return seconds

    times = [run() for _ in range(7)]
    per_second = rows / min(times)
    ratio = per_second / TARGET_ROWS_PER_SECOND
    print(f"price_batch, numpy columns  {rows:12,} rows: {per_second / 1e6:6.1f} M records/s: {ratio:.1f} x the target")
    print(
        f"  the first run {rows / times[0] / 1e6:.1f} M/s, the slowest later one {rows / max(times[1:]) / 1e6:.1f} M/s"
    )
    few = min(rows, 200_000)
    lists = {
        "model": [names[code] for code in model.codes[:few].tolist()],
        "at": [dt.datetime.fromtimestamp(us // 10**6, dt.UTC) for us in at[:few].tolist()],
        "input_tokens": whole[:few].tolist(),
        "cached_input_tokens": cached[:few].tolist(),
        "output_tokens": output[:few].tolist(),
    }
    start = time.perf_counter()
    assert not price_batch(card=card, **lists).errors
    seconds = time.perf_counter() - start
    print(f"price_batch, Python lists   {few:12,} rows: {few / seconds / 1e6:6.1f} M records/s")


def main() -> None:
    """Print each figure beside its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000, help="rows of the batch (default: 4,000,000)")
    rows = parser.parse_args().rows
    card = load_rate_cards()["evolink"]
    bench_scalar(card)
    bench_batch(card, rows)


if __name__ == "__main__":
    main()
