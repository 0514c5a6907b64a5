"""The files of a git revision in a folder of their own, to be estimated.

The user's index, working tree and `.git` stay as they are: a temporary index is read from the revision and its files
are written from it, through the filters and attributes that a checkout would use. Submodules stay empty.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import LedgerError

# The temporary index is whole, in one file and watched by nobody, whatever the repository's own is.
_PLAIN_INDEX = ("core.splitIndex=false", "core.fsmonitor=false", "core.sparseCheckout=false", "index.sparse=false")
_HISTORY = "git fetch, with actions/checkout fetch-depth: 0, gets its history"


@dataclass(frozen=True, slots=True)
class Baseline:
    """A revision's files under `tree`; `top` is the working tree's folder of them."""

    ref: str
    commit: str
    top: Path
    tree: Path
    note: str | None = None

    def path_of(self, file: str | Path) -> Path | None:
        """Returns the revision's place of a working tree's file; None outside of the repository.

        Links on the way to the file are followed as they are today, the file itself may be one.
        """
        given = Path(file)
        now = given.parent.resolve() / given.name if given.name not in ("", "..") else given.resolve()
        return self.tree / now.relative_to(self.top) if now.is_relative_to(self.top) else None

    def version_of(self, file: str) -> str:
        """Returns the revision's version of a file named by an option; the file itself if it has none."""
        then = None if file == "-" else self.path_of(file)
        return file if then is None or not then.is_file() else str(then)

    def renamed(self, error: Exception) -> LedgerError:
        """Returns the error, naming the revision, and its files as the repository has them."""
        message = str(error).replace(f"{self.tree}{os.sep}", "").replace(str(self.tree), "its top folder")
        return LedgerError(f"--base-ref {self.ref} (commit {self.commit[:12]}): {message}")


@contextmanager
def baseline_of(ref: str, folder: Path) -> Iterator[Baseline]:
    """Yields the files of the merge base of `ref` and HEAD, in the repository of `folder`.

    Where the two have none, as in a shallow clone, the files of `ref` itself. LedgerError where git, the repository or
    the ref isn't there.
    """
    if not ref or ref.startswith("-") or "\0" in ref:
        raise LedgerError(f"--base-ref {ref!r} isn't a git ref: give a branch, tag or commit, such as origin/main")
    # git itself takes the working directory for the top of the tree that GIT_DIR belongs to.
    here = Path.cwd() if "GIT_DIR" in os.environ or not folder.is_dir() else folder
    top = Path(_output(_git(["rev-parse", "--show-toplevel"], here), f"--base-ref {ref}"))
    commit, note = _commit_of(ref, here)
    git_dir = _output(_git(["rev-parse", "--absolute-git-dir"], here), f"--base-ref {ref}")
    with tempfile.TemporaryDirectory(prefix="tollbook-") as temporary:
        place = Path(temporary).resolve()
        _write_tree(commit, git_dir, place, ref)
        yield Baseline(ref, commit, top.resolve(), place / "tree", note)


def _commit_of(ref: str, here: Path) -> tuple[str, str | None]:
    """Returns the commit to compare with, and what is to be said about it."""
    found = _git(["rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"], here)
    if found.returncode != 0:
        raise LedgerError(
            f"--base-ref {ref!r} names no commit of this repository: correct it, or fetch it ({_HISTORY})"
        )
    commit = found.stdout.strip()
    common = _git(["merge-base", commit, "HEAD"], here)
    if common.returncode == 0:
        return common.stdout.split()[0], None
    return commit, f"{ref} and HEAD have no commit in common here: compared with {ref} itself ({_HISTORY})"


def _write_tree(commit: str, git_dir: str, place: Path, ref: str) -> None:
    tree = place / "tree"
    tree.mkdir()
    # The new tree is the working tree to git, so that attributes are read from the revision, not from today's files.
    environment = {"GIT_DIR": git_dir, "GIT_WORK_TREE": str(tree), "GIT_INDEX_FILE": str(place / "index")}
    options = [part for option in _PLAIN_INDEX for part in ("-c", option)]
    for command in (["read-tree", commit], ["checkout-index", "--all", "--quiet"]):
        _output(_git([*options, *command], tree, environment), f"--base-ref {ref}")


def _git(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs git, which may ask nothing: there may be nobody to answer."""
    try:
        return subprocess.run(  # noqa: S603 - a list of arguments, no shell
            ["git", *arguments],  # noqa: S607 - the git that the user's own PATH names
            cwd=folder,
            env={"GIT_TERMINAL_PROMPT": "0", **os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )
    except FileNotFoundError:
        raise LedgerError("--base-ref needs git, which isn't on PATH: install it, or give --compare-to FILE") from None


def _output(done: subprocess.CompletedProcess[str], what: str) -> str:
    """Returns output of the command; LedgerError with git's own words where it failed."""
    if done.returncode == 0:
        return done.stdout.removesuffix("\n")
    words = " ".join(done.stderr.split()).removeprefix("fatal: ") or f"git ended with {done.returncode}"
    raise LedgerError(f"{what}: git: {words}; mend that, or give --compare-to FILE")
