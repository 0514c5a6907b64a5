"""A first configuration from a folder of prompts: a workload a file, and one for each sub-folder of alternatives."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path, PurePath

from ledger.errors import LedgerError
from ledger.estimates.prompts.files import read_bytes
from ledger.estimates.prompts.requests import read_prompts
from ledger.estimates.prompts.variables import placeholders_in
from ledger.values.globs import files_matching, path_of
from pricing.rate_card import RateCard

SUFFIXES = frozenset({".md", ".txt", ".prompt", ".j2", ".jinja", ".tmpl", ".json", ".jsonl", ".ndjson"})
_FOREIGN_FOLDERS = frozenset({"node_modules", "venv", "__pycache__"})
# What stands beside prompts and is read by people and tools: README.md, README.zh.md, requirements.txt.
_FOREIGN_STEMS = frozenset(
    {
        "authors", "changelog", "changes", "code_of_conduct", "contributing", "licence", "license", "notice",
        "readme", "requirements", "security",
    }
)  # fmt: skip
_MAX_NAME = 180  # of the 200 that a configuration takes, with room for a number behind it


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A file of requests, named from the folder on; `model` is what its bodies name, where the card has it."""

    name: str
    requests: int
    model: str | None
    placeholders: frozenset[str]


@dataclass(frozen=True, slots=True)
class FirstWorkload:
    """A workload to be written: its globs and names are relative to the configuration."""

    name: str
    model: str
    prompts: tuple[str, ...]
    requests: int
    placeholders: tuple[str, ...]


def find_prompts(folder: Path, card: RateCard) -> tuple[list[PromptFile], list[str]]:
    """Finds the files of prompts below a folder, and says of others with such names why they are none.

    Hidden files and folders, those of packages, and pages such as README and CHANGELOG aren't looked at.
    """
    if not folder.is_dir():
        raise LedgerError(f"{folder}: is no folder: give the one that the prompts are in")
    found, left_out = [], []
    for name in _candidates(folder):
        try:
            found.append(_read(name, folder, card))
        except LedgerError as error:
            left_out.append(str(error))
    return found, left_out


def first_workloads(files: Sequence[PromptFile], *, folder: Path, base: Path, model: str | None) -> list[FirstWorkload]:
    """Makes a workload of each file in the folder, and one of those of a sub-folder that are for one model.

    `model` is for files that name none; LedgerError naming one where it is missing. `base` is the configuration's
    folder.
    """
    groups: dict[tuple[str, str], list[PromptFile]] = {}
    for file in files:
        chosen = file.model or model
        if chosen is None:
            rule = "names no model of the rate card: give one of 'tollbook rates list' with --model"
            raise LedgerError(f"{path_of(file.name, folder)}: {rule}")
        within = str(PurePath(file.name).parent)
        groups.setdefault((file.name if within == "." else within, chosen), []).append(file)
    workloads: list[FirstWorkload] = []
    taken: set[str] = set()
    for (place, chosen), group in groups.items():
        name = _unique(_name_of(group[0].name if len(group) == 1 else place), taken)
        taken.add(name)
        placeholders = sorted(frozenset[str]().union(*(file.placeholders for file in group)))
        requests = sum(file.requests for file in group)
        workloads.append(FirstWorkload(name, chosen, _patterns(group, folder, base), requests, tuple(placeholders)))
    return workloads


def _candidates(folder: Path) -> Iterator[str]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _FOREIGN_FOLDERS)
        for name in sorted(names):
            path = Path(root, name)
            if _may_hold_prompts(name) and path.is_file():
                yield path.relative_to(folder).as_posix()


def _may_hold_prompts(name: str) -> bool:
    stem = name.split(".", maxsplit=1)[0].lower()  # empty where the name is hidden
    return bool(stem) and stem not in _FOREIGN_STEMS and PurePath(name).suffix.lower() in SUFFIXES


def _read(name: str, folder: Path, card: RateCard) -> PromptFile:
    """Reads a file as its workload will; LedgerError where it can't be one."""
    path = path_of(name, folder)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise LedgerError(f"{path}: its name isn't UTF-8, which a configuration has to be: rename it") from None
    if not read_bytes(path).strip():
        raise LedgerError(f"{path}: is empty")
    prompts = read_prompts(path)
    models = sorted({model for prompt in prompts if (model := card.resolve(prompt.model))})
    if len(models) > 1:
        raise LedgerError(f"{path}: has requests to {' and '.join(models)}: split it, as a workload has one model")
    placeholders = placeholders_in(text for prompt in prompts for text in prompt.text.texts)
    return PromptFile(name, len(prompts), next(iter(models), None), frozenset(placeholders))


def _patterns(group: Sequence[PromptFile], folder: Path, base: Path) -> tuple[str, ...]:
    """Returns the group's globs, one a suffix; its files' names where globs would match others, such as a README."""
    way = PurePath(os.path.relpath(os.path.realpath(folder), os.path.realpath(base)))
    names = [(way / file.name).as_posix() for file in group]
    if len(names) == 1:
        return tuple(names)
    globs = sorted({(PurePath(name).parent / f"*{PurePath(name).suffix}").as_posix() for name in names})
    matched = {file for pattern in globs for file in files_matching(pattern, base)}
    return tuple(globs if matched == {os.path.realpath(path_of(name, base)) for name in names} else names)


def _name_of(path: str) -> str:
    """Returns the path in one word: support/system.md.j2 is support-system."""
    while PurePath(path).suffix.lower() in SUFFIXES:
        path = str(PurePath(path).with_suffix(""))
    return "-".join(PurePath(path).parts)[:_MAX_NAME]


def _unique(name: str, taken: set[str]) -> str:
    return next(one for one in chain([name], (f"{name}-{number}" for number in count(2))) if one not in taken)
