"""A run that is killed at any step leaves a lake in which the same run, begun again, ends as an undisturbed one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest

from tests.conftest import Cli
from tests.helpers.lake_usage import charged, post, price, write_usage
from tests.helpers.ledgers import finish, start

# Ends at the call of that number, before or after it, of what writes into the lake.
KILLED = """
import os, sys
from ledger.lake import store
name, number, after = sys.argv.pop(1), int(sys.argv.pop(1)), sys.argv.pop(1) == "after"
written, calls = getattr(store.Lake, name), 0

def write(*args, **kwargs):
    global calls
    calls += 1
    if calls == number and not after:
        os._exit(9)
    result = written(*args, **kwargs)
    if calls == number:
        os._exit(9)
    return result

setattr(store.Lake, name, write)
from ledger.cli import main
main()
"""
STEPS = [("put", 1, "before"), ("put", 1, "after"), ("put", 8, "after"), ("put", 12, "before"), ("commit", 1, "before")]


def cells(lake: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = ds.dataset(sorted((lake / "cells").rglob("*.parquet"))).to_table().to_pylist()
    return rows


@pytest.mark.parametrize("step", [*STEPS, ("commit", 1, "after")])
def test_a_killed_run_begun_again_ends_as_an_undisturbed_one(
    cli: Cli, tmp_path: Path, step: tuple[str, int, str]
) -> None:
    usage = write_usage(tmp_path)
    cli("db", "init").ok()
    asked = ("lake", "price", "--input", usage, "--output", "lake", "--month", "2026-02")
    code, _out, err = finish(start(KILLED, [*step, *asked], tmp_path))
    assert code == 9, err
    again = price(cli, usage, "2026-02").json
    assert again["is_new"] == (step != ("commit", 1, "after"))
    whole = price(cli, usage, "2026-02", lake="whole").json
    same = ("read", "accepted", "duplicate", "conflict", "rejected", "amounts")
    assert {name: again[name] for name in same} == {name: whole[name] for name in same}
    lake = tmp_path / "lake"
    assert charged(lake) == charged(tmp_path / "whole")
    assert cells(lake) == cells(tmp_path / "whole")
    named = {str(lake / name) for kind in ("charges", "quarantine", "cells") for name in again[kind]}
    assert {str(path) for path in lake.rglob("*.parquet")} == named
    post(cli, lake)
    assert cli("report", "--json").ok().json["total"]["requests"] == again["accepted"]
    cli("verify").ok()
