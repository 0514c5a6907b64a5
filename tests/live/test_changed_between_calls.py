"""Cards, months and settings that others change between two calls: the next call is booked by them, never by older."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.audit.verify import verify
from ledger.book.prices import changes, in_force
from ledger.book.settings import rebuild_rollups, set_timezone
from ledger.config import Config
from ledger.errors import DatabaseFailure
from ledger.intake import pipeline
from ledger.intake.application import book_calls
from ledger.intake.calls import read_call
from ledger.store.opening import open_ledger
from pricing.card_file import parse_card
from tests.conftest import Cli
from tests.helpers.ledgers import LITE, PRO, apply_projects, dearer_lite, execute, finish, rows, start, tamper, value
from tests.helpers.sources import AT, lines, record, response, usage

MILLION_IN = usage(input_tokens=1_000, output_tokens=0, output_tokens_details=None, total_tokens=1_000)
# Credits of 1,000 tokens into lite: at its 6 per 1M, at 9, and at three quarters of 6.
LISTED, DEARER, AGREED = "0.006", "0.009", "0.0045"
NEW_MODEL = """
provider = "evolink"
currency = "CRD"
per_tokens = 1_000_000
[[model]]
id = "brand-new"
[[model.price]]
effective_from = 2026-02-01
tiers = [{ input = "9", output = "9" }]
"""
CONTRACT = """
provider = "evolink"
currency = "CRD"
[[contract]]
name = "acme"
effective_from = 2026-02-01
factor = "0.75"
meters = ["input", "output"]
"""
# Books one response to lite as a process of its own does.
OTHER = """
import sys
from ledger import Ledger
usage = {"input_tokens": 1_000, "output_tokens": 0, "total_tokens": 1_000}
print(Ledger(sys.argv[1]).record({"id": sys.argv[2], "object": "response", "model": "doubao-seed-2.0-lite",
                                  "created_at": 1771486674, "status": "completed", "usage": usage}).status)
"""
CHARGED = "SELECT per_usd_nano / 1000000000 FROM charges c JOIN conversions v ON v.id = c.conversion_id ORDER BY c.id"
MONTHS = "SELECT posted_month FROM charges ORDER BY id"


def used(name: str, model: str = LITE, **changes: Any) -> dict[str, Any]:
    return response(name, **{"model": model, "usage": MILLION_IN, **changes})


@pytest.fixture
def book(db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A ledger that has booked twice, so that it remembers what it needs to."""
    monkeypatch.chdir(tmp_path)
    book = Ledger(db_url)
    for name in ("first", "second"):
        assert book.record(used(name)).amount == LISTED
    return book


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time that the cards in force are read."""
    found: list[int] = []

    def counted(*args: Any) -> Any:
        found.append(1)
        return in_force.cards_in_force(*args)

    monkeypatch.setattr(pipeline, "cards_in_force", counted)
    return found


def add_card(cli: Cli, card: str, *options: str) -> None:
    Path("card.toml").write_text(card)
    cli("rates", "add", "card.toml", *options).ok()


# --- prices ---------------------------------------------------------------------------------------------------------


def test_a_card_prices_the_next_call(book: Ledger, db_cli: Cli) -> None:
    assert book.record(used("new", "brand-new")).reason == "unknown_model"
    add_card(db_cli, NEW_MODEL)
    assert book.record(used("new", "brand-new")).amount == DEARER
    add_card(db_cli, dearer_lite("2026-02-10"))
    assert book.record(used("later")).amount == DEARER
    assert book.record(used("earlier", created_at=AT - 12 * 86_400)).amount == LISTED
    db_cli("verify").ok()


def test_a_corrected_card_prices_the_next_call(book: Ledger, db_cli: Cli) -> None:
    add_card(db_cli, dearer_lite("2026-02-01"), "--replace", "--reason", "R")
    assert book.record(used("third")).amount == DEARER
    db_cli("verify").ok()


def test_a_contract_prices_the_next_call(book: Ledger, db_cli: Cli) -> None:
    add_card(db_cli, CONTRACT)
    assert book.record(used("third")).amount == AGREED
    db_cli("verify").ok()


def test_a_conversion_is_the_next_call_s(book: Ledger, db_cli: Cli, db_url: str) -> None:
    def convert(per_usd: int, *options: str) -> None:
        db_cli("rates", "conversion", "add", "--per-usd", per_usd, "--from", "2026-02-02", *options).ok()

    convert(68)
    book.record(used("third"))
    convert(70, "--replace", "--reason", "R")
    book.record(used("fourth"))
    assert rows(db_url, CHARGED) == [(72,), (72,), (68,), (70,)]
    db_cli("verify").ok()


@pytest.mark.parametrize("others", [1, 150])
def test_a_card_counts_among_what_else_others_did(book: Ledger, db_cli: Cli, others: int, db_url: str) -> None:
    with Ledger(db_url) as other:
        for number in range(others // 2):
            other.record(used(f"before-{number}"))
        add_card(db_cli, dearer_lite("2026-02-10"))
        for number in range(others - others // 2):
            assert other.record(used(f"after-{number}")).amount == DEARER
    assert book.record(used("third")).amount == DEARER
    db_cli("verify").ok()


def test_a_writer_s_own_change_counts_for_its_next_booking(db_url: str) -> None:
    database, config = open_ledger(db_url), Config()

    def booked(*names: str) -> list[str | None]:
        labels = dict.fromkeys(("provider", "source", "requested_model", "project", "tags"))
        calls = [read_call([used(name)], **labels) for name in names]
        return [told.amount for [told] in book_calls(database, config, calls)]

    assert booked("first") + booked("second") == [LISTED, LISTED]
    with database.writing() as connection:
        changes.add_card(connection, parse_card(dearer_lite("2026-02-10"), "card.toml"), replace_with_reason=None)
    assert booked("third") == [DEARER]
    rebuild_rollups(database, ("team",))
    assert verify(database).passed
    assert booked("fourth") == [DEARER]


# --- months and settings --------------------------------------------------------------------------------------------


def test_a_month_closed_or_opened_again_counts_for_the_next_call(book: Ledger, db_cli: Cli, db_url: str) -> None:
    book.record(used("march", created_at=AT + 10 * 86_400))
    db_cli("close", "2026-02", "--force", "--reason", "R").ok()
    book.record(used("third"))
    db_cli("reopen", "2026-02", "--reason", "R").ok()
    book.record(used("fourth"))
    assert rows(db_url, MONTHS) == [("2026-02",), ("2026-02",), ("2026-03",), ("2026-03",), ("2026-02",)]
    db_cli("verify").ok()


def test_tags_rolled_up_since_are_those_of_the_next_call(book: Ledger, db_cli: Cli, db_url: str) -> None:
    rebuild_rollups(open_ledger(db_url), ("team",))
    book.record(used("third"), tags={"team": "a"})
    assert {row["tag:team"]: row.requests for row in book.report(by="tag:team")} == {None: 2, "a": 1}
    db_cli("verify").ok()


def test_a_zone_set_before_the_first_charge_cuts_its_month(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    book = Ledger(db_url)
    assert book.record(used("none", "brand-new")).status == "rejected"
    assert book.record(used("neither", "brand-new")).status == "rejected"
    set_timezone(open_ledger(db_url), "Asia/Shanghai")
    book.record(used("late", created_at=1_772_296_200))  # 2026-02-28T16:30:00Z
    assert rows(db_url, MONTHS) == [("2026-03",)]


def test_projects_change_nothing_of_what_is_booked(book: Ledger, db_cli: Cli, db_url: str) -> None:
    apply_projects(db_cli, '[[project]]\nid = "search"\naliases = ["find"]\n')
    assert book.record(used("third"), project="find").amount == LISTED
    assert value(db_url, "SELECT project FROM usage_records WHERE request_id = 'third'") == "find"
    db_cli("verify").ok()


# --- what is remembered ---------------------------------------------------------------------------------------------


def test_cards_are_read_once_while_everybody_only_books(
    book: Ledger, db_cli: Cli, db_url: str, readings: list[int]
) -> None:
    for number in range(5):
        book.record(used(f"r{number}"))
    book.record({"no": "response"})
    book.record(used("r1", created_at=AT + 1))  # a conflict
    code, out, _err = finish(start(OTHER, [db_url, "other"], Path.cwd()))
    assert (code, out) == (0, "accepted\n")
    assert book.record(used("other")).status == "duplicate"
    db_cli("ingest", "-", stdin=lines([record("ingested", requested_model=PRO)])).ok()
    assert len(readings) == 1  # that command's
    db_cli("void", "--id", "ingested", "--reason", "R").ok()
    assert book.record(used("ingested", PRO)).status == "accepted"
    assert len(readings) == 1
    db_cli("rates", "conversion", "add", "--per-usd", 68, "--from", "2026-02-02").ok()
    readings.clear()
    book.record(used("last"))
    assert len(readings) == 1
    db_cli("verify").ok()


def test_nothing_of_a_transaction_that_failed_is_remembered(sqlite_url: str, cli: Cli, tmp_path: Path) -> None:
    """The first call for a project makes roll-up keys, whose ids go to another where it is rolled back."""
    book = Ledger(sqlite_url)
    book.record(used("first"))
    book.record(used("second"))
    execute(
        sqlite_url,
        "CREATE TRIGGER poison BEFORE INSERT ON batches WHEN NEW.id = 3 BEGIN SELECT RAISE(ABORT, 'poison'); END",
    )
    with pytest.raises(DatabaseFailure, match="poison"):
        book.record(used("third"), project="search")
    execute(sqlite_url, "DROP TRIGGER poison")
    with Ledger(sqlite_url) as other:
        other.record(used("third"), project="ads")
    book.record(used("fourth"), project="search")
    spend = {row["project"]: row.credits for row in book.report(by="project")}
    assert spend == {"unassigned": 2 * Decimal(LISTED), "ads": Decimal(LISTED), "search": Decimal(LISTED)}
    cli("verify").ok()


def forget_last_entry(url: str) -> None:
    tamper(url, "DELETE FROM log_entries WHERE id = (SELECT max(id) FROM log_entries)")


def garble_last_entry(url: str) -> None:
    tamper(url, "UPDATE log_entries SET digest = 'x' WHERE id = (SELECT max(id) FROM log_entries)")


@pytest.mark.parametrize("tampering", [forget_last_entry, garble_last_entry])
def test_another_log_than_the_one_remembered_has_all_read_again(
    book: Ledger, db_url: str, readings: list[int], tampering: Callable[[str], None]
) -> None:
    """As where an older copy of the database took its place."""
    tampering(db_url)
    assert book.record(used("third")).amount == LISTED
    assert len(readings) == 1
