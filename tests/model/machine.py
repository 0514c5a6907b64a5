"""The machine: what people do to a ledger, in any order, done to the real one and to the oracle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.model import views
from tests.model.allowance import Budget
from tests.model.book import next_month
from tests.model.ledger import Ledger, card, line
from tests.model.oracle import Oracle, Refused
from tests.model.prices import CURRENCY, MINI, Entry, Tier, Usage
from tests.model.purse import NEVER, Move
from tests.model.steps import MONTHS, STEPS, Step

LAST_CLOSABLE = MONTHS[-2]  # something is always open
WHY = ("--reason", "a test")


class LedgerMachine(RuleBasedStateMachine):
    """Does each command to both, and compares them after it."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        ledger.renew()
        self.ledger, self.oracle = ledger, Oracle()
        self.files: list[list[Usage]] = []
        self.said: dict[str, dict[tuple[str, ...], bytes]] = {}
        self.commands = 0

    @rule(step=STEPS)
    def take(self, step: Step) -> None:
        getattr(self, step.name)(**step.arguments)

    def do(self, expected: Callable[[], int | None], *command: object) -> None:
        """Does a command to both: what the oracle refuses, the ledger refuses, and then nothing has changed."""
        try:
            code = expected() or 0
        except Refused:
            code = 2
        self.ledger.run(*command, code=code)
        self.check()

    # --- usage --------------------------------------------------------------------------------------------------------

    def ingest(self, files: list[list[Usage]]) -> None:
        self.files += files
        names = [f"{number}.jsonl" for number in range(len(files))]
        for name, file in zip(names, files, strict=True):
            Path(name).write_text("".join(map(line, file)))
        expected = self.oracle.ingest(files)
        code = 3 if expected["rejected"] + expected["conflict"] else 0
        found = self.ledger.run("ingest", *names, "--json", code=code).json
        fates = ("accepted", "duplicate", "conflict", "rejected", "pending")
        assert {fate: found[fate] for fate in fates} == {fate: expected[fate] for fate in fates}
        assert found["read"] == sum(map(len, files)) == sum(found[fate] for fate in fates)
        self.check()

    def ingest_changed(self, back: int, changes: dict[str, Any]) -> None:
        recorded = [record.usage for record in self.oracle.records if record.usage.kind == "request"]
        if recorded:
            self.ingest([[replace(recorded[-1 - back % len(recorded)], **changes)]])

    def ingest_again(self, back: int, backwards: bool) -> None:
        if self.files:
            file = self.files[-1 - back % len(self.files)]
            self.ingest([file[::-1] if backwards else file])

    def retry(self, back: int | None) -> None:
        entry = None if back is None else max(len(self.oracle.held) - back, 1)
        self.do(lambda: self.oracle.retry(entry), "quarantine", "retry", *([] if entry is None else [entry]))

    def accept_conflict(self, back: int, labels: str) -> None:
        conflicts = [number for number, held in enumerate(self.oracle.held, 1) if held.is_conflict]
        if conflicts:
            entry = conflicts[-1 - back % len(conflicts)]
            self.do(lambda: self.oracle.accept(entry, new_project=labels == "new"),
                    "quarantine", "accept", entry, "--labels", labels)  # fmt: skip

    def discard(self, back: int) -> None:
        entry = max(len(self.oracle.held) - back, 1)
        self.do(lambda: self.oracle.discard(entry), "quarantine", "discard", entry, *WHY)

    # --- corrections --------------------------------------------------------------------------------------------------

    def void_batch(self, back: int) -> None:
        batch = max(len(self.oracle.batches) - back, 1)
        self.do(lambda: self.oracle.void_batch(batch), "void", "--batch", batch)

    def void_id(self, request_id: str, source: str | None) -> None:
        of = () if source is None else ("--source", source)
        self.do(lambda: self.oracle.void_id(request_id, source), "void", "--id", request_id, *of)

    def reassign(self, project: str, to: str, since: str) -> None:
        if project != to:
            self.do(lambda: self.oracle.reassign(project, to, since),
                    "reassign", "--project", project, "--to", to, "--since", since)  # fmt: skip

    def reprice(self, since: str, until: str, model: str | None) -> None:
        if since < until:
            of = () if model is None else ("--model", model)
            self.do(lambda: self.oracle.reprice(since, until, model),
                    "reprice", "--since", since, "--until", until, *of)  # fmt: skip

    def undo_reprice(self, back: int) -> None:
        runs = [run for run, kind in self.oracle.batches if kind == "reprice"]
        if runs:
            batch = runs[-1 - back % len(runs)]
            self.do(lambda: self.oracle.undo(batch), "reprice", "--undo", batch)

    def adjust(self, project: str, amount: str, negative: bool, unit: str, month: str) -> None:
        self._adjust(project, f"-{amount}" if negative else amount, unit, month, len(self.oracle.adjustments) + 1)

    def adjust_again(self, changed: bool) -> None:
        """The same reference does nothing, or with other facts is refused."""
        if self.oracle.adjustments:
            reference, (project, amount, unit, month) = list(self.oracle.adjustments.items())[-1]
            self._adjust(project, f"{amount}1" if changed else amount, unit, month, reference)

    def _adjust(self, project: str, amount: str, unit: str, month: str, reference: int) -> None:
        self.do(lambda: self.oracle.adjust(project, amount, unit, month, reference),
                "adjust", "--project", project, f"--amount={amount}{unit}", "--month", month,
                "--reference", f"A{reference}", *WHY)  # fmt: skip

    # --- prices -------------------------------------------------------------------------------------------------------

    def add_price(self, provider: str, model: str, level: int, start: str, replace: bool) -> None:
        """A price of as many tiers as its level, at most three; one of an even level has none for storage."""
        tiers = [Tier(up_to, Decimal(level * step), Decimal("0.0005") * level, Decimal(level * step * 5))
                 for step, up_to in enumerate((1_000, 32_000, 256_000)[-level:], 1)]  # fmt: skip
        entry = Entry(start, tuple(tiers), Decimal(level) / 100 if level % 2 else None)
        Path("card.toml").write_text(card(provider, CURRENCY[provider], model, entry))
        self.do(lambda: self.oracle.add_price(provider, model, entry, replace=replace),
                "rates", "add", "card.toml", *(("--replace", *WHY) if replace else ()))  # fmt: skip

    def add_conversion(self, provider: str, per_usd: str, start: str, replace: bool) -> None:
        self.do(lambda: self.oracle.add_conversion(provider, Decimal(per_usd), start, replace=replace),
                "rates", "conversion", "add", "--provider", provider, "--per-usd", per_usd, "--from", start,
                *(("--replace", *WHY) if replace else ()))  # fmt: skip

    # --- months -------------------------------------------------------------------------------------------------------

    def close(self, months: int, force: bool) -> None:
        month = self.oracle.first_open or MONTHS[0]
        if month <= LAST_CLOSABLE:
            month = min(month if months == 1 else next_month(month), LAST_CLOSABLE)
            why = ("--force", *WHY) if force else ()
            self.do(lambda: self.oracle.close(month, force=force), "close", "--through", month, *why)
            for each in self.oracle.closed:
                if each not in self.said:
                    self.said[each] = views.files_of(self.ledger, self.oracle, each)

    def reopen(self) -> None:
        month = self.oracle.closed[-1] if self.oracle.closed else self.oracle.last_reopened
        if month:
            self.do(lambda: self.oracle.reopen(month), "reopen", month, *WHY)
            self.said.pop(month, None)

    # --- wallet and budgets -------------------------------------------------------------------------------------------

    def top_up(self, credits: str, day: str, expires: str | None, grant: bool) -> None:
        if expires is None or expires >= day:
            paid = ("--grant",) if grant else ("--paid", "3usd")
            self._move(Move("topup", Decimal(credits), day, len(self.oracle.moves) + 1, expires or NEVER, paid))

    def draw(self, credits: str, day: str) -> None:
        self._move(Move("draw", Decimal(credits), day, len(self.oracle.moves) + 1))

    def move_again(self, back: int, changed: bool) -> None:
        """The same reference does nothing, or with other facts is refused."""
        if self.oracle.moves:
            move = self.oracle.moves[-1 - back % len(self.oracle.moves)]
            self._move(move._replace(credits=move.credits + changed))

    def _move(self, move: Move) -> None:
        ends = () if move.expires == NEVER else ("--expires", move.expires)
        of = (*move.paid, *ends) if move.kind == "topup" else WHY
        self.do(lambda: self.oracle.move(move), "wallet", move.kind, "--credits", move.credits, "--on", move.day,
                "--reference", f"W{move.reference}", *of)  # fmt: skip

    def set_budget(self, name: str, amount: str, unit: str, month: str) -> None:
        of = {"all": (), "search": ("--project", "search"), MINI: ("--model", MINI)}[name]
        budget = Budget(name, month, Decimal(amount), "USD" if unit == "usd" else "CRD")
        self.do(lambda: self.oracle.set_budget(budget),
                "budget", "set", name, "--amount", f"{amount}{unit}", "--from", f"{month}-01", *of)  # fmt: skip

    def remove_budget(self, back: int, month: str) -> None:
        if self.oracle.budgets:
            name = self.oracle.budgets[-1 - back % len(self.oracle.budgets)].name
            self.do(lambda: self.oracle.set_budget(Budget(name, month, None)),
                    "budget", "remove", name, "--from", f"{month}-01")  # fmt: skip

    # --- what holds after each ----------------------------------------------------------------------------------------

    def check(self) -> None:
        """Compares the rows, and after every third command one thing that is shown, each in its turn."""
        views.check_rows(self.ledger, self.oracle)
        self.commands += 1
        turn, rest = divmod(self.commands, 3)
        if rest == 0:
            looks = self._looks(MONTHS[turn % len(MONTHS)])
            looks[turn % len(looks)]()

    def teardown(self) -> None:
        for look in self._looks(self.oracle.first_open or MONTHS[0]):
            look()
        for month in MONTHS:
            views.check_wallet(self.ledger, self.oracle, month)
        self.ledger.run("verify")
        self._stays(self.oracle.closed)

    def _looks(self, month: str) -> Sequence[Callable[[], None]]:
        ledger, oracle = self.ledger, self.oracle
        return (
            lambda: views.check_report(ledger, oracle, "posted", ("model", "project")),
            lambda: views.check_wallet(ledger, oracle, month),
            lambda: views.check_report(ledger, oracle, "occurred", ("tier", "source")),
            lambda: views.check_budgets(ledger, oracle, month),
            lambda: views.check_chargeback(ledger, oracle, month),
            lambda: views.check_lines(ledger, oracle, month),
            lambda: self._stays(oracle.closed[-1:], views.FILES[self.commands % len(views.FILES)]),
        )

    def _stays(self, months: Sequence[str], *files: tuple[str, ...]) -> None:
        """A closed month says what it said when it was closed, byte for byte, in these files or in all."""
        for month in months:
            kept = self.said.get(month, {})  # nothing yet, while it closes
            for file in kept.keys() & (files or views.FILES):
                assert self.ledger.run(*file, "--month", month).stdout.encode() == kept[file], (
                    f"{' '.join(file)} of {month}"
                )
