"""Files of usage to be priced into a lake, and what is there afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

from tests.conftest import Cli, Outcome
from tests.helpers.ledgers import LITE, PRO, responses
from tests.helpers.sources import chat, lines, record, response

MONTHS = ("2026-02", "2026-03")
OTHER_COUNTS = {"input_tokens": 7, "output_tokens": 7, "total_tokens": 14}
SAME = ("read", "accepted", "duplicate", "conflict", "rejected", "pending", "amounts", "by_project", "rejections")
"""What two runs over the same files print alike."""
CONFIG = """
[[project_rule]]
model = "*lite*"
project = "light"
"""


def write_usage(tmp_path: Path) -> Path:
    """Files of two months, with requests that come again in them and across them, contradictions and odd lines."""
    folder = tmp_path / "usage"
    folder.mkdir()
    (tmp_path / "tollbook.toml").write_text(CONFIG)
    (folder / "a.jsonl").write_text(responses(range(2_000)))
    again = [response("resp_000001", usage=OTHER_COUNTS), response("late", created_at=1_774_000_000)]
    odd = ["nonsense\n", lines([response("unheard", model="unheard-of")]), lines([response("queued", status="queued")])]
    (folder / "b.jsonl").write_text(responses(range(1_990, 2_010)) + lines(again) + "".join(odd))
    request = {"requested_model": LITE, "tags": {"team": "x"}}
    during = {"start": "2026-03-01T10:30:00Z", "end": "2026-03-01T13:00:00Z", "tokens": 7_000_000}
    without = dict.fromkeys(("occurred_at", "input_tokens", "output_tokens"), ...)
    storage = record("s1", kind="cache_storage", requested_model=PRO, **during, **without)
    ours = [record("r1", **request), storage, record("r1", output_tokens=9, **request)]
    (folder / "c.jsonl").write_text(lines([chat("c1"), chat("c1"), *ours]))
    return folder


def price(cli: Cli, usage: object, month: str, *args: object, lake: object = "lake") -> Outcome:
    return cli("lake", "price", "--input", usage, "--output", lake, "--month", month, *args, "--json")


def post(cli: Cli, lake: Path) -> None:
    for manifest in sorted((lake / "manifests").glob("*.json")):
        cli("lake", "post", manifest).ok()


def charged(lake: Path) -> list[dict[str, Any]]:
    files = sorted((lake / "charges").rglob("*.parquet"))
    rows: list[dict[str, Any]] = ds.dataset(files).to_table().to_pylist()
    return rows


def in_order(lake: Path, kind: str) -> list[dict[str, Any]]:
    """The rows of a lake's files of one kind, in an order of their own."""
    rows: list[dict[str, Any]] = ds.dataset(sorted((lake / kind).rglob("*.parquet"))).to_table().to_pylist()
    return sorted(rows, key=str)
