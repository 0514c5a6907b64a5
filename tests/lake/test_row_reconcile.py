"""A reconciliation with the rows of a lake finds what it finds where the book has them."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli, Outcome
from tests.helpers.lake_sides import MARCH, WITH, Sides, two_sides
from tests.helpers.ledgers import PRO
from tests.helpers.sources import lines, record


@pytest.fixture
def sides(db_cli: Cli, cli: Cli, tmp_path: Path) -> Sides:
    return two_sides(db_cli, cli, tmp_path)


def both(sides: Sides, *args: object) -> dict[str, Any]:
    """Reconciles both sides, which must say the same; returns what they say."""
    asked = ("reconcile", "--tolerance", "0usd", "--all", "--json", *args)
    found, of_book = sides.cli(*asked, *WITH), sides.book(*asked)
    assert (found.exit_code, found.json) == (of_book.exit_code, of_book.json)
    return found.json  # type: ignore[no-any-return]


def billed(sides: Sides) -> dict[tuple[str, str, str], Decimal]:
    """Credits by request, day and model of what counts, of February too."""
    sums: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for row in sides.book("export", "charges", "--json").ok().json["rows"]:
        if row["currency"] == "CRD":
            sums[row["request_id"], row["occurred_at"][:10], row["billed_model"]] += Decimal(row["amount"])
    return sums


def cached_as_other(sides: Sides) -> dict[tuple[str, str], Decimal]:
    """Credits more by request and model, and by day and model, of cached tokens at the rate of other input."""
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    rates: dict[str, Decimal] = {}
    for row in sides.book("export", "charges", "--month", MARCH, "--json").ok().json["rows"]:
        if row["meter"] == "input":
            rates[row["request_id"]] = Decimal(row["rate"])
        if row["meter"] == "cached_input" and row["posted_month"] == row["occurred_month"]:
            more = row["tokens"] * (rates[row["request_id"]] - Decimal(row["rate"])) / 1_000_000
            for key in (row["request_id"], row["occurred_at"][:10]):
                sums[key, row["billed_model"]] += more
    return sums


def statement(rows: dict[tuple[str, str, str], Decimal]) -> str:
    text = "".join(f"{','.join(key)},{amount}\n" for key, amount in rows.items())
    Path("statement.csv").write_text("request_id,day,model,amount\n" + text)
    return "statement.csv"


def test_requests_are_matched_in_lakes(sides: Sides) -> None:
    rows = billed(sides)
    in_march = [key for key in rows if key[1].startswith(MARCH) and key[0].startswith("resp")]
    del rows[in_march[0]]
    rows[in_march[1]] *= 2
    rows[in_march[2]] += Decimal("0.1")
    more = cached_as_other(sides)
    as_other = next(key for key in in_march[4:] if (key[0], key[2]) in more)
    rows[as_other] += more[as_other[0], as_other[2]]
    rows["unheard-of", f"{MARCH}-03", PRO] = Decimal(1)
    moved = next(key for key in rows if not key[1].startswith(MARCH) and key[0].startswith("resp"))
    rows[moved[0], f"{MARCH}-01", moved[2]] = rows.pop(moved)  # of February by the ledger
    found = both(sides, "--statement", statement(rows), "--month", MARCH)
    said = {row["key"]: (row["status"], row["cause"]) for row in found["rows"]}
    assert said[in_march[0][0]] == ("only_ledger", "")
    assert said[in_march[1][0]] == ("differs", "twice")
    assert said[in_march[2][0]] == ("differs", "")
    assert said[as_other[0]] == ("differs", "cached_at_input_rate")
    assert said["unheard-of"] == ("only_provider", "")
    assert said[moved[0]] == ("matched", "")
    assert said["o2"] == said[in_march[3][0]] == ("matched", "")


def test_days_and_models_are_matched_in_lakes(sides: Sides) -> None:
    days: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for (_request, day, model), amount in billed(sides).items():
        days["", day, model] += amount
    (day, model), more = next((key, more) for key, more in cached_as_other(sides).items() if key[0].startswith(MARCH))
    days["", day, model] += more
    sides.void("first")
    without_ids = statement(days)
    Path(without_ids).write_text(Path(without_ids).read_text().replace("request_id,", "").replace("\n,", "\n"))
    for month in ("2026-02", MARCH):
        found = both(sides, "--statement", without_ids, "--month", month)
        said = {row["key"]: row["cause"] for row in found["rows"] if row["status"] != "matched"}
        assert (said == {f"{day} {model}": "cached_at_input_rate"}) == (month == MARCH)
    found = both(sides, "--statement", without_ids, "--month", MARCH, "--timezone", "Asia/Shanghai")
    assert {row["status"] for row in found["rows"]} > {"differs"}  # days begin at 16:00 of the lake's


def test_own_figures_of_requests_are_compared_in_lakes(sides: Sides, tmp_path: Path) -> None:
    paid = [
        record(f"p{number}", requested_model=PRO, occurred_at=f"{MARCH}-07T00:00:00Z", provider_amount=amount)
        for number, amount in enumerate(["0.00416", "5", None])
    ]
    (tmp_path / "paid.jsonl").write_text(lines(paid))
    sides.post("paid", MARCH)
    found = both(sides, "--month", MARCH)
    assert {row["key"] for row in found["rows"]} == {"p0", "p1"}


def test_a_total_is_compared_with_rows_of_lakes_too(sides: Sides) -> None:
    total = sum(amount for (_request, day, _model), amount in billed(sides).items() if day.startswith(MARCH))
    found = both(sides, "--total", f"{total}credits", "--month", MARCH)
    assert [row["status"] for row in found["rows"]] == ["matched"]


def test_a_lake_of_the_period_must_be_named(sides: Sides) -> None:
    def refused(outcome: Outcome) -> str:
        assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1), outcome
        return outcome.stderr

    said = refused(sides.cli("reconcile", "--month", MARCH))
    assert "reconcile needs the rows of usage, and those of source 'gateway' lie in a lake" in said
    assert "name the lake with --lake" in said
