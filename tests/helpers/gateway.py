"""A stand-in for the gateway: answers on 127.0.0.1 as the API reference shows, streams included."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Event = tuple[str | None, dict[str, Any]]

REFERENCE: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent.parent / "examples" / "api-reference-response.json").read_text()
)
NUMBERS = itertools.count(1)
WORDS = ("Doubao ", "Seed ", "2.0.")


def response_answer() -> dict[str, Any]:
    """The reference's own response, with an id of its own and a message behind the reasoning."""
    text = {"type": "output_text", "text": "".join(WORDS), "annotations": []}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
    return REFERENCE | {
        "id": f"{REFERENCE['id'][:-6]}{next(NUMBERS):06d}",
        "output": [*REFERENCE["output"], message],
    }


def response_events() -> Iterator[Event]:
    """One Responses stream: counts only in the last event."""
    answer = response_answer()
    reasoning, message = answer["output"]
    begun = answer | {"status": "in_progress", "output": [], "usage": None}
    steps: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": reasoning},
        {"type": "response.output_item.done", "output_index": 0, "item": reasoning},
        {"type": "response.output_item.added", "output_index": 1, "item": message | {"content": []}},
    ]
    place = {"item_id": "msg_1", "output_index": 1, "content_index": 0}
    empty = {"type": "output_text", "text": "", "annotations": []}
    steps.append({"type": "response.content_part.added", **place, "part": empty})
    steps += [{"type": "response.output_text.delta", **place, "delta": word, "logprobs": []} for word in WORDS]
    steps.append({"type": "response.output_text.done", **place, "text": "".join(WORDS), "logprobs": []})
    steps.append({"type": "response.content_part.done", **place, "part": message["content"][0]})
    steps.append({"type": "response.output_item.done", "output_index": 1, "item": message})
    steps.append({"type": "response.completed", "response": answer})
    for number, step in enumerate(steps):
        yield step["type"], step | {"sequence_number": number}


def chat_head(kind: str) -> dict[str, Any]:
    identity = f"chatcmpl-0217714866{next(NUMBERS):06d}"
    return {"id": identity, "object": kind, "created": REFERENCE["created_at"], "model": REFERENCE["model"]}


def chat_usage() -> dict[str, Any]:
    """The reference's counts under the names of Chat Completions."""
    usage = REFERENCE["usage"]
    return {
        "prompt_tokens": usage["input_tokens"],
        "completion_tokens": usage["output_tokens"],
        "total_tokens": usage["total_tokens"],
        "prompt_tokens_details": usage["input_tokens_details"],
        "completion_tokens_details": usage["output_tokens_details"],
    }


def chat_answer() -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(WORDS)}
    choices = [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}]
    return {**chat_head("chat.completion"), "choices": choices, "usage": chat_usage(), "service_tier": "default"}


def chat_chunks(*, with_usage: bool) -> Iterator[Event]:
    head = chat_head("chat.completion.chunk")
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *({"content": word} for word in WORDS)]
    for delta in deltas:
        yield None, {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}], "usage": None}
    yield None, {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None}
    if with_usage:
        yield None, {**head, "choices": [], "usage": chat_usage()}


class Handler(BaseHTTPRequestHandler):
    """POST /v1/responses and /v1/chat/completions, plain or as an event stream."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        is_response = self.path.endswith("/responses")
        if asked.get("stream"):
            wants_usage = (asked.get("stream_options") or {}).get("include_usage", False)
            events = response_events() if is_response else chat_chunks(with_usage=wants_usage)
            self.send(stream_bytes(events, done=not is_response), "text/event-stream")
        else:
            self.send(json.dumps(response_answer() if is_response else chat_answer()).encode(), "application/json")

    def send(self, body: bytes, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Silence: what a test prints is its own."""


def stream_bytes(events: Iterator[Event], *, done: bool) -> bytes:
    parts = [f"event: {name}\n" * (name is not None) + f"data: {json.dumps(data)}\n\n" for name, data in events]
    return ("".join(parts) + "data: [DONE]\n\n" * done).encode()


@contextmanager
def running_gateway() -> Iterator[str]:
    """The base URL that SDKs are given, answered until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
