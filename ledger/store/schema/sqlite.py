"""The schema of a SQLite database, from the statements that made it.

SQLite keeps them as text and rewrites it when a table or column is renamed or added, each version quoting in its own
way: so they are compared word by word, without regard to case, spaces and quotes of names.
"""

from __future__ import annotations

import re

from sqlalchemy import Connection, text

from ledger.store.schema.parts import A_TABLE, Part, Schema

_WORD = re.compile(
    r"""(?P<space>\s+) | (?P<kept>'(?:[^']|'')*' | --[^\n]* | /\*.*?\*/)
    | "(?P<quoted>\w+)" | `(?P<ticked>\w+)` | \[(?P<bracketed>\w+)\] | \w+ | .""",
    re.DOTALL | re.VERBOSE,
)
_CONSTRAINTS = ("check", "foreign", "primary", "unique")


def read_schema(connection: Connection) -> Schema:
    """Reads all tables, views, indexes and triggers."""
    query = text("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
    schema: dict[Part, str] = {}
    for kind, name, table, statement in connection.execute(query):
        if kind == "table":
            schema |= _table(name.lower(), words(statement))
        elif kind == "view":
            schema[Part("table", name.lower(), name.lower())] = " ".join(["a view", *words(statement)[3:]])
        else:
            schema[Part(kind, table.lower(), name.lower())] = " ".join(words(statement))
    return schema


def words(statement: str) -> list[str]:
    """Takes a statement apart: text and comments as they are, all else in lower case, names without quotes."""
    found = (match for match in _WORD.finditer(statement) if not match["space"])
    return [match["kept"] or (match[match.lastgroup] if match.lastgroup else match[0]).lower() for match in found]


def _table(name: str, statement: list[str]) -> dict[Part, str]:
    """Takes a CREATE TABLE apart into the table with its options, its columns and its constraints."""
    groups = _split(statement)
    kind = A_TABLE if statement[:2] == ["create", "table"] else " ".join(groups[0])
    schema = {Part("table", name, name): " ".join([kind, *groups[-1]])}
    for item in filter(None, groups[1:-1]):
        if item[0] == "constraint":
            schema[Part("constraint", name, item[1])] = " ".join(item[2:])
        elif item[0] in _CONSTRAINTS:
            schema[Part("constraint", name, " ".join(item))] = " ".join(item)
        else:
            schema[Part("column", name, item[0])] = " ".join(item[1:])
    return schema


def _split(statement: list[str]) -> list[list[str]]:
    """Splits at the outermost parentheses and the commas within: the head, the items, the options."""
    groups: list[list[str]] = [[]]
    depth = 0
    for word in statement:
        depth -= word == ")"
        if (depth == 0 and word in ("(", ")")) or (depth == 1 and word == ","):
            groups.append([])
        else:
            groups[-1].append(word)
        depth += word == "("
    return groups
