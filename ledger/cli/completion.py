"""Values that a shell completes: models, projects, months, dimensions and files. In doubt none, and never an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import App

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# What no shell takes for more than a word: names come from usage that others wrote.
_PLAIN = re.compile(r"[\w.][\w.:/@+-]*")
_FILE = re.compile(r"\[?(FILE|PAIRS|\w+\.json)")
# Nobody waits longer for a name from a server that doesn't answer; PostgreSQL's client takes no less.
CONNECT_SECONDS = 2

Source = Callable[[App], Iterable[str]]


def _impatient(app: App) -> App:
    url = app.db_url
    if url.startswith("postgres") and "connect_timeout" not in url:
        app.db_option = f"{url}{'&' if '?' in url else '?'}connect_timeout={CONNECT_SECONDS}"
    return app


def _of_cards(app: App) -> Iterable[str]:
    return [model for card in app.cards().values() for model in card.models]


def _of_ledger(app: App, kind: str) -> Iterable[str]:
    if app.file is not None:
        from ledger.book.peek import peek

        return peek(app.file, kind)
    from ledger.book.known_names import known_names

    database = app.open()
    if kind == "rollup_tags":
        return database.rollup_tags
    with database.reading() as connection:
        return known_names(connection, kind)


def _dimensions(_app: App) -> Iterable[str]:
    from ledger.reports.dimensions import DIMENSIONS

    return DIMENSIONS


def _tags(app: App) -> Iterator[str]:
    rolled_up = [key for keys in _of_ledger(app, "rollup_tags") for key in keys.split(",")]
    yield from (f"tag:{key}" for key in [*rolled_up, *app.config.ledger.keep_tags] if key)


_PROJECTS: tuple[Source, ...] = (
    lambda app: _of_ledger(app, "project"),
    lambda app: [project.id for project in app.config.projects],
)
_MONTHS: tuple[Source, ...] = (lambda app: _of_ledger(app, "month"),)
# By the name of a parameter.
SOURCES: dict[str, tuple[Source, ...]] = {
    "model": (_of_cards,),
    "models": (_of_cards, lambda app: _of_ledger(app, "model")),
    "project": _PROJECTS,
    "projects": _PROJECTS,
    "to_project": _PROJECTS,
    "month": (lambda _app: ["last"], *_MONTHS),
    "through": _MONTHS,
    "compare": (lambda _app: ["previous"], *_MONTHS),
    "dimensions": (_dimensions, _tags),
    "dimension": (lambda _app: ["project"], _tags),
}


class Names(click.types.StringParamType):
    """A text that a shell completes from some sources of names."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = sources

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
        """Returns the names that begin so, each once; those of a source that fails are left out."""
        from click.shell_completion import CompletionItem  # only where a shell asks

        names: dict[str, None] = {}
        with suppress(Exception), ctx:
            app = _impatient(ctx.find_object(App) or App())
            for source in self._sources:
                with suppress(Exception):
                    names |= dict.fromkeys(source(app))
        return [CompletionItem(name) for name in names if name.startswith(incomplete) and _PLAIN.fullmatch(name)]


class FileName(click.types.StringParamType):
    """A text that a shell completes as the name of a file."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
        """Leaves it to the shell."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type="file")]


def complete_values(command: click.Command) -> None:
    """Gives the plain texts of a command what a shell completes them from, by their names and metavars."""
    for parameter in command.params:
        if parameter.type is not click.STRING:
            continue
        if parameter.name in SOURCES:
            parameter.type = Names(SOURCES[parameter.name])
        elif parameter.name == "db" or _FILE.match(parameter.metavar or ""):
            parameter.type = FileName()
