"""A month priced into a lake and posted is what ingesting the same files makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.helpers.lake_usage import CONFIG, MONTHS, charged, post, price, write_usage
from tests.helpers.ledgers import nano, value
from tests.helpers.sources import API_REFERENCE, lines

Engine = tuple[str, ...]
REPORTS = [
    (
        "report",
        *(f"--by={name}" for name in ("model", "project", "tier", "status", "currency", "service_tier")),
        "--json",
    ),
    ("report", "--by", "day", "--timezone", "Asia/Kathmandu", "--json"),
    *(("export", "chargeback", "--month", month, "--json") for month in MONTHS),
    *(("export", "focus", "--month", month, "--json") for month in MONTHS),
]


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    return write_usage(tmp_path)


def without_names(document: Any) -> Any:
    """Drops what differs between ledgers of the same usage: batches, digests, and what only one's quarantine has."""
    if isinstance(document, dict):
        own = ("batch", "sha256", "not_booked")
        return {key: without_names(each) for key, each in document.items() if key not in own}
    return [without_names(each) for each in document] if isinstance(document, list) else document


def test_the_lake_and_the_book_say_the_same(db_cli: Cli, cli: Cli, usage: Path, tmp_path: Path, engine: Engine) -> None:
    of_book = ("--db", f"sqlite:///{tmp_path / 'book.db'}")
    ingested = cli("ingest", usage, "--json", *of_book).json
    db_cli("db", "init").exit_code  # noqa: B018 - where there is none
    found = [price(db_cli, usage, month, *engine).json for month in MONTHS]
    for name in ("accepted", "duplicate", "conflict"):
        assert sum(each[name] for each in found) == ingested[name], name
    assert ingested["conflict"] == 2
    assert found[0]["rejected"] == ingested["rejected"] == 2
    reasons = [each["reason"] for each in found[0]["rejections"]]
    assert sorted(reasons) == sorted(each["reason"] for each in ingested["rejections"])
    post(db_cli, tmp_path / "lake")
    for asked in REPORTS:
        assert without_names(db_cli(*asked).ok().json) == without_names(cli(*asked, *of_book).ok().json), asked
    db_cli("verify").ok()
    rows = charged(tmp_path / "lake")
    assert sum(row["amount_nano"] for row in rows) == value(of_book[1], "SELECT sum(amount_nano) FROM charges")
    assert len({(row["source"], row["kind"], row["request_id"]) for row in rows}) == len(rows) == ingested["accepted"]


def test_rolled_up_tags_are_in_the_sums(cli: Cli, usage: Path, tmp_path: Path) -> None:
    (tmp_path / "tollbook.toml").write_text(f'[ledger]\nrollup_tags = ["team"]\n{CONFIG}')
    of_book = ("--db", f"sqlite:///{tmp_path / 'book.db'}")
    cli("ingest", usage, *of_book)
    cli("db", "init").ok()
    for month in MONTHS:
        price(cli, usage, month)
    post(cli, tmp_path / "lake")
    asked = ("report", "--by", "day", "--by", "tag:team", "--timezone", "Asia/Kathmandu", "--json")
    found = cli(*asked).ok().json
    assert without_names(found) == without_names(cli(*asked, *of_book).ok().json)
    assert {row["tag:team"] for row in found["rows"]} > {"team-0", "team-1", "x"}


def test_charges_are_those_of_the_book(cli: Cli, usage: Path, tmp_path: Path) -> None:
    of_book = ("--db", f"sqlite:///{tmp_path / 'book.db'}")
    cli("ingest", usage, *of_book)
    cli("db", "init").ok()
    for month in MONTHS:
        price(cli, usage, month)
    booked = cli("export", "charges", "--json", *of_book).ok().json["rows"]
    keys = ("request_id", "kind", "billed_model", "project", "tier", "rate_entry", "occurred_at", "status", "currency")
    of_lines: dict[tuple[Any, ...], dict[str, str]] = {}
    for row in booked:
        of_lines.setdefault(tuple(row[key] for key in keys), {})[row["meter"]] = row["amount"]
    of_rows = {}
    for row in charged(tmp_path / "lake"):
        row["occurred_at"] = f"{row['occurred_at']:%Y-%m-%dT%H:%M:%SZ}"
        meters = ("input", "cached_input", "output", "cache_storage")
        of_rows[tuple(row[key] for key in keys)] = {meter: row[f"{meter}_nano"] for meter in meters}
    assert of_rows.keys() == of_lines.keys()
    for key, amounts in of_lines.items():
        assert {meter: nano(amount) for meter, amount in amounts.items()}.items() <= of_rows[key].items()


def test_storage_that_is_assumed_is_counted_apart(cli: Cli, tmp_path: Path, engine: Engine) -> None:
    cached = [API_REFERENCE | {"id": f"r{number}"} for number in range(3)]
    (tmp_path / "usage.jsonl").write_text(lines([*cached, cached[0]]))
    ingested = cli("ingest", "usage.jsonl", "--assume-cache-storage", "--json", "--db", "book.db").ok().json
    cli("db", "init").ok()
    priced = price(cli, "usage.jsonl", "2026-02", "--assume-cache-storage", *engine)
    assert {name: priced.json[name] for name in ("read", "accepted", "duplicate", "amounts")} == {
        name: ingested[name] for name in ("read", "accepted", "duplicate", "amounts")
    }
    assert "cache storage assumed from responses with caching enabled: 3 accepted, 1 duplicate" in priced.stderr
