"""`estimate` of a file of request bodies beside a process that decodes the same lines and counts by tiktoken alone.

The bodies are chats with texts of their own, some hundred tokens each. The peer encodes them in batches on all cores,
as the command does, with the same vocabulary from a cache that it finds filled.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.cases.tokens import CACHE, fill_cache, mixed_text
from benchmarks.runs import alone
from benchmarks.setting import Setting, tollbook
from benchmarks.turns import PEAK, TIME, Case, Goal, Side, Trial
from pricing.estimating.tokens import DEFAULT_ENCODING

BODIES = 100_000
MOST_PEAK_MB = 300
SYSTEM = "You answer questions about token prices in two sentences, and name the page that you have them from."
PEER = f"""
import os, sys, msgspec, tiktoken
class Message(msgspec.Struct):
    content: str
class Body(msgspec.Struct):
    messages: list[Message]
decode = msgspec.json.Decoder(Body).decode
encoding = tiktoken.get_encoding({DEFAULT_ENCODING!r})
count, texts = 0, []
def counted():
    return sum(map(len, encoding.encode_ordinary_batch(texts, num_threads=os.cpu_count())))
for line in open(sys.argv[1], "rb"):
    texts += [message.content for message in decode(line).messages[1:]]
    if len(texts) >= 5_000:
        count += counted()
        texts = []
print(count + counted())
"""


def write_bodies(path: Path, count: int) -> None:
    """Writes chat bodies of some 150 to 450 tokens; the same ones in each run, each with a text of its own."""
    rng = random.Random(20260302)
    paragraphs = [each for each in mixed_text().split("\n\n") if each.strip()]
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            text = f"Question {number}: " + "\n\n".join(rng.choices(paragraphs, k=3))
            messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text[:1_500]}]
            body = {"model": "doubao-seed-2.0-code", "messages": messages, "max_tokens": 800, "temperature": 0.2}
            file.write(json.dumps(body, ensure_ascii=False) + "\n")


@contextmanager
def prepare(setting: Setting) -> Iterator[Trial]:
    """Writes the bodies, and the vocabulary where tiktoken alone looks for it."""
    ours, peer = f"tollbook estimate, {BODIES:,} bodies", f"tiktoken alone, {BODIES:,} bodies"
    estimate = tollbook("estimate", "bodies.jsonl", "--output-tokens", "200", "--json")
    with setting.room() as room:
        write_bodies(room / "bodies.jsonl", BODIES)
        full = room / "full"
        full.mkdir()
        fill_cache(full)
        sides: dict[str, Side] = {
            ours: partial(alone, estimate, room),
            peer: partial(alone, [sys.executable, "-c", PEER, "bodies.jsonl"], room, also={CACHE: str(full)}),
        }
        yield Trial(sides, [Goal(ours, TIME, 1.5, peer), Goal(ours, PEAK, MOST_PEAK_MB)])


CASES = (Case("estimate-many", "request bodies beside decoding and tiktoken alone", prepare),)
