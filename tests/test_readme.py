"""Pages' commands print what the pages say; `pytest tests/test_readme.py --update-pages` writes what they print.

Commands of a page's ```console blocks run one after another in a folder of its own that starts with the examples
alone. In expected output `…` stands for anything on a line, and a line of `…` alone for any lines: clock times,
speeds, long listings.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT, command_environment
from tests.helpers.pages import (
    DOCS,
    PAGES,
    README,
    Block,
    assert_examples_print_what_is_said,
    blocks_in,
    blocks_of,
)


@dataclass(frozen=True)
class Step:
    """One command as written, with its line ends, and the output written below it."""

    written: str
    expected: str

    @property
    def command(self) -> str:
        return self.written.replace("\n> ", "\n")


def steps_in(block: Block) -> Iterator[Step]:
    """A command begins behind `$ ` and goes on in lines behind `> `."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        first, *more = part.splitlines(keepends=True)
        continued = list(itertools.takewhile(lambda line: line.startswith("> "), more))
        yield Step("".join([first, *continued]), "".join(more[len(continued) :]))


def output_pattern(expected: str) -> str:
    lines = [
        r"(?:.*\n)*?" if line == "…\n" else re.escape(line).replace("…", ".*?")
        for line in expected.splitlines(keepends=True)
    ]
    return "".join(lines)


def says(expected: str, printed: str) -> bool:
    return re.fullmatch(output_pattern(expected), printed) is not None


def run(command: str, folder: Path, script: Path) -> str:
    """What a reader would see: both streams, as one; trailing blanks, which editors strip, left out."""
    path = os.pathsep.join([str(script.parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=command_environment({"PATH": path, "TZ": "UTC"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    text = re.sub(r"[ \t]+$", "", done.stdout, flags=re.MULTILINE)
    return text if text.endswith("\n") or not text else text + "\n"


def updated(expected: str, printed: str) -> str:
    """The text a page should have now: lines with an ellipsis stay while they still describe what is printed."""
    if says(expected, printed):
        return expected
    vague = [line for line in expected.splitlines(keepends=True) if "…" in line and line != "…\n"]
    lines = printed.splitlines(keepends=True)
    return "".join(next((old for old in vague if says(old, line)), line) for line in lines)


def rewritten(block: Block, folder: Path, script: Path) -> str:
    """The block with what its commands print now."""
    steps = [(step, run(step.command, folder, script)) for step in steps_in(block)]
    return "".join(f"$ {step.written}{updated(step.expected, printed)}" for step, printed in steps)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks_of(page, "console")], ids=lambda page: page.name)
def test_a_pages_commands_print_what_it_says(
    page: Path, tmp_path: Path, console_script: Path, pytestconfig: pytest.Config
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    old = page.read_text(encoding="utf-8")
    new, end = "", 0
    for block in blocks_of(page, "console"):
        new += old[end : block.start] + rewritten(block, tmp_path, console_script)
        end = block.end
    new += old[end:]
    if pytestconfig.getoption("--update-pages"):
        page.write_text(new, encoding="utf-8")
    assert new == old, f"{page.name} has other output: look at the difference, then --update-pages"


def test_the_comment_on_the_first_page_is_that_of_the_tours_change(tmp_path: Path, console_script: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    config = "examples/estimate/tollbook.toml"
    run(f"tollbook estimate --config {config} --json -o base.json", tmp_path, console_script)
    run(f"sed -i s/31_000/32_000/ {config}", tmp_path, console_script)
    diff = f"tollbook diff --config {config} --compare-to base.json --fail-increase 10%,2usd --format markdown"
    comment = run(diff, tmp_path, console_script).splitlines()
    shown = [
        line.removeprefix(">").strip() for line in README.read_text(encoding="utf-8").splitlines() if line[:1] == ">"
    ]
    assert shown
    assert [line for line in shown if line not in comment] == []


def test_the_pages_that_show_commands_are_found() -> None:
    shown = {page for page in PAGES if blocks_of(page, "console")}
    assert {README, DOCS / "tour.md", DOCS / "finance.md", DOCS / "prices.md"} <= shown


def test_the_first_page_is_short_and_leads_to_all_others() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    assert [page.name for page in DOCS.glob("*.md") if f"(docs/{page.name})" not in text] == []


@pytest.mark.parametrize("page", [README, *DOCS.rglob("*.md"), ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize(("provider", "page"), [("evolink", README), ("volcengine", DOCS / "prices.md")])
def test_prices_on_pages_are_the_shipped_ones(provider: str, page: Path) -> None:
    from pricing import load_rate_cards
    from pricing.money import PICO, format_nano

    text = page.read_text(encoding="utf-8")
    models = load_rate_cards()[provider].models
    assert len(models) == {"evolink": 4, "volcengine": 8}[provider]
    for name, model in models.items():
        [entry] = model.entries
        rates = [(tier.input_pico, tier.cached_input_pico or 0, tier.output_pico) for tier in entry.tiers]
        columns = (
            " / ".join(format_nano(rate * 1_000_000 * 10**9 // PICO) for rate in column)
            for column in zip(*rates, strict=True)
        )
        assert f"| `{name}` | {' | '.join(columns)} |\n" in text


def test_the_library_examples_print_what_their_page_says(tmp_path: Path) -> None:
    assert_examples_print_what_is_said(blocks_in((DOCS / "library.md").read_text(encoding="utf-8")), tmp_path)


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("3 lines\n", "3 lines\n", True),
        ("3 lines\n", "4 lines\n", False),
        ("3 lines in … s\n", "3 lines in 0.2 s\n", True),
        ("3 lines in … s\n", "3 lines in\n0.2 s\n", False),
        ("first\n…\nlast\n", "first\nsecond\nthird\nlast\n", True),
        ("first\n…\nlast\n", "first\nlast\n", True),
        ("first\n…\nlast\n", "first\nsecond\n", False),
        ("", "surprise\n", False),
        ("(1.5)\n", "(1x5)\n", False),
    ],
)
def test_an_ellipsis_stands_for_anything_on_a_line_or_for_lines(expected: str, printed: str, same: bool) -> None:
    assert says(expected, printed) is same


def test_updating_keeps_what_a_page_leaves_open() -> None:
    expected = "3 lines\ntook … s\n"
    assert updated(expected, "3 lines\ntook 5 s\n") == expected
    assert updated(expected, "4 lines\ntook 5 s\n") == "4 lines\ntook … s\n"
    assert updated(expected, "4 lines\nfailed\n") == "4 lines\nfailed\n"
