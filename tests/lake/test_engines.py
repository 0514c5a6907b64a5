"""How `lake price` is asked for an engine, and what it says where that can't be had."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from ledger.lake.engine import Outcome
from ledger.lake.local import Local
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


@pytest.mark.parametrize(
    ("name", "result", "said"),
    [
        ("decide", Outcome(Counter(accepted=5), Counter(), 0), "5 of 862 rows were decided"),
        ("write_charges", (), "0 of 859 rows were written"),
    ],
)
def test_an_engine_that_loses_rows_commits_nothing(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, result: object, said: str
) -> None:
    cli("db", "init").ok()
    whole = getattr(Local, name)
    monkeypatch.setattr(Local, name, lambda engine, asked: (whole(engine, asked), result)[1])
    outcome = price(cli, write_usage(tmp_path), "2026-02")
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)
    assert said in outcome.stderr
    assert not (tmp_path / "lake" / "manifests").exists()


def test_runs_of_the_same_share_no_file_name(cli: Cli, tmp_path: Path) -> None:
    """So that in a store, which has no lock, neither writes over what the other has committed."""
    cli("db", "init").ok()
    usage = write_usage(tmp_path)
    one, other = (price(cli, usage, "2026-02", lake=lake).json for lake in ("one", "other"))
    for kind in ("charges", "cells", "quarantine"):
        assert one[kind]
        assert not set(one[kind]) & set(other[kind])
