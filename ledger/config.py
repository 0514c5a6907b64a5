"""tollbook.toml: database, provider, tags and project rules, workloads to be estimated, budgets."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec

from ledger.errors import LedgerError
from ledger.limits import Amount, parse_amount
from pricing.money import INT64_MAX

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


Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]
Money: TypeAlias = int | str  # "0.05", 0.05 (read as text) and 5 alike: `usd_nano` makes an amount of it
Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Workload(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One `[[workload]]`: requests that are sent again and again, to be estimated together.

    `prompts` are globs of alternative requests, spread evenly; `parts` are files that every request begins with. Paths
    are relative to the file. Amounts are USD as plain decimals or numbers.
    """

    name: Name
    model: Name
    project: Name | None = None
    prompts: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    variables: dict[str, str] = {}
    cached_prefix: str | None = None
    extra_input_tokens: Count = 0
    cached_input_tokens: Count | None = None
    output_tokens: Count | None = None
    requests_per_month: Count | None = None
    max_usd_per_request: Money | None = None
    max_usd_per_month: Money | None = None


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """One `[[budget]]`: what a calendar month may cost, of these projects and models; of all where none is named."""

    name: str
    amount: Amount
    projects: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


class Config(msgspec.Struct, frozen=True):
    """All of tollbook.toml, with defaults where it is silent."""

    ledger: LedgerSection = LedgerSection()
    project_rules: tuple[ProjectRule, ...] = ()
    workloads: tuple[Workload, ...] = ()
    budgets: tuple[Budget, ...] = ()


class _BudgetEntry(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    amount: str
    projects: tuple[Name, ...] = ()
    models: tuple[Name, ...] = ()


class _File(msgspec.Struct, forbid_unknown_fields=True):
    ledger: LedgerSection = LedgerSection()
    project_rule: list[dict[str, Any]] = []
    workload: list[Workload] = []
    budget: list[_BudgetEntry] = []


def load_config(folder: Path) -> Config:
    """Read FOLDER/tollbook.toml; defaults where there is none, LedgerError naming file and key where it is wrong."""
    path = folder / FILE_NAME
    return read_config(path) if path.exists() else Config()


def read_config(path: Path) -> Config:
    """Read a configuration file; LedgerError naming file and key where it is wrong or isn't there."""
    try:
        # Fractions stay text, digit by digit: money is never a float.
        raw = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=str)
    except OSError as error:
        raise LedgerError(f"{path}: can't be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LedgerError(f"{path}: can't be read: {error}") from error
    try:
        parsed = msgspec.convert(raw, _File)
        rules = tuple(_rule(number, entry) for number, entry in enumerate(parsed.project_rule))
        budgets = tuple(_budget(entry) for entry in parsed.budget)
        for workload in parsed.workload:
            for key in ("max_usd_per_request", "max_usd_per_month"):
                usd_nano(getattr(workload, key), f"workload {workload.name!r}: {key}")
        _check_names("workload", [workload.name for workload in parsed.workload])
        _check_names("budget", [budget.name for budget in budgets])
    except (msgspec.ValidationError, LedgerError) as error:
        raise LedgerError(f"{path}: {error}") from error
    return Config(parsed.ledger, rules, tuple(parsed.workload), budgets)


def usd_nano(value: Money | None, name: str) -> int | None:
    """Nano-USD of a limit, None where there is none; LedgerError naming the key where it is no amount."""
    return None if value is None else parse_amount(f"{value}usd", name).nano


def _budget(entry: _BudgetEntry) -> Budget:
    amount = parse_amount(entry.amount, f"budget {entry.name!r}: amount")
    return Budget(name=entry.name, amount=amount, projects=entry.projects, models=entry.models)


def _check_names(kind: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise LedgerError(f"two entries of {kind} are named {name!r}: give each its own name")


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
