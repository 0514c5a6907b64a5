"""Warnings and failures on standard error: notes, or annotations on GitHub Actions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal

import click

from ledger.cli.show.output import note
from ledger.values.safe_text import visible
from ledger.values.words import counted

MAX_WARNINGS = 20


def announce_first(warnings: Sequence[str]) -> None:
    """Announces the first warnings, and how many more there are."""
    for text in warnings[:MAX_WARNINGS]:
        announce("warning", text)
    if len(warnings) > MAX_WARNINGS:
        note(f"{counted(len(warnings) - MAX_WARNINGS, 'more warning')}; --json has them")


def announce(level: Literal["warning", "error"], text: str) -> None:
    """Writes one warning or failure to standard error."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        click.echo(annotation(level, text), err=True)
    else:
        note(text)


def annotation(level: str, text: str) -> str:
    """The workflow command that shows the text on the pull request, always one line."""
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{level} title=tollbook::{visible(escaped)}"
