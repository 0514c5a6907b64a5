"""A workload's files as requests: globs and parts, joined, with variables filled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from ledger.config import Workload
from ledger.errors import LedgerError
from ledger.estimates.prompts.files import read_text
from ledger.estimates.prompts.requests import TOKENS_OF_REQUEST, Prompt, read_prompts
from ledger.estimates.prompts.variables import fill, placeholders_in
from ledger.values.globs import files_matching, path_of
from pricing.estimating.counting import PromptText


@dataclass(frozen=True, slots=True)
class WorkloadRequests:
    """The alternative requests of a workload; they may begin with the text `cached_prefix`."""

    prompts: tuple[Prompt, ...]
    cached_prefix: str | None
    warnings: tuple[str, ...]


def requests_of(workload: Workload, folder: Path) -> WorkloadRequests:
    """Reads the workload's files; names are relative to `folder`, as the workload gives them.

    With parts alone there is one request; with prompts each alternative is the parts, then the prompt. LedgerError
    where a glob matches no file, a part holds several requests, or a file can't be read.
    """
    parts = [_read_part(name, folder) for name in workload.parts]
    prompts = [prompt for name in _files(workload, folder) for prompt in _read(name, folder, workload.columns)]
    prefix = None if workload.cached_prefix is None else read_text(path_of(workload.cached_prefix, folder))
    texts = [text for one in (*parts, *prompts) for text in one.text.texts] + ([] if prefix is None else [prefix])
    filled_parts = [_filled(part, workload) for part in parts]
    if prompts:
        joined = [_joined([*filled_parts, _filled(prompt, workload)]) for prompt in prompts]
    else:
        joined = [replace(_joined(filled_parts), name=" + ".join(workload.parts), warnings=())]
    of_parts = [f"{part.name}: {warning}" for part in parts for warning in part.warnings]
    return WorkloadRequests(
        tuple(joined),
        None if prefix is None else fill(prefix, workload.variables),
        (*of_parts, *_warnings_of_variables(workload, texts)),
    )


def _files(workload: Workload, folder: Path) -> list[str]:
    """Finds the names that the globs match, sorted, one a file."""
    found: dict[str, str] = {}
    for pattern in workload.prompts:
        matched = files_matching(pattern, folder)
        if not matched:
            raise LedgerError(f"prompts {pattern!r} matches no file in {folder}: correct the glob or add the file")
        for file, name in matched.items():
            found.setdefault(file, name)
    return sorted(found.values())


def _read(name: str, folder: Path, columns: Sequence[str] = ()) -> Iterator[Prompt]:
    """Reads a file's requests, named from `folder` on: the third is `asked.jsonl:3`.

    Bytes of a file's name that aren't UTF-8 are escaped, as no JSON would hold them.
    """
    path = path_of(name, folder)
    shown_name = name.encode(errors="backslashreplace").decode()
    for prompt in read_prompts(path, columns):
        yield replace(prompt, name=shown_name + prompt.name.removeprefix(path))


def _read_part(name: str, folder: Path) -> Prompt:
    found = list(_read(name, folder))
    if len(found) != 1:
        raise LedgerError(
            f"part {name!r} holds {len(found)} requests: a part is joined into one; give it under prompts"
        )
    return found[0]


def _joined(requests: Sequence[Prompt]) -> Prompt:
    """Joins all into one, called as the last; what a body adds for a request is added once, the least limit holds."""
    overheads = [one.text.message_overhead_tokens for one in requests]
    bodies = sum(overhead > 0 for overhead in overheads)
    text = PromptText(
        tuple(text for one in requests for text in one.text.texts),
        sum(overheads) - TOKENS_OF_REQUEST * max(0, bodies - 1),
        schemas=tuple(schema for one in requests for schema in one.text.schemas),
    )
    limits = [one.max_output_tokens for one in requests if one.max_output_tokens is not None]
    return replace(
        requests[-1],
        text=text,
        model=next((one.model for one in reversed(requests) if one.model is not None), None),
        parts=tuple(part for one in requests for part in one.parts),
        max_output_tokens=min(limits, default=None),
    )


def _filled(prompt: Prompt, workload: Workload) -> Prompt:
    if not workload.variables:
        return prompt
    texts = tuple(fill(text, workload.variables) for text in prompt.text.texts)
    return replace(prompt, text=replace(prompt.text, texts=texts))


def _warnings_of_variables(workload: Workload, texts: Sequence[str]) -> Iterator[str]:
    """Yields placeholders without a variable, and variables without a placeholder, by name."""
    asked = placeholders_in(texts)
    missing = sorted(asked - workload.variables.keys())
    unused = sorted(workload.variables.keys() - asked)
    if missing:
        yield f"no variable is given for {_listed(missing)}: counted as written"
    if unused:
        yield f"no file asks for {_listed(unused)}: correct the name, or leave the variable out"


def _listed(names: Sequence[str]) -> str:
    """Returns the first names as placeholders, and how many more there are."""
    shown = ", ".join(f"{{{{{name}}}}}" for name in names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"
