"""Whatever reads roll-ups says the same of usage that was ingested and of usage whose sums a lake posted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.helpers.lakes import cell_rows, write_lake
from tests.helpers.ledgers import CODE, LITE, MINI, PRO
from tests.helpers.sources import lines, record

# Of the page: what to do about prompts' lengths is read of rows, and when a month was closed is its ledger's own.
OF_ROWS = {"levers", "without_rows", "closed_at", "as_of"}
MONTHS = ("2026-02", "2026-03")
FORCED = ("--through", MONTHS[-1], "--force", "--reason", "a test")
ZONE = "Asia/Kolkata"  # whose midnights lie between those of hours UTC
DIMENSIONS = (
    "model", "project", "day", "month", "tier", "service_tier", "source", "provider", "status", "currency",
    "charge_class", "tag:team",
)  # fmt: skip
REPORTS = [
    *(("report", "--by", name) for name in DIMENSIONS),
    ("report", *(part for name in ("project", "model", "day", "tag:team") for part in ("--by", name))),
    ("report", "--by", "day", "--timezone", "America/New_York"),
    ("report", "--by", "month", "--basis", "occurred", "--timezone", "Pacific/Apia"),
    ("report", "--since", "2026-02-11T10:15:00Z", "--until", "2026-03-04", "--by", "source"),
    ("report", "--month", "2026-03", "--compare", "previous"),
    ("report", "--tag", "team=red", "--project", "search", "--list-prices"),
]
EXPORTS = [
    *(("export", "chargeback", "--month", month) for month in MONTHS),
    *(("export", "chargeback", "--month", month, "--by", "tag:team") for month in MONTHS),
    *(("export", "focus", "--month", month) for month in MONTHS),
    *(("wallet", "statement", "--month", month) for month in MONTHS),
    ("wallet", "balance", "--at", "2026-02-20T10:15:00Z"),
    *(("budget", "status", "--at", day) for day in ("2026-02-13", "2026-02-28", "2026-03-31")),
    *(("budget", "report", "--month", month) for month in MONTHS),
    ("whatif", "--month", "2026-02", "--per-usd", "60", "--provider", "evolink"),
]


def usage() -> Iterator[dict[str, Any]]:
    """Requests of two months, two providers, three sources and all tiers, some stored or failed."""
    models = (CODE, PRO, LITE, MINI)
    for number in range(120):
        stated = {
            "requested_model": models[number % 4],
            "occurred_at": 1_770_000_000 + number * 33_333,
            "input_tokens": 500 + number * 1_900 % 250_000,
            "cached_input_tokens": number % 7 * 60,
            "output_tokens": 200 + number,
            "reasoning_tokens": number % 100,
            "project": ("search", "support", "research")[number % 3],
            "tags": {"team": ("red", "blue")[number % 2], "feature": f"f{number % 5}"},
            "source": ("gateway", "batch")[number % 2],
            "status": "failed" if number % 17 == 0 else "completed",
        }
        if number % 10 == 3:
            stated |= {"provider": "volcengine", "source": "direct"}
        yield record(f"r{number}", **stated)
    stored = {"kind": "cache_storage", "tokens": 70_000, "start": 1_770_600_000, "end": 1_770_610_000}
    common = {"requested_model": PRO, "project": "search", "source": "gateway", "tags": {"team": "red"}}
    yield record("s1", **stored, **common, occurred_at=..., input_tokens=..., output_tokens=...)


def settle(cli: Cli, url: str) -> Cli:
    """A ledger with what isn't usage, and its command line."""
    Path("tollbook.toml").write_text('[ledger]\nrollup_tags = ["team"]\n', encoding="utf-8")
    cli("db", "init", "--timezone", ZONE, "--db", url).ok()
    cli("db", "rollups", "--tag", "team", "--db", url).ok()

    def run(*args: object, **more: Any) -> Any:
        return cli(*args, "--db", url, **more)

    topup = ("wallet", "topup", "--credits", "1", "--paid", "0.0139usd", "--on", "2026-02-01", "--reference", "A")
    run(*topup).ok()
    run("rates", "conversion", "add", "--per-usd", "68", "--from", "2026-02-20T10:20:00Z").ok()
    run("budget", "set", "all", "--amount", "2usd", "--from", "2026-02-01").ok()
    run("budget", "set", "search", "--project", "search", "--amount", "1usd", "--from", "2026-02-01").ok()
    return run


@pytest.fixture
def both(cli: Cli, db_url: str, tmp_path: Path) -> tuple[Cli, Cli]:
    """A ledger into which usage was ingested, and one to which its sums were posted."""
    other = f"sqlite:///{tmp_path / 'other.db'}"
    ingested, posted = settle(cli, other), settle(cli, db_url)
    ingested("ingest", "-", stdin=lines(usage())).ok()
    for number, month in enumerate(MONTHS, 1):
        rows = cell_rows(other, month)
        posted(
            "lake", "post",
            write_lake(tmp_path / "lake", month, rows, number=number, timezone=ZONE, rollup_tags=("team",)),
        ).ok()  # fmt: skip
    return ingested, posted


def shown(cli: Cli, args: tuple[str, ...]) -> tuple[str, str]:
    """The output of a command, without what depends on the moment and the ledger's own ids."""
    form = ("--format", "csv" if args[0] == "export" else "json")
    done = cli(*args, *form).ok()
    if args[:2] == ("budget", "report"):
        return json.dumps({name: cell for name, cell in done.json.items() if name not in OF_ROWS}), done.stderr
    return re.sub(r'"(created_at|as_of|generated_at|read_at)":"[^"]*"', "", done.stdout), done.stderr


@pytest.mark.parametrize("month_is", ["open", "closed"])
def test_whatever_reads_roll_ups_is_the_same(both: tuple[Cli, Cli], month_is: str) -> None:
    if month_is == "closed":
        for cli in both:
            cli("close", *FORCED).ok()
    for args in [*REPORTS, *EXPORTS]:
        (one, _said), (other, _also) = (shown(cli, args) for cli in both)
        assert one == other, args
        assert len(one) > 40, args
    for cli in both:
        cli("verify").ok()
        for month in MONTHS:
            cli("verify", "--month", month).ok()


def test_closes_hold_the_same_money(both: tuple[Cli, Cli]) -> None:
    found = [cli("close", *FORCED, "--json").ok().json for cli in both]
    kept = [
        [{name: value for name, value in row.items() if name not in ("charges", "digest")} for row in each["closed"]]
        for each in found
    ]
    assert kept[0] == kept[1]
    assert json.dumps(kept[0])


def test_roll_ups_are_summed_again_of_both(both: tuple[Cli, Cli]) -> None:
    _ingested, posted = both
    before = shown(posted, REPORTS[-4])
    posted("ingest", "-", "--source", "book", stdin=lines([record("b1", requested_model=PRO)])).ok()
    whole = posted("report", "--by", "tag:team", "--json").ok().json["total"]
    posted("db", "rollups", "--tag", "team").ok()
    assert posted("report", "--by", "tag:team", "--json").ok().json["total"] == whole
    refused = posted("db", "rollups", "--tag", "feature")
    assert refused.exit_code == 2
    assert "tag 'feature' can't be rolled up: the sums of 'batch', 'direct', 'gateway' aren't by it" in refused.stderr
    posted("db", "rollups", "--none").ok()
    assert posted("report", "--json").ok().json["total"] == whole
    posted("verify").ok()
    assert before
