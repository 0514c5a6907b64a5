"""Globs of prompts: what they match, on every system alike, and what they pass over."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.values.globs import files_matching

FILES = [
    "a.md",
    "b.md",
    "B.md",
    "c.txt",
    ".hidden.md",
    "[draft].md",
    "x/a.md",
    "x/y/b.md",
    "x/.git/c.md",
    "x/y/z/d.md",
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "tree"


def names(pattern: str, folder: Path) -> list[str]:
    return sorted(files_matching(pattern, folder).values())


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("a.md", ["a.md"]),
        ("./a.md", ["a.md"]),
        ("x//a.md", ["x/a.md"]),
        ("?.md", ["B.md", "a.md", "b.md"]),
        ("[ab].md", ["a.md", "b.md"]),
        ("[!a].md", ["B.md", "b.md"]),
        ("*.md", ["B.md", "[draft].md", "a.md", "b.md"]),
        ("[draft].md", ["[draft].md"]),
        (".*.md", [".hidden.md"]),
        ("*", ["B.md", "[draft].md", "a.md", "b.md", "c.txt"]),
        ("*/*.md", ["x/a.md"]),
        ("x/**/*.md", ["x/a.md", "x/y/b.md", "x/y/z/d.md"]),
        ("**/b.md", ["b.md", "x/y/b.md"]),
        ("**/y/**/*.md", ["x/y/b.md", "x/y/z/d.md"]),
        ("**/**/d.md", ["x/y/z/d.md"]),
        ("x/y/**", ["x/y/b.md", "x/y/z/d.md"]),
        ("x/.git/*", ["x/.git/c.md"]),
        ("x/../a.md", ["x/../a.md"]),
        ("../tree/x/*", ["../tree/x/a.md"]),
        ("x", []),
        ("x/", []),
        ("a.md/*", []),
        ("none/*", []),
        ("a.md\0", []),
        ("*\0", []),
    ],
)
def test_a_glob_matches_as_in_a_shell(tree: Path, pattern: str, matched: list[str]) -> None:
    assert names(pattern, tree) == matched


def test_absolute_globs_start_at_the_root(tree: Path) -> None:
    assert names(f"{tree}/x/*.md", Path("elsewhere")) == [f"{tree}/x/a.md"]


def test_a_circle_of_links_ends_and_names_each_file_once(tree: Path) -> None:
    for name in ("loop", "again"):
        (tree / "x" / name).symlink_to("..")
    (tree / "x" / "y" / "same.md").symlink_to("../../a.md")
    assert names("**/*.md", tree) == ["B.md", "[draft].md", "a.md", "b.md", "x/a.md", "x/y/b.md", "x/y/z/d.md"]
    assert names("x/loop/a.md", tree) == ["x/loop/a.md"]


def test_a_link_to_nothing_is_there_to_be_refused(tree: Path) -> None:
    (tree / "gone.md").symlink_to("nowhere.md")
    assert names("gone.*", tree) == ["gone.md"]


def test_folders_that_cannot_be_read_are_passed_over(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    scandir = os.scandir

    def refusing(path: str) -> object:
        if str(path).rstrip("/").endswith("x/y"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert names("x/**/*.md", tree) == ["x/a.md"]
