"""FOCUS exports as files: who is named in them, closed months, columns and types, control totals, and wrong use."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from ledger.book.seals import row_digest
from ledger.exports.focus.layout.columns import COLUMNS, LINE_COLUMNS
from ledger.months.rows import check_closings
from ledger.store.opening import open_ledger
from ledger.store.tables import closings
from tests.conftest import Cli
from tests.helpers.focus import (
    APRIL,
    FEBRUARY,
    MARCH,
    adjust,
    cells,
    close,
    export,
    fill,
    ingest,
    lines_of,
    request,
    rows,
    rows_of,
    total,
)
from tests.helpers.ledgers import apply_projects, tamper

TIMES = [column.name for column in COLUMNS if column.kind == "time"]


@pytest.fixture
def everything(db_cli: Cli) -> Cli:
    return fill(db_cli)


# --- names, projects, tags, invoices --------------------------------------------------------------------------------

FOCUS = """
[ledger]
rollup_tags = ["team"]

[focus]
billing_account_id = "acct-1"
billing_account_name = "Acme"
provider = "EvoLink Ltd"
publisher = "Maker"
invoice_issuer = "Reseller"
"""


def test_the_configuration_names_account_provider_publisher_and_issuer(db_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tollbook.toml").write_text(FOCUS)
    ingest(db_cli, request("r1"))
    names = ("BillingAccountId", "BillingAccountName", "ProviderName", "PublisherName", "InvoiceIssuerName")
    assert set(cells(rows(db_cli), *names, "ServiceName")) == {
        ("acct-1", "Acme", "EvoLink Ltd", "Maker", "Reseller", "EvoLink Ltd Generative AI")
    }


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("[focus]\naccount = 1", "focus.account: isn't a key of this file"),
        ("[focus]\nbilling_account_id = 12", "focus.billing_account_id: 12 isn't text; write it in quotes"),
        ('[focus]\nprovider = ""', "focus.provider: '' is empty"),
        ("focus = 3", "focus: 3 isn't a table of keys and values"),
    ],
)
def test_a_wrong_section_is_refused(db_cli: Cli, tmp_path: Path, section: str, words: str) -> None:
    (tmp_path / "tollbook.toml").write_text(section)
    outcome = db_cli("export", "focus", "--month", MARCH)
    assert (outcome.exit_code, outcome.stdout, words in outcome.stderr) == (2, "", True), outcome.stderr


PROJECTS = """
[[project]]
id = "search"
name = "Search team"
owner = "Ann"
cost_center = "CC-1"
aliases = ["find"]
"""


def test_a_project_is_a_sub_account_with_its_name_and_aliases(db_cli: Cli) -> None:
    ingest(db_cli, request("r1"), request("r2", project="find"), request("r3", project="chat"))
    apply_projects(db_cli, PROJECTS)
    names = ("SubAccountId", "SubAccountName", "x_CostCenter", "x_Owner", "ConsumedQuantity")
    found = cells([row for row in rows(db_cli) if row["x_Meter"] == "input"], *names)
    assert found == [("chat", "chat", "", "", "30000.0"), ("search", "Search team", "CC-1", "Ann", "60000.0")]
    assert {row["SubAccountId"] for row in lines_of(db_cli)} == {"chat", "search"}


def test_tags_of_a_charge_and_of_a_day(cli: Cli, sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "tollbook.toml").write_text('[ledger]\nrollup_tags = ["team"]\n')
    cli("db", "init", "--db", "tagged.db").ok()

    def run(*args: object, **kwargs: Any) -> Any:
        return cli(*args, "--db", "tagged.db", **kwargs)

    tags = [{"team": "a", "env": "x"}, {"team": "a", "env": "y"}, {"env": "x"}, {}]
    one: dict[str, Any] = {"input_tokens": 1_000, "cached_input_tokens": 0, "output_tokens": 0}
    ingest(run, *(request(f"r{number}", **one, tags=each) for number, each in enumerate(tags)))
    assert cells(rows(run), "Tags", "ConsumedQuantity") == [("", "2000.0"), ('{"team":"a"}', "2000.0")]
    assert cells(lines_of(run), "Tags") == [
        ('{"env":"x","team":"a"}',), ('{"env":"y","team":"a"}',), ('{"env":"x"}',), ("",)
    ]  # fmt: skip


def test_an_invoice_id_is_in_all_rows_or_in_none(everything: Cli) -> None:
    assert {row["InvoiceId"] for row in rows(everything)} == {""}
    assert {row["InvoiceId"] for row in rows(everything, MARCH, "--invoice-id", "INV-7")} == {"INV-7"}
    outcome = everything("export", "focus", "--month", MARCH, "--invoice-id", " ")
    assert (outcome.exit_code, outcome.stdout) == (2, "")


def test_days_and_months_are_those_of_the_ledgers_zone(cli: Cli) -> None:
    cli("db", "init", "--timezone", "Asia/Shanghai", "--db", "zoned.db").ok()

    def run(*args: object, **kwargs: Any) -> Any:
        return cli(*args, "--db", "zoned.db", **kwargs)

    # 16:00Z is midnight in Shanghai: the second one is of the next day, the third of the next month.
    times = ("2026-03-30T15:59:59Z", "2026-03-30T16:00:00Z", "2026-03-31T16:00:00Z")
    ingest(run, *(request(f"r{number}", output_tokens=0, cached_input_tokens=0) | {"occurred_at": at}
                  for number, at in enumerate(times)))  # fmt: skip
    for found in (rows(run), lines_of(run)):
        assert cells(found, *TIMES) == [
            (
                "2026-03-31T16:00:00Z", "2026-02-28T16:00:00Z",
                "2026-03-30T16:00:00Z", "2026-03-29T16:00:00Z",
            ),
            (
                "2026-03-31T16:00:00Z", "2026-02-28T16:00:00Z",
                "2026-03-31T16:00:00Z", "2026-03-30T16:00:00Z",
            ),
        ]  # fmt: skip


def test_text_of_the_data_can_not_become_a_formula(db_cli: Cli) -> None:
    ingest(db_cli, request("=1+1", project="=cmd()", tags={"team": "\u202e"}))
    found = lines_of(db_cli)
    assert cells(found[:1], "SubAccountId", "SubAccountName", "x_RequestId") == [("'=cmd()", "'=cmd()", "'=1+1")]
    assert found[0]["Tags"] == '{"team":"\\u202e"}'
    assert rows(db_cli, MARCH, "--raw")[0]["SubAccountId"] == "=cmd()"


# --- closed months --------------------------------------------------------------------------------------------------


def both_grains(cli: Cli, month: str) -> list[str]:
    return [export(cli, month), export(cli, month, "--grain", "charge")]


def test_a_closed_month_exports_the_same_bytes_for_ever(db_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "tollbook.toml").write_text(FOCUS)
    db_cli("db", "rollups", "--tag", "team").ok()
    ingest(db_cli, *(request(f"r{n}", "2026-02-20", tags={"team": f"t{n}", "env": "x"}) for n in range(3)))
    apply_projects(db_cli, FOCUS + PROJECTS)
    adjust(db_cli, "900credits", FEBRUARY)
    open_ones = both_grains(db_cli, FEBRUARY)
    close(db_cli, FEBRUARY)
    closed = both_grains(db_cli, FEBRUARY)
    assert closed == open_ones
    apply_projects(db_cli, "[[project]]\nid = 'search'\nname = 'Renamed'\n")
    ingest(db_cli, request("late", "2026-02-20"))
    db_cli("void", "--id", "r1").ok()
    db_cli("rates", "conversion", "add", "--per-usd", "68", "--from", "2026-02-05").ok()
    # The roll-up no longer has the closed month's tag, has another one too, has none.
    for tags in (["--tag", "env"], ["--tag", "team", "--tag", "env"], ["--none"]):
        db_cli("db", "rollups", *tags).ok()
        assert both_grains(db_cli, FEBRUARY) == closed
    assert len(rows_of(closed[0])) == 3 * 3 + 1
    assert {row["BillingAccountId"] for row in rows(db_cli)} == {"evolink"}
    db_cli("verify").ok()


def test_a_month_that_is_closed_again_takes_the_names_of_then(db_cli: Cli, tmp_path: Path) -> None:
    ingest(db_cli, request("r1", "2026-02-20"))
    close(db_cli, FEBRUARY)
    db_cli("reopen", FEBRUARY, "--reason", "another account").ok()
    (tmp_path / "tollbook.toml").write_text(FOCUS)
    close(db_cli, FEBRUARY)
    (tmp_path / "tollbook.toml").unlink()
    assert {row["BillingAccountId"] for row in rows(db_cli, FEBRUARY)} == {"acct-1"}
    db_cli("verify").ok()


def test_verify_finds_changed_settings_of_a_close(db_cli: Cli, db_url: str) -> None:
    ingest(db_cli, request("r1", "2026-02-20"))
    close(db_cli, FEBRUARY)
    tamper(db_url, "UPDATE closings SET settings = '{}'")
    outcome = db_cli("verify")
    assert (outcome.exit_code, "no longer as it was recorded" in outcome.stderr) == (1, True)


def test_a_close_from_before_settings_were_kept_goes_by_those_of_now(db_cli: Cli, db_url: str, tmp_path: Path) -> None:
    ingest(db_cli, request("r1", "2026-02-20"))
    close(db_cli, FEBRUARY)
    with open_ledger(db_url).reading() as connection:
        row = connection.execute(select(closings)).one()._asdict()
    digest = row_digest(closings, row | {"settings": None})
    assert digest != row["digest"]
    tamper(db_url, f"UPDATE closings SET settings = NULL, digest = '{digest}'")
    with open_ledger(db_url).reading() as connection:
        assert list(check_closings(connection, None)) == []
    (tmp_path / "tollbook.toml").write_text(FOCUS)
    assert {row["BillingAccountId"] for row in rows(db_cli, FEBRUARY)} == {"acct-1"}


# --- files ----------------------------------------------------------------------------------------------------------


def test_the_columns_are_pinned(everything: Cli, golden: Any) -> None:
    golden("focus.csv", export(everything).encode())
    golden("focus-by-charge.csv", export(everything, MARCH, "--grain", "charge", "--invoice-id", "INV-1").encode())


def test_parquet_has_the_same_rows_with_types(everything: Cli, tmp_path: Path) -> None:
    for grain in ("day", "charge"):
        everything("export", "focus", "--month", MARCH, "--grain", grain, "-o", "focus.parquet").ok()
        table = pq.read_table(tmp_path / "focus.parquet")
        columns = COLUMNS + (LINE_COLUMNS if grain == "charge" else ())
        assert table.column_names == [column.name for column in columns]
        for column in columns:
            kind = {"decimal": "decimal128(38, 18)", "time": "timestamp[us, tz=UTC]", "count": "int64"}
            assert str(table.schema.field(column.name).type) == kind.get(column.kind, "string")
        texts = rows(everything, MARCH, "--grain", grain)
        for row, text in zip(table.to_pylist(), texts, strict=True):
            for column in columns:
                cell: Any = row[column.name]
                expected: Any = text[column.name] or None
                if column.kind == "time" and cell is not None:
                    cell = cell.isoformat().replace("+00:00", "Z")
                if expected is not None and column.kind in {"decimal", "count"}:
                    expected = Decimal(expected)
                assert cell == expected, column.name


def test_a_parquet_file_is_the_same_each_time(everything: Cli, tmp_path: Path) -> None:
    found = []
    for _again in range(2):
        everything("export", "focus", "--month", MARCH, "-o", "focus.parquet", "--manifest").ok()
        manifest = json.loads((tmp_path / "focus.parquet.manifest.json").read_text())
        found.append(((tmp_path / "focus.parquet").read_bytes(), manifest))
    assert found[0] == found[1]
    assert (manifest["format"], manifest["rows"], manifest["month"]) == ("parquet", len(rows(everything)), MARCH)


def test_control_totals(everything: Cli) -> None:
    outcome = everything("export", "focus", "--month", MARCH, "--json").ok()
    document = outcome.json
    found = rows(everything)
    report = everything("report", "--month", MARCH, "--json").ok().json["total"]["usd"]
    assert document["total"]["rows"] == len(found) == len(document["rows"])
    assert document["total"]["usd"] == document["total"]["list_cost"] == report
    assert Decimal(document["total"]["billed_cost"]) == total(found, "BilledCost")
    assert f"= {report} USD; billed {report} USD, effective {report} USD" in outcome.stderr
    # 3 requests and storage of code, less one that was voided; the credit note is in USD; one request of mini in CNY.
    nano = 3 * (30_000 * 48_000 + 10_000 * 6_400 + 2_000 * 240_000) - 1_984 * 10**6 + 340 * 10**6 + 900 * 10**9
    assert Decimal(document["total"]["amounts"]["CRD"]) * 10**9 == nano


def test_an_empty_month_is_a_header(db_cli: Cli) -> None:
    ingest(db_cli, request("r1"))
    assert export(db_cli, APRIL).strip() == ",".join(column.name for column in COLUMNS)
    assert rows(db_cli, "2031-01") == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "Missing option '--month'"),
        (["--month", "2026-13"], "isn't a month"),
        (["--month", MARCH, "--billing", "prepaid"], "no wallet had begun by the end of 2026-03"),
        (["--month", MARCH, "--grain", "hour"], "is not one of"),
        (["--month", MARCH, "-o", "x.parquet", "--excel"], "--excel is for CSV"),
    ],
)
def test_wrong_use_is_one_line(db_cli: Cli, options: list[str], words: str) -> None:
    ingest(db_cli, request("r1"))
    outcome = db_cli("export", "focus", *options)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr.count("Error")) == (2, "", 1)
    assert words in outcome.stderr
    assert not list(Path().glob("*.parquet"))


def test_parquet_goes_to_standard_output_too(everything: Cli) -> None:
    data = everything("export", "focus", "--month", MARCH, "--format", "parquet").ok().stdout
    assert data.startswith("PAR1")


def test_a_workbook_has_the_same_rows(everything: Cli, tmp_path: Path) -> None:
    everything("export", "focus", "--month", MARCH, "-o", "focus.xlsx").ok()
    sheet = openpyxl.load_workbook(tmp_path / "focus.xlsx").active
    names, *found = sheet.iter_rows(values_only=True)
    assert list(names) == [column.name for column in COLUMNS]
    skus = [row[names.index("SkuPriceId")] or "" for row in found]
    assert skus == [row["SkuPriceId"] for row in rows(everything)]
