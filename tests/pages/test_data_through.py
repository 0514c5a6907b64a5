"""Up to when a page has data: its own month and projects, and for ever the same once the month is closed."""

from __future__ import annotations

from datetime import UTC, datetime

from ledger.pages.figures.read import read_month
from ledger.store.opening import open_ledger
from tests.conftest import Cli
from tests.helpers.ledgers import PRO
from tests.helpers.sources import lines, record
from tests.helpers.wallets import close


def use(cli: Cli, at: str, project: str) -> None:
    usage = record(f"{at}-{project}", occurred_at=at, requested_model=PRO, project=project, input_tokens=9)
    cli("ingest", "-", stdin=lines([usage])).ok()


def data_through(url: str, month: str, project: str | None = None) -> str | None:
    now = datetime(2026, 5, 2, tzinfo=UTC)
    return read_month(open_ledger(url), month, project=project, now=now).completeness.data_through


def test_a_page_has_data_through_the_last_usage_of_its_month_and_project(db_cli: Cli, db_url: str) -> None:
    search, ide = "2026-02-03T10:00:00Z", "2026-03-05T10:00:00Z"
    use(db_cli, search, "search")
    use(db_cli, ide, "ide")
    assert [data_through(db_url, f"2026-{month:02}") for month in (1, 2, 3, 4)] == [None, search, ide, ide]
    assert data_through(db_url, "2026-04", "search") == search


def test_what_comes_after_the_close_doesnt_change_it(db_cli: Cli, db_url: str) -> None:
    use(db_cli, "2026-02-03T10:00:00Z", "search")
    close(db_cli, "2026-03")
    use(db_cli, "2026-03-30T10:00:00Z", "search")
    assert data_through(db_url, "2026-03") == "2026-02-03T10:00:00Z"
    assert data_through(db_url, "2026-04") == "2026-03-30T10:00:00Z"
