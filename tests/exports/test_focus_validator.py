"""FOCUS's own validator finds nothing wrong with a month that has every kind of row.

It needs Python 3.12 and an older pyarrow than tests do, so that it runs in an environment of its own:

    python3.12 -m venv focus && focus/bin/pip install focus-validator==2.2.1 'pyarrow<22'
    TOLLBOOK_FOCUS_VALIDATOR=focus/bin/python pytest tests/test_focus_validator.py
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.helpers.focus import APRIL, FEBRUARY, MARCH, rows
from tests.helpers.ledgers import CODE, MINI, PRO, apply_projects
from tests.helpers.sources import lines, record
from tests.helpers.wallets import close, draw, top_up, use

PYTHON = os.environ.get("TOLLBOOK_FOCUS_VALIDATOR")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not PYTHON,
        reason="TOLLBOOK_FOCUS_VALIDATOR names no Python 3.12 with focus-validator==2.2.1 and pyarrow<22",
    ),
]

CRITERIA = (
    "ACCOUNT_NAMING_SUPPORTED,USAGE_MEASUREMENT_SUPPORTED,UNIT_PRICING_SUPPORTED,PUBLIC_PRICE_LIST_SUPPORTED,"
    "NEGOTIATED_PRICING_SUPPORTED,SUB_ACCOUNT_SUPPORTED,TAGGING_SUPPORTED,VIRTUAL_CURRENCY_SUPPORTED,"
    "PRICING_BILLING_CURRENCY_DIFFERENCES_SUPPORTED,MULTIPLE_PRICING_CATEGORIES_SUPPORTED"
)
# Halves of an either-or: without an invoice the one fails, with it the other.
WITHOUT_INVOICE, WITH_INVOICE = "InvoiceId-C-005-C", "InvoiceId-C-004-C"
LOCATE = "import focus_validator, pathlib; print(pathlib.Path(focus_validator.__file__).parent.parent)"
RULE = re.compile(r"^\S+ ([\w-]+): (PASS|FAIL|SKIPPED)(.*)", re.MULTILINE)
CARD = """
provider = "house"
currency = "USD"
per_tokens = 1_000_000
[[model]]
id = "house-1"
[[model.price]]
effective_from = 2026-02-01
tiers = [{ input = "0.3", output = "0.7" }]
[settlement]
quantum = "0.0001"
mode = "ceil"
"""


def validated(path: Path) -> dict[str, list[str]]:
    """The validator's rules by what became of them; its exit code says nothing, so that its words are read."""
    python = str(PYTHON)
    found = subprocess.run([python, "-c", LOCATE], capture_output=True, text=True, check=True, timeout=60)
    command = [
        *(python, "-m", "focus_validator.main", "--data-file", str(path.resolve()), "--validate-version", "1.2"),
        *("--block-download", "--applicability-criteria", CRITERIA),
    ]
    # It reads its rules by paths relative to where it is installed.
    done = subprocess.run(
        command,
        cwd=found.stdout.strip(),
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    results: dict[str, list[str]] = {"PASS": [], "FAIL": [], "SKIPPED": []}
    for rule, status, _words in RULE.findall(done.stdout):
        results[status].append(rule)
    # Fewer, and it didn't read the file.
    assert len(results["PASS"]) > 240, f"{done.stdout[-3_000:]}\n{done.stderr[-3_000:]}"
    return results


@pytest.fixture
def every_kind(db_cli: Cli, tmp_path: Path) -> Cli:
    """March with all meters, conversions, rounding, late usage, corrections, adjustments and a wallet; and April."""
    (tmp_path / "card.toml").write_text(CARD)
    db_cli("rates", "add", "card.toml").ok()
    apply_projects(db_cli, '[[project]]\nid = "search"\nname = "Search, \\"team\\""\n')
    use(db_cli, ("2026-02-20", 1), ("2026-02-21", 2), project="search")
    close(db_cli, FEBRUARY)
    top_up(db_cli, 20, "2026-03-01", "--expires", "2026-03-10", paid="1usd", reference="A").ok()
    top_up(db_cli, 2, "2026-03-02", "--expires", "2026-03-05", paid=None, reference="G").ok()
    use(db_cli, ("2026-03-02", 3), ("2026-02-22", 1), project="search", tags={"team": "a"})
    db_cli("rates", "conversion", "add", "--per-usd", "68", "--from", "2026-03-08").ok()
    use(db_cli, ("2026-03-12", 9), project="chat")
    draw(db_cli, 2, "2026-03-13").ok()
    top_up(db_cli, 20, "2026-03-15", paid="3usd").ok()
    use(db_cli, ("2026-03-30", 12), project="chat")
    top_up(db_cli, 5, "2026-04-05", paid="0.7usd").ok()
    of_code = {"requested_model": CODE, "input_tokens": 40_000, "cached_input_tokens": 10_000, "project": "search"}
    storage = record("s1", kind="cache_storage", occurred_at=..., input_tokens=..., output_tokens=..., tokens=10**6)
    storage |= {"start": "2026-03-05T10:00:00Z", "end": "2026-03-05T12:00:00Z", "requested_model": PRO}
    made = [record("c1", occurred_at="2026-03-03T00:00:00Z") | of_code, storage]
    db_cli("ingest", "-", stdin=lines(made)).ok()
    for provider, model in (("volcengine", MINI), ("house", "house-1")):
        one = record(provider, occurred_at="2026-03-04T00:00:00Z", requested_model=model, input_tokens=1_001)
        db_cli("ingest", "-", "--provider", provider, "--source", provider, stdin=lines([one])).ok()
    db_cli("void", "--id", "2026-02-20-1").ok()
    db_cli("reassign", "--project", "search", "--to", "chat", "--id", "2026-02-21-2").ok()
    for amount, month in (("-12.50usd", FEBRUARY), ("2credits", MARCH), ("-1credits", MARCH)):
        db_cli("adjust", "--project", "search", "--amount", amount, "--month", month, "--reason", "an outage",
               "--reference", amount).ok()  # fmt: skip
    return db_cli


def test_it_finds_nothing_wrong_with_any_kind_of_row(every_kind: Cli, tmp_path: Path) -> None:
    found = rows(every_kind)
    assert {row["ChargeCategory"] for row in found} == {"Usage", "Purchase", "Credit", "Adjustment"}
    assert {row["x_ChargeKind"] for row in found} == {"usage", "rounding", "adjustment", "top_up", "drawn", "expired"}
    assert {row["ChargeClass"] for row in found} == {"", "Correction"}
    assert {row["x_ChargeKind"] for row in rows(every_kind, APRIL)} == {"top_up", "repaid"}
    for month, name, options in (
        (MARCH, "day.csv", []),
        (MARCH, "day.parquet", ["--invoice-id", "INV-1"]),
        (MARCH, "lines.csv", ["--grain", "charge", "--invoice-id", "INV-1"]),
        (MARCH, "postpaid.csv", ["--billing", "postpaid"]),
        (APRIL, "april.csv", []),
    ):
        every_kind("export", "focus", "--month", month, "-o", name, *options).ok()
        expected = WITH_INVOICE if "--invoice-id" in options else WITHOUT_INVOICE
        assert validated(tmp_path / name)["FAIL"] == [expected], name


def test_it_would_find_what_is_wrong(every_kind: Cli, tmp_path: Path) -> None:
    text = every_kind("export", "focus", "--month", MARCH).ok().stdout
    (tmp_path / "wrong.csv").write_text(text.replace(",USD,2026-04", ",CRD,2026-04"), newline="")
    assert "BillingCurrency-C-006-M" in validated(tmp_path / "wrong.csv")["FAIL"]
