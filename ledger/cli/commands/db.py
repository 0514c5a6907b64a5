"""`tollbook db`: create, upgrade and check a ledger, and say who may do what."""

from __future__ import annotations

import click

from ledger.cli.app import App, decide_exit
from ledger.cli.command import command, group
from ledger.cli.show.output import Output
from ledger.cli.show.sheet import Column, Sheet
from ledger.errors import LedgerError
from ledger.values.safe_text import visible


@group("tollbook db init --timezone Asia/Shanghai")
def db() -> None:
    """Create, upgrade and check a ledger; roles of PostgreSQL."""


@command(
    "tollbook db init --timezone Asia/Shanghai",
    "tollbook db init --db postgresql://tollbook@db.example/tollbook",
    within=db,
    shows=None,
)
@click.option(
    "--timezone", metavar="TZ", help="IANA zone that months and days are cut in. Default: [ledger] timezone, UTC."
)
def init(app: App, timezone: str | None) -> None:
    """Create a ledger; one that is there already is left as it is."""
    from ledger.book.settings import set_timezone
    from ledger.store.opening import create_database, ledger_exists

    existed = ledger_exists(app.db_url)
    section = app.config.ledger
    if not existed:
        create_database(
            app.db_url,
            timezone=timezone or section.timezone,
            rollup_tags=section.rollup_tags,
            actor=app.actor,
        )
    database = app.open()
    if existed and timezone is not None and timezone != database.zone_name:
        set_timezone(database, timezone)
        database = app.open()
    click.echo(f"{database.url}: {'was there already' if existed else 'created'}, zone {database.zone_name}", err=True)


@command("tollbook db upgrade", within=db, shows=None)
def upgrade(app: App) -> None:
    """Bring a ledger to this tollbook's schema."""
    from ledger.store.opening import upgrade_database

    before, after = upgrade_database(app.db_url, app.actor)
    click.echo(
        f"schema {after}: nothing to do" if before == after else f"schema {before} upgraded to {after}", err=True
    )


@command("tollbook db current --json", within=db)
def current(app: App, output: Output) -> None:
    """Show the ledger's schema, zone and rolled-up tags."""
    from ledger.store.revision import HEAD_REVISION

    database = app.open()
    document = {
        "url": database.url,
        "revision": HEAD_REVISION,
        "timezone": database.zone_name,
        "rollup_tags": list(database.rollup_tags),
        "created_at": database.settings["created_at"],
    }
    shown = document | {"rollup_tags": ",".join(database.rollup_tags)}
    rows = [("schema" if key == "revision" else key, str(value)) for key, value in shown.items()]
    output.write(Sheet("Ledger", (Column("what"), Column("value")), rows, document=document))


@command("tollbook db check && echo sound", within=db, shows=None)
def check(app: App) -> None:
    """Check the schema, its guards, and a file for damage.

    Tables, columns, constraints, indexes and triggers are compared with what `db init` makes, which is made again in
    memory, on PostgreSQL among temporary tables. It fails where something is wrong.
    """
    from ledger.store.health import check_database

    database = app.open()
    problems = check_database(database)
    for problem in problems:
        click.echo(f"Problem: {visible(problem)}", err=True)
    if problems:
        decide_exit(1)
    else:
        click.echo(f"{database.url}: sound", err=True)


@command(
    "tollbook db roles | psql tollbook",
    "tollbook db roles --writer billing --reader finance > roles.sql",
    within=db,
    shows=None,
)
@click.option("--writer", metavar="NAME", default="tollbook_writer", show_default=True, help="Role that books.")
@click.option("--reader", metavar="NAME", default="tollbook_reader", show_default=True, help="Role that only reads.")
def roles(app: App, writer: str, reader: str) -> None:
    """Print SQL for a writer and a reader of a ledger.

    It is PostgreSQL's, to be run by the ledger's owner; nothing is changed here. A writer adds to the book and can't
    change or delete what is in it. Neither can alter tables or take guards away. `db init`, `db upgrade` and
    `db rollups` remain the owner's.
    """
    from ledger.store.roles import roles_sql

    click.echo(roles_sql(app.open(), writer, reader), nl=False)


@command("tollbook db rollups --tag team --tag env", "tollbook db rollups --none", within=db, shows=None)
@click.option("--tag", "tags", metavar="KEY", multiple=True, help="A tag to roll up; at most 4.")
@click.option("--none", "no_tags", is_flag=True, help="Roll no tag up.")
def rollups(app: App, tags: tuple[str, ...], no_tags: bool) -> None:
    """Choose the tags that reports read from roll-ups. All roll-ups are recomputed from the rows."""
    from ledger.book.settings import rebuild_rollups

    if bool(tags) == no_tags:
        raise LedgerError("give the tags to roll up with --tag KEY, or --none")
    rebuild_rollups(app.open(), tags)
    click.echo(f"roll-ups recomputed, by tags: {', '.join(tags) or 'none'}", err=True)
