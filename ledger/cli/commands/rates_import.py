"""`tollbook rates import`: a rate card made of a published price list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledger.cli.app import App
from ledger.cli.command import command
from ledger.cli.show.output import Output, note, refuse_unwritable
from ledger.values.safe_text import visible
from ledger.values.words import counted

if TYPE_CHECKING:
    from ledger.price_lists.prices import PriceList

# The lists price usage of any day; nobody sold such models before.
FIRST_DAY = "2020-01-01"
_MOST_NAMED = 6


@command(
    "tollbook rates import genai-prices --provider anthropic -o anthropic.toml",
    "tollbook rates import litellm --provider groq --from 2026-01-01 -o groq.toml",
    "tollbook rates import genai-prices --file data.json --model gemini-2.5-pro --provider google",
    name="import",
    shows=None,
)
@click.argument("package", type=click.Choice(["genai-prices", "litellm"]))
@click.option("--provider", metavar="P", help="Whose prices. Needed where several have them.")
@click.option("--model", "models", metavar="M", multiple=True, help="Only this model, by id or another name.")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Its data.json or model map. Default: the installed package's own data.",
)
@click.option(
    "--from",
    "start",
    metavar="DATE",
    type=click.DateTime(["%Y-%m-%d"]),
    default=FIRST_DAY,
    show_default=True,
    help="Since when prices without a date hold.",
)
@click.option(
    "-o", "--output", "path", metavar="FILE", help="Write to FILE, whole or not at all; - is standard output."
)
def import_rates(
    _app: App,
    *,
    package: str,
    provider: str | None,
    models: tuple[str, ...],
    file: Path | None,
    start: datetime,
    path: str | None,
) -> None:
    """Make a rate card of a published price list.

    'rates add' takes it. What a card can't say is left out by name, in comments of the card and on standard error:
    usage that names it is refused.
    """
    from ledger.price_lists.card import card_text
    from ledger.price_lists.choice import chosen_prices, open_source

    output = Output("toml", None if path == "-" else path)
    if output.path is not None:
        refuse_unwritable(output.path)
    prices = chosen_prices(open_source(package, file), provider, models, start.date())
    text = card_text(prices, start.date())
    with output.stream() as out:
        out.write(text.encode())
    click.echo(visible(f"{counted(len(prices.models), 'model')} of {prices.provider}, by {prices.source}"), err=True)
    for line in _left_out(prices):
        note(line)


def _left_out(prices: PriceList) -> Iterator[str]:
    """Yields a line for each reason to leave models out, and what the others are without."""
    from ledger.price_lists.prices import OTHER_ENDPOINT

    for reason, models in sorted(prices.skipped.items()):
        yield f"{counted(len(models), 'model')} left out, {reason}: {_named(models)}"
    left_out = Counter(name for model in prices.models for name in model.left_out)
    untold = {name: count for name, count in left_out.items() if name.startswith(OTHER_ENDPOINT)}
    for what, names in (
        ("left out, so that usage that names it is refused", left_out.keys() - untold.keys()),
        ("left out, and told by no usage", untold.keys()),
    ):
        if names:
            each = [f"{name} ({counted(left_out[name], 'model')})" for name in sorted(names)]
            yield f"{what}: {', '.join(each)}"
    lost = sum(len(model.lost_names) for model in prices.models)
    if lost:
        yield f"{counted(lost, 'pattern or name', 'patterns and names')} of models can't be aliases of a card"


def _named(models: Sequence[str]) -> str:
    more = f" and {len(models) - _MOST_NAMED} more, named in the card" if len(models) > _MOST_NAMED else ""
    return ", ".join(models[:_MOST_NAMED]) + more
