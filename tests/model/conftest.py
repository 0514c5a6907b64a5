"""A ledger that the machine can empty."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.cli.app import App
from ledger.store.opening import open_ledger
from tests.conftest import Cli, PostgresLedgers
from tests.model.ledger import Ledger

# So that what fails is shown with its values.
pytest.register_assert_rewrite("tests.model.machine", "tests.model.views")


@pytest.fixture
def ledger(
    db_cli: Cli, db_url: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ledger]:
    """A ledger of the test's own that can be emptied, once on each database."""
    database = open_ledger(db_url)
    monkeypatch.setattr(App, "open", lambda _app, create=False: database)  # noqa: ARG005 - the option of that name
    yield Ledger(db_cli, database, _emptying(db_url, request))
    database.close()


def _emptying(url: str, request: pytest.FixtureRequest) -> Callable[[], None]:
    if url.startswith("sqlite"):
        template: Path = request.getfixturevalue("sqlite_template")
        path = Path(url.removeprefix("sqlite:///"))

        def copy() -> None:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            shutil.copyfile(template, path)

        return copy
    ledgers: PostgresLedgers = request.getfixturevalue("postgres_ledgers")
    name = url.rpartition("/")[2]

    def empty() -> None:
        ledgers.take_back(name)
        assert ledgers.lend() == name

    return empty
