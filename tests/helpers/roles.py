"""Roles of PostgreSQL that tests connect as, each gone after its test."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import make_url

from tests.conftest import close_connections
from tests.helpers.ledgers import execute

_numbers = itertools.count(1)


@contextmanager
def role(url: str, *grants: str) -> Iterator[str]:
    """The URL of the same database for a role that may what the grants say, `{role}` standing for its name."""
    name = f"tollbook_test_{os.getpid()}_role_{next(_numbers)}"
    execute(url, f"CREATE ROLE {name} LOGIN PASSWORD 'of-a-test'")
    try:
        execute(url, *(grant.format(role=name) for grant in grants))
        yield as_role(url, name)
    finally:
        close_connections()
        execute(url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def as_role(url: str, name: str) -> str:
    """The URL for another role."""
    return make_url(url).set(username=name, password="of-a-test").render_as_string(hide_password=False)
