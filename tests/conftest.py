"""What tests ask for: a migrated database of their own on SQLite and on PostgreSQL, and the command line."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from click.testing import CliRunner
from hypothesis import settings
from psycopg import sql
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import make_url

if TYPE_CHECKING:
    from tests.helpers.receiver import Receiver

ROOT = Path(__file__).resolve().parent.parent
POSTGRES = os.environ.get("TOLLBOOK_TEST_POSTGRES") or "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
POSTGRES_REQUIRED = bool(os.environ.get("TOLLBOOK_TEST_POSTGRES_REQUIRED"))

settings.register_profile("tollbook", deadline=None, print_blob=True)
settings.load_profile("tollbook")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-pages", action="store_true", help="write what the pages' commands print into them")
    parser.addoption("--update-golden", action="store_true", help="write what exports and pages are now")
    parser.addoption("--kills", type=int, default=40, help="how often tests/crash kills commands, on each database")
    parser.addoption("--kill-seed", type=int, default=1, help="which places of them it draws")
    parser.addoption("--fuzz-seconds", type=float, default=0.0, help="fuzz for so long in all, on new seeds")
    parser.addoption("--fuzz-seed", type=int, help="fuzz one round alone, by the seed that a failure named")
    parser.addoption("--model-steps", type=int, help="how many steps tests/model takes on each database, at random")


# --- what is long ---------------------------------------------------------------------------------------------------

_left_out: list[str] = []


def _leaves_out_long(config: pytest.Config) -> bool:
    return str(config.getoption("-m")) == "not long"


def pytest_report_header(config: pytest.Config) -> list[str]:
    left_out = "tests marked long are left out and counted at the end: run them with -m long, all with -m ''"
    return [left_out] if _leaves_out_long(config) else []


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    _left_out.extend(item.nodeid for item in items if item.get_closest_marker("long"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand on what a worker of pytest-xdist left out: each has collected every test."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = _left_out


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    _left_out.extend(getattr(node, "workeroutput", {}).get("left_out", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if _leaves_out_long(config) and _left_out:
        terminalreporter.section("left out")
        terminalreporter.line(f"tests marked long that were left out: {len(set(_left_out)):,}; run them with -m long")


@pytest.fixture
def golden(pytestconfig: pytest.Config) -> Callable[..., None]:
    """Holds bytes against the file of that name in tests/golden/, or in another folder of the project."""

    def compare(name: str, found: bytes, folder: str = "tests/golden") -> None:
        path = ROOT / folder / name
        if pytestconfig.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(found)
        assert found == path.read_bytes(), f"{name} is other than it was: look at the difference, then --update-golden"

    return compare


# --- connections ----------------------------------------------------------------------------------------------------

_used_engines: set[Engine] = set()


@event.listens_for(Engine, "engine_connect")
def _remember_engine(connection: Connection) -> None:
    _used_engines.add(connection.engine)


def close_connections() -> None:
    """Close what pools keep open, as the end of a command's process would."""
    while _used_engines:
        _used_engines.pop().dispose()


@pytest.fixture(autouse=True)
def _no_connection_outlives_its_test() -> Iterator[None]:
    yield
    close_connections()


# --- databases ------------------------------------------------------------------------------------------------------


class PostgresServer:
    """Makes and drops databases, and a writer and a reader for them, whose names no other test process uses."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self._prefix = f"tollbook_test_{os.getpid()}"
        self._numbers = itertools.count(1)
        self.writer, self.reader = f"{self._prefix}_writer", f"{self._prefix}_reader"

    def connect(self, name: str | None = None) -> psycopg.Connection[Any]:
        url = self.url.set(drivername="postgresql", database=name or self.url.database)
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True, connect_timeout=5)

    def grant_roles(self, url: str) -> None:
        """Runs what `db roles` prints for a ledger; the roles log in as its owner does."""
        from ledger.store.opening import open_ledger
        from ledger.store.roles import roles_sql

        with self.connect(make_url(url).database) as connection:
            connection.execute(roles_sql(open_ledger(url), self.writer, self.reader).encode())
            for role in (self.writer, self.reader) if self.url.password else ():
                statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), str(self.url.password))
                connection.execute(statement)
        close_connections()

    def writer_url(self, url: str) -> str:
        return make_url(url).set(username=self.writer).render_as_string(hide_password=False)

    def reader_url(self, url: str) -> str:
        return make_url(url).set(username=self.reader).render_as_string(hide_password=False)

    def drop_roles(self) -> None:
        with self.connect() as connection:
            for role in (self.writer, self.reader):
                connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))

    def create(self, template: str | None = None) -> str:
        name = f"{self._prefix}_{next(self._numbers)}"
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        with self.connect() as connection:
            connection.execute(statement)
        return name

    def drop(self, name: str) -> None:
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def database_url(self, name: str) -> str:
        return self.url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server tests run on; without one they are skipped, or fail where TOLLBOOK_TEST_POSTGRES_REQUIRED is set."""
    server = PostgresServer(POSTGRES)
    try:
        server.connect().close()
    except psycopg.OperationalError as error:
        reason = f"no PostgreSQL answers at {server.url}: start one or set TOLLBOOK_TEST_POSTGRES ({error})"
        if POSTGRES_REQUIRED:
            pytest.fail(reason)
        pytest.skip(reason)
    yield server
    server.drop_roles()


def migrate(url: str) -> None:
    """`upgrade head` and the settings of a new ledger in UTC."""
    from ledger.store.opening import create_database

    create_database(url)
    close_connections()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> Iterator[str]:
    name = postgres_server.create()
    try:
        migrate(postgres_server.database_url(name))
        postgres_server.grant_roles(postgres_server.database_url(name))
        yield name
    finally:
        postgres_server.drop(name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "tollbook.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """A new ledger on SQLite, in `tollbook.db` of the test's folder."""
    path = tmp_path / "tollbook.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


class PostgresLedgers:
    """Ledgers on PostgreSQL, emptied and lent again, for making and dropping a database takes most of a second."""

    _SHAPE = """
        SELECT md5(string_agg(part, '|' ORDER BY part)) FROM (
            SELECT format('%s %s %s', attrelid::regclass, attname, atttypid) FROM pg_attribute JOIN pg_class c
                ON c.oid = attrelid WHERE relnamespace = 'public'::regnamespace AND attnum > 0
            UNION ALL SELECT pg_get_triggerdef(t.oid) || tgenabled::text FROM pg_trigger t
            UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
            UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
            UNION ALL SELECT prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
            UNION ALL SELECT format('%s %s', oid::regclass, relacl) FROM pg_class
                WHERE relnamespace = 'public'::regnamespace
            UNION ALL SELECT version_num FROM alembic_version
        ) AS parts (part)"""

    def __init__(self, server: PostgresServer, template: str) -> None:
        self._server = server
        self._template = template
        self._spare: list[str] = []
        with self._server.connect(template) as connection:
            self._shape = connection.execute(self._SHAPE).fetchone()
            self._settings = connection.execute("SELECT name, value FROM ledger_settings").fetchall()
            self._log = connection.execute("SELECT * FROM log_entries").fetchall()

    def lend(self) -> str:
        return self._spare.pop() if self._spare else self._server.create(self._template)

    def take_back(self, name: str) -> None:
        """Empty it, or drop it where a test changed more than rows."""
        with self._server.connect(name) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            has_schema = connection.execute("SELECT to_regclass('alembic_version')").fetchone() != (None,)
            if has_schema and connection.execute(self._SHAPE).fetchone() == self._shape:
                self._empty(connection)
                self._spare.append(name)
                return
        self._server.drop(name)

    def _empty(self, connection: psycopg.Connection[Any]) -> None:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        with connection.transaction():
            connection.execute("SET LOCAL session_replication_role = replica")  # no guards, no foreign keys
            for (table,) in tables:
                if table != "alembic_version":
                    connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
            connection.cursor().executemany("INSERT INTO ledger_settings VALUES (%s, %s)", self._settings)
            listed = ", ".join(["%s"] * len(self._log[0]))
            connection.cursor().executemany(f"INSERT INTO log_entries VALUES ({listed})", self._log)

    def drop_all(self) -> None:
        for name in self._spare:
            self._server.drop(name)


@pytest.fixture(scope="session")
def postgres_ledgers(postgres_server: PostgresServer, postgres_template: str) -> Iterator[PostgresLedgers]:
    ledgers = PostgresLedgers(postgres_server, postgres_template)
    yield ledgers
    ledgers.drop_all()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_ledgers: PostgresLedgers) -> Iterator[str]:
    """A ledger on PostgreSQL in which nothing stands yet."""
    name = postgres_ledgers.lend()
    yield postgres_server.database_url(name)
    postgres_ledgers.take_back(name)


@pytest.fixture(params=["sqlite", "postgres"])
def db_url(request: pytest.FixtureRequest) -> str:
    """A new ledger of the test's own, once on each database."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    name = postgres_server.create()
    yield postgres_server.database_url(name)
    postgres_server.drop(name)


@pytest.fixture(params=["sqlite", "postgres"])
def empty_db_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database nothing was written to yet (for SQLite: a path without a file), once on each database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


# --- over HTTP ------------------------------------------------------------------------------------------------------


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A local server that keeps what is posted to it."""
    from tests.helpers.receiver import running_receiver

    with running_receiver() as found:
        yield found


# --- the command line -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What a command left behind: the exit code and both streams, apart."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    def ok(self) -> Outcome:
        assert self.exit_code == 0, f"exit code {self.exit_code}\n{self.stdout}\n{self.stderr}"
        return self


Cli = Callable[..., Outcome]


def command_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The caller's environment without tollbook's own variables, at a width of 100 columns and without colours."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("TOLLBOOK_", "COV_CORE_"))}
    return kept | {"COLUMNS": "100", "LINES": "40", "NO_COLOR": "1", "PYTHONUTF8": "1"} | dict(extra or {})


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs `tollbook ARGS...` in this process, in the test's folder; exceptions that a user would see pass through."""
    from ledger.cli import cli as root

    monkeypatch.chdir(tmp_path)
    for name in [key for key in os.environ if key.startswith("TOLLBOOK_")]:
        monkeypatch.delenv(name)

    def run(*args: object, stdin: str | bytes | None = None, env: Mapping[str, str] | None = None) -> Outcome:
        runner = CliRunner(env={"COLUMNS": "100", "NO_COLOR": "1", **(env or {})}, catch_exceptions=False)
        result = runner.invoke(root, [str(arg) for arg in args], input=stdin, prog_name="tollbook")
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


# What takes the owner of a ledger on PostgreSQL, as `redact` and `archive` do; the first two may make tables, on which
# roles have no rights yet.
OWNERS_COMMANDS = (("db", "init"), ("db", "upgrade"), ("db", "rollups"), ("db", "roles"), ("lake", "move"))


@pytest.fixture
def db_cli(request: pytest.FixtureRequest, cli: Cli, db_url: str) -> Cli:
    """`cli` on a new ledger of the test's own, once on each database; on PostgreSQL as a writer who owns nothing."""
    on_postgresql = db_url.startswith("postgresql")
    server: PostgresServer | None = request.getfixturevalue("postgres_server") if on_postgresql else None
    writers_url = server.writer_url(db_url) if server else db_url

    def run(*args: object, stdin: str | bytes | None = None, env: Mapping[str, str] | None = None) -> Outcome:
        url = db_url if args[:2] in OWNERS_COMMANDS or args[:1] in (("redact",), ("archive",)) else writers_url
        outcome = cli(*args, stdin=stdin, env={"TOLLBOOK_DB": url, **(env or {})})
        if server and args[:2] in OWNERS_COMMANDS[:2] and outcome.exit_code == 0:
            server.grant_roles(db_url)
        return outcome

    return run


@pytest.fixture(scope="session")
def console_script() -> Path:
    """The installed `tollbook`, beside the Python that runs the tests."""
    found = shutil.which("tollbook", path=str(Path(sys.executable).parent))
    assert found, "tollbook is not installed beside this Python: pip install -e '.[test]'"
    return Path(found)


@pytest.fixture
def script(tmp_path: Path, console_script: Path) -> Cli:
    """Runs the installed `tollbook ARGS...` as a process of its own, in the test's folder."""

    def run(*args: object, stdin: str | bytes | None = None, env: Mapping[str, str] | None = None) -> Outcome:
        done = subprocess.run(
            [str(console_script), *(str(arg) for arg in args)],
            cwd=tmp_path,
            env=command_environment(env),
            input=stdin.encode() if isinstance(stdin, str) else stdin or b"",
            capture_output=True,
            timeout=300,
            check=False,
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture(scope="session")
def examples() -> Path:
    """The folder of example usage in the checkout."""
    return ROOT / "examples"
