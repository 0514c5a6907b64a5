"""A request whose row was archived is known when it comes again, as if the row were there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.book.archived import find_archived
from ledger.book.settings import store_settings
from ledger.lake.archive import archive as archive_rows
from ledger.store.opening import open_ledger
from tests.conftest import Cli, Outcome, close_connections
from tests.helpers.archives import APRIL, WHY, archive, figures, fill, of_march, stored
from tests.helpers.ledgers import CODE, LITE, PRO, counts, responses, value
from tests.helpers.sources import lines, record, response

AGAIN = {
    "the same": of_march("m1", tags={"team": "a"}),
    "another project": of_march("m1", project="elsewhere"),
    "without its model": of_march("m1", requested_model=..., reported_model="doubao-seed-2-0-lite-260215"),
    "another model": of_march("m1").replace(LITE, PRO),
    "another count": of_march("m1", output_tokens=9),
    "another second": of_march("m1").replace("10:07:00Z", "10:07:01Z"),
    "within the second": of_march("m1").replace("10:07:00Z", "10:07:00.25Z"),
    "another month": of_march("m1").replace("2026-03-05", "2026-04-05"),
    "another status": of_march("m1", status="failed"),
    "tier auto": of_march("m1", service_tier="auto"),
    "calls": of_march("m1", tool_calls=3),
    "another source": of_march("m1", source="second"),
    "twice, one otherwise": of_march("m2", output_tokens=9) + of_march("m2") + of_march("m2"),
    "stored": stored(),
    "stored otherwise": stored(tokens=5),
    "stored longer": stored(end="2026-03-02T14:00:00Z"),
    "a request of a stored id": of_march("s1"),
    "late": lines([record("late", occurred_at="2026-02-27T10:00:00Z", requested_model=CODE)]),
    "voided": responses([7]),
    "moved to another project": responses([4]),
    "all of it": responses(range(40)) + of_march("m1", "m2", "m3", "m4") + lines([response("a1", created_at=APRIL)]),
}


@pytest.mark.parametrize("usage", AGAIN.values(), ids=AGAIN.keys())
def test_what_comes_again_is_known_as_if_its_row_were_there(
    db_cli: Cli, cli: Cli, db_url: str, tmp_path: Path, usage: str
) -> None:
    def told(of: Cli) -> dict[str, Any]:
        outcomes = [of("ingest", "-", "--json", *dry, stdin=usage).json for dry in (["--dry-run"], [], [])]
        names = ("accepted", "duplicate", "conflict", "rejected", "rejections", "by_project")
        return {"outcomes": [[each.get(name) for name in names] for each in outcomes], "figures": figures(of)}

    other = ("--db", f"sqlite:///{tmp_path / 'other.db'}")

    def unarchived(*args: object, **more: Any) -> Outcome:
        return cli(*args, *other, **more)

    for ledger in (db_cli, unarchived):
        fill(ledger)
    archive(db_cli).ok()
    assert told(db_cli) == told(unarchived)
    db_cli("verify").ok()
    db_cli("verify", "--archive", "kept").ok()


def test_a_running_application_hears_of_it(db_cli: Cli, db_url: str) -> None:
    fill(db_cli)
    with Ledger(db_url) as book:
        assert book.record(response("now", created_at=APRIL)).status == "accepted"
        archive(db_cli).ok()
        again = [response("resp_000003"), response("new", created_at=APRIL)]
        assert [each.status for each in book.record_many(again)] == ["conflict", "accepted"]
        assert book.record(response("late")).status == "conflict"
    close_connections()
    db_cli("verify").ok()


def test_who_archives_knows_it_too(db_cli: Cli, db_url: str) -> None:
    fill(db_cli)
    database, wanted = open_ledger(db_url), ("resp_000003", "evolink", "request")
    with database.writing() as connection:
        assert find_archived(connection, [wanted]) == {}
        store_settings(database, connection, {"noted": "so that there is an entry of the log to go on from"})
    archive_rows(database, "2026-03", "kept")
    with database.writing() as connection:
        assert list(find_archived(connection, [wanted])) == [wanted]
    database.close()


def test_of_labels_that_differ_projects_are_known_and_tags_are_not(db_cli: Cli) -> None:
    fill(db_cli)
    archive(db_cli).ok()
    assert db_cli("ingest", "-", "--json", stdin=AGAIN["another project"]).json["differing_labels"] == 1
    assert db_cli("ingest", "-", "--json", stdin=AGAIN["the same"]).json["differing_labels"] == 0


def test_a_conflict_with_it_is_adjusted_not_accepted(db_cli: Cli, tmp_path: Path) -> None:
    fill(db_cli)
    db_cli("ingest", "-", stdin=of_march("m1", output_tokens=9))
    archive(db_cli).ok()
    assert f"archived to {tmp_path / 'kept'}" in db_cli("quarantine", "show", "1").ok().stderr
    refused = db_cli("quarantine", "accept", "1", *WHY)
    assert (refused.exit_code, f"archived to {tmp_path / 'kept'}" in refused.stderr) == (2, True)
    assert db_cli("quarantine", "retry", "1", "--json").json["recorded"] == []
    db_cli("verify").ok()


def test_what_was_redacted_stays_and_is_known(db_cli: Cli, db_url: str) -> None:
    fill(db_cli)
    db_cli("redact", "--id", "m2", "--tag", "team=a", "--yes", *WHY).ok()
    archive(db_cli).ok()
    assert counts(db_cli("ingest", "-", "--json", stdin=of_march("m1", "m2")).json) == {"duplicate": 2}
    assert value(db_url, "SELECT count(*) FROM booked_usage WHERE request_id LIKE 'redacted:%'") == 1
    looked = db_cli("redact", "--tag", "user=nobody", *WHY).ok()
    assert "weren't looked at" in looked.stderr
    db_cli("verify", "--archive", "kept").ok()


def test_an_id_that_is_redacted_elsewhere_stays_known(db_cli: Cli) -> None:
    fill(db_cli)
    archive(db_cli).ok()
    db_cli("ingest", "-", stdin=lines([record("m1", requested_model=LITE, source="second", occurred_at=APRIL)])).ok()
    db_cli("redact", "--id", "m1", "--yes", *WHY).ok()
    assert counts(db_cli("ingest", "-", "--json", stdin=of_march("m1")).json) == {"duplicate": 1}
    assert counts(db_cli("ingest", "-", "--json", stdin=of_march("m1", output_tokens=9)).json) == {"conflict": 1}
    refused = db_cli("redact", "--id", "m1", "--yes", *WHY)
    assert (refused.exit_code, "quarantine entry 1 is of usage that was archived" in refused.stderr) == (2, True)
    db_cli("quarantine", "discard", "1", *WHY).ok()
    db_cli("redact", "--id", "m1", "--yes", *WHY).ok()
    assert counts(db_cli("ingest", "-", "--json", stdin=of_march("m1")).json) == {"duplicate": 1}
    db_cli("verify").ok()
