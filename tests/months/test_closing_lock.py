"""A close reads the month's rows while others may write, and has what they wrote until it held the lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection

from ledger.months.rows import MonthRows, RowsRead
from ledger.store.database import Database
from tests.conftest import Cli
from tests.helpers.ledgers import LITE, lock_is_free, rows
from tests.helpers.sources import lines, record


def ingest(cli: Cli, *ids: str) -> None:
    at = "2026-02-28T12:00:00Z"
    made = (record(name, occurred_at=at, requested_model=LITE, input_tokens=1_000, output_tokens=0) for name in ids)
    cli("ingest", "-", stdin=lines(made)).ok()


def test_rows_posted_while_they_were_read_are_closed_too(
    db_cli: Cli, db_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(db_cli, "a", "b")
    writing, read = Database.writing, RowsRead.read
    last: list[int] = []
    free: list[bool] = []

    @contextmanager
    def once_another_wrote(self: Database) -> Iterator[Connection]:
        monkeypatch.setattr(Database, "writing", writing)
        ingest(db_cli, "c")
        with self.writing() as connection:
            yield connection

    def looked_at(self: RowsRead, connection: Connection, last_charge_id: int | None = None) -> MonthRows:
        last.append(self._last)
        free.append(lock_is_free(db_url))
        return read(self, connection, last_charge_id)

    monkeypatch.setattr(Database, "writing", once_another_wrote)
    monkeypatch.setattr(RowsRead, "read", looked_at)
    found = db_cli("close", "2026-02", "--json").ok().json["closed"]
    monkeypatch.setattr(RowsRead, "read", read)
    # Two rows are read while others may write, under the lock the third alone.
    assert list(zip(last, free, strict=True)) == [(0, True), (2, False)]
    assert [(month["charges"], month["amounts"]) for month in found] == [(3, {"CRD": "0.018"})]
    assert rows(db_url, "SELECT charges, last_charge_id, rows_digest FROM closings") == [(3, 3, found[0]["digest"])]
    db_cli("verify").ok()


def test_what_objects_meanwhile_is_heard(db_cli: Cli, db_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(db_cli, "a")
    writing = Database.writing

    @contextmanager
    def once_another_wrote(self: Database) -> Iterator[Connection]:
        monkeypatch.setattr(Database, "writing", writing)
        made = lines([record("x", occurred_at="2026-02-28T12:00:00Z", requested_model="unheard-of")])
        db_cli("ingest", "-", "--allow-rejected", 1, stdin=made).ok()
        with self.writing() as connection:
            yield connection

    monkeypatch.setattr(Database, "writing", once_another_wrote)
    refused = db_cli("close", "2026-02")
    assert (refused.exit_code, "1 quarantined line is of that month" in refused.stderr) == (2, True)
    assert rows(db_url, "SELECT * FROM closings") == []
