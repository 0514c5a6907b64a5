"""Who needs the write lock: dry runs never, strict runs once all is read; what others write meanwhile counts."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.audit.verify import verify
from ledger.book.corrections.reversing import Selection, void
from ledger.book.prices import changes
from ledger.book.settings import rebuild_rollups
from ledger.config import Config
from ledger.errors import LedgerError
from ledger.intake.files import Ingest, IngestResult
from ledger.intake.labels import RunOptions
from ledger.intake.portions.portion import Portion
from ledger.intake.portions.staged import Staged
from ledger.store.opening import open_ledger
from tests.book.test_full_cells import CARD as OWN_CARD
from tests.book.test_full_cells import MOST, stored, used
from tests.conftest import Cli
from tests.helpers.ledgers import LITE, NEW_NANO, OLD_NANO, counts, dearer_lite, lock_is_free, responses, rows, value
from tests.helpers.sources import lines, record, response, source

CARD = dearer_lite("2026-02-01")


def lite(*ids: str, **more: Any) -> str:
    made = (record(name, requested_model=LITE, input_tokens=1_000, output_tokens=0, **more) for name in ids)
    return lines(made)


# --- who never needs it ---------------------------------------------------------------------------------------------


def test_dry_runs_and_what_strict_refuses_go_on_while_another_writes(db_cli: Cli, db_url: str) -> None:
    made = responses(range(8)) + lines([response("x", model="none")])
    other = open_ledger(db_url)
    with other.writing():
        # The prices that ship are not in the ledger yet.
        dry = db_cli("ingest", "-", "--dry-run", "--json", stdin=made)
    assert (dry.exit_code, counts(dry.json)) == (3, {"accepted": 8, "rejected": 1})
    db_cli("ingest", "-", stdin=responses(range(4))).ok()
    Path("card.toml").write_text(CARD)
    db_cli("rates", "add", "card.toml", "--replace", "--reason", "R").ok()
    with other.writing():
        for option, code in (("--dry-run", 3), ("--strict", 1)):
            found = db_cli("ingest", "-", option, "--json", stdin=made)
            assert (found.exit_code, found.json["committed"]) == (code, False)
            assert counts(found.json) == {"accepted": 4, "duplicate": 4, "rejected": 1}
        assert db_cli("reprice", "--since", "2026-02-01", "--dry-run", "--json").ok().json["charges"] == 1
        assert db_cli("void", "--batch", 1, "--dry-run", "--json").ok().json["charges"] == 4
        assert db_cli("close", "2026-02", "--dry-run", "--force", "--reason", "R", "--json").ok().json["closed"]
        refused = db_cli("close", "2026-02")
        assert (refused.exit_code, "ends on 2026-02-19" in refused.stderr) == (2, True)
    assert value(db_url, "SELECT count(*) FROM batches") == 1


@pytest.mark.parametrize(
    "command", [["add", "card.toml"], ["conversion", "add", "--per-usd", "68", "--from", "2026-02-02"]]
)
def test_charges_with_other_prices_are_counted_while_others_may_write(
    db_cli: Cli, db_url: str, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    db_cli("ingest", "-", stdin=lite("a", "b")).ok()
    Path("card.toml").write_text(CARD)
    count, free = changes.charges_priced_otherwise, []

    def counted(*args: Any) -> int:
        free.append(lock_is_free(db_url))
        return count(*args)

    monkeypatch.setattr(changes, "charges_priced_otherwise", counted)
    replaced = ["--replace", "--reason", "R"] if command[0] == "add" else []
    found = db_cli("rates", *command, *replaced).ok()
    assert "2 posted charges have other figures" in found.stderr
    assert free == [True]


# --- strict runs ----------------------------------------------------------------------------------------------------


def posts_after(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have something done between the reading of a strict run and its posting."""
    post = Ingest._post_staged

    def interleaved(self: Ingest, *args: Any) -> None:
        act()
        post(self, *args)

    monkeypatch.setattr(Ingest, "_post_staged", interleaved)


def charged(url: str) -> list[tuple[Any, ...]]:
    """Return id, nano of the charge, and the month it is posted in, of each request."""
    query = "SELECT request_id, amount_nano, posted_month FROM charges c JOIN usage_records u ON u.id = usage_record_id"
    return rows(url, f"{query} ORDER BY c.id")


def test_what_was_recorded_meanwhile_is_a_duplicate(db_cli: Cli, db_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    posts_after(monkeypatch, lambda: db_cli("ingest", "-", stdin=lite("b")).ok())
    found = db_cli("ingest", "-", "--strict", "--json", stdin=lite("a", "b")).ok().json
    assert (counts(found), found["committed"]) == ({"accepted": 1, "duplicate": 1}, True)
    assert charged(db_url) == [("b", OLD_NANO, "2026-02"), ("a", OLD_NANO, "2026-02")]
    db_cli("verify").ok()


def test_what_contradicts_records_made_meanwhile_is_refused_with_all(
    db_cli: Cli, db_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    posts_after(monkeypatch, lambda: db_cli("ingest", "-", stdin=lite("b", status="failed")).ok())
    found = db_cli("ingest", "-", "--strict", "--json", stdin=lite("a", "b"))
    assert (found.exit_code, counts(found.json)) == (1, {"accepted": 1, "conflict": 1})
    assert (found.json["committed"], found.json["batch"]) == (False, None)
    assert [each["line"] for each in found.json["rejections"]] == [2]
    assert [name for name, *_rest in charged(db_url)] == ["b"]
    assert value(db_url, "SELECT count(*) FROM quarantine") == 0
    db_cli("verify").ok()


def test_prices_conversions_and_months_are_those_of_the_posting(
    db_cli: Cli, db_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("card.toml").write_text(CARD)
    db_cli("ingest", "-", stdin=lite("before", occurred_at="2026-02-28T12:00:00Z")).ok()

    def act() -> None:
        db_cli("rates", "add", "card.toml", "--replace", "--reason", "R").ok()
        db_cli("rates", "conversion", "add", "--per-usd", "68", "--from", "2026-02-02").ok()
        db_cli("close", "2026-02").ok()
        rebuild_rollups(open_ledger(db_url), ("team",))

    posts_after(monkeypatch, act)
    made = lite("a", "b", tags={"team": "x"})
    found = db_cli("ingest", "-", "--strict", "--json", stdin=made).ok().json
    assert charged(db_url)[1:] == [("a", NEW_NANO, "2026-03"), ("b", NEW_NANO, "2026-03")]
    # 2 x 0.009 credits at 68, in nano: 264_705.88…
    assert (found["credits"], found["usd"]) == ("0.018", "0.000264706")
    by_team = db_cli("report", "--by", "tag:team", "--json").ok().json["rows"]
    assert [(row["tag:team"], row["requests"]) for row in by_team if row["tag:team"]] == [("x", 2)]
    db_cli("verify").ok()


def test_open_entries_of_lines_are_resolved_and_those_given_up_meanwhile_are_not(
    db_cli: Cli, db_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = responses(range(2))
    cut = whole[: len(whole) - 40]
    db_cli("ingest", "-", "--allow-rejected", 1, stdin=cut).ok()
    db_cli("ingest", "-", "--allow-rejected", 1, stdin=lines([response("z", model="m")])).ok()
    assert db_cli("ingest", "-", "--strict", stdin=whole + "{").exit_code == 1
    assert rows(db_url, "SELECT state FROM quarantine ORDER BY id") == [("open",), ("open",)]
    posts_after(monkeypatch, lambda: db_cli("quarantine", "discard", 2, "--reason", "R").ok())
    Path("card.toml").write_text(CARD.replace("doubao-seed-2.0-lite", "m"))
    db_cli("rates", "add", "card.toml").ok()
    db_cli("ingest", "-", "--strict", stdin=whole + lines([response("z", model="m")])).ok()
    assert rows(db_url, "SELECT state FROM quarantine ORDER BY id") == [("resolved",), ("discarded",)]
    db_cli("verify").ok()


def test_what_is_given_up_amid_a_plain_run_stays_given_up(
    db_cli: Cli, db_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = lines([response("z", model="m")])
    db_cli("ingest", "-", "--allow-rejected", 1, stdin=made).ok()
    Path("card.toml").write_text(CARD.replace("doubao-seed-2.0-lite", "m"))
    db_cli("rates", "add", "card.toml").ok()
    read = Ingest._read_all

    def discard_first(self: Ingest, *args: Any) -> None:
        db_cli("quarantine", "discard", 1, "--reason", "R").ok()
        read(self, *args)

    monkeypatch.setattr(Ingest, "_read_all", discard_first)
    db_cli("ingest", "-", stdin=made).ok()
    assert rows(db_url, "SELECT state FROM quarantine") == [("discarded",)]
    db_cli("verify").ok()


def test_what_waits_has_no_name_and_nothing_of_a_payload(
    db_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "waiting"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    appended: list[tuple[list[Path], bytes, bytes]] = []
    append = Staged.append

    def looked_at(self: Staged, name: str, portion: Portion) -> None:
        append(self, name, portion)
        self._file.seek(0)
        appended.append((list(folder.iterdir()), self._file.read(), portion.rows()[0].raw or b""))

    monkeypatch.setattr(Staged, "append", looked_at)
    db_cli("ingest", "-", "--strict", stdin=responses(range(3))).ok()
    [(files, kept, raw)] = appended
    assert files == []
    assert b"resp_000001" in kept
    assert b"payload" in raw
    assert b"payload" not in kept


def test_a_full_folder_is_named() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(LedgerError, match=r"No space left.*TMPDIR"):
        Staged(full).append("usage", Portion())


# --- a dry run is the run -------------------------------------------------------------------------------------------


def made_up(chance: random.Random, prefix: str) -> bytes:
    """Lines with ids that come again, alike or not, in projects of which some are full."""
    made: list[object] = []
    for _ in range(chance.randint(1, 12)):
        number, project = chance.randrange(8), chance.choice(["a", "b"])
        labels = {"project": f"{prefix}-{project}", "tags": chance.choice([{}, {"team": "x"}])}
        count = chance.choice([0, 0, 5, 2**62, MOST - 5, MOST])
        one: Any = used(number, count) if chance.random() < 0.8 else stored(number, count, chance.choice([1, 2]))
        made.append(one | labels | {"request_id": f"{prefix}-{one['request_id']}"})
    others = [record("-", requested_model="unheard-of"), response(f"{prefix}-r", status="queued"), {"object": "list"}]
    made += [other for other in others if chance.random() < 0.2]
    chance.shuffle(made)
    return lines(made).encode()


def outcome(result: IngestResult) -> tuple[object, ...]:
    return result.tally, result.rejections, result.without_usage


@pytest.mark.parametrize("seed", range(4))
def test_a_dry_run_says_what_a_run_does(db_cli: Cli, db_url: str, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    chance = random.Random(seed)
    Path("card.toml").write_text(OWN_CARD)
    db_cli("rates", "add", "card.toml").ok()
    database = open_ledger(db_url)

    def run(files: list[bytes], *, dry_run: bool = False, strict: bool = False) -> IngestResult:
        opened = [source(data, f"file-{place}") for place, data in enumerate(files)]
        return Ingest(database, Config(), RunOptions(), dry_run=dry_run, strict=strict).run(opened)

    for turn in range(8):
        monkeypatch.setattr("ledger.intake.containers.lines.CHUNK_LINES", chance.choice([1, 3, 20_000]))
        files = [made_up(chance, f"p{turn // 3}") for _ in range(chance.randint(1, 3))]
        expected = outcome(run(files, dry_run=True))
        if chance.random() < 0.5:
            strict = run(files, strict=True)
            assert outcome(strict) == expected
            if strict.committed:
                continue
        assert outcome(run(files)) == expected
        if chance.random() < 0.3:
            void(database, Selection(project=f"p{turn // 3}-a"), "R")
    assert verify(database).passed
    database.close()
