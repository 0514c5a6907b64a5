"""`verify` finds whatever was changed behind the ledger's back: each kind of stored fact is tampered with here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.audit import chain
from ledger.store.tables import charges, rollup_days
from tests.conftest import Cli
from tests.helpers.ledgers import CODE, REFERENCE_NANO, rows, tamper, value
from tests.helpers.sources import AT, lines, record, response

HELD_STORAGE = {"kind": "cache_storage", "tokens": 1_000, "start": AT, "end": AT + 3_600, "requested_model": CODE}


@pytest.fixture
def book(db_cli: Cli) -> Cli:
    """Charges 1-3 of batch 1 (storage last), 4 and 5 reverse and replace the first, 6 reverses the second."""
    storage = record("s1", occurred_at=..., input_tokens=..., output_tokens=...) | HELD_STORAGE
    db_cli("ingest", "-", "--project", "search", stdin=lines([response("r1"), response("r2"), storage])).ok()
    db_cli("reassign", "--project", "search", "--to", "support", "--id", "r1").ok()
    db_cli("void", "--id", "r2").ok()
    db_cli("verify").ok()
    return db_cli


def problems(cli: Cli) -> list[str]:
    """What verify finds wrong, with exit code 1."""
    outcome = cli("verify", "--json")
    assert outcome.exit_code == 1, outcome.stderr
    found: list[str] = outcome.json["problems"]
    assert outcome.json["ok"] is False
    assert outcome.json["problem_count"] == len(found)
    assert outcome.stderr == "".join(f"Problem: {problem}\n" for problem in found)
    return found


def test_a_sound_ledger_is_told_with_what_was_checked(book: Cli) -> None:
    outcome = book("verify", "--json").ok()
    assert (outcome.json["ok"], outcome.json["problems"], outcome.stderr) == (True, [], "")
    checked = outcome.json["checked"]
    assert (checked["batches"], checked["charges"], checked["usage_records"]) == (3, 6, 3)
    may_be_none = {"budget_events", "budgets", "closings", "projects", "wallet_moves", "wallet_entries"}
    assert min(count for name, count in checked.items() if name not in may_be_none) > 0
    assert "Verified: all sound" in book("verify").ok().stdout


def test_an_empty_ledger_is_sound(db_cli: Cli) -> None:
    assert db_cli("verify", "--json").ok().json["ok"]


SEALED = "it or its rows are no longer as they were sealed"
UNCHAINED = "doesn't follow the digest of the batch before it"
CELL = ", ".join(column.name for column in rollup_days.columns if column.name != "day")
PRICED = ", ".join(list(charges.columns.keys())[5:])
AMOUNT = f"is booked with ('32000', {88 * 32_000 + 1}, 0, {230 * 160_000}, 0, 0, 0, 0), its facts and card entry give"
TAMPERED: dict[str, tuple[list[str], list[str]]] = {
    "an amount and its sum": (
        ["UPDATE charges SET input_nano = input_nano + 1, amount_nano = amount_nano + 1 WHERE id = 1"],
        [f"batch 1: {SEALED}", AMOUNT, "charge 4: isn't the exact reverse of charge 1", "rollup_days: the cell of"],
    ),
    "amounts that cancel out": (
        ["UPDATE charges SET input_nano = input_nano - 5, output_nano = output_nano + 5 WHERE id IN (1, 5)"],
        [f"batch 1: {SEALED}", f"batch 2: {SEALED}", "its facts and card entry give"],
    ),
    "a reversal's amount": (
        ["UPDATE charges SET input_nano = 0, amount_nano = output_nano WHERE id = 6"],
        [f"batch 3: {SEALED}", "charge 6: isn't the exact reverse of charge 2", "rollup_quarters: the cell of"],
    ),
    "a reversal's project": (
        ["UPDATE charges SET project = 'other' WHERE id = 6"],
        [f"batch 3: {SEALED}", "charge 6: isn't the exact reverse of charge 2"],
    ),
    "a storage amount": (
        ["UPDATE charges SET cache_storage_nano = 1, amount_nano = 1 WHERE id = 3"],
        [f"batch 1: {SEALED}", "charge 3 (s1): is booked with ('none', 0, 0, 0, 1, 0, 0, 0)"],
    ),
    "the tier of storage without an amount": (
        ["UPDATE charges SET tier = '32000', cache_storage_nano = 0, amount_nano = 0 WHERE id = 3"],
        [f"batch 1: {SEALED}", "charge 3 (s1): is booked with ('32000', 0, 0, 0, 0, 0, 0, 0)"],
    ),
    "tokens past every tier, at no amount": (
        [
            "UPDATE usage_records SET input_tokens = 256001 WHERE request_id = 'r1'",
            "UPDATE charges SET tier = '256000', input_nano = 0, output_nano = 0, amount_nano = 0 WHERE id = 1",
        ],
        [f"batch 1: {SEALED}", "charge 1 (r1): can't be priced again: input_tokens 256001 are over the 256000"],
    ),
    "tokens": (
        ["UPDATE usage_records SET output_tokens = 231 WHERE request_id = 'r1'"],
        [f"batch 1: {SEALED}", "charge 1 (r1): is booked with", "charge 5 (r1): is booked with"],
    ),
    "the time": (
        [f"UPDATE usage_records SET occurred_at = {(AT + 40 * 86_400) * 10**6} WHERE request_id = 'r1'"],
        [f"batch 1: {SEALED}", "charge 1 (r1): occurred month 2026-02 isn't that of its time"],
    ),
    "a tag": (["UPDATE usage_records SET tags = '{\"team\":\"x\"}' WHERE request_id = 'r1'"], [f"batch 1: {SEALED}"]),
    "the posted month": (["UPDATE charges SET posted_month = '2026-03' WHERE id = 1"], [f"batch 1: {SEALED}"]),
    "the tier": (
        ["UPDATE charges SET tier = '128000' WHERE id = 1"],
        [f"batch 1: {SEALED}", "charge 1 (r1): is booked with ('128000'"],
    ),
    "the pinned entry": (
        ["UPDATE charges SET rate_entry_id = (SELECT max(id) FROM rate_entries) WHERE id = 1"],
        [f"batch 1: {SEALED}", f"charge 1 (r1): its rate entry isn't one of {CODE} in CRD"],
    ),
    "the pinned conversion": (
        ["UPDATE charges SET conversion_id = (SELECT max(id) FROM conversions) WHERE id = 1"],
        [f"batch 1: {SEALED}", "charge 1 (r1): its conversion isn't one of CRD"],
    ),
    "what a dollar is": (
        ["UPDATE conversions SET per_usd_nano = 1000000000 WHERE currency = 'CRD'"],
        [f"batch {batch}: {SEALED}" for batch in (1, 2, 3)],
    ),
    "the reason of a correction": (["UPDATE batches SET reason = 'no reason' WHERE id = 2"], [f"batch 2: {SEALED}"]),
    "when a batch was posted": (
        ["UPDATE batches SET posted_at = (SELECT min(posted_at) FROM batches) WHERE id = 3"],
        [f"batch 3: {SEALED}"],
    ),
    "a roll-up cell": (
        ["UPDATE rollup_days SET amount_nano = amount_nano + 1 WHERE key_id = 1"],
        ["rollup_days: the cell of key 1 at 2026-02-19 isn't the sum of its charges"],
    ),
    "a roll-up cell that is gone": (
        ["DELETE FROM rollup_quarters WHERE key_id = 1"],
        ["rollup_quarters: the cell of key"],
    ),
    "a roll-up cell too many": (
        [f"INSERT INTO rollup_days SELECT '2026-02-20', {CELL} FROM rollup_days WHERE key_id = 1"],
        ["rollup_days: the cell of key 1 at 2026-02-20"],
    ),
    "the newest key of roll-ups deleted": (
        ["DELETE FROM rollup_keys WHERE id = (SELECT max(id) FROM rollup_keys)"],
        ["rollup_days: charges at 2026-02-19 are of a key that rollup_keys lacks", "rollup_quarters: the cell of key"],
    ),
    "what a roll-up is by": (
        ["UPDATE rollup_keys SET project = 'elsewhere' WHERE id = 1"],
        ["rollup_keys 1: its dimensions are no longer those of its digest"],
    ),
    "a charge deleted": (
        ["DELETE FROM charges WHERE id = 3"],
        [f"batch 1: {SEALED}", "usage record 3: has no charge"],
    ),
    "a charge too many": (
        [f"INSERT INTO charges SELECT 99, 1, usage_record_id, 'replacement', 2, {PRICED} FROM charges WHERE id = 2"],
        ["7 charges are in the book, 6 of them in batches"],
    ),
    "a usage record deleted": (
        ["DELETE FROM usage_records WHERE request_id = 's1'"],
        [f"batch 1: {SEALED}", "6 charges are in the book, 5 of them in batches"],
    ),
    "the last batch deleted": (
        ["DELETE FROM batches WHERE id = 3"],
        ["6 charges are in the book, 5 of them in batches"],
    ),
    "a batch deleted": (
        ["DELETE FROM batches WHERE id = 2"],
        ["batch 3: sequence 3 follows 1: a batch is missing", f"batch 3: {UNCHAINED}"],
    ),
    "a batch's digest": (
        ["UPDATE batches SET digest = 'x' WHERE id = 1"],
        [f"batch 1: {SEALED}", f"batch 2: {UNCHAINED}"],
    ),
    "a card entry's price": (
        ["UPDATE rate_entries SET content = replace(content, '160000000', '170000000')"],
        ["its content is no longer that of its digest", "its facts and card entry give"],
    ),
    "a price that no charge used": (
        ["UPDATE rate_entries SET content = replace(content, '480000000', '480000001')"],
        ["its content is no longer that of its digest"],
    ),
    "a card entry that can't be read": (
        [f"UPDATE rate_entries SET content = '{{}}' WHERE model = '{CODE}'"],
        ["its content can't be read", "its rate entry isn't one of"],
    ),
    "a card's text": (
        ["UPDATE card_versions SET content = '#' || content"],
        ["card_versions 1: its content is no longer that of its digest"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERED)
def test_what_was_tampered_with_is_named(book: Cli, db_url: str, name: str) -> None:
    statements, expected = TAMPERED[name]
    tamper(db_url, *statements)
    found = problems(book)
    for words in expected:
        assert any(words in problem for problem in found), (words, found)


def test_usage_is_not_taken_for_sound_where_a_batch_covers_another_s_instead(
    db_cli: Cli, db_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many rows are read as there are, one page after the other, but some of them twice."""
    monkeypatch.setattr(chain, "COLUMNS_AT_ONCE", 1)
    for name in ("r", "s"):
        db_cli("ingest", "-", stdin=lines(response(f"{name}{number}") for number in range(3))).ok()
    db_cli("verify").ok()
    tamper(
        db_url,
        "UPDATE batches SET first_charge_id = 1, last_charge_id = 3 WHERE id = 2",
        "UPDATE booked_usage SET key_id = 99 WHERE id = 4",
    )
    assert "usage record 4: the key or the stream that it names is missing" in problems(db_cli)


def test_ids_and_tags_of_any_characters_are_verified(db_cli: Cli) -> None:
    odd = 'a"b\\c/é\u2028😀\x7f'
    made = [response(odd, metadata={odd: odd, "team": "x"}), response("plain", metadata={}), response(odd + "2")]
    db_cli("ingest", "-", stdin=lines(made)).ok()
    db_cli("verify").ok()


@pytest.mark.parametrize("view", ["charges", "usage_records"])
def test_a_dropped_view_is_a_problem(db_cli: Cli, db_url: str, view: str) -> None:
    db_cli("ingest", "-", stdin=lines([response("r1")])).ok()
    tamper(db_url, f"DROP VIEW {view}")
    assert any(view in problem for problem in problems(db_cli))


def test_many_problems_are_counted_and_the_first_listed(db_cli: Cli, db_url: str) -> None:
    db_cli("ingest", "-", stdin=lines(response(f"r{number}") for number in range(40))).ok()
    tamper(db_url, "UPDATE charges SET input_nano = 0, amount_nano = output_nano")
    outcome = db_cli("verify", "--json")
    assert (outcome.exit_code, len(outcome.json["problems"])) == (1, 20)
    # Each charge, its batch's digest and amounts, and the one cell of both roll-ups.
    assert outcome.json["problem_count"] == 40 + 2 + 2
    assert outcome.stderr.endswith("… and 24 more\n")


def test_roll_ups_are_made_sound_again_by_working_them_out_anew(book: Cli, db_url: str) -> None:
    before = rows(db_url, "SELECT * FROM rollup_days ORDER BY day, key_id")
    tamper(db_url, "UPDATE rollup_days SET amount_nano = amount_nano + 1", "DELETE FROM rollup_quarters")
    assert book("verify").exit_code == 1
    book("db", "rollups", "--none").ok()
    book("verify").ok()
    assert rows(db_url, "SELECT * FROM rollup_days ORDER BY day, key_id") == before


def test_roll_ups_by_tags_are_verified_too(db_cli: Cli, db_url: str) -> None:
    made = [response(f"r{n}", metadata={"team": f"team-{n % 2}", "env": "prod"}) for n in range(6)]
    db_cli("ingest", "-", stdin=lines(made)).ok()
    for tags in (["--tag", "team"], ["--tag", "env", "--tag", "team"], ["--none"], ["--tag", "env"]):
        db_cli("db", "rollups", *tags).ok()
        db_cli("verify").ok()
        by_team = db_cli("report", "--by", "tag:team", "--json").ok().json["rows"]
        assert {row["tag:team"]: row["requests"] for row in by_team} == {"team-0": 3, "team-1": 3}
    db_cli("ingest", "-", stdin=lines([response("r9", metadata={"team": "team-0", "env": "dev"})])).ok()
    db_cli("verify").ok()
    assert {tags for (tags,) in rows(db_url, "SELECT tags FROM rollup_keys")} == {'{"env":"dev"}', '{"env":"prod"}'}


def test_verify_changes_nothing(book: Cli, db_url: str) -> None:
    tables = ("usage_records", "charges", "batches", "rollup_days", "rollup_quarters", "rollup_keys", "quarantine")
    before = {table: rows(db_url, f"SELECT * FROM {table}") for table in tables}
    book("verify").ok()
    tamper(db_url, "DELETE FROM rollup_keys", "DELETE FROM rollup_days", "DELETE FROM rollup_quarters")
    assert "are of a key that rollup_keys lacks" in problems(book)[0]
    after = {table: rows(db_url, f"SELECT * FROM {table}") for table in tables}
    assert after == before | {"rollup_keys": [], "rollup_days": [], "rollup_quarters": []}


def test_charges_of_a_replaced_card_still_verify(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    def ingest(number: int) -> Any:
        return db_cli("ingest", "-", stdin=lines([response(f"r{number}")])).ok()

    card = 'provider = "evolink"\ncurrency = "CRD"\nper_tokens = 1_000_000\n[[model]]\nid = "{model}"\n'
    price = '[[model.price]]\neffective_from = 2026-02-01\ntiers = [{{ input = "{price}", output = "1" }}]\n'
    for number, cost in enumerate((5, 7, 9)):
        ingest(number)
        (tmp_path / "card.toml").write_text((card + price).format(model=CODE, price=cost))
        db_cli("rates", "add", "card.toml", "--replace", "--reason", "corrected").ok()
    ingest(3)
    db_cli("verify").ok()
    assert rows(db_url, "SELECT amount_nano FROM charges ORDER BY id") == [
        (REFERENCE_NANO,),
        *((88 * cost * 1_000 + 230 * 1_000,) for cost in (5, 7, 9)),
    ]
    assert value(db_url, "SELECT count(DISTINCT rate_entry_id) FROM charges") == 4
