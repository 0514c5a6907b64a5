"""README.md and docs/*.md as tests read them: fenced blocks, by language and heading."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT, command_environment

README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = (README, *sorted(DOCS.glob("*.md")))
APPLICATIONS = DOCS / "applications.md"
CONFIGURATION = DOCS / "configuration.md"
FENCED = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: the heading it stands under, its content, and where that begins and ends in the file."""

    heading: str
    language: str
    text: str
    start: int
    end: int


def blocks_in(page: str) -> list[Block]:
    fences = list(FENCED.finditer(page))
    headings = [match for match in HEADING.finditer(page) if not any(inside(match, fence) for fence in fences)]
    blocks = []
    for fence in fences:
        above = [match["title"] for match in headings if match.start() < fence.start()]
        blocks.append(Block(above[-1], fence["language"], fence["text"], fence.start("text"), fence.end("text")))
    return blocks


def inside(match: re.Match[str], fence: re.Match[str]) -> bool:
    return fence.start() < match.start() < fence.end()


def blocks_of(page: Path, language: str) -> list[Block]:
    """The page's blocks of that language."""
    return [block for block in blocks_in(page.read_text(encoding="utf-8")) if block.language == language]


def code_under(page: Path, heading: str, language: str = "python") -> str:
    """All blocks of that language under one heading of a page, as one text."""
    chosen = [block.text for block in blocks_of(page, language) if block.heading == heading]
    assert chosen, f"{page.name} has no {language} block under {heading!r}"
    return "\n".join(chosen)


def assert_examples_print_what_is_said(blocks: list[Block], folder: Path) -> None:
    """Run each python block by itself; it prints what the text block after it says."""
    examples = [pair for pair in itertools.pairwise(blocks) if pair[0].language == "python"]
    assert examples, "there is no python block"
    for code, output in examples:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code.text],
            cwd=folder,
            env=command_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (output.language, done.stderr, done.stdout) == ("text", "", output.text)
