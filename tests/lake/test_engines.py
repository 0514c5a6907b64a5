"""How `lake price` is asked for an engine, and what it says where that can't be had."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.helpers.lake_usage import price, write_usage

SPARK = ("--engine", "spark")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--master", "local[2]"), "--master is for --engine spark"),
        ((*SPARK, "--processes", "2"), "--processes is for --engine local: Spark has workers"),
    ],
)
def test_options_are_of_one_engine(cli: Cli, tmp_path: Path, asked: tuple[str, ...], said: str) -> None:
    cli("db", "init").ok()
    outcome = price(cli, write_usage(tmp_path), "2026-02", *asked)
    assert (outcome.exit_code, said in outcome.stderr) == (2, True)


def test_where_spark_is_missing_the_extra_is_named(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ledger.lake.spark", raising=False)
    for name in ("pyspark", "py4j", "py4j.protocol"):
        monkeypatch.setitem(sys.modules, name, None)
    cli("db", "init").ok()
    outcome = price(cli, write_usage(tmp_path), "2026-02", *SPARK)
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)
    assert "pip install 'tollbook[spark]'" in outcome.stderr
