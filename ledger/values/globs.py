"""Files by glob: `*` and `?` within a name, `[abc]`, and `**` for any folders or none.

Unlike `glob.glob`, `**` doesn't go through links to folders, of which a circle would never end, and case always counts:
the same files match on every system. A name that begins with a dot is matched by a pattern that does, too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from wcmatch import glob

# GLOBSTAR is `**`, which doesn't go through links; the same files match on every system.
_FLAGS = glob.GLOBSTAR | glob.CASE | glob.FORCEUNIX


def files_matching(pattern: str, folder: Path) -> dict[str, str]:
    """Finds names by the file that they really are, relative ones from `folder`; no folders.

    Of several names of one file the shortest stays. A pattern that is a file's own name, such as [draft].md, is that
    file alone.
    """
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    root = "/" if pattern.startswith("/") else ""
    plain = root + "/".join(parts)
    try:
        return _named(folder, [plain]) or _named(folder, glob.glob(plain, flags=_FLAGS, root_dir=folder))
    except ValueError:  # a NUL in it
        return {}


def path_of(name: str, folder: Path) -> str:
    """Returns the path from the working directory; never `-`, which would be standard input."""
    return os.path.join(folder, name)  # noqa: PTH118 - Path("./-") is "-"


def _named(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Keeps what can't be read, such as a link to nothing: that is refused later."""
    found: dict[str, str] = {}
    for name in sorted(names, key=lambda name: (len(name), name)):
        path = path_of(name, folder)
        if os.path.lexists(path) and not Path(path).is_dir():
            found.setdefault(os.path.realpath(path), name)
    return found
