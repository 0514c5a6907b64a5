"""One comment on a request, kept up to date: against a local stand-in for both hosts, through the command line."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from urllib3.exceptions import LocationParseError

from tests.conftest import Cli, Outcome
from tests.helpers.forge import ME, TOKEN, Forge, Trouble, running_forge

MARKER = "<!-- tollbook:diff -->"
QUIET = "<!-- tollbook:quiet -->"
REPORT = f"{MARKER}\n### Cost of prompts\n\n| workload | change |\n| :-- | --: |\n| search | +12.00 |\n"


@dataclass
class Host:
    """GitHub or GitLab as a job meets it: the command to comment there, and the job's environment."""

    name: str
    forge: Forge
    env: dict[str, str]
    cli: Cli

    def comment(self, body: str = REPORT, *options: object, env: dict[str, str] | None = None) -> Outcome:
        Path("diff.md").write_text(body, encoding="utf-8")
        return self.cli("comment", self.name, "diff.md", *options, env=self.env | (env or {}))

    @property
    def edit(self) -> str:
        return "PATCH" if self.name == "github" else "PUT"

    @property
    def request(self) -> str:
        return "pull request #7" if self.name == "github" else "merge request !7"


@pytest.fixture(autouse=True)
def no_ci_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [key for key in os.environ if key.startswith(("CI_", "GH_", "GITHUB_", "GITLAB_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def forge() -> Iterator[Forge]:
    with running_forge() as forge:
        yield forge


def environment(name: str, forge: Forge) -> dict[str, str]:
    if name == "github":
        job = {"GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": forge.url, "GITHUB_REPOSITORY": "acme/shop"}
        return {**job, "GITHUB_REF": "refs/pull/7/merge", "NO_PROXY": "127.0.0.1"}
    job = {"GITLAB_TOKEN": TOKEN, "CI_API_V4_URL": forge.url, "CI_PROJECT_ID": "42"}
    return {**job, "CI_MERGE_REQUEST_IID": "7", "NO_PROXY": "127.0.0.1"}


@pytest.fixture(params=["github", "gitlab"])
def host(request: pytest.FixtureRequest, forge: Forge, cli: Cli) -> Host:
    return Host(request.param, forge, environment(request.param, forge), cli)


@pytest.fixture
def github(forge: Forge, cli: Cli) -> Host:
    return Host("github", forge, environment("github", forge), cli)


@pytest.fixture
def gitlab(forge: Forge, cli: Cli) -> Host:
    return Host("gitlab", forge, environment("gitlab", forge), cli)


# --- one comment ----------------------------------------------------------------------------------------------------


def test_runs_on_one_request_make_one_comment(host: Host) -> None:
    assert host.comment().ok().stdout == f"Comment 101 on {host.request}: created\n"
    assert host.comment().ok().stdout == f"Comment 101 on {host.request}: unchanged\n"
    assert host.comment(f"{REPORT}more\n").ok().stdout == f"Comment 101 on {host.request}: updated\n"
    assert host.forge.bodies() == [f"{REPORT}more\n"]
    assert host.forge.methods() == ["GET", "POST", "GET", "WHOSE", "GET", "WHOSE", host.edit]


def test_the_installed_command_comments_too(forge: Forge, script: Cli) -> None:
    for expected in ("created", "unchanged"):
        done = script("comment", "github", "-", stdin=REPORT, env=environment("github", forge)).ok()
        assert (done.stdout, done.stderr) == (f"Comment 101 on pull request #7: {expected}\n", "")


def test_the_newest_of_our_comments_is_found_on_any_page(host: Host) -> None:
    for body in ("hello", f"{MARKER}\nold", "looks good", f"{MARKER}\nnewer", "one more", "and one"):
        host.forge.add(body)
    assert host.comment().ok().stdout == f"Comment 104 on {host.request}: updated\n"
    assert host.forge.bodies() == ["hello", f"{MARKER}\nold", "looks good", REPORT, "one more", "and one"]
    assert host.forge.methods() == ["GET"] * 3 + ["WHOSE", host.edit]  # 6 comments, 2 a page


def test_behavior_new_makes_a_comment_each_time(host: Host) -> None:
    for number in (101, 102):
        assert host.comment(REPORT, "--behavior", "new").ok().stdout.startswith(f"Comment {number} ")
    assert host.forge.bodies() == [REPORT, REPORT]
    assert host.forge.methods() == ["POST", "POST"]


def test_a_comment_that_quotes_the_marker_is_left_alone(host: Host) -> None:
    others = [f"> {MARKER}\n> what is this?", f"see\n{MARKER}", f"{MARKER} no", "", None]
    for body in others:
        host.forge.add(body, author="someone")
    host.comment().ok()
    assert host.forge.bodies() == [*others, REPORT]


def test_line_ends_alone_are_no_change(host: Host) -> None:
    host.forge.add(REPORT.replace("\n", "\r\n").rstrip())
    assert "unchanged" in host.comment().ok().stdout
    assert "unchanged" in host.comment(REPORT.replace("\n", "\r\n")).ok().stdout


def test_gitlabs_own_remarks_are_no_comments(gitlab: Host) -> None:
    gitlab.forge.add(REPORT, system=True)
    assert gitlab.comment().ok().stdout == "Comment 102 on merge request !7: created\n"


def test_tags_keep_comments_apart(host: Host) -> None:
    for tag in ("search", "support", "search"):
        host.comment(REPORT, "--tag", tag).ok()
    host.comment(f"<!-- tollbook:diff:old -->{REPORT.removeprefix(MARKER)}", "--tag", "support").ok()
    host.comment().ok()
    rest = REPORT.removeprefix(MARKER)
    markers = ("<!-- tollbook:diff:search -->", "<!-- tollbook:diff:support -->", MARKER)
    assert host.forge.bodies() == [marker + rest for marker in markers]


# --- whose ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("author", ["mallory", "github-actions", "GITHUB-ACTIONS[BOT]", None])
def test_a_comment_of_another_account_is_left_alone(host: Host, author: str | None) -> None:
    strange = f"{MARKER}\n### Cost of prompts: nothing at all"
    host.forge.add(strange, author)
    done = host.comment().ok()
    assert done.stdout == f"Comment 102 on {host.request}: created\n"
    assert done.stderr == (
        f"Note: comment 101 on {host.request} begins with the same marker and is left alone: it was written by"
        f" {author or 'an account that is gone'}, the token is {ME}'s\n"
    )
    host.forge.add(strange, author)
    done = host.comment(f"{REPORT}more\n").ok()
    assert (done.stdout, done.stderr) == (f"Comment 102 on {host.request}: updated\n", "")
    assert host.forge.bodies() == [strange, f"{REPORT}more\n", strange]


UNKNOWN = [
    None,
    Trouble("WHOSE", 403, message="Resource not accessible by integration"),
    Trouble("WHOSE", 404),
    Trouble("WHOSE", 200, html="<h1>Sign in</h1>"),
    Trouble("WHOSE", 200, html="{}"),
    Trouble("WHOSE", 200, html='{"data": {"viewer": null}, "username": null}'),
    Trouble("WHOSE", 200, html='{"data": {"viewer": {"login": ""}}, "username": ""}'),
]


@pytest.mark.parametrize("trouble", UNKNOWN)
def test_where_nobody_tells_whose_the_token_is_no_comment_is_edited(host: Host, trouble: Trouble | None) -> None:
    host.forge.tells_account = trouble is not None
    host.forge.troubles += [] if trouble is None else [trouble]
    host.forge.add(f"{MARKER}\nold", author=None if trouble is None else ME)
    done = host.comment().ok()
    assert done.stdout == f"Comment 102 on {host.request}: created\n"
    assert done.stderr == (
        f"Note: comment 101 on {host.request} begins with the same marker and is left alone: 127.0.0.1 doesn't tell"
        " whose the token is, so that it may be someone else's\n"
    )
    assert host.forge.bodies() == [f"{MARKER}\nold", REPORT]


def test_a_host_in_trouble_over_whose_the_token_is_gets_no_comment_twice(host: Host, waits: list[float]) -> None:
    host.forge.add(f"{MARKER}\nold")
    host.forge.troubles += [Trouble("WHOSE", 503) for _ in range(5)]
    done = host.comment()
    assert done.exit_code == 2
    assert "127.0.0.1 answered 503" in done.stderr
    assert host.forge.bodies() == [f"{MARKER}\nold"]


def test_an_enterprise_server_is_asked_beside_its_other_interface(github: Host) -> None:
    for expected in ("created", "unchanged"):
        assert expected in github.comment(env={"GITHUB_API_URL": f"{github.forge.url}/api/v3"}).ok().stdout
    assert github.forge.asked[-1] == ("POST", "/api/graphql")


# --- a dry run ------------------------------------------------------------------------------------------------------


def dry(host: Host, body: str = REPORT, *options: str, env: dict[str, str] | None = None) -> tuple[str, str]:
    """Returns what a dry run prints, its one note without `Note: `; nothing is written."""
    before = host.forge.bodies()
    done = host.comment(body, "--dry-run", *options, env=env).ok()
    assert host.forge.bodies() == before
    assert set(host.forge.methods()) <= {"GET", "WHOSE"}
    [line] = done.stderr.splitlines()
    return done.stdout, line.removeprefix("Note: ")


def test_a_dry_run_says_what_it_would_do(host: Host) -> None:
    quiet = f"{MARKER}\n{QUIET}\nNo change.\n"
    assert dry(host) == (REPORT, f"would create a comment on {host.request}")
    assert dry(host, quiet) == (quiet, f"quiet: would make no comment on {host.request}, as there is nothing to say")
    host.forge.add(REPORT, author="mallory")
    assert dry(host)[1].startswith(f"would create a comment on {host.request}; comment 101 on {host.request} begins")
    host.forge.add(REPORT)
    assert dry(host) == (REPORT, f"would leave comment 102 on {host.request} unchanged: it has this text")
    assert dry(host, quiet) == (quiet, f"would edit comment 102 on {host.request}")
    assert dry(host, REPORT, "--behavior", "new")[1] == f"would create a comment on {host.request}"


def test_a_dry_run_shows_the_text_as_it_would_be_posted(github: Host) -> None:
    body = REPORT + "/merge\n" + "x\n" * 40_000
    for env in ({}, {"GITHUB_TOKEN": ""}):
        shown, _said = dry(github, body, "--tag", "search", env=env)
        assert shown.startswith(f"<!-- tollbook:diff:search -->{REPORT.removeprefix(MARKER)}\\/merge\nx\n")
        assert shown.endswith(f"characters, this report has {len(body) + len(':search') + 1:,}.\n")
    github.comment(body, "--tag", "search").ok()
    assert github.forge.bodies() == [shown]


def test_a_dry_run_sends_no_terminal_escapes(github: Host) -> None:
    assert dry(github, f"{MARKER}\na\x1b[31mb\n")[0] == f"{MARKER}\na\\x1b[31mb\n"


@pytest.mark.parametrize("name", ["github", "gitlab"])
def test_a_dry_run_needs_neither_a_token_nor_a_job(cli: Cli, forge: Forge, name: str) -> None:
    shown, said = dry(Host(name, forge, {}, cli))
    assert shown == REPORT
    assert said.startswith("whether a comment is there to be edited can't be known: not on a ")
    assert forge.asked == []


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({"GITHUB_TOKEN": "", "GITLAB_TOKEN": ""}, "_TOKEN is not set"),
        ({"GITHUB_REPOSITORY": "", "CI_PROJECT_ID": ""}, " set it to "),
        ({"GITHUB_TOKEN": "other", "GITLAB_TOKEN": "other"}, "127.0.0.1 answered 401 (Bad credentials)"),
    ],
)
def test_a_dry_run_says_why_it_cannot_know(host: Host, env: dict[str, str], reason: str) -> None:
    shown, said = dry(host, env=env)
    assert shown == REPORT
    assert said.startswith("whether a comment is there to be edited can't be known: ")
    assert reason in said


# --- what is posted -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behavior", ["update", "new"])
def test_a_quiet_body_makes_no_comment(host: Host, behavior: str) -> None:
    done = host.comment(f"{MARKER}\n{QUIET}\nNo change.\n", "--behavior", behavior).ok()
    assert done.stdout == f"Nothing to say: no comment on {host.request}\n"
    assert host.forge.comments == []


def test_a_quiet_body_updates_the_comment_that_is_there(host: Host) -> None:
    quiet = f"{MARKER}\n{QUIET}\nNo change.\n"
    host.comment().ok()
    assert "updated" in host.comment(quiet).ok().stdout
    assert host.forge.bodies() == [quiet]


@pytest.mark.parametrize(("name", "limit"), [("github", 65_536), ("gitlab", 1_000_000)])
def test_what_is_too_long_is_cut_behind_a_line(cli: Cli, forge: Forge, name: str, limit: int) -> None:
    host = Host(name, forge, environment(name, forge), cli)
    row = "| 搜索 | +12.00 |\n"
    fits = REPORT + row * ((limit - len(REPORT)) // len(row))
    assert limit - len(row) < len(fits) <= limit
    host.comment(fits).ok()
    assert forge.bodies() == [fits]
    too_long = fits + row
    host.comment(too_long).ok()
    [body] = forge.bodies()
    kept, _break, said = body.partition("\n\n**Cut here**: ")
    assert said == f"a comment takes {limit:,} characters, this report has {len(too_long):,}.\n"
    assert len(body) <= limit
    assert too_long.startswith(kept.rstrip() + "\n")
    assert len(kept) > limit - 300
    assert "unchanged" in host.comment(too_long).ok().stdout


def test_a_cut_closes_what_it_leaves_folded(github: Host) -> None:
    folded = "<details>\n<summary>a</summary>\n\nx\n\n</details>\n\n<details>\n<summary>b</summary>\n\n"
    github.comment(REPORT + folded + "x\n" * 65_536).ok()
    [body] = github.forge.bodies()
    assert body.count("<details>") == body.count("</details>") == 2
    assert body.index("**Cut here**") > body.rindex("</details>")


def test_one_endless_line_is_left_out_whole(github: Host) -> None:
    github.comment(f"{MARKER}\n{'x' * 70_000}\n").ok()
    [body] = github.forge.bodies()
    assert body.startswith(f"{MARKER}\n\n")
    assert "**Cut here**" in body


def test_no_line_is_a_command_to_the_host(host: Host) -> None:
    host.comment(f"{MARKER}\n/merge\n  /approve all\na /b\n/ c\n").ok()
    assert host.forge.bodies() == [f"{MARKER}\n\\/merge\n  \\/approve all\na /b\n/ c\n"]


@pytest.mark.parametrize(
    "body", ["", "\n", "### Cost\n", f"\n{MARKER}\n", f"{QUIET}\n", "<!-- tollbook: -->\n", "<!-- x:y -->"]
)
def test_a_file_without_a_marker_is_refused_by_name(host: Host, body: str) -> None:
    done = host.comment(body)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Error: diff.md: its first line isn't a marker <!-- tollbook:… -->" in done.stderr
    assert host.forge.asked == []


@pytest.mark.parametrize("tag", ["", "a b", "-->", "é", "x" * 65])
def test_a_tag_that_could_leave_the_marker_is_refused(github: Host, tag: str) -> None:
    done = github.comment(REPORT, "--tag", tag)
    assert done.exit_code == 2
    assert "--tag" in done.stderr


def test_a_missing_file_is_named(cli: Cli) -> None:
    done = cli("comment", "github", "missing.md")
    assert done.exit_code == 2
    assert "missing.md" in done.stderr


# --- which request --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "number"),
    [
        ({"number": 3, "pull_request": {"number": 3}}, 3),
        ({"pull_request": {"number": 4}}, 4),
        ({"number": 5}, 5),
        ({"issue": {"number": 6, "pull_request": {}}}, 6),
        ({"issue": {"number": 6}}, None),
        ({"after": "0" * 40, "pull_request": None}, None),
        ({"number": True}, None),
        ({"number": "3"}, None),
        ([], None),
    ],
)
def test_the_event_names_the_pull_request(github: Host, tmp_path: Path, event: Any, number: int | None) -> None:
    (tmp_path / "event.json").write_text(json.dumps(event))
    env = {"GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_PATH": str(tmp_path / "event.json")}
    done = github.comment(env=env).ok()
    if number is None:
        assert "Note: not on a pull request: no comment" in done.stderr
        assert github.forge.asked == []
    else:
        assert github.forge.asked[-1] == ("POST", f"/repos/acme/shop/issues/{number}/comments")


def test_an_option_beats_the_job(github: Host, gitlab: Host) -> None:
    github.comment(REPORT, "--pull-request", 12).ok()
    assert github.forge.asked[-1] == ("POST", "/repos/acme/shop/issues/12/comments")
    gitlab.comment(REPORT, "--merge-request", 13, "--behavior", "new").ok()
    assert gitlab.forge.asked[-1] == ("POST", "/projects/42/merge_requests/13/notes")


def test_a_forks_merge_request_stands_in_the_other_project(gitlab: Host) -> None:
    gitlab.comment(env={"CI_MERGE_REQUEST_PROJECT_ID": "5", "CI_PROJECT_ID": "42"}).ok()
    assert gitlab.forge.asked[-1] == ("POST", "/projects/5/merge_requests/7/notes")
    gitlab.comment(env={"CI_PROJECT_ID": "acme/shop"}).ok()
    assert gitlab.forge.asked[-2] == ("GET", "/projects/acme%2Fshop/merge_requests/7/notes?per_page=100")


def test_outside_a_request_it_says_so_and_passes(host: Host) -> None:
    done = host.comment(env={"GITHUB_REF": "refs/heads/main", "CI_MERGE_REQUEST_IID": ""}).ok()
    assert done.stdout == ""
    assert done.stderr.startswith(f"Note: not on a {host.request.split()[0]} request: no comment")
    assert len(done.stderr.splitlines()) == 1
    assert host.forge.asked == []


@pytest.mark.parametrize(
    ("name", "env"),
    [
        ("github", {"GITHUB_REPOSITORY": ""}),
        ("github", {"GITHUB_REPOSITORY": "acme/shop/../x"}),
        ("github", {"GITHUB_API_URL": "ftp://127.0.0.1"}),
        ("github", {"GITHUB_API_URL": "http://["}),
        ("github", {"GITHUB_API_URL": "http://\u2100.com"}),
        ("github", {"GITHUB_REF": "", "GITHUB_EVENT_PATH": "missing.json"}),
        ("gitlab", {"CI_PROJECT_ID": ""}),
        ("gitlab", {"CI_MERGE_REQUEST_IID": "seven"}),
        ("gitlab", {"CI_MERGE_REQUEST_IID": "9" * 5_000}),
        ("gitlab", {"CI_API_V4_URL": "gitlab.example.com"}),
    ],
)
def test_a_variable_that_is_wrong_is_named(cli: Cli, forge: Forge, name: str, env: dict[str, str]) -> None:
    done = Host(name, forge, environment(name, forge), cli).comment(env=env)
    assert done.exit_code == 2
    assert next(reversed(env)) in done.stderr
    assert forge.asked == []


@pytest.mark.parametrize("number", ["9" * 5_000, "0"])
def test_a_ref_that_names_no_pull_request_is_none(github: Host, number: str) -> None:
    assert "not on a pull request" in github.comment(env={"GITHUB_REF": f"refs/pull/{number}/merge"}).ok().stderr


def test_an_event_that_is_nested_beyond_reading_is_named(github: Host, tmp_path: Path) -> None:
    (tmp_path / "event.json").write_text("[" * 100_000)
    done = github.comment(env={"GITHUB_REF": "", "GITHUB_EVENT_PATH": str(tmp_path / "event.json")})
    assert done.exit_code == 2
    assert "GITHUB_EVENT_PATH" in done.stderr


# --- the token and what it may do -----------------------------------------------------------------------------------


def test_each_host_gets_the_headers_it_documents(github: Host, gitlab: Host) -> None:
    github.comment().ok()
    for headers in github.forge.headers:
        assert headers["authorization"] == f"Bearer {TOKEN}"
        assert headers["accept"] == "application/vnd.github+json"
        assert headers["x-github-api-version"] == "2022-11-28"
    gitlab.forge.headers.clear()
    gitlab.comment().ok()
    assert {headers["private-token"] for headers in gitlab.forge.headers} == {TOKEN}
    assert not any("authorization" in headers for headers in gitlab.forge.headers)


def test_another_name_of_the_token_and_blanks_around_it_are_fine(github: Host) -> None:
    assert "created" in github.comment(env={"GITHUB_TOKEN": "", "GH_TOKEN": f"{TOKEN}\n"}).ok().stdout


def test_a_netrc_does_not_take_the_tokens_place(github: Host, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1\nlogin other\npassword secret\n")
    assert "created" in github.comment(env={"NETRC": str(tmp_path / ".netrc")}).ok().stdout


def test_without_a_token_it_says_so_and_passes(host: Host) -> None:
    done = host.comment(env={"GITHUB_TOKEN": "", "GITLAB_TOKEN": ""}).ok()
    assert done.stderr == f"Note: {host.name.upper()}_TOKEN is not set: no right to write a comment, none is made\n"
    assert host.forge.asked == []


def test_without_write_access_it_says_so_and_passes(host: Host) -> None:
    host.forge.may_write = False
    done = host.comment().ok()
    assert done.stdout == ""
    assert done.stderr.startswith(f"Note: no right to comment on {host.request}: 127.0.0.1 answered 403 (Resource not")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("status", "method"), [(401, "GET"), (403, "GET"), (404, "GET"), (404, "POST")])
def test_each_refusal_passes(host: Host, status: int, method: str) -> None:
    host.forge.troubles.append(Trouble(method, status, message="No"))
    assert f"127.0.0.1 answered {status} (No); " in host.comment().ok().stderr
    assert host.forge.comments == []


@pytest.mark.parametrize("token", ["two words", "other\nrows", "bell\x07", "tökn", "\N{CJK UNIFIED IDEOGRAPH-4E00}"])
def test_a_token_that_can_be_none_is_not_shown(host: Host, token: str) -> None:
    done = host.comment(env={"GITHUB_TOKEN": token, "GITLAB_TOKEN": token})
    assert done.exit_code == 2
    assert f"{host.name.upper()}_TOKEN holds characters" in done.stderr
    assert not any(part in done.stderr for part in (token, *token.split()))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_takes_the_token_nowhere(host: Host, status: int, method: str) -> None:
    with running_forge() as other:
        host.forge.troubles.append(Trouble(method, status, {"Location": f"{other.url}/x"}))
        done = host.comment()
        assert done.exit_code == 2
        variable = "GITHUB_API_URL" if host.name == "github" else "CI_API_V4_URL"
        assert f"answered {status}: the API is at another address: set {variable}" in done.stderr
        assert other.asked == []


def test_a_link_to_another_host_takes_the_token_nowhere(github: Host) -> None:
    with running_forge() as other:
        github.forge.troubles.append(Trouble("GET", 200, {"Link": f'<{other.url}/x?page=2>; rel="next"'}))
        github.comment()
        assert other.asked == []


# --- trouble --------------------------------------------------------------------------------------------------------


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that retries would wait."""
    seconds: list[float] = []
    monkeypatch.setattr("time.sleep", seconds.append)
    return seconds


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_host_that_is_busy_is_asked_again(host: Host, status: int, waits: list[float]) -> None:
    host.forge.add(f"{MARKER}\nold")
    host.forge.troubles += [Trouble(kind, status) for kind in ("GET", "WHOSE")]
    host.forge.troubles.append(Trouble(host.edit, status, {"Retry-After": "7"}))
    assert "updated" in host.comment().ok().stdout
    assert host.forge.methods() == ["GET", "GET", "WHOSE", "WHOSE", host.edit, host.edit]
    assert waits == [7]


def test_no_wait_is_longer_than_a_job_can_spare(host: Host, waits: list[float]) -> None:
    host.forge.troubles += [Trouble("GET", 503, {"Retry-After": "7200"}), Trouble("GET", 403, {"Retry-After": "5"})]
    host.comment().ok()
    assert waits == [60, 5]


def test_a_cut_connection_while_reading_is_asked_again(host: Host, waits: list[float]) -> None:
    host.forge.troubles.append(Trouble("GET", None))
    host.comment().ok()
    assert host.forge.methods() == ["GET", "GET", "POST"]


@pytest.mark.parametrize("status", [None, 429, 500, 502, 503, 504])
def test_what_may_have_made_a_comment_is_not_sent_again(host: Host, status: int | None, waits: list[float]) -> None:
    host.forge.troubles.append(Trouble("POST", status, {"Retry-After": "0"}, done=True))
    done = host.comment()
    assert done.exit_code == 2
    assert len(host.forge.comments) == 1
    assert host.forge.methods() == ["GET", "POST"]
    assert "unchanged" in host.comment().ok().stdout


def test_a_host_that_stays_away_is_told_in_one_line(host: Host, waits: list[float]) -> None:
    host.forge.troubles += [Trouble("GET", 503) for _ in range(5)]
    done = host.comment()
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == (
        f"Error: 127.0.0.1 answered 503: {host.request} may lack its comment: run the command again"
    )
    assert host.forge.methods() == ["GET"] * 5
    assert sum(waits) < 30


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (Trouble("POST", 422, message="Validation Failed"), "answered 422 (Validation Failed)"),
        (Trouble("GET", 500), "answered 500"),
        (Trouble("GET", 403, {"x-ratelimit-remaining": "0"}, "API rate limit exceeded"), "(API rate limit exceeded)"),
        (Trouble("POST", 400, message=f"bad {TOKEN}\x1b[31m"), "answered 400 (bad …\\x1b[31m)"),
        (Trouble("POST", 502, html="<h1>Bad Gateway</h1>"), "answered 502: "),
        (Trouble("GET", 200, html="<h1>Sign in</h1>"), "answered with no comment as its API has them"),
        (Trouble("GET", 200, message="not a list"), "answered with no comment as its API has them"),
        (Trouble("POST", 201, message="no id"), "answered with no comment as its API has them"),
        (Trouble("GET", 200, html='[{"id":1,"x":' + "[" * 100_000), "answered with no comment as its API has them"),
        (Trouble("GET", 500, html='{"message":' + "[" * 100_000), "answered 500: "),
    ],
)
def test_other_trouble_is_told_in_one_line(host: Host, trouble: Trouble, words: str) -> None:
    host.forge.troubles.append(trouble)
    done = host.comment()
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr
    assert TOKEN not in done.stderr
    host.forge.troubles.clear()


def test_a_host_that_is_not_there_is_named(host: Host, waits: list[float]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://user:secret@127.0.0.1:{free.getsockname()[1]}"
        done = host.comment(env={"GITHUB_API_URL": address, "CI_API_V4_URL": address})
    assert done.exit_code == 2
    assert "Error: 127.0.0.1 can't be reached" in done.stderr
    assert "secret" not in done.stderr
    assert TOKEN not in done.stderr


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (requests.exceptions.SSLError("x"), "has a certificate that isn't trusted"),
        (requests.exceptions.ProxyError("http://me:secret@proxy"), "can't be reached through the proxy"),
        (requests.exceptions.ConnectTimeout("x"), "doesn't answer in time"),
        (requests.exceptions.ReadTimeout("x"), "doesn't answer in time"),
        (requests.exceptions.InvalidURL("http://user:secret@"), "can't be asked (InvalidURL)"),
        (LocationParseError("a label too long, secret"), "can't be asked (LocationParseError)"),
    ],
)
def test_each_failure_has_its_words(
    host: Host, monkeypatch: pytest.MonkeyPatch, error: requests.RequestException | LocationParseError, words: str
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise error

    monkeypatch.setattr(requests.Session, "request", fail)
    done = host.comment()
    assert done.exit_code == 2
    assert f"Error: 127.0.0.1 {words}" in done.stderr
    assert "secret" not in done.stderr


def test_a_next_page_without_an_address_is_told_in_one_line(github: Host) -> None:
    github.forge.troubles.append(Trouble("GET", 200, {"Link": '<http://[>; rel="next"'}, html="[]"))
    done = github.comment()
    assert (done.exit_code, done.stdout) == (2, "")
    assert "127.0.0.1 links to a next page that has no address" in done.stderr


def test_comments_without_end_are_not_read_for_ever(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.comments.client.MAX_PAGES", 2)
    for _ in range(5):
        host.forge.add("hello")
    done = host.comment()
    assert done.exit_code == 2
    assert f"{host.request} has over 200 comments: use --behavior new" in done.stderr


def test_a_post_is_tried_again_where_no_connection_came_about(host: Host, waits: list[float]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        host.comment(REPORT, "--behavior", "new", env={"GITHUB_API_URL": address, "CI_API_V4_URL": address})
    assert len(waits) == 3  # four more tries, the first of them at once
