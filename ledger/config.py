"""tollbook.toml: database, provider, tags, project rules, sources, projects, FOCUS names, workloads, budgets."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, TypeAlias, cast, get_args

import msgspec

from ledger.channels.settings import Channel, ChannelEntry, PageSection, check_page, read_channel
from ledger.errors import LedgerError
from ledger.values.amounts import Amount
from ledger.values.budget import Budget, BudgetEntry, read_budget
from ledger.values.layout import Layout, check_layout
from ledger.values.periods import parse_length
from ledger.values.project_rule import ProjectRule, read_project_rule
from pricing.billing import DEFAULT_PROVIDER, ToolFees
from pricing.errors import joined_key, retold, shown
from pricing.money import INT64_MAX, NANO

FILE_NAME = "tollbook.toml"
DEFAULT_KEEP_TAGS = ("team", "env", "feature", "user")
UNASSIGNED = "unassigned"


class LedgerSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[ledger]`: what an option of the command line or an environment variable overrides."""

    db: str | None = None
    provider: str = DEFAULT_PROVIDER
    timezone: str = "UTC"
    keep_tags: tuple[str, ...] = DEFAULT_KEEP_TAGS
    rollup_tags: tuple[str, ...] = ()
    tool_fees: ToolFees = "refuse"


Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)]
Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
FileName: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]


class Workload(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One `[[workload]]`: requests that are sent again and again, to be estimated together.

    `prompts` are globs of alternative requests, spread evenly; `columns` are what is sent of each row, where they are
    eval sets; `parts` are files that every request begins with. Paths are relative to the file. `image_tokens` is what
    an image counts as. Limits are USD, whole in 10**-9 of it.
    """

    name: Name
    model: Name
    project: Name | None = None
    prompts: tuple[FileName, ...] = ()
    columns: tuple[FileName, ...] = ()
    parts: tuple[FileName, ...] = ()
    variables: dict[str, str] = {}
    cached_prefix: FileName | None = None
    extra_input_tokens: Count = 0
    cached_input_tokens: Count | None = None
    image_tokens: Count | None = None
    output_tokens: Count | None = None
    requests_per_month: Count | None = None
    max_usd_per_request: Decimal | None = None
    max_usd_per_month: Decimal | None = None


class Project(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One `[[project]]`: a project's names, owner and cost center. Usage under an alias counts as the project's own."""

    id: Name
    name: Name | None = None
    owner: Name | None = None
    cost_center: Name | None = None
    aliases: tuple[Name, ...] = ()


class Source(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One `[[source]]`: how often its usage comes, such as 1d; silent for longer it is named."""

    name: Name
    expect_every: str


class FocusSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, omit_defaults=True):
    """`[focus]`: what FOCUS exports call those who bill and are billed; left out, it goes by each charge's provider."""

    billing_account_id: Name | None = None
    billing_account_name: Name | None = None
    provider: Name | None = None
    publisher: Name | None = None
    invoice_issuer: Name | None = None


class Config(msgspec.Struct, frozen=True):
    """All of tollbook.toml, with defaults where it is silent."""

    ledger: LedgerSection = LedgerSection()
    project_rules: tuple[ProjectRule, ...] = ()
    workloads: tuple[Workload, ...] = ()
    budgets: tuple[Budget, ...] = ()
    channels: tuple[Channel, ...] = ()
    page: PageSection = PageSection()
    projects: tuple[Project, ...] = ()
    sources: Mapping[str, timedelta] = {}
    """The longest time that each `[[source]]` is expected to be silent."""
    focus: FocusSection = FocusSection()
    statements: Mapping[str, Layout] = {}
    stated_provider: str | None = None
    """`[ledger] provider` where the file states it: its workloads are priced by that, wherever it is read from."""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    ledger: LedgerSection = LedgerSection()
    project_rule: list[dict[str, Any]] = []
    workload: list[Workload] = []
    budget: list[BudgetEntry] = []
    channel: list[ChannelEntry] = []
    page: PageSection = PageSection()
    project: list[Project] = []
    source: list[Source] = []
    focus: FocusSection = FocusSection()
    statement: dict[Name, Layout] = {}


def database_url(stated: str | None, config: Config) -> str:
    """Returns the ledger's URL: as stated, else TOLLBOOK_DB, else `[ledger] db`, else tollbook.db here."""
    return stated or os.environ.get("TOLLBOOK_DB") or config.ledger.db or "sqlite:///tollbook.db"


def load_config(folder: Path) -> Config:
    """Reads FOLDER/tollbook.toml; defaults where there is none, LedgerError naming file and key where it is wrong."""
    path = folder / FILE_NAME
    if not path.exists():
        return Config()
    if not path.is_file():
        raise LedgerError(f"{path}: isn't a file: move it away, or write the configuration there")
    return read_config(path)


def read_config(path: Path) -> Config:
    """Reads a configuration file; LedgerError naming file and key where it is wrong or isn't there."""
    try:
        return _parse(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}") from error
    except LedgerError as error:
        raise LedgerError(f"{path}: {error}") from error


def usd_limit(value: Decimal | None, key: str) -> Amount | None:
    """Returns a limit in USD, None where there is none; LedgerError naming the key where it is wrong."""
    if not value:
        return None if value is None else Amount(0, "USD")
    # 1e999999999 would have as many digits: it is looked at before it is worked with.
    if not value.is_finite() or value.adjusted() > 18:
        raise LedgerError(f"{key}: {_plain(value)} isn't an amount of USD; give a number such as 0.05")
    if value < 0:
        raise LedgerError(f"{key}: {_plain(value)} is negative; give 0 or more")
    nano = Fraction(value) * NANO if value.adjusted() >= -9 else Fraction(1, 2)
    if nano.denominator != 1:
        raise LedgerError(f"{key}: {_plain(value)} has more than 9 places; give at most 9")
    return Amount(nano.numerator, "USD")


def _parse(text: str) -> Config:
    try:
        # Fractions stay exact: money is never a float. Numbers of thousands of digits are plain ValueErrors.
        raw = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise LedgerError(f"can't be read: {error}") from error
    try:
        parsed = msgspec.convert(raw, _File)
    except msgspec.ValidationError as error:
        raise _refused(error, raw) from None
    for number, workload in enumerate(parsed.workload):
        _check_workload(workload, f"workload[{number}]")
    _check_names("workload", [workload.name for workload in parsed.workload])
    _check_names("budget", [budget.name for budget in parsed.budget])
    _check_names("channel", [channel.name for channel in parsed.channel])
    _check_names("source", [source.name for source in parsed.source])
    _check_projects(parsed.project)
    check_page(parsed.page)
    for name, layout in parsed.statement.items():
        check_layout(layout, f"statement.{name}.{{}}:".format)
    return Config(
        parsed.ledger,
        tuple(read_project_rule(entry, f"project_rule[{number}]") for number, entry in enumerate(parsed.project_rule)),
        tuple(parsed.workload),
        tuple(read_budget(entry, f"budget[{number}]") for number, entry in enumerate(parsed.budget)),
        tuple(read_channel(entry, f"channel[{number}]") for number, entry in enumerate(parsed.channel)),
        parsed.page,
        tuple(parsed.project),
        {
            source.name: parse_length(source.expect_every, f"source[{number}].expect_every:")
            for number, source in enumerate(parsed.source)
        },
        parsed.focus,
        parsed.statement,
        parsed.ledger.provider if "provider" in raw.get("ledger", {}) else None,
    )


def _refused(error: msgspec.ValidationError, raw: dict[str, Any]) -> LedgerError:
    key, rule = retold(error)
    own = next((words for start, words in _RULES.items() if rule.startswith(start)), None)
    if own is None:
        return LedgerError(f"{key}: {rule}")
    place, value = _place(f".{key}", raw)
    return LedgerError(f"{place}: {_plain(value)} {own}")


# By how msgspec's words begin; the first holds.
_RULES = {
    "expected int >=": "is negative; give 0 or more",
    "expected int <=": "is past 2**63 - 1, the largest count; give less",
    "expected int": "isn't a whole number; give one, without a point or quotes",
    "expected str of length >=": "is empty; give at least a character",
    "expected str of length <=": "is longer than the 200 characters it may have",
    "expected str": "isn't text; write it in quotes",
    "expected decimal": "isn't an amount of USD; give a number such as 0.05",
    "invalid decimal": "isn't an amount of USD; give a number such as 0.05",
    "invalid enum value": f"is none of its choices; give {' or '.join(get_args(ToolFees))}",
    "expected array": "isn't a list; write texts in [brackets], and tables under [[double brackets]]",
    "expected object": "isn't a table of keys and values",
}
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|\[\.\.\.\]")


def _place(path: str, raw: dict[str, Any]) -> tuple[str, Any]:
    """Returns the key and value that msgspec's path leads to; of a table of texts, the first that isn't text."""
    key, value = "", cast("Any", raw)
    for name, number in _STEP.findall(path):
        if number:
            key, value = f"{key}[{number}]", value[int(number)]
        else:
            step = name or next(name for name, text in value.items() if not isinstance(text, str))
            key, value = joined_key(key, step), value[step]
    return key, value


def _plain(value: object) -> str:
    """Returns the value about as the file has it, cut where it is long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return "a table" if isinstance(value, dict) else "a list"
    return shown(value) if isinstance(value, (str, int)) else shown(str(value))[1:-1]


def _check_workload(workload: Workload, key: str) -> None:
    if not (workload.prompts or workload.parts):
        raise LedgerError(f"{key}: {shown(workload.name)} has no request to estimate; give prompts, parts or both")
    if workload.columns and not workload.prompts:
        raise LedgerError(f"{key}: columns are of the rows of prompts; give prompts too")
    if workload.cached_prefix is not None and workload.cached_input_tokens is not None:
        raise LedgerError(f"{key}: cached_prefix and cached_input_tokens both say what is cached; give one of them")
    usd_limit(workload.max_usd_per_request, f"{key}.max_usd_per_request")
    usd_limit(workload.max_usd_per_month, f"{key}.max_usd_per_month")


def _check_names(kind: str, names: list[str]) -> None:
    first: dict[str, int] = {}
    for number, name in enumerate(names):
        if name in first:
            key = f"{kind}[{number}].name"
            raise LedgerError(f"{key}: {shown(name)} is the name of {kind}[{first[name]}] too; give each its own")
        first[name] = number


def _check_projects(projects: list[Project]) -> None:
    """Refuses ids and aliases that are claimed twice: usage has one project."""
    ids = [(f"project[{number}].id", project.id) for number, project in enumerate(projects)]
    aliases = [
        (f"project[{number}].aliases[{place}]", alias)
        for number, project in enumerate(projects)
        for place, alias in enumerate(project.aliases)
    ]
    claimed: dict[str, str] = {}
    for key, name in (*ids, *aliases):
        if name in claimed:
            raise LedgerError(f"{key}: {shown(name)} is {claimed[name]} already; give each project names of its own")
        claimed[name] = key
    for number, project in enumerate(projects):
        texts = (project.id, project.name, project.owner, project.cost_center, *project.aliases)
        if any("\0" in text for text in texts if text):
            raise LedgerError(f"project[{number}]: holds a NUL character, which no database keeps; remove it")
