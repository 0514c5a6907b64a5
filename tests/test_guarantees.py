"""Every promise of docs/guarantees.md names tests, and every test it names is there."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.conftest import ROOT
from tests.helpers.pages import DOCS

PAGE = DOCS / "guarantees.md"
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def promises(text: str) -> list[str]:
    """The rows of the page's tables, without their headings."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [row for row in rows if not re.fullmatch(r"\|[-|: ]+\|", row) and row != "| promise | shown by |"]


@cache
def names_in(file: str) -> frozenset[str]:
    path = ROOT / "tests" / file
    if not path.is_file() or not path.name.startswith("test_"):
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    return frozenset(name for name in functions if name.startswith("test_"))


def stale(rows: list[str]) -> list[str]:
    """The faults of the page: rows without a test, and tests that aren't there."""
    without = [f"no test: {row}" for row in rows if not NAMED.search(row.split(" | ")[-1])]
    named = [found for row in rows for found in NAMED.findall(row)]
    return without + [f"not there: {file}::{name}" for file, name in named if name not in names_in(file)]


def test_every_promise_names_tests_that_are_there() -> None:
    rows = promises(PAGE.read_text(encoding="utf-8"))
    assert len(rows) > 30
    assert stale(rows) == []


def test_whatever_looks_like_a_test_is_read_as_one() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(".py::") == len(NAMED.findall(text)) + 1  # the example of a command


@pytest.mark.parametrize(
    "row",
    [
        "| a promise | shown by nothing |",
        "| a promise of `test_guarantees.py::test_every_promise_names_tests_that_are_there` | nothing |",
        "| a promise | `test_guarantees.py::test_that_was_renamed` |",
        "| a promise | `test_nowhere.py::test_every_promise_names_tests_that_are_there` |",
        "| a promise | `test_guarantees.py::stale` |",
    ],
)
def test_a_row_that_went_stale_is_found(row: str) -> None:
    good = "| a promise | `test_guarantees.py::test_every_promise_names_tests_that_are_there` |"
    assert stale(promises(f"| promise | shown by |\n|---|---|\n{good}\n")) == []
    assert len(stale(promises(f"{good}\n{row}\n"))) == 1
