"""The configuration and ledger of a command, and `--db` and `--actor` before or after its name."""

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
    from ledger.values.amounts import Amount
    from pricing.rate_card import RateCard

F = TypeVar("F", bound=Callable[..., Any])

MAX_COUNT = 2**63 - 1


class Count(click.IntRange):
    """A whole number from a least one up to the largest that the ledger counts, which helps don't spell out."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ANN401
        """Reads the number, or refuses it with the range that it isn't in."""
        number = super().convert(value, param, ctx)
        if number > MAX_COUNT:
            self.fail("it is past 2**63 - 1, the largest count: give less", param, ctx)
        return number


COUNT = Count(min=0)
POSITIVE = Count(min=1)


def check_text(option: str, text: str) -> None:
    """Refuses a text that is blank, or that the ledger doesn't keep."""
    from pricing.record_values import MAX_NAME

    if not text.strip() or len(text) > MAX_NAME or "\0" in text:
        raise LedgerError(f"{option} {text[:40]!r}: give 1 to {MAX_NAME} characters")


def parse_tag(text: str) -> tuple[str, str]:
    """Reads a `--tag` as a key and a value."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        from pricing.errors import shown

        raise LedgerError(f"--tag {shown(text)} isn't a tag: give KEY=VALUE, such as team=search")
    return key, value


def parse_usd(option: str, text: str) -> Amount:
    """Reads an amount of USD, such as 12.50usd; refuses other currencies."""
    from ledger.values.amounts import parse_amount, unit_of

    amount = parse_amount(text, option)
    if amount.currency != "USD":
        raise LedgerError(f"{option} {text!r} is in {unit_of(amount.currency)}: give it in usd, such as 12.50usd")
    return amount


class App:
    """The click context object. Slow libraries are imported when a command first needs them."""

    def __init__(self) -> None:
        self.db_option: str | None = None
        self.actor_option: str | None = None
        self._opened: list[Database] = []
        self._verbosity = 0
        self._logs_json = False
        self._end_logging: Callable[[], None] = lambda: None

    @cached_property
    def config(self) -> Config:
        from ledger.config import load_config  # `tollbook --help` imports click alone

        return load_config(Path.cwd())

    @property
    def db_url(self) -> str:
        """`--db`, else TOLLBOOK_DB, else `[ledger] db`, else tollbook.db here."""
        from ledger.config import database_url

        return database_url(self.db_option, self.config)

    @property
    def actor(self) -> str | None:
        """`--actor`, else TOLLBOOK_ACTOR; None where neither says who acts."""
        from ledger.store.actor import stated_actor

        return stated_actor(self.actor_option)

    def open(self, *, create: bool = False) -> Database:
        """Opens the ledger of `db_url`, made first where `create` says so."""
        from ledger.store.opening import open_ledger  # sqlalchemy takes a while to import

        section = self.config.ledger
        database = open_ledger(
            self.db_url,
            create=create,
            timezone=section.timezone,
            rollup_tags=section.rollup_tags,
            actor=None if self.actor_option is None else self.actor,  # TOLLBOOK_ACTOR counts where one writes
        )
        self._opened.append(database)
        click.get_current_context().call_on_close(database.close)
        return database

    def show_logging(self, *, verbosity: int = 0, as_json: bool = False) -> None:
        """Shows on standard error what is logged from now on, more of it the more often that is asked for."""
        from ledger.cli.show.logging_lines import show_logging  # logging takes a while to import

        self._verbosity += verbosity
        self._logs_json = self._logs_json or as_json
        self._end_logging()
        self._end_logging = show_logging(debug=self._verbosity > 1, as_json=self._logs_json)
        click.get_current_context().find_root().call_on_close(self._end_logging)

    @property
    def has_written(self) -> bool:
        """Tells whether the command committed a transaction that writes, whatever that changed."""
        return any(database.has_written for database in self._opened)

    def cards(self, *files: str) -> Mapping[str, RateCard]:
        """The cards in force, built-in ones without a ledger; `files` are laid over them."""
        from pricing.catalog import load_rate_cards, read_card_file

        if self._is_without_own_prices or not self.has_ledger:
            return load_rate_cards(*files)
        from ledger.book.prices.in_force import cards_in_force

        with self.open().reading() as connection:
            return cards_in_force(connection, [read_card_file(file) for file in files])

    def card(self, provider: str | None, *files: str) -> RateCard:
        """One provider's card of those in force; `[ledger] provider` where none is named."""
        cards = self.cards(*files)
        name = self.provider(provider)
        if name not in cards:
            known = " or ".join(sorted(cards))
            raise LedgerError(f"provider {name!r} has no rate card: give {known}, or --rates FILE")
        return cards[name]

    def provider(self, named: str | None) -> str:
        """The provider that a command names, else `[ledger] provider`."""
        return named or self.config.ledger.provider

    @cached_property
    def has_ledger(self) -> bool:
        """Tells whether a ledger is there at `db_url`."""
        if self._has_no_file:
            return False
        from ledger.store.opening import ledger_exists  # sqlalchemy takes a while to import

        return ledger_exists(self.db_url)

    @property
    def file(self) -> Path | None:
        """The file of a SQLite URL, as far as it is plain without loading sqlalchemy."""
        scheme, separator, path = self.db_url.rpartition("://")
        if scheme not in ("", "sqlite") or "?" in path:
            return None
        return Path(path.removeprefix("/") if separator else path)

    @property
    def _has_no_file(self) -> bool:
        """Tells whether the URL is of a SQLite file that isn't there."""
        try:
            return self.file is not None and not self.file.exists()
        except OSError:
            return False  # no name of a file, or out of reach: opening it says so, without a secret that it holds

    @property
    def _is_without_own_prices(self) -> bool:
        """Tells whether the built-in cards are known to be in force, without sqlalchemy."""
        if self.file is None or self._has_no_file:
            return self._has_no_file
        from ledger.book.prices.peek import has_built_in_prices_alone

        return has_built_in_prices_alone(self.file)


# Key of the context's meta: the exit code that a result decided.
EXIT_CODE = "tollbook.exit_code"


def decide_exit(code: int) -> int:
    """Sets the exit code; before the result is shown, it holds also if its reader leaves."""
    click.get_current_context().meta[EXIT_CODE] = code
    return code


pass_app = click.make_pass_decorator(App, ensure=True)


def _remember_db(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        if not value.strip():
            raise click.UsageError("--db is empty: give a database file or URL, or leave it out")
        context.ensure_object(App).db_option = value


def _remember_actor(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(App).actor_option = value


def _show_logging(context: click.Context, parameter: click.Parameter, value: int) -> None:
    if value and not context.resilient_parsing:
        is_json = parameter.name == "log_json"
        context.ensure_object(App).show_logging(verbosity=0 if is_json else value, as_json=is_json)


def command_options(function: F) -> F:
    """Adds `--db`, `--actor`, `--verbose` and `--log-json`; of the first two the last one given on the line holds."""
    log = click.option(
        "--log-json",
        is_flag=True,
        expose_value=False,
        callback=_show_logging,
        help="The same as one JSON object a line.",
    )
    verbose = click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=_show_logging,
        help="Log to standard error what is done; -vv in detail.",
    )
    actor = click.option(
        "--actor",
        metavar="NAME",
        expose_value=False,
        callback=_remember_actor,
        help="Who does it, for 'tollbook log'. Default: TOLLBOOK_ACTOR, else the system's and the database's user.",
    )
    db = click.option(
        "--db",
        metavar="URL",
        expose_value=False,
        callback=_remember_db,
        help="Ledger: a SQLite file or a database URL. Default: TOLLBOOK_DB, [ledger] db, tollbook.db.",
    )
    return db(actor(verbose(log(function))))
