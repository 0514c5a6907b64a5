"""action.yml and templates/gitlab-ci.yml: what they declare, and their scripts run for real on a request to merge."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import click
import pytest
import yaml

from ledger.cli import cli as root
from pricing.money import format_usd
from tests.conftest import ROOT
from tests.helpers.ci_jobs import (
    ACTION,
    EXPRESSION,
    INPUT,
    NAME,
    TEMPLATE,
    TEMPLATE_SPEC,
    Hosted,
    Job,
    run_action,
    run_recipe,
    run_template,
)
from tests.helpers.forge import TOKEN, Forge, running_forge
from tests.helpers.pages import blocks_in

STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
SCRIPTS = {step["name"]: step["run"] for step in STEPS if "run" in step}
[GITLAB_JOB] = TEMPLATE.values()
GITLAB_LINES = "\n".join([*GITLAB_JOB["before_script"], *GITLAB_JOB["script"]])
GITLAB_INPUTS: dict[str, Any] = TEMPLATE_SPEC["spec"]["inputs"]
OPTION = re.compile(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*")


# --- what they declare ----------------------------------------------------------------------------------------------


def test_the_action_declares_inputs_and_outputs() -> None:
    assert {"config", "base-ref", "fail-increase", "fail-over", "profile", "calibration"} <= set(ACTION["inputs"])
    assert set(ACTION["outputs"]) == {"change-usd", "passed"}
    assert ACTION["runs"]["using"] == "composite"
    for told in ACTION["inputs"].values():
        assert told["description"]
        assert isinstance(told["default"], str)
    assert ACTION["inputs"]["config"]["default"] == "tollbook.toml"
    assert ACTION["inputs"]["comment"]["default"] == "true"


def test_every_expression_of_the_action_names_something() -> None:
    known = {f"inputs.{name}" for name in ACTION["inputs"]} | {"github.token", "steps.python.outputs.python-path"}
    for step in STEPS:
        used = {name for text in texts(step) for found in EXPRESSION.findall(text) for name in NAME.findall(found)}
        assert used <= known, step["name"]
        written = re.findall(r"(?:echo \"|print\(\")([a-z-]+)=", step.get("run", ""))
        known |= {f"steps.{step.get('id')}.outputs.{name}" for name in written}
    outputs = {name for told in ACTION["outputs"].values() for name in EXPRESSION.findall(told["value"])}
    assert outputs == {"steps.diff.outputs.change-usd", "steps.diff.outputs.passed"} <= known


def test_every_input_is_used() -> None:
    used = {name for step in STEPS for text in texts(step) for name in NAME.findall(text)}
    assert {f"inputs.{name}" for name in ACTION["inputs"]} <= used
    used_in_template = {name for text in texts(TEMPLATE) for name in INPUT.findall(text)}
    assert set(GITLAB_INPUTS) == used_in_template


def texts(value: Any) -> Iterator[str]:
    """Every text in a YAML value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from (*texts(key), *texts(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: str(step["name"]))
def test_no_script_is_put_together_from_inputs(step: dict[str, Any]) -> None:
    if "uses" in step:
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])
        return
    assert "${{" not in step["run"]
    assert step["shell"] == "bash"
    assert not set(step) - {"name", "id", "if", "shell", "env", "run"}


def test_the_template_puts_no_input_into_its_script() -> None:
    assert "$[[" not in GITLAB_LINES
    assert "eval" not in GITLAB_LINES


@pytest.mark.parametrize(
    ("shell", "script"),
    [*(("bash", script) for script in SCRIPTS.values()), ("bash", GITLAB_LINES), ("sh", GITLAB_LINES)],
)
def test_scripts_parse(shell: str, script: str) -> None:
    done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("script", [SCRIPTS["Compare"], GITLAB_JOB["script"][0]], ids=["github", "gitlab"])
def test_scripts_give_options_that_the_commands_have(script: str) -> None:
    ours = [line for line in script.splitlines() if not re.search(r"\bgit\b|depth=|python", line)]
    given = set(OPTION.findall("\n".join(ours))) - {"--tag"}
    assert {"--base-ref", "--fail-increase", "--fail-over", "--report"} <= given
    assert given <= options("diff")
    assert "--tag" in options("comment", "github") & options("comment", "gitlab")


def options(*names: str) -> set[str]:
    command: click.Command = root
    for name in names:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    return {option for parameter in command.params for option in parameter.opts}


def test_the_two_have_the_same_inputs() -> None:
    alike = set(ACTION["inputs"]) - {"base-ref", "github-token", "python-version"}
    assert alike == set(GITLAB_INPUTS) - {"package", "job", "stage", "image"}
    for name in alike:
        assert GITLAB_INPUTS[name]["default"] == ACTION["inputs"][name]["default"]


def test_the_template_runs_for_merge_requests_and_keeps_its_reports() -> None:
    assert GITLAB_JOB["rules"] == [{"if": '$CI_PIPELINE_SOURCE == "merge_request_event"'}]
    assert GITLAB_JOB["artifacts"]["when"] == "always"
    assert GITLAB_JOB["artifacts"]["reports"] == {"junit": "tollbook-report/junit.xml"}
    assert "default" not in GITLAB_INPUTS["package"]


# --- run for real ---------------------------------------------------------------------------------------------------

CONFIG = """
[[workload]]
name = "search; echo $(id) | ${{ x }}"
model = "doubao-seed-2.0-code"
prompts = ["prompts/*.md"]
output_tokens = 100
requests_per_month = {requests}
"""
# 32 credits for 1M tokens of the first tier, 48 of the second; 160 and 240 for output; 72 credits are 1 USD.
WORD = "word "  # one token
SHORT, LONG = 1_000, 40_000


@pytest.fixture
def forge() -> Iterator[Forge]:
    with running_forge() as forge:
        yield forge


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hosted:
    """Prompts and configuration on main; the branch `longer` makes the prompt 40 times as long."""
    made = Hosted(tmp_path / "repository", monkeypatch)
    made.commit({"tollbook.toml": config(1_000), "prompts/a.md": prompt(SHORT)})
    made.commit({"prompts/a.md": prompt(LONG)}, "longer")
    made.merge("longer")
    return made


def config(requests: int) -> str:
    return CONFIG.replace("{requests}", str(requests))


def prompt(words: int) -> str:
    return (WORD * words).strip()


def usd(tokens: int, rate: int, output_rate: int, *, requests: int = 1_000) -> str:
    """A month of requests of 100 output tokens."""
    return format_usd(Fraction((tokens * rate + 100 * output_rate) * requests, 10**6 * 72))


def pull_request(forge: Forge, tmp_path: Path) -> dict[str, str]:
    """What GitHub sets on a pull request; the token comes as an expression."""
    (tmp_path / "event.json").write_text(json.dumps({"number": 7, "pull_request": {"number": 7}}))
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": forge.url,
        "GITHUB_BASE_REF": "main",
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_REF": "refs/pull/7/merge",
        "GITHUB_REPOSITORY": "acme/shop",
        "TOKEN": TOKEN,
    }


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "a runner's temp"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("depth", [1, None], ids=["shallow", "whole"])
def test_the_action_compares_comments_and_fails_last(
    repository: Hosted, forge: Forge, tmp_path: Path, temporary: Path, depth: int | None
) -> None:
    checkout = repository.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=depth)
    env = pull_request(forge, tmp_path)
    job = run_action(checkout, temporary, env, fail_increase="10%,0.5usd")
    assert job.exit_code == 1, job.log
    assert job.outputs["passed"] == "false"
    before, after = Decimal(usd(SHORT, 32, 160)), Decimal(usd(LONG, 48, 240))
    assert Decimal(job.outputs["change-usd"]) == after - before
    [body] = forge.bodies()
    assert body.startswith("<!-- tollbook:diff -->\n")
    assert "32,000 → **128,000**" in body
    assert body.strip() in job.summary
    assert "Comment 101 on pull request #7: created" in job.log
    # Another push: the same comment, and a limit that holds.
    job = run_action(checkout, temporary, env, fail_increase="50usd", fail_over="100usd")
    assert (job.exit_code, job.outputs["passed"]) == (0, "true"), job.log
    assert len(forge.comments) == 1


def test_the_action_warns_of_a_crossed_tier_and_passes(
    repository: Hosted, forge: Forge, tmp_path: Path, temporary: Path
) -> None:
    checkout = repository.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=None)
    job = run_action(checkout, temporary, pull_request(forge, tmp_path), warn_increase="10%", comment="false")
    assert (job.exit_code, job.outputs["passed"]) == (0, "true"), job.log
    assert "::warning" in job.log
    assert forge.asked == []


def test_nothing_new_makes_no_comment(repository: Hosted, forge: Forge, tmp_path: Path, temporary: Path) -> None:
    repository.commit({"README.md": "words"}, "docs")
    repository.merge("docs")
    checkout = repository.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=None)
    job = run_action(checkout, temporary, pull_request(forge, tmp_path), fail_increase="0%")
    assert (job.exit_code, job.outputs) == (0, {"change-usd": "0", "passed": "true"}), job.log
    assert forge.comments == []
    assert "Nothing to say" in job.log


def test_a_fork_has_no_comment_but_its_gates(repository: Hosted, forge: Forge, tmp_path: Path, temporary: Path) -> None:
    checkout = repository.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=1)
    forge.may_write = False
    job = run_action(checkout, temporary, pull_request(forge, tmp_path), fail_over="0.01usd")
    assert (job.exit_code, job.outputs["passed"]) == (1, "false")
    assert "Note: no right to comment on pull request #7" in job.log


def test_a_host_in_trouble_leaves_the_gates_their_say(
    repository: Hosted, forge: Forge, tmp_path: Path, temporary: Path
) -> None:
    checkout = repository.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=1)
    env = pull_request(forge, tmp_path) | {"GITHUB_REPOSITORY": ""}
    job = run_action(checkout, temporary, env)
    assert (job.exit_code, job.outputs["passed"]) == (0, "true")
    assert "::warning title=tollbook::no comment was posted" in job.log


def test_wrong_use_ends_the_job_at_once(repository: Hosted, forge: Forge, tmp_path: Path, temporary: Path) -> None:
    checkout = repository.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=1)
    for wrong in ({"config": "missing.toml"}, {"fail_increase": "ten"}, {"base_ref": "origin/missing"}):
        job = run_action(checkout, temporary, pull_request(forge, tmp_path), **wrong)
        assert job.exit_code == 2, job.log
        assert "Error: " in job.log
        assert job.outputs == {"change-usd": "", "passed": ""}
    assert forge.asked == []


def test_inputs_are_never_run(repository: Hosted, forge: Forge, tmp_path: Path, temporary: Path) -> None:
    checkout = repository.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=1)
    evil = f'"; touch {tmp_path}/pwned; $(touch {tmp_path}/pwned) `touch {tmp_path}/pwned`'
    env = pull_request(forge, tmp_path)
    for name in ("config", "base_ref", "tag", "per_workload"):
        run_action(checkout, temporary, env, **{name: evil})
    run_action(checkout, temporary, env | {"GITHUB_BASE_REF": evil})
    assert not (tmp_path / "pwned").exists()


def test_modules_of_the_repository_are_not_imported(
    repository: Hosted, forge: Forge, tmp_path: Path, temporary: Path
) -> None:
    checkout = repository.checkout(tmp_path / "checkout", "refs/pull/7/merge", depth=1)
    for name in ("json", "pathlib", "requests", "sitecustomize"):
        (checkout / f"{name}.py").write_text("raise SystemExit('imported from the repository')")
    job = run_action(checkout, temporary, pull_request(forge, tmp_path))
    assert job.exit_code == 0, job.log


def test_a_push_has_no_base_and_no_comment(repository: Hosted, forge: Forge, tmp_path: Path, temporary: Path) -> None:
    checkout = repository.checkout(tmp_path / "checkout", "refs/heads/main", depth=1)
    env = pull_request(forge, tmp_path) | {"GITHUB_BASE_REF": "", "GITHUB_REF": "refs/heads/main"}
    (tmp_path / "event.json").write_text(json.dumps({"ref": "refs/heads/main"}))
    job = run_action(checkout, temporary, env, fail_over="1usd")
    assert (job.exit_code, job.outputs["passed"]) == (0, "true"), job.log
    assert job.outputs["change-usd"] == usd(SHORT, 32, 160)
    assert "Note: not on a pull request" in job.log


# --- GitLab ---------------------------------------------------------------------------------------------------------


def merge_request(forge: Forge, project: str = "42") -> dict[str, str]:
    """What GitLab sets in a merge request's pipeline that runs in the project."""
    return {
        "CI_API_V4_URL": forge.url,
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_PROJECT_ID": "42",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "CI_PROJECT_ID": project,
        "GITLAB_TOKEN": TOKEN,
    }


def reported(checkout: Path, job: Job) -> tuple[dict[str, Any], ET.Element]:
    folder = checkout / "tollbook-report"
    assert sorted(path.name for path in folder.iterdir()) == ["diff.json", "diff.md", "junit.xml"], job.log
    return json.loads((folder / "diff.json").read_text()), ET.parse(folder / "junit.xml").getroot()


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_the_template_compares_reports_comments_and_fails_last(
    repository: Hosted, forge: Forge, tmp_path: Path, shell: str
) -> None:
    checkout = repository.checkout(tmp_path / "checkout", "refs/heads/longer", depth=None)
    # main went on: what it changed since isn't the branch's.
    repository.commit({"tollbook.toml": config(9_000)})
    job = run_template(checkout, shell, merge_request(forge), fail_increase="10%,0.5usd")
    assert job.exit_code == 1, job.log
    diff, junit = reported(checkout, job)
    assert diff["passed"] is False
    assert diff["total"]["before_usd_per_month"] == usd(SHORT, 32, 160)
    assert diff["total"]["after_usd_per_month"] == usd(LONG, 48, 240)
    assert junit.findall(".//failure")
    assert forge.bodies() == [(checkout / "tollbook-report" / "diff.md").read_text()]
    job = run_template(checkout, shell, merge_request(forge), fail_increase="50usd", tag="search")
    assert job.exit_code == 0, job.log
    assert [body.splitlines()[0] for body in forge.bodies()] == [
        "<!-- tollbook:diff -->",
        "<!-- tollbook:diff:search -->",
    ]


def test_a_pipeline_in_a_fork_compares_with_the_base_of_its_request(
    repository: Hosted, forge: Forge, tmp_path: Path
) -> None:
    old, base = repository.work.git("rev-parse", "main"), repository.commit({"tollbook.toml": config(2_000)})
    repository.work.git("branch", "--force", "longer", "main")
    repository.commit({"prompts/a.md": prompt(LONG)}, "longer")
    # In the fork, main is what it was when the fork was made.
    repository.push(old, "refs/heads/main")
    checkout = repository.checkout(tmp_path / "checkout", "refs/heads/longer", depth=None)
    env = merge_request(forge, project="43") | {"CI_MERGE_REQUEST_DIFF_BASE_SHA": base, "GITLAB_TOKEN": ""}
    job = run_template(checkout, "sh", env)
    assert job.exit_code == 0, job.log
    diff, _junit = reported(checkout, job)
    assert diff["total"]["before_usd_per_month"] == usd(SHORT, 32, 160, requests=2_000)
    assert "Note: GITLAB_TOKEN is not set" in job.log


def test_the_template_passes_on_what_is_wrong(repository: Hosted, forge: Forge, tmp_path: Path) -> None:
    checkout = repository.checkout(tmp_path / "checkout", "refs/heads/longer", depth=None)
    evil = f'"; touch {tmp_path}/pwned; $(touch {tmp_path}/pwned)'
    for name in ("config", "fail_over", "profile", "per_workload"):
        job = run_template(checkout, "sh", merge_request(forge), **{name: evil})
        assert (job.exit_code, name == "per_workload") in ((2, False), (0, True)), job.log
    assert not (tmp_path / "pwned").exists()


# --- the recipes ----------------------------------------------------------------------------------------------------

RECIPES = blocks_in((ROOT / "docs" / "ci.md").read_text(encoding="utf-8"))


def recipe(heading: str) -> str:
    [text] = [block.text for block in RECIPES if block.heading == heading]
    return text


def test_the_recipes_give_inputs_that_there_are() -> None:
    workflow = yaml.safe_load(recipe("GitHub Actions"))
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}
    [step] = [step for step in workflow["jobs"]["cost"]["steps"] if "/tollbook@" in step.get("uses", "")]
    assert set(step["with"]) <= set(ACTION["inputs"])
    [included] = yaml.safe_load(recipe("GitLab CI"))["include"]
    assert (ROOT / included["file"].lstrip("/")).is_file()
    assert {"package"} <= set(included["inputs"]) <= set(GITLAB_INPUTS)
    documented = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in documented for name in {*ACTION["inputs"], *GITLAB_INPUTS})


def test_the_plain_recipe_does_what_it_says(repository: Hosted, forge: Forge, tmp_path: Path) -> None:
    checkout = repository.checkout(tmp_path / "checkout", "refs/heads/longer", depth=None)
    given = {"GITHUB_API_URL": forge.url, "GITHUB_REPOSITORY": "acme/shop", "GITHUB_TOKEN": TOKEN, "PULL_REQUEST": "7"}
    for limit, code in (("10%,5usd", 1), ("10%,50usd", 0)):
        job = run_recipe(checkout, recipe("Any other CI").replace("10%,5usd", limit), given)
        assert job.exit_code == code, job.log
    assert forge.methods() == ["GET", "POST", "GET", "WHOSE", "PATCH"]  # the gate's limit is another
    assert forge.bodies() == [(checkout / "diff.md").read_text()]
    assert ET.parse(checkout / "diff.xml").getroot().tag == "testsuites"
