"""Three months of made-up usage (2026-02 to 2026-04) in the shapes that gateways, SDKs and collectors write.

`python -m examples.generate` writes the same content every time. Names, texts and ids are invented; token counts cover
every prompt tier and both sides of each tier's edge.
"""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import zstandard

from examples import payloads
from examples.workload import CODE, MONTHS, PRO, REPORTED, SEED, Request, draw_many, edge_requests, odd_requests

FEBRUARY, MARCH, APRIL = MONTHS
EVERYBODY = ("search", "support", "ide-assistant", "data-extraction", "contract-review")


def json_lines(values: Iterable[Any]) -> bytes:
    return "".join(payloads.dumps(value) + "\n" for value in values).encode()


def csv_lines(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def json_array(values: Iterable[Any]) -> bytes:
    return ("[\n" + ",\n".join(map(payloads.dumps, values)) + "\n]\n").encode()


def response_stream(requests: Iterable[Request]) -> bytes:
    events = (event for one in requests for event in payloads.response_events(one))
    return "".join(f"event: {name}\ndata: {payloads.dumps(data)}\n\n" for name, data in events).encode()


def chat_stream(requests: Iterable[Request]) -> bytes:
    streams = []
    for number, one in enumerate(requests):
        chunks = payloads.chat_chunks(one, cumulative=number % 2 == 1)
        streams.append("".join(f"data: {payloads.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n")
    return "".join(streams).encode()


def gz(data: bytes) -> bytes:
    return gzip.compress(data, compresslevel=9, mtime=0)


def zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=10).compress(data)


def draws(name: str, month: str, count: int, projects: Iterable[str] = EVERYBODY) -> list[Request]:
    """That many requests of a month; each file draws from a stream of its own, so adding one changes no other."""
    return draw_many(random.Random(f"{SEED}/{name}/{month}"), month, count, projects)


def misrouted(requests: list[Request]) -> list[Request]:
    """Every tenth request for pro answered by code, as the API reference's own example shows."""
    pro = [one for one in requests if one.model == PRO][::10]
    return [replace(one, reported=REPORTED[CODE]) if one in pro else one for one in requests]


def envelopes(name: str, month: str, count: int) -> bytes:
    rng = random.Random(f"{SEED}/{name}/places")
    return json_lines(payloads.envelope(rng, one) for one in misrouted(draws(name, month, count)))


def storage(name: str, months: Iterable[str], count: int) -> bytes:
    rng = random.Random(f"{SEED}/{name}/ends")
    requests = [one for month in months for one in draws(name, month, count, ("ide-assistant", "support"))]
    return json_lines(payloads.storage_record(rng, one) for one in requests)


def usage_files() -> dict[str, bytes]:
    """The whole of three months, by file name."""
    february = draws("responses", FEBRUARY, 420)
    february += edge_requests(random.Random(f"{SEED}/edges"), FEBRUARY)
    march = draws("responses", MARCH, 500) + odd_requests(random.Random(f"{SEED}/odd"), MARCH)
    april = march[-5:] + draws("responses", APRIL, 500)  # the log was cut with five lines twice
    chats = [draws("chat", month, 250, ("search", "support", "ide-assistant")) for month in (MARCH, APRIL)]
    spans = draws("spans", MARCH, 200, ("search", "support"))
    return {
        "responses-2026-02.jsonl": json_lines(map(payloads.response, february)),
        "responses-2026-03.jsonl.gz": gz(json_lines(map(payloads.response, march))),
        "responses-2026-04.jsonl.zst": zst(json_lines(map(payloads.response, april))),
        "responses-archive.json": json_array(map(payloads.response, draws("archive", MARCH, 40))),
        "responses-stream.sse": response_stream(draws("responses-stream", FEBRUARY, 15)),
        "chat-2026-03.jsonl": json_lines(map(payloads.chat, chats[0])),
        "chat-2026-04.jsonl.gz": gz(json_lines(map(payloads.chat, chats[1]))),
        "chat-stream.sse": chat_stream(draws("chat-stream", APRIL, 15)),
        "envelopes-2026-02.jsonl": envelopes("envelopes", FEBRUARY, 200),
        "records-2026-04.csv": csv_lines(
            list(map(payloads.record, draws("records", APRIL, 250, ("data-extraction",))))
        ),
        "spans-2026-03.otlp.jsonl": json_lines(payloads.otlp_lines(spans)),
        "cache-storage.jsonl": storage("cache-storage", MONTHS, 20),
    }


def demo_files() -> dict[str, bytes]:
    """A small part in several formats, which travels with the package for `tollbook demo`."""
    february, march = draws("demo-responses", FEBRUARY, 150), draws("demo-chat", MARCH, 130)
    return {
        "responses-2026-02.jsonl": json_lines(map(payloads.response, february)),
        "responses-stream-2026-02.sse": response_stream(draws("demo-stream", FEBRUARY, 5)),
        "chat-2026-03.jsonl.gz": gz(json_lines(map(payloads.chat, march))),
        "envelopes-2026-04.jsonl": envelopes("demo-envelopes", APRIL, 80),
        "records-2026-04.csv": csv_lines(
            list(map(payloads.record, draws("demo-records", APRIL, 60, ("data-extraction",))))
        ),
        "cache-storage.jsonl": storage("demo-storage", MONTHS, 5),
    }


FOLDERS: dict[str, Callable[[], dict[str, bytes]]] = {"usage": usage_files, "demo": demo_files}


def main() -> None:
    here = Path(__file__).parent
    for folder, build in FOLDERS.items():
        (here / folder).mkdir(exist_ok=True)
        for name, data in build().items():
            (here / folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
