"""A user's DuckDB script for a lake: `python -m benchmarks.lake_duckdb FILES FOLDER`, charges and sums as Parquet.

FILES is a glob of Responses lines, or of `records` as Parquet. Prices are four models' by the prompt's tier, the sums
by day, model and project. No id is looked at, no line checked, no rule or conversion applied, and amounts are doubles.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.ingest_duckdb import COLUMNS, SELECT

# Per model: input by tier, cached input, output by tier, in credits for a million tokens.
PRICES = """
(VALUES ('pro', 32.0, 48.0, 96.0, 6.4, 160.0, 240.0, 480.0), ('code', 32.0, 48.0, 96.0, 6.4, 160.0, 240.0, 480.0),
    ('lite', 6.0, 9.0, 18.0, 1.2, 36.0, 54.0, 108.0), ('mini', 2.0, 4.0, 8.0, 0.4, 20.0, 40.0, 80.0))
AS prices (name, input_1, input_2, input_3, cached, output_1, output_2, output_3)
"""
TIER = "CASE WHEN input_tokens <= 32000 THEN {0}_1 WHEN input_tokens <= 128000 THEN {0}_2 ELSE {0}_3 END"
CHARGES = f"""
SELECT *, ((input_tokens - cached_input_tokens) * {TIER.format("input")} + cached_input_tokens * cached
    + output_tokens * {TIER.format("output")}) / 1e6 AS credits
FROM usage JOIN {PRICES} ON contains(model, name)
"""


def price(files: str, folder: Path) -> None:
    """Writes charges and their sums into a folder."""
    import duckdb

    with duckdb.connect() as connection:
        if files.endswith(".parquet"):
            connection.execute(
                "CREATE VIEW usage AS SELECT *, requested_model AS model, epoch(occurred_at) AS created_at "
                f"FROM read_parquet('{files}')"
            )
        else:
            columns = str(COLUMNS)
            select = SELECT.replace("$file", f"'{files}'").replace("$columns", columns)
            connection.execute(f"CREATE VIEW usage AS {select}")
        connection.execute(f"COPY ({CHARGES}) TO '{folder}/charges.parquet' (FORMAT parquet, COMPRESSION zstd)")
        connection.execute(
            "COPY (SELECT created_at // 86400 AS day, model, project, count(*) AS requests, sum(credits) AS credits "
            f"FROM '{folder}/charges.parquet' GROUP BY ALL) TO '{folder}/sums.parquet' (FORMAT parquet)"
        )


if __name__ == "__main__":
    price(sys.argv[1], Path(sys.argv[2]))
