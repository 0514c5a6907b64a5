"""Several formats of one result at once: `--report FORMAT=FILE` beside `--format`, `-o`."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from ledger.cli.app import decide_exit
from ledger.cli.show.junit import Case, to_junit
from ledger.cli.show.output import FILE_FORMATS, SHEET_FORMATS, Output, output_options, refuse_unwritable
from ledger.cli.show.sheet import Sheet, to_markdown
from ledger.errors import LedgerError

F = TypeVar("F", bound=Callable[..., Any])

JUNIT = "junit"
# GitHub takes 65,536 characters in a comment; what a job adds around it needs some.
COMMENT_CHARACTERS = 59_000
REPORT_FORMATS = (*SHEET_FORMATS, JUNIT, *FILE_FORMATS)


@dataclass(frozen=True, slots=True)
class Rendering:
    """One result in every format: suites for JUnit; Markdown is the sheet's without its own.

    The sheet's Markdown begins with a hidden line, by which `tollbook comment` finds the comment that it updates.
    """

    name: str
    sheet: Sheet
    suites: Sequence[tuple[str, Iterable[Case]]]
    markdown: str | None = None


@dataclass(frozen=True, slots=True)
class Reporting:
    """The outputs of a result: the files of `--report`, then the command's own."""

    output: Output
    files: tuple[Output, ...] = ()

    def write(self, rendering: Rendering, *, passed: bool) -> None:
        """Writes the files, each whole or not at all, and shows the rest.

        Where a gate failed the exit code is 1, also if the reader of what is shown goes away.
        """
        decide_exit(0 if passed else 1)
        for output in (*self.files, self.output):
            _write(output, rendering)


def _write(output: Output, rendering: Rendering) -> None:
    if output.format == JUNIT:
        data = to_junit(rendering.name, rendering.suites)
    elif output.format == "markdown":
        marker = f"<!-- tollbook:{rendering.name} -->\n"
        data = (rendering.markdown or marker + to_markdown(rendering.sheet, COMMENT_CHARACTERS)).encode()
    else:
        output.write(rendering.sheet)
        return
    with output.stream() as out:
        out.write(data)


def reporting_options(function: F) -> F:
    """Adds `--format`, `--json`, `-o` and `--report`; the command gets them as `reporting`."""

    @output_options(REPORT_FORMATS)
    @click.option(
        "--report",
        "reports",
        metavar="FORMAT=FILE",
        multiple=True,
        help=f"Write it to FILE too, as {', '.join(REPORT_FORMATS[:-1])} or {REPORT_FORMATS[-1]}; may be repeated.",
    )
    @functools.wraps(function)
    def with_reports(*args: object, output: Output, reports: tuple[str, ...], **kwargs: object) -> object:
        return function(*args, reporting=chosen_reporting(output, reports), **kwargs)

    return with_reports  # type: ignore[return-value]  # click reads the options off it; nothing else calls it


def chosen_reporting(output: Output, reports: Sequence[str]) -> Reporting:
    """The outputs asked for; LedgerError for an unknown format, or a file twice or unwritable."""
    files = tuple(_report(text) for text in reports)
    seen: set[str] = set()
    for path in [output.path, *(file.path for file in files)]:
        if path is None:
            continue
        if os.path.realpath(path) in seen:
            raise LedgerError(f"{path}: is to be written twice: give each report a file of its own")
        seen.add(os.path.realpath(path))
    for file in files:
        refuse_unwritable(file.path or "")
    return Reporting(output, files)


def _report(text: str) -> Output:
    name, separator, path = text.partition("=")
    if not separator or name not in REPORT_FORMATS:
        raise LedgerError(f"--report {text!r}: give FORMAT=FILE with one of {', '.join(REPORT_FORMATS)}")
    if path in ("", "-"):
        raise LedgerError(f"--report {text!r} names no file: standard output shows --format")
    return Output(name, path)
