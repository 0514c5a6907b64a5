"""Commands and groups: their examples, and the options that all of them share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import click

from ledger.cli.app import command_options, pass_app
from ledger.cli.completion import complete_values
from ledger.cli.groups import Group
from ledger.cli.show.output import has_shown, output_options
from ledger.errors import ChangedWhileRead

Function: TypeAlias = Callable[..., Any]
Decorator: TypeAlias = Callable[[Function], Function]

SHEET: Decorator = output_options()


def examples(*lines: str) -> str:
    """The end of a command's help: lines to copy."""
    return "\n".join(["\b", "Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)])


def group(*lines: str, within: click.Group | None = None) -> Callable[[Function], click.Group]:
    """Makes a group of commands, with example lines and `--db`."""

    def decorate(function: Function) -> click.Group:
        return (within or click).group(cls=Group, epilog=examples(*lines))(command_options(function))

    return decorate


def command(
    *lines: str, within: click.Group | None = None, name: str | None = None, shows: Decorator | None = SHEET
) -> Callable[[Function], click.Command]:
    """Makes a command that gets the `App`: its own options, those of `shows`, and `--db`."""

    def decorate(function: Function) -> click.Command:
        # click keeps the options of a function in a list, the last one first.
        own: list[click.Parameter] = function.__dict__.pop("__click_params__", [])
        shared = command_options(pass_app(_read_again_where_changed(function)))
        shared = shared if shows is None else shows(shared)
        shared.__dict__["__click_params__"] += own
        made = (within or click).command(name, epilog=examples(*lines))(shared)
        complete_values(made)
        return made

    return decorate


def _read_again_where_changed(function: Function) -> Function:
    """Runs a command once more where its ledger's file was written while it was read, unless something is shown."""

    @functools.wraps(function)
    def run(*args: object, **kwargs: object) -> object:
        try:
            return function(*args, **kwargs)
        except ChangedWhileRead:
            if has_shown():
                raise
            from ledger.logs import logger_of  # loaded by the store already

            logger_of("cli").info("the ledger was written while it was read: reading it again")
            return function(*args, **kwargs)

    return run


def options(*shared: Decorator) -> Decorator:
    """Joins options that several commands have, in the order of their help."""

    def decorate(function: Function) -> Function:
        for option in reversed(shared):
            function = option(function)
        return function

    return decorate


period_options = options(
    click.option("--month", metavar="YYYY-MM|last", help="A whole month, or the one before this."),
    click.option("--since", metavar="TIME", help="From this time, inclusive; a date is its midnight."),
    click.option("--until", metavar="TIME", help="Up to this time, exclusive."),
    click.option("--last", metavar="7d|4w|24h", help="The last days or weeks, today included, or hours."),
    click.option("--timezone", metavar="TZ", help="Zone of days, months and dates. Default: the ledger's."),
)
rates_option = click.option(
    "--rates", metavar="FILE", multiple=True, help="A rate card file over those in force; may be repeated."
)
card_options = options(
    click.option("--provider", metavar="P", help="Whose rate card. Default: [ledger] provider, else evolink."),
    rates_option,
)
service_tier_option = click.option(
    "--service-tier", metavar="S", help="What requests are served as, such as batch. Default: default."
)
at_option = click.option(
    "--at", metavar="TIME", help="Prices in effect then: a date (UTC) or a date-time with offset. Default: now."
)
posted_month_option = click.option(
    "--month", metavar="YYYY-MM|last", required=True, help="The month whose books it is of, posted basis."
)
wallet_option = click.option("--provider", metavar="P", help="Whose wallet.  [default: as for ingest]")
