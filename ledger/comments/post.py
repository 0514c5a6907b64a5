"""One comment kept up to date, or a new one each time."""

from __future__ import annotations

from contextlib import closing
from typing import Literal, NamedTuple, TypeAlias

from ledger.comments.body import Body, first_line, fitted, is_same
from ledger.comments.client import Client, Comment
from ledger.comments.hosts import Place

Behavior: TypeAlias = Literal["update", "new"]
Action: TypeAlias = Literal["created", "updated", "unchanged", "quiet"]


class Posted(NamedTuple):
    """The action and the comment's id; None where there was nothing to say."""

    action: Action
    comment_id: int | None


def post_comment(place: Place, body: Body, behavior: Behavior = "update") -> Posted:
    """Edits the newest comment with the body's marker, where the text differs, else makes one.

    `new` always makes one. A quiet body makes none, it only updates.
    """
    text = fitted(body.text, place.max_characters)
    with closing(Client(place)) as client:
        ours = _newest(client, body.marker) if behavior == "update" else None
        if ours is not None:
            if is_same(ours.body or "", text):
                return Posted("unchanged", ours.id)
            client.edit(ours.id, text)
            return Posted("updated", ours.id)
        return Posted("quiet", None) if body.quiet else Posted("created", client.create(text))


def _newest(client: Client, marker: str) -> Comment | None:
    """The newest of our own, known by the first line: a quoted one has a `>` before it."""
    ours = [comment for comment in client.comments() if first_line(comment.body or "") == marker]
    return max(ours, key=lambda comment: comment.id, default=None)
