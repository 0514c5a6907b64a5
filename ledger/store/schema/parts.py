"""The parts of a schema, and the words for how one schema differs from another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

# A table's definition begins with these words; anything else of its name is no table.
A_TABLE = "a table"


class Part(NamedTuple):
    """A table, or a column, constraint, index, trigger, rule or child of a table; functions stand by themselves."""

    kind: str
    table: str
    name: str

    def __str__(self) -> str:
        of = f" of table {self.table}" if self.table not in ("", self.name) else ""
        return f"{self.kind} {self.name}{of}"


# Parts with their definitions, the columns of a table in its order.
Schema: TypeAlias = Mapping[Part, str]


def differences(expected: Schema, found: Schema) -> Iterator[str]:
    """Says each difference in a line; of `found`, only what touches a table that is expected."""
    tables = {part.table for part in expected if part.kind == "table"}
    whole = {table for table in tables if found.get(Part("table", table, table), "").startswith(A_TABLE)}
    for part, definition in expected.items():
        if part.kind != "table" and part.table not in {"", *whole}:
            continue
        if part not in found:
            yield f"{part} is missing"
        elif found[part] != definition:
            yield f"{part} {_change(definition, found[part])}"
    for part, definition in found.items():
        if part not in expected and part.table in whole and not _is_harmless(part, definition):
            yield f"{part} isn't the ledger's: {_on_a_line(definition)}"
    for table in sorted(whole):
        ours, theirs = ([part for part in side if part[:2] == ("column", table)] for side in (expected, found))
        if [part for part in ours if part in found] != [part for part in theirs if part in expected]:
            yield f"table {table} has its columns in another order: {', '.join(part.name for part in theirs)}"


def _change(expected: str, found: str) -> str:
    """Says how a definition differs; of one that is followed by a remark in parentheses, the remark alone."""
    remark = found.removeprefix(f"{expected} (")
    if remark != found:
        return f"is {remark.removesuffix(')')}"
    return f"should be {_on_a_line(expected)}, and is {_on_a_line(found)}"


def _on_a_line(definition: str) -> str:
    return " ".join(definition.split())


def _is_harmless(part: Part, definition: str) -> bool:
    """Tells whether a table may have this beside its own parts: an index that refuses no row."""
    return part.kind == "index" and not definition.lower().startswith("create unique")
