"""Loggers, one for each room: silent until the program, or `--verbose` on the command line, listens to `tollbook`.

A call gives its fields by name, `LOG.info("%(file)s: opened", {"file": name})`, so that a log of JSON has them too. No
field holds a secret, a part of a payload, or a URL as it was given.
"""

from __future__ import annotations

import logging

_ROOT = logging.getLogger("tollbook")
_ROOT.addHandler(logging.NullHandler())


def logger_of(room: str) -> logging.Logger:
    """Returns the logger `tollbook.ROOM`."""
    return _ROOT.getChild(room)
