"""Charges drawn at random, as a `Book` takes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from tests.helpers.book import CODE, LITE, MINI, PRO, Booked

PROJECTS = ("ide", "search", "support")


def random_charges(random: Random) -> list[Booked]:
    """Charges of four months, some posted late, taken back at once or in a later month, by two cards at odd rates."""
    booked: list[Booked] = []
    for _ in range(150):
        provider = random.choice(["evolink", "evolink", "volcengine"])
        per_usd = random.choice(["7.2", "7.1234"] if provider == "volcengine" else ["72", "68", "71.234567891"])
        at = datetime(2026, 2, 1, tzinfo=UTC) + timedelta(seconds=random.randrange(110 * 86_400))
        inputs, month = random.randrange(100_000), f"{at:%Y-%m}"
        stored = {"storage": timedelta(hours=random.randrange(1, 50)), "storage_tokens": random.randrange(10**6)}
        used = {"input_tokens": inputs, "cached_input_tokens": random.randrange(inputs + 1),
                "output_tokens": random.randrange(10_000)}  # fmt: skip
        late = month < "2026-05" and random.random() < 0.2
        booked.append(
            Booked(
                project=random.choice(PROJECTS), model=random.choice([CODE, PRO, LITE, MINI]), at=at, provider=provider,
                per_usd=per_usd, posted_month=f"2026-0{int(month[-1]) + 1}" if late else None,
                **(stored if random.random() < 0.1 else used),
            )
        )  # fmt: skip
    for number in random.sample(range(1, len(booked) + 1), 30):
        of = booked[number - 1]
        month = of.posted_month or f"{of.at:%Y-%m}"
        later = month if random.random() < 0.5 else f"2026-0{int(month[-1]) + 1}"
        booked.append(of.reversed(number, posted_month=later))
    return booked
