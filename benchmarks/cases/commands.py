"""Commands that read a whole ledger: how long each takes, and its peak of memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks.runs import alone
from benchmarks.setting import Setting, tollbook
from benchmarks.turns import EACH, PEAK, Case, Goal, Side, Trial

MOST_PEAK_MB = 300
MONTH = "2026-02"
COMMANDS = {
    "verify": ("verify",),
    "export charges": ("export", "charges", "-o", "charges.csv"),
    "export focus": ("export", "focus", "--month", MONTH, "-o", "focus.csv"),
    "close --dry-run": ("close", MONTH, "--dry-run"),
    "reprice --dry-run": ("reprice", "--since", f"{MONTH}-01", "--dry-run"),
    "report": ("report", "--by", "model", "--by", "project"),
    "report of a tag": ("report", "--by", "tag:team"),
    "backup": ("backup", "backup.db", "--replace"),
}
MOST_MICROSECONDS = {"verify": 6.5, "export charges": 40.0}


@contextmanager
def prepare(setting: Setting) -> Iterator[Trial]:
    """Ingests the file once; nothing that is run changes the ledger."""
    goals = [Goal(name, EACH, MOST_MICROSECONDS.get(name)) for name in COMMANDS]
    goals += [Goal(name, PEAK, MOST_PEAK_MB) for name in COMMANDS]
    with setting.room() as room:
        alone(tollbook("ingest", str(setting.lines(setting.records))), room)
        sides: dict[str, Side] = {
            name: partial(alone, tollbook(*command), room, records=setting.records)
            for name, command in COMMANDS.items()
        }
        yield Trial(sides, goals)


CASES = (Case("commands", "commands that read a whole ledger", prepare, grows=True),)
