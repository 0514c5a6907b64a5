"""Database URLs: which serve, and how they are printed. No message, and no line of a traceback, holds a secret of one.

What can't be told apart from a password is refused rather than guessed at: SQLAlchemy ends a password at the first @
and the driver goes on to print the rest of it as the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ledger.errors import LedgerError

MASK = "***"
# Options that no secret has a place in: their values are printed as they are, where they are plain.
PRINTED_OPTIONS = frozenset({
    "application_name", "channel_binding", "client_encoding", "connect_timeout", "dbname", "gssencmode", "host",
    "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "port", "sslmode",
    "target_session_attrs", "tcp_user_timeout", "user",
})  # fmt: skip
# Those of them that lead to the server.
_LEADING = frozenset({
    "channel_binding", "dbname", "gssencmode", "host", "port", "sslmode", "target_session_attrs", "user",
})  # fmt: skip
_PLAIN = re.compile(r"[\w ./,+-]*")
# Options that may be given several times, one for each server.
_REPEATED = frozenset({"host", "port"})
# `password=`, `sslpassword =`, `api_key=`, `host=`: what connection strings of other kinds consist of.
_ASSIGNMENT = re.compile(
    r"(?:^|[\s;,&?])(?P<name>\w*(?:pass|pwd|secret|token|key|credential)\w*|host|hostaddr|port|dbname|user|service|uid"
    r"|server|data source)\s*=",
    re.IGNORECASE,
)
# USER:PASSWORD@ anywhere; the drive that a path on Windows begins with is no user.
_CREDENTIALS = re.compile(r"(?:[A-Za-z]:(?=[\\/]))?+.*:.+@", re.DOTALL)
_SCHEME = re.compile(r"(?:postgres\w*|sqlite\w*|mysql\w*|mariadb|oracle|mssql|duckdb)(?:\+\w+)?:", re.IGNORECASE)
_USERINFO = re.compile(r"(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@(?P<tail>.*)", re.DOTALL)

FORMS = "give sqlite:///FILE or postgresql://USER@HOST/NAME"
ESCAPES = "in a name, a password or an option write %40 for @, %3A for :, %2F for /, %3F for ? and %26 for &"


def parse_url(url: str) -> URL:
    """Returns a SQLAlchemy URL from a URL or a plain SQLite path; PostgreSQL always means psycopg 3."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return _of_path(url)
    drivername = re.sub(r"^postgres(ql)?(\+\w+)?$", "postgresql+psycopg", scheme.lower())
    if not re.fullmatch(r"[\w+]+", drivername):
        raise LedgerError(f"database URL '{MASK}' can't be read: {FORMS}")
    if drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise LedgerError(f"database {drivername!r} is not supported: use sqlite or postgresql")
    return _of_sqlite(drivername, rest) if drivername.startswith("sqlite") else _of_postgresql(drivername, rest)


def _of_path(path: str) -> URL:
    if _SCHEME.match(path):
        raise LedgerError(f"database '{path.partition(':')[0]}:{MASK}' has no :// after its kind: {FORMS}")
    if _CREDENTIALS.match(path):
        raise LedgerError(f"database '{MASK}@…' looks like a URL whose beginning is missing: {FORMS}")
    return _sqlite_file(URL.create("sqlite", database=path))


def _of_sqlite(drivername: str, rest: str) -> URL:
    path, question, _options = rest.partition("?")
    if path and not path.startswith("/"):
        raise _refused(
            drivername, "has a host, and SQLite knows none: write three slashes before the file, sqlite:///FILE"
        )
    parsed = _made(drivername, path)
    if question and parsed.database and not str(parsed.database).startswith("file:"):
        raise LedgerError(
            f"database URL '{drivername}:///{_file_shown(parsed)}?{MASK}': "
            "a SQLite file takes no options; leave out what follows the ?"
        )
    return _sqlite_file(parsed)


def _file_shown(url: URL) -> str:
    return MASK if _ASSIGNMENT.search(str(url.database)) else str(url.database)


def _sqlite_file(url: URL) -> URL:
    # SQLite reads names that start with "file:" as URIs, which may name memory or forbid what a ledger needs.
    if url.database in (None, "", ":memory:") or str(url.database).startswith("file:"):
        raise LedgerError("a ledger can't live in memory: give a file, such as sqlite:///tollbook.db")
    found = _ASSIGNMENT.search(str(url.database))
    if found:
        raise LedgerError(
            f"database with '{found['name']}=' in it looks like a connection string, not a SQLite file: {FORMS}"
        )
    return url


def _of_postgresql(drivername: str, rest: str) -> URL:
    found = _USERINFO.match(rest)
    user, password, tail = found.group("user", "password", "tail") if found else ("", None, rest)
    place, _question, options = tail.partition("?")
    is_torn = "@" in place or ("@" in options and (password is not None or ":" in place))
    if is_torn or re.search(r"[?&=]", user) or re.search(r"[?&]\w*=", password or ""):
        raise _refused(drivername, f"is ambiguous: {ESCAPES}")
    if any("=" not in option for option in options.split("&") if option):
        raise _refused(drivername, "has an option without a value: write name=value, joined by &")
    parsed = _made(drivername, rest)
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise _refused(drivername, "can't be read: its port isn't a number from 1 to 65535")
    if _ASSIGNMENT.search(f"{parsed.host} {parsed.username} {parsed.database}"):
        raise _refused(drivername, "has options in its host or name: give them after a ?, joined by &")
    return parsed


def _made(drivername: str, rest: str) -> URL:
    try:
        return make_url(f"{drivername}://{rest}")
    except ValueError:
        reason = f"can't be read: its port isn't a number from 1 to 65535; {ESCAPES}"
    except ArgumentError:
        reason = f"can't be read: {FORMS}"
    raise _refused(drivername, reason)


def _refused(drivername: str, reason: str) -> LedgerError:
    """Returns the error for a URL of which nothing but the scheme is known not to be its password."""
    return LedgerError(f"database URL '{drivername}://{MASK}' {reason}")


def check_options(url: URL, known: frozenset[str]) -> None:
    """Refuses options that the driver doesn't know, or that are given twice."""
    for name, value in url.query.items():
        if name not in known:
            said = repr(name) if re.fullmatch(r"[A-Za-z_]{1,40}", name) else "in its URL"
            raise LedgerError(f"{masked(url)} can't be opened: invalid connection option {said}")
        if not isinstance(value, str) and name not in _REPEATED:
            raise LedgerError(f"{masked(url)} can't be opened: option {name!r} is given {len(value)} times, once is it")


def masked(url: URL) -> str:
    """Returns the URL fit to print: no password, and no value of an option but those known to be harmless."""
    query = {name: value if _is_printed(name, value) else MASK for name, value in url.query.items()}
    # USER%3APASSWORD is all user to a server, and a password to whoever wrote it.
    user = MASK if url.username and ":" in url.username else url.username
    text = url.set(query=query, username=user).render_as_string(hide_password=True)
    return text.replace(quote_plus(MASK), MASK)


def for_other_programs(url: URL) -> str:
    """Returns a PostgreSQL URL as libpq's programs take it: without password, and only what leads to the server."""
    query = {name: value for name, value in url.query.items() if name in _LEADING and _is_printed(name, value)}
    user = None if url.username and ":" in url.username else url.username
    return URL.create("postgresql", user, None, url.host, url.port, url.database, query).render_as_string()


def _is_printed(name: str, value: str | tuple[str, ...]) -> bool:
    return name in PRINTED_OPTIONS and bool(_PLAIN.fullmatch(value if isinstance(value, str) else ",".join(value)))


def without_secrets(text: str, url: URL | None) -> str:
    """Masks the secrets of a URL in words about it, such as the driver's."""
    if url is not None:
        for secret in sorted(set(_secrets(url)), key=len, reverse=True):
            # A short one must be a word of its own: "a" is in most words.
            pattern = re.escape(secret) if len(secret) > 3 else rf"(?<!\w){re.escape(secret)}(?!\w)"
            text = re.sub(pattern, MASK, text)
    return text


def _secrets(url: URL) -> Iterator[str]:
    """Yields each secret as it is, as it may be quoted, and in the words that a server may take it apart into."""
    values = [str(url.password)] if url.password else []
    for name, value in url.query.items():
        if not _is_printed(name, value):
            values += [value] if isinstance(value, str) else value
    for value in values:
        yield from filter(None, (value, quote(value, safe=""), quote_plus(value), repr(value)[1:-1]))
        yield from filter(None, re.split(r"[\s=,;:@/?&#'\"\\]+", value))
