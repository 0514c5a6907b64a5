"""A source's usage is in the book or in a lake: whoever books asks once, and hears of a lake that took a new one."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, event

from ledger import Ledger
from tests.conftest import Cli, close_connections
from tests.helpers.lakes import cell_rows, write_lake
from tests.helpers.ledgers import PRO, responses, rows
from tests.helpers.sources import lines, record, response

MONTH = "2026-02"


def lake_of_source(cli: Cli, folder: Path, source: str) -> Path:
    other = f"sqlite:///{folder / 'other.db'}"
    cli("ingest", "-", "--db", other, stdin=responses(range(3))).ok()
    close_connections()
    return write_lake(folder / "lake", MONTH, [row | {"source": source} for row in cell_rows(other, MONTH)])


def test_a_running_application_hears_of_a_lake(cli: Cli, db_url: str, tmp_path: Path) -> None:
    manifest = lake_of_source(cli, tmp_path, "gateway")
    book, gateway = Ledger(db_url), Ledger(db_url, source="gateway")
    with book, gateway:
        assert book.record(response("b1")).status == "accepted"
        cli("lake", "post", manifest, "--db", db_url).ok()
        assert gateway.record(response("g1")).status == "rejected"
        assert book.record(response("b2")).status == "accepted"
        assert gateway.record(response("g1")).status == "rejected"
    assert rows(db_url, "SELECT reason, seen, source FROM quarantine") == [("source_in_lake", 2, "gateway")]
    cli("verify", "--db", db_url).ok()


def test_the_home_of_a_book_s_source_is_looked_up_once(db_url: str) -> None:
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        asked.extend([statement] if "sources.lake" in statement else [])

    with Ledger(db_url) as ledger:
        ledger.record(response("b0"))
        event.listen(Engine, "before_cursor_execute", note)
        try:
            for number in range(1, 6):
                assert ledger.record(response(f"b{number}")).status == "accepted"
        finally:
            event.remove(Engine, "before_cursor_execute", note)
    assert len(asked) == 1


def test_the_rest_of_a_file_is_recorded(db_cli: Cli, cli: Cli, db_url: str, tmp_path: Path) -> None:
    db_cli("lake", "post", lake_of_source(cli, tmp_path, "gateway")).ok()
    stated = [record(f"r{number}", source=("gateway", "own")[number % 2], requested_model=PRO) for number in range(10)]
    done = db_cli("ingest", "-", "--json", stdin=lines(stated)).json
    assert (done["accepted"], done["rejected"]) == (5, 5)
    tried = db_cli(
        "ingest", "-", "--json", "--dry-run", stdin=lines([record("x", source="gateway", requested_model=PRO)])
    ).json
    assert (tried["accepted"], tried["rejected"]) == (0, 1)
    assert rows(db_url, "SELECT source, lake FROM sources ORDER BY source")[1] == ("own", None)
    db_cli("verify").ok()
