"""Layouts of bills as options of `reconcile`, and saved in tollbook.toml."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.app import COUNT
from ledger.cli.command import options
from ledger.errors import LedgerError

if TYPE_CHECKING:
    from ledger.config import Config
    from ledger.values.layout import Layout

MAX_NAME = 200
DELIMITER_NAMES = {"tab": "\t", "\\t": "\t"}

layout_options = options(
    click.option(
        "--map",
        "columns",
        multiple=True,
        metavar="FIELD=COLUMN",
        help="Which column a field is in, where it isn't named alike: request_id, occurred_at, day, model, "
        "input_tokens, cached_input_tokens, output_tokens, amount, currency.",
    ),
    click.option(
        "--delimiter", metavar="C", help="What parts the cells: , ; | or tab.  [default: found by the header]"
    ),
    click.option("--decimal", type=click.Choice([".", ","]), help="The decimal mark, where 1,234 may be two amounts."),
    click.option("--date-format", metavar="FORMAT", help="How days are written, such as DD.MM.YYYY or %d.%m.%Y %H:%M."),
    click.option(
        "--encoding", metavar="NAME", help="How the text is encoded: utf-8, utf-16, gb18030.  [default: utf-8]"
    ),
    click.option("--skip-lines", type=COUNT, metavar="N", help="Lines before the header."),
    click.option("--total-row", metavar="NAME", help="Leave out rows with this cell: they are sums of others."),
    click.option("--currency", metavar="CODE", help="The amounts' currency, where no column says it."),
    click.option("--sheet", metavar="NAME", help="The sheet of a workbook that has several."),
    click.option("--as", "saved_as", metavar="NAME", help="The layout [statement.NAME] of tollbook.toml."),
    click.option("--save-as", metavar="NAME", help="Write what worked to tollbook.toml as [statement.NAME]."),
)
LAYOUT_NAMES = (
    "columns", "delimiter", "decimal", "date_format", "encoding", "skip_lines", "total_row", "currency", "sheet",
    "saved_as", "save_as",
)  # fmt: skip


def stated_layout(config: Config, given: dict[str, Any]) -> Layout:
    """The layout that the options state over the one that they name; LedgerError for what can't be one."""
    import msgspec

    from ledger.values.amounts import currency_of
    from ledger.values.layout import DELIMITERS, Layout, check_layout, parse_columns
    from pricing.names import did_you_mean, with_question

    name = given["saved_as"]
    if name is not None and name not in config.statements:
        question = did_you_mean(name, config.statements)
        known = with_question(question, f"it has {', '.join(config.statements) or 'none'}")
        raise LedgerError(f"--as {name!r}: tollbook.toml has no [statement.{name}]: {known}")
    new_name = given["save_as"]
    if new_name is not None and not 0 < len(new_name.strip()) <= MAX_NAME:
        raise LedgerError(f"--save-as {new_name[:40]!r}: give a name of at most {MAX_NAME} characters")
    base = Layout() if name is None else config.statements[name]
    changes = {
        key: given[key]
        for key in ("decimal", "date_format", "encoding", "skip_lines", "total_row", "sheet")
        if given[key] is not None
    }
    if given["columns"]:
        changes["map"] = base.map | parse_columns(given["columns"])
    if given["delimiter"] is not None:
        delimiter = DELIMITER_NAMES.get(given["delimiter"].lower(), given["delimiter"])
        if delimiter not in DELIMITERS:
            raise LedgerError(f"--delimiter {given['delimiter']!r} isn't one: give , ; | or tab")
        changes["delimiter"] = delimiter
    if given["currency"] is not None:
        changes["currency"] = currency_of(given["currency"])
        if changes["currency"] is None:
            raise LedgerError(f"--currency {given['currency']!r} isn't a currency: give CRD or an ISO 4217 code")
    layout = msgspec.structs.replace(base, **changes)
    check_layout(layout, lambda field: f"--{field.replace('_', '-')}")
    return layout


def save_layout(path: Path, name: str, layout: Layout) -> None:
    """Write the layout as `[statement.NAME]`, all else of the file as it is; LedgerError where that can't be done."""
    import msgspec
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    from ledger.cli.show.whole_files import replacing

    try:
        document = tomlkit.parse(path.read_bytes().decode("utf-8-sig")) if path.exists() else tomlkit.document()
        statements = document.setdefault("statement", tomlkit.table(is_super_table=True))
        table = statements.setdefault(name, tomlkit.table())
        new = msgspec.to_builtins(layout)
        for key in [key for key in table if key not in new]:
            del table[key]
        for key, value in new.items():
            table[key] = value
        text = tomlkit.dumps(document)
    except (TOMLKitError, OSError, UnicodeDecodeError) as error:
        raise LedgerError(f"{path}: can't be changed: {error}") from error
    with replacing(str(path)) as file:
        file.write(text.encode())
