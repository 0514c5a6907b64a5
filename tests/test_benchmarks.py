"""The benchmarks' own logic: the lines they measure with, turns and ratios, and that peers do the same work."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.ingest_floor import rows
from benchmarks.ingest_peers import append, lean_rows
from benchmarks.responses_lines import write
from benchmarks.runs import CommandError, Run, alone
from benchmarks.setting import Setting
from benchmarks.tables import figures_table, growth
from benchmarks.turns import PEAK, RATE, TIME, Case, Figure, Goal, Trial, figure_of, growth_exponent, run_case

VENDOR_ID = re.compile(r"resp_02(\d{13})[0-9a-f]{37}")


def ids_and_times(path: Path, **options: object) -> list[tuple[str, int]]:
    write(1_000, path, **options)  # type: ignore[arg-type]
    return [(each["id"], each["created_at"]) for each in map(json.loads, path.read_text().splitlines())]


def test_ids_are_as_the_vendor_makes_them_in_order_of_time(tmp_path: Path) -> None:
    found = ids_and_times(tmp_path / "lines.jsonl")
    for response_id, created_at in found:
        stamp = VENDOR_ID.fullmatch(response_id)
        assert stamp is not None
        assert int(stamp[1]) // 1000 == created_at
    ids = [response_id for response_id, _created_at in found]
    assert ids == sorted(set(ids))


def test_random_ids_are_in_no_order_and_those_of_a_later_month_are_others(tmp_path: Path) -> None:
    random = [each for each, _at in ids_and_times(tmp_path / "random.jsonl", ids="random")]
    assert random != sorted(random)
    for ids in ("vendor", "random"):
        first, later = (ids_and_times(tmp_path / f"{ids}-{month}.jsonl", ids=ids, month=month) for month in (0, 1))
        assert not {each for each, _at in first} & {each for each, _at in later}
        assert max(at for _each, at in first) < min(at for _each, at in later)


@contextmanager
def two_sides(setting: Setting) -> Iterator[Trial]:
    ours = iter([Run(1.0, 1.0), Run(2.0, 2.0), Run(9.0, 9.0)])
    peers = iter([Run(1.0, 1.0), Run(4.0, 4.0), Run(3.0, 3.0)])
    order = []

    def side(name: str, runs: Iterator[Run]) -> Run:
        order.append(name)
        return next(runs)

    sides = {"ours": lambda: side("ours", ours), "peer": lambda: side("peer", peers)}
    yield Trial(sides, [Goal("ours", TIME, 1.0, "peer")])
    assert order == ["ours", "peer", "peer", "ours", "ours", "peer"]


def test_sides_take_turns_and_ratios_are_of_the_same_turn(tmp_path: Path) -> None:
    result = run_case(Case("two", "", two_sides), Setting(tmp_path, 100), turns=3)
    (figure,) = result.figures
    assert (figure.median, figure.least, figure.most) == (1.0, 2 / 4, 9 / 3)  # medians of the sides would give 2 / 3
    assert figure.is_met
    assert "| ≤ 1.0, met |" in figures_table([result])


def test_targets_are_bounds_above_or_below() -> None:
    runs = {"ours": [Run(2.0, 2.0, records=100, peak_bytes=301_000_000)]}
    fast, big = figure_of(Goal("ours", RATE, 50), runs), figure_of(Goal("ours", PEAK, 300), runs)
    assert (fast.median, fast.is_met) == (50, True)
    assert (big.median, big.is_met) == (301, False)
    assert Figure(Goal("ours", RATE, 51), 50, 50, 50).is_met is False
    assert Figure(Goal("ours", RATE), 50, 50, 50).is_met is None


def test_the_growth_exponent_is_the_power_of_the_count(tmp_path: Path) -> None:
    counts = [100_000, 1_000_000, 10_000_000]
    assert growth_exponent(counts, [count * 5e-6 for count in counts]) == pytest.approx(1)
    assert growth_exponent(counts, [count**2 * 1e-9 for count in counts]) == pytest.approx(2)
    once = run_case(Case("two", "", two_sides), Setting(tmp_path, 100), turns=3)
    assert growth([once]) == []
    (ours, _peer) = growth([once, once._replace(records=1_000)])
    assert (ours["counts"], ours["seconds"], ours["exponent"]) == ([100, 1_000], [2.0, 2.0], 0)


def test_a_peak_is_the_commands_own_whatever_this_process_holds(tmp_path: Path) -> None:
    held = bytearray(200_000_000)
    small, large = (
        alone([sys.executable, "-c", f"held = bytearray({size})"], tmp_path, records=7) for size in (1, 100_000_000)
    )
    assert len(held) > 100_000_000 > small.peak_bytes
    assert 100_000_000 < large.peak_bytes < 200_000_000
    assert small.records == 7
    assert small.cpu_seconds > 0


def test_a_command_that_fails_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no such thing"):
        alone([sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path)


def facts_in(database: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT * FROM facts ORDER BY id").fetchall()


@pytest.mark.parametrize("lean", [False, True])
def test_peers_keep_the_floors_facts(tmp_path: Path, lean: bool) -> None:
    first, later, database = tmp_path / "first.jsonl", tmp_path / "later.jsonl", tmp_path / "facts.db"
    write(60, first)
    write(20, later, month=1)
    expected = list(rows(first))
    assert list(lean_rows(first)) == expected
    for _again in range(2):
        append(first, str(database), lean=lean, ignore=True)
    append(later, str(database), lean=lean, ignore=False)
    found = facts_in(database)
    assert found[:60] == expected
    assert [row[0] for row in found] == list(range(1, 81))
    assert [row[1:] for row in found[60:]] == [row[1:] for row in rows(later)]
    with pytest.raises(sqlite3.IntegrityError, match="request_id"):
        append(later, str(database), lean=lean, ignore=False)


def test_a_floor_is_added_to_by_its_peer(tmp_path: Path) -> None:
    first, later, database = tmp_path / "first.jsonl", tmp_path / "later.jsonl", tmp_path / "facts.db"
    write(60, first)
    write(20, later, month=1)
    alone([sys.executable, "-m", "benchmarks.ingest_floor", str(first), str(database)], tmp_path)
    append(later, str(database), lean=False, ignore=False)
    assert [row[4] for row in facts_in(database)] == [row[4] for path in (first, later) for row in rows(path)]


def test_one_command_runs_cases_and_says_what_it_left_out() -> None:
    arguments = ["ingest-more", "ingest-postgres", "--count", "50", "--turns", "1", "--json"]
    done = CliRunner().invoke(main, arguments, env={"TOLLBOOK_BENCH_POSTGRES": None})
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["schema"], found["turns"]) == (1, 1)
    assert {"python", "sqlite", "tollbook", "msgspec", "numpy"} <= set(found["versions"])
    assert list(found["left_out"]) == ["ingest-postgres"]
    (case,) = found["cases"]
    ratio, lean, peak, size = case["figures"]
    assert (case["case"], ratio["peer"], ratio["target"], lean["peer"]) == ("ingest-more", "floor", 1.1, "lean")
    (ours,), (floor,) = case["runs"]["tollbook ingest"], case["runs"]["floor"]
    assert ratio["median"] == ours["seconds"] / floor["seconds"]
    assert (ours["records"], peak["median"]) == (10, ours["peak_bytes"] / 1e6)
    assert size["median"] == ours["bytes_per_record"] > floor["bytes_per_record"] > 0
