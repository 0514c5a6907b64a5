"""The place of a comment by the CI's variables: a pull or merge request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import msgspec

from ledger.errors import LedgerError

_PULL_REF = re.compile(r"refs/pull/([1-9][0-9]{0,17})/", re.ASCII)
_REPOSITORY = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+", re.ASCII)
_TOKEN = re.compile(r"[!-~]+", re.ASCII)

GITHUB_MAX_CHARACTERS = 65_536
GITLAB_MAX_CHARACTERS = 1_000_000


class NotPosted(Exception):  # noqa: N818 - no error: the job goes on
    """No comment and no error: nothing to comment on, or no right to write there."""


@dataclass(frozen=True, slots=True)
class Place:
    """A request's comments and their host's API; the headers hold the token: never shown."""

    request: str
    api_url: str
    api_variable: str
    comments_path: str
    edit_path: str
    edit_method: Literal["PATCH", "PUT"]
    account_url: str
    account_query: Mapping[str, str] | None
    max_characters: int
    permission: str
    token: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    @property
    def host(self) -> str:
        """The API's host, without what a URL may hold of names and passwords."""
        return urlsplit(self.api_url).hostname or self.api_variable


def github_place(env: Mapping[str, str], number: int | None = None) -> Place:
    """The pull request of a GitHub job, or of that number; NotPosted where there is none."""
    number = number or _pull_request(env)
    if number is None:
        raise NotPosted("not on a pull request: no comment; --pull-request N names one")
    token = _token(env, "GITHUB_TOKEN", "GH_TOKEN")
    repository = env.get("GITHUB_REPOSITORY", "")
    if not _REPOSITORY.fullmatch(repository):
        raise LedgerError(f"GITHUB_REPOSITORY {repository!r}: set it to OWNER/NAME of the repository")
    api_url = _api_url(env, "GITHUB_API_URL", "https://api.github.com")
    return Place(
        request=f"pull request #{number}",
        api_url=api_url,
        api_variable="GITHUB_API_URL",
        # A pull request's comments are those of the issue of the same number; the others belong to lines of code.
        comments_path=f"/repos/{repository}/issues/{number}/comments",
        edit_path=f"/repos/{repository}/issues/comments",
        edit_method="PATCH",
        # GET /user is refused to a job's own token. A server of one's own has /api/graphql beside /api/v3.
        account_url=f"{api_url.removesuffix('/v3')}/graphql",
        account_query={"query": "{viewer{login}}"},
        max_characters=GITHUB_MAX_CHARACTERS,
        permission="the job's token needs `pull-requests: write`, which pull requests from forks don't get",
        token=token,
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "X-GitHub-Api-Version": "2022-11-28",
        },
    )


def gitlab_place(env: Mapping[str, str], number: int | None = None) -> Place:
    """The merge request of a GitLab pipeline, or of that iid; NotPosted where there is none."""
    number = number or _digits(env, "CI_MERGE_REQUEST_IID")
    if number is None:
        raise NotPosted("not on a merge request: no comment; --merge-request IID names one")
    token = _token(env, "GITLAB_TOKEN")
    # A fork's pipeline runs in the fork, its merge request is in the project that it wants to be merged into.
    project = env.get("CI_MERGE_REQUEST_PROJECT_ID") or env.get("CI_PROJECT_ID")
    if not project:
        raise LedgerError("CI_PROJECT_ID is not set: set it to the project's number or its path, GROUP/NAME")
    notes = f"/projects/{quote(project, safe='')}/merge_requests/{number}/notes"
    api_url = _api_url(env, "CI_API_V4_URL", "https://gitlab.com/api/v4")
    return Place(
        request=f"merge request !{number}",
        api_url=api_url,
        api_variable="CI_API_V4_URL",
        comments_path=notes,
        edit_path=notes,
        edit_method="PUT",
        account_url=f"{api_url}/user",
        account_query=None,
        max_characters=GITLAB_MAX_CHARACTERS,
        permission="GITLAB_TOKEN must be an access token with the scope `api` and at least the role Reporter",
        token=token,
        headers={"Accept": "application/json", "PRIVATE-TOKEN": token},
    )


def _pull_request(env: Mapping[str, str]) -> int | None:
    """The number that the ref names (refs/pull/7/merge), else the event that started the job."""
    found = _PULL_REF.match(env.get("GITHUB_REF", ""))
    if found:
        return int(found[1])
    path = env.get("GITHUB_EVENT_PATH")
    return _number_in(_event(path)) if path else None


def _event(path: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        return msgspec.json.decode(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError, msgspec.DecodeError) as error:
        raise LedgerError(f"GITHUB_EVENT_PATH {path}: can't be read: {error}: or give --pull-request N") from error


def _number_in(event: Any) -> int | None:  # noqa: ANN401 - any JSON
    """The pull request's number in an event: of its own events, or of a comment on it."""
    if not isinstance(event, dict):
        return None
    pull_request, issue = event.get("pull_request"), event.get("issue")
    if isinstance(issue, dict) and "pull_request" not in issue:
        return None  # an issue, whose comments are reached by the same address
    numbers = [part.get("number") for part in (pull_request, event, issue) if isinstance(part, dict)]
    return next((number for number in numbers if type(number) is int and number > 0), None)


def _digits(env: Mapping[str, str], name: str) -> int | None:
    text = env.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19) or int(text) == 0:
        raise LedgerError(f"{name} {text!r}: must be the number of the merge request")
    return int(text)


def _token(env: Mapping[str, str], *names: str) -> str:
    for name in names:
        token = env.get(name, "").strip()
        if token and not _TOKEN.fullmatch(token):
            raise LedgerError(
                f"{name} holds characters that no token has (blanks, line breaks or the like): set it again"
            )
        if token:
            return token
    raise NotPosted(f"{names[0]} is not set: no right to write a comment, none is made")


def _api_url(env: Mapping[str, str], name: str, default: str) -> str:
    url = (env.get(name) or default).rstrip("/")
    with suppress(ValueError):  # of http://[
        if url.startswith(("https://", "http://")) and urlsplit(url).hostname:
            return url
    raise LedgerError(f"{name}: must be an address that begins with https:// or http://")
