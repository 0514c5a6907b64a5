"""Options of commands that take usage in: what holds for each record of a run."""

from __future__ import annotations

from functools import reduce, wraps
from typing import Any, get_args

import click

from ledger.cli.command import Function
from pricing.billing import ToolFees


def parse_tags(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Reads `k=v` options as a mapping; one key twice is refused."""
    tags: dict[str, str] = {}
    for value in values:
        key, equals, tag = value.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{value!r}: give KEY=VALUE, such as team=search")
        if key in tags:
            raise click.BadParameter(f"{key!r} is given twice")
        tags[key] = tag
    return tags


_OPTIONS = (
    click.option(
        "--provider", metavar="P", help="Whose rate card prices it. Default: the record's, [ledger] provider, evolink."
    ),
    click.option(
        "--source", metavar="S", help="The stream that request ids are unique in. Default: the record's, the provider."
    ),
    click.option("--project", metavar="P", help="Project of every record, whatever the records say."),
    click.option(
        "--tag", "tags", metavar="K=V", multiple=True, callback=parse_tags, help="Tag of every record; may be repeated."
    ),
    click.option(
        "--assume-cache-storage",
        is_flag=True,
        help="Derive storage of the input from responses with caching enabled, from created_at to expire_at.",
    ),
    click.option(
        "--tool-fees",
        type=click.Choice(get_args(ToolFees)),
        help="Requests whose tools are billed apart: refused, or booked without those fees. "
        "Default: [ledger] tool_fees.",
    ),
    click.option(
        "--service-tier",
        metavar="S",
        help="What requests that state none were served as, such as batch. Default: default.",
    ),
)
_NAMES = ("provider", "source", "project", "tags", "assume_cache_storage", "tool_fees", "service_tier")


def with_run_options(function: Function) -> Function:
    """Gives a command these options, which it gets together as `options`, a RunOptions."""

    @wraps(function)
    def wrapper(*args: Any, **values: Any) -> Any:  # noqa: ANN401 - of any command
        from ledger.intake.labels import RunOptions

        options = RunOptions(**{name: values.pop(name) for name in _NAMES})
        return function(*args, options=options, **values)

    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), wrapper)
