"""The time that commands take to start: whole processes on a ledger of one record, beside the libraries alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks.runs import alone
from benchmarks.setting import Setting, tollbook
from benchmarks.turns import TIME, Case, Goal, Trial

NOTHING = "python -c pass"
CLICK = 'python -c "import click"'
LIBRARIES = 'python -c "import sqlalchemy, click"'
PRICE = ("price", "--model", "doubao-seed-2.0-pro", "--input-tokens", "1000")
USAGE = {"id": "r1", "model": "doubao-seed-2.0-pro", "object": "response", "status": "completed"}
COUNTS = {"input_tokens": 1_000, "output_tokens": 100, "total_tokens": 1_100}
CODE = {NOTHING: "pass", CLICK: "import click", LIBRARIES: "import sqlalchemy, click"}
COMMANDS = {
    "tollbook --help": ("--help",),
    "tollbook price": PRICE,
    "tollbook price, without a ledger": (*PRICE, "--db", "none.db"),
    "tollbook report": ("report",),
    "tollbook status": ("status",),
}
GOALS = (
    Goal("tollbook --help", TIME, 2.5, CLICK),
    Goal("tollbook price", TIME, 1.3, LIBRARIES),
    Goal("tollbook price, without a ledger", TIME, 1.3, LIBRARIES),
    Goal("tollbook report", TIME, 1.3, LIBRARIES),
    Goal("tollbook status", TIME, None, LIBRARIES),
    Goal("tollbook --help", TIME, None, NOTHING),
)


@contextmanager
def prepare(setting: Setting) -> Iterator[Trial]:
    """Books one record."""
    line = json.dumps(USAGE | {"created_at": 1_771_486_674, "usage": COUNTS})
    processes = {name: [sys.executable, "-c", code] for name, code in CODE.items()}
    processes |= {name: tollbook(*arguments) for name, arguments in COMMANDS.items()}
    with setting.room() as room:
        (room / "usage.jsonl").write_text(f"{line}\n")
        alone(tollbook("ingest", "usage.jsonl"), room)
        yield Trial({name: partial(alone, command, room) for name, command in processes.items()}, GOALS)


CASES = (Case("startup", "whole processes beside Python with the libraries alone", prepare),)
