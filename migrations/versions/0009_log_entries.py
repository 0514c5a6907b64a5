"""the log."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import context, op

revision = "0009"
down_revision = "0008"

# SQLite's STRICT tables know INTEGER alone; times are microseconds since the epoch, UTC.
BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

REFUSAL = "'log_entries is append-only: what was done stays done'"

SEALED = "id, digest"
COVERED = {
    "batches": SEALED,
    "closings": SEALED,
    "wallet_moves": SEALED,
    "projects": SEALED,
    "budgets": SEALED,
    "budget_events": SEALED,
    "wallet_entries": "id, closing_id, provider, day, from_account, to_account, lot_id, amount_nano",
    "card_versions": "id, provider, origin, digest, content, reason, added_at",
    "rate_entries": "id, card_version_id, provider, model, currency, effective_from, key, digest, content, recorded_at",
    "conversions": "id, provider, currency, per_usd_nano, effective_from, origin, source_url, checked_on, reason, added_at",
    "quarantine": "id, digest, file, line, length, source, first_seen_at",
}


def text(name: str, comment: str | None = None, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable, comment=comment)


def upgrade() -> None:
    op.create_table(
        "log_entries",
        sa.Column(
            "id", BIGINT, autoincrement=False, nullable=False, comment="1, 2, 3 … without a gap, in order of commit"
        ),
        sa.Column("at", BIGINT, nullable=False),
        text("actor"),
        text("version", "of tollbook"),
        text("rows", "JSON array of [table, first id, last id, sha256 over these rows]"),
        text(
            "settled",
            "JSON object: by state, ranges of ids of quarantine that came to it; null where none did",
            nullable=True,
        ),
        text("held", "sum of sha256 over what quarantine keeps of each line, modulo 2**256, as this entry leaves it"),
        text("previous", "digest of the entry before, empty for the first"),
        text("digest", "sha256 over the other columns"),
        sa.PrimaryKeyConstraint("id", name="pk_log_entries"),
        comment="One row a transaction that changed the book, append-only, chained by digest.",
        sqlite_strict=True,
    )
    cover_what_is_there(op.get_bind())
    guard()


def cover_what_is_there(connection: sa.Connection) -> None:
    """Begin the log with one entry over all that the ledger holds; a new ledger's begins with its settings."""
    settings = [tuple(row) for row in stream(connection, "SELECT name, value FROM ledger_settings")]
    if not settings:
        return
    covered = [found for table in COVERED if (found := covered_rows(connection, table)) is not None]
    lines = msgspec.json.Encoder().encode_lines(sorted(row for row in settings if row[0] != "lock"))
    covered.append(("ledger_settings", 0, 0, hashlib.sha256(lines).hexdigest()))
    states = ranges_by_state(connection)
    entry = {
        "id": 1,
        "at": time.time_ns() // 1_000,
        "actor": context.config.attributes.get("actor") or "upgrade",
        "version": version("tollbook"),
        "rows": msgspec.json.encode(covered).decode(),
        "settled": msgspec.json.encode(states).decode() if states else None,
        "held": sum_of_held(connection),
        "previous": "",
    }
    digest = hashlib.sha256(msgspec.json.encode(list(entry.values()))).hexdigest()
    connection.execute(
        sa.text(
            "INSERT INTO log_entries VALUES (:id, :at, :actor, :version, :rows, :settled, :held, :previous, :digest)"
        ),
        {**entry, "digest": digest},
    )


def stream(connection: sa.Connection, query: str) -> Iterable[Sequence[Any]]:
    return connection.execute(sa.text(query), execution_options={"yield_per": 5_000})


def covered_rows(connection: sa.Connection, table: str) -> tuple[str, int, int, str] | None:
    """Digest all rows of a table; None where it has none."""
    digest = hashlib.sha256()
    first = last = None
    for row in stream(connection, f"SELECT {COVERED[table]} FROM {table} ORDER BY id"):
        digest.update(msgspec.json.encode(tuple(row)) + b"\n")
        first, last = row[0] if first is None else first, row[0]
    return None if first is None or last is None else (table, first, last, digest.hexdigest())


def sum_of_held(connection: sa.Connection) -> str:
    """Add up what quarantine keeps of each line."""
    rows = stream(
        connection, "SELECT id, reason, message, request_id, occurred_at, fields, complete, options FROM quarantine"
    )
    total = sum(int.from_bytes(hashlib.sha256(msgspec.json.encode(tuple(row))).digest()) for row in rows)
    return f"{total % 2**256:064x}"


def ranges_by_state(connection: sa.Connection) -> dict[str, list[list[int]]]:
    """Find the ranges of ids of quarantine in each state that isn't open."""
    found: dict[str, list[list[int]]] = {}
    for number, state in stream(connection, "SELECT id, state FROM quarantine WHERE state <> 'open' ORDER BY id"):
        ranges = found.setdefault(state, [])
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return found


def guard() -> None:
    """Refuse updates, deletes, replaces and truncates, whoever asks."""
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER log_entries_no_{event.lower()} BEFORE {event} ON log_entries "
                f"BEGIN SELECT RAISE(ABORT, {REFUSAL}); END"
            )
        op.execute(
            "CREATE TRIGGER log_entries_no_replace BEFORE INSERT ON log_entries "
            "WHEN EXISTS (SELECT 1 FROM log_entries WHERE id = NEW.id) "
            f"BEGIN SELECT RAISE(ABORT, {REFUSAL}); END"
        )
    else:
        op.execute(
            "CREATE TRIGGER log_entries_append_only BEFORE UPDATE OR DELETE ON log_entries "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            "CREATE TRIGGER log_entries_no_truncate BEFORE TRUNCATE ON log_entries "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    op.drop_table("log_entries")
