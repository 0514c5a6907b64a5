"""The examples, worked out from the raw files with `decimal` alone and compared with what the ledger reports.

Nothing here imports `pricing` or `ledger`: prices, tiers and formats are written down a second time on purpose.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest
import zstandard

from examples.generate import FOLDERS
from tests.conftest import ROOT, Cli

EXAMPLES = ROOT / "examples"
USAGE = sorted((EXAMPLES / "usage").iterdir())
DEMO = sorted((EXAMPLES / "demo").iterdir())
REFERENCE = EXAMPLES / "api-reference-response.json"

# Credits per 1M tokens: (longest prompt, input, cached input, output).
PRO_TIERS = [(32_000, "32", "6.4", "160"), (128_000, "48", "6.4", "240"), (256_000, "96", "6.4", "480")]
TIERS = {
    "doubao-seed-2.0-pro": PRO_TIERS,
    "doubao-seed-2.0-code": PRO_TIERS,
    "doubao-seed-2.0-lite": [(32_000, "6", "1.2", "36"), (128_000, "9", "1.2", "54"), (256_000, "18", "1.2", "108")],
    "doubao-seed-2.0-mini": [(32_000, "2", "0.4", "20"), (128_000, "4", "0.4", "40"), (256_000, "8", "0.4", "80")],
}
STORAGE = Decimal("0.17")
CREDITS_PER_USD = 72
EDGES = {1, 31_999, 32_000, 32_001, 127_999, 128_000, 128_001, 255_999, 256_000}


@dataclass(frozen=True)
class Fact:
    """One request, or one stretch of cache storage, as a file states it."""

    request_id: str
    model: str
    project: str
    at: datetime
    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    stored: int = 0
    hours: int = 0


# --- reading the raw files ------------------------------------------------------------------------------------------


def plain_bytes(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(data)
    return zstandard.decompress(data) if path.suffix == ".zst" else data


def billed_model(reported: str) -> str:
    """The product name behind an id such as doubao-seed-2-0-code-preview-260215."""
    [name] = [model for model in TIERS if reported.startswith(model.replace(".", "-"))]
    return name


def second(epoch: int) -> datetime:
    return datetime.fromisoformat("1970-01-01T00:00:00+00:00") + timedelta(seconds=epoch)


def response_fact(answer: dict[str, Any], model: str | None = None, project: str | None = None) -> Fact:
    usage = answer["usage"] or {"input_tokens": 0, "output_tokens": 0}
    return Fact(
        answer["id"],
        model or billed_model(answer["model"]),
        project or answer.get("metadata", {}).get("project", "unassigned"),
        second(answer["created_at"]),
        usage["input_tokens"],
        usage.get("input_tokens_details", {}).get("cached_tokens", 0),
        usage["output_tokens"],
        usage.get("output_tokens_details", {}).get("reasoning_tokens", 0),
    )


def chat_fact(answer: dict[str, Any], model: str | None = None, project: str | None = None) -> Fact:
    usage = answer["usage"]
    return Fact(
        answer["id"],
        model or billed_model(answer["model"]),
        project or answer.get("metadata", {}).get("project", "unassigned"),
        second(answer["created"]),
        usage["prompt_tokens"],
        usage["prompt_tokens_details"]["cached_tokens"],
        usage["completion_tokens"],
        usage["completion_tokens_details"]["reasoning_tokens"],
    )


def read_responses(text: str) -> Iterator[Fact]:
    values = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    yield from (response_fact(value) for value in values if value["status"] != "in_progress")


def read_chat(text: str) -> Iterator[Fact]:
    yield from (chat_fact(json.loads(line)) for line in text.splitlines())


def read_response_stream(text: str) -> Iterator[Fact]:
    for event in text.strip().split("\n\n"):
        name, data = (line.partition(": ")[2] for line in event.split("\n"))
        if name in ("response.completed", "response.incomplete"):
            yield response_fact(json.loads(data)["response"])


def read_chat_stream(text: str) -> Iterator[Fact]:
    for stream in text.split("data: [DONE]\n\n")[:-1]:
        yield chat_fact(json.loads(stream.strip().split("\n\n")[-1].removeprefix("data: ")))


def read_envelopes(text: str) -> Iterator[Fact]:
    for line in text.splitlines():
        envelope = json.loads(line)
        asked, answer = envelope["request"], envelope["response"]
        places = (envelope, answer.get("metadata", {}), asked.get("metadata", {}))
        project = next(place["project"] for place in places if "project" in place)
        yield (response_fact if answer["object"] == "response" else chat_fact)(answer, asked["model"], project)


def read_records(text: str) -> Iterator[Fact]:
    for row in csv.DictReader(io.StringIO(text)):
        counts = [int(row[f"{name}_tokens"]) for name in ("input", "cached_input", "output", "reasoning")]
        at = datetime.fromisoformat(row["occurred_at"])
        yield Fact(row["request_id"], row["requested_model"], row["project"], at, *counts)


def clock_hours(start: datetime, end: datetime) -> int:
    """Clock hours of which at least an instant lies in [start, end), counted one by one."""
    hour, hours = start.replace(minute=0, second=0, microsecond=0), 0
    while hour < end:
        hour, hours = hour + timedelta(hours=1), hours + 1
    return hours


def read_storage(text: str) -> Iterator[Fact]:
    for line in text.splitlines():
        row = json.loads(line)
        start, end = datetime.fromisoformat(row["start"]), datetime.fromisoformat(row["end"])
        stored = {"stored": row["tokens"], "hours": clock_hours(start, end)}
        yield Fact(row["request_id"], row["requested_model"], row["project"], start, **stored)


def read_spans(text: str) -> Iterator[Fact]:
    for line in text.splitlines():
        for resource in json.loads(line)["resourceSpans"]:
            for span in resource["scopeSpans"][0]["spans"]:
                values = {item["key"]: next(iter(item["value"].values())) for item in span["attributes"]}
                if values["gen_ai.operation.name"] == "chat":
                    yield span_fact(values, second(int(span["endTimeUnixNano"]) // 10**9))


def span_fact(values: dict[str, str], at: datetime) -> Fact:
    names = ("input", "cache_read.input", "output", "reasoning.output")
    counts = [int(values[f"gen_ai.usage.{name}_tokens"]) for name in names]
    return Fact(values["gen_ai.response.id"], values["gen_ai.request.model"], "unassigned", at, *counts)


READERS: dict[str, Callable[[str], Iterable[Fact]]] = {
    "api-reference-response": lambda text: [response_fact(json.loads(text))],
    "cache-storage": read_storage,
    "chat-stream": read_chat_stream,
    "chat": read_chat,
    "envelopes": read_envelopes,
    "records": read_records,
    "responses-stream": read_response_stream,
    "responses": read_responses,
    "spans": read_spans,
}


def facts_in(path: Path) -> list[Fact]:
    reader = next(reader for start, reader in READERS.items() if path.name.startswith(start))
    return list(reader(plain_bytes(path).decode()))


def facts_of(paths: Iterable[Path]) -> list[Fact]:
    """Every request once, however often it stands in the files."""
    return list({(fact.stored > 0, fact.request_id): fact for path in paths for fact in facts_in(path)}.values())


# --- pricing them ---------------------------------------------------------------------------------------------------


def tier_of(fact: Fact) -> tuple[Decimal, Decimal, Decimal]:
    tier = next(tier for tier in TIERS[fact.model] if fact.input <= tier[0])
    return Decimal(tier[1]), Decimal(tier[2]), Decimal(tier[3])


def expected_rows(facts: Iterable[Fact]) -> dict[tuple[str, str], dict[str, Decimal]]:
    """Sums by model and project; money in credits, savings still in credits too."""
    rows: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for fact in facts:
        row, (input_rate, cached_rate, output_rate) = rows[fact.model, fact.project], tier_of(fact)
        row["requests"] += 0 if fact.stored else 1
        row["input_tokens"] += fact.input
        row["cached_input_tokens"] += fact.cached
        row["output_tokens"] += fact.output
        row["reasoning_tokens"] += fact.reasoning
        row["input_credits"] += (fact.input - fact.cached) * input_rate / 1_000_000
        row["cached_input_credits"] += fact.cached * cached_rate / 1_000_000
        row["output_credits"] += fact.output * output_rate / 1_000_000
        row["cache_storage_credits"] += fact.stored * fact.hours * STORAGE / 1_000_000
        row["saved"] += fact.cached * (input_rate - cached_rate) / 1_000_000
    return rows


def in_usd(credits: Decimal) -> Decimal:
    with localcontext(prec=60):
        return (credits / CREDITS_PER_USD).quantize(Decimal("0.000000001"), ROUND_HALF_EVEN)


def finished(row: dict[str, Decimal]) -> dict[str, Decimal]:
    """The row with its totals, as a report prints them."""
    meters = ("input", "cached_input", "output", "cache_storage")
    credits = sum((row[f"{meter}_credits"] for meter in meters), Decimal())
    figures = {name: value for name, value in row.items() if name != "saved"}
    return figures | {"credits": credits, "usd": in_usd(credits), "cache_savings_usd": in_usd(row["saved"])}


def added_up(rows: Iterable[dict[str, Decimal]]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        for name, value in row.items():
            total[name] += value
    return total


def figures(row: dict[str, Any]) -> dict[str, Decimal]:
    return {name: Decimal(value) for name, value in row.items() if name not in ("model", "project")}


# --- the tests ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_generator_writes_the_committed_files(folder: str) -> None:
    committed = {path.name: path for path in (EXAMPLES / folder).iterdir()}
    built = FOLDERS[folder]()
    assert sorted(built) == sorted(committed)
    for name, data in built.items():
        # Compressors may pack the same content differently from one release to the next.
        packed = name.endswith((".gz", ".zst"))
        assert packed or data == committed[name].read_bytes(), name
        if packed:
            unpack = gzip.decompress if name.endswith(".gz") else zstandard.decompress
            assert unpack(data) == plain_bytes(committed[name]), name


def test_the_examples_cover_every_model_tier_edge_and_month() -> None:
    facts = facts_of(USAGE)
    assert len(facts) > 2_500
    for model in TIERS:
        assert {fact.input for fact in facts if fact.model == model} >= EDGES
    assert {(fact.at.year, fact.at.month) for fact in facts} == {(2026, 2), (2026, 3), (2026, 4)}
    assert {fact.project for fact in facts} >= {"search", "support", "ide-assistant", "data-extraction", "unassigned"}


def test_the_examples_hold_failed_cancelled_and_incomplete_requests() -> None:
    path = EXAMPLES / "usage" / "responses-2026-03.jsonl.gz"
    answers = [json.loads(line) for line in plain_bytes(path).splitlines()]
    assert {answer["status"] for answer in answers} == {
        "completed",
        "incomplete",
        "failed",
        "cancelled",
        "in_progress",
    }
    assert {answer["usage"] is None for answer in answers if answer["status"] == "failed"} == {True, False}


@pytest.mark.parametrize("paths", [[*USAGE, REFERENCE], DEMO], ids=["usage", "demo"])
def test_reported_credits_and_usd_are_those_of_the_raw_files(db_cli: Cli, paths: list[Path]) -> None:
    facts = facts_of(paths)
    rows = expected_rows(facts)
    ingested = db_cli("ingest", *paths, "--json").ok().json
    assert (ingested["accepted"], ingested["conflict"], ingested["rejected"]) == (len(facts), 0, 0)
    report = db_cli("report", "--by", "model", "--by", "project", "--json").ok().json
    reported = {(row["model"], row["project"]): figures(row) for row in report["rows"]}
    assert reported == {key: finished(row) for key, row in rows.items()}
    total = finished(added_up(rows.values()))
    assert figures(report["total"]) == total
    assert Decimal(ingested["credits"]) == total["credits"]
    assert Decimal(ingested["usd"]) == total["usd"]


def test_lines_that_came_twice_or_are_still_running_are_counted_and_not_charged(db_cli: Cli) -> None:
    months = [EXAMPLES / "usage" / name for name in ("responses-2026-03.jsonl.gz", "responses-2026-04.jsonl.zst")]
    ingested = db_cli("ingest", *months, "--json").ok().json
    lines = sum(len(plain_bytes(path).splitlines()) for path in months)
    seen_twice = [json.loads(line)["status"] for line in plain_bytes(months[1]).splitlines()[:5]]
    assert ingested["read"] == lines
    assert ingested["pending"] == 2 + seen_twice.count("in_progress")
    assert ingested["duplicate"] == 5 - seen_twice.count("in_progress")
    assert ingested["accepted"] == lines - ingested["pending"] - ingested["duplicate"]


def test_the_whole_of_the_examples_again_changes_nothing(db_cli: Cli) -> None:
    db_cli("ingest", *USAGE).ok()
    before = db_cli("report", "--by", "model", "--by", "project", "--json").ok().json
    again = db_cli("ingest", *USAGE, "--json").ok().json
    assert again["accepted"] == 0
    assert db_cli("report", "--by", "model", "--by", "project", "--json").ok().json == before
