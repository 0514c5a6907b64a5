"""The shape of the code itself: who imports whom, what start-up loads, how long files and functions grow."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, command_environment

MODULES = sorted(path for name in ("pricing", "ledger", "migrations") for path in (ROOT / name).rglob("*.py"))
MIGRATIONS = sorted((ROOT / "migrations" / "versions").glob("*.py"))
MAX_FILE_LINES = 330
MAX_FUNCTION_LINES = 60
SLOW = {"alembic", "msgspec", "numpy", "pandas", "pricing", "requests", "rich", "sqlalchemy", "tiktoken", "zstandard"}


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        env=command_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def loaded_by(*args: str) -> set[str]:
    """Top-level packages that one run of the command line loads, in a process of its own."""
    code = f"""
import json, sys
sys.argv = ["tollbook", *{args!r}]
from ledger.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=command_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_help_loads_click_alone() -> None:
    loaded = loaded_by("--help")
    assert "click" in loaded
    assert not loaded & SLOW


def test_price_loads_neither_frames_nor_a_database() -> None:
    loaded = loaded_by("price", "--model", "doubao-seed-2.0-pro", "--input-tokens", "1000", "--at", "2026-03-01")
    assert "pricing" in loaded
    assert not loaded & {"alembic", "numpy", "pandas", "sqlalchemy", "tiktoken"}


def functions_in(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    in_migration = path in MIGRATIONS  # a revision lists every table in one go
    lengths = {node.name: (node.end_lineno or node.lineno) - node.lineno + 1 for node in functions_in(ast.parse(text))}
    assert in_migration or len(text.splitlines()) <= MAX_FILE_LINES
    assert in_migration or not {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES}


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.stem)
def test_revisions_import_neither_package(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert not {name for name in names if name.partition(".")[0] in ("pricing", "ledger")}
