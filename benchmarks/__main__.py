"""`python -m benchmarks`: every case beside its floor or peer, in turns, as ratios with their targets."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.cases import CASES
from benchmarks.runs import CommandError
from benchmarks.setting import Setting, UnavailableError
from benchmarks.tables import document, figures_table, growth_table, machine, runs_table
from benchmarks.turns import Result, run_case
from ledger.values.words import counted


def parse_counts(_context: click.Context, _parameter: click.Parameter, value: str | None) -> list[int]:
    """Reads counts of records with commas between them."""
    if value is None:
        return []
    try:
        return [int(each.replace("_", "")) for each in value.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"{value!r}: give counts such as 100000,1000000") from error


@click.command()
@click.argument("names", metavar="[CASE]...", nargs=-1, type=click.Choice(list(CASES)))
@click.option("--list", "lists", is_flag=True, help="List the cases.")
@click.option("--count", default=1_000_000, show_default=True, type=click.IntRange(50), help="Records.")
@click.option("--turns", default=5, show_default=True, type=click.IntRange(1), help="Turns; at least 5 to be quoted.")
@click.option(
    "--grow", metavar="N,N,...", callback=parse_counts, help="Run at each of these counts; print how time grows."
)
@click.option("--postgres", metavar="URL", envvar="TOLLBOOK_BENCH_POSTGRES", help="Maintenance database of a server.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document, with every turn.")
def main(
    *, names: Sequence[str], lists: bool, count: int, turns: int, grow: list[int], postgres: str | None, as_json: bool
) -> None:
    """Measure CASEs, or all, each beside its floor or peer in the same run."""
    if lists:
        for case in CASES.values():
            click.echo(f"{case.name:24}{case.about}")
        return
    chosen = [case for case in CASES.values() if (case.name in names or not names) and (case.grows or not grow)]
    if not chosen:
        raise click.UsageError("the work of these cases is not by a count of records: leave --grow out")
    about = machine(postgres)  # a server that doesn't answer is found out now
    results: list[Result] = []
    left_out: dict[str, str] = {}
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for each in grow or [count]:
            setting = Setting(Path(folder), each, postgres)
            for case in chosen:
                click.echo(f"{case.name}, {each:,} records", err=True)
                try:
                    results.append(run_case(case, setting, turns))
                except (UnavailableError, CommandError, ImportError) as error:
                    left_out[case.name] = str(error)
                    failed |= isinstance(error, CommandError)
    found = document(about, results, turns, left_out)
    click.echo(json.dumps(found, indent=2) if as_json else as_text(results, found))
    sys.exit(failed)


def as_text(results: Sequence[Result], found: dict[str, Any]) -> str:
    """The tables, with what they were measured on."""
    versions = ", ".join(f"{name} {each}" for name, each in found["versions"].items())
    about = f"{found['cores']} cores, {found['system']}; {versions}; medians of {counted(found['turns'], 'turn')}"
    parts = [about, figures_table(results), runs_table(results)]
    if found["growth"]:
        parts.append(growth_table(found["growth"]))
    parts += [f"{name} is left out: {reason}" for name, reason in found["left_out"].items()]
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
