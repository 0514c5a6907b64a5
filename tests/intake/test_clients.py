"""Real clients against a local server that answers as the API reference shows; docs/applications.md's code runs."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.conftest import ROOT, Cli, command_environment
from tests.helpers.gateway import WORDS, running_gateway
from tests.helpers.pages import APPLICATIONS, code_under

# One answer of the gateway (tests/gateway.py): the API reference's own counts.
INPUT, OUTPUT, REASONING = 88, 230, 211
PRO, CODE, LITE, MINI = (f"doubao-seed-2.0-{name}" for name in ("pro", "code", "lite", "mini"))
QUESTION: Any = [{"role": "user", "content": "Where is my parcel?"}]
# Nano-credits of one answer on the first tier: tokens × credits per 1M × 1,000.
ANSWER_NANO = {
    PRO: INPUT * 32_000 + OUTPUT * 160_000,
    CODE: INPUT * 32_000 + OUTPUT * 160_000,
    LITE: INPUT * 6_000 + OUTPUT * 36_000,
    MINI: INPUT * 2_000 + OUTPUT * 20_000,
}


@pytest.fixture
def gateway_url() -> Iterator[str]:
    with running_gateway() as url:
        yield url


@pytest.fixture
def client(gateway_url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=gateway_url, api_key="none") as client:
        yield client


def spent(cli: Cli, *args: str) -> dict[tuple[str, str], tuple[int, int, int, int, int]]:
    """(requests, input, output, reasoning tokens, nano-credits) by project and model."""
    report = cli("report", "--by", "project", "--by", "model", "--json", *args).ok().json
    counts = ("requests", "input_tokens", "output_tokens", "reasoning_tokens")
    return {
        (row["project"], row["model"]): (*(row[name] for name in counts), in_nano(row["credits"]))
        for row in report["rows"]
    }


def in_nano(credits: str) -> int:
    whole, _point, decimals = credits.partition(".")
    return int(whole) * 10**9 + int(decimals.ljust(9, "0"))


def answers(model: str, count: int) -> tuple[int, int, int, int, int]:
    return count, count * INPUT, count * OUTPUT, count * REASONING, count * ANSWER_NANO[model]


# --- what the SDK writes goes in as it stands -----------------------------------------------------------------------


def test_the_sdks_json_of_responses_and_chat_completions_goes_in(client: OpenAI, db_cli: Cli) -> None:
    response = client.responses.create(model=PRO, input="Hello")
    completion = client.chat.completions.create(model=PRO, messages=QUESTION)
    lines = f"{response.model_dump_json()}\n{completion.model_dump_json()}\n"
    ingested = db_cli("ingest", "-", "--project", "support", "--json", stdin=lines).ok().json
    assert (ingested["read"], ingested["accepted"]) == (2, 2)
    # Asked for pro; the lines alone only know that code answered.
    assert spent(db_cli) == {("support", CODE): answers(CODE, 2)}


def test_the_event_streams_that_came_over_the_wire_go_in(client: OpenAI, db_cli: Cli, tmp_path: Path) -> None:
    asked_for_usage: Any = {"include_usage": True}
    with client.responses.with_streaming_response.create(model=PRO, input="Hello", stream=True) as stream:
        (tmp_path / "responses.sse").write_bytes(stream.read())
    with client.chat.completions.with_streaming_response.create(
        model=PRO, messages=QUESTION, stream=True, stream_options=asked_for_usage
    ) as stream:
        (tmp_path / "chat.sse").write_bytes(stream.read())
    db_cli("ingest", "responses.sse", "chat.sse", "--project", "support").ok()
    assert spent(db_cli) == {("support", CODE): answers(CODE, 2)}


def test_a_chat_stream_that_was_not_asked_for_usage_is_rejected(client: OpenAI, cli: Cli, tmp_path: Path) -> None:
    with client.chat.completions.with_streaming_response.create(model=PRO, messages=QUESTION, stream=True) as stream:
        (tmp_path / "chat.sse").write_bytes(stream.read())
    outcome = cli("ingest", "chat.sse", "--json")
    assert outcome.exit_code == 3
    assert (outcome.json["accepted"], outcome.json["rejected"]) == (0, 1)


# --- recording from a running application ---------------------------------------------------------------------------


def test_recorded_responses_are_booked_once_under_the_requested_model(client: OpenAI, cli: Cli, db_url: str) -> None:
    from ledger import Ledger

    book = Ledger(db_url)
    response = client.responses.create(model=PRO, input="Hello")
    for _ in range(2):
        book.record(response, requested_model=PRO, project="support", tags={"team": "care"})
    assert spent(cli, "--db", db_url) == {("support", PRO): answers(PRO, 1)}


def test_a_response_is_recorded_alike_as_object_dict_and_usage_record(client: OpenAI, cli: Cli, db_url: str) -> None:
    from ledger import Ledger, usage_record

    book = Ledger(db_url)
    response = client.responses.create(model=LITE, input="Hello")
    line = json.dumps(usage_record(response, requested_model=LITE, project="support"))
    book.record(response, requested_model=LITE, project="support")
    book.record(response.model_dump(), requested_model=LITE, project="support")
    ingested = cli("ingest", "-", "--db", db_url, "--json", stdin=line + "\n").ok().json
    assert (ingested["accepted"], ingested["duplicate"], ingested["conflict"]) == (0, 1, 0)
    assert spent(cli, "--db", db_url) == {("support", LITE): answers(LITE, 1)}


def test_a_usage_record_holds_nothing_that_was_asked_or_answered(client: OpenAI) -> None:
    from ledger import usage_record

    completion = client.chat.completions.create(model=PRO, messages=QUESTION)
    text = json.dumps(usage_record(completion, requested_model=PRO, project="support"))
    assert not [word for word in (*WORDS, QUESTION[0]["content"]) if word.strip() in text]


def test_many_tasks_at_once_lose_and_double_nothing(gateway_url: str, cli: Cli, db_url: str) -> None:
    from ledger import Ledger

    book = Ledger(db_url)

    async def ask(client: AsyncOpenAI) -> None:
        response = await client.responses.create(model=MINI, input="Hello")
        await asyncio.gather(*(asyncio.to_thread(book.record, response, requested_model=MINI) for _ in range(2)))

    async def main() -> None:
        async with AsyncOpenAI(base_url=gateway_url, api_key="none") as client:
            await asyncio.gather(*(ask(client) for _ in range(8)))

    asyncio.run(main())
    assert spent(cli, "--db", db_url) == {("unassigned", MINI): answers(MINI, 8)}


# --- the page's code --------------------------------------------------------------------------------------------------


def run_code(code: str, folder: Path, gateway_url: str) -> str:
    """Run as a program of its own in that folder, warnings being errors; what it printed."""
    environment = {"OPENAI_BASE_URL": gateway_url, "OPENAI_API_KEY": "none", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=command_environment(environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("heading", "spending"),
    [
        ("OpenAI SDK, plain", {("support", PRO): answers(PRO, 2)}),
        ("OpenAI SDK, streamed", {("ide-assistant", CODE): answers(CODE, 2)}),
        ("OpenAI SDK, async", {("search", MINI): answers(MINI, 3)}),
    ],
)
def test_page_code_books_what_the_sdk_received(
    heading: str,
    spending: dict[tuple[str, str], tuple[int, ...]],
    sqlite_url: str,
    gateway_url: str,
    cli: Cli,
    tmp_path: Path,
) -> None:
    run_code(code_under(APPLICATIONS, heading), tmp_path, gateway_url)
    assert spent(cli, "--db", sqlite_url) == spending


def test_page_code_without_a_database_writes_lines_to_ingest(gateway_url: str, cli: Cli, tmp_path: Path) -> None:
    heading = "A file instead of a database"
    for _ in range(2):
        run_code(code_under(APPLICATIONS, heading), tmp_path, gateway_url)
    assert [path.name for path in tmp_path.iterdir()] == ["usage.jsonl"]
    [command] = code_under(APPLICATIONS, heading, "sh").splitlines()
    cli(*command.split()[1:]).ok()
    assert spent(cli) == {("data-extraction", LITE): answers(LITE, 2)}


@pytest.mark.skipif(
    importlib.util.find_spec("litellm") is None,
    reason="litellm is not installed: it asks for an older openai, so .ci/run tests it in an environment of its own",
)
def test_page_code_books_what_litellm_received(sqlite_url: str, gateway_url: str, cli: Cli, tmp_path: Path) -> None:
    more = f"""
import time

asked = {{"messages": [{{"role": "user", "content": "Red shoes?"}}], "metadata": {{"project": "search"}}}}
for options in ({{}}, {{"stream_options": {{"include_usage": True}}}}):
    list(litellm.completion(model="openai/{MINI}", stream=True, **options, **asked))


async def main():
    await litellm.acompletion(model="openai/{LITE}", **asked)
    await asyncio.sleep(3)  # LiteLLM calls back from tasks and threads of its own


asyncio.run(main())
"""
    run_code(f"{code_under(APPLICATIONS, 'LiteLLM')}\n{more}", tmp_path, gateway_url)
    assert spent(cli, "--db", sqlite_url) == {
        ("support", PRO): answers(PRO, 1),
        ("search", MINI): answers(MINI, 1),  # the stream without usage was refused
        ("search", LITE): answers(LITE, 1),
    }


def test_page_rule_names_the_project_of_a_collectors_spans(cli: Cli, tmp_path: Path) -> None:
    heading = "An OpenTelemetry collector"
    rule = code_under(APPLICATIONS, heading, "toml")
    assert 'project = "search"' in rule
    (tmp_path / "tollbook.toml").write_text(rule)
    spans = (ROOT / "examples" / "usage" / "spans-2026-03.otlp.jsonl").read_text()
    (tmp_path / "spans.otlp.jsonl").write_text(spans.replace('"stringValue":"search"', '"stringValue":"search-api"'))
    [command] = code_under(APPLICATIONS, heading, "sh").splitlines()
    cli(*command.split()[1:]).ok()
    assert {project for project, _model in spent(cli)} == {"search", "unassigned"}
