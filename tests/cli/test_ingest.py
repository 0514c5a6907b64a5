"""`tollbook ingest`: what it tells, cut-off lines, --strict, --dry-run, --allow-rejected, and the files it is given."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ledger.cli.show.run_counts import Progress
from ledger.intake.fields.record import IGNORED
from ledger.intake.rating import RunCounts
from tests.conftest import Cli
from tests.helpers.ledgers import (
    LITE,
    REFERENCE_NANO,
    counts,
    nano,
    report,
    requests_and_credits,
    responses,
    rows,
    value,
)
from tests.helpers.sources import AT, lines, record, response
from tests.intake.test_otel import export, span

# Credits and USD of the API reference's response.
REFERENCE = "0.039616"
REFERENCE_USD = "0.000550222"


def test_what_an_ingest_tells_programs(db_cli: Cli, tmp_path: Path) -> None:
    made = [response("r1"), response("r1"), response("r2", model="unheard-of"), response("r3", status="queued"), "{"]
    (tmp_path / "usage.jsonl").write_text("".join(line if line == "{" else lines([line]) for line in made) + "\n")
    outcome = db_cli("ingest", "usage.jsonl", "--project", "search", "--json")
    found = outcome.json
    assert outcome.exit_code == 3
    assert (found["schema"], found["read"]) == (1, 5)
    assert counts(found) == {"accepted": 1, "duplicate": 1, "rejected": 2, "pending": 1}
    assert (found["committed"], found["batch"], found["credits"], found["usd"]) == (True, 1, REFERENCE, REFERENCE_USD)
    assert (found["amounts"], found["by_project"]) == (
        {"CRD": REFERENCE},
        [{"project": "search", "credits": REFERENCE, "usd": REFERENCE_USD}],
    )
    assert found["seconds"] >= 0
    assert found["records_per_second"] > 0
    assert [(row["file"], row["line"], row["reason"]) for row in found["rejections"]] == [
        ("usage.jsonl", 3, "unknown_model"), ("usage.jsonl", 5, "invalid_json")
    ]  # fmt: skip
    assert "5 read: 1 accepted, 1 duplicate, 0 conflict, 2 rejected, 1 pending." in outcome.stderr


def test_at_most_twenty_rejections_are_listed(cli: Cli) -> None:
    found = cli("ingest", "-", "--json", stdin=lines(response(f"r{n}", model="unheard-of") for n in range(30))).json
    assert (found["rejected"], [row["line"] for row in found["rejections"]]) == (30, list(range(1, 21)))


def test_money_in_several_currencies_is_told_apart(cli: Cli, sqlite_url: str) -> None:
    own = record("r1", requested_model=LITE, provider="volcengine", input_tokens=1_000, output_tokens=0)
    found = cli("ingest", "-", "--json", stdin=lines([response("r1"), own])).ok().json
    assert found["amounts"] == {"CNY": "0.0006", "CRD": REFERENCE}
    # 0.0006 CNY at 7.2 = 1 USD, on top of the credits at 72.
    assert nano(found["usd"]) == round(REFERENCE_NANO / 72 + 600_000 / 7.2)


# --- what is told and not read --------------------------------------------------------------------------------------


def test_what_carries_counts_and_is_not_read_is_counted_by_reason(db_cli: Cli) -> None:
    spans = [
        span(),
        span({"gen_ai.operation.name": "embeddings"}),
        span({"gen_ai.response.id": ...} | {"gen_ai.operation.name": ...}),
    ]
    outcome = db_cli("ingest", "-", "--json", stdin=lines([export(*spans), response("x", cache_hit=True)])).ok()
    assert (outcome.json["read"], counts(outcome.json)) == (1, {"accepted": 1})
    assert outcome.json["ignored"] == {"cache_hit": 1, "no_response_id": 1, "other_operation": 1}
    for reason in ("cache_hit", "no_response_id", "other_operation"):
        assert f"Note: not read: 1 {IGNORED[reason]} ({reason})" in outcome.stderr
    assert db_cli("ingest", "-", "--json", stdin=lines([response("y")])).ok().json["ignored"] == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("empty.jsonl", ""),
        ("blank.jsonl", "\n \n"),
        ("empty.json", "[]"),
        ("header.csv", "request_id,occurred_at,input_tokens,output_tokens\n"),
        ("quiet.otlp.jsonl", '{"resourceSpans": []}\n'),
        ("pings.sse", 'event: ping\ndata: {"type": "ping"}\n\ndata: [DONE]\n\n'),
        ("list.json", '{"object": "list", "data": []}'),
    ],
)
def test_a_quiet_night_is_a_note_and_under_strict_a_failure(cli: Cli, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / "usage.jsonl").write_text(lines([response("r1")]))
    outcome = cli("ingest", name, "--json")
    if name == "pings.sse":  # events of no known stream are no quiet night of a known one
        assert outcome.exit_code == 3
        return
    assert (outcome.exit_code, outcome.json["read"], outcome.json["files_without_usage"]) == (0, 0, [name])
    assert f"Note: {name}: holds no usage" in outcome.stderr
    both = cli("ingest", name, "usage.jsonl", "--json").ok()
    assert (both.json["accepted"], both.json["files_without_usage"]) == (1, [name])
    strict = cli("ingest", name, "usage.jsonl", "--strict", "--source", "strict", "--json")
    assert (strict.exit_code, strict.json["committed"]) == (1, False)
    assert "--strict: nothing was recorded" in strict.stderr
    assert cli("report", "--json").ok().json["total"]["requests"] == 1


def test_a_figure_that_is_no_amount_is_told_and_the_usage_is_booked(db_cli: Cli, db_url: str) -> None:
    made = [
        record(f"r{n}", requested_model=LITE, provider_amount=figure) for n, figure in enumerate(["x", 1e-5, "1e-10"])
    ]
    made.append(response("s1", usage=response()["usage"] | {"cost": "n/a"}))
    outcome = db_cli("ingest", "-", "--json", stdin=lines(made)).ok()
    assert (outcome.json["accepted"], outcome.json["lost_provider_amounts"]) == (4, 2)
    assert "booked without the gateway's own figure, which isn't a finite amount: 2 records" in outcome.stderr
    kept = rows(db_url, "SELECT request_id, provider_amount_nano FROM usage_records ORDER BY request_id")
    assert kept == [("r0", None), ("r1", 10_000), ("r2", 0), ("s1", None)]


# --- cut-off lines --------------------------------------------------------------------------------------------------


def test_a_whole_line_recorded_later_resolves_its_cut_off_twin(db_cli: Cli, tmp_path: Path) -> None:
    whole = lines([response("r1"), response("r2")])
    (tmp_path / "usage.jsonl").write_text(whole[:-200])
    assert counts(db_cli("ingest", "usage.jsonl", "--json").json) == {"accepted": 1, "rejected": 1}
    [entry] = db_cli("quarantine", "list", "--json").ok().json["entries"]
    assert (entry["reason"], entry["line"], entry["complete"]) == ("truncated_json", 2, False)
    (tmp_path / "later.jsonl").write_text(whole)
    assert counts(db_cli("ingest", "later.jsonl", "--json").ok().json) == {"accepted": 1, "duplicate": 1}
    assert db_cli("quarantine", "list", "--json").ok().json["entries"] == []
    [entry] = db_cli("quarantine", "list", "--state", "all", "--json").ok().json["entries"]
    assert (entry["state"], entry["resolution"]) == ("resolved", "the whole line was recorded")


def test_a_cut_off_line_waits_while_its_whole_is_not_recorded(db_cli: Cli, tmp_path: Path) -> None:
    whole = lines([response("r1"), response("r2", model="unheard-of")])
    for text in (whole[:-200], whole[:-100], whole, lines([response("r1"), response("r3")])):
        (tmp_path / "usage.jsonl").write_text(text)
        db_cli("ingest", "usage.jsonl")
    entries = db_cli("quarantine", "list", "--json").ok().json["entries"]
    assert [entry["reason"] for entry in entries] == ["truncated_json", "truncated_json", "unknown_model"]


def test_twins_within_one_run_resolve(db_cli: Cli, tmp_path: Path) -> None:
    whole = lines([response("r1"), response("r2")])
    (tmp_path / "a.jsonl").write_text(whole[:-200])
    (tmp_path / "b.jsonl").write_text(whole)
    assert counts(db_cli("ingest", "a.jsonl", "b.jsonl", "--json").json) == {
        "accepted": 2,
        "duplicate": 1,
        "rejected": 1,
    }
    assert db_cli("quarantine", "list", "--json").ok().json["entries"] == []


# --- strict ---------------------------------------------------------------------------------------------------------


def test_strict_records_all_or_nothing(
    db_cli: Cli, db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.intake.containers.lines.CHUNK_LINES", 4)
    (tmp_path / "good.jsonl").write_text(responses(range(10)))
    (tmp_path / "bad.jsonl").write_text(responses(range(10, 20)) + lines([response("r1", model="unheard-of")]))
    outcome = db_cli("ingest", "good.jsonl", "bad.jsonl", "--strict", "--json")
    assert outcome.exit_code == 1
    assert counts(outcome.json) == {"accepted": 20, "rejected": 1}
    assert (outcome.json["committed"], outcome.json["batch"]) == (False, None)
    assert "--strict: nothing was recorded, and nothing quarantined" in outcome.stderr
    for table in ("usage_records", "charges", "batches", "quarantine", "rollup_keys", "rollup_days", "sources"):
        assert value(db_url, f"SELECT count(*) FROM {table}") == 0
    assert counts(db_cli("ingest", "good.jsonl", "--strict", "--json").ok().json) == {"accepted": 10}
    assert len(rows(db_url, "SELECT id FROM batches")) == 3
    db_cli("verify").ok()


def test_strict_tolerates_nothing(db_cli: Cli, db_url: str) -> None:
    made = responses([1]) + lines([response("r1", model="unheard-of")])
    assert db_cli("ingest", "-", "--strict", "--allow-rejected", "9", stdin=made).exit_code == 1
    assert value(db_url, "SELECT count(*) FROM usage_records") == 0


def test_a_conflict_fails_strict_too(db_cli: Cli) -> None:
    db_cli("ingest", "-", stdin=lines([response("r1")])).ok()
    outcome = db_cli("ingest", "-", "--strict", stdin=lines([response("r2"), response("r1", created_at=AT + 9)]))
    assert (outcome.exit_code, requests_and_credits(db_cli)) == (1, (1, REFERENCE))


def test_runs_of_one_process_remember_nothing_of_one_that_was_rolled_back(cli: Cli, sqlite_url: str) -> None:
    """Ids of roll-up keys that the strict run handed out are handed out again, to other keys."""
    from ledger.audit.verify import verify
    from ledger.config import Config
    from ledger.intake.files import Ingest
    from ledger.intake.labels import RunOptions
    from ledger.store.opening import open_ledger
    from tests.helpers.sources import source

    database = open_ledger(sqlite_url)
    strict = Ingest(database, Config(), RunOptions(), strict=True)
    assert not strict.run([source((responses(range(8)) + "{").encode())]).committed
    for made in (responses(range(8, 20)), responses(range(8))):
        Ingest(database, Config(), RunOptions()).run([source(made.encode())])
    assert verify(database).passed
    assert report(cli)["total"]["requests"] == 20


# --- dry run --------------------------------------------------------------------------------------------------------


def test_a_dry_run_tells_what_would_be_and_makes_no_ledger(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "usage.jsonl").write_text(responses(range(6)) + "{\n")
    dry = cli("ingest", "usage.jsonl", "--dry-run", "--json")
    assert dry.exit_code == 3
    assert counts(dry.json) == {"accepted": 6, "rejected": 1}
    assert (dry.json["committed"], dry.json["batch"]) == (False, None)
    assert [path.name for path in tmp_path.iterdir()] == ["usage.jsonl"]
    real = cli("ingest", "usage.jsonl", "--json")
    same = ("credits", "usd", "amounts", "by_project", "rejections")
    assert {key: dry.json[key] for key in same} == {key: real.json[key] for key in same}


def test_a_dry_run_against_a_ledger_knows_it_and_changes_nothing(db_cli: Cli, db_url: str) -> None:
    db_cli("ingest", "-", stdin=responses(range(4))).ok()
    tables = (
        "usage_records",
        "charges",
        "batches",
        "rollup_days",
        "quarantine",
        "sources",
        "rate_entries",
        "conversions",
    )
    before = [rows(db_url, f"SELECT * FROM {table}") for table in tables]
    dry = db_cli("ingest", "-", "--dry-run", "--json", stdin=responses(range(6)) + lines([response("x", model="none")]))
    assert counts(dry.json) == {"accepted": 2, "duplicate": 4, "rejected": 1}
    assert [rows(db_url, f"SELECT * FROM {table}") for table in tables] == before


def test_strict_and_dry_run_contradict_each_other(cli: Cli) -> None:
    outcome = cli("ingest", "-", "--strict", "--dry-run", stdin="")
    assert (outcome.exit_code, "contradict each other" in outcome.stderr) == (2, True)


# --- tolerance ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tolerated", "exit_code"),
    [(None, 3), ("0", 3), ("1", 3), ("2", 0), ("0%", 3), ("19.99%", 3), ("20%", 0), ("20.0%", 0), ("100%", 0)],
)
def test_some_rejections_are_tolerated(cli: Cli, sqlite_url: str, tolerated: str | None, exit_code: int) -> None:
    """Two of ten."""
    made = responses(range(8)) + lines(response(f"x{n}", model="unheard-of") for n in range(2))
    args = [] if tolerated is None else ["--allow-rejected", tolerated]
    assert cli("ingest", "-", *args, stdin=made).exit_code == exit_code
    assert value(sqlite_url, "SELECT count(*) FROM quarantine") == 2


@pytest.mark.parametrize("tolerated", ["-1", "x", "1.5", "%", "", "1e3", "५", "-1%", "1%%", "2" * 4_400])
def test_a_tolerance_that_is_none_is_refused(cli: Cli, tmp_path: Path, tolerated: str) -> None:
    outcome = cli("ingest", "-", "--allow-rejected", tolerated, stdin=responses([1]))
    assert outcome.exit_code == 2
    assert "--allow-rejected" in outcome.stderr
    assert list(tmp_path.iterdir()) == []


# --- options and files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--tag", "k"], "give KEY=VALUE"),
        (["--tag", "=v"], "give KEY=VALUE"),
        (["--tag", "k=1", "--tag", "k=2"], "'k' is given twice"),
        (["--tag", f"{'k' * 65}=v"], "at most 64 are kept"),
        (["--tag", f"k={'v' * 513}"], "at most 512 are kept"),
        (["--project", "p" * 201], "at most 200 are kept"),
        (["--source", "s" * 65], "at most 64 are kept"),
        (["--project", " "], "project ' ' is blank"),
        (["--source", ""], "source '' is blank"),
        (["--service-tier", ""], "service_tier '' is blank"),
        (["--service-tier", "two words"], "isn't a word such as 'default' or 'flex'"),
        (["--provider", "nobody"], "provider 'nobody' has no rate card"),
        (["--input-format", "xml"], "'xml' is not one of"),
    ],
)
def test_options_that_no_record_could_be_kept_with_are_refused_at_once(
    cli: Cli, args: list[str], words: str, sqlite_url: str
) -> None:
    outcome = cli("ingest", "-", *args, stdin=responses([1]))
    assert outcome.exit_code == 2
    assert words in outcome.stderr.replace("\n", " ")
    assert value(sqlite_url, "SELECT count(*) FROM usage_records") == 0


@pytest.mark.parametrize("path", ["missing/result.json", ".", "x" * 300])
def test_an_output_that_can_not_be_written_is_found_out_before_anything_is_recorded(
    cli: Cli, tmp_path: Path, path: str
) -> None:
    outcome = cli("ingest", "-", "--json", "-o", path, stdin=responses([1]))
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)
    assert f"{path}: can't be written: " in outcome.stderr
    assert list(tmp_path.iterdir()) == []


def test_all_files_are_opened_before_anything_is_recorded(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "usage.jsonl").write_text(responses([1]))
    outcome = cli("ingest", "usage.jsonl", "missing.jsonl")
    assert (outcome.exit_code, outcome.stderr) == (2, "Error: missing.jsonl: No such file or directory\n")
    assert [path.name for path in tmp_path.iterdir()] == ["usage.jsonl"]
    (tmp_path / "empty").mkdir()
    outcome = cli("ingest", "usage.jsonl", "empty")
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)


def test_a_file_that_fails_half_way_says_how_far_it_came(
    cli: Cli, tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.intake.containers import source as files

    (tmp_path / "usage.jsonl").write_text(responses(range(300)))
    monkeypatch.setattr("ledger.intake.containers.lines.CHUNK_LINES", 10)
    monkeypatch.setattr("ledger.intake.containers.lines.CHUNK_BYTES", 10_000)
    monkeypatch.setattr(files, "BLOCK", 10_000)
    whole = files._raw_blocks

    def failing(stream: Any) -> Any:
        yield from list(whole(stream))[:15]
        raise OSError(5, "Input/output error", "usage.jsonl")

    monkeypatch.setattr(files, "_raw_blocks", failing)
    outcome = cli("ingest", "usage.jsonl")
    recorded = value(sqlite_url, "SELECT count(*) FROM usage_records")
    assert 0 < recorded < 300
    assert outcome.exit_code == 2
    assert outcome.stderr == (
        f"Error: usage.jsonl: Input/output error. {recorded} records of this run are recorded; "
        "run the same command again to record the rest\n"
    )


def test_a_file_name_that_is_no_text_is_kept_escaped(script: Cli, tmp_path: Path, sqlite_url: str) -> None:
    name = b"caf\xe9.jsonl"
    (Path(str(tmp_path).encode().decode()) / name.decode("utf-8", "surrogateescape")).write_text(responses([1]) + "{\n")
    outcome = script("ingest", name.decode("utf-8", "surrogateescape"))
    assert outcome.exit_code == 3, outcome.stderr
    assert json.loads(value(sqlite_url, "SELECT options FROM batches"))["files"] == ["caf\\xe9.jsonl"]
    assert value(sqlite_url, "SELECT file FROM quarantine") == "caf\\xe9.jsonl"


def test_standard_input_and_files_go_together(db_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "usage.jsonl").write_text(responses(range(3)))
    assert counts(db_cli("ingest", "usage.jsonl", "-", "--json", stdin=responses(range(2, 5))).ok().json) == {
        "accepted": 5, "duplicate": 1
    }  # fmt: skip
    [batch] = db_cli("batches", "--json").ok().json["batches"]
    assert batch["options"] == {"files": ["usage.jsonl", "-"]}


def test_a_control_character_of_the_input_reaches_no_terminal(cli: Cli) -> None:
    outcome = cli("ingest", "-", stdin=lines([response("\x1b[31mred", model="\x1b]0;title\x07")]))
    shown = cli("quarantine", "list").ok().stdout + cli("quarantine", "show", 1).ok().stdout
    assert outcome.exit_code == 3
    assert "\x1b" not in outcome.stdout + outcome.stderr + shown
    assert "\\x1b[31mred" in shown


def test_a_new_ledger_says_once_in_which_zone_its_months_are_cut(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "usage.jsonl").write_text(responses([1]))
    (tmp_path / "tollbook.toml").write_text('[ledger]\ntimezone = "Asia/Shanghai"\n')
    assert "new ledger" not in cli("ingest", "usage.jsonl", "--dry-run").ok().stderr
    made = cli("ingest", "usage.jsonl", "--json").ok()
    assert made.json["accepted"] == 1
    [told] = [line for line in made.stderr.splitlines() if "new ledger" in line]
    assert told == (
        "Note: new ledger: its months are cut in Asia/Shanghai, which is fixed once usage is booked. For another zone: "
        "remove this ledger, then 'tollbook db init --timezone Asia/Shanghai' before the first ingest"
    )
    assert "new ledger" not in cli("ingest", "usage.jsonl").ok().stderr


def test_progress_says_how_much_time_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = Progress()
    progress._started -= 30
    progress._last -= 30
    tally = RunCounts(Counter(accepted=1_500, duplicate=3_000))
    progress(tally, 0.25)
    assert "4,500 read, 1,500 accepted, 150/s, 25%, 0:01:30 left" in capsys.readouterr().err
    progress._last -= 30
    progress(tally, None)
    assert capsys.readouterr().err.endswith("150/s")
