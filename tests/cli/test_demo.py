"""`tollbook demo` ends with a command that works as printed, however the demo was started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import command_environment

BIN = Path(sys.executable).parent


def run(command: str, folder: Path, path: str) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=command_environment({"PATH": path}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("started", "on_path"),
    [
        ("tollbook", True),
        ("env/bin/tollbook", False),
        ("'env with blank/bin/tollbook'", False),
        ("env/bin/python -m tollbook", False),
        ("python -m tollbook", True),
    ],
)
def test_the_demo_ends_with_a_command_that_works_as_printed(
    started: str, on_path: bool, tmp_path: Path, console_script: Path
) -> None:
    assert console_script.parent == BIN
    for name in ("env", "env with blank"):
        (tmp_path / name).symlink_to(BIN.parent)
    path = os.environ.get("PATH", "")
    path = (
        f"{BIN}{os.pathsep}{path}"
        if on_path
        else os.pathsep.join(part for part in path.split(os.pathsep) if Path(part) != BIN)
    )
    last = run(f"{started} demo", tmp_path, path).splitlines()[-1]
    assert last == f"$ {started} report --db tollbook-demo/tollbook.db --by project --by model"
    assert run(last.removeprefix("$ "), tmp_path, path).startswith("Spend by project and model, all time")
