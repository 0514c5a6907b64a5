"""A stand-in for GitHub and GitLab: the comments of one request, on 127.0.0.1, as both APIs have them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.helpers.server import serving

TOKEN = "ghp_0123456789"
ME = "github-actions[bot]"
# Where a host says whose a token is: GitHub's GraphQL, on a server of one's own beside /api/v3; GitLab's /user.
ACCOUNT = re.compile(r"(?P<github>(?:/api)?/graphql)|/user")
ADDRESS = re.compile(
    r"(?:/api/v3)?/(?:repos/acme/shop/issues/(?P<pull>\d+)/comments|repos/acme/shop/issues/comments/(?P<github>\d+)"
    r"|projects/(?P<project>[^/]+)/merge_requests/(?P<merge>\d+)/notes(?:/(?P<gitlab>\d+))?)"
)


@dataclass
class Trouble:
    """An answer that a request gets in the place of its own. Without a status the connection just ends."""

    method: str
    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    html: str = ""
    done: bool = False  # whether the request had been carried out all the same


@dataclass
class Forge:
    """What stands on the host and what was asked of it; a page holds `page_size`, however many are asked for."""

    url: str
    page_size: int = 2
    may_write: bool = True
    comments: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    tells_account: bool = True

    def add(self, body: str | None, author: str | None = ME, *, system: bool = False) -> int:
        number = 101 + len(self.comments)
        self.comments.append({"id": number, "body": body, "author": author, "system": system})
        return number

    def bodies(self) -> list[str]:
        return [comment["body"] for comment in self.comments]

    def methods(self) -> list[str]:
        """The requests in order: by method, `WHOSE` where it is whose the token is."""
        return [_kind(method, path) for method, path in self.asked]


def _kind(method: str, path: str) -> str:
    return "WHOSE" if ACCOUNT.fullmatch(urlsplit(path).path) else method


class Handler(BaseHTTPRequestHandler):
    forge: Forge

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def do_PATCH(self) -> None:
        self.answer()

    def do_PUT(self) -> None:
        self.answer()

    def answer(self) -> None:
        forge, given = self.forge, self.rfile.read(int(self.headers.get("Content-Length") or 0))
        forge.asked.append((self.command, self.path))
        forge.headers.append({name.lower(): value for name, value in self.headers.items()})
        kind = _kind(self.command, self.path)
        trouble = next((trouble for trouble in forge.troubles if trouble.method == kind), None)
        if trouble is None or trouble.done:
            status, document, headers = self.outcome(given)
        if trouble is not None:
            forge.troubles.remove(trouble)
            if trouble.status is None:
                self.close_connection = True
                return
            content = trouble.html.encode() or json.dumps({"message": trouble.message}).encode()
            self.send(trouble.status, content, trouble.headers)
        else:
            self.send(status, json.dumps(document).encode(), headers)

    def outcome(self, content: bytes) -> tuple[int, Any, dict[str, str]]:
        account = ACCOUNT.fullmatch(urlsplit(self.path).path)
        if account is not None:
            return self.account(content, on_github=account["github"] is not None)
        address = ADDRESS.fullmatch(urlsplit(self.path).path)
        if address is None:
            return 404, {"message": "Not Found"}, {}
        on_github = address["project"] is None
        if not self.has_token(on_github):
            return 401, {"message": "Bad credentials"}, {}
        if self.command == "GET":
            return self.page(on_github)
        if not self.forge.may_write:
            return 403, {"message": "Resource not accessible by integration"}, {}
        body = json.loads(content)["body"]
        if self.command == "POST":
            return 201, {"id": self.forge.add(body), "body": body}, {}
        if self.command != ("PATCH" if on_github else "PUT"):
            return 405, {"message": "Method Not Allowed"}, {}
        return self.edit(int(address["github"] or address["gitlab"]), body)

    def has_token(self, on_github: bool) -> bool:
        given = self.headers.get("Authorization") if on_github else self.headers.get("PRIVATE-TOKEN")
        return given == (f"Bearer {TOKEN}" if on_github else TOKEN)

    def account(self, content: bytes, on_github: bool) -> tuple[int, Any, dict[str, str]]:
        """GraphQL has its errors in an answer of 200."""
        if self.command != ("POST" if on_github else "GET"):
            return 404, {"message": "Not Found"}, {}
        if not self.has_token(on_github):
            return 401, {"message": "Bad credentials"}, {}
        if not on_github:
            return (200, {"id": 9, "username": ME}, {}) if self.forge.tells_account else (403, {"message": "No"}, {})
        assert json.loads(content) == {"query": "{viewer{login}}"}
        if self.forge.tells_account:
            return 200, {"data": {"viewer": {"login": ME}}}, {}
        return 200, {"data": None, "errors": [{"type": "FORBIDDEN", "message": "No"}]}, {}

    def page(self, on_github: bool) -> tuple[int, Any, dict[str, str]]:
        """GitHub lists the oldest first and links to the next page, GitLab the newest first and numbers it."""
        forge = self.forge
        number = int(parse_qs(urlsplit(self.path).query).get("page", ["1"])[0])
        comments = forge.comments if on_github else forge.comments[::-1]
        chosen = comments[(number - 1) * forge.page_size : number * forge.page_size]
        shown = [_on_github(comment) if on_github else _on_gitlab(comment) for comment in chosen]
        is_last = number * forge.page_size >= len(comments)
        if not on_github:
            return 200, shown, {"x-next-page": "" if is_last else str(number + 1)}
        link = f'<{forge.url}/repositories/7/issues/1/comments?per_page=100&page={number + 1}>; rel="next"'
        return 200, shown, {} if is_last else {"Link": f'{link}, <{forge.url}/last>; rel="last"'}

    def edit(self, number: int, body: str) -> tuple[int, Any, dict[str, str]]:
        [comment] = [comment for comment in self.forge.comments if comment["id"] == number]
        assert comment["author"] == ME, "a host may let this pass: it must not be tried"
        comment["body"] = body
        return 200, {"id": number, "body": body}, {}

    def send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Silence: what a test prints is its own."""


def _on_github(comment: dict[str, Any]) -> dict[str, Any]:
    author = comment["author"]
    return {"id": comment["id"], "body": comment["body"], "user": author and {"login": author, "type": "User"}}


def _on_gitlab(comment: dict[str, Any]) -> dict[str, Any]:
    author = comment["author"]
    return comment | {"author": author and {"username": author, "name": "Someone"}}


@contextmanager
def running_forge() -> Iterator[Forge]:
    """The host, answered until the block ends."""
    forge = Forge("")
    with serving(type("ForgeHandler", (Handler,), {"forge": forge})) as forge.url:
        yield forge
