"""A ledger with a lake beside it, and one that has the rows of the same usage in its book."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conftest import Cli, Outcome
from tests.helpers.focus import close
from tests.helpers.lake_usage import price
from tests.helpers.ledgers import MINI, PRO, responses
from tests.helpers.sources import lines, record

FEBRUARY, MARCH = "2026-02", "2026-03"
WITH = ("--lake", "lake")
LATE = 1_771_900_000  # of February, as AT is


def record_at(number: str, at: str, **changes: Any) -> dict[str, Any]:
    return record(number, occurred_at=at, requested_model=PRO, project="own") | changes


USAGE = {
    "own": lines([record_at("o1", "2026-02-20T01:00:00Z"), record_at("o2", "2026-03-05T01:00:00Z")]),
    "first": responses(range(0, 700, 7)) + responses([7]),
    "yuan": lines([record_at(f"y{n}", "2026-02-21T00:00:00Z", requested_model=MINI) for n in range(3)]),
    "late": responses(range(651, 700, 7)) + responses(range(2_000, 2_013), created_at=LATE),
    "march": responses(range(1_100, 1_400, 7)),
    "more": lines([record_at("o3", "2026-03-06T01:00:00Z")]),
}
LABELS = {"yuan": ("--provider", "volcengine", "--source", "v"), "own": (), "more": ()}


class Sides:
    """A ledger with a lake beside it, and one that has the rows of the same usage in its book."""

    def __init__(self, cli: Cli, book: Cli, folder: Path) -> None:
        self.cli, self.book, self.lake = cli, book, folder / "lake"
        self.batches: dict[str, tuple[int, int]] = {}
        cli("db", "init").exit_code  # noqa: B018 - where there is none
        for name, text in USAGE.items():
            (folder / f"{name}.jsonl").write_text(text)

    def ingest(self, name: str) -> None:
        for each in (self.cli, self.book):
            each("ingest", f"{name}.jsonl").ok()

    def post(self, name: str, month: str) -> Path:
        """Prices and posts usage of a month, and ingests it on the other side; returns the manifest's path."""
        file, labels = f"{name}.jsonl", LABELS.get(name, ("--source", "gateway"))
        manifest = Path(price(self.cli, file, month, *labels).ok().json["manifest"])
        ingested = self.book("ingest", file, *labels, "--json").ok().json["batch"]
        self.batches[name] = (self.post_again(manifest), ingested)
        return manifest

    def post_again(self, manifest: Path) -> int:
        batch: int = self.cli("lake", "post", manifest, "--json").ok().json["batch"]
        return batch

    def close(self, month: str) -> None:
        for each in (self.cli, self.book):
            close(each, month)

    def void(self, name: str) -> None:
        for each, batch in zip((self.cli, self.book), self.batches[name], strict=True):
            each("void", "--batch", batch, "--reason", "priced by another card").ok()


def two_sides(cli: Cli, other: Cli, folder: Path) -> Sides:
    """Usage of two sources in a lake, by four manifests, one of them posted late and one twice."""

    def book(*args: object, **options: Any) -> Outcome:
        return other(*args, "--db", f"sqlite:///{folder / 'book.db'}", **options)

    sides = Sides(cli, book, folder)
    sides.ingest("own")
    for name in ("first", "yuan"):
        sides.post(name, FEBRUARY)
    sides.close(FEBRUARY)
    sides.post("late", FEBRUARY)
    again = sides.post("march", MARCH)
    cli("void", "--batch", sides.batches["march"][0], "--reason", "in its month").ok()
    sides.ingest("more")
    sides.post_again(again)
    return sides
