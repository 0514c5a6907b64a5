"""A year of a ledger, in scripts of any order: what a closed month says never moves, and no money is lost or made.

A script is a list of steps: usage, late usage, closes and reopenings, new prices and conversions, reprices and their
undoing, voids, moves between projects, adjustments, top-ups with and without expiry. After each, the laws hold.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.months.close import close_months, reopen_month
from ledger.store.opening import open_ledger
from ledger.values.instants import from_microseconds
from pricing.money import format_nano
from tests.conftest import Cli
from tests.helpers.ledgers import CODE, LITE, MINI, PRO, flat_card, rows
from tests.helpers.sources import lines, record

MONTHS = [f"2026-{number:02}" for number in range(2, 13)]
LATER = datetime(2027, 3, 1, tzinfo=UTC)
STEPS = (
    "usage", "usage", "usage", "late", "close", "close", "close", "reopen", "price", "conversion", "reprice",
    "undo", "void", "reassign", "adjust", "topup", "grant", "draw",
)  # fmt: skip


class Year:
    """The ledger and what its closed months said when they were closed."""

    def __init__(self, cli: Cli, url: str, seed: int) -> None:
        self.cli, self.url, self.random = cli, url, random.Random(seed)
        self.number = 0
        self.closed: list[str] = []
        self.said: dict[str, list[bytes]] = {}
        self.step("usage")
        self.step("topup")

    @property
    def open_months(self) -> list[str]:
        return MONTHS[len(self.closed) :]

    def step(self, name: str) -> None:
        self.number += 1
        getattr(self, name)()

    def day(self, month: str) -> str:
        return f"{month}-{self.random.randint(1, 28):02}"

    def run(self, *args: str, stdin: str | None = None, codes: tuple[int, ...] = (0,)) -> Any:
        outcome = self.cli(*args, stdin=stdin)
        assert outcome.exit_code in codes, (args, outcome)
        return outcome

    # --- steps --------------------------------------------------------------------------------------------------------

    def ingest(self, months: list[str]) -> None:
        made = []
        for place in range(self.random.randint(1, 4)):
            day, tokens = self.day(self.random.choice(months)), self.random.choice((900, 31_999, 32_001, 200_000))
            made.append(
                record(
                    f"r{self.number}-{place}",
                    occurred_at=f"{day}T{self.random.randint(0, 23):02}:30:00Z",
                    requested_model=self.random.choice((CODE, LITE, MINI, PRO)),
                    project=self.random.choice(("search", "support")),
                    input_tokens=tokens,
                    cached_input_tokens=self.random.choice((0, 100)),
                    output_tokens=self.random.randint(0, 3_000),
                )
            )
        self.run("ingest", "-", stdin=lines(made))

    def usage(self) -> None:
        self.ingest(self.open_months[:2])

    def late(self) -> None:
        self.ingest(self.closed or self.open_months[:1])

    def close(self) -> None:
        if len(self.open_months) < 3:
            return
        month = self.open_months[0]
        database = open_ledger(self.url)
        close_months(database, month, through=True, now=LATER, force_reason="a script")
        database.close()
        self.closed.append(month)
        self.said[month] = self.says(month)

    def reopen(self) -> None:
        if self.closed:
            database = open_ledger(self.url)
            reopen_month(database, self.closed[-1], "a script", now=LATER)
            database.close()
            del self.said[self.closed.pop()]

    def price(self) -> None:
        figures = {"input": self.random.randint(1, 90), "output": self.random.randint(1, 400)}
        day = f"{self.day(self.random.choice(MONTHS[:6]))}"
        Path("card.toml").write_text(flat_card(self.random.choice((LITE, PRO)), day, cached_input="0.1", **figures))
        self.run("rates", "add", "card.toml", "--replace", "--reason", "a script")

    def conversion(self) -> None:
        day, per_usd = self.day(self.random.choice(MONTHS[:6])), str(self.random.randint(60, 80))
        self.run("rates", "conversion", "add", "--per-usd", per_usd, "--from", day, codes=(0, 2))

    def reprice(self) -> None:
        self.run("reprice", "--since", self.day(self.random.choice(MONTHS[:6])))

    def undo(self) -> None:
        done = rows(self.url, "SELECT DISTINCT run_id FROM batches WHERE kind = 'reprice' ORDER BY run_id")
        if done:
            self.run("reprice", "--undo", str(self.random.choice(done)[0]), codes=(0, 2))

    def void(self) -> None:
        known = rows(self.url, "SELECT DISTINCT request_id FROM usage_records ORDER BY request_id")
        self.run("void", "--id", self.random.choice(known)[0])

    def reassign(self) -> None:
        self.run("reassign", "--project", "search", "--to", "support", "--since", self.day(MONTHS[1]))

    def adjust(self) -> None:
        amount = f"{self.random.randint(-500, 500) or 1}{self.random.choice(('credits', 'usd'))}"
        options = ("--project", "search", "--reason", "a script", "--reference", f"A-{self.number}")
        self.run("adjust", f"--amount={amount}", "--month", self.random.choice(MONTHS[:6]), *options)

    def topup(self) -> None:
        self.add_lot("--paid", f"{self.random.randint(1, 40)}usd")

    def grant(self) -> None:
        self.add_lot("--grant")

    def add_lot(self, *paid: str) -> None:
        month = self.open_months[0]
        expiry = ("--expires", self.day(self.random.choice(self.open_months[1:3]))) if self.number % 2 else ()
        credits = str(self.random.randint(1, 900))
        options = ("--on", self.day(month), "--reference", f"T-{self.number}", *paid, *expiry)
        self.run("wallet", "topup", "--credits", credits, *options)

    def draw(self) -> None:
        options = ("--on", self.day(self.open_months[0]), "--reason", "elsewhere", "--reference", f"D-{self.number}")
        self.run("wallet", "draw", "--credits", str(self.random.randint(1, 90)), *options)

    # --- laws ---------------------------------------------------------------------------------------------------------

    def says(self, month: str) -> list[bytes]:
        """What finance reads of a month."""
        return [
            self.run(*command, "--month", month).stdout.encode()
            for command in (
                ("report", "--by", "model", "--by", "project", "--json"),
                ("export", "charges"),
                ("export", "chargeback"),
                ("export", "focus"),
                ("wallet", "statement", "--json"),
            )
        ]

    def check(self) -> None:
        self.run("verify")
        for month, said in self.said.items():
            assert self.says(month) == said, month
        posted, occurred, differing = self.sums()
        assert sum(posted.values()) == sum(occurred.values())
        for month in {key[0] for key in (*posted, *occurred)}:
            for currency in ("CRD", "USD"):
                key = (month, currency)
                assert posted[key] - occurred[key] == differing[key]
        assert self.says(self.open_months[0]) == self.says(self.open_months[0])

    def reconcile(self) -> None:
        """A statement of what stands agrees with the ledger, and one that asks for a credit more doesn't."""
        query = """SELECT u.request_id, max(u.occurred_at), sum(c.amount_nano) FROM charges c
            JOIN usage_records u ON u.id = c.usage_record_id GROUP BY u.request_id ORDER BY u.request_id"""
        found = [(name, from_microseconds(at).isoformat(), int(amount)) for name, at, amount in rows(self.url, query)]
        standing = [row for row in found if row[2]]
        for more, code in ((0, 0), (10**9, 1)):
            lines_of = [f"{name},{at},{format_nano(amount + more)}" for name, at, amount in standing]
            Path("bill.csv").write_text("\n".join(["request_id,occurred_at,amount", *lines_of]) + "\n")
            self.run("reconcile", "--statement", "bill.csv", codes=(code if standing else 0,))

    def sums(self) -> tuple[Counter[tuple[str, str]], ...]:
        """Nano by month and currency: as posted, as occurred, and of the rows whose two months differ."""
        posted: Counter[tuple[str, str]] = Counter()
        occurred: Counter[tuple[str, str]] = Counter()
        differing: Counter[tuple[str, str]] = Counter()
        query = "SELECT posted_month, occurred_month, currency, amount_nano FROM charges"
        for in_books, happened, currency, amount in rows(self.url, query):
            posted[in_books, currency] += amount
            occurred[happened, currency] += amount
            if in_books != happened:
                differing[in_books, currency] += amount
                differing[happened, currency] -= amount
        return posted, occurred, differing


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_a_year_in_any_order_keeps_every_law(db_cli: Cli, db_url: str, seed: int) -> None:
    year = Year(db_cli, db_url, seed)
    for step in year.random.choices(STEPS, k=40):
        year.step(step)
        if step in ("close", "reprice", "undo"):
            year.check()
    year.check()
    year.reconcile()
    assert year.closed
