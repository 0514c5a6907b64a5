"""Whatever comes in, in whatever order and portions, what is counted and booked follows one plain rule; its limits."""

from __future__ import annotations

import itertools
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.audit.verify import verify
from ledger.config import Config
from ledger.intake.files import Ingest
from ledger.intake.labels import RunOptions
from ledger.store.opening import open_ledger
from tests.conftest import ROOT, Cli
from tests.helpers.ledgers import REFERENCE_NANO, charges, counts, nano, report, responses
from tests.helpers.sources import lines, response, source, usage


@dataclass(frozen=True)
class Line:
    """One line of a made-up file: what it says, by the letter that a test prints."""

    number: int
    variant: str

    @property
    def obj(self) -> object:
        variants: dict[str, dict[str, Any]] = {
            "a": {},
            "b": {"usage": usage(output_tokens=5, total_tokens=88 + 5)},
            "unpriced": {"model": "unheard-of"},
            "pending": {"status": "queued"},
            "no usage": {"usage": None},
            "failed": {"status": "failed", "usage": None},
        }
        return response(f"r{self.number}", **variants[self.variant])


LINE = st.builds(Line, st.integers(0, 4), st.sampled_from(["a", "a", "b", "unpriced", "pending", "no usage", "failed"]))


def expected(files: list[list[Line]]) -> tuple[Counter[str], dict[int, str]]:
    """The counts of the files one after the other, and which variant stands of each id, by a plain loop."""
    told: Counter[str] = Counter()
    stands: dict[int, str] = {}
    for line in itertools.chain.from_iterable(files):
        if line.variant == "pending":
            told["pending"] += 1
        elif line.variant in ("unpriced", "no usage"):
            told["rejected"] += 1
        elif line.number not in stands:
            told["accepted"] += 1
            stands[line.number] = line.variant
        else:
            told["duplicate" if stands[line.number] == line.variant else "conflict"] += 1
    return told, stands


@pytest.fixture(scope="module")
def ledger_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for one ledger after another, for every example starts with an empty one."""
    return tmp_path_factory.mktemp("laws") / "tollbook.db"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(st.lists(LINE, max_size=12), min_size=1, max_size=3), portion=st.sampled_from([2, 3, 20_000]))
def test_counts_hold_whatever_comes_in_whatever_portions(
    files: list[list[Line]], portion: int, ledger_file: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(sqlite_template, ledger_file)
    for suffix in ("-wal", "-shm"):
        ledger_file.with_name(ledger_file.name + suffix).unlink(missing_ok=True)
    monkeypatch.setattr("ledger.intake.containers.lines.CHUNK_LINES", portion)
    database = open_ledger(str(ledger_file))
    told: Counter[str] = Counter()
    for file in files:
        if file:
            run = Ingest(database, Config(), RunOptions()).run([source(lines(line.obj for line in file).encode())])
            told += run.tally.counts
            assert run.tally.read == len(file)
    wanted, stands = expected(files)
    assert told == wanted
    with database.reading() as connection:
        kept = connection.exec_driver_sql("SELECT request_id, status, output_tokens FROM usage_records").all()
    facts = {"a": ("completed", 230), "b": ("completed", 5), "failed": ("failed", 0)}
    assert sorted(kept) == sorted((f"r{number}", *facts[variant]) for number, variant in stands.items())
    assert verify(database).passed
    database.engine.dispose()


def test_order_and_portions_change_nothing(
    db_cli: Cli, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = responses(range(40)).splitlines()
    (tmp_path / "there.jsonl").write_text("\n".join([*made, *made[:9]]))
    (tmp_path / "back.jsonl").write_text("\n".join(reversed(made)))
    db_cli("ingest", "there.jsonl").ok()
    monkeypatch.setattr("ledger.intake.containers.lines.CHUNK_LINES", 7)
    cli("ingest", "back.jsonl", "--db", "back.db").ok()

    def backwards(*args: object) -> Any:
        return cli(*args, "--db", "back.db")

    assert charges(db_cli) == charges(backwards)
    assert report(db_cli) == report(backwards)


# --- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_the_first_and_last_moments_are_booked_in_every_zone(cli: Cli, empty_db_url: str, zone: str) -> None:
    def at(*args: object, **more: Any) -> Any:
        return cli(*args, "--db", empty_db_url, **more)

    at("db", "init", "--timezone", zone).ok()
    card = ROOT / "pricing" / "rates" / "evolink.toml"
    early = card.read_text().replace("2026-02-01", "1970-01-01")
    Path("early.toml").write_text(early)
    at("rates", "add", "early.toml").ok()
    last = 253_402_214_400  # 9999-12-31T00:00:00Z, in Kiritimati 14:00 of that day
    made = [
        response("first", created_at="1970-01-01T00:00:00Z"),
        response("last", created_at=last),
        response("late", created_at=last + 1),
    ]
    found = at("ingest", "-", "--json", stdin=lines(made))
    assert counts(found.json) == {"accepted": 2, "rejected": 1}
    assert found.json["rejections"][0]["reason"] == "time_out_of_range"
    for by in ("day", "month", "model"):
        total = at("report", "--by", by, "--json").ok().json["total"]
        assert (total["requests"], nano(total["credits"])) == (2, 2 * REFERENCE_NANO)
    at("verify").ok()
