"""Damage to the text of a TOML file, by a seeded chance: values, keys, tables, lines and bytes."""

from __future__ import annotations

import random
import re

from tests.fuzz.mutations import MARK, damage

LITERALS = (
    '"32"', '"0"', '"-1"', '"1e5"', '"1e400"', '"NaN"', '"Infinity"', '" 32 "', '"0.0000000000001"',
    '"9999999999999999999"', '"3,2"',
    '"٣٢"', '"0x20"', '""', '" "', '"\\u0000"', '"\\u202e"', '"\\u001b[2J"', f'"{"x" * 700}"', f'"sk-{MARK}"', "32",
    "0", "-1",
    "0x20", "32.0", "1e5", "1e400", "inf", "nan", "9223372036854775807", "9223372036854775808", "1_000", "true",
    "[]", "{}",
    "[[]]", "[1, 2]", '["a"]', '["*"]', '["doubao-*", "doubao-*"]', "{ a = 1 }", "2026-02-01", "2026-02-30",
    "0001-01-01", "9999-12-31",
    "2026-02-01T00:00:00Z", "2026-02-01T00:00:00", "2026-02-01T00:00:00+23:59", "07:32:00", "'x'",
    "[" * 300 + "]" * 300, "= 1", "",
    '"daily"', '"USD"', '"CRD"', '"evolink"', '"2026-02"', '"last"', '"7d"', '"http://127.0.0.1:9/x"', '"env:NO_SUCH"',
)  # fmt: skip
_PAIR = re.compile(r"([A-Za-z_]+) *= *(\"[^\"]*\"|\[[^\[\]]*\]|[^\s,}#\[{]+)")


def mutate_toml(chance: random.Random, text: str) -> bytes:
    """The file with one or a few things of it changed; mostly still TOML."""
    for _ in range(chance.choice([1, 1, 2, 4])):
        lines = text.splitlines(keepends=True)
        at = chance.randrange(len(lines))
        action = chance.choice(["value", "value", "value", "key", "drop", "double", "move", "swap"])
        pairs = list(_PAIR.finditer(text))
        pair = chance.choice(pairs) if pairs else None
        if action == "value" and pair:
            text = text[: pair.start(2)] + chance.choice(LITERALS) + text[pair.end(2) :]
        elif action == "key" and pair:
            name = chance.choice([f"{pair[1]}s", pair[1].upper(), chance.choice(pairs)[1], "zz", f'"{MARK} x"', '""'])
            text = text[: pair.start(1)] + name + text[pair.end(1) :]
        elif action == "drop":
            text = "".join(lines[:at] + lines[at + 1 :])
        elif action == "double":
            text = "".join([*lines[: at + 1], *lines[at:]])
        elif action == "move":
            lines.insert(chance.randrange(len(lines)), lines.pop(at))
            text = "".join(lines)
        elif pair:
            other = chance.choice(pairs)
            text = text[: pair.start(2)] + other[2] + text[pair.end(2) :]
        text = text or "\n"
    data = text.encode("utf-8", "replace")
    return damage(chance, data) if chance.random() < 0.2 else data
