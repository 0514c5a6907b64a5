"""Passwords and keys in database URLs: whatever is wrong with a URL, no output and no traceback shows them."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ledger import Ledger
from ledger.errors import LedgerError
from ledger.store.opening import open_ledger
from ledger.store.urls import masked, parse_url, without_secrets
from tests.conftest import Cli, Outcome
from tests.helpers.ledgers import responses

SECRET = "Tr0ub4dor"
# Nothing listens on port 1, and no name ends in .invalid.
HOST = "127.0.0.1:1"

TORN = [
    f"p@{SECRET}",
    f"{SECRET}@p",
    f"p@{SECRET}/x",
    f"p@{SECRET}?x",
    f"p@x/{SECRET}",
    f"p@x:{SECRET}",
    f"p@x?{SECRET}",
]
TORN += [f"p@x?sslmode={SECRET}", f"p@x?y={SECRET}", f"p@x#{SECRET}", f"@{SECRET}", f"p?host={SECRET}@x"]
WHOLE = [
    SECRET,
    f"p:{SECRET}",
    f"p/{SECRET}",
    f"p?{SECRET}",
    f"p#{SECRET}",
    f"p%40{SECRET}",
    f"p%{SECRET}",
    f"p[{SECRET}]",
]
SCHEMES = ["postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2", "POSTGRESQL", "Postgres+asyncpg"]
OPTIONS = [
    "password",
    "PASSWORD",
    "sslpassword",
    "sslkey",
    "options",
    "passfile",
    "token",
    "api_key",
    "conninfo",
    "dsn",
]
OPTIONS += ["plugin", "service", "cursor_factory", "scram_client_key", "oauth_client_secret"]

POSTGRESQL = [
    *(f"{scheme}://u:{SECRET}@{HOST}/d" for scheme in SCHEMES),
    *(f"postgresql://{user}:{password}@{HOST}/d" for user in ("u", "", "me@corp") for password in WHOLE + TORN),
    *(f"postgresql://{HOST}/d?{name}={SECRET}" for name in OPTIONS),
    *(f"postgresql://u:p@{HOST}/d?sslmode=prefer&{name}=x{SECRET}%20y" for name in OPTIONS),
    *(f"postgresql://{HOST}/d?options={value}" for value in (f"-c%20work_mem={SECRET}", f"-c work_mem='{SECRET}'")),
    *(f"postgresql://127.0.0.1:{port}/d?password={SECRET}" for port in ("port", "-1", "99999", "1_0", "5٣")),
    f"postgresql://u:{SECRET}@[::1]:1/d", f"postgresql://u:{SECRET}@[::1/d", f"postgresql://u:{SECRET}@::1/d",
    f"postgresql://u:{SECRET}@127.0.0.1:port/d", f"postgresql://u:{SECRET}", f"postgresql://u:{SECRET}/d",
    f"postgresql://u:x{SECRET}@/d?host=/nowhere", f"postgresql://u:{SECRET}@a..b/d", f"postgresql://u:{SECRET}@h.invalid",
    f"postgresql://host?password=a@{SECRET}",
    f"postgresql://host?options={SECRET}@x", f"postgresql://host:1/d?password=a@{SECRET}", f"postgresql://u/x:{SECRET}@h/d",
    f"postgresql://{HOST}/d;password={SECRET}", f"postgresql://{HOST}/d&password={SECRET}", f"postgresql://h;pwd={SECRET}/d",
    f"postgresql://{HOST}/d%3Bpassword%3D{SECRET}", f"postgresql://{HOST}/d?password={SECRET}&password={SECRET}",
    f"postgresql://{HOST}/d?sslmode=prefer;password={SECRET}", f"postgresql://{HOST}/d?sslmode=prefer%23{SECRET}",
    f"postgresql://{HOST}/d?application_name=a%3Dpassword%3D{SECRET}", f"postgresql://{HOST}/d?{SECRET}",
    f"postgresql://{HOST}/d?port={SECRET}%00", f"postgresql://u:{SECRET}%00@{HOST}/d", f"postgresql://u:{SECRET}\n@{HOST}/d",
    f"postgresql://u:{SECRET}%ED%A0%80@{HOST}/d",
]  # fmt: skip
OTHERS = [
    f"sqlite:///x.db?key={SECRET}", f"sqlite:///x.db?KEY={SECRET}", f"sqlite:///x.db?{SECRET}", f"sqlite:///x.db?a=1&key={SECRET}",
    f"sqlite:///x.db;key={SECRET}", f"sqlite:///x.db%3Fkey%3D{SECRET}", f"sqlite:///x.db&password={SECRET}?a=1",
    f"sqlite+pysqlcipher://:{SECRET}@/x.db?cipher=aes", f"sqlite+pysqlcipher:///x.db?key={SECRET}",
    f"sqlite://:{SECRET}@/x.db", f"sqlite://u:{SECRET}@h/x.db", f"sqlite://{SECRET}@/x.db", f"sqlite://h:{SECRET}/x.db",
    f"sqlite:///file:x.db?key={SECRET}", f"x.db?key={SECRET}", f"x.db;Password={SECRET}",
    f"mysql://u:{SECRET}@h/d", f"mysql+pymysql://u:p@{SECRET}@h/d?password={SECRET}", f"oracle:u/{SECRET}@h", f"nonsense://{SECRET}",
    f"host=127.0.0.1 port=1 password={SECRET}", f"password='{SECRET}' host=h", f"HOST=h PASSWORD = {SECRET}",
    f"host=h password={SECRET}://x", f"Server=h;Uid=u;Pwd={SECRET};", f"user=u dbname={SECRET} " + "x" * 300,
    f"u:{SECRET}@h/d", f":{SECRET}@/x.db", f"//u:{SECRET}@h/d", f"me@corp:{SECRET}@h/d", f"postgresql:/u:{SECRET}@h/d",
    f"postgresql:u:{SECRET}", f"postgresql//u:{SECRET}@h/d", f"u:{SECRET}@://h", f" postgresql://u:{SECRET}@h/d",
    f"postgresql ://u:{SECRET}@h/d", f"postgre-sql://u:{SECRET}@h/d", f"://u:{SECRET}@h/d", f"u:{SECRET}\0@h",
]  # fmt: skip
SPELLINGS = POSTGRESQL + OTHERS
COMMANDS = (["status"], ["report"], ["db", "current"], ["db", "init"], ["ingest", "-"], ["ingest", "-", "--dry-run"])


def assert_told_in_one_line(outcome: Outcome, url: str) -> None:
    assert outcome.exit_code == 2, url
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("Error: ")
    assert outcome.stderr.count("\n") == 1
    assert SECRET not in outcome.stderr, url


@pytest.mark.parametrize("url", SPELLINGS, ids=map(str, range(len(SPELLINGS))))
def test_no_command_prints_a_secret_of_its_database(
    cli: Cli, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "2")
    for command in COMMANDS:
        assert_told_in_one_line(cli(*command, "--db", url, stdin=responses([1])), url)
    assert list(tmp_path.iterdir()) == []
    if "\0" not in url:
        assert_told_in_one_line(cli("status", env={"TOLLBOOK_DB": url}), url)
        quoted = url.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        (tmp_path / "tollbook.toml").write_text(f'[ledger]\ndb = "{quoted}"\n', encoding="utf-8")
        assert_told_in_one_line(cli("status"), url)


@pytest.mark.parametrize("url", SPELLINGS, ids=map(str, range(len(SPELLINGS))))
def test_no_error_of_the_library_holds_a_secret(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "2")
    for use in (Ledger, open_ledger):
        with pytest.raises(LedgerError) as raised:
            use(url)
        assert SECRET not in str(raised.value)
        # Also what a reporter of errors finds that looks at causes by itself.
        assert SECRET not in f"{raised.value.__cause__!r}"
        assert raised.value.__context__ is None or raised.value.__suppress_context__
        assert SECRET not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    "command", [["rates", "list"], ["price", "--model", "doubao-seed-2.0-pro", "--input-tokens", "1"]]
)
def test_commands_that_need_no_ledger_print_no_secret_either(cli: Cli, command: list[str]) -> None:
    for url in SPELLINGS:
        outcome = cli(*command, "--db", url, env={"PGCONNECT_TIMEOUT": "2"})
        assert SECRET not in outcome.stdout + outcome.stderr, url
        assert outcome.exit_code == 0 or outcome.stderr.count("\n") == 1


def test_a_ledger_that_opens_is_shown_without_its_secrets(cli: Cli, postgres_url: str) -> None:
    url = postgres_url.replace("postgres@", f"postgres:{SECRET}@")
    url += f"?sslmode=prefer&application_name=cost%20report&sslpassword={SECRET}&options=-c%20app.key%3D{SECRET}"
    for command in (["status"], ["status", "--json"], ["db", "current"], ["db", "check"], ["db", "init"], ["report"]):
        outcome = cli(*command, "--db", url).ok()
        assert SECRET not in outcome.stdout + outcome.stderr
    told = cli("status", "--json", "--db", url).ok().json["database"]
    assert "//postgres:***@127.0.0.1" in told
    assert told.endswith("?application_name=cost+report&options=***&sslmode=prefer&sslpassword=***")


def test_a_refusal_by_the_server_shows_no_part_of_the_options(cli: Cli, postgres_url: str) -> None:
    for options in (f"-c%20work_mem={SECRET}", f"{SECRET}", f"-c%20{SECRET}=1", f"--{SECRET}"):
        outcome = cli("status", "--db", f"{postgres_url}?options={options}")
        assert_told_in_one_line(outcome, options)
        assert "can't be opened" in outcome.stderr


def test_what_helps_is_still_said(cli: Cli) -> None:
    for url, words in (
        ("postgresql://me:x@127.0.0.1:1/d", "postgresql+psycopg://me:***@127.0.0.1:1/d can't be opened: "),
        ("postgresql://127.0.0.1/d?sslmod=x", "invalid connection option 'sslmod'"),
        ("postgresql://127.0.0.1/d?password=a&password=b", "option 'password' is given 2 times"),
        ("postgresql://me:p@x@h/d", "write %40 for @"),
        ("postgresql://me:x@h:port/d", "its port isn't a number"),
        ("postgresql://h:0/d", "its port isn't a number from 1 to 65535"),
        ("postgresql://h/d?sslmode", "write name=value"),
        ("sqlite://host/x.db", "write three slashes"),
        ("sqlite:///x.db?mode=ro", "'sqlite:///x.db?***': a SQLite file takes no options"),
        ("host=h password=x", "give sqlite:///FILE or postgresql://"),
        ("postgresql:/h/d", "'postgresql:***' has no ://"),
    ):
        outcome = cli("status", "--db", url)
        assert outcome.exit_code == 2
        assert words in outcome.stderr


@pytest.mark.parametrize(
    ("url", "printed"),
    [
        ("postgres://me@h/d", "postgresql+psycopg://me@h/d"),
        ("postgres://h", "postgresql+psycopg://h"),
        ("postgresql://me:p%40ss@h:5/d", "postgresql+psycopg://me:***@h:5/d"),
        ("postgresql://me:a/b?c#d:e@[::1]:5/d", "postgresql+psycopg://me:***@[::1]:5/d"),
        ("postgresql:///d?host=/run/postgresql", "postgresql+psycopg:///d?host=%2Frun%2Fpostgresql"),
        ("postgresql://h/d?user=a%40b&sslmode=x%3Dy", "postgresql+psycopg://h/d?sslmode=***&user=***"),
        ("postgresql://h/d?host=a&host=b", "postgresql+psycopg://h/d?host=a&host=b"),
        ("SQLite:///x.db", "sqlite:///x.db"),
        ("a b.db", "sqlite:///a b.db"),
    ],
)
def test_how_a_url_is_printed(url: str, printed: str) -> None:
    assert masked(parse_url(url)) == printed


@pytest.mark.parametrize(
    "path",
    [
        "/data/host=a/x.db",
        "runs/key=1/x.db",
        "x@y:z.db",
        "C:\\data@1\\x.db",
        "C:/a@b.db",
        "what?.db",
        "a=b.db",
        "a:b.db",
        "key.db",
    ],
)
def test_names_of_files_that_are_no_connection_strings_stay_names(path: str) -> None:
    assert parse_url(path).database == path


def test_a_short_secret_is_masked_where_it_stands_alone() -> None:
    url = parse_url("postgresql://u:abc@h/d?options=x")
    said = 'invalid value "abc", "x" in abcd, max of 3'
    assert without_secrets(said, url) == 'invalid value "***", "***" in abcd, max of 3'
    assert without_secrets(said, None) == said


# --- any text at all ------------------------------------------------------------------------------------------------

ANY = st.text(st.characters(exclude_characters="/"), max_size=12)
PASSWORDS = st.text(st.sampled_from("@/:?#&=%;[]'\" \\x1"), max_size=6).map(lambda text: f"{SECRET}{text}")
URLS = st.builds(
    "{}{}{}{}{}{}".format,
    st.sampled_from(["", "sqlite", "sqlite+pysqlite", "postgresql", "postgres", "postgresql+psycopg", "mysql", "x y"]),
    st.sampled_from(["://", "://", "://", ":///", ":", ":/", ""]),
    st.one_of(st.just(""), st.builds("{}:{}@".format, ANY, ANY), ANY),
    st.sampled_from(["", "127.0.0.1:1", "[::1]:1", "127.0.0.1:", "/", "[", "::"]),
    st.one_of(st.just(""), ANY.map("/{}".format)),
    st.one_of(
        st.just(""), st.builds("?{}={}".format, st.one_of(ANY, st.sampled_from(OPTIONS)), ANY), ANY.map("?{}".format)
    ),
)
FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.long
@FUZZ
@given(text=st.one_of(ANY, URLS).filter(str.strip))
@example(text="sqlite://host/x.db")
@example(text="sqlite:///" + "x" * 5000)
@example(text="x" * 5000)
@example(text="\udcff.db")
@example(text="\ud800")
@example(text="a\nb")
@example(text="postgresql://127.0.0.1:1/\ud800")
@example(text="postgresql://127.0.0.1:1?port=1,2,3")
@example(text="postgresql://?host=a:b:c&host=127.0.0.1:x")
@example(text="postgresql://127.0.0.1:1/x?connect_timeout=x")
@example(text="postgresql://127.0.0.1:1/x?client_encoding=x")
def test_any_text_as_database_is_answered_in_one_line(cli: Cli, text: str) -> None:
    for command in (["status"], ["ingest", "-", "--dry-run", "--json"]):
        outcome = cli(*command, "--db", text, stdin=responses([1]), env={"PGCONNECT_TIMEOUT": "2"})
        assert outcome.exit_code in (0, 2)
        assert outcome.stderr.count("\n") == 1


@FUZZ
@given(
    user=st.sampled_from(["", "u", "me@corp", "u/x"]), password=PASSWORDS, tail=st.sampled_from(["", "/d", "/d?user=x"])
)
def test_no_character_in_a_password_makes_it_show(cli: Cli, user: str, password: str, tail: str) -> None:
    for scheme in ("postgresql://", "mysql://", "sqlite://", "postgresql:", ""):
        outcome = cli("status", "--db", f"{scheme}{user}:{password}@127.0.0.1:1{tail}")
        assert_told_in_one_line(outcome, password)


@pytest.mark.parametrize(
    "line",
    [
        ["db", "init"], ["db"], [], ["report"], ["ingest"], ["rates", "add"], ["report", "-o"], ["report", "--by"],
        ["price", "--model"], ["status", "--format"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_url_where_none_belongs_shows_no_password(cli: Cli, line: list[str]) -> None:
    for url in ("postgresql://u:s3cret@h/d", "postgres://:s3cret@h", "sqlite://u:s3cret@/x"):
        outcome = cli(*line, url)
        assert outcome.exit_code == 2
        assert "s3cret" not in outcome.stdout + outcome.stderr


def test_a_password_behind_an_escaped_colon_is_no_name_to_show() -> None:
    assert "s3cret" not in masked(parse_url("postgresql://u%3As3cret@h/d"))
