"""Two workers on a cluster price what one machine does, and so does the one that is left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import tollbook
from ledger.lake.manifest import read_manifest
from tests.conftest import Cli, command_environment
from tests.helpers.lake_usage import SAME, in_order, price
from tests.helpers.ledgers import responses
from tests.helpers.sources import lines, response

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("spark_installed")]
FILES = 8
SKEWED = 5_000
MAIN = str(Path(tollbook.__file__).with_name("__main__.py"))


@pytest.fixture(autouse=True)
def _usage(tmp_path: Path) -> None:
    """Files of which each has requests of the next one, and one request thousands of times."""
    folder = tmp_path / "usage"
    folder.mkdir()
    for number in range(FILES):
        first = number * 1_000
        again = lines([response("again")] * (SKEWED // FILES) + [response("again", status="failed")])
        (folder / f"{number}.jsonl").write_text(responses(range(first, first + 1_100)) + again)


@pytest.mark.parametrize("fate", ["whole", "a worker killed"])
def test_a_cluster_prices_what_one_machine_does(cli: Cli, tmp_path: Path, fate: str) -> None:
    from benchmarks.spark_cluster import BIN, cluster, until  # which needs Spark

    cli("db", "init").ok()
    expected = price(cli, "usage", "2026-02", lake="alone").json
    asked = ["lake", "price", "--input", "usage", "--output", "lake", "--month", "2026-02", "--engine", "spark"]
    (tmp_path / "logs").mkdir()
    with cluster(tmp_path / "logs", workers=2) as running:
        ways: dict[str, list[str | Path]] = {
            "whole": [BIN / "spark-submit", "--master", running.master, MAIN, *asked],
            "a worker killed": [sys.executable, MAIN, *asked, "--master", running.master],
        }
        submitted = subprocess.Popen(
            [*ways[fate], "--json"], cwd=tmp_path, env=command_environment() | {"PYSPARK_PYTHON": sys.executable},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if fate != "whole":
            until(lambda: submitted.poll() is not None or any((tmp_path / "lake").rglob("staged.parquet")))
            running.kill_worker()
        out, err = submitted.communicate(timeout=600)
    assert submitted.returncode == 3, err
    [found] = [json.loads(line) for line in out.splitlines() if line.startswith("{")]  # spark-submit adds the notes
    assert {name: found[name] for name in SAME} == {name: expected[name] for name in SAME}
    lake = tmp_path / "lake"
    for kind in ("charges", "cells", "quarantine"):
        assert in_order(lake, kind) == in_order(tmp_path / "alone", kind)
    named = {str(lake / name) for kind in ("charges", "quarantine", "cells") for name in found[kind]}
    assert {str(path) for path in lake.rglob("*.parquet")} == named
    manifest, _digest = read_manifest(Path(found["manifest"]).read_bytes(), "manifest")
    assert sum(file.rows for file in manifest.charges) == found["accepted"]
    cli("lake", "verify", "lake", "--sample", "all").ok()
    cli("lake", "post", found["manifest"]).ok()
    cli("verify").ok()
