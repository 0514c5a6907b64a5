"""Commands that need rows of usage whose sums alone are in the book refuse it, or say that it is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli, Outcome
from tests.helpers.lakes import cell_rows, write_lake
from tests.helpers.ledgers import LITE, PRO, dearer_lite, responses, value
from tests.helpers.sources import lines, record

FEBRUARY, MARCH = "2026-02", "2026-03"
WHERE = "source 'gateway' lie in a lake, in its charges/*.parquet"
LEFT_OUT = "without usage of source 'gateway', whose rows lie in a lake"
BILL = "request_id,occurred_at,amount\nr1,2026-02-19T07:37:54Z,1\n"


@pytest.fixture
def manifest(cli: Cli, tmp_path: Path) -> Path:
    """A lake's sums of February: 30 requests, some just over a price step."""
    other = f"sqlite:///{tmp_path / 'other.db'}"
    long = [
        record(f"l{number}", requested_model=LITE, input_tokens=33_000, project="long", source="gateway")
        for number in range(10)
    ]
    cli("ingest", "-", "--source", "gateway", "--db", other, stdin=responses(range(20)) + lines(long)).ok()
    return write_lake(tmp_path / "lake", FEBRUARY, cell_rows(other, FEBRUARY))


@pytest.fixture
def mixed(db_cli: Cli, manifest: Path) -> Cli:
    """A ledger with usage of its own in February and March, and a lake's of February."""
    stated = {"requested_model": PRO, "project": "own", "source": "evolink"}
    own = [record("o1", **stated), record("o2", **stated, occurred_at="2026-03-05T00:00:00Z")]
    db_cli("ingest", "-", stdin=lines(own)).ok()
    db_cli("lake", "post", manifest).ok()
    Path("bill.csv").write_text(BILL)
    Path("dearer.toml").write_text(dearer_lite(f"{FEBRUARY}-01"))
    return db_cli


def refused(outcome: Outcome) -> str:
    assert outcome.exit_code == 2, outcome
    assert outcome.stderr.count("\n") == 1, outcome.stderr
    return outcome.stderr


@pytest.mark.parametrize(
    "args",
    [
        ("export", "charges", "--month", FEBRUARY),
        ("export", "charges"),
        ("export", "focus", "--month", FEBRUARY, "--grain", "charge"),
        ("export", "chargeback", "--month", FEBRUARY, "--by", "tag:feature"),
        ("reconcile", "--statement", "bill.csv"),
        ("reconcile", "--month", FEBRUARY),
        ("reprice", "--since", "2026-02-01"),
        ("reprice", "--since", "2026-02-01", "--model", LITE, "--dry-run"),
        ("reassign", "--project", "project-1", "--to", "own"),
        ("reassign", "--project", "long", "--to", "own", "--source", "gateway", "--dry-run"),
    ],
    ids=" ".join,
)
def test_what_must_be_whole_is_refused(mixed: Cli, args: tuple[str, ...]) -> None:
    assert WHERE in refused(mixed(*args))


@pytest.mark.parametrize(
    "args",
    [
        ("export", "charges", "--month", MARCH),
        ("export", "charges", "--since", "2026-02-20"),
        ("export", "focus", "--month", MARCH, "--grain", "charge"),
        ("export", "focus", "--month", FEBRUARY),
        ("export", "chargeback", "--month", FEBRUARY),
        ("reprice", "--since", "2026-03-01"),
        ("reprice", "--since", "2026-02-01", "--model", PRO, "--until", "2026-02-01T00:15:00Z"),
        ("reassign", "--project", "own", "--to", "search"),
        ("reassign", "--project", "project-1", "--to", "own", "--source", "evolink"),
        ("void", "--id", "o1"),
    ],
    ids=" ".join,
)
def test_what_has_rows_goes_on(mixed: Cli, args: tuple[str, ...]) -> None:
    mixed(*args).ok()


def test_what_informs_says_what_it_leaves_out(mixed: Cli) -> None:
    for args in (
        ("report", "--by", "tag:feature"),
        ("report", "--since", "2026-02-01T00:00:01Z"),
        ("budget", "report", "--month", FEBRUARY, "--format", "json"),
        ("workload", "pull", "--since", "2026-02-01", "--until", "2026-03-01"),
        ("whatif", "--month", FEBRUARY, "--cap-input", "1000"),
        ("rates", "add", "dearer.toml", "--replace", "--reason", "a test"),
    ):
        assert LEFT_OUT in mixed(*args).ok().stderr, args
    for args in (
        ("report", "--by", "tag:feature", "--month", MARCH),
        ("budget", "report", "--month", MARCH, "--format", "json"),
        ("workload", "pull", "--since", "2026-03-01", "--until", "2026-04-01"),
    ):
        assert "lake" not in mixed(*args).ok().stderr, args


def test_a_budget_by_a_tag_that_only_rows_have_is_refused(mixed: Cli) -> None:
    mixed("budget", "set", "all", "--amount", "1usd", "--from", f"{FEBRUARY}-01").ok()
    mixed("budget", "status", "--at", "2026-02-28").ok()
    mixed("budget", "set", "red", "--amount", "1usd", "--from", f"{FEBRUARY}-01", "--tag", "team=red").ok()
    assert WHERE in refused(mixed("budget", "status", "--at", "2026-02-28"))


def test_an_id_may_be_of_a_lake(mixed: Cli) -> None:
    said = refused(mixed("void", "--id", "resp_000001"))
    assert "no usage record has the id 'resp_000001'; requests of source 'gateway' lie in a lake" in said


# --- taken back -----------------------------------------------------------------------------------------------------


def total(cli: Cli, *args: str) -> Any:
    return cli("report", "--json", *args).ok().json["total"]


def test_a_batch_of_sums_is_taken_back_and_posted_again(mixed: Cli, db_url: str, manifest: Path) -> None:
    batch = value(db_url, "SELECT id FROM batches WHERE kind = 'lake'")
    before = total(mixed)
    assert mixed("void", "--batch", batch, "--dry-run", "--json").ok().json["charges"] > 0
    assert total(mixed) == before
    voided = mixed("void", "--batch", batch, "--reason", "priced by the wrong card", "--json").ok().json
    assert voided["amounts"]["CRD"]
    left = total(mixed)
    assert (left["requests"], before["requests"]) == (2, 32)
    again = mixed("void", "--batch", batch, "--json").ok()
    assert (again.json["batch"], again.json["charges"]) == (None, 0)
    mixed("verify").ok()
    mixed("export", "charges", "--month", FEBRUARY).ok()  # nothing of the lake is left in it
    posted = mixed("lake", "post", manifest, "--json").ok().json
    assert posted["committed"]
    assert posted["batch"] != batch
    assert total(mixed) == before
    assert mixed("lake", "post", manifest, "--json").ok().json["repeated"]
    mixed("verify").ok()
    mixed("db", "rollups", "--none").ok()
    assert total(mixed) == before


def test_sums_of_a_closed_month_are_taken_back_in_the_open_one(mixed: Cli, db_url: str) -> None:
    batch = value(db_url, "SELECT id FROM batches WHERE kind = 'lake'")
    mixed("close", FEBRUARY, "--force", "--reason", "a test").ok()
    before, own = total(mixed, "--month", FEBRUARY), total(mixed, "--month", MARCH)
    mixed("void", "--batch", batch, "--reason", "twice").ok()
    assert total(mixed, "--month", FEBRUARY) == before
    assert total(mixed, "--month", MARCH)["requests"] == own["requests"] - 30
    for args in (("export", "charges", "--month", MARCH), ("export", "charges", "--month", FEBRUARY)):
        assert WHERE in refused(mixed(*args))
    mixed("export", "charges").ok()
    mixed("reassign", "--project", "project-1", "--to", "own").ok()
    mixed("verify").ok()
    mixed("verify", "--month", MARCH).ok()


def test_a_lake_s_batch_isn_t_moved(mixed: Cli, db_url: str) -> None:
    batch = value(db_url, "SELECT id FROM batches WHERE kind = 'lake'")
    said = refused(mixed("reassign", "--project", "long", "--to", "own", "--batch", batch))
    assert f"batch {batch} is of a lake's sums, whose rows lie there" in said
