"""One comment of our own kept up to date, or a new one each time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Literal, NamedTuple, TypeAlias

from ledger.comments.body import Body, first_line, fitted, is_same
from ledger.comments.client import Client, Comment
from ledger.comments.hosts import Place

Behavior: TypeAlias = Literal["update", "new"]
Action: TypeAlias = Literal["create", "update", "unchanged", "quiet"]


class Plan(NamedTuple):
    """The action, the comment's id where there is one, and a remark on those that are left alone."""

    action: Action
    comment_id: int | None = None
    remark: str | None = None


def post_comment(place: Place, body: Body, behavior: Behavior = "update") -> Plan:
    """Carries out the plan, and returns it with the comment's id; None where there was nothing to say."""
    text = fitted(body.text, place.max_characters)
    with closing(Client(place)) as client:
        plan = _plan(client, place, body, behavior)
        if plan.action == "create":
            return plan._replace(comment_id=client.create(text))
        if plan.action == "update":
            assert plan.comment_id is not None
            client.edit(plan.comment_id, text)
        return plan


def plan_comment(place: Place, body: Body, behavior: Behavior = "update") -> Plan:
    """Reads what is there and returns what `post_comment` would do; writes nothing."""
    with closing(Client(place)) as client:
        return _plan(client, place, body, behavior)


def _plan(client: Client, place: Place, body: Body, behavior: Behavior) -> Plan:
    """Edits the newest comment of our own with the body's marker, where the text differs, else makes one.

    `new` always makes one. A quiet body makes none, it only updates.
    """
    marked = _marked(client, body.marker) if behavior == "update" else []
    # Whose the token is is asked only where it decides something.
    account = client.account() if marked else None
    ours = next((comment for comment in marked if account is not None and comment.writer == account), None)
    if ours is not None:
        same = is_same(ours.body or "", fitted(body.text, place.max_characters))
        return Plan("unchanged" if same else "update", ours.id)
    return Plan("quiet" if body.quiet else "create", None, _remark(place, marked, account))


def _marked(client: Client, marker: str) -> list[Comment]:
    """Finds the comments whose first line is the marker, newest first: a quoted one has a `>` before it."""
    marked = [comment for comment in client.comments() if first_line(comment.body or "") == marker]
    return sorted(marked, key=lambda comment: comment.id, reverse=True)


def _remark(place: Place, marked: Sequence[Comment], account: str | None) -> str | None:
    """Tells of the newest comment with our marker that isn't known to be ours: anyone can write one."""
    if not marked:
        return None
    newest = f"comment {marked[0].id} on {place.request} begins with the same marker and is left alone"
    if account is None:
        return f"{newest}: {place.host} doesn't tell whose the token is, so that it may be someone else's"
    return f"{newest}: it was written by {marked[0].writer or 'an account that is gone'}, the token is {account}'s"
