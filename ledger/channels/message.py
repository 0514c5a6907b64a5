"""A message as a value, whichever channel it goes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

MARK = "tollbook"
"""The first word of each title: a Feishu bot may be set to take only messages that have it."""


class NotDelivered(Exception):  # noqa: N818 - no error of the run: the next one tries again
    """The message didn't arrive, or may not have; the words name neither an address nor a secret."""


class Attachment(NamedTuple):
    """A page to be sent as a file of that name, where the channel has files."""

    name: str
    html: str


@dataclass(frozen=True, slots=True)
class Message:
    """A title and lines for people, `facts` for programs: the same under one `event_id` each time it is sent.

    The id is empty where it isn't an event yet. Texts are plain, with unsafe characters already made visible.
    """

    event_id: str
    title: str
    lines: tuple[str, ...]
    facts: Mapping[str, object]
    attachment: Attachment | None = None

    @property
    def heading(self) -> str:
        return f"{MARK}: {self.title}"

    @property
    def body(self) -> str:
        """The lines under the heading, the last one the event's id."""
        return "\n".join([*self.lines, *([f"event {self.event_id}"] if self.event_id else [])])
