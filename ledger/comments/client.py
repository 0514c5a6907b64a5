"""HTTP to GitHub's or GitLab's API: comments, with retries that never double one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from ledger.comments.hosts import NotPosted, Place
from ledger.errors import LedgerError
from ledger.logs import logger_of
from ledger.web import PatientRetry, failure_words

LOG = logger_of("comments")
T = TypeVar("T")

PER_PAGE = 100
MAX_PAGES = 1_000
TIMEOUT_SECONDS = (10, 30)  # to connect, and for each wait for bytes
_NO_ACCESS = (401, 403, 404)
_UNSURE = "may lack its comment: run the command again"


class _User(msgspec.Struct):
    login: str | None = None  # GitHub's name of it
    username: str | None = None  # GitLab's

    @property
    def name(self) -> str | None:
        return self.login or self.username


class Comment(msgspec.Struct):
    """A comment as both hosts have it; GitLab's own remarks are `system`."""

    id: int
    body: str | None = None
    system: bool = False
    user: _User | None = None  # GitHub's name of the author
    author: _User | None = None  # GitLab's

    @property
    def writer(self) -> str | None:
        """The account that wrote it; None where the host names none, as of one that is deleted."""
        user = self.user or self.author
        return None if user is None else user.name


class _Data(msgspec.Struct):
    viewer: _User | None = None


class _Account(_User):
    data: _Data | None = None  # of GraphQL

    @property
    def name(self) -> str | None:
        viewer = self if self.data is None else self.data.viewer
        return None if viewer is None else viewer.login or viewer.username


class Client:
    """Speaks to one place; to be closed, as it keeps connections open."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": "tollbook", **place.headers})
        # This in place of `auth` keeps requests from putting the password of a .netrc in the token's place.
        self._session.auth = lambda prepared: prepared
        # POST isn't one of them: what was perhaps received isn't sent again, as it would make a second comment.
        # A connection that never came about is tried again for every method.
        repeatable = {"GET", "PATCH", "PUT"}
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=_retries(repeatable)))
        self._session.mount(place.account_url, HTTPAdapter(max_retries=_retries({"GET", "POST"})))  # a question alone

        self.close = self._session.close

    def account(self) -> str | None:
        """The name of the account that the token belongs to; None where the host doesn't tell."""
        query = self._place.account_query
        try:
            response = self._send("GET" if query is None else "POST", self._place.account_url, json=query)
        except NotPosted:
            return None
        try:
            return msgspec.json.decode(response.content, type=_Account).name
        except (ValueError, RecursionError, msgspec.DecodeError):
            return None

    def comments(self) -> Iterator[Comment]:
        """Yields every comment that people or bots made, page by page."""
        query: Mapping[str, str] | None = {"per_page": str(PER_PAGE)}
        for _ in range(MAX_PAGES):
            response = self._send("GET", self._comments_url, params=query)
            yield from (comment for comment in self._read(response, list[Comment]) if not comment.system)
            query = self._next_page(response)
            if query is None:
                return
        raise LedgerError(f"{self._place.request} has over {MAX_PAGES * PER_PAGE:,} comments: use --behavior new")

    def create(self, text: str) -> int:
        """Makes a comment and returns its id."""
        return self._read(self._send("POST", self._comments_url, json={"body": text}), Comment).id

    def edit(self, comment_id: int, text: str) -> None:
        """Puts another text into a comment."""
        place = self._place
        self._send(place.edit_method, f"{place.api_url}{place.edit_path}/{comment_id}", json={"body": text})

    @property
    def _comments_url(self) -> str:
        return self._place.api_url + self._place.comments_path

    def _send(self, method: str, url: str, **content: Any) -> requests.Response:
        try:
            # A redirect isn't followed: the token is for this host alone.
            response = self._session.request(method, url, timeout=TIMEOUT_SECONDS, allow_redirects=False, **content)
        except (requests.RequestException, HTTPError) as error:
            raise LedgerError(f"{self._place.host} {failure_words(error)}: {self._place.request} {_UNSURE}") from None
        told = {"host": self._place.host, "method": method, "status": response.status_code}
        LOG.info("%(host)s answered %(status)d to %(method)s", told)
        if not 200 <= response.status_code < 300:
            self._refuse(response)
        return response

    def _refuse(self, response: requests.Response) -> None:
        place, status = self._place, response.status_code
        answer = f"{place.host} answered {status}{self._said(response)}"
        if 300 <= status < 400:
            raise LedgerError(f"{answer}: the API is at another address: set {place.api_variable} to that one")
        if status in _NO_ACCESS and not _is_rate_limit(response):
            raise NotPosted(f"no right to comment on {place.request}: {answer}; {place.permission}")
        raise LedgerError(f"{answer}: {place.request} {_UNSURE}")

    def _said(self, response: requests.Response) -> str:
        """The reason that the answer's JSON gives, in a few words, without the token."""
        try:
            document = msgspec.json.decode(response.content)
        except (ValueError, RecursionError, msgspec.DecodeError):
            return ""
        said = (document.get("message") or document.get("error")) if isinstance(document, dict) else None
        return f" ({str(said).replace(self._place.token, '…')[:200]})" if said else ""

    def _next_page(self, response: requests.Response) -> dict[str, str] | None:
        """The next page's query, which GitHub links to and GitLab names; the address stays ours."""
        link = response.links.get("next", {}).get("url")
        if link:
            try:
                return dict(parse_qsl(urlsplit(link).query))
            except ValueError as error:
                message = f"{self._place.host} links to a next page that has no address ({error})"
                raise LedgerError(f"{message}: check {self._place.api_variable}") from None
        page = response.headers.get("x-next-page", "").strip()
        return {"per_page": str(PER_PAGE), "page": page} if page else None

    def _read(self, response: requests.Response, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(response.content, type=kind)
        except (ValueError, RecursionError, msgspec.DecodeError) as error:
            message = f"{self._place.host} answered with no comment as its API has them ({error})"
            raise LedgerError(f"{message}: check {self._place.api_variable}") from None


def _retries(methods: Collection[str]) -> PatientRetry:
    return PatientRetry(
        total=4,
        connect=4,
        read=2,
        status=4,
        other=0,
        backoff_factor=0.5,
        allowed_methods=methods,
        status_forcelist={429, 502, 503, 504},
        raise_on_status=False,
    )


def _is_rate_limit(response: requests.Response) -> bool:
    return "retry-after" in response.headers or response.headers.get("x-ratelimit-remaining") == "0"
