"""`tollbook budget notify`: what is news of budgets and sources, told once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ledger.cli.app import App, decide_exit
from ledger.cli.command import command
from ledger.cli.show.output import Output, note
from ledger.cli.show.sheet import Cell, Column, Sheet, columns
from ledger.values.instants import moment_text
from ledger.values.words import counted

if TYPE_CHECKING:
    from ledger.budgets.notify import Delivery, Plan

COLUMNS = (
    *columns("text", "kind", "name", "period"),
    Column("percent", "count"),
    *columns("money", "reached", "amount"),
    Column("currency"),
    *columns("text", "channel", "state"),
    Column("attempts", "count", shown=False),
    *(Column(name, shown=False) for name in ("event_id", "error", "title", "text")),
)


@command(
    "tollbook budget notify", "tollbook budget notify --channel ops", "tollbook budget notify --dry-run", name="notify"
)
@click.option(
    "--channel",
    metavar="NAME",
    help="A [[channel]] for budgets that name none, and for sources.  [default: standard output]",
)
@click.option("--at", "at", metavar="DATE|TIME", help="As of the end of a day, or a time, like status.  [default: now]")
@click.option("--dry-run", is_flag=True, help="Show what would be sent; nothing is recorded or sent.")
def notify(app: App, *, channel: str | None, at: str | None, dry_run: bool, output: Output) -> None:
    """Send an alert of each threshold that was crossed, once.

    It goes to the channel that the budget names. Told are thresholds of this period and of those that ended in the last
    31 days; of a forecast, those that it crosses for two days. What fails is sent again by the next run, under the same
    event_id, and shown by status until then.
    """
    from ledger.budgets.asked import asked_time
    from ledger.budgets.events import confirm, read_undelivered, record_events
    from ledger.budgets.notify import deliver, make_plan, read_addresses

    database, now = app.open(), datetime.now(UTC)
    asked = asked_time(None, at, zone=database.zone, now=now)
    config = app.config
    plan = make_plan(database, asked, channels=config.channels, other=channel, expectations=config.sources, now=now)
    used = plan.routes.used([*plan.news, *(event.alert for event in plan.left)])
    if dry_run:
        output.write(alerts_sheet(_planned(plan), asked.at, "Alerts that would be sent"))
        return
    addresses = read_addresses(used.values(), os.environ)
    if plan.news:
        record_events(database, plan.news)
    with database.reading() as connection:
        events = read_undelivered(connection)
    done = [deliver(database, event, plan.routes.channel_of(event.alert), addresses) for event in events]
    decide_exit(int(any(each.state == "failed" for each in done)))
    output.write(alerts_sheet([each for each in done if each.state != "elsewhere"], asked.at, "Alerts"))
    for each in done:
        if each.state == "shown":
            confirm(database, each.event)
    _note(done)


def _planned(plan: Plan) -> list[Delivery]:
    """What a run would send, in its order."""
    from ledger.budgets.events import Event
    from ledger.budgets.notify import Delivery

    found = [Delivery(event, plan.routes.channel_of(event.alert), "waiting", event.error) for event in plan.left]
    new = [Event(0, "", alert) for alert in plan.news]
    return found + [Delivery(event, plan.routes.channel_of(event.alert), "new") for event in new]


def _note(done: Sequence[Delivery]) -> None:
    for each in done:
        if each.state == "failed":
            note(f"not delivered to {each.channel.name}: {each.error}; the next run sends it again")
    elsewhere = sum(each.state == "elsewhere" for each in done)
    if elsewhere:
        note(f"{counted(elsewhere, 'alert')} left to another run, which is sending or has just sent them")
    elif not done:
        note("nothing is news")


def alerts_sheet(found: Sequence[Delivery], at: datetime, title: str) -> Sheet:
    """The alerts as rows; below them, for people, the texts of those that standard output is told."""
    rows: list[list[Cell]] = []
    for each in found:
        alert, message = each.event.alert, each.event.message
        figures = (alert.percent, alert.reached_nano, alert.amount_nano) if alert.currency else (None, None, None)
        rows.append([
            alert.kind, alert.name, alert.period, *figures, alert.currency, each.channel.name, each.state,
            each.event.attempts, each.event.event_id or None, each.error, message.title, message.body,
        ])  # fmt: skip
    footnotes = [
        line
        for each in found
        if each.channel.kind == "stdout"
        for line in ("", each.event.message.heading, *each.event.message.body.splitlines())
    ]
    return Sheet(f"{title} ({moment_text(at, 'seconds')})", COLUMNS, rows, footnotes=footnotes)
