"""Usage priced again: what differs is reversed and replaced, once; and what a reprice did can be undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.helpers.ledgers import LITE, MINI, NEW_NANO, OLD_NANO, PRO, dearer_lite, nano, rows, value
from tests.helpers.sources import lines, record

FEBRUARY, MARCH, APRIL = ("2026-02", "2026-03", "2026-04")
CARD = dearer_lite("2026-03-15")


def usage(*days: str, **changes: Any) -> str:
    return lines(
        record(f"r-{day}", occurred_at=f"{day}T12:00:00Z", requested_model=LITE, input_tokens=1_000, output_tokens=0)
        | {"project": "search"}
        | changes
        for day in days
    )


@pytest.fixture
def book(db_cli: Cli) -> Cli:
    """Usage around 15 March, when a price begins that was added only after it had been booked."""
    db_cli("ingest", "-", stdin=usage("2026-02-28", "2026-03-14", "2026-03-15", "2026-03-31")).ok()
    Path("card.toml").write_text(CARD)
    db_cli("rates", "add", "card.toml").ok()
    return db_cli


def posted(url: str) -> list[tuple[Any, ...]]:
    query = "SELECT occurred_month, posted_month, charge_class, amount_nano, project FROM charges ORDER BY id"
    return rows(url, query)


def total(cli: Cli, *options: str) -> tuple[int, int]:
    found = cli("report", "--json", *options).ok().json["total"]
    return nano(found["credits"]), found["requests"]


def test_what_differs_is_reversed_and_replaced_and_nothing_the_second_time(book: Cli, db_url: str) -> None:
    found = book("reprice", "--since", "2026-02-01", "--json").ok().json
    assert (found["charges"], found["total"]["change_usd"]) == (2, "0.000083333")  # 2 x 0.003 credits at 72
    assert [(row["month"], row["model"], row["project"], row["charges"]) for row in found["rows"]] == [
        (MARCH, LITE, "search", 2)
    ]
    assert [row["before_amounts"] | row["after_amounts"] for row in found["rows"]] == [{"CRD": "0.018"}]
    assert posted(db_url)[4:] == 2 * [
        (MARCH, MARCH, "reversal", -OLD_NANO, "search"),
        (MARCH, MARCH, "replacement", NEW_NANO, "search"),
    ]
    again = book("reprice", "--since", "2026-02-01", "--json").ok()
    assert (again.json["batch"], again.json["charges"], "nothing differs" in again.stderr) == (None, 0, True)
    assert total(book) == (2 * OLD_NANO + 2 * NEW_NANO, 4)
    book("verify").ok()


def test_the_total_is_rounded_once_and_not_by_row(db_cli: Cli) -> None:
    for project in ("a", "b", "c"):
        db_cli("ingest", "-", stdin=usage("2026-03-31", request_id=project, project=project)).ok()
    Path("card.toml").write_text(CARD)
    db_cli("rates", "add", "card.toml").ok()
    found = db_cli("reprice", "--since", "2026-03-01", "--json").ok().json
    # 0.006 credits at 72 are 83_333.3… billionths of a USD, three times that is 250_000; 0.009 are 125_000.
    assert [row["before_usd"] for row in found["rows"]] == ["0.000083333"] * 3
    total = found["total"]
    assert (total["before_usd"], total["after_usd"], total["change_usd"]) == ("0.00025", "0.000375", "0.000125")


def test_a_dry_run_shows_the_same_money_and_posts_nothing(book: Cli, db_url: str) -> None:
    tables = ("charges", "batches", "rate_entries", "conversions")
    before = [rows(db_url, f"SELECT * FROM {table} ORDER BY id") for table in tables]
    tried = book("reprice", "--since", "2026-02-01", "--dry-run", "--json").ok().json
    assert [rows(db_url, f"SELECT * FROM {table} ORDER BY id") for table in tables] == before
    done = book("reprice", "--since", "2026-02-01", "--json").ok().json
    assert (tried["rows"], tried["total"], tried["batch"]) == (done["rows"], done["total"], None)


def test_the_selection_narrows_by_time_and_model(book: Cli) -> None:
    assert book("reprice", "--since", "2026-02-01", "--until", "2026-03-31", "--json").ok().json["charges"] == 1
    assert book("reprice", "--since", "2026-02-01", "--model", PRO, "--json").ok().json["charges"] == 0
    assert book("reprice", "--since", "2026-03-31", "--model", LITE, "--json").ok().json["charges"] == 1


def test_a_new_conversion_moves_dollars_and_no_credits(db_cli: Cli, db_url: str) -> None:
    db_cli("ingest", "-", stdin=usage("2026-03-01", input_tokens=30_000, requested_model=PRO)).ok()
    db_cli("rates", "conversion", "add", "--per-usd", "68", "--from", "2026-02-15").ok()
    found = db_cli("reprice", "--since", "2026-03-01", "--json").ok().json
    # 30,000 x 32 per 1M is 0.96 credits: at 72 and at 68 for 1 USD.
    [row] = found["rows"]
    assert (row["before_usd"], row["after_usd"]) == ("0.013333333", "0.014117647")
    assert row["before_amounts"] == row["after_amounts"] == {"CRD": "0.96"}
    assert value(db_url, "SELECT count(DISTINCT conversion_id) FROM charges") == 2
    db_cli("verify").ok()


def test_a_conversion_that_is_corrected_and_put_back_leaves_nothing_to_reprice(db_cli: Cli, db_url: str) -> None:
    db_cli("ingest", "-", stdin=usage("2026-03-10")).ok()
    for per_usd in ("68", "72"):
        added = db_cli(
            "rates", "conversion", "add", "--per-usd", per_usd, "--from", "2026-02-01", "--replace", "--reason", "x"
        )
    assert "posted charge" not in added.ok().stderr
    assert db_cli("reprice", "--since", "2026-03-01", "--json").ok().json["charges"] == 0
    db_cli("ingest", "-", stdin=usage("2026-03-11")).ok()
    assert rows(db_url, "SELECT count(DISTINCT conversion_id) FROM charges") == [(1,)]


def test_a_conversion_that_is_added_again_at_its_figure_is_none_other(db_cli: Cli, db_url: str) -> None:
    db_cli("ingest", "-", stdin=usage("2026-03-10")).ok()
    added = db_cli("rates", "conversion", "add", "--per-usd", "72", "--from", "2026-03-01").ok()
    assert "posted charge" not in added.stderr
    assert db_cli("reprice", "--since", "2026-03-01", "--json").ok().json["charges"] == 0
    db_cli("rates", "conversion", "add", "--per-usd", "68", "--from", "2026-03-01", "--replace", "--reason", "x").ok()
    assert db_cli("reprice", "--since", "2026-03-01", "--json").ok().json["charges"] == 1
    db_cli("ingest", "-", stdin=usage("2026-03-11")).ok()
    assert value(db_url, "SELECT count(DISTINCT conversion_id) FROM charges") == 2


def test_a_card_in_dollars_has_no_other_figures(db_cli: Cli, tmp_path: Path) -> None:
    price = 'effective_from = 2026-02-01\ntiers = [{ input = "1", output = "2" }]\n'
    head = 'provider = "usa"\ncurrency = "USD"\nper_tokens = 1_000_000\n'
    (tmp_path / "usa.toml").write_text(f'{head}[[model]]\nid = "m"\n[[model.price]]\n{price}')
    db_cli("rates", "add", "usa.toml").ok()
    db_cli("ingest", "-", "--provider", "usa", stdin=usage("2026-03-10", requested_model="m")).ok()
    (tmp_path / "usa.toml").write_text(f'{head}[[model]]\nid = "n"\n[[model.price]]\n{price}')
    assert "posted charge" not in db_cli("rates", "add", "usa.toml").ok().stderr


def test_closed_months_stay_and_the_difference_posts_in_the_open_one(book: Cli, db_url: str) -> None:
    book("close", "--through", MARCH).ok()
    before = book("report", "--month", MARCH, "--json").ok().stdout
    [row] = book("reprice", "--since", "2026-03-31", "--json").ok().json["rows"]
    assert row["month"] == APRIL
    assert posted(db_url)[4:] == [
        (MARCH, APRIL, "reversal", -OLD_NANO, "search"),
        (MARCH, APRIL, "replacement", NEW_NANO, "search"),
    ]
    assert book("report", "--month", MARCH, "--json").ok().stdout == before
    assert total(book, "--month", APRIL) == (NEW_NANO - OLD_NANO, 0)
    book("verify").ok()


def test_a_reassigned_charge_keeps_its_project(book: Cli, db_url: str) -> None:
    book("reassign", "--project", "search", "--to", "support", "--id", "r-2026-03-31").ok()
    book("reprice", "--since", "2026-03-31").ok()
    assert posted(db_url)[-1] == (MARCH, MARCH, "replacement", NEW_NANO, "support")


def test_an_alias_that_names_another_model_moves_the_charge(db_cli: Cli, db_url: str) -> None:
    db_cli("ingest", "-", stdin=usage("2026-03-31", requested_model=None, reported_model="doubao-seed-2-0-lite-x")).ok()
    card = CARD.replace(LITE, "lite-x").replace('id = "lite-x"', 'id = "lite-x"\naliases = ["doubao-seed-2-0-lite-x"]')
    Path("card.toml").write_text(card)
    db_cli("rates", "add", "card.toml").ok()
    found = db_cli("reprice", "--since", "2026-03-01", "--json").ok().json
    moved = {row["model"]: (row["before_amounts"], row["after_amounts"]) for row in found["rows"]}
    assert moved == {LITE: ({"CRD": "0.006"}, {}), "lite-x": ({}, {"CRD": "0.009"})}
    assert rows(db_url, "SELECT billed_model FROM charges ORDER BY id") == [(LITE,), (LITE,), ("lite-x",)]


def test_what_can_not_be_priced_today_stays_and_is_told(db_cli: Cli, db_url: str) -> None:
    db_cli("ingest", "-", stdin=usage("2026-03-31", "2026-03-30", input_tokens=200_000)).ok()
    Path("card.toml").write_text(CARD.replace("256_000", "100_000"))
    db_cli("rates", "add", "card.toml").ok()
    outcome = db_cli("reprice", "--since", "2026-03-01").ok()
    assert "left as booked, without a price on the cards in force: 2 charges; input_tokens 200000" in outcome.stderr
    assert value(db_url, "SELECT count(*) FROM charges") == 2


# --- undo -----------------------------------------------------------------------------------------------------------


def test_an_undone_reprice_brings_the_prior_charges_back(book: Cli, db_url: str) -> None:
    prior = rows(db_url, "SELECT usage_record_id, rate_entry_id, conversion_id, tier, amount_nano FROM charges")
    batch = book("reprice", "--since", "2026-02-01", "--json").ok().json["batch"]
    found = book("reprice", "--undo", batch, "--json").ok().json
    assert (found["charges"], found["total"]["change_usd"]) == (2, "-0.000083333")
    assert total(book) == (4 * OLD_NANO, 4)
    live = (
        "SELECT usage_record_id, rate_entry_id, conversion_id, tier, amount_nano FROM charges c WHERE charge_class <> "
        "'reversal' AND NOT EXISTS (SELECT 1 FROM charges r WHERE r.corrects_id = c.id AND r.charge_class = 'reversal')"
    )
    assert sorted(rows(db_url, live)) == sorted(prior)
    book("verify").ok()
    outcome = book("reprice", "--undo", batch)
    assert (outcome.exit_code, f"superseded in part by batch {found['batch']}: undo" in outcome.stderr) == (2, True)
    # The undo is a reprice itself: undone, the new price holds again.
    book("reprice", "--undo", found["batch"]).ok()
    assert total(book) == (2 * OLD_NANO + 2 * NEW_NANO, 4)
    book("verify").ok()


def test_an_undo_is_refused_while_a_charge_is_superseded(book: Cli) -> None:
    batch = book("reprice", "--since", "2026-02-01", "--json").ok().json["batch"]
    later = book("reassign", "--project", "search", "--to", "x", "--id", "r-2026-03-31", "--json").ok().json["batch"]
    outcome = book("reprice", "--undo", batch)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert f"batch {batch} is superseded in part by batch {later}: undo that one first" in outcome.stderr


@pytest.mark.parametrize(("batch", "words"), [(1, "it is of kind ingest"), (99, "there is no such batch")])
def test_only_reprices_can_be_undone(book: Cli, batch: int, words: str) -> None:
    outcome = book("reprice", "--undo", batch)
    assert (outcome.exit_code, words in outcome.stderr) == (2, True)


def test_many_charges_are_repriced_and_undone_in_several_batches(
    db_cli: Cli, db_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.book.charges.CHUNK", 3)
    ids = [f"m{number}" for number in range(10)]
    made = "".join(usage("2026-03-31", request_id=name, input_tokens=1_000 + place) for place, name in enumerate(ids))
    db_cli("ingest", "-", stdin=made).ok()
    Path("card.toml").write_text(CARD)
    db_cli("rates", "add", "card.toml").ok()
    before = total(db_cli)
    batch = db_cli("reprice", "--since", "2026-03-01", "--json").ok().json["batch"]
    assert value(db_url, f"SELECT count(*) FROM batches WHERE run_id = {batch}") == 4
    assert total(db_cli) == (sum(9_000 * (1_000 + place) for place in range(10)), 10)
    db_cli("reprice", "--undo", batch).ok()
    assert total(db_cli) == before
    db_cli("verify").ok()


# --- options --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [[], ["--until", "2026-03-01"], ["--undo", "1", "--since", "2026-03-01"], ["--undo", "1", "--model", MINI]],
    ids=" ".join,
)
def test_wrong_options_are_refused(book: Cli, options: list[str]) -> None:
    outcome = book("reprice", *options)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr.count("Error")) == (2, "", 1)


def test_a_reference_makes_a_reprice_repeatable(book: Cli, db_url: str) -> None:
    first = book("reprice", "--since", "2026-03-01", "--reference", "R-1", "--json").ok().json
    count = value(db_url, "SELECT count(*) FROM charges")
    again = book("reprice", "--since", "2026-03-01", "--reference", "R-1", "--json").ok()
    assert (again.json["batch"], again.json["charges"]) == (first["batch"], 0)
    assert "of this reference did it already" in again.stderr
    other = book("reprice", "--since", "2026-03-02", "--reference", "R-1")
    assert (other.exit_code, "which has other facts" in other.stderr) == (2, True)
    assert value(db_url, "SELECT count(*) FROM charges") == count
