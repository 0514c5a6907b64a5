"""`--verbose` and `--log-json`: what is done is told on standard error, without a secret, and only if asked for."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.channels.message import Message
from ledger.channels.send import send
from ledger.channels.settings import Address, Channel
from ledger.store import database
from ledger.store.opening import open_ledger
from ledger.store.revision import HEAD_REVISION
from tests.conftest import Cli, Outcome, command_environment
from tests.helpers.ledgers import responses
from tests.helpers.receiver import Answer, Receiver
from tests.helpers.sources import lines, response

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|DEBUG) (tollbook\.\w+): (.+)")
SECRET = "Tr0ub4dor"


def logged(outcome: Outcome) -> list[tuple[str, str, str]]:
    """Level, logger and message of each line of the log."""
    found = [LINE.fullmatch(line) for line in outcome.ok().stderr.splitlines()]
    return [(match[1], match[2], match[3]) for match in found if match]


def messages(outcome: Outcome) -> str:
    return "\n".join(message for _level, _logger, message in logged(outcome))


def without_log(outcome: Outcome) -> list[str]:
    return [line for line in outcome.stderr.splitlines() if not LINE.fullmatch(line) and line[:1] != "{"]


def test_without_it_nothing_is_logged(db_cli: Cli) -> None:
    assert logged(db_cli("ingest", "-", stdin=responses([1]))) == []
    assert db_cli("report", "--json").ok().stderr == ""


@pytest.mark.parametrize("line", [["-v", "ingest", "-"], ["ingest", "-", "-v"], ["--verbose", "ingest", "-"]])
def test_it_says_what_was_opened_and_committed(db_cli: Cli, line: list[str]) -> None:
    told = logged(db_cli(*line, stdin=responses(range(3))))
    assert {level for level, _logger, _message in told} == {"INFO"}
    said = [(logger, re.sub(r"\d+\.\d{3} s", "N s", message)) for _level, logger, message in told]
    assert said[0][1].endswith(f": opened, schema {HEAD_REVISION}")
    assert said[said.index(("tollbook.intake", "-: reading")) + 1 :][:2] == [
        ("tollbook.book", "batch 1, ingest: 3 usage records and 3 charges to be committed"),
        ("tollbook.store", "transaction committed after N s"),
    ]


def test_what_is_rolled_back_is_not_said_to_be_committed(db_cli: Cli) -> None:
    assert "committed after" not in messages(db_cli("ingest", "-", "-v", "--dry-run", stdin=responses([1])))


@pytest.mark.parametrize("line", [["-vv", "ingest", "-"], ["-v", "ingest", "-", "-v"]])
def test_asked_for_twice_it_goes_into_detail(db_cli: Cli, line: list[str]) -> None:
    told = logged(db_cli(*line, stdin=responses(range(3))))
    assert ("DEBUG", "tollbook.intake", "-: 3 items read so far") in told
    assert any(level == "INFO" for level, _logger, _message in told)


@pytest.mark.parametrize("line", [["--log-json", "ingest", "-"], ["ingest", "-", "--log-json", "-v"]])
def test_as_json_each_line_is_an_object_with_its_fields(db_cli: Cli, line: list[str]) -> None:
    outcome = db_cli(*line, stdin=responses(range(3))).ok()
    told = [json.loads(each) for each in outcome.stderr.splitlines() if each.startswith("{")]
    assert all(list(each) == ["time", "level", "logger", "message", "fields"] for each in told)
    [batch] = [each for each in told if each["logger"] == "tollbook.book"]
    assert batch["level"] == "INFO"
    assert batch["fields"] == {"batch": 1, "kind": "ingest", "records": 3, "charges": 3}
    assert batch["message"] == "batch 1, ingest: 3 usage records and 3 charges to be committed"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", batch["time"])


def test_data_and_notes_stay_as_they_are(db_cli: Cli) -> None:
    db_cli("ingest", "-", stdin=responses(range(3))).ok()
    for command in (["report", "--json"], ["report"], ["ingest", "-"], ["export", "charges", "--month", "2026-02"]):
        plain = db_cli(*command, stdin="{}").stderr
        for option in ("-vv", "--log-json"):
            outcome = db_cli(*command, option, stdin="{}")
            assert without_log(outcome) == plain.splitlines()
            assert len(outcome.stderr) > len(plain)
    assert db_cli("report", "--json", "-vv").stdout == db_cli("report", "--json").stdout


def test_names_cannot_break_out_of_their_line(cli: Cli, tmp_path: Path) -> None:
    name = "a\n\x1b[31mb.jsonl"
    (tmp_path / name).write_text(responses([1]))
    told = cli("ingest", name, "-v").ok().stderr
    assert r"INFO tollbook.intake: a\n\x1b[31mb.jsonl: reading" in told
    assert "\x1b" not in told
    assert "\x1b" not in cli("ingest", name, "--log-json").ok().stderr


# --- what is never in it --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["-vv", "--log-json"])
def test_no_secret_of_a_url_and_nothing_of_a_payload_is_logged(cli: Cli, postgres_url: str, option: str) -> None:
    url = postgres_url.replace("postgres@", f"postgres:{SECRET}@") + f"?sslpassword={SECRET}"
    payload = response(
        "resp_1",
        instructions="PROMPT",
        output=[{"type": "message", "content": "ANSWER"}],
        metadata={"note": "METADATA"},
    )
    told = cli("ingest", "-", option, option, "--db", url, stdin=lines([payload]) + '{"broken": "PROMPT').stderr
    assert "opened, schema" in told
    for hidden in (SECRET, "PROMPT", "ANSWER", "METADATA"):
        assert hidden not in told


def test_posts_and_retries_are_logged_without_their_address(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers = [Answer(503), Answer(200)]
    with caplog.at_level(logging.DEBUG, "tollbook"):
        address = Address(f"{receiver.url}/hooks/{SECRET}", SECRET)
        send(Channel("ops", "webhook", timeout_seconds=10), address, Message("evt_1", "TITLE", ("TEXT",), {}))
    assert [(record.name, record.getMessage()) for record in caplog.records if record.name.startswith("tollbook")] == [
        ("tollbook.web", "POST is tried again: status 503"),
        ("tollbook.channels", "channel ops: its host answered 200 to a post"),
    ]


# --- waits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("long_seconds", "level"), [(0, "INFO"), (1_000, "DEBUG")])
def test_a_long_wait_for_the_write_lock_is_told(
    db_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, long_seconds: int, level: str
) -> None:
    monkeypatch.setattr(database, "LONG_WAIT_SECONDS", long_seconds)
    book = open_ledger(db_url)
    with caplog.at_level(logging.DEBUG, "tollbook"), book.writing():
        pass
    book.close()
    [told] = [record for record in caplog.records if "write lock" in record.getMessage()]
    assert told.levelname == level
    assert re.fullmatch(r"write lock after \d+\.\d{3} s", told.getMessage())


# --- as a library ---------------------------------------------------------------------------------------------------


def test_commands_leave_no_handler_behind(cli: Cli) -> None:
    for options in (["-vv"], ["--log-json"], ["-v", "--nonsense"]):
        cli("rates", "list", *options)
        logger = logging.getLogger("tollbook")
        assert [type(handler) for handler in logger.handlers] == [logging.NullHandler], options
        assert logger.level == logging.NOTSET


def test_a_program_that_uses_the_library_hears_nothing_unless_it_listens(tmp_path: Path) -> None:
    code = f"""
import logging, sys
from tollbook import Ledger
with Ledger("own.db") as ledger:
    ledger.record({response("r1")!r})
logging.basicConfig(level=logging.INFO, format="%(name)s", stream=sys.stdout)
with Ledger("own.db") as ledger:
    ledger.record({response("r2")!r})
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path, env=command_environment(), capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert {"tollbook.store", "tollbook.book"} <= set(done.stdout.split())


# --- no noise -------------------------------------------------------------------------------------------------------

# Every command line of argv[2] in one process, whose warnings are errors; each is named on standard output first.
ALL = """
import gc, json, sys
from ledger.cli import cli
for line in json.loads(sys.argv[1]):
    print("#", *line, flush=True)
    try:
        cli(line)
    except SystemExit as end:
        assert not end.code, (line, end.code)
    gc.collect()
"""
COMMANDS = [
    ["db", "init"],
    ["ingest", "usage.jsonl", "-o", "ingest.json"],
    ["report", "--by", "project", "--format", "json"],
    ["report", "--month", "2026-02", "-o", "report.xlsx"],
    ["report", "--month", "2026-02", "-o", "report.parquet"],
    ["report", "--month", "2026-02", "-o", "report.html"],
    ["status"],
    ["batches"],
    ["quarantine", "list"],
    ["rates", "list"],
    ["rates", "conversion", "list"],
    ["price", "--model", "doubao-seed-2.0-pro", "--input-tokens", "1000"],
    ["estimate", "prompt.md", "--model", "doubao-seed-2.0-pro"],
    ["budget", "set", "all", "--amount", "10usd"],
    ["budget", "status"],
    ["wallet", "topup", "--credits", "100", "--grant", "--on", "2026-02-01", "--reference", "t1"],
    ["wallet", "balance"],
    ["reassign", "--project", "project-1", "--to", "project-2", "--reason", "x"],
    ["export", "charges", "--month", "2026-02", "-o", "charges.csv"],
    ["export", "focus", "--month", "2026-02", "-o", "focus.parquet"],
    ["export", "chargeback", "--month", "2026-02", "-o", "chargeback.xlsx"],
    ["close", "2026-02", "--force", "--reason", "x"],
    ["verify"],
    ["db", "check"],
]


@pytest.fixture
def told(tmp_path: Path, db_url: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "usage.jsonl").write_text(responses(range(20)))
    (tmp_path / "prompt.md").write_text("Say how much this costs.")
    commands = COMMANDS + ([["backup", "copy.db"]] if db_url.startswith("sqlite") else [])
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", ALL, json.dumps(commands)],
        cwd=tmp_path, env=command_environment({"TOLLBOOK_DB": db_url}), capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip


@pytest.mark.long
def test_no_command_warns_of_anything(told: subprocess.CompletedProcess[str]) -> None:
    assert told.returncode == 0, told.stdout[-300:] + told.stderr
    expected = (
        r"Note: .*|\d+ read: .*|\S+: (sound|created, zone UTC|was there already, zone UTC|[\d,]+ bytes, .* checked)"
    )
    assert [line for line in told.stderr.splitlines() if not re.fullmatch(expected, line)] == []
