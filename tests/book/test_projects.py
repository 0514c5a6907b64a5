"""Projects of tollbook.toml in the ledger: dated, applied once, and refused where a name would have two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.config import Project, read_config
from ledger.errors import LedgerError
from tests.conftest import Cli
from tests.helpers.ledgers import apply_projects, rows, tamper, value
from tests.helpers.sources import lines, record

SEARCH = '[[project]]\nid = "search"\nname = "Search"\nowner = "Ann"\ncost_center = "CC-1"\naliases = ["find", "a"]\n'
SUPPORT = '[[project]]\nid = "support"\n'


def listed(cli: Cli, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cli("project", "list", "--json", *options).ok().json["projects"]
    return [{key: value for key, value in each.items() if key != "since"} for each in found]


def entry(project: str, **changes: Any) -> dict[str, Any]:
    return {"project": project, "name": None, "owner": None, "cost_center": None, "aliases": [], **changes}


SEARCH_ENTRY = entry("search", name="Search", owner="Ann", cost_center="CC-1", aliases=["a", "find"])


def changes(cli: Cli, configuration: str, *options: str) -> list[tuple[str, str, dict[str, Any]]]:
    found = apply_projects(cli, configuration, "--json", *options).json["changes"]
    return [(each["change"], each["project"], each["before"]) for each in found]


# --- applying -------------------------------------------------------------------------------------------------------


def test_what_is_applied_is_what_stands(db_cli: Cli, db_url: str) -> None:
    assert changes(db_cli, SEARCH + SUPPORT) == [("added", "search", {}), ("added", "support", {})]
    assert listed(db_cli) == [SEARCH_ENTRY, entry("support")]
    renamed = SEARCH.replace("Ann", "Bob").replace('"find", "a"', '"a"')
    found = apply_projects(db_cli, renamed, "--json").json["changes"]
    assert found == [
        {"change": "changed", **SEARCH_ENTRY, "owner": "Bob", "aliases": ["a"],
         "before": {"owner": "Ann", "aliases": ["a", "find"]}},
        {"change": "removed", **entry("support"), "before": {}},
    ]  # fmt: skip
    assert listed(db_cli) == [SEARCH_ENTRY | {"owner": "Bob", "aliases": ["a"]}]
    assert changes(db_cli, renamed + SUPPORT) == [("added", "support", {})]
    kept = rows(db_url, "SELECT project, owner, removed FROM projects ORDER BY id")
    assert kept == [("search", "Ann", 0), ("support", None, 0), ("search", "Bob", 0), ("support", None, 1),
                    ("support", None, 0)]  # fmt: skip
    db_cli("verify").ok()


def test_the_same_again_changes_nothing(db_cli: Cli, db_url: str) -> None:
    apply_projects(db_cli, SEARCH + SUPPORT)
    # Neither the order of entries nor that of aliases says anything.
    again = apply_projects(db_cli, SUPPORT + SEARCH.replace('"find", "a"', '"a", "find"'), "--json")
    assert again.json["changes"] == []
    assert "are those of tollbook.toml already" in again.stderr
    assert value(db_url, "SELECT count(*) FROM projects") == 2


def test_a_dry_run_says_it_and_changes_nothing(db_cli: Cli, db_url: str) -> None:
    assert changes(db_cli, SEARCH, "--dry-run") == [("added", "search", {})]
    assert value(db_url, "SELECT count(*) FROM projects") == 0


def test_projects_are_dated(db_cli: Cli) -> None:
    apply_projects(db_cli, SEARCH)
    first = db_cli("project", "list", "--json").ok().json["projects"][0]["since"]
    apply_projects(db_cli, SEARCH + SUPPORT)
    found = db_cli("project", "list", "--json").ok().json["projects"]
    assert found[0]["since"] == first
    assert first.endswith("Z")


def test_a_file_of_another_name_may_hold_them(db_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "finance.toml").write_text(SEARCH, encoding="utf-8")
    db_cli("project", "apply", "--config", "finance.toml").ok()
    assert listed(db_cli) == [SEARCH_ENTRY]
    outcome = db_cli("project", "apply")
    assert (outcome.exit_code, "tollbook.toml: can't be read: No such file" in outcome.stderr) == (2, True)


def test_a_file_without_projects_takes_them_out_only_where_that_is_said(db_cli: Cli, tmp_path: Path) -> None:
    apply_projects(db_cli, SEARCH)
    (tmp_path / "tollbook.toml").write_text("", encoding="utf-8")
    outcome = db_cli("project", "apply")
    assert (outcome.exit_code, outcome.stdout, "--remove-all" in outcome.stderr) == (2, "", True)
    assert listed(db_cli) == [SEARCH_ENTRY]
    assert changes(db_cli, "", "--remove-all") == [("removed", "search", {})]
    assert listed(db_cli) == []
    (tmp_path / "tollbook.toml").write_text(SEARCH, encoding="utf-8")
    assert db_cli("project", "apply", "--remove-all").exit_code == 2


def test_lists_are_shown_and_nothing_of_a_name_runs_anywhere(db_cli: Cli) -> None:
    apply_projects(db_cli, '[[project]]\nid = "=1+1"\nname = "a|b\\u001b[31m"\naliases = ["x", "y"]\n')
    as_csv = db_cli("project", "list", "--format", "csv").ok().stdout.splitlines()
    assert as_csv[0] == "project,name,owner,cost_center,aliases,since"
    assert as_csv[1].startswith('\'=1+1,a|b\\x1b[31m,,,"x, y",2')
    assert "a\\|b" in db_cli("project", "list", "--format", "markdown").ok().stdout
    assert "\x1b" not in db_cli("project", "list").ok().stdout


# --- as of a close --------------------------------------------------------------------------------------------------


def test_a_closed_month_keeps_the_projects_that_stood_when_it_was_closed(db_cli: Cli) -> None:
    made = [record(f"r-{day}", occurred_at=f"{day}T12:00:00Z", requested_model="doubao-seed-2.0-lite")
            for day in ("2026-02-28", "2026-03-31")]  # fmt: skip
    db_cli("ingest", "-", stdin=lines(made)).ok()
    db_cli("close", "2026-02").ok()
    apply_projects(db_cli, SEARCH)
    db_cli("close", "2026-03").ok()
    apply_projects(db_cli, SUPPORT)
    names = {month: [each["project"] for each in listed(db_cli, "--month", month)]
             for month in ("2026-01", "2026-02", "2026-03", "2026-04")}  # fmt: skip
    # January was never closed, as nothing was in it: it shows what stands now.
    assert names == {"2026-01": ["support"], "2026-02": [], "2026-03": ["search"], "2026-04": ["support"]}
    db_cli("reopen", "2026-03", "--reason", "late").ok()
    assert listed(db_cli, "--month", "2026-03") == [entry("support")]
    db_cli("close", "2026-03").ok()
    apply_projects(db_cli, SEARCH)
    assert listed(db_cli, "--month", "2026-03") == [entry("support")]
    db_cli("verify").ok()


# --- verify ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE projects SET owner = 'Eve' WHERE id = 1",
        "UPDATE projects SET closing_id = 7 WHERE id = 1",
        "DELETE FROM projects WHERE id = 1",
    ],
)
def test_verify_finds_a_project_that_was_changed(db_cli: Cli, db_url: str, statement: str) -> None:
    apply_projects(db_cli, SEARCH + SUPPORT)
    assert db_cli("verify", "--json").ok().json["checked"]["projects"] == 2
    tamper(db_url, statement)
    outcome = db_cli("verify")
    assert (outcome.exit_code, "no longer as it was recorded" in outcome.stderr) == (1, True)


# --- the file -------------------------------------------------------------------------------------------------------


def read(folder: Path, text: str) -> tuple[Project, ...]:
    path = folder / "tollbook.toml"
    path.write_text(text, encoding="utf-8")
    return read_config(path).projects


def test_an_entry_needs_an_id_alone(tmp_path: Path) -> None:
    assert read(tmp_path, SEARCH + SUPPORT) == (
        Project(id="search", name="Search", owner="Ann", cost_center="CC-1", aliases=("find", "a")),
        Project(id="support"),
    )
    assert read(tmp_path, "") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SEARCH + SEARCH, "project[1].id: 'search' is project[0].id already; give each project names of its own"),
        (SEARCH + '[[project]]\nid = "find"\n', "project[0].aliases[0]: 'find' is project[1].id already;"),
        (SEARCH.replace('"a"', '"search"'), "project[0].aliases[1]: 'search' is project[0].id already;"),
        (SEARCH.replace('"a"', '"find"'), "project[0].aliases[1]: 'find' is project[0].aliases[0] already;"),
        (SEARCH + SUPPORT + 'aliases = ["a"]\n', "project[1].aliases[0]: 'a' is project[0].aliases[1] already;"),
        (SUPPORT + 'manager = "Ann"\n', "project[0].manager: isn't a key of this file; remove it or correct its name"),
        ('[[project]]\nname = "x"\n', "project[0].id: is missing; add it"),
        ('[[project]]\nid = ""\n', "project[0].id: '' is empty; give at least a character"),
        (SUPPORT + "cost_center = 4711\n", "project[0].cost_center: 4711 isn't text; write it in quotes"),
        (SUPPORT + 'aliases = "a"\n', "project[0].aliases: 'a' isn't a list;"),
        (SUPPORT + 'aliases = ["a", ""]\n', "project[0].aliases[1]: '' is empty;"),
        (SUPPORT + f'name = "{"x" * 201}"\n', "is longer than the 200 characters it may have"),
        (SUPPORT + 'owner = "a\\u0000"\n', "project[0]: holds a NUL character"),
        ('[project]\nid = "x"\n', "project: a table isn't a list;"),
    ],
)
def test_a_wrong_file_names_key_and_rule(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(LedgerError) as caught:
        read(tmp_path, text)
    file, _colon, told = str(caught.value).partition(": ")
    assert (file, words in told, "\n" in told) == (str(tmp_path / "tollbook.toml"), True, False)


def test_a_wrong_file_applies_nothing(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    (tmp_path / "tollbook.toml").write_text(SEARCH + SEARCH, encoding="utf-8")
    outcome = db_cli("project", "apply")
    assert (outcome.exit_code, outcome.stdout, outcome.stderr.count("Error")) == (2, "", 1)
    assert value(db_url, "SELECT count(*) FROM projects") == 0
