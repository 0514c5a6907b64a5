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
from ledger.errors import LedgerError
from ledger.values.instants import moment_text
from ledger.values.words import counted

if TYPE_CHECKING:
    from ledger.budgets.alerts import DigestKind
    from ledger.budgets.asked import Asked
    from ledger.budgets.notify import Delivery, Plan
    from ledger.config import Config
    from ledger.store.database import Database

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
    "tollbook budget notify",
    "tollbook budget notify --channel ops",
    "tollbook budget notify --dry-run",
    "tollbook budget notify --digest monthly --channel chief",
    name="notify",
)
@click.option(
    "--channel",
    metavar="NAME",
    help="A [[channel]] for budgets that name none, for sources, and for digests.  [default: standard output]",
)
@click.option("--at", "at", metavar="DATE|TIME", help="As of the end of a day, or a time, like status.  [default: now]")
@click.option(
    "--digest",
    type=click.Choice(("weekly", "monthly")),
    help="Send a month in a few lines, and no alerts: each week, or once it is closed, else on day 3 of the next.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be sent; nothing is recorded or sent.")
def notify(
    app: App, *, channel: str | None, at: str | None, digest: DigestKind | None, dry_run: bool, output: Output
) -> None:
    """Send an alert of each threshold that was crossed, once; or a digest.

    It goes to the channel that the budget names. Told are thresholds of this period and of those that ended in the last
    31 days; of a forecast, those that it crosses for two days. What fails is sent again by the next run, under the same
    event_id, and shown by status until then.
    """
    from ledger.budgets.asked import asked_time
    from ledger.budgets.events import confirm, fail, record_events
    from ledger.budgets.notify import deliver, read_addresses, read_left

    database, now = app.open(), datetime.now(UTC)
    if digest is not None and at is not None:
        raise LedgerError("--digest tells of now: leave out --at")
    asked = asked_time(None, at, zone=database.zone, now=now)
    plan = _plan(app.config, database, asked, digest, channel=channel, now=now)
    alerts = [*plan.news, *(event.alert for event in plan.left)]
    used = plan.routes.used(alerts)
    for text in plan.routes.notes(alerts):
        note(text)
    if dry_run:
        output.write(alerts_sheet(_planned(plan), asked.at, f"{_noun(digest).capitalize()}s that would be sent"))
        return
    addresses = read_addresses(used.values(), os.environ)
    if plan.news:
        record_events(database, plan.news)
    with database.reading() as connection:
        events = read_left(connection, plan.digests_to)
    done = [deliver(database, event, plan.routes.channel_of(event.alert), addresses) for event in events]
    decide_exit(int(any(each.state == "failed" for each in done)))
    told = [each for each in done if each.state != "elsewhere"]
    to_show = [each for each in done if each.state == "shown"]
    try:
        output.write(alerts_sheet(told, asked.at, f"{_noun(digest).capitalize()}s"))
    except (LedgerError, OSError):
        for each in to_show:
            fail(database, each.event, each.attempt, "standard output can't be written")
        raise
    for each in to_show:
        confirm(database, each.event)
    _note(done, digest)


def _plan(
    config: Config, database: Database, asked: Asked, digest: DigestKind | None, *, channel: str | None, now: datetime
) -> Plan:
    from ledger.budgets.notify import digest_plan, fallback_channel, make_plan

    other = fallback_channel(config.channels, channel)
    if digest is None:
        return make_plan(database, asked, channels=config.channels, other=other, expectations=config.sources, now=now)
    from ledger.pages.digest import new_digests

    url = config.page.url
    found = new_digests(database, digest, other.name, page_url=url, expectations=config.sources, now=now)
    return digest_plan(database, found, other, asked.day)


def _noun(digest: DigestKind | None) -> str:
    return "alert" if digest is None else "digest"


def _planned(plan: Plan) -> list[Delivery]:
    """Returns what a run would send, in its order."""
    from ledger.budgets.events import Event
    from ledger.budgets.notify import Delivery

    found = [Delivery(event, plan.routes.channel_of(event.alert), "waiting", event.error) for event in plan.left]
    new = [Event(0, "", alert) for alert in plan.news]
    return found + [Delivery(event, plan.routes.channel_of(event.alert), "new") for event in new]


def _note(done: Sequence[Delivery], digest: DigestKind | None) -> None:
    for each in done:
        if each.state == "failed":
            note(f"not delivered to {each.channel.name}: {each.error}; the next run sends it again")
    elsewhere = sum(each.state == "elsewhere" for each in done)
    if elsewhere:
        note(f"{counted(elsewhere, _noun(digest))} left to another run, which is sending or has just sent them")
    elif not done:
        note("nothing is news" if digest is None else f"no {digest} digest is due")


def alerts_sheet(found: Sequence[Delivery], at: datetime, title: str) -> Sheet:
    """Lays out the alerts as rows; below them, for people, what standard output is told, and digests to be sent."""
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
        if each.channel.kind == "stdout" or (each.event.alert.is_digest and each.state in ("new", "waiting"))
        for line in ("", each.event.message.heading, *each.event.message.body.splitlines())
    ]
    return Sheet(f"{title} ({moment_text(at, 'seconds')})", COLUMNS, rows, footnotes=footnotes)
