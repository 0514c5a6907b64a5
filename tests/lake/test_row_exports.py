"""Exports of rows with those of lakes: line by line what ingesting the same usage makes of it, and as the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.conftest import Cli, Outcome
from tests.helpers.focus import Row, export, rows_of, total
from tests.helpers.lake_sides import FEBRUARY, MARCH, WITH, Sides, two_sides
from tests.helpers.lake_usage import price
from tests.helpers.lakes import LAKE, cell_rows, write_lake
from tests.helpers.ledgers import OF_THE_RUN, responses

PERIODS = [
    *(("--month", month) for month in (FEBRUARY, MARCH, "2026-04")),
    (),
    ("--since", "2026-02-19T08:00:00Z", "--until", "2026-03-05"),
    ("--since", "2026-03-01", "--until", "2026-03-09T10:15:00Z"),
]
# Columns of FOCUS that depend on which rows come before.
OF_THE_ORDER = {
    "x_ChargeSequence", "x_LineId", "BilledCost", "EffectiveCost", "ListCost", "ContractedCost",
}  # fmt: skip


@pytest.fixture
def sides(db_cli: Cli, cli: Cli, tmp_path: Path) -> Sides:
    return two_sides(db_cli, cli, tmp_path)


def charge_lines(cli: Cli, *args: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = cli("export", "charges", *args, "--json").ok().json["rows"]
    return rows


def facts(rows: list[dict[str, Any]]) -> list[str]:
    """What lines say of usage and prices, in an order of its own."""
    kept = [{name: cell for name, cell in row.items() if name not in OF_THE_RUN} for row in rows]
    return sorted(json.dumps(row, sort_keys=True) for row in kept)


def check_periods(sides: Sides) -> None:
    """Compares lines with those of the book, and their totals with the report, in each period."""
    for period in PERIODS:
        exported = sides.cli("export", "charges", *period, *WITH, "--json").ok().json
        lines, of_book = exported["rows"], charge_lines(sides.book, *period)
        assert facts(lines) == facts(of_book), period
        report = sides.cli("report", "--by", "currency", *period, "--json").ok().json
        amounts = {row["currency"]: Decimal(row["amount"]) for row in report["rows"] if Decimal(row["amount"])}
        stated = {code: Decimal(amount) for code, amount in exported["total"]["amounts"].items() if Decimal(amount)}
        found = {code: sum(Decimal(row["amount"]) for row in lines if row["currency"] == code) for code in stated}
        assert amounts == stated == found, period
        usd = Decimal(report["total"]["usd"])
        assert usd == Decimal(exported["total"]["usd"]) == sum(Decimal(row["usd"]) for row in lines), period


def test_lines_are_those_of_the_book(sides: Sides) -> None:
    check_periods(sides)
    sides.void("first")  # of a closed month, which has it still: the open one takes it back
    check_periods(sides)
    everything = charge_lines(sides.cli, *WITH)
    names = {row["line_id"]: row for row in everything}
    assert len(names) == len(everything)
    assert [row["posted_seq"] for row in everything] == sorted(row["posted_seq"] for row in everything)
    taken_back = [row for row in everything if row["charge_class"] == "reversal"]
    assert {(row["posted_month"], row["occurred_month"]) for row in taken_back} == {(MARCH, FEBRUARY)}
    for row in taken_back:
        corrected = names[row["corrects_line_id"]]
        assert (corrected["request_id"], corrected["meter"]) == (row["request_id"], row["meter"])
        assert (corrected["batch"], row["batch"] > corrected["batch"]) == (sides.batches["first"][0], True)


def focus_facts(rows: list[Row]) -> list[str]:
    return facts([{name: row[name] for name in row if name not in OF_THE_ORDER} for row in rows])


def test_focus_has_a_row_for_each_line(sides: Sides) -> None:
    by_charge = ("--grain", "charge", *WITH)
    closed = export(sides.cli, FEBRUARY, *by_charge)
    sides.void("first")
    for month in (FEBRUARY, MARCH):
        found, by_day = rows_of(export(sides.cli, month, *by_charge)), rows_of(export(sides.cli, month))
        assert focus_facts(found) == focus_facts(rows_of(export(sides.book, month, "--grain", "charge")))
        assert len({(row["x_LineId"], row["x_ChargeKind"]) for row in found}) == len(found)
        lines = charge_lines(sides.cli, "--month", month, *WITH)
        assert {row["x_LineId"] for row in found} == {row["line_id"] for row in lines}
        report = Decimal(sides.cli("report", "--month", month, "--json").ok().json["total"]["usd"])
        for name in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"):
            assert total(found, name) == total(by_day, name) == report, (month, name)
    sides.close(MARCH)
    assert export(sides.cli, FEBRUARY, *by_charge) == closed


def refused(outcome: Outcome) -> str:
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1), outcome
    return outcome.stderr


EXPORTS = [("charges",), ("focus", "--grain", "charge")]


@pytest.mark.parametrize("what", EXPORTS, ids=lambda args: args[0])
def test_every_lake_must_be_named(cli: Cli, tmp_path: Path, what: tuple[str, ...]) -> None:
    cli("db", "init").ok()
    for name in ("one", "two"):
        (tmp_path / f"{name}.jsonl").write_text(responses(range(3)))
        price(cli, f"{name}.jsonl", FEBRUARY, "--source", name, lake=name).ok()
        cli("lake", "post", Path(name, "manifests", "000001.json")).ok()
    asked = ("export", *what, "--month", FEBRUARY, "-o", "out.csv")
    assert "sources 'one', 'two' lie in a lake" in refused(cli(*asked))
    said = refused(cli(*asked, "--lake", "two"))
    assert "source 'one' lie in a lake" in said
    assert "name the lake with --lake" in said
    assert "this is no lake" in refused(cli(*asked, "--lake", tmp_path, "--lake", "two"))
    assert not Path("out.csv").exists()
    by_day = ("export", "focus", "--month", FEBRUARY)
    assert "--lake is for --grain charge" in refused(cli(*by_day, "--lake", "one"))
    cli(*asked, "--lake", "two", "--lake", "one").ok()
    first = Path("out.csv").read_bytes()
    cli(*asked, "--lake", "one", "--lake", "two", "--lake", "two/").ok()
    assert Path("out.csv").read_bytes() == first


def damage_charges(lake: Path) -> None:
    path = next((lake / "charges").rglob("*.parquet"))
    pq.write_table(pq.read_table(path).slice(0, 1), path)


def lose_charges(lake: Path) -> None:
    next((lake / "charges").rglob("*.parquet")).unlink()


def change_manifest(lake: Path) -> None:
    path = lake / "manifests" / "000001.json"
    path.write_text(path.read_text() + " ")


def lose_manifest(lake: Path) -> None:
    (lake / "manifests" / "000001.json").unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_charges, "isn't the file that the manifest names"),
        (lose_charges, ".parquet: can't be read: No such file or directory"),
        (change_manifest, "lake: manifest 1 isn't the one that batch 1 posted: restore it"),
        (lose_manifest, "lake: manifest 1 isn't the one that batch 1 posted: restore it"),
    ],
)
def test_files_that_are_others_are_refused(cli: Cli, tmp_path: Path, damage: Callable[[Path], None], said: str) -> None:
    cli("db", "init").ok()
    (tmp_path / "a.jsonl").write_text(responses(range(3)))
    price(cli, "a.jsonl", FEBRUARY).ok()
    cli("lake", "post", "lake/manifests/000001.json").ok()
    damage(tmp_path / "lake")
    for what in EXPORTS:
        assert said in refused(cli("export", *what, "--month", FEBRUARY, *WITH, "-o", "out.csv"))
        assert not Path("out.csv").exists()
    cli("export", "charges", "--month", MARCH, *WITH).ok()  # which needs none of them


def test_rows_that_arent_what_was_posted_are_refused(cli: Cli, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    cli("ingest", "-", "--source", "gateway", "--db", other, stdin=responses(range(3))).ok()
    cli("db", "init").ok()
    cli("lake", "post", write_lake(tmp_path / "lake", FEBRUARY, cell_rows(other, FEBRUARY))).ok()  # sums alone
    (tmp_path / "lake" / "lake.json").write_text(json.dumps({"schema": 1, "lake": LAKE}))
    for what in EXPORTS:
        said = refused(cli("export", *what, "--month", FEBRUARY, *WITH, "-o", "out.csv"))
        assert "the charges of manifest 1 don't come to the sums that batch 1 posted" in said
        assert not Path("out.csv").exists()


def test_days_of_a_month_that_had_other_tags_stay_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tollbook.toml").write_text('[ledger]\nrollup_tags = ["team"]\n')
    cli("db", "init").ok()
    (tmp_path / "a.jsonl").write_text(responses(range(3)))
    price(cli, "a.jsonl", FEBRUARY).ok()
    cli("lake", "post", "lake/manifests/000001.json").ok()
    cli("close", FEBRUARY, "--force", "--reason", "all is there").ok()
    export(cli, FEBRUARY)
    cli("db", "rollups", "--none").ok()
    said = refused(cli("export", "focus", "--month", FEBRUARY))
    assert "export focus by day, with tags that were rolled up when the month was closed, needs the rows" in said
    assert "--lake" not in said
