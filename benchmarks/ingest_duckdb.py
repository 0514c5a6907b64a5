"""A user's DuckDB script: `python -m benchmarks.ingest_duckdb FILE DATABASE [--unique]`, the floor's facts in a table.

No price, no check, no second file: the lines of one file as they are, on all cores. `--unique` refuses an id that comes
twice. duckdb is no dependency; the script is left out where it isn't installed.
"""

from __future__ import annotations

import sys

COLUMNS = {
    "id": "VARCHAR",
    "created_at": "BIGINT",
    "model": "VARCHAR",
    "status": "VARCHAR",
    "service_tier": "VARCHAR",
    "metadata": "STRUCT(project VARCHAR)",
    "usage": "STRUCT(input_tokens BIGINT, input_tokens_details STRUCT(cached_tokens BIGINT), "
    "output_tokens BIGINT, output_tokens_details STRUCT(reasoning_tokens BIGINT))",
}
SELECT = """
SELECT id AS request_id, created_at, model, metadata.project AS project, status, service_tier,
    usage.input_tokens AS input_tokens, usage.input_tokens_details.cached_tokens AS cached_input_tokens,
    usage.output_tokens AS output_tokens, usage.output_tokens_details.reasoning_tokens AS reasoning_tokens
FROM read_json($file, format = 'newline_delimited', columns = $columns)
"""
UNIQUE_TABLE = """
CREATE TABLE facts (request_id VARCHAR PRIMARY KEY, created_at BIGINT, model VARCHAR, project VARCHAR, status VARCHAR,
    service_tier VARCHAR, input_tokens BIGINT, cached_input_tokens BIGINT, output_tokens BIGINT,
    reasoning_tokens BIGINT)
"""


def load(file: str, database: str, *, unique: bool) -> None:
    """Reads the file into a table of its own."""
    import duckdb

    with duckdb.connect(database) as connection:
        if unique:
            connection.execute(UNIQUE_TABLE)
        begin = "INSERT INTO facts" if unique else "CREATE TABLE facts AS"
        connection.execute(f"{begin} {SELECT}", {"file": file, "columns": COLUMNS})


if __name__ == "__main__":
    load(sys.argv[1], sys.argv[2], unique="--unique" in sys.argv)
