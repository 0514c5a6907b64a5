"""A user's Spark SQL script for a lake: `python -m benchmarks.lake_spark MASTER FILES FOLDER`, charges and sums.

FILES is a glob of `records` as Parquet. As of the DuckDB script's, whose SQL it has, no rule is behind its figures.
"""

from __future__ import annotations

import os
import sys

from benchmarks.lake_duckdb import CHARGES


def price(master: str, files: str, folder: str) -> None:
    """Writes charges and their sums, as Parquet, into a folder."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    with SparkSession.builder.master(master).config("spark.ui.showConsoleProgress", "false").getOrCreate() as spark:
        usage = spark.read.parquet(files)
        usage = usage.selectExpr("*", "requested_model AS model", "unix_seconds(occurred_at) AS created_at")
        usage.createTempView("usage")
        spark.sql(CHARGES).write.parquet(f"{folder}/charges")
        spark.read.parquet(f"{folder}/charges").createTempView("charges")
        spark.sql(
            "SELECT created_at div 86400 AS day, model, project, count(*) AS requests, sum(credits) AS credits "
            "FROM charges GROUP BY ALL"
        ).write.parquet(f"{folder}/sums")


if __name__ == "__main__":
    price(*sys.argv[1:4])
