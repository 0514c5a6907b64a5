"""A stand-in for whoever receives webhooks, on 127.0.0.1: what was posted, and answers as a test wants them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.helpers.server import serving


@dataclass(frozen=True)
class Answer:
    """The answer to a request, after some seconds; without a status the connection just ends."""

    status: int | None = 200
    body: bytes = b"ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0


@dataclass(frozen=True)
class Post:
    """A request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def is_signed_by(self, key: bytes) -> bool:
        """As the Standard Webhooks specification has it, written down a second time."""
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.{self.body.decode()}"
        mac = base64.b64encode(hmac.digest(key, signed.encode(), hashlib.sha256)).decode()
        return self.headers.get("webhook-signature") == f"v1,{mac}"


@dataclass
class Receiver:
    """The posts so far; `answers` are given in turn, then `otherwise` for ever."""

    url: str
    posts: list[Post] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    otherwise: Answer = field(default_factory=Answer)


class Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    def do_POST(self) -> None:
        receiver, length = self.receiver, int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            # The sender died in the middle of its request: nothing was posted.
            self.close_connection = True
            return
        receiver.posts.append(Post(self.path, {name.lower(): text for name, text in self.headers.items()}, body))
        answer = receiver.answers.pop(0) if receiver.answers else receiver.otherwise
        time.sleep(answer.seconds)
        self.close_connection = True
        if answer.status is None:
            return
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Silence: what a test prints is its own."""


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    """The receiver, answering until the block ends."""
    receiver = Receiver("")
    with serving(type("ReceiverHandler", (Handler,), {"receiver": receiver})) as receiver.url:
        yield receiver
