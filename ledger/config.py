"""tollbook.toml of the working directory: database, provider, tags and project rules."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from ledger.errors import LedgerError

FILE_NAME = "tollbook.toml"
DEFAULT_KEEP_TAGS = ("team", "env", "feature", "user")
DEFAULT_PROVIDER = "evolink"
UNASSIGNED = "unassigned"


class LedgerSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[ledger]`: what an option of the command line or an environment variable overrides."""

    db: str | None = None
    provider: str = DEFAULT_PROVIDER
    timezone: str = "UTC"
    keep_tags: tuple[str, ...] = DEFAULT_KEEP_TAGS
    rollup_tags: tuple[str, ...] = ()


class ProjectRule(msgspec.Struct, frozen=True):
    """One `[[project_rule]]`: the project of records that no payload assigns, where every pattern matches.

    Patterns are shell globs (`doubao-*`), compared case-sensitively, keyed `source`, `model`, `tag.KEY` or
    `service.name`; what a record doesn't have matches no pattern. The first rule that matches decides.
    """

    project: str
    patterns: Mapping[str, str]

    def matches(self, values: Mapping[str, str]) -> bool:
        return all(key in values and fnmatchcase(values[key], pattern) for key, pattern in self.patterns.items())


class Config(msgspec.Struct, frozen=True):
    """All of tollbook.toml, with defaults where it is silent."""

    ledger: LedgerSection = LedgerSection()
    project_rules: tuple[ProjectRule, ...] = ()


class _File(msgspec.Struct, forbid_unknown_fields=True):
    ledger: LedgerSection = LedgerSection()
    project_rule: list[dict[str, Any]] = []


def load_config(folder: Path) -> Config:
    """Read FOLDER/tollbook.toml; defaults where there is none, LedgerError naming file and key where it is wrong."""
    path = folder / FILE_NAME
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LedgerError(f"{path}: can't be read: {error}") from error
    try:
        parsed = msgspec.convert(raw, _File)
        rules = tuple(_rule(number, entry) for number, entry in enumerate(parsed.project_rule))
    except (msgspec.ValidationError, LedgerError) as error:
        raise LedgerError(f"{path}: {error}") from error
    return Config(parsed.ledger, rules)


def _rule(number: int, entry: dict[str, Any]) -> ProjectRule:
    where = f"project_rule[{number}]"
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
    """`tag.team = "x"` as TOML reads it, nested, and `"tag.team" = "x"` alike."""
    pairs: list[tuple[str, Any]] = []
    for key, value in entry.items():
        pairs += _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return pairs
