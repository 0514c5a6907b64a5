"""Options of commands that take usage in: its format, what holds for each record, how much may be refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce, wraps
from typing import TYPE_CHECKING, Any, get_args

import click

from ledger.cli.command import Function
from ledger.errors import LedgerError
from ledger.intake.formats.registry import AUTO, INPUT_FORMATS
from pricing.billing import ToolFees

if TYPE_CHECKING:
    from ledger.store.database import Database


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


def parse_tolerance(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> Callable[[int, int], bool]:
    """Reads how many items may go to quarantine: N, or N% of those read; 0 by default."""
    text = "0" if value is None else value.strip()
    number = text.removesuffix("%").strip()
    whole, _point, part = number.partition(".")
    if not (whole + part).isascii() or not (whole + part).isdigit() or len(text) > 40:
        raise click.BadParameter(f"{value!r}: give a count such as 5, or a share such as 0.5%")
    if not text.endswith("%"):
        if part:
            raise click.BadParameter(f"{value!r}: a count is a whole number")
        return lambda held, _read: held <= int(whole)
    scaled = int(whole + part)
    return lambda held, read: held * 100 * 10 ** len(part) <= scaled * read


_OPTIONS = (
    click.option(
        "--input-format",
        type=click.Choice(INPUT_FORMATS),
        default=AUTO,
        show_default=True,
        help="What the files hold.",
    ),
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


def input_options(function: Function) -> Function:
    """Gives a command `input_format`, and the other options of usage together as `options`, a RunOptions."""

    @wraps(function)
    def wrapper(*args: Any, **values: Any) -> Any:  # noqa: ANN401 - of any command
        from ledger.intake.labels import RunOptions

        options = RunOptions(**{name: values.pop(name) for name in _NAMES})
        return function(*args, options=options, **values)

    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), wrapper)


tolerance_option = click.option(
    "--allow-rejected",
    "tolerated",
    metavar="N|N%",
    callback=parse_tolerance,
    help="Up to that many items in quarantine are no failure.",
)


def check_provider(database: Database, provider: str) -> None:
    """Refuses, with a LedgerError, a provider without a card in force."""
    from ledger.book.prices.in_force import cards_in_force

    with database.reading() as connection:
        known = sorted(cards_in_force(connection))
    if provider not in known:
        raise LedgerError(
            f"provider {provider!r} has no rate card: known are {', '.join(known)}; "
            "add one with 'tollbook rates add FILE'"
        )
