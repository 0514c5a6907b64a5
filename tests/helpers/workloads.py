"""A folder with a configuration of workloads and their files, estimated by the library.

Words are ` tea`, a token each, so that counts can be read off the texts.
"""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ledger.config import read_config
from ledger.errors import LedgerError
from ledger.estimates.workloads.document import WorkloadEntry, WorkloadsDocument
from ledger.estimates.workloads.month import estimate_workloads
from pricing import load_rate_cards
from pricing.money import format_usd

AT = datetime(2026, 3, 1, tzinfo=UTC)
PRO, CODE, LITE, MINI = (f"doubao-seed-2.0-{name}" for name in ("pro", "code", "lite", "mini"))
MILLION = 1_000_000
# A workload that leaves out all it may.
OPEN = f'[[workload]]\nname = "w"\nmodel = "{LITE}"\nproject = "support"\nprompts = ["*.md"]\n'


def tea(tokens: int) -> str:
    return " tea" * tokens


def chat(*contents: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content} for content in contents], **more}


class Project:
    """A folder with a tollbook.toml and prompts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, files: dict[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def estimate(self, text: str, **options: Any) -> WorkloadsDocument:
        """The workloads of a configuration; `[[workload]]`, a name and a model are put in front where it has none."""
        if "[[workload]]" not in text:
            text = f'[[workload]]\nname = "w"\nmodel = "{LITE}"\nrequests_per_month = 1\noutput_tokens = 0\n{text}\n'
        path = self.folder / "tollbook.toml"
        path.write_text(text, encoding="utf-8")
        given: dict[str, Any] = dict.fromkeys(("calibration", "profile", "means"))
        given |= {"encoding": "o200k_base", "file": str(path)}
        card = options.pop("card", None) or load_rate_cards()["evolink"]
        at = options.pop("at", AT)
        return estimate_workloads(read_config(path), folder=self.folder, card=card, at=at, **given | options)

    def one(self, text: str, **options: Any) -> WorkloadEntry:
        [entry] = self.estimate(text, **options).workloads
        return entry

    def refusal(self, text: str, **options: Any) -> str:
        """What is said after the file's name."""
        with pytest.raises(LedgerError) as caught:
            self.estimate(text, **options)
        file, colon, words = str(caught.value).partition("tollbook.toml: ")
        assert (file, colon) == (f"{self.folder}/", "tollbook.toml: ")
        assert "\n" not in words
        return words


def inputs(entry: WorkloadEntry) -> dict[str, int]:
    return {prompt.name: prompt.input_tokens for prompt in entry.prompts}


def in_usd(credits: Fraction) -> str:
    return format_usd(credits / 72)
