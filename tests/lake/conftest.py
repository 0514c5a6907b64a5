"""The engines that a lake may be priced by, and what Spark needs on this machine."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

SPARK_REQUIRED = bool(os.environ.get("TOLLBOOK_TEST_SPARK_REQUIRED"))
EACH_ENGINE = [
    pytest.param("local", id="local"),
    pytest.param("spark", id="spark", marks=[pytest.mark.long]),
]


@pytest.fixture(scope="session")
def spark_installed() -> None:
    """Skip where Spark can't run, unless it is to be there."""
    missing = [name for name, found in (("pyspark", find_spec("pyspark")), ("java", shutil.which("java"))) if not found]
    if missing and not SPARK_REQUIRED:
        pytest.skip(f"Spark isn't tested: no {' and no '.join(missing)} here")
    assert not missing


@pytest.fixture(scope="session")
def spark(spark_installed: None) -> Iterator[Any]:
    """A session of two cores that tries tasks again; it takes a while to begin, and runs of this process go into it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        from pyspark.sql import SparkSession

        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        settings = {
            "spark.log.level": "ERROR",
            "spark.sql.shuffle.partitions": "2",  # not 200 of some rows each
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
        }
        session = SparkSession.builder.master("local[2,4]").config(map=settings).getOrCreate()
        yield session
        session.stop()


@pytest.fixture(params=EACH_ENGINE)
def engine(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Arguments of `lake price` for each engine."""
    if request.param == "spark":
        request.getfixturevalue("spark")
    return ("--engine", request.param)
