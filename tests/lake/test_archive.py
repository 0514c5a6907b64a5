"""Rows of closed months moved to files: figures stay, what comes again is known, and the files can be read back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ledger import Ledger
from ledger.lake import archive as archiving
from ledger.store.tables import metadata
from tests.conftest import Cli, Outcome, PostgresServer, close_connections
from tests.helpers.ledgers import CODE, LITE, PRO, connected, counts, execute, responses, rows, tamper, value
from tests.helpers.sources import lines, record, response

APRIL = 1_775_500_000  # 2026-04-06
STORED = {"kind": "cache_storage", "requested_model": PRO, "tokens": 1_000_000, "occurred_at": ...}
DURING = {"start": "2026-03-02T10:30:00Z", "end": "2026-03-02T13:00:00Z"}
NO_TOKENS = dict.fromkeys(("input_tokens", "output_tokens"), ...)
WHY = ("--reason", "as agreed")


def of_march(*ids: str, **changes: Any) -> str:
    of = {"occurred_at": "2026-03-05T10:07:00Z", "requested_model": LITE}
    return lines(record(name, **(of | changes)) for name in ids)


def stored(name: str = "s1", **changes: Any) -> str:
    return lines([record(name, **(STORED | DURING | NO_TOKENS | changes))])


def fill(cli: Cli) -> None:
    """Books two months and a part of a third, some of it late, corrected, voided or with calls of tools; closes two."""
    cli("db", "init", "--timezone", "Asia/Shanghai").ok()
    cli("ingest", "-", stdin=responses(range(40))).ok()
    cli("ingest", "-", stdin=of_march("m1", "m2", "m3", tags={"team": "a", "user": 'x"=1,\n'}) + stored()).ok()
    cli("close", "2026-02", "--force", *WHY).ok()
    late = lines([record("late", occurred_at="2026-02-27T10:00:00Z", requested_model=CODE)])
    cli("ingest", "-", stdin=late + lines([response("a1", created_at=APRIL)])).ok()
    cli("void", "--id", "resp_000007", *WHY).ok()
    cli("reassign", "--project", "project-1", "--to", "other", "--id", "resp_000004", *WHY).ok()
    cli("adjust", "--project", "search", "--amount", "-0.5usd", "--month", "2026-03", "--reference", "CN-1", *WHY).ok()
    cli("close", "2026-03", "--force", *WHY).ok()


def archive(cli: Cli, through: str = "2026-03", lake: str = "kept", *more: str) -> Outcome:
    return cli("archive", "--through", through, "-o", lake, "--json", *more)


def figures(cli: Cli) -> dict[str, Any]:
    """What of a ledger doesn't need rows."""
    asked = {
        "months": ("report", "--by", "month", "--by", "model", "--by", "project", "--by", "tier"),
        "days": ("report", "--by", "day", "--basis", "occurred"),
        "chargeback": ("export", "chargeback", "--month", "2026-03"),
        "focus": ("export", "focus", "--month", "2026-02", "--grain", "day"),
    }
    return {name: cli(*args, "--json").ok().json for name, args in asked.items()}


def test_figures_stay_and_the_rows_can_be_read_back(db_cli: Cli, db_url: str) -> None:
    fill(db_cli)
    before, count = figures(db_cli), value(db_url, "SELECT count(*) FROM booked_usage")
    would = archive(db_cli, "2026-03", "kept", "--dry-run").ok().json
    moved = archive(db_cli).ok().json
    assert (would["rows"], would["staying"]) == (moved["rows"], moved["staying"]) == (43, 2)
    assert value(db_url, "SELECT count(*) FROM booked_usage") == count - 43
    assert figures(db_cli) == before
    db_cli("verify").ok()
    read = db_cli("verify", "--archive", "kept", "--json").ok().json["checked"]
    assert (read["archived rows"], read["usage_records"]) == (43, count)
    db_cli("db", "rollups", "--none").ok()
    assert figures(db_cli) == before
    state = db_cli("status", "--json").json
    assert (state["archived_through"], state["archived_to"]) == ("2026-03", [moved["location"]])
    nothing = archive(db_cli).ok()
    assert (nothing.json["rows"], nothing.json["files"], "no rows posted" in nothing.stderr) == (0, 0, True)


def test_files_say_what_they_hold(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    fill(db_cli)
    [[nano, tokens]] = rows(
        db_url, "SELECT sum(amount_nano), sum(u.input_tokens) FROM charges c JOIN usage_records u ON u.id = c.id"
        " WHERE charge_class = 'charge' AND billed_model LIKE '%lite' AND posted_month = '2026-03'"
    )  # fmt: skip
    archive(db_cli).ok()
    files = str(tmp_path / "kept/archive/*.parquet")
    query = (
        "SELECT sum(input_nano + cached_input_nano + output_nano), sum(input_tokens), min(year(occurred_at))"
        f" FROM read_parquet('{files}') WHERE billed_model LIKE '%lite' AND posted_month = '2026-03'"
    )
    assert duckdb.connect().execute(query).fetchall() == [(nano, tokens, 2026)]


EXPORTS = {
    "charges of a closed month": ("charges", "--month", "2026-02"),
    "charges of another": ("charges", "--month", "2026-03"),
    "charges of all time": ("charges",),
    "charges of some hours": ("charges", "--since", "2026-02-19T09:00:00Z", "--until", "2026-03-05T10:07:00Z"),
    "focus": ("focus", "--month", "2026-02", "--grain", "charge"),
    "focus of another month": ("focus", "--month", "2026-03", "--grain", "charge"),
}


@pytest.mark.parametrize("args", EXPORTS.values(), ids=EXPORTS.keys())
def test_exports_with_the_archive_are_the_same_bytes(
    db_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    monkeypatch.setattr(archiving, "_ROWS", 7)
    fill(db_cli)

    def exported(*more: str) -> bytes:
        db_cli("export", *args, *more, "-o", "exported.csv").ok()
        return (tmp_path / "exported.csv").read_bytes()

    before = exported()
    for through in ("2026-02", "2026-03"):
        archive(db_cli, through).ok()
        assert exported("--lake", "kept") == before
    refused = db_cli("export", *args)
    assert (refused.exit_code, "name it with --lake" in refused.stderr) == (2, True)
    assert db_cli("export", *args, "--lake", other_lake(db_cli)).exit_code == 2
    [*_files, file] = sorted((tmp_path / "kept/archive").iterdir())
    file.write_bytes(file.read_bytes()[:-1])
    assert db_cli("export", *args, "--lake", "kept").exit_code == (2 if "2026-02" not in args else 0)


def test_reconcile_with_the_archive_says_the_same(db_cli: Cli, tmp_path: Path) -> None:
    fill(db_cli)
    billed = [("m1", LITE, "1"), ("m2", LITE, "0.1"), ("s1", PRO, "2"), ("late", CODE, "3"), ("resp_000007", PRO, "1")]
    statement = [f"{name},2026-03-05,{model},{amount}\n" for name, model, amount in billed]
    (tmp_path / "bill.csv").write_text("request_id,day,model,amount\n" + "".join(statement))

    def compared(*more: str) -> list[Any]:
        asked = (("--statement", "bill.csv"), ("--total", "1credits"))
        return [db_cli("reconcile", *each, "--month", "2026-03", *more, "--json").json for each in asked]

    before = compared()
    archive(db_cli).ok()
    assert compared("--lake", "kept") == before


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


def test_rows_go_file_by_file_and_month_by_month(
    db_cli: Cli, db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "_ROWS", 7)
    fill(db_cli)
    before = figures(db_cli)
    first, second = (archive(db_cli, through).ok().json for through in ("2026-02", "2026-03"))
    assert (first["rows"] + second["rows"], first["files"]) == (43, -(-first["rows"] // 7))
    assert (figures(db_cli), value(db_url, "SELECT count(*) FROM archives")) == (before, first["files"] + 1)
    db_cli("verify").ok()
    db_cli("verify", "--archive", "kept").ok()
    again = db_cli("ingest", "-", "--json", stdin=responses(range(40))).json
    assert counts(again) == {"accepted": 1, "duplicate": 39}
    # 7 was voided, and is recorded again in April; 4 has a replacement.
    assert {number for (number,) in rows(db_url, "SELECT occurred_at < 1772323200000000 FROM booked_usage")} <= {0, 1}


def test_only_closed_months_are_archived(db_cli: Cli, tmp_path: Path) -> None:
    fill(db_cli)
    for month, said in (("2026-04", "2026-03 is the last"), ("2026-05", "2026-03 is the last")):
        refused = archive(db_cli, month)
        assert (refused.exit_code, said in refused.stderr) == (2, True)
    assert not (tmp_path / "kept").exists()
    archive(db_cli).ok()
    refused = db_cli("reopen", "2026-03", *WHY)
    assert (refused.exit_code, "its rows were archived" in refused.stderr) == (2, True)


NEEDS_ROWS = {
    "export charges": ("export", "charges", "--month", "2026-03"),
    "reconcile": ("reconcile", "--total", "1credits", "--month", "2026-03"),
    "export focus": ("export", "focus", "--month", "2026-02", "--grain", "charge"),
    "void of a batch": ("void", "--batch", "1", *WHY),
    "reassign of a batch": ("reassign", "--batch", "1", "--project", "project-0", "--to", "q"),
    "reassign": ("reassign", "--project", "project-0", "--to", "q"),
    "reprice": ("reprice", "--since", "2026-02-01"),
    "redact in a batch": ("redact", "--id", "resp_000004", "--yes", *WHY),
    "void of an id": ("void", "--id", "m1", *WHY),
}


@pytest.mark.parametrize("args", NEEDS_ROWS.values(), ids=NEEDS_ROWS.keys())
def test_what_needs_rows_says_where_they_are(db_cli: Cli, tmp_path: Path, args: tuple[str, ...]) -> None:
    fill(db_cli)
    archive(db_cli).ok()
    refused = db_cli(*args)
    assert (refused.exit_code, f"archived to {tmp_path / 'kept'}" in refused.stderr) == (2, True)
    db_cli("export", "charges", "--month", "2026-04").ok()
    db_cli("verify").ok()


def test_a_report_by_other_tags_says_what_it_leaves_out(db_cli: Cli, tmp_path: Path) -> None:
    fill(db_cli)
    archive(db_cli).ok()
    told = db_cli("report", "--by", "tag:user").ok()
    assert f"without usage of source 'evolink', whose rows were archived to {tmp_path / 'kept'}" in told.stderr


def test_what_was_redacted_stays_and_is_known(db_cli: Cli, db_url: str) -> None:
    fill(db_cli)
    db_cli("redact", "--id", "m2", "--tag", "team=a", "--yes", *WHY).ok()
    archive(db_cli).ok()
    assert counts(db_cli("ingest", "-", "--json", stdin=of_march("m1", "m2")).json) == {"duplicate": 2}
    assert value(db_url, "SELECT count(*) FROM booked_usage WHERE request_id LIKE 'redacted:%'") == 1
    looked = db_cli("redact", "--tag", "user=nobody", *WHY).ok()
    assert "weren't looked at" in looked.stderr
    db_cli("verify", "--archive", "kept").ok()


CHANGES = {
    "a correction": (("void", "--id", "m1", *WHY), "corrected or archived meanwhile"),
    "another archive": (("archive", "--through", "2026-03", "-o", "other"), "corrected or archived meanwhile"),
    "a redaction": (("redact", "--tag", "team=a", "--yes", *WHY), "redacted meanwhile"),
    "a month opened again": (("reopen", "2026-03", *WHY), "isn't closed"),
}


@pytest.mark.parametrize(("change", "said"), CHANGES.values(), ids=CHANGES.keys())
def test_what_changes_while_a_file_is_written_is_not_lost(
    db_cli: Cli, monkeypatch: pytest.MonkeyPatch, change: tuple[str, ...], said: str
) -> None:
    fill(db_cli)
    write: Callable[..., Any] = archiving._write

    def write_and_change(*args: Any) -> Any:
        file = write(*args)
        monkeypatch.setattr(archiving, "_write", write)
        db_cli(*change).ok()
        return file

    monkeypatch.setattr(archiving, "_write", write_and_change)
    refused = archive(db_cli)
    assert (refused.exit_code, said in refused.stderr) == (2, True)
    db_cli("verify").ok()


def test_no_number_is_given_again(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    db_cli("ingest", "-", stdin=of_march(*(f"m{number}" for number in range(10)))).ok()
    db_cli("close", "2026-03", "--force", *WHY).ok()
    db_cli("export", "charges", "-o", "before.csv").ok()
    archive(db_cli).ok()
    db_cli("ingest", "-", stdin=lines(response(f"a{number}", created_at=APRIL) for number in range(5))).ok()
    assert value(db_url, "SELECT min(id) FROM booked_usage") > 10
    db_cli("verify").ok()
    db_cli("verify", "--archive", "kept").ok()
    db_cli("export", "charges", "--month", "2026-03", "--lake", "kept", "-o", "after.csv").ok()
    assert (tmp_path / "after.csv").read_bytes() == (tmp_path / "before.csv").read_bytes()
    changed = "UPDATE booked_usage SET id = 3 WHERE id = (SELECT min(id) FROM booked_usage)"
    tamper(db_url, changed)
    assert "charge 3: its number is there twice" in db_cli("verify", "--archive", "kept").stderr


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


def test_a_file_that_is_there_is_not_written_again(
    db_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(db_cli)
    monkeypatch.setattr(archiving, "move_out", lambda *_args, **_more: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        archive(db_cli)
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    [file] = (tmp_path / "kept/archive").iterdir()
    before = file.stat()
    archive(db_cli, "2026-03", str(tmp_path / "kept")).ok()
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [each.name for each in (tmp_path / "kept/archive").iterdir()] == [file.name]
    assert file.stat().st_mode & 0o777 == 0o600


def test_no_tag_that_archived_months_are_by_is_dropped(db_cli: Cli) -> None:
    db_cli("db", "init").ok()
    db_cli("db", "rollups", "--tag", "team").ok()
    db_cli("ingest", "-", stdin=of_march("m1", tags={"team": "a"})).ok()
    db_cli("close", "2026-03", "--force", *WHY).ok()
    archive(db_cli).ok()
    for tags in (("--none",), ("--tag", "user")):
        refused = db_cli("db", "rollups", *tags)
        assert (refused.exit_code, "tag 'team' stays rolled up" in refused.stderr) == (2, True)
    db_cli("db", "rollups", "--tag", "team").ok()
    db_cli("verify").ok()


def test_a_request_of_another_month_is_told_as_not_looked_for(db_cli: Cli, tmp_path: Path) -> None:
    fill(db_cli)
    archive(db_cli).ok()
    (tmp_path / "bill.csv").write_text(f"request_id,day,model,amount\nm1,2026-04-05,{LITE},1\n")
    asked = ("reconcile", "--statement", "bill.csv", "--month", "2026-04")
    assert "requests that only the statement has were looked for without usage of source" in db_cli(*asked).stderr
    assert "were looked for" not in db_cli(*asked, "--lake", "kept").stderr


def test_forecasts_of_other_budgets_stay(db_cli: Cli) -> None:
    fill(db_cli)
    for name, options in (("all", ()), ("team", ("--tag", "team=team-1"))):
        db_cli("budget", "set", name, "--amount", "1usd", *options, "--from", "2026-04-01").ok()

    def forecasts() -> dict[str, Any]:
        asked = db_cli("budget", "status", "--at", "2026-04-10", "--json").ok().json["rows"]
        names = ("forecast", "forecast_method", "actual")
        return {each["budget"]: [each.get(name) for name in names] for each in asked}

    before = forecasts()
    archive(db_cli).ok()
    after = forecasts()
    assert (after["all"], after["team"][2]) == (before["all"], before["team"][2])
    assert (before["all"][1], after["team"][1]) == ("weekdays", "too early")


@pytest.mark.parametrize(("name", "said"), [("-", "not to standard output"), ("memory://kept", "gone as this process")])
def test_rows_go_nowhere_that_does_not_last(db_cli: Cli, db_url: str, name: str, said: str) -> None:
    fill(db_cli)
    count = value(db_url, "SELECT count(*) FROM booked_usage")
    refused = archive(db_cli, "2026-03", name)
    assert (refused.exit_code, said in refused.stderr) == (2, True)
    assert value(db_url, "SELECT count(*) FROM booked_usage") == count


def test_only_the_owner_archives(cli: Cli, postgres_server: PostgresServer, postgres_url: str, tmp_path: Path) -> None:
    def owner(*args: object, **more: Any) -> Outcome:
        return cli(*args, "--db", postgres_url, **more)

    fill(owner)
    postgres_server.grant_roles(postgres_url)
    refused = cli("archive", "--through", "2026-03", "-o", "kept", "--db", postgres_server.writer_url(postgres_url))
    assert (refused.exit_code, "is the ledger's owner's" in refused.stderr) == (2, True)
    assert not (tmp_path / "kept").exists()


def test_no_row_is_deleted_that_no_archive_has(db_cli: Cli, db_url: str) -> None:
    fill(db_cli)
    archive(db_cli, "2026-02").ok()
    for (number,) in rows(db_url, "SELECT id FROM booked_usage"):
        with pytest.raises(Exception, match="append-only"), connected(db_url) as connection:
            connection.execute(f"DELETE FROM booked_usage WHERE id = {number}")
    for table in ("archives", "archived_usage"):
        for change in (f"DELETE FROM {table}", f"UPDATE {table} SET upper = 1" if "usage" in table else ""):
            with pytest.raises(Exception, match="append-only"):
                execute(db_url, change or f"UPDATE {table} SET rows = 1")


TAMPERED = {
    "an identity changed": ("UPDATE archived_usage SET numbers = numbers + 1", "identities of its rows"),
    "identities gone": ("DELETE FROM archived_usage", "identities of its rows"),
    "an identity of no archive": ("INSERT INTO archived_usage VALUES (1, 2, 77, 1, 1)", "archive 77, which is missing"),
    "an entry changed": ("UPDATE archives SET file = 'archive/other.parquet'", "archive 1: it is no longer"),
    "an entry gone": ("DELETE FROM archives", "identities are of archive 1"),
    "a row that stayed changed": (
        "UPDATE booked_usage SET request_id = 'x' WHERE request_id = 'resp_000004'",
        "batch 1: its rows that stay",
    ),
    "the seal of what stays": ("DELETE FROM text_seals WHERE rows_digest IS NOT NULL", "or their seals"),
    "a row that stayed gone": ("DELETE FROM booked_usage WHERE id = 5", "44 are missing"),
    "amounts of a batch of theirs": ("UPDATE batches SET amounts = '{' WHERE id = 1", "archive 1: batches 1 to 3"),
    "its sums gone": ("DELETE FROM lake_cells", "isn't the sum of its charges"),
}


@pytest.mark.parametrize(("statement", "problem"), TAMPERED.values(), ids=TAMPERED.keys())
def test_verify_names_what_was_changed(db_cli: Cli, db_url: str, statement: str, problem: str) -> None:
    fill(db_cli)
    archive(db_cli).ok()
    tamper(db_url, statement)
    found = db_cli("verify")
    assert (found.exit_code, problem in found.stderr) == (1, True), found.stderr


@pytest.mark.parametrize("spoiled", ["NULL", "'{['", "-1"])
@pytest.mark.parametrize("table", ["archives", "archived_usage"])
def test_values_that_cannot_be_are_problems(db_cli: Cli, db_url: str, table: str, spoiled: str) -> None:
    fill(db_cli)
    archive(db_cli).ok()
    first, *others = metadata.tables[table].columns.keys()
    columns = ", ".join(f"{spoiled} AS {name}" for name in others)
    tamper(db_url, f"CREATE TABLE spoiled AS SELECT {first}, {columns} FROM {table}", f"DROP TABLE {table}",
           f"ALTER TABLE spoiled RENAME TO {table}")  # fmt: skip
    for more in ((), ("--archive", "kept")):
        found = db_cli("verify", *more)
        assert (found.exit_code, "Problem: " in found.stderr) == (1, True)


def test_verify_names_files_that_are_gone_changed_or_elsewhere(db_cli: Cli, tmp_path: Path) -> None:
    fill(db_cli)
    archive(db_cli).ok()
    [file] = (tmp_path / "kept/archive").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:100] + b"x" + whole[101:])
    assert "isn't the file" in db_cli("verify", "--archive", "kept").stderr
    file.unlink()
    gone = db_cli("verify", "--archive", "kept")
    assert (gone.exit_code, "can't be read" in gone.stderr) == (1, True)
    assert "archive 1: its file lies in" in db_cli("verify", "--archive", other_lake(db_cli)).stderr
    assert db_cli("verify", "--archive", "nowhere").exit_code == 2
    file.write_bytes(whole)
    db_cli("verify", "--archive", "kept").ok()


def other_lake(cli: Cli) -> str:
    cli("lake", "move", "evolink", "--lake", "second", "--from", "2026-12").ok()
    return "second"


def test_archived_usage_is_not_moved_to_a_lake(db_cli: Cli) -> None:
    fill(db_cli)
    archive(db_cli).ok()
    refused = db_cli("lake", "move", "evolink", "--lake", "lake", "--from", "2026-03")
    assert (refused.exit_code, "was archived" in refused.stderr) == (2, True)
