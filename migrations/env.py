"""Runs the migrations, on a connection handed in by the ledger or on the URL of -x db=, TOLLBOOK_DB or alembic.ini."""

from __future__ import annotations

import os
from typing import Any

from alembic import context
from sqlalchemy import Connection

from ledger.store.tables import indexes, metadata


def run(connection: Connection) -> None:
    assert indexes.INDEXES  # in the metadata since they are imported
    dialect = connection.dialect.name

    def belongs(item: Any, *_said: object) -> bool:  # noqa: ANN401 - of the schema
        return bool(item.info.get("only_on", dialect) == dialect)

    context.configure(
        connection=connection, target_metadata=metadata, include_object=belongs, transaction_per_migration=False
    )
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    handed_in = context.config.attributes.get("connection")
    if handed_in is not None:
        run(handed_in)
        return
    # Only a command line comes here: the engine's set-up is the ledger's own.
    from ledger.store.engines import LOCK_WAIT_SECONDS, limit_waits, make_engine, parse_url

    arguments = context.get_x_argument(as_dictionary=True)
    url = arguments.get("db") or os.environ.get("TOLLBOOK_DB") or context.config.get_main_option("sqlalchemy.url")
    assert url is not None
    engine = make_engine(parse_url(url)).execution_options(ledger_write=True)
    with engine.connect() as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            limit_waits(connection, LOCK_WAIT_SECONDS)
        run(connection)


main()
