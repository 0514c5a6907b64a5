"""Usage to ingest, the ledger's rows behind its back, and command lines as processes of their own."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from tests.conftest import Cli, Outcome, command_environment
from tests.helpers.sources import AT, lines, response, usage
from tests.helpers.stored import change

CODE, PRO, LITE, MINI = (f"doubao-seed-2.0-{name}" for name in ("code", "pro", "lite", "mini"))
REPORTED = {name: f"{name.replace('.', '-')}-260215" for name in (CODE, PRO, LITE, MINI)}
# Nano-credits of one response of the API reference, 88 tokens in and 230 out: tokens x credits per 1M x 1,000.
REFERENCE_NANO = 88 * 32_000 + 230 * 160_000
# An export's columns that depend on the order and the number of commands, not on what happened.
OF_THE_RUN = {"line_id", "posted_seq", "batch", "corrects_line_id", "usd"}
# 1,000 tokens into lite: at its 6 credits per 1M, and at the 9 of `dearer_lite`.
OLD_NANO, NEW_NANO = 1_000 * 6_000, 1_000 * 9_000


def flat_card(model: str, start: str, *, input: object, cached_input: object, output: object) -> str:  # noqa: A002
    """A card of EvoLink in which a model costs the same at every length from that day on."""
    return f"""
provider = "evolink"
currency = "CRD"
per_tokens = 1_000_000
[[model]]
id = "{model}"
[[model.price]]
effective_from = {start}
tiers = [{{ up_to = 256_000, input = "{input}", cached_input = "{cached_input}", output = "{output}" }}]
"""


def dearer_lite(start: str) -> str:
    """A card in which lite costs half as much again from that day on."""
    return flat_card(LITE, start, input=9, cached_input="1.2", output=54)


def responses(ids: Iterable[int], **changes: Any) -> str:
    """Ordinary Responses lines, each id with its own time, length, model and project."""
    models = (CODE, PRO, LITE, MINI)
    return lines(
        response(
            f"resp_{number:06}",
            **{
                "created_at": AT + number * 977,
                "model": REPORTED[models[number % 4]],
                "usage": usage(
                    input_tokens=100 + number,
                    total_tokens=100 + number + 230,
                    input_tokens_details={"cached_tokens": number % 50},
                    output_tokens_details={"reasoning_tokens": 211},
                ),
                "metadata": {"project": f"project-{number % 3}", "team": f"team-{number % 2}", "secret": "payload"},
                **changes,
            },
        )
        for number in ids
    )


def charges(cli: Cli) -> list[dict[str, Any]]:
    """Every charge line that was ever posted, without what depends on the run, in an order of its own."""
    rows = cli("export", "charges", "--json").ok().json["rows"]
    kept = [{key: value for key, value in row.items() if key not in OF_THE_RUN} for row in rows]
    return sorted(kept, key=lambda row: json.dumps(row, sort_keys=True))


def apply_projects(cli: Cli, configuration: str, *options: str) -> Outcome:
    """Apply the projects of a tollbook.toml that is written into the test's folder."""
    Path("tollbook.toml").write_text(configuration, encoding="utf-8")
    return cli("project", "apply", *options).ok()


def report(cli: Cli, *args: str) -> Any:
    return cli("report", "--by", "model", "--by", "project", "--json", *args).ok().json


def requests_and_credits(cli: Cli) -> tuple[int, str]:
    total = report(cli)["total"]
    return total["requests"], total["credits"]


def counts(outcome: Any) -> dict[str, int]:
    """What became of an ingest's items, the zeroes left out."""
    names = ("accepted", "duplicate", "conflict", "rejected", "pending")
    assert outcome["read"] == sum(outcome[name] for name in names)
    return {name: outcome[name] for name in names if outcome[name]}


def nano(credits: str) -> int:
    whole, _point, decimals = credits.partition(".")
    return int(whole) * 10**9 + int(decimals.ljust(9, "0")) * (-1 if whole.startswith("-") else 1)


# --- behind the ledger's back ---------------------------------------------------------------------------------------


@contextmanager
def connected(url: str) -> Iterator[Any]:
    """The driver's own connection, without any of the ledger's set-up; what is done is kept."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(parsed.database), timeout=60, isolation_level=None)) as connection:
            yield connection
    else:
        conninfo = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            yield connection


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with connected(url) as connection:
        return [tuple(row) for row in connection.execute(query).fetchall()]


def value(url: str, query: str) -> Any:
    [[found]] = rows(url, query)
    return found


def execute(url: str, *statements: str) -> None:
    with connected(url) as connection:
        for statement in statements:
            connection.execute(statement)


def tamper(url: str, *statements: str) -> None:
    """Change rows, the views' too, as somebody with all rights could who takes the guards away and puts them back."""
    with connected(url) as connection:
        if url.startswith("sqlite"):
            guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _sql in guards:
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                change(connection.execute, statement)
            for _name, sql in guards:
                connection.execute(sql)
        else:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                change(lambda text, values: connection.execute(text.replace("?", "%s"), values or None), statement)


def lock_is_free(url: str) -> bool:
    """Tell whether another connection gets the write lock at once."""
    with connected(url) as connection:
        if url.startswith("sqlite"):
            connection.execute("PRAGMA busy_timeout = 0")
        try:
            connection.execute("BEGIN IMMEDIATE" if url.startswith("sqlite") else "BEGIN")
            if not url.startswith("sqlite"):
                connection.execute("SELECT * FROM ledger_settings WHERE name = 'lock' FOR UPDATE NOWAIT")
            connection.execute("ROLLBACK")
        except (sqlite3.OperationalError, psycopg.errors.LockNotAvailable):
            return False
        return True


def database_files(url: str) -> bytes:
    """Every byte that a SQLite ledger keeps, or all text of a PostgreSQL one."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        path = Path(str(parsed.database))
        return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
    tables = [name for (name,) in rows(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    return "\n".join(str(row) for name in tables for row in rows(url, f"SELECT t::text FROM {name} t")).encode()


# --- processes of their own -----------------------------------------------------------------------------------------

# Ten lines a transaction instead of 20,000, so that few lines make many.
SMALL_PORTIONS = """
import sys
from ledger.intake.containers import lines
lines.CHUNK_LINES = 10
"""
RUN_MAIN = """
from ledger.cli import main
main()
"""


def start(code: str, args: Sequence[object], folder: Path) -> subprocess.Popen[str]:
    """A Python process with these arguments, in that folder."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        cwd=folder,
        env=command_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Its exit code, standard output and standard error."""
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err
