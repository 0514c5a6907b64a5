"""The currency of a statement, and marks of its amounts: said once or alike, never guessed, never passed over."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.helpers.reconciling import book, reconcile, write

MARCH = ("--month", "2026-03")


@pytest.fixture
def booked(cli: Cli) -> Cli:
    """A ledger of 1.5 and 3 credits, on 1 March 2026: 0.020833333 and 0.041666667 USD."""
    book(cli, {"request_id": "a", "output_tokens": 9_375}, {"request_id": "b", "output_tokens": 18_750})
    return cli


def refuse(cli: Cli, text: str, *options: str) -> str:
    found = cli("reconcile", "--statement", write(text), *MARCH, *options)
    assert (found.exit_code, found.stdout) == (2, ""), found.stdout
    return found.stderr


@pytest.mark.parametrize("amount", ["1.50", "0.5", "1.5", "12.34", "1.2345", "1234.567", "0.123", ".5", "1.50 CRD"])
def test_a_point_that_groups_nothing_is_refused_where_commas_are_decimal(booked: Cli, amount: str) -> None:
    told = refuse(booked, f"request_id;amount / a;1,5 / b;{amount}", "--decimal", ",")
    assert "line 3, column 'amount'" in told
    assert "with the decimal mark ','" in told


def test_true_numbers_have_a_point_whatever_the_mark_of_texts(booked: Cli) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book(booked, {"request_id": "c", "output_tokens": 19_531, "input_tokens": 1})  # 3.124992 credits
    workbook = openpyxl.Workbook()
    for row in (["request_id", "amount"], ["a", 1.5], ["b", "3,00"], ["c", 3.125]):
        workbook.active.append(row)
    workbook.save("bill.xlsx")
    for options in ([], ["--decimal", ","]):
        found = booked("reconcile", "--statement", "bill.xlsx", *MARCH, *options, "--json")
        assert (found.exit_code, found.json["total"]["provider_amount"]) == (0, "7.625"), found.stderr
    rows = [{"ExpenseDate": "2026-03-01", "PayableAmount": "3.125", "Product": "ark", "Currency": "CRD"}]
    Path("bill.json").write_text(json.dumps({"Result": {"List": rows, "Total": 1, "Offset": 0}}))
    found = booked("reconcile", "--statement", "bill.json", "--decimal", ",", "--json")
    assert found.json["total"]["provider_amount"] == "3.125"


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("Currency", "USD"), ("amount_currency", "usd"), ("currencyCode", "USD"), ("币种", "美元"),
        ("Billing currency", "US$"), ("Währung", "USD"), ("BillingCurrency", "$"),
        ("Currency", "US Dollar"),
    ],
)  # fmt: skip
def test_a_column_of_currencies_counts_without_being_mapped(booked: Cli, column: str, cell: str) -> None:
    text = f"request_id,amount,{column},costInBillingCurrency / a,0.020833333,{cell},7 / b,0.041666667,{cell},8"
    found = reconcile(booked, text, *MARCH)
    assert (found.exit_code, found.json["currency"], found.json["matched"]) == (0, "USD", 2), found.stderr
    assert "in EUR and evolink is billed in CRD" in refuse(booked, f"request_id,amount,{column} / a,1.5,EUR")
    assert reconcile(booked, f"request_id,amount,{column} / a,1.5, / b,3,", *MARCH).json["currency"] == "CRD"
    told = refuse(booked, f"request_id,amount,{column} / a,1.5,points")
    assert f"column {column!r}: 'points' isn't a currency" in told
    assert "--map currency=COLUMN" in told
    assert reconcile(booked, f"request_id,amount,{column} / a,1.5,points", *MARCH, "--currency", "CRD").exit_code == 1


@pytest.mark.parametrize(
    ("text", "options", "both"),
    [
        ("request_id,Cost (USD),currency / a,1.5,CRD", [], ["CRD", "its header says USD"]),
        ("request_id,Cost (USD),Currency / a,1.5,CRD", [], ["CRD", "its header says USD"]),
        ("request_id,Cost (USD) / a,1.5", ["--currency", "CRD"], ["says USD", "--currency says CRD"]),
        ("request_id,cost_usd / a,1.5 CRD", [], ["CRD", "its header says USD"]),
        ("request_id,Cost,Currency / a,1.5,USD", ["--currency", "CRD"], ["USD", "--currency says CRD"]),
        ("request_id,Cost,Currency / a,$1.5,CRD", [], ["USD", "CRD"]),
        ("request_id,Cost,Currency,币种 / a,1.5,CRD,CNY", [], ["CNY after CRD", "--map currency=COLUMN"]),
        ("request_id,Subtotal after credits ($) / a,1.5", [], ["CRD or USD", "--currency"]),
        ("request_id,Subtotal after credits ($),Currency / a,1.5,EUR", [], ["EUR", "CRD or USD"]),
        ("request_id,Cost (HK$) / a,1.5", [], ["in HKD and evolink is billed in CRD"]),
        ("request_id,Cost (XX$) / a,1.5", [], ["'XX$'", "--currency"]),
        ("request_id,amount_cents / a,1.5", [], ["line 1", "'cents'", "whole units"]),
        ("request_id,金额(分) / a,1.5", ["--currency", "CNY"], ["'分'", "whole units"]),
    ],
)
def test_contradictions_and_several_readings_are_refused(
    booked: Cli, text: str, options: list[str], both: list[str]
) -> None:
    header = re.split(",| / ", text)[1]
    told = refuse(booked, text, "--map", f"amount={header}", *options)
    assert [word for word in both if word not in told] == [], told


def test_what_is_said_elsewhere_decides_between_a_headers_readings(booked: Cli) -> None:
    for text, options in (
        ("request_id,Subtotal after credits ($) / a,0.020833333 / b,0.041666667", ["--currency", "USD"]),
        ("request_id,Subtotal after credits ($),Currency / a,0.020833333,USD / b,0.041666667,USD", []),
        ("request_id,Subtotal after credits ($) / a,$0.020833333 / b,$0.041666667", []),
        ("request_id,Cost (XX$) / a,0.020833333 / b,0.041666667", ["--currency", "USD"]),
    ):
        header = re.split(",| / ", text)[1]
        found = reconcile(booked, text, *MARCH, "--map", f"amount={header}", *options)
        assert (found.exit_code, found.json["currency"]) == (0, "USD"), found.stderr


def test_what_a_format_has_beside_a_count_is_left_out(booked: Cli) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    workbook = openpyxl.Workbook()
    for row in (["request_id", "output_tokens", "amount"], ["a", 9_375, 1.5], ["b", 18_750, 3]):
        workbook.active.append(row)
    workbook.active["B2"].number_format = '#,##0" tokens"'
    workbook.save("bill.xlsx")
    found = booked("reconcile", "--statement", "bill.xlsx", *MARCH, "--json").ok()
    assert found.json["matched"] == 2


FORMATS: dict[str, Any] = {
    "USD": ['"$"#,##0.00', "$#,##0.00_);[Red]($#,##0.00)", '"USD" #,##0.00', "[$$-409]#,##0.00", "[$$-10409]#,##0.00",
            "[$USD] 0.00", '_("$"* #,##0.00_);_("$"* \\(#,##0.00\\);_("$"* "-"??_);_(@_)', "[$$-en-US]0.00", "[$$]0.00",
            '"US$"0.00', "\\U\\S\\D\\ 0.00"],
    "CRD": ["General", "0.00", "[$-409]0.00", "[$-10409]#,##0.00;-#,##0.00", "0.00E+00", "#,##0.00_);(#,##0.00)",
            '0.00" credits"', '"≈"#,##0.00'],
    "in EUR": ['#,##0.00 "EUR"', "[$€-407]#,##0.00", "#,##0.00\\ [$€-407]", '#,##0.00\\ "€"', "#,##0.00 €"],
    "in CAD": ["[$$-1009]#,##0.00", "[$$-C0C]0.00"],
    "in HKD": ['"HK$"#,##0.00', "[$HK$-C04]#,##0.00"],
    "in BRL": ['"R$" #,##0.00', "[$R$-416] #,##0.00", "R$ #,##0.00"],
    "in JPY": ["[$¥-411]#,##0", "[$￥-411]#,##0"],
    "more beside the digits": ['#,##0.00 "kr"', "[$kr-41D]0.00", "[$$-2C0A]0.00", "0.00%", '0.00" k"', "0.00 kr"],
}  # fmt: skip


@pytest.mark.parametrize(("told", "form"), [(told, form) for told, forms in FORMATS.items() for form in forms])
def test_the_format_of_a_workbooks_cells_says_their_currency(booked: Cli, told: str, form: str) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    workbook = openpyxl.Workbook()
    for row in (["request_id", "amount"], ["a", 1.5], ["b", 3]):
        workbook.active.append(row)
    for cell in ("B2", "B3"):
        workbook.active[cell].number_format = form
    workbook.save("bill.xlsx")
    found = booked("reconcile", "--statement", "bill.xlsx", *MARCH, "--json")
    if told in ("USD", "CRD"):
        assert found.json["currency"] == told, found.stderr
    else:
        assert (found.exit_code, told in found.stderr) == (2, True), found.stderr
