"""Statements that aren't read as they are: each refusal says what the file is and which option or format to give."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.helpers.ledgers import PRO
from tests.helpers.reconciling import book, reconcile, write

MARCH = ("--month", "2026-03")


@pytest.fixture
def booked(cli: Cli) -> Cli:
    """A ledger of 1.5 credits on 1 March 2026."""
    book(cli, {"request_id": "a", "output_tokens": 9_375})
    return cli


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Bill of March / model,amount / {PRO},1.5", 1),
        ("Acme Ltd / Invoice 7; March 2026 / / model;amount;note / {PRO};1,5;x", 3),
        ("Account,Acme / Period,2026-03 / model,Cost,amount / {PRO},7,1.5", 2),
        ("Report\t / day\tmodel\tamount / 2026-03-01\t{PRO}\t1.5", 1),
    ],
)
def test_lines_before_the_header_are_named(booked: Cli, text: str, lines: int) -> None:
    text = text.replace("{PRO}", PRO).replace(" / / ", " /  / ")
    refused = booked("reconcile", "--statement", write(text), *MARCH)
    assert (refused.exit_code, f"--skip-lines {lines}\n" in refused.stderr) == (2, True), refused.stderr
    assert reconcile(booked, text, *MARCH, "--skip-lines", str(lines)).exit_code == 0
    assert "--skip-lines" not in booked("reconcile", "--statement", write("model,price / x,1 / y,2"), *MARCH).stderr


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("day,model,amount / 2026-03-01,{PRO},1.5 / Total,,1.5", "Total"),
        ("day,model,amount / 2026-03-01,{PRO},1.5 / ,Grand Total:,1.5", "Grand Total:"),
        ("request_id,amount / a,1.5 / Total (USD),1.5", "Total (USD)"),
        ("model,amount / {PRO},1.5 / Gesamtsumme,1.5", "Gesamtsumme"),
        ("model,amount / {PRO},1.5 / 合计,1.5", "合计"),
        ("model,amount / {PRO},1.5 / 合計：,1.5", "合計："),
        ("day,model,amount / 2026-03-01,{PRO},1.5 / Billed until 31 March,1.5", "Billed until 31 March"),
    ],
)
def test_a_sum_below_the_rows_is_named(booked: Cli, text: str, name: str) -> None:
    text = text.replace("{PRO}", PRO)
    refused = booked("reconcile", "--statement", write(text), *MARCH)
    assert (refused.exit_code, f"--total-row {name!r}" in refused.stderr) == (2, True), refused.stderr
    assert reconcile(booked, text, *MARCH, "--total-row", name).exit_code == 0


def archive(*names: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as made:
        for name in names:
            made.writestr(name, "x")
    return data.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "(.xls): save it as .xlsx or CSV"),
        (b"%PDF-1.7\n", "a PDF: fetch the statement as CSV"),
        (b"<html><table>", "save it as .xlsx or CSV"),
        (b"PAR1\x15\x04", "Parquet"),
        (archive("march.csv"), "a zip archive of 'march.csv': unpack it"),
        (archive("mimetype", "content.xml"), "(.xlsb, .ods): save it as .xlsx"),
        (json.dumps({"object": "page", "data": [{"object": "bucket", "results": []}]}).encode(), "OpenAI's own"),
        (json.dumps({"data": [{"starting_at": "2026-03-01", "results": []}]}).encode(), "Anthropic's"),
        (json.dumps({"data": [{"date": "2026-03-01", "byok_usage_inference": 0}]}).encode(), "OpenRouter's"),
        (b'{"data": []}', "export the costs as CSV"),
    ],
)  # fmt: skip
def test_files_of_other_kinds_are_named(booked: Cli, data: bytes, words: str) -> None:
    Path("bill").write_bytes(data)
    refused = booked("reconcile", "--statement", "bill", *MARCH)
    assert (refused.exit_code, words in refused.stderr) == (2, True), refused.stderr


def test_options_of_another_kind_of_file_are_refused(booked: Cli) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    workbook = openpyxl.Workbook()
    for row in (["model", "amount"], [PRO, 1.5]):
        workbook.active.append(row)
    workbook.save("bill.xlsx")
    write(f"model,amount / {PRO},1.5", "bill.csv")
    for name, option, value in (
        ("bill.xlsx", "--encoding", "gb18030"), ("bill.xlsx", "--delimiter", ";"), ("bill.csv", "--sheet", "Costs"),
    ):  # fmt: skip
        refused = booked("reconcile", "--statement", name, *MARCH, option, value)
        assert (refused.exit_code, f"leave out {option}" in refused.stderr) == (2, True), refused.stderr
    assert booked("reconcile", "--statement", "bill.xlsx", *MARCH, "--sheet", "Sheet").exit_code == 0


def test_days_with_names_of_months(booked: Cli) -> None:
    text = "day,amount / 01-Mar-2026,1.5"
    assert "--date-format %d-%b-%Y" in booked("reconcile", "--statement", write(text)).stderr
    for form in ("%d-%b-%Y", "DD-MMM-YYYY"):
        assert reconcile(booked, text, "--date-format", form).exit_code == 0


@pytest.mark.parametrize("model", [f"bytedance/{PRO}", PRO.upper(), f"volcengine/{PRO.title()}", "doubao-seed-2,0-pro"])
def test_a_model_that_is_nearly_known_is_told(booked: Cli, model: str) -> None:
    found = reconcile(booked, f"model;amount / {model};1.5", *MARCH)
    assert f"model '{model}' of the statement is not on card 'evolink': did you mean '{PRO}'" in found.stderr
    assert "did you mean" not in reconcile(booked, f"model;amount / {PRO};1.5", *MARCH).stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("request_id,DR/CR,amount / a,DR,2 / a,CR,0.5", "line 3, column 'DR/CR': says the sign of the amount by CR"),
        ("request_id,amount,debit_credit_indicator / a,2,Debit / a,0.5,Credit", "write amounts with one"),
        ("request_id;Soll/Haben;amount / a;S;2 / a;H;0,5", "such as -1234.5"),
        ("request_id,amount, / a,1,234.50", "line 2, column 'amount': is followed by '234.50' under no name"),
    ],
)
def test_an_amount_that_goes_on_in_another_column_is_refused(booked: Cli, text: str, told: str) -> None:
    refused = booked("reconcile", "--statement", write(text), *MARCH)
    assert (refused.exit_code, told in refused.stderr) == (2, True), refused.stderr
    signed = "request_id,DR/CR,amount, / a,DR,2, / a,CR,-0.5,"
    assert reconcile(booked, signed, *MARCH).json["total"]["provider_amount"] == "1.5"
