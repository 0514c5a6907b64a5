"""The shape of the code itself: who imports whom, what start-up loads, how long files and functions grow."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, Cli, command_environment
from tests.helpers.ledgers import responses

MODULES = sorted(path for name in ("pricing", "ledger", "migrations") for path in (ROOT / name).rglob("*.py"))
MIGRATIONS = sorted((ROOT / "migrations" / "versions").glob("*.py"))
MAX_FILE_LINES = 330
MAX_FUNCTION_LINES = 60
PRICE = ["price", "--model", "doubao-seed-2.0-pro", "--input-tokens", "1000", "--at", "2026-03-01"]
READING = {"click", "ledger", "msgspec", "pricing", "rich", "sqlalchemy"}
# Each command on a SQLite ledger, with every package that it may load.
LOADED: list[tuple[list[str], set[str]]] = [
    (["--help"], {"click", "ledger"}),
    (PRICE, {"click", "ledger", "msgspec", "pricing", "rich"}),
    (["report"], READING),
    (["status"], READING),
    (["budget", "status"], READING),
]
# What SQLAlchemy and msgspec load of their own; names with _ are set-up, or a package's compiled half.
BROUGHT_ALONG = {"typing_extensions"}


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


def loaded_by(folder: Path, *args: str) -> set[str]:
    """The modules that one run of the command line in that folder loads, in a process of its own."""
    code = f"""
import json, sys
sys.argv = ["tollbook", *{args!r}]
from ledger.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(list(sys.modules)))
"""
    environment = command_environment({"PYTHONPATH": str(ROOT)})
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def other_packages(modules: set[str]) -> set[str]:
    """The packages among them that are neither Python's own nor brought along by others."""
    names = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names - BROUGHT_ALONG
    return {name for name in names if not name.startswith(("_", "cython"))}


@pytest.mark.parametrize(("args", "packages"), LOADED, ids=["help", "price", "report", "status", "budget"])
def test_commands_load_only_what_they_need(
    cli: Cli, tmp_path: Path, sqlite_url: str, args: list[str], packages: set[str]
) -> None:
    cli("ingest", "-", stdin=responses([1])).ok()
    loaded = loaded_by(tmp_path, *args)
    assert other_packages(loaded) == packages
    assert not {name for name in loaded if name.startswith("sqlalchemy.dialects.postgresql")}
    # Of Python's own, what takes longer than most packages do.
    assert not loaded & {"multiprocessing", "unittest", "xml.etree", "pydoc", "http.client"}


def test_help_loads_no_rule(tmp_path: Path) -> None:
    assert not {name for name in loaded_by(tmp_path, "--help") if name.startswith(("ledger.store", "ledger.book"))}


def test_a_report_reads_no_card_file(cli: Cli, tmp_path: Path, sqlite_url: str) -> None:
    cli("ingest", "-", stdin=responses([1])).ok()
    assert not loaded_by(tmp_path, "report") & {"pricing.card_file", "pricing.catalog"}


def test_price_without_a_ledger_loads_no_database(tmp_path: Path) -> None:
    loaded = loaded_by(tmp_path, *PRICE)
    assert other_packages(loaded) == {"click", "ledger", "msgspec", "pricing", "rich"}
    assert not loaded & {"sqlite3", "ledger.store", "logging"}


def functions_in(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def test_files_and_functions_stay_short() -> None:
    long = []
    for path in MODULES:
        if path in MIGRATIONS:  # a revision lists every table in one go
            continue
        text = path.read_text(encoding="utf-8")
        sizes = {"the file": len(text.splitlines())}
        for node in functions_in(ast.parse(text)):
            sizes[node.name] = max(sizes.get(node.name, 0), (node.end_lineno or node.lineno) - node.lineno + 1)
        for name, lines in sizes.items():
            if lines > (MAX_FILE_LINES if name == "the file" else MAX_FUNCTION_LINES):
                long.append(f"{path.relative_to(ROOT)}: {name} has {lines} lines")
    assert len(MODULES) > 100
    assert long == []


def test_revisions_import_neither_package() -> None:
    assert MIGRATIONS
    for path in MIGRATIONS:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        assert not {name for name in names if name.partition(".")[0] in ("pricing", "ledger")}, path.name
