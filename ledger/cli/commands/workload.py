"""`tollbook workload`: a first configuration of workloads, and what estimates learn from the ledger."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from ledger.cli.app import App
from ledger.cli.command import command, group
from ledger.cli.show.output import Output, note, output_options, refuse_unwritable
from ledger.cli.show.sheet import Column, Sheet, cells_of, columns, to_json
from ledger.cli.show.whole_files import replacing
from ledger.config import FILE_NAME
from ledger.errors import LedgerError
from ledger.values.safe_text import visible
from ledger.values.words import counted

if TYPE_CHECKING:
    from ledger.estimates.history.profile import Profile
    from ledger.estimates.workloads.first_config import FirstWorkload

COLUMNS = (
    *columns("text", "project", "model"),
    Column("requests", "count"),
    Column("requests_per_month", "count", 1),
    Column("mean_input_tokens", "count", 2),
    Column("mean_output_tokens", "count"),
    Column("p90_output_tokens", "count", 3),
    Column("cached_share", "decimal", 4),
)


FOUND = columns("text", "workload", "model", "prompts", "placeholders")
_MOST_LEFT_OUT = 5


@group(
    "tollbook workload init prompts --model doubao-seed-2.0-lite",
    "tollbook workload pull --since 30d -o profile.json",
)
def workload() -> None:
    """Begin a configuration of workloads, or show what the ledger knows of them: how many requests, how long, how much
    of them cached.
    """


@command(
    "tollbook workload pull",
    "tollbook workload pull --since 30d -o profile.json",
    "tollbook workload pull --since 2026-03-01 --until 2026-04-01 --project search --json",
    within=workload,
    shows=output_options(to_file="json"),
)
@click.option(
    "--since",
    metavar="30d|4w|TIME",
    default="30d",
    show_default=True,
    help="The last days or weeks, today included, or hours; or from this time, inclusive. A date is its midnight.",
)
@click.option("--until", metavar="TIME", help="Up to this time, exclusive.  [default: now]")
@click.option("--project", "projects", metavar="P", multiple=True, help="Only this project; of several, any.")
def pull(app: App, since: str, until: str | None, projects: tuple[str, ...], output: Output) -> None:
    """Write the profile that 'estimate --profile' takes.

    It has, per project and model, the requests, their mean and 90th percentile of output, mean input and cached share.
    Completed and incomplete requests are counted by when they occurred, in the ledger's zone; voided ones are not. A
    month's requests are those of 30 days. A ledger that began within the period counts from its first request on, but a
    day at least.
    """
    from ledger.book.known_names import unknown_names_in
    from ledger.estimates.history.profile import pull_profile, unread_usage
    from ledger.values.periods import parse_recent

    database = app.open()
    span = parse_recent(since, until, zone=database.zone, now=datetime.now(UTC).replace(microsecond=0))
    assert span.start is not None
    assert span.end is not None
    profile = pull_profile(database, since=span.start, until=span.end, projects=projects)
    sheet = _sheet(profile, span.label)
    if output.format == "json" and output.path is not None:
        # It is kept beside the prompts, where changes to it are read line by line.
        with output.stream() as out:
            out.write(to_json(sheet, indent=2).encode())
    else:
        output.write(sheet)
    for text in unread_usage(database, since=span.start, until=span.end, projects=projects):
        note(text)
    if not profile.workloads:
        note("the profile is empty: no request is in this period" + (" and project" if projects else ""))
    for text in unknown_names_in(database, projects=projects):
        note(text)


def _sheet(profile: Profile, period: str) -> Sheet:
    rows = [cells_of(row, COLUMNS, requests_per_month=profile.requests_per_month(row)) for row in profile.workloads]
    days = f"{profile.days} {'day' if profile.days == '1' else 'days'}"
    return Sheet(f"Workloads, {period}: {days} of usage", COLUMNS, rows, document=msgspec.to_builtins(profile))


@command(
    "tollbook workload init prompts --model doubao-seed-2.0-lite",
    "tollbook workload init requests -o costs/tollbook.toml",
    within=workload,
    shows=None,
)
@click.argument("folder", metavar="[FOLDER]", required=False)
@click.option("--model", metavar="M", help="The model of prompts that name none of the rate card.")
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    default=FILE_NAME,
    show_default=True,
    help="Write to FILE, - is standard output.",
)
def init(app: App, folder: str | None, model: str | None, path: str) -> None:
    """Write a first tollbook.toml from a folder of prompts. It can be estimated at once and is filled in by hand.

    FOLDER is `prompts` where there is one, else the working directory. Each file in it is a workload. So is each
    sub-folder: where it holds several files, they are alternatives, each sent as often as the others.

    Prompts are texts (.md .txt .prompt .j2 .jinja .tmpl) and request bodies (.json .jsonl), whose own model holds.
    READMEs, changelogs, hidden files and packages are left out. A FILE without workloads keeps what it has.
    """
    from ledger.estimates.workloads.first_config import find_prompts, first_workloads
    from ledger.estimates.workloads.first_text import Existing, existing, with_workloads

    chosen = Path(folder or ("prompts" if Path("prompts").is_dir() else "."))
    if path != "-":
        refuse_unwritable(path)
    there = Existing() if path == "-" else existing(Path(path))
    card = app.card(there.provider)
    if model is not None:
        model = card.entry_at(model, datetime.now(UTC)).model
    files, left_out = find_prompts(chosen, card)
    for reason in left_out[:_MOST_LEFT_OUT]:
        note(f"left out: {reason}")
    if left_out[_MOST_LEFT_OUT:]:
        note(f"left out: {len(left_out) - _MOST_LEFT_OUT:,} more")
    if not files:
        raise LedgerError(f"{chosen}: holds no prompt: give the folder of texts or request bodies")
    workloads = first_workloads(files, folder=chosen, base=Path(path).parent, model=model)
    text = with_workloads(there.text, workloads)
    if path == "-":
        click.echo(text, nl=False)
        return
    with replacing(path) as out:
        out.write(text.encode())
    Output("table").write(_sheet_of(workloads, path))
    click.echo(f"Fill in what its # lines name, and run: tollbook estimate --config {visible(shlex.quote(path))}")


def _sheet_of(workloads: list[FirstWorkload], path: str) -> Sheet:
    requests = sum(one.requests for one in workloads)
    title = f"{path}: {counted(len(workloads), 'workload')} of {counted(requests, 'prompt')}"
    rows = [[one.name, one.model, ", ".join(one.prompts), ", ".join(one.placeholders)] for one in workloads]
    return Sheet(title, FOUND, rows)
