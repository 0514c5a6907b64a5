"""Void and reassign: charges are reversed and replaced exactly, never edited, and everything still adds up."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.audit.verify import verify
from ledger.book.corrections.reversing import Selection, reassign, void
from ledger.config import Config
from ledger.intake.files import Ingest
from ledger.intake.labels import RunOptions
from ledger.store.database import Database
from ledger.store.opening import open_ledger
from tests.conftest import Cli
from tests.helpers.ledgers import CODE, REFERENCE_NANO, counts, nano, report, responses, rows, value
from tests.helpers.quarters import total
from tests.helpers.sources import AT, lines, record, response, source

METERS = "input_nano, cached_input_nano, output_nano, cache_storage_nano, amount_nano"


def corrected(cli: Cli, *args: object) -> dict[str, Any]:
    """What a correction tells; the ledger is sound afterwards."""
    found: dict[str, Any] = cli(*args, "--json").ok().json
    cli("verify").ok()
    return found


def by_project(cli: Cli, *args: str) -> dict[str, tuple[int, int]]:
    """(requests, nano-credits) of each project with any."""
    found = cli("report", "--by", "project", "--json", *args).ok().json["rows"]
    spent = {row["project"]: (row["requests"], nano(row["credits"])) for row in found}
    return {project: both for project, both in spent.items() if both != (0, 0)}


def project(name: str, count: int) -> str:
    return lines(response(f"{name}-{number}", metadata={"project": name}) for number in range(count))


@pytest.fixture
def book(db_cli: Cli) -> Cli:
    """Batch 1: three of search and two of ads; batch 2: one of search."""
    db_cli("ingest", "-", stdin=project("search", 3) + project("ads", 2)).ok()
    db_cli("ingest", "-", stdin=lines([response("late", created_at=AT + 86_400, metadata={"project": "search"})])).ok()
    return db_cli


# --- void -----------------------------------------------------------------------------------------------------------


def test_void_of_a_batch_reverses_what_it_recorded_and_nothing_else(book: Cli) -> None:
    dry = book("void", "--batch", 1, "--dry-run", "--json").ok().json
    amount = f"{5 * REFERENCE_NANO / 10**9:.5f}"
    assert dry == {"schema": 1, "batch": None, "charges": 5, "amounts": {"CRD": amount}, "dry_run": True}
    assert by_project(book) == {"search": (4, 4 * REFERENCE_NANO), "ads": (2, 2 * REFERENCE_NANO)}
    told = corrected(book, "void", "--batch", 1, "--reason", "wrong source")
    assert told == dry | {"batch": 3, "dry_run": False}
    assert by_project(book) == {"search": (1, REFERENCE_NANO)}
    batch = book("batches", "--json").ok().json["batches"][0]
    assert (batch["kind"], batch["reason"], batch["charges"], batch["usage_records"]) == ("void", "wrong source", 5, 0)
    assert batch["amounts"] == {"CRD": f"-{amount}"}


def test_void_of_an_id_reverses_that_request(book: Cli) -> None:
    assert corrected(book, "void", "--id", "ads-1")["charges"] == 1
    assert by_project(book) == {"search": (4, 4 * REFERENCE_NANO), "ads": (1, REFERENCE_NANO)}


def test_what_is_voided_is_voided_once(book: Cli, db_url: str) -> None:
    corrected(book, "void", "--id", "ads-1")
    assert "nothing matches: no live charge was changed" in book("void", "--id", "ads-1").ok().stderr
    assert corrected(book, "void", "--batch", 1)["charges"] == 4
    again = corrected(book, "void", "--batch", 1)
    assert (again["batch"], again["charges"], again["amounts"]) == (None, 0, {})
    assert value(db_url, "SELECT count(*) FROM charges WHERE charge_class = 'reversal'") == 5


def test_a_reversal_is_the_exact_negative_of_its_charge(book: Cli, db_url: str) -> None:
    corrected(book, "void", "--batch", 1)
    both = f"SELECT {METERS}, project, tier, rate_entry_id, conversion_id, posted_month FROM charges"
    before = rows(db_url, f"{both} WHERE charge_class = 'charge' AND usage_record_id <= 5 ORDER BY id")
    after = rows(db_url, f"{both} WHERE charge_class = 'reversal' ORDER BY corrects_id")
    assert [(*(-amount for amount in row[:5]), *row[5:]) for row in before] == after
    lines_of = book("export", "charges", "--json").ok().json["rows"]
    assert sum(row["tokens"] for row in lines_of if row["request_id"] != "late") == 0
    reversals = [row for row in lines_of if row["charge_class"] == "reversal"]
    assert {row["corrects_line_id"] for row in reversals} == {
        row["line_id"] for row in lines_of if row["charge_class"] == "charge" and row["request_id"] != "late"
    }
    sums = ["requests", "input_tokens", "output_tokens", "reasoning_tokens", "amount_nano"]
    kept = ", ".join(f"sum({name})" for name in sums)
    by_day = [tuple(map(int, row)) for row in rows(db_url, f"SELECT {kept} FROM rollup_days")]
    by_quarter = total(db_url)
    for found in (by_day, [tuple(by_quarter[name] for name in sums)]):
        assert found == [(1, 88, 230, 211, REFERENCE_NANO)]


def test_an_id_of_several_sources_needs_the_source(book: Cli) -> None:
    book("ingest", "-", "--source", "mirror", stdin=project("ads", 2)).ok()
    outcome = book("void", "--id", "ads-0")
    assert outcome.exit_code == 2
    assert "'ads-0' is an id of several sources (evolink, mirror): give --source" in outcome.stderr
    assert corrected(book, "void", "--id", "ads-0", "--source", "mirror")["charges"] == 1
    assert by_project(book)["ads"] == (3, 3 * REFERENCE_NANO)


def test_one_kind_of_an_id_can_be_voided(book: Cli) -> None:
    storage = record("ads-0", kind="cache_storage", occurred_at=..., input_tokens=..., output_tokens=...)
    storage |= {"tokens": 1_000_000, "start": AT, "end": AT + 60, "requested_model": CODE, "project": "ads"}
    book("ingest", "-", stdin=lines([storage])).ok()
    assert by_project(book)["ads"] == (2, 2 * REFERENCE_NANO + 170_000_000)
    assert corrected(book, "void", "--id", "ads-0", "--kind", "cache_storage")["charges"] == 1
    assert by_project(book)["ads"] == (2, 2 * REFERENCE_NANO)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "give either --batch B or --id ID"),
        (["--batch", "1", "--id", "x"], "give either --batch B or --id ID"),
        (["--batch", "1", "--source", "s"], "--source and --kind go with --id"),
        (["--batch", "9"], "there is no batch 9: see 'tollbook batches'"),
        (["--batch", "9" * 30], "the largest count: give less"),
        (["--batch", "0"], "is not in the range"),
        (["--id", "nobody"], "no usage record has the id 'nobody'"),
    ],
)
def test_a_void_of_nothing_is_wrong_use(book: Cli, args: list[str], words: str) -> None:
    outcome = book("void", *args)
    assert outcome.exit_code == 2
    assert words in outcome.stderr
    assert len(by_project(book)) == 2


def test_a_correction_can_not_be_voided_by_its_batch(book: Cli) -> None:
    corrected(book, "void", "--id", "ads-1")
    corrected(book, "reassign", "--project", "ads", "--to", "search")
    for batch, kind in ((3, "void"), (4, "reassign")):
        outcome = book("void", "--batch", batch)
        assert outcome.exit_code == 2
        assert f"batch {batch} is a {kind}, which adds no usage" in outcome.stderr


# --- reassign -------------------------------------------------------------------------------------------------------


def test_reassign_moves_a_project(book: Cli, db_url: str) -> None:
    told = corrected(book, "reassign", "--project", "ads", "--to", "support", "--reason", "renamed")
    assert (told["charges"], nano(told["amounts"]["CRD"])) == (2, 2 * REFERENCE_NANO)
    assert by_project(book) == {"search": (4, 4 * REFERENCE_NANO), "support": (2, 2 * REFERENCE_NANO)}
    classes = rows(db_url, "SELECT charge_class, project FROM charges WHERE batch_id = 3 ORDER BY id")
    assert classes == [("reversal", "ads"), ("replacement", "support")] * 2
    # Once moved, nothing of it is left to move.
    assert corrected(book, "reassign", "--project", "ads", "--to", "support")["charges"] == 0


def test_reassigned_again_and_back_and_voided(book: Cli) -> None:
    for there, to in (("ads", "support"), ("support", "care"), ("care", "ads")):
        assert corrected(book, "reassign", "--project", there, "--to", to)["charges"] == 2
    assert by_project(book) == {"search": (4, 4 * REFERENCE_NANO), "ads": (2, 2 * REFERENCE_NANO)}
    assert corrected(book, "void", "--batch", 1)["charges"] == 5
    assert by_project(book) == {"search": (1, REFERENCE_NANO)}
    assert corrected(book, "reassign", "--project", "ads", "--to", "support")["charges"] == 0
    book("ingest", "-", stdin=project("ads", 2)).ok()
    assert corrected(book, "reassign", "--project", "ads", "--to", "support")["charges"] == 2


@pytest.mark.parametrize(
    ("selection", "moved"),
    [
        ([], 4),
        (["--id", "search-1"], 1),
        (["--batch", "2"], 1),
        (["--model", CODE], 4),
        (["--model", "doubao-seed-2.0-lite"], 0),
        (["--source", "evolink"], 4),
        (["--source", "mirror"], 0),
        (["--since", "2026-02-20"], 1),
        (["--until", "2026-02-20"], 3),
        (["--since", "2026-02-19T07:37:54Z", "--until", "2026-02-19T07:37:55Z"], 3),
        (["--since", "2026-02-19T07:37:55Z"], 1),
        (["--since", "2026-02-19", "--id", "late"], 1),
    ],
)
def test_reassign_takes_what_every_condition_holds_of(book: Cli, selection: list[str], moved: int) -> None:
    assert corrected(book, "reassign", "--project", "search", "--to", "support", *selection)["charges"] == moved
    assert by_project(book).get("support", (0, 0)) == (moved, moved * REFERENCE_NANO)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--project", "search", "--to", "search"], "nothing to move"),
        (["--project", "search", "--to", " "], "give 1 to 200 characters"),
        (["--project", "search", "--to", "p" * 201], "1 to 200 characters"),
        (["--project", "search"], "Missing option '--to'"),
        (["--project", "search", "--to", "x", "--since", "2026-03-02", "--until", "2026-03-01"], "is not before"),
        (["--project", "search", "--to", "x", "--since", "yesterday"], "isn't a time"),
        (["--project", "search", "--to", "x", "--batch", "99"], "there is no batch 99"),
    ],
)
def test_a_reassignment_that_says_too_little_is_wrong_use(book: Cli, args: list[str], words: str) -> None:
    outcome = book("reassign", *args)
    assert outcome.exit_code == 2
    assert words in outcome.stderr
    assert set(by_project(book)) == {"search", "ads"}


def test_many_charges_are_corrected_in_several_batches_of_one_run(
    db_cli: Cli, monkeypatch: pytest.MonkeyPatch, db_url: str
) -> None:
    monkeypatch.setattr("ledger.book.charges.CHUNK", 7)
    db_cli("ingest", "-", "--project", "a", stdin=responses(range(30))).ok()
    assert corrected(db_cli, "reassign", "--project", "a", "--to", "b")["charges"] == 30
    assert rows(db_url, "SELECT run_id, count(*) FROM batches GROUP BY run_id ORDER BY run_id") == [(1, 1), (2, 5)]
    assert corrected(db_cli, "void", "--batch", 1)["charges"] == 30
    assert by_project(db_cli) == {}
    assert [row["charges"] for row in db_cli("batches", "--json").ok().json["batches"]] == [30, 60, 30]


def test_repeats_of_what_was_reassigned_are_still_duplicates(book: Cli) -> None:
    corrected(book, "reassign", "--project", "ads", "--to", "support")
    assert counts(book("ingest", "-", "--json", stdin=project("ads", 2)).ok().json) == {"duplicate": 2}


# --- laws -----------------------------------------------------------------------------------------------------------

STEP = st.one_of(
    st.tuples(st.just("ingest"), st.lists(st.integers(0, 5), min_size=1, max_size=6)),
    st.tuples(st.just("void"), st.integers(0, 5)),
    st.tuples(st.just("reassign"), st.sampled_from("abc"), st.sampled_from("abc")),
)


def record_all(database: Database, numbers: list[int]) -> None:
    made = lines(response(f"r{number}", metadata={"project": "abc"[number % 3]}) for number in numbers)
    Ingest(database, Config(), RunOptions()).run([source(made.encode())])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=7))
def test_any_sequence_of_corrections_leaves_what_a_plain_dictionary_would(
    steps: list[tuple[Any, ...]], tmp_path: Path, sqlite_template: Path
) -> None:
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"law.db{suffix}").unlink(missing_ok=True)
    shutil.copyfile(sqlite_template, tmp_path / "law.db")
    database = open_ledger(str(tmp_path / "law.db"))
    live: dict[int, str] = {}
    for name, *facts in steps:
        if name == "ingest":
            record_all(database, facts[0])
            live |= {number: "abc"[number % 3] for number in facts[0] if number not in live}
        elif name == "void":
            assert void(database, Selection(request_id=f"r{facts[0]}"), "").reversed == (live.pop(facts[0], "") != "")
        elif facts[0] != facts[1]:
            moved = reassign(database, Selection(project=facts[0]), facts[1], "").reversed
            assert moved == list(live.values()).count(facts[0])
            live = {number: facts[1] if at == facts[0] else at for number, at in live.items()}
        assert verify(database).passed
    with database.reading() as connection:
        kept = connection.exec_driver_sql(
            "SELECT project, sum(requests), sum(amount_nano) FROM rollup_days JOIN rollup_keys k ON k.id = key_id"
            " GROUP BY project HAVING sum(requests) <> 0 OR sum(amount_nano) <> 0"
        ).all()
    assert {row[0]: tuple(row[1:]) for row in kept} == {
        at: (count, count * REFERENCE_NANO) for at, count in Counter(live.values()).items()
    }
    database.engine.dispose()


def test_the_report_of_the_corrected_months_is_that_of_the_rows(book: Cli) -> None:
    corrected(book, "reassign", "--project", "search", "--to", "support", "--since", "2026-02-20")
    corrected(book, "void", "--id", "ads-0")
    for basis in ("posted", "occurred"):
        month = by_project(book, "--month", "2026-02", "--basis", basis)
        assert month == {"search": (3, 3 * REFERENCE_NANO), "support": (1, REFERENCE_NANO), "ads": (1, REFERENCE_NANO)}
    assert report(book)["total"]["requests"] == 5


def test_what_was_voided_whole_leaves_no_row(cli: Cli, sqlite_url: str) -> None:
    cli("ingest", "-", stdin=responses([1, 2])).ok()
    assert len(report(cli)["rows"]) == 2
    cli("void", "--id", "resp_000001").ok()
    assert [row["requests"] for row in report(cli)["rows"]] == [1]
    cli("void", "--id", "resp_000002").ok()
    found = report(cli)
    assert found["rows"] == []
    assert (found["total"]["requests"], found["total"]["usd"]) == (0, "0")
