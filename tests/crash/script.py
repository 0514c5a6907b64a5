"""Every command that writes, in an order in which each has something to do, and the files that they read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.conftest import close_connections
from tests.crash.warm import PYTHON
from tests.helpers.ledgers import LITE, PRO, flat_card, responses
from tests.helpers.sources import lines, record

START = datetime(2026, 4, 10, 9, tzinfo=UTC)
LEASE = timedelta(hours=1)  # of a delivery that a killed run had claimed; it holds for a quarter of that
RECORD = """
from tests.helpers.sources import response
from tollbook import Ledger
made = [response(f"resp_a{number}", created_at=1772900000, metadata={"project": "search"}) for number in range(4)]
with Ledger() as book:
    book."""
TOLLBOOK = """
[[project]]
id = "search"
name = "Product search"
aliases = ["project-0"]
[[project]]
id = "support"
owner = "Ann"

[[channel]]
name = "ops"
kind = "webhook"
url_env = "OPS_URL"

[[budget]]
name = "support"
amount = "0.0001usd"
projects = ["support"]
from = 2026-02-01
[[budget]]
name = "search"
amount = "0.0002usd"
projects = ["search"]
from = 2026-02-01
"""


def write_files(folder: Path) -> None:
    """Writes what the steps read: usage in several portions, some of which can't be recorded; prices; settings."""
    several = responses(range(35)).splitlines()
    several[4] = responses([4], model="unheard-of").strip()
    several[15] = "{broken"
    several += [several[2], responses([5], created_at=1_771_500_000).strip()]  # one repeats, one contradicts
    day, late = ("2026-03-05T10:00:00Z", "2026-02-27T10:00:00Z")
    march = [record(f"m{number}", occurred_at=day, requested_model=LITE, project="support") for number in range(4)]
    files = {
        "several.jsonl": "\n".join(several) + "\n",
        "march.jsonl": lines(march),
        "late.jsonl": lines([record("late", occurred_at=late, requested_model=PRO, project="search")]),
        "lake.jsonl": responses(range(100, 110)),
        "card.toml": flat_card("unheard-of", "2026-02-01", input=5, cached_input="0.1", output=9),
        "replaced.toml": flat_card(LITE, "2026-02-01", input=7, cached_input="0.1", output=9),
        "tollbook.toml": TOLLBOOK,
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


@dataclass(frozen=True, eq=False)
class Step:
    """A command line; `args` come after `command`, its name in the registry, unless it is of the library.

    Run again after it was done it may end with `again`. `of_runs` are columns that tell of how many runs it took.
    Where another run is needed `later`, it is run once more. `before` makes what it works on.
    """

    command: str
    args: tuple[str, ...]
    again: int | None = None
    of_runs: Mapping[str, set[str]] = field(default_factory=dict)
    later: timedelta | None = None
    before: Callable[[str], None] | None = None

    @property
    def is_of_library(self) -> bool:
        return self.command.startswith("Ledger.")

    @property
    def line(self) -> list[str]:
        return [PYTHON, *self.args] if self.is_of_library else [*self.command.split(), *self.args]

    def __str__(self) -> str:
        return self.command if self.is_of_library else " ".join(self.line)


def downgrade(url: str) -> None:
    """Makes the ledger an old one."""
    from alembic import command

    from tests.store.test_migrations import alembic

    command.downgrade(alembic(url), "0005")
    close_connections()


def _step(line: str, words: int = 1, *last: str, **options: object) -> Step:
    """Returns the step of a line whose first words are the command; `last` are arguments with spaces."""
    parts = line.split()
    return Step(" ".join(parts[:words]), (*parts[words:], *last), **options)  # type: ignore[arg-type]


WHY = ("--reason", "as agreed")
# A run that was killed between two portions is two runs, each with a number of its own, which its batches' seals cover,
# and the log covers these.
BATCHES_OF_RUNS = {
    "batches": {"run_id", "digest", "previous"},
    "log_entries": {"rows", "digest", "previous"},
    "text_seals": {"digest", "salt"},
}
# Each run has a folder of its own, which an archive's row names.
PLACES = {"archives": {"location", "digest"}, "log_entries": {"rows", "digest", "previous"}}
STEPS = (
    _step("db init --timezone UTC", 2),
    _step("db init --timezone Asia/Shanghai", 2),
    _step("ingest several.jsonl --json -o several.json", of_runs=BATCHES_OF_RUNS),
    _step("db upgrade", 2, before=downgrade),
    _step("ingest march.jsonl --strict"),
    Step("Ledger.record", (RECORD + "record(made[0], tags={'team': 'a'})",)),
    Step("Ledger.record_many", (RECORD + "record_many([*made, {'object': 'response', 'id': 'x'}])",)),
    _step("project apply", 2),
    _step("budget set all --amount 1credits --from 2026-02-01 --alert 50,100 --notify ops", 2),
    _step("budget apply --yes", 2),
    _step("wallet topup --credits 1 --paid 2usd --on 2026-02-01 --reference INV-1", 2),
    _step("wallet topup --credits 0.01 --grant --on 2026-02-01 --expires 2026-02-20 --reference GIFT", 2),
    _step("wallet draw --credits 0.001 --on 2026-02-02 --reference IMG", 2, *WHY),
    _step("quarantine accept 3", 2, *WHY, again=2),
    _step("quarantine discard 2", 2, *WHY, again=2),
    _step("rates add card.toml", 2),
    _step("quarantine retry", 2),
    _step("void --id resp_000007", 1, *WHY),
    _step("reassign --project project-1 --to support", 1, *WHY),
    _step("adjust --project search --amount -0.5usd --month 2026-02 --reference CN-1", 1, *WHY),
    _step("rates conversion add --per-usd 68 --from 2026-02-15", 3),
    _step("rates add replaced.toml --replace", 2, *WHY),
    _step("reprice --since 2026-02-01"),
    _step("reprice --undo 13 --reference UNDO"),
    _step("budget notify --channel ops --at 2026-03-31", 2, later=LEASE),
    _step("close 2026-02 --force", 1, *WHY),
    _step("ingest late.jsonl"),
    _step("reopen 2026-02", 1, *WHY),
    _step("close --through 2026-03 --force", 1, *WHY),
    _step("budget remove all", 2, again=2),
    _step("redact --id resp_000007 --tag team=a --yes", 1, *WHY),
    _step("db rollups --tag team", 2),
    _step("lake price --input lake.jsonl --output lake --month 2026-02 --source of-lake", 2),
    _step("lake post lake/manifests/000001.json", 2),
    _step("lake move evolink --lake lake --from 2026-12", 2),
    _step("archive --through 2026-03 -o lake", of_runs=PLACES),
)
# What changes no ledger. `demo` runs commands of STEPS on a ledger of its own, in a folder that is to be removed first.
READING = frozenset({
    "backup", "batches", "budget list", "budget report", "budget status", "calibrate", "comment github",
    "comment gitlab", "db check", "db current", "db roles", "demo", "diff", "estimate", "export chargeback",
    "export charges", "export focus", "lake verify", "log", "price", "project list", "quarantine export",
    "quarantine list", "quarantine show", "rates conversion list", "rates import", "rates list", "rates show",
    "reconcile", "report", "status", "verify", "wallet balance", "wallet statement", "whatif", "workload init",
    "workload pull",
})  # fmt: skip
# Runs of these see a line once more, or send once more what a killed run had claimed.
OF_RUNS: Mapping[str, set[str]] = {"quarantine": {"seen"}, "budget_deliveries": {"attempts", "changed_at"}}
