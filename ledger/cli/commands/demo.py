"""`tollbook demo`: bundled usage through the whole tool, with a word on each step."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
from pathlib import Path

import click

from ledger.cli.command import examples
from ledger.errors import LedgerError

FOLDER = "tollbook-demo"

# What to say, and the command to run in the folder; FILES are the bundled files.
STEPS = (
    (
        "Usage as gateways and collectors write it, in several formats, goes in; each request is booked once.",
        "ingest FILES",
    ),
    ("The same files again: nothing is booked twice.", "ingest FILES"),
    ("Spend by model, over all time.", "report --by model"),
    (
        "One month by project, written as CSV for a spreadsheet.",
        "report --by project --month 2026-03 -o march-by-project.csv",
    ),
    ("What a month may cost.", "budget set all --amount 10usd --owner Platform --from 2026-02-01"),
    (
        "The page of a month, for whoever owns its budget: march.html says why March cost less than February.",
        "budget report --month 2026-03 -o march.html",
    ),
    ("Every charge line, for finance: its usd column adds up to the report's total.", "export charges -o charges.csv"),
    ("What could not be recorded waits with its reason.", "quarantine list"),
    ("Every charge is worked out again from the stored facts and prices.", "verify"),
    (
        "One token more than 32,000 puts the whole request into the next tier.",
        "price --model doubao-seed-2.0-code --input-tokens 32001 --output-tokens 500",
    ),
)


def bundled_usage() -> Path:
    """The demo's usage: inside the package, or under examples/ in a checkout."""
    package = Path(__file__).parents[2]
    inside = package / "demo_data"
    return inside if inside.is_dir() else package.parent / "examples" / "demo"


@click.command(epilog=examples("tollbook demo && cd tollbook-demo && tollbook report --by project --by model"))
def demo() -> None:
    """Run bundled usage through the whole tool in ./tollbook-demo/, with a word on each step.

    A ledger, reports and files are left there to look at; nothing else is touched.
    """
    folder = Path(FOLDER)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LedgerError(f"./{FOLDER} is there already: look into it, or remove it to run the demo again")
    shutil.copytree(bundled_usage(), folder / "usage")
    with contextlib.chdir(folder):
        files = sorted(str(path) for path in Path("usage").iterdir() if path.is_file())
        for word, line in STEPS:
            click.secho(f"\n# {word}", bold=True)
            click.echo(f"$ tollbook {line.replace('FILES', 'usage/*')}")
            _run([argument for part in shlex.split(line) for argument in (files if part == "FILES" else [part])])
    click.secho(
        f"\n# All of it is in ./{FOLDER}: the ledger tollbook.db, the usage, two CSV files.\n"
        f"# {FOLDER}/march.html is to be opened in a browser. Go on with:",
        bold=True,
    )
    click.echo(f"$ {_own_command()} report --db {FOLDER}/tollbook.db --by project --by model")


def _own_command() -> str:
    """The words that started this process: a name, a path or `python -m`."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return shlex.join(sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1])
    found = shutil.which(started.name)
    by_name = found is not None and Path(found).absolute() == started
    return started.name if by_name else shlex.quote(sys.argv[0])


def _run(arguments: list[str]) -> None:
    """Runs one step; exit codes other than 0 and 3 (some input quarantined) end the demo."""
    from ledger.cli import cli  # this module is one of its commands

    sys.stdout.flush()
    try:
        code = cli.main(["--db", "tollbook.db", *arguments], prog_name="tollbook", standalone_mode=False) or 0
    except SystemExit as stop:
        code = stop.code
    if code not in (0, 3):
        raise LedgerError(f"'tollbook {arguments[0]}' ended with exit code {code}")
