"""Cache storage derived from responses with caching enabled: priced by clock hours, flagged, retried as such."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.helpers.ledgers import rows, value
from tests.helpers.sources import lines, response

ASSUME = "--assume-cache-storage"
START = int(datetime(2026, 3, 1, 10, 59, 59, tzinfo=UTC).timestamp())
# 10:59:59 to 12:00:01 touches the clock hours of 10, 11 and 12.
CACHED = response("r1", created_at=START, expire_at=START + 3_602, caching={"type": "enabled"})
CARD = """
provider = "evolink"
currency = "CRD"
per_tokens = 1_000_000
[[model]]
id = "new-model"
[[model.price]]
effective_from = 2026-02-01
cache_storage_per_hour = "0.17"
tiers = [{ input = "1", output = "2" }]
"""


def test_the_input_is_stored_from_creation_to_expiry(db_cli: Cli, db_url: str) -> None:
    found = db_cli("ingest", "-", ASSUME, "--json", stdin=lines([CACHED, response("r2", caching=None)])).ok().json
    assert (found["read"], found["accepted"], found["assumed_cache_storage"]) == (2, 2, {"accepted": 1})
    kept = rows(db_url, "SELECT request_id, storage_tokens, assumed FROM usage_records WHERE kind = 'cache_storage'")
    assert kept == [("r1", 88, 1)]
    # 88 tokens x 3 hours x 0.17 credits per 1M, in nano.
    assert value(db_url, "SELECT sum(cache_storage_nano) FROM charges") == 88 * 3 * 170
    again = db_cli("ingest", "-", ASSUME, "--json", stdin=lines([CACHED])).ok().json
    assert (again["duplicate"], again["assumed_cache_storage"]) == (1, {"duplicate": 1})
    db_cli("verify").ok()


def test_nothing_is_assumed_unasked(cli: Cli, sqlite_url: str) -> None:
    cli("ingest", "-", stdin=lines([CACHED])).ok()
    assert value(sqlite_url, "SELECT count(*) FROM usage_records WHERE kind = 'cache_storage'") == 0


def test_a_retry_after_a_card_was_added_still_says_that_it_is_assumed(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    unknown = response("r1", model="new-model", created_at=START, expire_at=START + 3_602, caching={"type": "enabled"})
    held = db_cli("ingest", "-", ASSUME, "--json", stdin=lines([unknown]))
    assert held.exit_code == 3
    assert (held.json["rejected"], held.json["assumed_cache_storage"]) == (1, {"rejected": 1})
    (tmp_path / "card.toml").write_text(CARD)
    db_cli("rates", "add", str(tmp_path / "card.toml")).ok()
    retried = db_cli("quarantine", "retry", "--json").ok().json
    assert len(retried["recorded"]) == 2
    assert rows(db_url, "SELECT kind, assumed FROM usage_records ORDER BY kind") == [
        ("cache_storage", 1),
        ("request", 0),
    ]
    db_cli("verify").ok()


@pytest.mark.parametrize(
    ("expiry", "hours"),
    [(START + 3_602, 3), (START + 3_602.5, 3), (START + 1, 1), ("2026-03-01T12:00:01Z", 3), (None, 0), (START, 0)],
)
def test_storage_ends_where_the_response_says(cli: Cli, sqlite_url: str, expiry: object, hours: int) -> None:
    cli("ingest", "-", ASSUME, stdin=lines([CACHED | {"expire_at": expiry}])).ok()
    assert value(sqlite_url, "SELECT sum(cache_storage_nano) FROM charges") == 88 * hours * 170


WRONG_TIMES = ["soon", "2026-03-01", True, [], -1, 10**12, "x" * 600]


@pytest.mark.parametrize("expiry", [*WRONG_TIMES, 0, ""], ids=repr)
def test_an_expiry_that_is_no_time_costs_a_request_nothing_where_none_is_asked(cli: Cli, expiry: object) -> None:
    """Nor does it matter who its neighbours are: a file of few ordinary lines is read the general way."""
    lone = CACHED | {"expire_at": expiry}
    assert cli("ingest", "-", "--json", stdin=lines([lone])).ok().json["accepted"] == 1
    others = [{"request": {}, "response": response(f"e{number}")} for number in range(20)]
    assert cli("ingest", "-", "--json", stdin=lines([*others, lone])).ok().json["duplicate"] == 1


@pytest.mark.parametrize("expiry", WRONG_TIMES, ids=repr)
def test_asked_for_storage_whose_end_is_no_time_is_refused_and_stays_so(
    cli: Cli, sqlite_url: str, expiry: object
) -> None:
    found = cli("ingest", "-", ASSUME, "--json", stdin=lines([CACHED | {"expire_at": expiry}]))
    assert (found.exit_code, found.json["rejected"]) == (3, 1)
    assert "expire_at" in found.json["rejections"][0]["message"]
    cli("quarantine", "retry")
    assert value(sqlite_url, "SELECT count(*) FROM usage_records") == 0


def test_expiry_before_creation_is_refused_by_name(cli: Cli, sqlite_url: str) -> None:
    backwards = response("r1", created_at=START, expire_at=START - int(timedelta(hours=1).total_seconds()),
                         caching={"type": "enabled"})  # fmt: skip
    found = cli("ingest", "-", ASSUME, "--json", stdin=lines([backwards]))
    assert found.json["accepted"] + found.json["rejected"] == found.json["read"] == 1
    assert value(sqlite_url, "SELECT count(*) FROM usage_records WHERE kind = 'cache_storage'") == 0
