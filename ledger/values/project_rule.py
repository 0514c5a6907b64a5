"""Project rules: the project of usage that names none, by its source, model and tags."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from ledger.errors import LedgerError


class ProjectRule(msgspec.Struct, frozen=True):
    """One `[[project_rule]]`: the project of records that no payload assigns, where every pattern matches.

    Patterns are shell globs (`doubao-*`), compared case-sensitively, keyed `source`, `model`, `tag.KEY` or
    `service.name`; what a record doesn't have matches no pattern. The first rule that matches decides.
    """

    project: str
    patterns: Mapping[str, str]

    def matches(self, values: Mapping[str, str]) -> bool:
        return all(key in values and fnmatchcase(values[key], pattern) for key, pattern in self.patterns.items())


def read_project_rule(entry: dict[str, Any], where: str) -> ProjectRule:
    """Reads an entry; LedgerError names its key, such as project_rule[0]."""
    project = entry.pop("project", None)
    if not isinstance(project, str) or not project:
        raise LedgerError(f"{where}.project: must be the project's name")
    patterns = dict(_flatten(entry))
    for key, pattern in patterns.items():
        if not (key in ("source", "model", "service.name") or key.startswith("tag.")):
            raise LedgerError(f"{where}.{key}: a rule matches source, model, tag.KEY or service.name")
        if not isinstance(pattern, str):
            raise LedgerError(f"{where}.{key}: must be text")
    if not patterns:
        raise LedgerError(f"{where}: needs at least one of source, model, tag.KEY, service.name")
    return ProjectRule(project, patterns)


def _flatten(entry: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Reads `tag.team = "x"`, which TOML nests, and `"tag.team" = "x"` alike."""
    pairs: list[tuple[str, Any]] = []
    for key, value in entry.items():
        pairs += _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return pairs
