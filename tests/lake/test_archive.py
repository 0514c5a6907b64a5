"""Rows of closed months moved to files: figures stay, exports read them, and what needs rows says where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from ledger.lake import archive as archiving
from tests.conftest import Cli
from tests.helpers.archives import WHY, archive, figures, fill, other_lake
from tests.helpers.ledgers import CODE, LITE, PRO, counts, responses, rows, value


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
