"""What every command shares: the configuration, the ledger it works on, and `--db` before or after the command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ledger.errors import LedgerError

if TYPE_CHECKING:
    from ledger.config import Config
    from ledger.store.database import Database
    from pricing.rate_card import RateCard

F = TypeVar("F", bound=Callable[..., Any])

# What a row can be numbered by, and so how many there can be.
ROW_NUMBER = click.IntRange(1, 2**63 - 1)


class App:
    """The click context object. Slow libraries are imported when a command first needs them."""

    def __init__(self) -> None:
        self.db_option: str | None = None

    @cached_property
    def config(self) -> Config:
        from ledger.config import load_config  # noqa: PLC0415 - `tollbook --help` imports click alone

        return load_config(Path.cwd())

    @property
    def db_url(self) -> str:
        """`--db`, else TOLLBOOK_DB, else `[ledger] db`, else tollbook.db in the working directory."""
        from ledger.config import database_url  # noqa: PLC0415 - `tollbook --help` imports click alone

        return database_url(self.db_option, self.config)

    def open(self, *, create: bool = False) -> Database:
        """The ledger of `db_url`, made first where a command that may create one says so."""
        from ledger.store.opening import open_ledger  # noqa: PLC0415 - sqlalchemy takes a while to import

        section = self.config.ledger
        database = open_ledger(self.db_url, create=create, timezone=section.timezone, rollup_tags=section.rollup_tags)
        click.get_current_context().call_on_close(database.close)
        return database

    def cards(self, *files: str) -> Mapping[str, RateCard]:
        """The cards in force in the ledger, the built-in ones where there is none yet; `files` are laid over them."""
        from pricing.catalog import load_rate_cards, read_card_file  # noqa: PLC0415 - start-up time

        if not self.has_ledger:
            return load_rate_cards(*files)
        from ledger.book.prices.in_force import cards_in_force  # noqa: PLC0415

        with self.open().reading() as connection:
            return cards_in_force(connection, [read_card_file(file) for file in files])

    def card(self, provider: str | None, *files: str) -> RateCard:
        """One provider's card of those in force; `[ledger] provider` where none is named."""
        cards = self.cards(*files)
        name = provider or self.config.ledger.provider
        if name not in cards:
            known = " or ".join(sorted(cards))
            raise LedgerError(f"provider {name!r} has no rate card: give {known}, or --rates FILE")
        return cards[name]

    @cached_property
    def has_ledger(self) -> bool:
        """Whether there is a ledger at `db_url`."""
        if self._has_no_file:
            return False
        from ledger.store.opening import ledger_exists  # noqa: PLC0415 - sqlalchemy takes a while to import

        return ledger_exists(self.db_url)

    @property
    def _has_no_file(self) -> bool:
        """Whether the URL is a SQLite file's that isn't there, which is known without loading sqlalchemy."""
        scheme, separator, path = self.db_url.rpartition("://")
        try:
            is_there = Path(path.removeprefix("/") if separator else path).exists()
        except OSError:
            return (
                False  # no name of a file, or of one out of reach: opening it says so, without a secret that it holds
            )
        return scheme in ("", "sqlite") and "?" not in path and not is_there


# Key of the context's meta: the exit code that a result decided, before it was shown.
EXIT_CODE = "tollbook.exit_code"


def decide_exit(code: int) -> int:
    """Set the exit code before the result is shown: it holds also where the reader of it goes away."""
    click.get_current_context().meta[EXIT_CODE] = code
    return code


pass_app = click.make_pass_decorator(App, ensure=True)


def _remember_db(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        if not value.strip():
            raise click.UsageError("--db is empty: give a database file or URL, or leave it out")
        context.ensure_object(App).db_option = value


def command_options(function: F) -> F:
    """Add `--db` to a command; the last one given on the line holds."""
    return click.option(
        "--db",
        metavar="URL",
        expose_value=False,
        callback=_remember_db,
        help="Ledger: a SQLite file or a database URL. Default: TOLLBOOK_DB, [ledger] db, tollbook.db.",
    )(function)
