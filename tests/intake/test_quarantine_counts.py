"""Lines that are held back again: counted, standing as the latest run read them, left alone once discarded."""

from __future__ import annotations

from typing import Any

from tests.conftest import Cli
from tests.helpers.ledgers import responses


def entries(cli: Cli) -> list[tuple[Any, ...]]:
    found = cli("quarantine", "list", "--state", "all", "--json").ok().json["entries"]
    return [(entry["id"], entry["state"], entry["seen"], entry["reason"], entry["line"]) for entry in found]


def test_a_line_that_comes_again_is_counted(db_cli: Cli) -> None:
    unknown = responses(range(3), model="gpt-9")
    assert db_cli("ingest", "-", stdin=unknown + responses([0], model="gpt-9")).exit_code == 3
    first = [(1, "open", 2, "unknown_model", 1), (2, "open", 1, "unknown_model", 2), (3, "open", 1, "unknown_model", 3)]
    assert entries(db_cli) == first
    db_cli("quarantine", "discard", "2", "--reason", "test traffic").ok()
    assert db_cli("ingest", "-", "--project", "search", stdin=unknown + responses([5], model="gpt-9")).exit_code == 3
    assert entries(db_cli) == [
        (1, "open", 3, "unknown_model", 1),
        (2, "discarded", 2, "unknown_model", 2),
        (3, "open", 2, "unknown_model", 3),
        (4, "open", 1, "unknown_model", 4),
    ]
    shown = [db_cli("quarantine", "show", number, "--json").ok().json for number in (1, 2)]
    assert [entry["options"]["project"] for entry in shown] == ["search", None]
    assert shown[1]["resolution"] == "test traffic"
