"""tokens written to the cache and calls, with their amounts."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

BIGINT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

COUNTS = {
    "cache_write_5m_tokens": "of the input, written to the cache for 5 minutes; null for none",
    "cache_write_1h_tokens": "of the input, written to the cache for an hour; null for none",
    "calls": "calls of tools that the card prices; null for none",
}
AMOUNTS = ("cache_write_5m_nano", "cache_write_1h_nano", "call_nano")
ROLL_UPS = ("rollup_days", "rollup_quarters")

SUM = "amount_nano = input_nano + cached_input_nano + output_nano + cache_storage_nano"
WRITTEN = "coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0)"


class Check(NamedTuple):
    """A check of a table with {part} in it, and what that said before and says now."""

    name: str
    whole: str
    before: str
    after: str


CHECKS = {
    "charges": Check(
        "ck_charges_ck_charges_charge_class",
        "CASE charge_class WHEN 'charge' THEN corrects_id IS NULL AND usage_record_id IS NOT NULL AND {part}"
        " WHEN 'replacement' THEN corrects_id IS NOT NULL AND usage_record_id IS NOT NULL AND {part}"
        " WHEN 'reversal' THEN corrects_id IS NOT NULL WHEN 'adjustment' THEN corrects_id IS NULL ELSE 1 = 0 END",
        SUM,
        f"{SUM} + {' + '.join(f'coalesce({name}, 0)' for name in AMOUNTS)}",
    ),
    "usage_records": Check(
        "ck_usage_records_ck_usage_records_facts",
        "kind IN ('request', 'cache_storage') AND 0 <= cached_input_tokens AND {part}"
        " AND 0 <= reasoning_tokens AND reasoning_tokens <= output_tokens",
        "cached_input_tokens <= input_tokens",
        f"cached_input_tokens + {WRITTEN} <= input_tokens"
        f" AND {' AND '.join(f'0 <= coalesce({name}, 0)' for name in COUNTS)}",
    ),
}


def upgrade() -> None:
    for name, comment in COUNTS.items():
        op.add_column("usage_records", sa.Column(name, BIGINT, nullable=True, comment=comment))
    for name in AMOUNTS:
        op.add_column("charges", sa.Column(name, BIGINT, nullable=True))
    for table in ROLL_UPS:
        for name in (*COUNTS, *AMOUNTS):
            op.add_column(table, sa.Column(name, BIGINT, nullable=False, server_default=sa.text("0")))
    for table, check in CHECKS.items():
        change_check(table, check, check.before, check.after)


def downgrade() -> None:
    held = " OR ".join(f"{name} IS NOT NULL" for name in COUNTS)
    if op.get_bind().exec_driver_sql(f"SELECT 1 FROM usage_records WHERE {held} LIMIT 1").first() is not None:
        raise RuntimeError(
            "usage with tokens written to the cache or calls is booked, which the schema before can't hold"
        )
    for table, check in CHECKS.items():
        change_check(table, check, check.after, check.before)
    for table in ROLL_UPS:
        for name in (*COUNTS, *AMOUNTS):
            op.drop_column(table, name)
    for name in AMOUNTS:
        op.drop_column("charges", name)
    for name in COUNTS:
        op.drop_column("usage_records", name)


def change_check(table: str, check: Check, before: str, after: str) -> None:
    """Have a table's check say something else of the rows that are there, which are not copied."""
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        whole = check.whole.format(part=after)
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {check.name}, ADD CONSTRAINT {check.name} CHECK ({whole})")
        return
    # SQLite has no statement for it: sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes".
    statement = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?"
    (text,) = connection.exec_driver_sql(statement, (table,)).one()
    if before not in text:
        message = f"the check of {table} isn't the one that this ledger was made with: 'tollbook db check' says more"
        raise RuntimeError(message)
    (version,) = connection.exec_driver_sql("PRAGMA schema_version").one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    try:
        connection.exec_driver_sql(
            "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = ?",
            (before, after, table),
        )
        connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    finally:
        connection.exec_driver_sql("PRAGMA writable_schema = RESET")  # off, and the schema read anew
