"""What the made-up projects asked for: seeded, so that the same requests come out every time."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

SEED = "tollbook examples 1"
MONTHS = ("2026-02", "2026-03", "2026-04")
DAY = 86_400
CACHE_DAYS = 3

# Requested name -> the dated id that responses report.
REPORTED = {
    "doubao-seed-2.0-pro": "doubao-seed-2-0-pro-260215",
    "doubao-seed-2.0-lite": "doubao-seed-2-0-lite-260215",
    "doubao-seed-2.0-mini": "doubao-seed-2-0-mini-260215",
    "doubao-seed-2.0-code": "doubao-seed-2-0-code-preview-260215",
}
PRO, LITE, MINI, CODE = REPORTED
EDGES = (1, 31_999, 32_000, 32_001, 127_999, 128_000, 128_001, 255_999, 256_000)


@dataclass(frozen=True)
class Profile:
    """How one project uses the models: bounds are tokens, both inclusive; `cached` is percent of the input."""

    project: str
    team: str
    features: tuple[str, ...]
    models: tuple[str, ...]
    input: tuple[int, int]
    output: tuple[int, int]
    cached: tuple[int, ...]


PROFILES = (
    Profile("search", "discovery", ("rewrite", "rank"), (MINI, MINI, LITE), (300, 6_000), (20, 400), (0, 50, 80)),
    Profile("support", "care", ("answer", "triage"), (PRO, MINI, LITE), (1_500, 30_000), (100, 1_500), (0, 0, 60, 90)),
    Profile("ide-assistant", "platform", ("chat", "edit"), (CODE,), (6_000, 140_000), (200, 6_000), (0, 70, 95)),
    Profile("data-extraction", "data", ("invoices",), (LITE, PRO), (20_000, 200_000), (300, 4_000), (0, 0, 10)),
    Profile("contract-review", "legal", ("compare",), (PRO,), (60_000, 256_000), (800, 9_000), (0, 40)),
)
BY_PROJECT = {profile.project: profile for profile in PROFILES}


@dataclass(frozen=True)
class Request:
    """One call as it came back: token counts include cached and reasoning ones; `at` is whole seconds UTC."""

    key: str
    at: int
    project: str
    feature: str
    model: str
    reported: str
    status: str
    input: int
    cached: int
    output: int
    reasoning: int


def month_bounds(month: str) -> tuple[int, int]:
    """First second of the month and of the next one, UTC."""
    year, number = (int(part) for part in month.split("-"))
    start = datetime(year, number, 1, tzinfo=UTC)
    end = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return int(start.timestamp()), int(end.timestamp())


def moment_in(rng: random.Random, month: str) -> int:
    """A second of the month, three times as likely between 08:00 and 18:00 UTC as the hours' share."""
    start, end = month_bounds(month)
    days = (end - start) // DAY
    working = rng.random() < 0.7
    second = rng.randint(8 * 3600, 18 * 3600 - 1) if working else rng.randint(0, DAY - 1)
    return start + rng.randint(0, days - 1) * DAY + second


def draw(rng: random.Random, profile: Profile, month: str) -> Request:
    model = rng.choice(profile.models)
    prompt = rng.randint(*profile.input)
    cached = prompt * rng.choice(profile.cached) // 100 // 64 * 64
    output = rng.randint(*profile.output)
    reasoning = output * rng.choice((0, 30, 75)) // 100
    status = "incomplete" if rng.random() < 0.02 else "completed"
    at = moment_in(rng, month)
    feature = rng.choice(profile.features)
    key = f"{rng.getrandbits(80):020x}"
    return Request(key, at, profile.project, feature, model, REPORTED[model], status, prompt, cached, output, reasoning)


def draw_many(rng: random.Random, month: str, count: int, projects: Iterable[str]) -> list[Request]:
    profiles = [BY_PROJECT[project] for project in projects]
    return sorted((draw(rng, rng.choice(profiles), month) for _ in range(count)), key=lambda one: (one.at, one.key))


def edge_requests(rng: random.Random, month: str) -> list[Request]:
    """Each model on both sides of each tier edge, with nothing, some and all of the prompt cached."""
    start, end = month_bounds(month)
    requests = []
    for position, model in enumerate(REPORTED):
        for number, prompt in enumerate(EDGES):
            cached = (0, prompt // 2, prompt)[(position + number) % 3]
            output = 128_000 if prompt == EDGES[-1] else 1_000 + number
            at = (start, end - 1)[number % 2]
            key = f"{rng.getrandbits(80):020x}"
            requests.append(
                Request(key, at, "search", "rank", model, REPORTED[model], "completed", prompt, cached, output, number)
            )
    return requests


def odd_requests(rng: random.Random, month: str) -> list[Request]:
    """Calls that didn't complete: failed without and with usage, cancelled, incomplete, and two still running."""
    plain = draw_many(rng, month, 6, ("support",))
    statuses = ("failed", "failed", "cancelled", "incomplete", "in_progress", "in_progress")
    odd = [replace(one, status=status) for one, status in zip(plain, statuses, strict=True)]
    without = {0, 4, 5}
    return [
        replace(one, input=0, cached=0, output=0, reasoning=0) if number in without else one
        for number, one in enumerate(odd)
    ]
