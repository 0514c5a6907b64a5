"""A ledger in plain lists, as slow and as simple as it can be: what the real one is compared with.

It shares no code with it. Money is decimal, months and days are texts, what is live is looked for each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tests.model.allowance import Budget, budget_in, ends_something
from tests.model.book import ZERO, Book, Record, Row, last_day, next_month
from tests.model.prices import CURRENCY, Entry, Price, Usage, latest, priced, shipped_conversions, shipped_entries
from tests.model.purse import Move, Purse

VOIDABLE = ("ingest", "retry", "accept")


class Refused(Exception):  # noqa: N818 - what the command line answers with exit code 2
    """The command is refused and changes nothing."""


@dataclass
class Held:
    """A line in quarantine. `complete` ones can be tried again."""

    usage: Usage
    state: str
    is_conflict: bool
    complete: bool
    seen: int = 1


class Oracle(Book):
    """The whole ledger. A method is a command; it changes the lists, or raises Refused."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Held] = []
        self.last_reopened = ""
        self.moves: list[Move] = []
        self.adjustments: dict[int, tuple[str, str, str, str]] = {}  # by reference
        self.budgets: list[Budget] = []
        self.entries = shipped_entries()
        self.conversions = shipped_conversions()
        self.last_usage: dict[str, str] = {}

    def price(self, usage: Usage) -> Price | None:
        return priced(usage, self.entries, self.conversions)

    # --- usage --------------------------------------------------------------------------------------------------------

    def ingest(self, files: Sequence[Sequence[Usage]]) -> Counter[str]:
        counts: Counter[str] = Counter()
        run: int | None = None
        for file in files:
            for usage in file:
                fate = self._take(usage)
                counts[fate] += 1
                if fate in ("rejected", "conflict"):
                    self._hold(usage, is_conflict=fate == "conflict")
                elif fate != "pending":
                    self._settle(usage)
            run = self.seal("ingest", run)
        return counts

    def _take(self, usage: Usage) -> str:
        """Records a line; returns its fate."""
        if usage.status == "in_progress":
            return "pending"
        price = None if usage.cached > usage.input else self.price(usage)
        if price is None:
            return "rejected"
        known = self.live_of(usage)
        if known is not None:
            record = known[1].record
            return "duplicate" if record is not None and record.usage.facts == usage.facts else "conflict"
        self.post("charge", self._record(usage), usage.project, price)
        return "accepted"

    def _record(self, usage: Usage) -> Record:
        record = Record(usage, self.batch)
        self.records.append(record)
        self.last_usage[usage.source] = max(usage.at, self.last_usage.get(usage.source, ""))
        return record

    def _hold(self, usage: Usage, *, is_conflict: bool) -> None:
        for held in self.held:
            if held.usage == usage:
                held.seen += 1
                if held.state != "discarded":
                    held.state, held.is_conflict = "open", is_conflict
                return
        self.held.append(Held(usage, "open", is_conflict, complete=usage.cached <= usage.input))

    def _settle(self, usage: Usage) -> None:
        for held in self.held:
            if held.usage == usage and held.state == "open":
                held.state = "resolved"

    # --- quarantine ---------------------------------------------------------------------------------------------------

    def _open_entry(self, number: int) -> Held:
        if number > len(self.held) or self.held[number - 1].state != "open":
            raise Refused
        return self.held[number - 1]

    def retry(self, number: int | None) -> int:
        """Tries one entry again, or all but conflicts; returns 3, the exit code, where one is still open."""
        if number is None:
            chosen = [held for held in self.held if held.state == "open" and held.complete and not held.is_conflict]
        else:
            chosen = [self._open_entry(number)]
            if not chosen[0].complete:
                raise Refused
        still_open = 0
        for held in chosen:
            fate = self._take(held.usage)
            held.is_conflict = fate == "conflict"
            if fate in ("accepted", "duplicate"):
                held.state = "resolved"
            else:
                still_open += 1
        self.seal("retry", None)
        return 3 if still_open else 0

    def accept(self, number: int, *, new_project: bool) -> None:
        held = self._open_entry(number)
        known, price = self.live_of(held.usage), self.price(held.usage)
        if not held.is_conflict or known is None or price is None:
            raise Refused
        before, row = known
        self.reverse(before)
        project = held.usage.project if new_project else row.project
        self.post("replacement", self._record(held.usage), project, price, before)
        self.seal("accept", None)
        held.state = "accepted"

    def discard(self, number: int) -> None:
        self._open_entry(number).state = "discarded"

    # --- corrections --------------------------------------------------------------------------------------------------

    def void_batch(self, batch: int) -> None:
        if (batch, True) not in {(run, kind in VOIDABLE) for run, kind in self.batches}:
            raise Refused
        of_run = [number for number, (run, _kind) in enumerate(self.batches, 1) if run == batch]
        self._void([number for number, row in self.live() if row.record and row.record.batch in of_run])

    def void_id(self, request_id: str, source: str | None) -> None:
        sources = {record.usage.source for record in self.records if record.usage.request_id == request_id}
        if source is None and len(sources) != 1:
            raise Refused
        identity = (request_id, source or next(iter(sources)))
        found = [number for number, row in self.live()
                 if row.record and (row.record.usage.request_id, row.record.usage.source) == identity]  # fmt: skip
        self._void(found)

    def _void(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self.reverse(number)
        self.seal("void", None)

    def reassign(self, project: str, to: str, since: str) -> None:
        found = [number for number, row in self.live()
                 if row.project == project and row.record and row.record.usage.at >= since]  # fmt: skip
        for number in found:
            self.replace(number, project=to)
        self.seal("reassign", None)

    def reprice(self, since: str, until: str, model: str | None) -> None:
        for number, row in self.live():
            assert row.record is not None
            usage = row.record.usage
            price = self.price(usage)
            if price is not None and price.per_usd == row.price.per_usd:
                price = price._replace(converted_from=row.price.converted_from)
            if since <= usage.at < until and model in (None, row.price.model) and price not in (None, row.price):
                self.replace(number, price=price)
        self.seal("reprice", None)

    def undo(self, batch: int) -> None:
        if (batch, "reprice") not in self.batches:
            raise Refused
        live = {number for number, _row in self.live()}
        numbers = [number for number, row in enumerate(self.rows, 1)
                   if row.kind == "replacement" and self.batches[row.batch - 1][0] == batch]  # fmt: skip
        if not live.issuperset(numbers):
            raise Refused
        for number in numbers:
            replaced = self.rows[number - 1].corrects
            assert replaced is not None
            self.replace(number, price=self.rows[replaced - 1].price)
        self.seal("reprice", None)

    def adjust(self, project: str, amount: str, unit: str, month: str, reference: int) -> None:
        facts = (project, amount, unit, month)
        if reference in self.adjustments:
            if self.adjustments[reference] != facts:
                raise Refused
            return
        self.adjustments[reference] = facts
        currency, start, per_usd = "USD", "", Decimal(1)
        if unit == "credits":
            currency, start = "CRD", latest(self.conversions["evolink"], f"{month}-01") or ""
            per_usd = self.conversions["evolink"][start]
        price = Price(currency, "adjustment", "none", (ZERO, ZERO, ZERO, ZERO, Decimal(amount)), None, start, per_usd)
        posted = max(month, self.first_open)
        self.rows.append(Row("adjustment", None, month, posted, project, price, self.batch))
        self.seal("adjust", None)

    # --- prices -------------------------------------------------------------------------------------------------------

    def add_price(self, provider: str, model: str, entry: Entry, *, replace: bool) -> None:
        known = self.entries.setdefault((provider, model), {})
        if known.get(entry.start, entry) != entry and not replace:
            raise Refused
        known[entry.start] = entry

    def add_conversion(self, provider: str, per_usd: Decimal, start: str, *, replace: bool) -> None:
        known = self.conversions[provider]
        if known.get(start, per_usd) != per_usd and not replace:
            raise Refused
        known[start] = per_usd

    # --- months -------------------------------------------------------------------------------------------------------

    def close(self, month: str, *, force: bool) -> None:
        """Closes all open months up to this one."""
        first = self.first_open or min(
            [month, *(row.posted for row in self.rows), *(move.day[:7] for move in self.moves)]
        )
        months = [first]
        while months[-1] < month:
            months.append(next_month(months[-1]))
        if not force and any(map(self._objected, months)):
            raise Refused
        self.closed += months

    def _objected(self, month: str) -> bool:
        if any(held.state == "open" and held.usage.at[:7] == month for held in self.held):
            return True
        sources = {row.record.usage.source if row.record else "evolink" for row in self.rows if row.occurred == month}
        return any(self.last_usage.get(source, "~")[:10] < last_day(month) for source in sources)

    def reopen(self, month: str) -> None:
        if self.closed[-1:] == [month]:
            self.last_reopened = self.closed.pop()
        elif self.last_reopened != month:
            raise Refused

    # --- wallet and budgets -------------------------------------------------------------------------------------------

    def move(self, move: Move) -> None:
        known = [each for each in self.moves if each.reference == move.reference]
        if known and known[0] != move:
            raise Refused
        if not known and move.day < self.first_open:
            raise Refused
        if not known:
            self.moves.append(move)

    def purse(self, last: str) -> Purse:
        """The wallet at the end of a day; late usage counts on the first day of the month that it is posted in."""
        purse, usage = Purse(self.moves), dict[str, Decimal]()
        begun = min(move.day for move in self.moves)[:7]
        for row in self.rows:
            if row.price.currency == CURRENCY["evolink"] and row.posted >= begun:
                day = max(f"{row.occurred}-01" if row.record is None else row.record.usage.at[:10], f"{row.posted}-01")
                usage[day] = usage.get(day, ZERO) + row.amount
        purse.spend(usage, last)
        return purse

    def set_budget(self, budget: Budget) -> None:
        """States or removes a budget; one that is in force already is left as it is."""
        standing = budget_in(self.budgets, budget.name, budget.start)
        if budget.amount is None and not ends_something(self.budgets, budget):
            raise Refused
        if standing is not None and (standing.amount, standing.currency) == (budget.amount, budget.currency):
            return
        if budget.start < self.first_open:
            raise Refused
        self.budgets.append(budget)
