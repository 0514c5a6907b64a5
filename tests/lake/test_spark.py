"""What only a run by Spark may come across; what it prices is in the tests that hold for both engines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from ledger.lake.manifest import LakeFile
from ledger.lake.store import Lake, open_lake
from tests.conftest import Cli
from tests.helpers.lake_usage import SAME, charged, in_order, price, write_usage
from tests.helpers.sources import lines, response

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("spark")]
SPARK = ("--engine", "spark")


class Unlucky(Lake):
    """A lake in which each task's first attempt is lost once its files are there."""

    def put(self, local: Path, path: str, rows: int) -> LakeFile:
        put = super().put(local, path, rows)
        lose_first()
        return put

    def copy(self, local: Path, path: str) -> None:
        super().copy(local, path)
        if path.endswith("/held.parquet"):  # the last of a staged file's
            lose_first()


def lose_first() -> None:
    from pyspark import TaskContext

    context = TaskContext.get()
    if context is not None and context.attemptNumber() == 0:
        raise RuntimeError("lost")


def test_a_lake_may_have_any_name(cli: Cli, tmp_path: Path) -> None:
    cli("db", "init").ok()
    lake, usage = tmp_path / "it's o:d l[a]k*e {1} 100%20#?", tmp_path / "u [1]'.jsonl"
    usage.write_text(lines([response("r1"), response("r2")]))
    first = price(cli, usage, "2026-02", *SPARK, lake=lake).ok().json
    usage.write_text(lines([response("r2"), response("r3")]))
    second = price(cli, usage, "2026-02", *SPARK, lake=lake).ok().json
    assert [(each["accepted"], each["duplicate"]) for each in (first, second)] == [(2, 0), (1, 1)]
    assert [row["request_id"] for row in charged(lake)] == ["r1", "r2", "r3"]
    assert not (lake / "staging").exists()


def test_what_a_worker_refuses_is_told_in_one_line(cli: Cli, tmp_path: Path) -> None:
    cli("ingest", "-", stdin=lines([response("booked")])).ok()
    outcome = price(cli, write_usage(tmp_path), "2026-02", *SPARK)
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)
    assert "source 'evolink' belongs to the book" in outcome.stderr
    assert not list((tmp_path / "lake").rglob("*.parquet"))


def test_what_lost_attempts_wrote_is_not_counted(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyspark import cloudpickle

    from ledger.lake.spark import Spark

    cli("db", "init").ok()
    expected = price(cli, write_usage(tmp_path), "2026-02", lake="alone").json
    left: list[str] = []

    def opened(name: str, **more: Any) -> Lake:
        lake = open_lake(name, **more)
        return Unlucky(lake.name, lake.id, lake.store, lake.root)

    def removed(engine: Spark) -> None:
        left.extend(path.name for path in Path(engine.lake.path("staging")).rglob("*.parquet"))

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    monkeypatch.setattr("ledger.lake.price.open_lake", opened)
    monkeypatch.setattr(Spark, "remove_staged", removed)
    try:
        found = price(cli, tmp_path / "usage", "2026-02", *SPARK).json
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    assert {name: found[name] for name in SAME} == {name: expected[name] for name in SAME}
    for kind in ("charges", "cells", "quarantine"):
        assert in_order(tmp_path / "lake", kind) == in_order(tmp_path / "alone", kind)
    assert left.count("staged.parquet") == 2 * 3  # of three files, each once more
    assert len(left) > 3 * 2 * 3


def test_a_run_without_usage_of_its_month_has_no_charges(cli: Cli, tmp_path: Path) -> None:
    cli("db", "init").ok()
    (tmp_path / "usage.jsonl").write_text(lines([response("r1")]))
    found = price(cli, "usage.jsonl", "2026-05", *SPARK).ok().json
    assert (found["accepted"], found["other_months"], found["charges"], found["cells"]) == (0, 1, [], [])


ERRORS = {
    "An exception was thrown:\nTraceback:\n  File 'x', line 1\nModuleNotFoundError: No module named 'x'": (
        "ModuleNotFoundError: No module named 'x': install tollbook in the workers' Python, see PYSPARK_PYTHON"
    ),
    'calling o67.\n: a.hadoop.UnsupportedFileSystemException: No FileSystem for scheme "s3"\n\tat a.get(a)\n': (
        'a.hadoop.UnsupportedFileSystemException: No FileSystem for scheme "s3"'
    ),
    "Job aborted.\n: a.JobError: lost\nCaused by: java.io.IOException: full\n\tat x": "java.io.IOException: full",
    "[PATH_NOT_FOUND] no such path\nmore": "[PATH_NOT_FOUND] no such path",
}


@pytest.mark.parametrize(("error", "said"), ERRORS.items())
def test_the_innermost_cause_is_said(error: str, said: str) -> None:
    from ledger.lake.spark import _said

    assert _said(Exception(error)) == said
