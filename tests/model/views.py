"""The ledger's views, compared with the sums of the oracle's rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from tests.model.allowance import budget_in
from tests.model.book import Row, last_day, usd
from tests.model.ledger import BATCHES, HELD, ROWS, Ledger
from tests.model.oracle import Oracle

METERS = ("input_credits", "cached_input_credits", "output_credits", "cache_storage_credits")
COUNTS = ("requests", "input_tokens", "cached_input_tokens", "output_tokens")
# What is read of a month when it is closed, and stays the same bytes for ever.
FILES: tuple[tuple[str, ...], ...] = (
    ("report", "--by", "model", "--by", "project", "--json"),
    ("export", "charges"),
    ("export", "chargeback"),
    ("export", "focus"),
    ("wallet", "statement", "--json"),
)
DIMENSIONS: dict[str, Callable[[Row], str]] = {
    "model": lambda row: row.price.model,
    "project": lambda row: row.project,
    "tier": lambda row: row.price.tier,
    "source": lambda row: row.record.usage.source if row.record else "evolink",
}


def check_rows(ledger: Ledger, oracle: Oracle) -> None:
    """Compares every row of the book, its batches and the quarantine; and looks that nothing is charged twice."""
    found = ledger.read(ROWS)
    assert [row[:-1] for row in found] == [_as_kept(number, row) for number, row in enumerate(oracle.rows, 1)]
    assert ledger.read(BATCHES) == oracle.batches
    held = [(number, held.usage.request_id, held.state, held.is_conflict, held.complete, held.seen)
            for number, held in enumerate(oracle.held, 1)]  # fmt: skip
    assert [(*row[:3], row[3] == "conflict", bool(row[4]), row[5]) for row in ledger.read(HELD)] == held
    undone = {row[3] for row in found if row[1] == "reversal"}
    live = [row[16:19] for row in found if row[1] in ("charge", "replacement") and row[0] not in undone]
    assert len(live) == len(set(live)), "an id has two live charges"
    assert sum(row[14] for row in found) == sum(int(row.amount.scaleb(9)) for row in oracle.rows)


def _as_kept(number: int, row: Row) -> tuple[object, ...]:
    price, usage = row.price, None if row.record is None else row.record.usage
    amounts = [int(amount.scaleb(9)) for amount in price.amounts]
    meters = amounts if usage else [0, 0, 0, 0]
    per_usd = None if price.currency == "USD" else int(price.per_usd.scaleb(9))
    identity = (usage.source, usage.kind, usage.request_id) if usage else (None, None, None)
    return (
        number, row.kind, row.batch, row.corrects, row.occurred, row.posted, row.project, price.currency, price.model,
        price.tier, *meters, sum(amounts), per_usd, *identity,
    )  # fmt: skip


def check_report(ledger: Ledger, oracle: Oracle, basis: str, dimensions: Sequence[str]) -> None:
    """Compares a report of all time."""
    month: Callable[[Row], str] = (lambda row: row.posted) if basis == "posted" else (lambda row: row.occurred)
    keys = [*(DIMENSIONS[name] for name in dimensions), month]
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in oracle.rows:
        groups[tuple(key(row) for key in keys)].append(row)
    by = [part for name in (*dimensions, "month") for part in ("--by", name)]
    document = ledger.run("report", *by, "--basis", basis, "--json").json
    found = {tuple(row[name] for name in (*dimensions, "month")): _shown(row) for row in document["rows"]}
    expected = {key: _sums(rows) for key, rows in groups.items()}
    assert _without_zeros(found) == _without_zeros(expected)
    assert _shown(document["total"]) == _sums(oracle.rows)


def _without_zeros(sums: dict[tuple[str, ...], list[Decimal]]) -> dict[tuple[str, ...], list[Decimal]]:
    return {key: values for key, values in sums.items() if any(values)}


def _shown(row: dict[str, Any]) -> list[Decimal]:
    return [Decimal(row[name]) for name in (*COUNTS, *METERS, "credits", "usd")]


def _sums(rows: Iterable[Row]) -> list[Decimal]:
    rows = list(rows)
    requests = [(row.sign, row.record.usage) for row in rows if row.record and row.record.usage.kind == "request"]
    credits = [row for row in rows if row.price.currency == "CRD"]
    return [
        Decimal(sum(sign for sign, _usage in requests)),
        *(
            Decimal(sum(sign * getattr(usage, name) for sign, usage in requests))
            for name in ("input", "cached", "output")
        ),
        *(sum((row.price.amounts[meter] for row in credits if row.record), Decimal()) for meter in range(4)),
        sum((row.amount for row in credits), Decimal()),
        usd(rows),
    ]


def check_chargeback(ledger: Ledger, oracle: Oracle, month: str) -> None:
    """Compares the debts of projects, which add up to the month's total, in cents too."""
    document = ledger.run("export", "chargeback", "--month", month, "--format", "json").json
    rows = [row for row in oracle.rows if row.posted == month]
    for row in document["rows"]:
        own = [each for each in rows if each.project == row["project"]]
        assert Decimal(row["credits"]) == sum((each.amount for each in own if each.price.currency == "CRD"), Decimal())
        assert abs(Decimal(row["usd"]) - usd(own)) <= Decimal("0.01")
    total = usd(rows)
    assert sum((Decimal(row["usd_exact"]) for row in document["rows"]), Decimal()) == total
    cents = sum((Decimal(row["usd"]) for row in document["rows"]), Decimal())
    assert cents == total.quantize(Decimal("0.01"), ROUND_HALF_EVEN)


def check_lines(ledger: Ledger, oracle: Oracle, month: str) -> None:
    """Compares the sums of a month's charge lines."""
    lines = ledger.run("export", "charges", "--month", month, "--format", "json").json["rows"]
    rows = [row for row in oracle.rows if row.posted == month]
    for currency in ("CRD", "CNY", "USD"):
        amounts = [Decimal(each["amount"]) for each in lines if each["currency"] == currency]
        assert sum(amounts, Decimal()) == sum((row.amount for row in rows if row.price.currency == currency), Decimal())
    assert sum((Decimal(each["usd"]) for each in lines), Decimal()) == usd(rows)


def check_wallet(ledger: Ledger, oracle: Oracle, month: str) -> None:
    """Compares what is left at the end of a month, in all and of each top-up, and what is owed."""
    if not oracle.moves:
        return
    found, purse = (
        ledger.run("wallet", "balance", "--at", last_day(month), "--json").json,
        oracle.purse(last_day(month)),
    )
    assert (Decimal(found["balance"]), Decimal(found["overdrawn"])) == (purse.balance, purse.owed)
    left = {row["lot"]: Decimal(row["remaining"]) for row in found["rows"] if Decimal(row["remaining"])}
    assert left == {number: amount for number, amount in purse.left.items() if amount}


def check_budgets(ledger: Ledger, oracle: Oracle, month: str) -> None:
    """Compares which budgets hold in a month, and how much of them is used."""
    document = ledger.run("budget", "status", "--month", month, "--json").json
    found = {row["budget"]: (Decimal(row["actual"]), Decimal(row["amount"]), row["currency"])
             for row in document["rows"]}  # fmt: skip
    expected = {}
    for name in {budget.name for budget in oracle.budgets}:
        budget = budget_in(oracle.budgets, name, month)
        if budget is not None and budget.amount is not None:
            rows = [row for row in oracle.rows if row.posted == month and name in ("all", row.project, row.price.model)]
            credits = sum((row.amount for row in rows if row.price.currency == "CRD"), Decimal())
            expected[name] = (usd(rows) if budget.currency == "USD" else credits, budget.amount, budget.currency)
    assert found == expected


def files_of(ledger: Ledger, oracle: Oracle, month: str) -> dict[tuple[str, ...], bytes]:
    """Reads what stays of a month that is closed."""
    prepaid = any(move.day[:7] <= month for move in oracle.moves)
    return {
        file: ledger.run(*file, "--month", month).stdout.encode() for file in FILES if prepaid or file[0] != "wallet"
    }
