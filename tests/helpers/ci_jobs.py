"""GitHub's and GitLab's runners in small: the scripts of action.yml and templates/gitlab-ci.yml, run for real."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT, command_environment
from tests.helpers.git import Repository, new_repository

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
TEMPLATE_SPEC, TEMPLATE = yaml.safe_load_all((ROOT / "templates" / "gitlab-ci.yml").read_text(encoding="utf-8"))
EXPRESSION = re.compile(r"\$\{\{ (.+?) \}\}")
NAME = re.compile(r"(?:inputs|github|steps)(?:\.[a-z-]+)+")
INPUT = re.compile(r"\$\[\[ inputs\.([a-z-]+) \]\]")
# Where the checks' own Python has `tollbook`: it stands in for the environment that the job would install.
BIN = Path(sys.executable).parent


@dataclass
class Job:
    """What a job left behind."""

    exit_code: int = 0
    log: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""


def run_action(folder: Path, temporary: Path, env: Mapping[str, str], **inputs: str) -> Job:
    """The steps of the composite action, one after another until one fails, with inputs by name (`_` for `-`).

    The step that installs is taken as done.
    """
    values = {f"inputs.{name}": told.get("default", "") for name, told in ACTION["inputs"].items()}
    values |= {f"inputs.{name.replace('_', '-')}": value for name, value in inputs.items()}
    values |= {"github.token": env.get("TOKEN", ""), "steps.install.outputs.bin": str(BIN)}
    values = {name: EXPRESSION.sub(lambda found: values[found[1]], value) for name, value in values.items()}
    job, summary = Job(), temporary / "summary"
    for number, step in enumerate(ACTION["runs"]["steps"]):
        if "run" not in step or step.get("id") == "install" or not holds(step.get("if"), values):
            continue
        script, output = temporary / f"{number}.sh", temporary / f"output-{number}"
        script.write_text(step["run"], encoding="utf-8")
        output.touch()
        runner = {"GITHUB_OUTPUT": output, "GITHUB_STEP_SUMMARY": summary, "RUNNER_TEMP": temporary}
        own = {name: filled(value, values) for name, value in step["env"].items()}
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        done = run(shell, folder, {**env, **{name: str(path) for name, path in runner.items()}, **own})
        job.log += done.stdout
        job.exit_code = done.returncode
        lines = [line.partition("=") for line in output.read_text(encoding="utf-8").splitlines()]
        values |= {f"steps.{step.get('id')}.outputs.{name}": value for name, _equals, value in lines}
        if job.exit_code:
            break
    job.summary = summary.read_text(encoding="utf-8") if summary.exists() else ""
    job.outputs = {name: filled(told["value"], values) for name, told in ACTION["outputs"].items()}
    return job


def filled(text: str, values: Mapping[str, str]) -> str:
    """Text with its expressions filled in; an output that was never set is empty."""
    return EXPRESSION.sub(lambda found: values.get(found[1], ""), text)


def holds(condition: str | None, values: Mapping[str, str]) -> bool:
    """Whether an `if:` of the one form that the action uses holds: NAME == 'text'."""
    if condition is None:
        return True
    found = re.fullmatch(r"\$\{\{ (\S+) == '(.*)' \}\}", condition)
    assert found, condition
    return values.get(found[1], "") == found[2]


def run_template(folder: Path, shell: str, env: Mapping[str, str], **inputs: str) -> Job:
    """The script of the GitLab job in that shell, with inputs by name (`_` for `-`); what installs is taken as done."""
    given = {name: (told or {}).get("default", "") for name, told in TEMPLATE_SPEC["spec"]["inputs"].items()}
    given |= {name.replace("_", "-"): value for name, value in inputs.items()}
    [job] = TEMPLATE.values()
    variables = {name: INPUT.sub(lambda found: given[found[1]], value) for name, value in job["variables"].items()}
    return run_recipe(folder, "\n".join(job["script"]), {**env, **variables}, shell)


def run_recipe(folder: Path, script: str, env: Mapping[str, str], shell: str = "sh") -> Job:
    """A script with `tollbook` on its PATH, which ends where a command fails."""
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    done = run([shell, "-e", "-c", script], folder, {**env, "PATH": path})
    return Job(done.returncode, done.stdout)


def run(command: list[str], folder: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Both streams as one, as a job's log has them."""
    return subprocess.run(
        command,
        cwd=folder,
        env=command_environment({"NO_PROXY": "127.0.0.1", **env}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


# --- a repository with a request to merge ---------------------------------------------------------------------------


class Hosted:
    """A repository on its host: `main`, and branches to be merged into it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.work = new_repository(folder / "work", monkeypatch)
        self.host = folder / "host.git"
        self.work.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.host))

    def commit(self, files: Mapping[str, str], branch: str = "main") -> str:
        """A new commit of the branch with these files, and its id; a new branch begins where main is."""
        if branch != self.work.git("branch", "--show-current"):
            is_new = not self.work.git("branch", "--list", branch)
            self.work.git("checkout", "--quiet", *(["-b", branch, "main"] if is_new else [branch]))
        for name, text in files.items():
            self.work.write(name, text)
        commit = self.work.commit()
        self.push(commit, f"refs/heads/{branch}")
        return commit

    def push(self, commit: str, ref: str) -> None:
        self.work.git("push", "--quiet", "--force", str(self.host), f"{commit}:{ref}")

    def merge(self, branch: str) -> None:
        """What GitHub does on a pull request: the branch merged into main, as refs/pull/7/merge."""
        self.work.git("checkout", "--quiet", "--detach", "main")
        self.work.git("merge", "--quiet", "--no-ff", "--no-edit", branch)
        self.push("HEAD", "refs/pull/7/merge")

    def checkout(self, folder: Path, ref: str, *, depth: int | None) -> Path:
        """A runner's checkout: one ref and, without a depth, all branches; a detached HEAD."""
        made = Repository(folder)
        folder.mkdir(parents=True)
        made.git("init", "--quiet", "--initial-branch=unused")
        made.git("remote", "add", "origin", self.host.as_uri())
        branches = ["+refs/heads/*:refs/remotes/origin/*"] if depth is None else [f"--depth={depth}"]
        made.git("fetch", "--quiet", "--no-tags", "origin", *branches, f"+{ref}:refs/remotes/runner/head")
        made.git("checkout", "--quiet", "--detach", "refs/remotes/runner/head")
        return folder
