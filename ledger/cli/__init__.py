"""The `tollbook` command: its groups are imported when they are called."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ledger.cli.app import EXIT_CODE, App, command_options
from ledger.cli.groups import Group

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# What people do, in the order of `tollbook --help`; name: (module below ledger.cli.commands, line of that help).
SECTIONS = {
    "Record": {
        "ingest": ("ingest", "Record usage from files or standard input, each request once."),
        "lake": ("lake", "Usage kept as Parquet files: price it, post its sums, verify it."),
        "quarantine": ("quarantine", "What could not be recorded: list, show, retry, accept, discard."),
    },
    "Look": {
        "report": ("report", "Spend by model, project, day, month, tier, tag …"),
        "whatif": ("whatif", "A month at other models, prices or conversions; nothing is posted."),
        "status": ("status", "Database, conversion in use, sources, quarantine, open months."),
        "batches": ("corrections", "What was posted, command by command."),
        "export": ("export", "Charges, chargeback and FOCUS as CSV, JSON, Excel or Parquet."),
    },
    "Estimate": {
        "price": ("price", "Price one request exactly."),
        "estimate": ("estimate", "Estimate what prompts cost, before they are sent."),
        "diff": ("diff", "Compare what a change to prompts costs a month, with gates."),
        "comment": ("comment", "Post a report as one comment on a pull or merge request."),
        "calibrate": ("calibrate", "Correct token counts by what the API reported."),
        "workload": ("workload", "Begin a tollbook.toml from prompts; pull what the ledger knows."),
    },
    "Correct and close": {
        "void": ("corrections", "Reverse a batch or one request."),
        "reassign": ("corrections", "Move usage from one project to another."),
        "reprice": ("reprice", "Price usage again by the cards and conversions as they are now."),
        "adjust": ("adjust", "Book a credit note or a surcharge."),
        "redact": ("redact", "Make request ids and tags unreadable, money and digests untouched."),
        "close": ("close", "Close a month: its books don't change any more."),
        "reopen": ("close", "Open the last closed month again."),
        "archive": ("archive", "Move rows of closed months to Parquet files; their sums stay."),
    },
    "Check": {
        "reconcile": ("reconcile", "Compare the ledger with the provider's statement or balance."),
        "log": ("log", "Who changed the ledger, when and how."),
        "verify": ("verify", "Recompute every charge and compare the book with its rows."),
    },
    "Prices and credits": {
        "rates": ("rates", "Rate cards and conversions: list, show, add, import."),
        "budget": ("budget", "What usage may cost, and how far it is used: set, status …"),
        "wallet": ("wallet", "Prepaid credits: top up, draw, balance, statement."),
    },
    "Set up": {
        "demo": ("demo", "Bundled usage into a ledger, reports and files, step by step."),
        "db": ("db", "Create, upgrade and check a ledger."),
        "backup": ("backup", "Copy the ledger into a file, while others go on writing."),
        "project": ("project", "Projects' names, owners and cost centers: apply, list."),
    },
}
COMMANDS = {name: found for section in SECTIONS.values() for name, found in section.items()}


class LazyGroup(Group):
    """A group that knows its commands' names and lines, and imports one to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"ledger.cli.commands.{COMMANDS[cmd_name][0]}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for section, commands in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name.ljust(width), line) for name, (_module, line) in commands.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[Any]]:
        """Returns the commands that begin so, without a look into them, or options."""
        from click.shell_completion import CompletionItem  # only where a shell asks

        lines = {name: line for name, (_module, line) in COMMANDS.items() if name.startswith(incomplete)}
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(name, help=line) for name, line in lines.items()), *options]

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parses the line; `--help` and `--version` already print here."""
        with _telling_wrong_use(), _ending_quietly():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        """Runs the command and ends as it decided; wrong use is one line and exit code 2."""
        with _telling_wrong_use(), _ending_quietly():
            super().invoke(ctx)
        ctx.exit(ctx.meta.get(EXIT_CODE, 0))


@contextmanager
def _telling_wrong_use() -> Iterator[None]:
    try:
        yield
    except (click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        from ledger.values.safe_text import visible, without_credentials  # only once something is wrong

        if isinstance(error, click.ClickException):
            error.message = without_credentials(error.message)  # type: ignore[misc]  # a new error would lose its hints
            raise
        message = _words(error)
        if message is None:
            raise
        _end_where_done(error, message)
        raise click.UsageError(visible(without_credentials(message))) from error


def _end_where_done(error: Exception, message: str) -> None:
    """Ends with what the command decided, at least 1, where only its result has no place to go."""
    from ledger.errors import NotShown

    context = click.get_current_context(silent=True)
    app = None if context is None else context.find_object(App)
    if context is None or app is None or not app.has_written or not isinstance(error, NotShown):
        return
    from ledger.values.safe_text import visible

    click.echo(f"Error: {visible(message)}; whatever the command changed is kept", err=True)
    sys.exit(context.meta.get(EXIT_CODE) or 1)


@contextmanager
def _ending_quietly() -> Iterator[None]:
    """Ends quietly where the reader went away (`| head`), and with 130 on Ctrl-C.

    A gate that failed before the reader went away still decides the exit code.
    """
    try:
        yield
    except BrokenPipeError:
        from ledger.cli.show.output import forget_output

        forget_output()
        context = click.get_current_context(silent=True)
        sys.exit(0 if context is None else context.meta.get(EXIT_CODE, 0))
    except KeyboardInterrupt:
        sys.exit(130)


def _words(error: Exception) -> str | None:
    """The line to print for an error that is the user's to mend, else None."""
    from ledger.errors import LedgerError
    from pricing.errors import PricingError  # only once something is wrong

    if isinstance(error, (LedgerError, PricingError)):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'input or output'}: {error.strerror or error}"
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object[:60]!r} can't be written as {error.encoding}: give plain text"
    if "ledger.store.engines" in sys.modules:
        from ledger.store.engines import refusal

        return refusal(error)
    return None


def _print_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from importlib.metadata import version  # takes longer than the rest of --help

        click.echo(f"tollbook {version('tollbook')}")
        context.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Exit codes:
  0  done
  1  done, and a gate, a check or a comparison failed, or the result could not be written
  2  wrong use, configuration, prices or database: nothing was changed
  3  some input is in quarantine, the rest is recorded

Start with: tollbook demo""",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
@command_options
@click.pass_context
def cli(context: click.Context) -> None:
    """Token cost estimator and billing ledger for Doubao Seed 2.0 models on EvoLink.

    Prices each request exactly, books it once, never changes a closed number.
    """
    context.ensure_object(App)


def main() -> NoReturn:
    """Runs the command line."""
    gc.set_threshold(100_000)  # rows make no cycles, and the collector looks at each
    if sys.stdout is None:  # what `>&-` makes of it: found out now, before anything is recorded
        click.echo("Error: standard output is closed: send it somewhere, such as to /dev/null", err=True)
        sys.exit(2)
    if "_TOLLBOOK_COMPLETE" in os.environ:
        import ledger.cli.bash_words  # noqa: F401 - registers itself
    try:
        cli(prog_name="tollbook")
    finally:
        gc.freeze()  # what is left ends with the process: the interpreter would look at each object once more
    sys.exit(0)
