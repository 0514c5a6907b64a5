"""The schema of a PostgreSQL database, in the server's own words for what its catalogue holds.

The server says both sides: what is there, and what the migrations make anew among temporary tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, event, text

from ledger.store.schema.parts import Part, Schema

TEMPORARY = "pg_temp"
# A guard that is always enabled fires in more sessions than one that is enabled.
_FIRES = "IN ('O', 'A')"
_TABLES = "WITH tables AS (SELECT * FROM pg_class WHERE relnamespace = CAST(:schema AS oid) AND relkind IN ('r', 'p'))"
# Each kind of part: the table, the name, the definition, in a fixed order. Temporary tables are as lasting as others.
_QUERIES = {
    "table": """
        SELECT relname, relname, concat_ws(' ',
            CASE relkind WHEN 'r' THEN 'a table' WHEN 'p' THEN 'a partitioned table'
                WHEN 'v' THEN 'a view ' || pg_get_viewdef(oid)
                WHEN 'm' THEN 'a materialized view' WHEN 'f' THEN 'a foreign table' END,
            CASE WHEN relpersistence = 'u' THEN '(UNLOGGED: a crash empties it)' END,
            CASE WHEN relrowsecurity THEN '(under row security)' END)
        FROM pg_class WHERE relnamespace = CAST(:schema AS oid) AND relkind IN ('r', 'p', 'v', 'm', 'f')""",
    "column": """
        SELECT relname, attname, concat_ws(' ', format_type(atttypid, atttypmod),
            CASE WHEN attcollation <> typcollation THEN 'COLLATE ' || attcollation::regcollation END,
            CASE WHEN attnotnull THEN 'NOT NULL' END, 'DEFAULT ' || pg_get_expr(adbin, adrelid),
            CASE WHEN attidentity <> '' THEN 'IDENTITY' END, CASE WHEN attgenerated <> '' THEN 'GENERATED' END)
        FROM tables JOIN pg_attribute ON attrelid = tables.oid JOIN pg_type ON pg_type.oid = atttypid
            LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attnum > 0 AND NOT attisdropped ORDER BY relname, attnum""",
    # Of NOT NULL, which newer servers list too, the columns tell.
    "constraint": f"""
        SELECT relname, conname, pg_get_constraintdef(c.oid, true) || CASE WHEN EXISTS (
            SELECT FROM pg_trigger WHERE tgconstraint = c.oid AND tgenabled::text NOT {_FIRES}
        ) THEN ' (disabled)' ELSE '' END
        FROM tables JOIN pg_constraint c ON conrelid = tables.oid WHERE contype <> 'n' ORDER BY 1, 2""",
    # Of an index that a constraint has, the constraint tells.
    "index": """
        SELECT tables.relname, i.relname, pg_get_indexdef(indexrelid, 0, true)
            || CASE WHEN indisvalid AND indisready AND indislive THEN '' ELSE ' (not valid)' END
        FROM tables JOIN pg_index ON indrelid = tables.oid JOIN pg_class i ON i.oid = indexrelid
        WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
        ORDER BY 1, 2""",
    "trigger": f"""
        SELECT relname, tgname, pg_get_triggerdef(t.oid, true)
            || CASE WHEN tgenabled::text {_FIRES} THEN '' ELSE ' (disabled)' END
        FROM tables JOIN pg_trigger t ON tgrelid = tables.oid WHERE NOT tgisinternal ORDER BY 1, 2""",
    # A view is a rule for SELECT, which no table has.
    "rule": """
        SELECT relname, rulename, pg_get_ruledef(r.oid, true)
        FROM tables JOIN pg_rewrite r ON ev_class = tables.oid ORDER BY 1, 2""",
    "child": """
        SELECT relname, inhrelid::regclass::text, 'its rows are read with the table''s'
        FROM tables JOIN pg_inherits ON inhparent = tables.oid ORDER BY 1, 2""",
    "function": """
        SELECT '', proname || '(' || pg_get_function_identity_arguments(oid) || ')', pg_get_functiondef(oid)
        FROM pg_proc WHERE pronamespace = CAST(:schema AS oid) AND prokind = 'f' ORDER BY 1, 2""",
}


def find_place(connection: Connection) -> str:
    """Returns the name of the schema that the ledger is in, quoted where it has to be."""
    query = "SELECT CAST(CAST(relnamespace AS regnamespace) AS text) FROM pg_class WHERE oid = to_regclass(:table)"
    return str(connection.execute(text(query), {"table": "alembic_version"}).scalar_one())


def read_visible(connection: Connection) -> dict[str, str]:
    """Reads in which schema each name of a table is found by statements that name none."""
    query = (
        "SELECT relname, CAST(CAST(relnamespace AS regnamespace) AS text) AS place FROM pg_class"
        " WHERE pg_table_is_visible(oid)"
    )
    return {row.relname: row.place for row in connection.execute(text(query))}


def read_schema(connection: Connection, place: str) -> Schema:
    """Reads all that is in a schema, which the transaction's search_path has alone from then on."""
    connection.execute(text("SELECT set_config('search_path', :path, true)"), {"path": place})
    found = "pg_my_temp_schema()" if place == TEMPORARY else "CAST(to_regnamespace(:name) AS oid)"
    number = connection.execute(text(f"SELECT {found}"), {"name": place}).scalar_one()
    own = re.compile(r"\bpg_temp(_\d+)?\.|" + re.escape(f"{place}."))
    return {
        Part(kind, table, name): own.sub("", definition)
        for kind, query in _QUERIES.items()
        for table, name, definition in connection.execute(text(f"{_TABLES} {query}"), {"schema": number})
    }


@contextmanager
def among_temporary(connection: Connection) -> Iterator[None]:
    """Has all that is made without a schema's name made among temporary objects, for the transaction's length.

    Tables are found there again without saying so, functions only where their place is named.
    """

    def name_place(
        _c: object, _cursor: object, statement: str, parameters: object, *_more: object
    ) -> tuple[str, object]:
        return statement.replace(" EXECUTE FUNCTION ", f" EXECUTE FUNCTION {TEMPORARY}."), parameters

    connection.execute(text("SELECT set_config('search_path', :path, true)"), {"path": TEMPORARY})
    event.listen(connection, "before_cursor_execute", name_place, retval=True)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", name_place)
