"""`tollbook lake price --engine spark` on clusters of one and of two workers, beside a user's Spark SQL script."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec

from benchmarks.cases.lake import MONTH, ledger_in, run_into, usage_in
from benchmarks.setting import Setting, UnavailableError, tollbook
from benchmarks.turns import RATE, TIME, Case, Goal, Side, Trial

ONE, TWO, SCRIPT = "one worker", "two workers", "Spark SQL script, two workers"
MOST_TIME_OF_ONE = 1 / 1.6


@contextmanager
def prepare(setting: Setting) -> Iterator[Trial]:
    """Prepares files of usage, a ledger with the cards, and the clusters, each worker on a core of its own."""
    if find_spec("pyspark") is None:
        raise UnavailableError("it needs pip install 'tollbook[spark]' and Java")
    from benchmarks.spark_cluster import cluster

    with setting.room() as room:
        usage = usage_in(room, setting, is_parquet=True)
        ours = tollbook("lake", "price", "--db", ledger_in(room), "--input", usage, "--month", MONTH)
        run = partial(run_into, room, records=setting.records)
        folders = [room / name for name in ("one", "two")]
        for folder in folders:
            folder.mkdir()
        with cluster(folders[0], workers=1, pinned=True) as one, cluster(folders[1], workers=2, pinned=True) as two:
            spark = [*ours, "--engine", "spark", "--master"]
            script = [sys.executable, "-m", "benchmarks.lake_spark", two.master, usage]
            sides: dict[str, Side] = {
                ONE: partial(run, lambda lake: [*spark, one.master, "--output", str(lake), "--source", lake.name]),
                TWO: partial(run, lambda lake: [*spark, two.master, "--output", str(lake), "--source", lake.name]),
                SCRIPT: partial(run, lambda lake: [*script, str(lake)]),
            }
            goals = [Goal(TWO, RATE), Goal(TWO, TIME, MOST_TIME_OF_ONE, ONE), Goal(TWO, TIME, None, SCRIPT)]
            yield Trial(sides, goals)


CASES = (Case("lake-spark", "a month of records in Parquet files into a lake, by Spark", prepare, grows=True),)
