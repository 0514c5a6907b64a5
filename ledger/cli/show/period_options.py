"""The options that say which time a report or an export covers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def period_options(function: F) -> F:
    """Add `--month`, `--since`, `--until`, `--last` and `--timezone`."""
    for option in reversed(
        [
            click.option("--month", metavar="YYYY-MM|last", help="A whole month, or the one before this."),
            click.option("--since", metavar="TIME", help="From this time, inclusive; a date is its midnight."),
            click.option("--until", metavar="TIME", help="Up to this time, exclusive."),
            click.option("--last", metavar="7d|4w|24h", help="The last days or weeks, today included, or hours."),
            click.option("--timezone", metavar="TZ", help="Zone of days, months and dates. Default: the ledger's."),
        ]
    ):
        function = option(function)
    return function
