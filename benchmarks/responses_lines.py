"""Responses lines to measure with: `python -m benchmarks.responses_lines COUNT FILE [random]`, always the same.

Four weeks in order of time, four models, 20 projects, all tiers, a fifth of the prompts partly cached; each line with
the reasoning and message items, metadata and caching that a response has, of about 1,050 bytes. Ids are as the vendor
makes them, `resp_02`, epoch milliseconds and hex digits, so that they come in order; random ones are the hard case.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

MODELS = ("pro", "lite", "mini", "code")
MONTH_START = 1_769_904_000  # 2026-02-01T00:00Z
MONTH_SECONDS = 28 * 86_400
IDS = ("vendor", "random")
TEXT = "The change reads well: the parser now stops at the first token it can't place, and says which one. " * 2


def line(at_ms: int, rng: random.Random, ids: str) -> str:
    """One response as the gateway prints it."""
    tokens = rng.choice((400, 3_000, 12_000, 31_000, 40_000, 120_000, 200_000)) + rng.randrange(1_000)
    cached = tokens // 2 if rng.random() < 0.2 else 0
    output = rng.randrange(50, 4_000)
    reasoning = output // 2
    tail = f"{rng.getrandbits(160):040x}"
    model = f"doubao-seed-2-0-{rng.choice(MODELS)}-260215"
    response_id = f"resp_02{at_ms}{tail[:37]}" if ids == "vendor" else f"resp_02177{tail}"
    response = {
        "id": response_id, "object": "response", "created_at": at_ms // 1000, "model": model, "status": "completed",
        "output": [
            {"id": f"rs_{tail[:12]}", "type": "reasoning", "summary": [{"text": TEXT[:80], "type": "summary_text"}],
             "status": "completed"},
            {"id": f"msg_{tail[:12]}", "type": "message", "role": "assistant", "status": "completed",
             "content": [{"type": "output_text", "text": TEXT, "annotations": []}]},
        ],
        "service_tier": "default",
        "usage": {"input_tokens": tokens, "input_tokens_details": {"cached_tokens": cached}, "output_tokens": output,
                  "output_tokens_details": {"reasoning_tokens": reasoning}, "total_tokens": tokens + output},
        "max_output_tokens": 32_768, "caching": {"type": "enabled"}, "store": True,
        "metadata": {"project": f"project-{rng.randrange(20):02d}", "team": rng.choice(("search", "care", "data"))},
        "expire_at": 1_772_323_200, "error": None,
    }  # fmt: skip
    return json.dumps(response, separators=(",", ":"))


def write(count: int, path: Path, *, ids: str = "vendor", month: int = 0) -> None:
    """Write that many lines of the first four weeks, or of later ones, whose ids are others."""
    rng = random.Random(20260201 + month)
    start_ms = (MONTH_START + month * MONTH_SECONDS) * 1000
    with path.open("w") as out:
        for number in range(count):
            out.write(line(start_ms + number * MONTH_SECONDS * 1000 // count, rng, ids) + "\n")


if __name__ == "__main__":
    write(int(sys.argv[1]), Path(sys.argv[2]), ids=sys.argv[3] if len(sys.argv) > 3 else IDS[0])
