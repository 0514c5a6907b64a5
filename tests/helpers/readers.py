"""Somebody who may read a folder and not write it, whoever runs the tests: root ignores the modes of files."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from tests.conftest import Outcome

_NOBODY = 65_534


@contextmanager
def folder_for_all() -> Iterator[Path]:
    """A folder that everybody may look into, as those of pytest are their owner's alone."""
    folder = Path(tempfile.mkdtemp(prefix="tollbook-test-"))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def as_reader(folder: Path, run: Callable[[], Outcome]) -> Outcome:
    """Runs it in a child process that works in the folder, as nobody where the tests run as root."""
    receiving, sending = os.pipe()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of other threads: it needs none
        child = os.fork()
    if child == 0:
        _run_and_end(folder, run, sending)
    os.close(sending)
    with os.fdopen(receiving, "rb") as result:
        outcome = pickle.load(result)
    os.waitpid(child, 0)
    assert isinstance(outcome, Outcome), outcome
    return outcome


def _run_and_end(folder: Path, run: Callable[[], Outcome], sending: int) -> NoReturn:
    result: object = None
    try:
        os.chdir(folder)
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
        result = run()
    finally:
        with os.fdopen(sending, "wb") as out:
            pickle.dump(traceback.format_exc() if result is None else result, out)
        os._exit(0)
