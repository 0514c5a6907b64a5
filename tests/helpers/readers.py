"""The owner of files, held to their modes whoever runs the tests: root's capabilities pass them by."""

from __future__ import annotations

import ctypes
import os
import pickle
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from tests.conftest import Outcome

_CAPABILITIES_V3 = 0x20080522  # of linux/capability.h: a header of two words, and two sets of three masks


def as_reader(folder: Path, run: Callable[[], Outcome]) -> Outcome:
    """Runs it in a child process that works in the folder and may write only what modes of files let it."""
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
            _give_up_capabilities()
        result = run()
    finally:
        with os.fdopen(sending, "wb") as out:
            pickle.dump(traceback.format_exc() if result is None else result, out)
        os._exit(0)


def _give_up_capabilities() -> None:
    header, none = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0), (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(header, none) != 0:
        raise OSError(ctypes.get_errno(), "capset")
