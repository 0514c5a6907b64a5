"""Pairs to calibrate with: a request's text and its reported input tokens.

A line is `{"model", "text" | "request", "input_tokens"}`, or an envelope `{"request", "response"}` whose response has
its usage. Nothing of a text is kept beyond its counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.errors import LedgerError
from ledger.estimates.prompts.files import json_lines, read_lines
from ledger.estimates.prompts.requests import prompt_of_body
from pricing.estimating.counting import PromptText
from pricing.money import INT64_MAX

EXPECTED = 'give {"model", "text" or "request", "input_tokens"}, or an envelope {"request", "response"}'
_USAGE_KEYS = ("input_tokens", "prompt_tokens")


@dataclass(frozen=True, slots=True)
class TextPair:
    """One request: the model's name as the line has it, its text, and the API's count."""

    model: str
    text: PromptText
    input_tokens: int


@dataclass(slots=True)
class Pairs:
    """Pairs of files, and the numbers of lines without one, by the reason."""

    pairs: list[TextPair] = field(default_factory=list)
    beyond_text: int = 0
    without_usage: int = 0


def read_pairs(paths: Sequence[str]) -> Pairs:
    """Reads the files' pairs; LedgerError naming a wrong line, or without any pair."""
    found = Pairs()
    for path in paths:
        for name, line in json_lines(read_lines(path), path):
            _add(found, line, name)
    if not found.pairs:
        raise LedgerError(f"{', '.join(paths)}: no line has a pair to calibrate with: {EXPECTED}")
    return found


def _add(found: Pairs, line: object, name: str) -> None:
    if not isinstance(line, dict):
        raise LedgerError(f"{name}: isn't an object: {EXPECTED}")
    tokens = _input_tokens(line, name)
    if "text" in line and "request" in line:
        raise LedgerError(f"{name}: has text and request: give one of them")
    if "text" in line:
        if not isinstance(line["text"], str):
            raise LedgerError(f"{name}: text must be a string")
        text, names = PromptText((line["text"],)), [line.get("model")]
    elif "request" in line:
        prompt = prompt_of_body(name, line["request"])
        if prompt.parts:
            found.beyond_text += 1
            return
        text, names = prompt.text, [line.get("model"), prompt.model, _part(line, "response", name).get("model")]
    else:
        raise LedgerError(f"{name}: has neither text nor request: {EXPECTED}")
    if tokens is None:
        found.without_usage += 1
        return
    found.pairs.append(TextPair(_model(names, name), text, tokens))


def _model(names: Sequence[object], where: str) -> str:
    name = next((name for name in names if name is not None), None)
    if not isinstance(name, str) or not name:
        raise LedgerError(f'{where}: names no model: add "model"')
    return name


def _input_tokens(line: Mapping[str, Any], name: str) -> int | None:
    """Returns the reported count; None for none or zero, as failed responses report."""
    if "input_tokens" in line:
        return _count(line["input_tokens"], f"{name}: input_tokens")
    if "response" not in line:
        raise LedgerError(f"{name}: has neither input_tokens nor response: {EXPECTED}")
    usage = _part(_part(line, "response", name), "usage", name)
    given = [key for key in _USAGE_KEYS if usage.get(key) not in (None, 0)]
    return _count(usage[given[0]], f"{name}: usage.{given[0]}") if given else None


def _part(whole: Mapping[str, Any], key: str, name: str) -> Mapping[str, Any]:
    """Returns an object within the line, empty where it is absent or null."""
    part = whole.get(key)
    if part is None:
        return {}
    if not isinstance(part, dict):
        raise LedgerError(f"{name}: {key} must be an object")
    return part


def _count(value: object, where: str) -> int:
    if type(value) is not int or not 1 <= value <= INT64_MAX:
        raise LedgerError(f"{where} must be a whole number from 1 on")
    return value
