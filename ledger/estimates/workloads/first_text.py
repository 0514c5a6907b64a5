"""The text of first workloads, as a configuration of their own or behind one that has none."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import tomlkit
from tomlkit.items import Table

from ledger.config import read_config
from ledger.errors import LedgerError
from ledger.estimates.workloads.first_config import FirstWorkload
from ledger.values.words import counted

_HEAD = """\
# Requests that are sent again and again. Take the # from what you know of each:
#   variables            texts to count in the place of {{placeholders}}
#   requests_per_month   left out: what a --profile says, else 0
#   output_tokens        left out: the mean of the ledger or of a --profile, else 0
#   extra_input_tokens   what is added at run time: documents, tools, earlier messages
#   max_usd_per_…        limits that 'tollbook estimate' and 'tollbook diff' hold
# Files that every request begins with go from prompts to parts = ["…"].

"""
_HINTS = (
    "requests_per_month = 1_000",
    "output_tokens = 500",
    "extra_input_tokens = 0",
    "max_usd_per_request = 0.01",
    "max_usd_per_month = 50",
)
_MOST_IN_A_LINE = 3


class Existing(NamedTuple):
    """A configuration to be added to: its text, and its provider where it states one."""

    text: str = ""
    provider: str | None = None


def existing(path: Path) -> Existing:
    """Reads what is there, nothing where there is no file; LedgerError where it has workloads or can't be read."""
    if not path.is_file():
        return Existing()
    try:
        config = read_config(path)
    except LedgerError as error:
        raise LedgerError(f"{error}: mend it, or give another file with -o") from None
    if config.workloads:
        there = counted(len(config.workloads), "[[workload]] entry", "[[workload]] entries")
        raise LedgerError(f"{path}: has {there} already: add to them by hand, or give another file with -o")
    return Existing(path.read_bytes().decode("utf-8-sig"), config.stated_provider)


def with_workloads(text: str, workloads: Sequence[FirstWorkload]) -> str:
    """Returns the configuration with the workloads behind what it has, which stays as it is."""
    added = _text_of(workloads)
    if "workload" in tomllib.loads(text):  # an empty list, that no entries can follow
        document = tomlkit.parse(text)
        del document["workload"]
        text = tomlkit.dumps(document)
    if not text.strip():
        return added
    return text.rstrip("\r\n") + f"\n\n{added}".replace("\n", "\r\n" if "\r\n" in text else "\n")


def _text_of(workloads: Sequence[FirstWorkload]) -> str:
    entries = tomlkit.aot()
    for workload in workloads:
        entries.append(_table_of(workload))
    document = tomlkit.document()
    document.add("workload", entries)
    return _HEAD + tomlkit.dumps(document)


def _table_of(workload: FirstWorkload) -> Table:
    table = tomlkit.table()
    table.add("name", workload.name)
    table.add("model", workload.model)
    prompts = tomlkit.array()
    prompts.extend(workload.prompts)
    prompts.multiline(len(workload.prompts) > _MOST_IN_A_LINE)
    if workload.requests > 1:
        prompts.comment(f"{workload.requests:,} alternatives, each as often as the others")
    table.add("prompts", prompts)
    if workload.placeholders:
        variables = tomlkit.inline_table()
        variables.update(dict.fromkeys(workload.placeholders, ""))
        table.add(tomlkit.comment(f"variables = {variables.as_string()}"))
    for hint in _HINTS:
        table.add(tomlkit.comment(hint))
    return table
