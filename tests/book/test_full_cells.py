"""Sums past 64 bits: records that a roll-up has no room for are refused by name, and nothing accepted stops later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from tests.conftest import Cli, Outcome
from tests.helpers.ledgers import CODE, counts, nano, rows, tamper, value
from tests.helpers.sources import AT, lines, record, response, usage

MOST = 2**63 - 1
FREE = "free-model"
# No bound, no price: any count can be recorded. `dear` costs 1 USD a token, `stored` is charged for storage alone.
CARD = """
provider = "own"
currency = "USD"
per_tokens = 1
[[model]]
id = "free-model"
[[model.price]]
effective_from = 2026-01-01
cache_storage_per_hour = "0"
tiers = [{ input = "0", output = "0" }]
[[model]]
id = "dear-model"
[[model.price]]
effective_from = 2026-01-01
tiers = [{ input = "1", output = "1" }]
"""
DAY = "2026-02-19"


@pytest.fixture
def book(db_cli: Cli) -> Cli:
    Path("card.toml").write_text(CARD)
    db_cli("rates", "add", "card.toml").ok()
    return db_cli


def used(number: int, tokens: int, **changes: Any) -> dict[str, Any]:
    """A record of `tokens` input tokens that cost nothing."""
    made = record(f"r{number}", requested_model=FREE, provider="own", input_tokens=tokens, output_tokens=0)
    return made | {"project": "search"} | changes


def stored(number: int, tokens: int, hours: int = 1) -> dict[str, Any]:
    times = {"start": AT - AT % 3_600, "end": AT - AT % 3_600 + hours * 3_600}
    made = record(f"s{number}", occurred_at=..., input_tokens=..., output_tokens=..., requested_model=FREE)
    return made | times | {"kind": "cache_storage", "provider": "own", "tokens": tokens, "project": "search"}


def ingest(cli: Cli, *records: object, options: tuple[str, ...] = ()) -> Outcome:
    return cli("ingest", "-", *options, "--json", stdin=lines(records))


def adjust(cli: Cli, amount: str, reference: str, project: str = "search") -> Outcome:
    named = ("--project", project, "--month", "2026-02", "--reason", "R", "--reference", reference)
    return cli("adjust", "--amount", amount, *named, "--json")


def reported(cli: Cli, *options: str) -> Any:
    return cli("report", *options, "--json").ok().json["total"]


def close(cli: Cli) -> None:
    cli("close", "--through", "2026-02", "--force", "--reason", "R").ok()


def assert_all_commands_read_it(cli: Cli) -> None:
    """Whatever adds the ledger up goes through, roll-ups worked out anew by other tags too."""
    for grouping in ("--tag", "--none"):
        cli("db", "rollups", *(("--tag", "team") if grouping == "--tag" else ("--none",))).ok()
        cli("verify").ok()
    cli("verify", "--month", "2026-02").ok()
    for options in (["--by", "day"], ["--by", "day", "--timezone", "Asia/Kathmandu"], ["--by", "tag:team"]):
        for form in ("table", "json", "csv", "markdown"):
            cli("report", *options, "--format", form).ok()
        cli("report", *options, "-o", "report.xlsx").ok()
    cli("status", "--json").ok()
    cli("batches", "--json").ok()
    for file in ("charges.xlsx", "charges.parquet"):
        cli("export", "charges", "--month", "2026-02", "-o", file).ok()
    cli("workload", "pull", "--since", "2026-02-01", "--until", "2026-03-01", "--json").ok()
    close(cli)
    for file in ("chargeback.csv", "chargeback.xlsx", "focus.csv", "focus.parquet"):
        cli("export", file.split(".")[0], "--month", "2026-02", "-o", file).ok()
    cli("verify").ok()


# --- adjustments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("billions", [(4, 4, -4), (-4, -4, 4), (4, 4, -4, -4, -4, -4, 4, 4, 4, 4)], ids=str)
def test_adjustments_that_pass_64_bits_together_stop_nothing(book: Cli, billions: tuple[int, ...]) -> None:
    for number, amount in enumerate(billions):
        adjust(book, f"{amount}000000000usd", f"A-{number}").ok()
    book("verify").ok()
    assert reported(book)["usd"] == f"{sum(billions)}{'000000000' if sum(billions) else ''}"
    assert_all_commands_read_it(book)


def test_an_adjustment_that_a_cell_has_no_room_for_is_refused(book: Cli, db_url: str) -> None:
    for half in "AB":
        adjust(book, "4500000000usd", f"{half}-1").ok()
    refused = adjust(book, "900000000usd", "A-2")
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert "amount in USD of project 'search'" in refused.stderr
    assert "would come to 9900000000: a day's sum holds at most 9223372036.854775807" in refused.stderr
    assert "do it once 2026-02 is closed" in refused.stderr
    assert value(db_url, "SELECT count(*) FROM charges") == 2
    # Each of the next steps that it names serves.
    adjust(book, "200000000usd", "A-3").ok()
    adjust(book, "900000000usd", "A-4", project="support").ok()
    close(book)
    adjust(book, "900000000usd", "A-2").ok()
    assert reported(book)["usd"] == str(9_000_000_000 + 200_000_000 + 900_000_000 + 900_000_000)
    book("verify").ok()


def test_totals_pass_64_bits_where_each_cell_fits(book: Cli) -> None:
    for project in ("search", "support", "sales"):
        for half in "AB":
            adjust(book, "4500000000usd", f"{half}-{project}", project).ok()
    ingest(book, *(used(number, MOST, project=f"p{number}", output_tokens=MOST) for number in range(3))).ok()
    total = reported(book)
    assert (total["usd"], total["input_tokens"], total["output_tokens"]) == ("27000000000", 3 * MOST, 3 * MOST)
    assert_all_commands_read_it(book)


def test_a_wallet_takes_usage_of_a_day_past_64_bits(book: Cli) -> None:
    book("wallet", "topup", "--credits", "1000", "--on", "2026-02-01", "--paid", "10usd", "--reference", "W").ok()
    for project in ("search", "support", "sales"):
        for half in "AB":
            adjust(book, "4500000000credits", f"{half}-{project}", project).ok()
    overdrawn = "26999999000"  # six times 4.5 billion, of which 1,000 were there
    assert overdrawn in book("wallet", "balance", "--at", "2026-02-28", "--json").ok().stdout
    assert_all_commands_read_it(book)
    assert overdrawn in book("wallet", "statement", "--month", "2026-02", "--json").ok().stdout


# --- recording ------------------------------------------------------------------------------------------------------


def test_only_the_line_that_a_cell_has_no_room_for_is_refused(book: Cli, db_url: str) -> None:
    ingest(book, used(1, MOST - 100)).ok()
    mixed = [used(2, 60), used(3, 41), used(4, 40), used(5, 1), response("resp_1"), used(6, 7, project="support")]
    for run, expected in enumerate(({"accepted": 4, "rejected": 2}, {"duplicate": 4, "rejected": 2})):
        found = ingest(book, *mixed)
        assert (found.exit_code, counts(found.json)) == (3, expected)
        assert [(each["line"], each["reason"]) for each in found.json["rejections"]] == [
            (2, "sum_too_large"),
            (4, "sum_too_large"),
        ]
        message = found.json["rejections"][0]["message"]
        # The first time 60 of the 100 are taken before it, the second time all.
        assert f"would come to {MOST + 1 + 40 * run}: a day's sum holds at most {MOST}" in message
        assert message.startswith(f"input_tokens of project 'search' and {FREE} on {DAY}")
        assert "correct the record, or record it under another project" in message
    assert reported(book, "--project", "search")["input_tokens"] == MOST
    waiting = rows(db_url, "SELECT reason, state, complete, seen, request_id FROM quarantine ORDER BY id")
    assert waiting == [("sum_too_large", "open", 1, 2, "r3"), ("sum_too_large", "open", 1, 2, "r5")]
    book("verify").ok()
    # The next step that the message names settles the entry of the line.
    ingest(book, used(5, 1), options=("--project", "other")).ok()
    assert [state for (state,) in rows(db_url, "SELECT state FROM quarantine ORDER BY id")] == ["open", "resolved"]
    assert_all_commands_read_it(book)


def test_two_of_the_largest_count_in_one_file_are_one_too_many(book: Cli) -> None:
    found = ingest(book, used(1, MOST), used(2, MOST), used(3, 0), used(4, 5, project="support"))
    assert (found.exit_code, counts(found.json)) == (3, {"accepted": 3, "rejected": 1})
    assert found.json["rejections"][0]["line"] == 2
    assert reported(book)["input_tokens"] == MOST + 5
    book("verify").ok()


@pytest.mark.parametrize("name", ["input_tokens", "output_tokens"])
def test_every_count_is_held_against_the_cell(book: Cli, name: str) -> None:
    found = ingest(book, used(1, 0, **{name: MOST}), used(2, 0, **{name: 1}))
    assert (found.exit_code, counts(found.json)) == (3, {"accepted": 1, "rejected": 1})
    assert found.json["rejections"][0]["message"].startswith(name)


def test_amounts_are_held_against_the_cell(book: Cli) -> None:
    # One record comes to at most 2**63 - 1 pico: 9,223,372 USD. It takes a thousand of them to fill a cell.
    dear = [used(number, 9_000_000, requested_model="dear-model") for number in range(1, 1_026)]
    found = ingest(book, *dear)
    fit = MOST // (9_000_000 * 10**9)
    assert (found.exit_code, counts(found.json)) == (3, {"accepted": fit, "rejected": 1_025 - fit})
    assert found.json["rejections"][0]["message"].startswith("the amount in USD of project 'search'")
    assert nano(reported(book)["usd"]) == fit * 9_000_000 * 10**9
    book("verify").ok()


def test_storage_passes_64_bits_alone(book: Cli) -> None:
    found = ingest(book, stored(1, MOST, hours=2), stored(2, MOST), stored(3, 1), stored(4, 0))
    assert (found.exit_code, counts(found.json)) == (3, {"accepted": 2, "rejected": 2})
    assert [each["line"] for each in found.json["rejections"]] == [1, 3]
    assert (
        f"storage_token_hours of project 'search' and {FREE} on {DAY} would come to {2 * MOST}"
        in (found.json["rejections"][0]["message"])
    )
    assert_all_commands_read_it(book)


def test_a_refused_record_leaves_its_id_to_the_next(book: Cli) -> None:
    ingest(book, used(1, MOST)).ok()
    # Refused, the same again, and another that has room under the same id: then what contradicts that one.
    found = ingest(book, used(2, 5), used(2, 5), used(2, 0), used(2, 0), used(2, 9), used(1, 9))
    assert (found.exit_code, counts(found.json)) == (3, {"rejected": 2, "accepted": 1, "duplicate": 1, "conflict": 2})
    book("verify").ok()


def test_what_was_voided_keeps_its_place(book: Cli) -> None:
    ingest(book, used(1, MOST), used(2, 0)).ok()
    book("void", "--batch", "1", "--reason", "R").ok()
    found = ingest(book, used(1, MOST), used(2, 0))
    # A reversal has a cell of its own: that of the charge is as full as before.
    assert counts(found.json) == {"accepted": 1, "rejected": 1}
    assert found.json["rejections"][0]["reason"] == "sum_too_large"
    book("verify").ok()


def test_strict_and_dry_run_find_it_too_and_record_nothing(book: Cli, db_url: str) -> None:
    for options, code in ((("--dry-run",), 3), (("--strict",), 1)):
        found = ingest(book, used(1, MOST), used(2, 1), options=options)
        assert (found.exit_code, counts(found.json)) == (code, {"accepted": 1, "rejected": 1})
        assert found.json["committed"] is False
    assert value(db_url, "SELECT count(*) FROM usage_records") == 0
    assert value(db_url, "SELECT count(*) FROM rollup_days") == 0


def test_portions_of_one_run_see_each_other(book: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.intake.containers.lines.CHUNK_LINES", 2)
    for options in (("--dry-run",), ()):
        found = ingest(book, *(used(number, 2**62 - 1) for number in range(5)), options=options)
        assert (found.exit_code, counts(found.json)) == (3, {"accepted": 2, "rejected": 3})
    assert reported(book)["input_tokens"] == 2 * (2**62 - 1)


@pytest.mark.parametrize("listed", [1, 400])
def test_a_full_day_is_found_among_many(book: Cli, monkeypatch: pytest.MonkeyPatch, listed: int) -> None:
    monkeypatch.setattr("ledger.book.headroom.LISTED_DAYS", listed)
    ingest(book, used(1, MOST)).ok()
    around = [used(day, 1, occurred_at=f"2026-02-{day}T12:00:00Z") for day in range(17, 22)]
    found = ingest(book, *around)
    assert (counts(found.json), found.json["rejections"][0]["line"]) == ({"accepted": 4, "rejected": 1}, 3)


def test_an_application_is_told(book: Cli, db_url: str) -> None:
    made = response("resp_2", model=FREE, usage=usage(input_tokens=MOST, output_tokens=0, total_tokens=MOST))
    ledger = Ledger(db_url, provider="own")
    assert ledger.record(made).status == "accepted"
    found = ledger.record(made | {"id": "resp_3"})
    assert (found.status, found.reason) == ("rejected", "sum_too_large")
    assert f"would come to {2 * MOST}" in str(found.message)
    assert ledger.record(made).status == "duplicate"
    assert ledger.record(made | {"id": "resp_4"}, project="support").status == "accepted"
    ledger.close()
    assert value(db_url, "SELECT count(*) FROM quarantine WHERE reason = 'sum_too_large'") == 1
    book("verify").ok()


def test_what_others_booked_between_an_applications_calls_counts(book: Cli, db_url: str) -> None:
    def booked(ledger: Ledger, number: int, tokens: int) -> str:
        counted = usage(input_tokens=tokens, output_tokens=0, total_tokens=tokens)
        return ledger.record(response(f"resp_{number}", model=FREE, usage=counted)).status

    half = 2**62
    with Ledger(db_url, provider="own") as one, Ledger(db_url, provider="own") as other:
        assert [booked(one, 1, 1), booked(other, 2, half), booked(one, 3, 1)] == ["accepted"] * 3
        assert [booked(other, 4, half - 4), booked(one, 5, 2)] == ["accepted", "rejected"]
        assert [booked(one, 6, 1), booked(other, 7, 1)] == ["accepted", "rejected"]
    assert reported(book)["input_tokens"] == MOST
    book("verify").ok()


def test_a_retry_is_refused_until_there_is_room(book: Cli, db_url: str) -> None:
    ingest(book, used(1, MOST), used(2, 1))
    again = book("quarantine", "retry", "--json")
    assert value(db_url, "SELECT reason FROM quarantine WHERE state = 'open'") == "sum_too_large", again.stderr
    assert value(db_url, "SELECT count(*) FROM usage_records") == 1
    # Late usage posts in the month that is open, whose sums begin anew.
    close(book)
    book("quarantine", "retry", "1").ok()
    assert reported(book)["input_tokens"] == MOST + 1
    assert value(db_url, "SELECT state FROM quarantine") == "resolved"
    book("verify").ok()


# --- corrections ----------------------------------------------------------------------------------------------------


def refused(outcome: Outcome, *said: str) -> None:
    """Refused in one line, nothing on standard output."""
    assert (outcome.exit_code, outcome.stdout, outcome.stderr.strip().count("\n")) == (2, "", 0), outcome.stderr
    for text in (*said, "nothing was changed", "once 2026-02 is closed"):
        assert text in outcome.stderr


def reassign(cli: Cli, project: str, to: str) -> Outcome:
    return cli("reassign", "--project", project, "--to", to, "--reason", "R")


def test_a_reversal_is_refused_only_for_what_its_cell_ends_with(book: Cli, db_url: str) -> None:
    ingest(book, used(1, MOST)).ok()
    reassign(book, "search", "support").ok()
    reassign(book, "support", "search").ok()
    # search holds the charge and its replacement, and the reversal of one of them: there is no room for the other.
    before = value(db_url, "SELECT count(*) FROM charges")
    refused(book("void", "--id", "r1", "--reason", "R"), "input_tokens of project 'search'", f"come to -{2 * MOST}")
    refused(reassign(book, "search", "sales"), "input_tokens of project 'search'")
    assert value(db_url, "SELECT count(*) FROM charges") == before
    book("verify").ok()
    close(book)
    book("void", "--id", "r1", "--reason", "R").ok()
    assert reported(book)["input_tokens"] == 0
    book("verify").ok()


def test_what_was_accepted_can_be_voided_as_a_whole(book: Cli) -> None:
    ingest(book, *(used(number, 2**62 - 1, project=f"p{number % 2}") for number in range(4))).ok()
    book("void", "--batch", "1", "--reason", "R").ok()
    assert (reported(book)["input_tokens"], reported(book)["requests"]) == (0, 0)
    assert_all_commands_read_it(book)


def test_a_reassignment_into_a_full_cell_is_refused(book: Cli, db_url: str) -> None:
    ingest(book, used(1, MOST), used(2, MOST, project="support"), used(3, 1, project="sales")).ok()
    reassign(book, "search", "all").ok()
    refused(reassign(book, "support", "all"), "project 'all'", f"come to {2 * MOST}")
    assert rows(db_url, "SELECT DISTINCT project FROM charges ORDER BY 1") == [
        ("all",),
        ("sales",),
        ("search",),
        ("support",),
    ]
    book("verify").ok()


def test_a_reprice_that_a_cell_has_no_room_for_is_refused(book: Cli, db_url: str) -> None:
    ingest(book, *(used(number, 9_000_000) for number in range(1_025))).ok()
    Path("dearer.toml").write_text(CARD.replace('tiers = [{ input = "0"', 'tiers = [{ input = "1"'))
    book("rates", "add", "dearer.toml", "--replace", "--reason", "R").ok()
    outcome = book("reprice", "--since", "2026-02-01", "--reason", "R")
    refused(outcome, "the amount in USD of project 'search'", "come to 9225000000")
    assert value(db_url, "SELECT count(*) FROM charges") == 1_025
    book("verify").ok()


def test_accepting_a_conflict_that_a_cell_has_no_room_for_is_refused(book: Cli, db_url: str) -> None:
    ingest(book, used(1, 5)).ok()
    for tokens in (MOST, 7):
        ingest(book, used(1, tokens))
    accept = ("quarantine", "accept", "--reason", "R")
    book(*accept, "1").ok()
    refused(book(*accept, "2"), "input_tokens of project 'search'")
    assert rows(db_url, "SELECT state FROM quarantine ORDER BY id") == [("accepted",), ("open",)]
    assert value(db_url, "SELECT count(*) FROM usage_records") == 2
    book("verify").ok()


# --- roll-ups worked out anew ---------------------------------------------------------------------------------------


def test_tags_that_would_put_too_much_in_one_cell_are_refused(book: Cli, db_url: str) -> None:
    book("db", "rollups", "--tag", "team").ok()
    ingest(book, *(used(number, MOST, tags={"team": f"t{number}"}) for number in range(2))).ok()
    outcome = book("db", "rollups", "--none")
    assert (outcome.exit_code, outcome.stderr.strip().count("\n")) == (2, 0)
    for text in ("rolled up by no tag", "input_tokens of project 'search'", DAY, "Nothing was changed", "are: team"):
        assert text in outcome.stderr
    book("verify").ok()
    assert reported(book, "--by", "tag:team")["input_tokens"] == 2 * MOST
    book("db", "rollups", "--tag", "team").ok()
    book("verify").ok()


def test_verify_tells_of_sums_past_64_bits_that_only_tampering_makes(book: Cli, db_url: str) -> None:
    ingest(book, used(1, 1), used(2, 1), response("resp_1")).ok()
    ingest(book, stored(1, 1, hours=2)).ok()
    tamper(db_url, f"UPDATE usage_records SET input_tokens = {MOST} WHERE request_id IN ('r1', 'r2')")
    tamper(db_url, f"UPDATE usage_records SET storage_tokens = {MOST} WHERE request_id = 's1'")
    outcome = book("verify", "--json")
    assert outcome.exit_code == 1
    for measure in ("input_tokens", "storage_token_hours"):
        assert any(f"rollup_days: {measure} of key" in problem for problem in outcome.json["problems"])


@pytest.mark.parametrize("measure", ["input_tokens", "reasoning_tokens", "amount_nano", "cache_storage_nano"])
def test_verify_compares_upper_halves_too(book: Cli, db_url: str, measure: str) -> None:
    ingest(book, used(1, 5), record("r2", requested_model=CODE)).ok()
    for change in (2**32, -(2**32), 1, -1):
        tamper(db_url, f"UPDATE rollup_days SET {measure} = {measure} + {change}")
        assert book("verify").exit_code == 1
        tamper(db_url, f"UPDATE rollup_days SET {measure} = {measure} - ({change})")
    book("verify").ok()
