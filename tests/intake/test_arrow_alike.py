"""Record batches are accepted, refused and priced as `ingest` does it with the same records, word for word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pricing.arrow import RESULT_SCHEMA, USAGE_SCHEMA, price_batches
from pricing.catalog import load_rate_cards
from pricing.usage import instant
from tests.conftest import Cli
from tests.helpers.ledgers import CODE, LITE, PRO, rows

HOUR_US = 3_600 * 10**6
AT_US = 1_771_486_674 * 10**6  # 2026-02-19T07:37:54Z
FIRST_US = 1_769_904_000 * 10**6  # 2026-02-01T00:00Z
END_US = 253_402_300_800 * 10**6  # 10000-01-01T00:00Z
TIMES = ("occurred_at", "start", "end")
ACME = """
provider = "acme"
currency = "USD"
per_tokens = 1_000_000

[[model]]
id = "plain"

[[model.price]]
effective_from = 2026-02-01
per_call = "0.01"
cache_storage_per_hour = "0"
tiers = [{ input = "1", cached_input = "0.5", output = "2", cache_write_5m = "3" }]

[[model.price.service]]
names = ["flex"]
tiers = [{ input = "0.5", output = "1" }]
"""

REQUEST: dict[str, Any] = {"occurred_at": AT_US, "requested_model": CODE, "input_tokens": 40_000, "output_tokens": 500}
STORAGE: dict[str, Any] = {
    "kind": "cache_storage", "start": AT_US, "end": AT_US + HOUR_US, "tokens": 7_000_000, "requested_model": CODE
}  # fmt: skip
OF_ACME = REQUEST | {"provider": "acme", "requested_model": "plain"}
COUNTS = ["input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "tool_calls", "calls", "tokens",
          "cache_write_5m_tokens", "cache_write_1h_tokens"]  # fmt: skip
NAMES = ["provider", "source", "requested_model", "reported_model", "project", "service_tier", "status", "kind"]
MOMENTS = [None, -1, 0, FIRST_US - 1, FIRST_US, AT_US + 1, END_US - 86_400 * 10**6, END_US - 1, END_US]
CHANGES = [
    *(base | {name: count} for base in (REQUEST, STORAGE, OF_ACME) for name in COUNTS
      for count in (None, 0, 1, 500, 32_000, 32_001, 256_000, 256_001, -1)),
    *(base | {name: text} for base in (REQUEST, STORAGE, OF_ACME) for name in NAMES
      for text in ("", " ", "plain", LITE, "doubao-seed-2-0-pro-x", "flex", "batch", "volcengine", "a b",
                   "x" * 65, "x" * 201, "a\0", "failed", "queued", "request", "cache_storage", "ärger")),
    *(base | {name: us} for base in (REQUEST, STORAGE, OF_ACME) for name in TIMES for us in MOMENTS),
    *(OF_ACME | {"status": status, "input_tokens": None} for status in ("completed", "incomplete", "failed")),
    *(OF_ACME | {"service_tier": "flex", name: 1} for name in ("calls", "cached_input_tokens", "output_tokens")),
    *(REQUEST | {"tags": tags} for tags in (
        [], [("team", "a")], [("a", None)], [("", "x")], [("k" * 65, "x")], [("a", "v" * 513)], [("a", "\0")],
        [("a", "1"), ("a", "2")], [(str(n), "x") for n in range(65)])),
    *(REQUEST | {"request_id": text} for text in (None, "", " ", "\u3000", "x" * 513, "a\0b", "ä" * 300)),
    REQUEST | {"requested_model": "unheard", "calls": 2, "tool_calls": 3},
    REQUEST | {"requested_model": PRO, "reported_model": CODE},
]  # fmt: skip


def records() -> list[dict[str, Any]]:
    """All of them with an id of their own, unless that is what is wrong."""
    return [{"request_id": f"r{number}"} | change for number, change in enumerate(CHANGES)]


def line_of(record: dict[str, Any]) -> str:
    """The `records` line of a row, with a key that is there twice as often as it is."""
    fields = {name: text_of(value) if name in TIMES else value for name, value in record.items() if value is not None}
    tags: Any = fields.pop("tags", None)
    line = json.dumps(fields)
    if tags is None:
        return line
    return f'{line[:-1]}, "tags": {{{", ".join(f"{json.dumps(key)}: {json.dumps(tag)}" for key, tag in tags)}}}}}'


def text_of(us: int) -> str:
    return "10000-01-01T00:00:00Z" if us == END_US else instant(us).isoformat().replace("+00:00", "Z")


def batch_of(stated: list[dict[str, Any]]) -> Any:
    columns = [pa.array([record.get(field.name) for record in stated], field.type) for field in USAGE_SCHEMA]
    return pa.RecordBatch.from_arrays(columns, schema=USAGE_SCHEMA)


@pytest.mark.parametrize("tool_fees", ["refuse", "unbooked"])
def test_batches_and_lines_have_one_fate(cli: Cli, tmp_path: Path, tool_fees: Any) -> None:
    (tmp_path / "acme.toml").write_text(ACME)
    (tmp_path / "usage.jsonl").write_text("".join(f"{line_of(record)}\n" for record in records()))
    cli("rates", "add", "acme.toml").ok()
    found = cli("ingest", "usage.jsonl", "--tool-fees", tool_fees, "--json").json
    (priced,) = price_batches([batch_of(records())], load_rate_cards("acme.toml"), tool_fees=tool_fees)
    result = priced.select(["request_id", *RESULT_SCHEMA.names]).to_pylist()

    outcomes = [row["outcome"] for row in result]
    assert {name: outcomes.count(name) for name in set(outcomes)} == {
        name: found[name] for name in ("accepted", "rejected", "pending")
    }
    assert len({row["reason"] for row in result}) > 20, outcomes.count("accepted")
    url = f"sqlite:///{tmp_path / 'tollbook.db'}"
    assert [(line, row["reason"], row["message"]) for line, row in enumerate(result, 1) if row["reason"]] == rows(
        url, "SELECT line, reason, message FROM quarantine ORDER BY line"
    )
    names = RESULT_SCHEMA.names[3:]
    columns_of = ["c." + name for name in names] + ["u.request_id"]
    columns_of[names.index("rate_entry")], columns_of[names.index("per_usd_nano")] = "e.key", "v.per_usd_nano"
    columns_of[names.index("conversion_from")] = "v.effective_from"
    booked = rows(
        url,
        f"SELECT {', '.join(columns_of)} FROM charges c JOIN usage_records u ON u.id = c.usage_record_id "
        "JOIN rate_entries e ON e.id = c.rate_entry_id LEFT JOIN conversions v ON v.id = c.conversion_id ORDER BY c.id",
    )
    start = names.index("conversion_from")
    accepted = [[row[name] for name in (*names, "request_id")] for row in result if row["outcome"] == "accepted"]
    for row in accepted:
        row[start] = row[start] and int(row[start].timestamp()) * 10**6
    assert [tuple(row) for row in accepted] == booked


FIGURES: list[object] = [None, "0.5", "1e-3", "-2", "0.25usd", "usd", "", "x", "nan", "1e400", "9" * 20]
OPTIONS: list[tuple[str, ...]] = [
    (),
    ("--tool-fees", "unbooked", "--project", "p", "--tag", "team=z", "--source", "other"),
    ("--provider", "acme", "--service-tier", "flex"),
]
KEPT = """
SELECT line, reason, message, request_id, occurred_at, fields, complete, options FROM quarantine ORDER BY line
"""
BOOKED = "SELECT * FROM usage_records JOIN charges ON charges.usage_record_id = usage_records.id ORDER BY charges.id"


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("coded", [False, True])
def test_a_parquet_file_is_booked_as_its_lines_would_be(
    cli: Cli, tmp_path: Path, options: tuple[str, ...], *, coded: bool
) -> None:
    (tmp_path / "acme.toml").write_text(ACME)
    (tmp_path / "tollbook.toml").write_text('[[project_rule]]\n"tag.team" = "a"\nproject = "ruled"\n')
    more = [REQUEST | {"request_id": f"f{place}", "provider_amount": figure} for place, figure in enumerate(FIGURES)]
    again = [record | {"output_tokens": 501, "tags": [("team", "b"), ("env", "x")]} for record in more[:3]]
    stated = [*records(), *more, *more[:2], *again]
    (tmp_path / "usage.jsonl").write_text("".join(f"{line_of(record)}\n" for record in stated))
    table = pa.Table.from_batches([batch_of(stated)])
    pq.write_table(table, tmp_path / "usage.parquet", row_group_size=37, use_dictionary=coded)
    found = []
    for name in ("usage.jsonl", "usage.parquet"):
        url = f"sqlite:///{tmp_path / name}.db"
        env = {"TOLLBOOK_DB": url}
        cli("rates", "add", "acme.toml", env=env).ok()
        said = cli("ingest", name, *options, "--json", env=env).json
        for key in ("seconds", "records_per_second"):
            del said[key]
        for rejection in said["rejections"]:
            del rejection["file"]
        found.append((said, rows(url, KEPT), rows(url, BOOKED)))
    of_lines, of_rows = found
    for each, other in zip(of_rows, of_lines, strict=True):
        assert each == other
    of_acme = "acme" in options  # which knows none of their models
    assert (of_lines[0]["duplicate"], of_lines[0]["conflict"]) == ((0, 0) if of_acme else (2, 3))


def test_a_rejected_row_is_settled_when_it_is_recorded_after_all(cli: Cli, tmp_path: Path) -> None:
    unheard = [REQUEST | {"request_id": "r1", "requested_model": "plain", "provider": "acme"}]
    pq.write_table(pa.Table.from_batches([batch_of(unheard)]), tmp_path / "usage.parquet")
    outcome = cli("ingest", "usage.parquet", "--json")
    assert (outcome.exit_code, outcome.json["rejected"]) == (3, 1)
    assert cli("ingest", "usage.parquet", "--json").json["rejected"] == 1
    assert rows(f"sqlite:///{tmp_path / 'tollbook.db'}", "SELECT seen, state FROM quarantine") == [(2, "open")]
    (tmp_path / "acme.toml").write_text(ACME)
    cli("rates", "add", "acme.toml").ok()
    cli("ingest", "usage.parquet").ok()
    assert rows(f"sqlite:///{tmp_path / 'tollbook.db'}", "SELECT seen, state FROM quarantine") == [(2, "resolved")]


TWO = [REQUEST | {"request_id": "r1"}, REQUEST | {"request_id": "r2"}]


def _without(name: str) -> Any:
    return pa.Table.from_batches([batch_of(TWO)]).drop_columns([name])


def _with(name: str, column: Any) -> Any:
    return pa.Table.from_batches([batch_of(TWO)]).append_column(name, column)


@pytest.mark.parametrize(
    ("table", "reason", "said"),
    [
        (_without("request_id"), "missing_column", "the header lacks request_id"),
        (_with("prompt", pa.array(["a", "b"])), "unknown_field", "the header names 'prompt'"),
        (_with("tag.team", pa.array(["a", "b"])), "unknown_field", "'tag.team' is a tag's column in CSV"),
        (_with("input_tokens", pa.array([1, 2])), "invalid_column", "column input_tokens is there twice"),
        (_without("source").append_column("source", pa.array([1, 2])), "invalid_column", "column source is int64"),
        (
            _without("occurred_at").append_column("occurred_at", pa.array([1, 2], pa.timestamp("us"))),
            "invalid_column",
            "column occurred_at is timestamp[us]",
        ),
    ],
)
def test_columns_that_can_not_be_read_refuse_the_file(
    cli: Cli, tmp_path: Path, table: Any, reason: str, said: str
) -> None:
    pq.write_table(table, tmp_path / "usage.parquet")
    outcome = cli("ingest", "usage.parquet", "--json")
    [rejection] = outcome.json["rejections"]
    assert (outcome.exit_code, outcome.json["read"], rejection["reason"]) == (3, 1, reason)
    assert said in rejection["message"]


def test_pages_that_cant_be_unpacked_are_a_damaged_file(cli: Cli, tmp_path: Path) -> None:
    """The files after it are read."""
    whole = pa.Table.from_batches([batch_of(TWO)])
    damaged = tmp_path / "a.parquet"
    pq.write_table(whole, damaged)
    data = bytearray(damaged.read_bytes())
    for place in range(4, 200):
        data[place] ^= 0x5A
    damaged.write_bytes(data)
    pq.write_table(whole, tmp_path / "b.parquet")
    outcome = cli("ingest", damaged, tmp_path / "b.parquet", "--json")
    found = [(Path(each["file"]).name, each["reason"]) for each in outcome.json["rejections"]]
    assert (outcome.exit_code, found) == (3, [("a.parquet", "damaged_file")])
    assert outcome.json["accepted"] == len(TWO)


@pytest.mark.parametrize("cut", [4, 100, -100, -9, -1])
def test_a_damaged_file_is_told_in_one_line(cli: Cli, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "usage.parquet"
    pq.write_table(pa.Table.from_batches([batch_of(TWO)]), path)
    path.write_bytes(path.read_bytes()[:cut])
    outcome = cli("ingest", "usage.parquet", "--json")
    [rejection] = outcome.json["rejections"]
    assert (outcome.exit_code, outcome.json["accepted"], rejection["reason"]) == (3, 0, "damaged_file")
    assert "\n" not in rejection["message"]


def test_a_folder_may_hold_lines_and_parquet(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "usage"
    folder.mkdir()
    pq.write_table(pa.Table.from_batches([batch_of(TWO)]), folder / "a.parquet")
    (folder / "b.jsonl").write_text("".join(f"{line_of(record)}\n" for record in TWO))
    said = cli("ingest", "usage", "--json").ok().json
    assert (said["read"], said["accepted"], said["duplicate"]) == (4, 2, 2)
