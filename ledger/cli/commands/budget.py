"""`tollbook budget`: what usage may cost, dated in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledger.cli.app import App, decide_exit, parse_tag
from ledger.cli.command import command, group
from ledger.cli.commands.budget_notify import notify
from ledger.cli.commands.budget_report import month_page
from ledger.cli.commands.budget_sheets import changes_sheet, gap_words, list_sheet, status_sheet
from ledger.cli.show.output import FILE_FORMATS, Output, note
from ledger.errors import LedgerError

if TYPE_CHECKING:
    from ledger.budgets.schedule import BudgetChange
    from ledger.budgets.status import Status
    from ledger.reports.selection import Basis
    from ledger.store.database import Database
    from ledger.values.budget import Budget

# What messages call a field of a budget.
OPTIONS = {"name": "NAME", "projects": "--project", "models": "--model", "tags": "--tag"}


@group("tollbook budget set search --amount 2000usd --project search", "tollbook budget status")
def budget() -> None:
    """Amounts that usage may cost in each day, week, month, quarter or year, dated in the ledger.

    A change holds from the first period that starts on its date or later; what was before stays as it was.
    """


budget.add_command(notify)


@command(
    "tollbook budget set all --amount 2000usd",
    "tollbook budget set search --amount 150000credits --project search --project search-batch --owner Ann",
    "tollbook budget set evals --amount 40usd --period week --tag env=ci --from 2026-03-02 --alert 50,80,100",
    within=budget,
    name="set",
)
@click.argument("name")
@click.option("--amount", required=True, metavar="AMOUNT", help="Of each period, such as 2000usd or 150000credits.")
@click.option(
    "--period",
    metavar="PERIOD",
    default="month",
    show_default=True,
    help="day, week (ISO), month, quarter or year, in the ledger's zone.",
)
@click.option("--project", "projects", metavar="P", multiple=True, help="Of this project; of several, any.")
@click.option("--model", "models", metavar="M", multiple=True, help="Of this billed model; of several, any.")
@click.option("--tag", "tags", metavar="K=V", multiple=True, help="With this tag; of several values of a key, any.")
@click.option(
    "--from",
    "start",
    metavar="DATE",
    help="From the first period that starts on this day or later.  [default: this period]",
)
@click.option("--alert", metavar="%,%", default="80,100", show_default=True, help="Percents of it that are told.")
@click.option(
    "--alert-forecast",
    metavar="%,%",
    default="100",
    show_default=True,
    help="Percents that are told where a forecast crosses them.",
)
@click.option("--owner", metavar="TEXT", help="Whose it is.")
@click.option("--notify", metavar="CHANNEL", help="Where it is told.")
def set_(
    app: App,
    *,
    name: str,
    amount: str,
    period: str,
    projects: tuple[str, ...],
    models: tuple[str, ...],
    tags: tuple[str, ...],
    start: str | None,
    alert: str,
    alert_forecast: str,
    owner: str | None,
    notify: str | None,
    output: Output,
) -> None:
    """State a budget: all of it, as what is left out has its default. Makes the ledger where there is none.

    Without project, model and tag it is of all usage. The same again changes nothing.
    """
    from ledger.budgets.definitions import set_budget
    from ledger.values.amounts import parse_amount
    from ledger.values.budget import Budget, check_budget, parse_percents, parse_period
    from ledger.values.periods import parse_day

    wanted = Budget(
        name=name,
        amount=parse_amount(amount, "--amount"),
        period=parse_period(period, "--period"),
        projects=projects,
        models=models,
        tags=tuple(map(parse_tag, tags)),
        start=None if start is None else parse_day(start, "--from"),
        alerts=parse_percents(alert, "--alert"),
        alert_forecast=parse_percents(alert_forecast, "--alert-forecast"),
        owner=owner,
        notify=notify,
    )
    check_budget(wanted, lambda field: OPTIONS.get(field, f"--{field}"))
    database = app.open(create=True)
    change, later = set_budget(database, wanted, now=datetime.now(UTC))
    output.write(changes_sheet([change], "Set"))
    _note_start(change)
    for part in later[:1]:
        then = "it ends" if part.budget is None else "another version holds from then on"
        note(f"it holds until {part.start}: {then}, see 'tollbook budget list'")
    _note_unknown(database, [wanted])


def _note_start(change: BudgetChange) -> None:
    if change.change == "unchanged":
        note("the ledger has this budget already: nothing was changed")
    elif change.start != change.effective_from and change.after is not None:
        period = change.after.period
        note(f"it holds from {change.start}, the first {period} that starts on {change.effective_from} or later")


def _note_unknown(database: Database, budgets: Sequence[Budget]) -> None:
    from ledger.budgets.definitions import unknown_in_budgets

    for words in unknown_in_budgets(database, budgets):
        note(words)


@command(
    "tollbook budget apply",
    "tollbook budget apply --yes",
    "tollbook budget apply --config finance/tollbook.toml --yes",
    within=budget,
)
@click.option("--config", "file", metavar="FILE", default="tollbook.toml", show_default=True, help="Its [[budget]].")
@click.option("--yes", is_flag=True, help="Do it; else it is shown alone.")
def apply(app: App, *, file: str, yes: bool, output: Output) -> None:
    """Write tollbook.toml's budgets to the ledger, once --yes says so.

    Without it, what would change is shown alone. Budgets that only the ledger has are left alone. Of a budget that the
    ledger knows, a change holds from this period on, or from its `from` where that is later. With --yes it makes the
    ledger where there is none.
    """
    from ledger.budgets.definitions import apply_budgets
    from ledger.budgets.schedule import Today, planned_changes
    from ledger.config import read_config
    from ledger.store.database import zone_named
    from ledger.values.budget import check_budget

    wanted = read_config(Path(file)).budgets
    if not wanted:
        raise LedgerError(f"{file} has no [[budget]]: add one, or give --config FILE")
    for number, each in enumerate(wanted):
        check_budget(each, f"{file}: budget[{number}].{{}}:".format)
    now = datetime.now(UTC)
    alone: list[str] = []
    database = app.open(create=yes) if yes or app.has_ledger else None
    if database is not None:
        changes, alone = apply_budgets(database, wanted, now=now, dry_run=not yes)
    else:
        here = now.astimezone(zone_named(app.config.ledger.timezone)).date()
        changes = planned_changes({}, wanted, Today(here, ""))
    output.write(changes_sheet(changes, "Applied" if yes else "Would be applied"))
    if alone:
        note(f"only in the ledger, and left alone: {', '.join(alone)}")
    if all(change.change == "unchanged" for change in changes):
        note(f"the ledger has the budgets of {file} already")
    elif not yes:
        note("nothing was changed: --yes does it")
    if database is not None:
        _note_unknown(database, wanted)


@command("tollbook budget list", "tollbook budget list --json", within=budget, name="list")
def list_(app: App, *, output: Output) -> None:
    """List the budgets that hold now or later.

    A budget that changes has a row a version; `until` is the day from which another one, or none, holds.
    """
    from ledger.budgets.definitions import read_schedules

    database = app.open()
    with database.reading() as connection:
        schedules = read_schedules(connection)
    output.write(list_sheet(schedules, datetime.now(UTC).astimezone(database.zone).date()))


@command("tollbook budget remove search", "tollbook budget remove search --from 2026-07-01", within=budget)
@click.argument("name")
@click.option(
    "--from",
    "start",
    metavar="DATE",
    help="It ends with the first period that starts on this day or later.  [default: this period]",
)
def remove(app: App, *, name: str, start: str | None, output: Output) -> None:
    """End a budget; what it was before stays in the ledger."""
    from ledger.budgets.definitions import remove_budget
    from ledger.values.periods import parse_day

    stated = None if start is None else date.fromisoformat(parse_day(start, "--from"))
    change = remove_budget(app.open(), name, stated, now=datetime.now(UTC))
    output.write(changes_sheet([change], "Removed"))


@command(
    "tollbook budget status",
    "tollbook budget status --month last",
    "tollbook budget status --at 2026-03-15 --fail-on forecast",
    within=budget,
)
@click.option("--month", metavar="YYYY-MM|last", help="As far as this month has passed; of a past one, its end.")
@click.option(
    "--at",
    "at",
    metavar="DATE|TIME",
    help="At the end of a day, or at a time, to the quarter-hour: what came later doesn't count.  [default: now]",
)
@click.option(
    "--basis",
    type=click.Choice(["posted", "occurred"]),
    default="posted",
    show_default=True,
    help="Usage by the month it is booked in, or by when it happened.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["actual", "forecast"]),
    help="Fail where a budget is used by more than 100 %, or will be by the expected forecast.",
)
@click.option("--fail-stale", is_flag=True, help="Fail where a source has been silent for longer than expected.")
def status(
    app: App, *, month: str | None, at: str | None, basis: Basis, fail_on: str | None, fail_stale: bool, output: Output
) -> None:
    """Show how far each budget is used, worst first.

    Each in its own period; then the month's usage that no budget covers, and all of it, each request once. What a day
    may cost is what is left over the days to come. The forecast is what a period will have cost at its end, four times
    out of five from low to high. Percents and days are rounded down.
    """
    from ledger.budgets.asked import asked_time
    from ledger.budgets.events import read_undelivered
    from ledger.budgets.status import read_status

    database, now = app.open(), datetime.now(UTC)
    asked = asked_time(month, at, zone=database.zone, now=now)
    found = read_status(database, asked, basis=basis, now=now, expectations=app.config.sources)
    if fail_on is not None:
        _judge(found, fail_on)
    if fail_stale and found.silent:
        decide_exit(1)
    with database.reading() as connection:
        undelivered = read_undelivered(connection)
    output.write(status_sheet(found, basis, database.zone, undelivered))
    for each in found.budgets:
        if each.other:
            note(f"budget {each.budget.name} is in credits: {' and '.join(each.other)} of its usage are not in it")
    if not found.budgets:
        note(f"no budget holds on {asked.day}: 'tollbook budget set' makes one")
    if not found.total.parts:
        note(f"nothing is booked in {found.month}")
    for text in found.notes:
        note(text)
    if output.format in ("csv", *FILE_FORMATS):
        for text in gap_words(found):
            note(text)


budget.add_command(month_page)


def _judge(found: Status, by: str) -> None:
    """Decides the exit code; a budget whose usage isn't all in its currency can't be judged."""
    over = [each.is_over if by == "actual" else each.will_be_over for each in found.budgets]
    for each, is_over in zip(found.budgets, over, strict=True):
        if not is_over:
            each.check_currency()
    decide_exit(int(any(over)))
