"""Redaction: the text is gone from the ledger for good, whatever was money, closed or sealed stays as it was."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.helpers.ledgers import execute, rows, tamper, value
from tests.helpers.sources import AT, lines, record
from tests.helpers.workloads import PRO
from tests.store.test_upgrades import old_url

__all__ = ["old_url"]

WHY = ("--reason", "request 17")
ANN = {"user": "ann", "team": "search"}
HOLDING = (
    "SELECT count(*) FROM booked_usage WHERE tags LIKE '%\"ann\"%' OR request_id = 'a1'",
    "SELECT count(*) FROM quarantine WHERE fields LIKE '%ann%' OR message LIKE '%a9%' OR request_id = 'a9'",
    "SELECT count(*) FROM batches WHERE options LIKE '%\"ann\"%' OR options LIKE '%a1%'",
    "SELECT count(*) FROM log_entries WHERE rows LIKE '%ann%'",
)


@pytest.fixture
def book(db_cli: Cli) -> Cli:
    """Two requests of Ann's and two of others, three in a closed month; one of hers in quarantine."""
    tags = {"a1": ANN, "a2": ANN | {"team": 'care "x"_%'}, "b1": {"user": "anna"}, "b2": {}}
    stated = [record(name, requested_model=PRO, tags=of_one) for name, of_one in tags.items()]
    stated[3] |= {"occurred_at": AT + 40 * 86_400}
    db_cli("ingest", "-", stdin=lines(stated)).ok()
    db_cli("ingest", "-", stdin=lines([record("a9", requested_model="unheard-of", tags=ANN)]))
    db_cli("void", "--id", "a2").ok()
    db_cli("close", "2026-02", "--force", "--reason", "a test").ok()
    return db_cli


def redacted(cli: Cli, *args: str) -> dict[str, Any]:
    """The row that a redaction prints; the ledger is sound afterwards."""
    [row] = cli("redact", *args, *WHY, "--json").ok().json["rows"]
    cli("verify").ok()
    found: dict[str, Any] = row
    return found


def charges(cli: Cli, month: str = "2026-02") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(cli("export", "charges", "--month", month).ok().stdout)))


def test_the_plan_is_shown_and_nothing_is_written_without_yes(book: Cli, db_url: str) -> None:
    before = rows(db_url, "SELECT * FROM booked_usage ORDER BY id"), value(db_url, "SELECT count(*) FROM batches")
    plan = redacted(book, "--tag", "user=ann", "--id", "a1")
    assert plan == {
        "batch": None, "by_id": 1, "by_tag": 2, "batches": 1, "quarantined": 1, "closed_months": "2026-02"
    }  # fmt: skip
    after = rows(db_url, "SELECT * FROM booked_usage ORDER BY id"), value(db_url, "SELECT count(*) FROM batches")
    assert after == before


def test_the_text_is_gone_and_all_else_stays(book: Cli, db_url: str) -> None:
    digests = rows(db_url, "SELECT id, digest FROM batches ORDER BY id")
    closes = rows(db_url, "SELECT * FROM closings")
    exported, shown = charges(book), book("report", "--by", "tag:team", "--json").ok().json
    assert any(value(db_url, query) for query in HOLDING)
    assert redacted(book, "--tag", "user=ann", "--id", "a1", "--id", "a9", "--yes")["by_tag"] == 2
    assert [value(db_url, query) for query in HOLDING] == [0] * len(HOLDING)
    assert rows(db_url, "SELECT id, digest FROM batches ORDER BY id")[:-1] == digests
    assert rows(db_url, "SELECT * FROM closings") == closes
    assert book("report", "--by", "tag:team", "--json").ok().json == shown
    after = charges(book)
    for before, now in zip(exported, after, strict=True):
        differs = {name for name in before if before[name] != now[name]}
        assert differs <= {"request_id", "tags", "corrects_request_id"}, differs
    changed = {
        (before["request_id"], before["charge_class"])
        for before, now in zip(exported, after, strict=True)
        if before != now
    }
    assert changed == {("a1", "charge"), ("a2", "charge"), ("a2", "reversal")}
    [word] = {row["tags"].split('"user":"')[1].split('"')[0] for row in after if "redacted" in row["tags"]}
    assert word.startswith("redacted:")
    assert len(word) == len("redacted:") + 32


def test_manifests_name_the_last_redaction(book: Cli, tmp_path: Path) -> None:
    file, beside = tmp_path / "charges.csv", tmp_path / "charges.csv.manifest.json"
    told = []
    for redacting in (False, True):
        if redacting:
            told.append(redacted(book, "--id", "a1", "--yes")["batch"])
        book("export", "charges", "--month", "2026-02", "-o", str(file), "--manifest").ok()
        told.append(json.loads(beside.read_text())["last_redaction"])
    assert told == [None, 3, 3]


def test_a_redacted_request_is_known_when_it_comes_again(book: Cli, db_url: str) -> None:
    redacted(book, "--id", "a1", "--id", "a2", "--yes")
    again = [record("a1", requested_model=PRO), record("a1", requested_model=PRO, output_tokens=9)]
    shown = book("ingest", "-", "--json", stdin=lines([*again, record("a2", requested_model=PRO)])).json
    assert (shown["accepted"], shown["duplicate"], shown["conflict"]) == (1, 1, 1)  # a2 was voided
    generations = rows(db_url, "SELECT request_id, generation FROM booked_usage ORDER BY id")
    assert [generation for name, generation in generations if name == generations[1][0]] == [0, 1]
    book("verify").ok()


def test_a_redacted_request_is_compared_and_voided_by_its_id(book: Cli, tmp_path: Path) -> None:
    statement = tmp_path / "statement.csv"
    amount = sum(Decimal(row["amount"]) for row in charges(book) if row["request_id"] == "b1")
    statement.write_text(f"request_id,amount\nb1,{amount}\n")

    def compared() -> list[tuple[str, str]]:
        options = ("--statement", str(statement), "--month", "2026-02", "--all", "--json")
        return [(row["status"], row["key"]) for row in book("reconcile", *options).json["rows"]]

    assert sorted(compared()) == [("matched", "b1"), ("only_ledger", "a1")]
    redacted(book, "--id", "b1", "--yes")
    [word] = {row["request_id"] for row in charges(book)} - {"a1", "a2"}
    assert sorted(compared()) == [("matched", word), ("only_ledger", "a1")]
    book("void", "--id", "b1").ok()
    assert [row["charge_class"] for row in charges(book, "2026-03") if row["request_id"] == word][-1] == "reversal"
    book("verify").ok()


def test_the_same_text_is_redacted_to_the_same_word_later(book: Cli, db_url: str) -> None:
    redacted(book, "--tag", "user=ann", "--yes")
    book("ingest", "-", stdin=lines([record("a3", requested_model=PRO, tags=ANN, occurred_at=AT + 41 * 86_400)])).ok()
    assert redacted(book, "--tag", "user=ann", "--yes")["by_tag"] == 1
    assert redacted(book, "--tag", "team=search", "--yes")["by_tag"] == 2
    words = {text for (text,) in rows(db_url, "SELECT tags FROM booked_usage WHERE tags LIKE '%redacted%'")}
    assert len({text.split('"user":')[1] for text in words}) == 1
    assert value(db_url, "SELECT count(*) FROM text_seals WHERE salt IS NOT NULL AND batch_id = 1") == 1


def test_options_of_quarantined_runs_are_redacted_too(book: Cli, db_url: str) -> None:
    """The file's run had the tag as an option, which a retry would put back."""
    unheard_of = record("q1", requested_model="unheard-of", occurred_at=AT + 41 * 86_400)
    book("ingest", "-", "--tag", "user=ann", stdin=lines([unheard_of]))
    assert redacted(book, "--tag", "user=ann", "--yes")["quarantined"] == 2
    held = rows(db_url, "SELECT fields, options FROM quarantine ORDER BY id")
    assert [("ann" in fields, "ann" in options) for fields, options in held] == [(False, False)] * 2
    assert "redacted:" in held[1][1]
    book("quarantine", "retry", "2")
    book("verify").ok()


def test_a_rolled_up_tag_is_refused_unless_its_roll_ups_are_summed_again(book: Cli, db_url: str) -> None:
    book("db", "rollups", "--tag", "user").ok()
    outcome = book("redact", "--tag", "user=ann", *WHY, "--yes")
    assert (outcome.exit_code, "--rollups" in outcome.stderr) == (2, True)
    total = book("report", "--json").ok().json["total"]
    redacted(book, "--tag", "user=ann", "--rollups", "--yes")
    assert value(db_url, "SELECT count(*) FROM rollup_keys WHERE tags LIKE '%\"ann\"%'") == 0
    assert book("report", "--json").ok().json["total"] == total
    assert "redacted:" in book("report", "--by", "tag:user", "--json").ok().stdout
    book("ingest", "-", stdin=lines([record("c1", requested_model=PRO, tags=ANN, occurred_at=AT + 41 * 86_400)])).ok()
    book("verify").ok()


def test_batches_from_before_are_sealed_again(cli: Cli, old_url: str) -> None:
    cli("db", "upgrade", "--db", old_url).ok()
    digests = rows(old_url, "SELECT id, digest FROM batches ORDER BY id")
    [row] = cli("redact", "--id", "r33", *WHY, "--yes", "--json", "--db", old_url).ok().json["rows"]
    assert (row["by_id"], row["batches"]) == (1, 1)
    cli("verify", "--db", old_url).ok()
    assert rows(old_url, "SELECT id, digest FROM batches ORDER BY id")[:-1] == digests
    tamper(old_url, "UPDATE booked_usage SET input_tokens = input_tokens + 1 WHERE request_id LIKE 'redacted:%'")
    assert "no longer as they were sealed" in cli("verify", "--db", old_url).stderr


TAMPERED = {
    "another word": "UPDATE booked_usage SET request_id = 'redacted:00' WHERE request_id LIKE 'redacted:%'",
    "tags": 'UPDATE booked_usage SET tags = \'{"user":"redacted:1"}\' WHERE id = 1',
    "an amount": "UPDATE booked_usage SET input_nano = input_nano + 1, output_nano = output_nano - 1 WHERE id = 1",
    "the last seal": "DELETE FROM text_seals WHERE sealed_by <> batch_id",
    "the first seal": "DELETE FROM text_seals WHERE sealed_by = batch_id AND batch_id = 1",
    "a salt": "UPDATE text_seals SET salt = NULL",
    "a salt that went": "UPDATE text_seals SET salt = 'x' WHERE salt IS NULL",
    "a sequence before the first": "UPDATE batches SET sequence = 0 WHERE kind = 'redact'",
    "a seal of nobody's": "INSERT INTO text_seals VALUES (99, 1, 2, 'x', 'y', NULL)",
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_is_changed_after_a_redaction_is_found(book: Cli, db_url: str, name: str) -> None:
    redacted(book, "--id", "a1", "--tag", "user=ann", "--yes")
    tamper(db_url, TAMPERED[name])
    outcome = book("verify")
    assert (outcome.exit_code, "batch" in outcome.stderr) == (1, True)


REFUSED = {
    "SET request_id = 'other'",
    "SET tags = '{}'",
    "SET request_id = 'redacted:1', input_tokens = 1",
    "SET recorded_id = 5",
}


@pytest.mark.parametrize("change", sorted(REFUSED))
def test_guards_let_nothing_but_a_redacted_text_in(book: Cli, db_url: str, change: str) -> None:

    with pytest.raises(Exception, match="append-only"):
        execute(db_url, f"UPDATE booked_usage {change} WHERE id = 1")
    with pytest.raises(Exception, match="append-only"):
        execute(db_url, "UPDATE text_seals SET salt = 'other' WHERE id = 1")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "give what to redact"),
        (("--tag", "user"), "isn't a tag"),
        (("--id", "a1", "--reason", "of a1"), "--reason is kept"),
        (("--id", f"redacted:{'0' * 32}"), "stands for a redacted text"),
        (("--tag", f"user=redacted:{'0' * 32}"), "stands for a redacted text"),
    ],
)
def test_what_can_t_be_meant_is_refused(book: Cli, args: tuple[str, ...], words: str) -> None:
    outcome = book("redact", *WHY, *args, "--yes")
    assert (outcome.exit_code, words in outcome.stderr) == (2, True)


def test_what_nothing_has_is_said(book: Cli, db_url: str) -> None:
    count = value(db_url, "SELECT count(*) FROM batches")
    assert "nothing in the ledger has it" in book("redact", "--tag", "user=bob", *WHY, "--yes").ok().stderr
    assert value(db_url, "SELECT count(*) FROM batches") == count


def test_a_spool_of_a_redacted_request_is_no_new_charge(book: Cli, tmp_path: Path) -> None:
    redacted(book, "--id", "b1", "--yes")
    file = tmp_path / "again.jsonl"
    file.write_text(lines([record("b1", requested_model=PRO, tags={"user": "anna"})]))
    assert book("ingest", str(file), "--dry-run", "--json").json["duplicate"] == 1
    assert book("ingest", str(file), "--json").json["duplicate"] == 1
