"""Statements as bills come: every dialect is read rightly, or refused in words that say what to give."""

from __future__ import annotations

import json
import re
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.helpers.ledgers import LITE, PRO
from tests.helpers.reconciling import book, reconcile, told, write
from tests.helpers.wallets import top_up

# Output that costs 1.5 and 1,234.5 credits: 160 credits for 1M tokens of pro, 36 of lite.
A = {"request_id": "a", "output_tokens": 9_375}


@pytest.fixture
def booked(cli: Cli) -> Cli:
    """A ledger of one request of 1.5 credits on 1 March 2026, and one of 3 credits of lite on 2 March."""
    book(cli, A, {"request_id": "b", "occurred_at": "2026-03-02T12:00:00Z", "requested_model": LITE,
                  "output_tokens": 83_333, "input_tokens": 2})  # fmt: skip
    return cli


# 83,333 * 36 + 2 * 6 = 3,000,000 micro-credits.
DIALECTS = {
    "plain": ("request_id,amount / a,1.5 / b,3", []),
    "semicolons and decimal commas": ("request_id;amount / a;1,5 / b;3,0", []),
    "tabs": ("request_id\tamount / a\t1.5 / b\t3", []),
    "bars": ("request_id|amount / a|1.5 / b|3", []),
    "excel's own first line": ("sep=; / request_id;amount / a;1,5 / b;3", []),
    "excel's own first line with tabs": ("sep=\t / request_id\tamount / a\t1.5 / b\t3", []),
    "float text": ("request_id,amount / a,1.4999999999999999 / b,3.0000000000000004", []),
    "exponents": ("request_id,amount / a,1.5E+0 / b,300e-2", []),
    "signs": ("request_id,amount / a,1.5 CRD / b,CRD 3.00", []),
    "a currency column in words": ("request_id,amount,currency / a,1.5,credits / b,3,Credits", []),
    "thousands in quotes": ('request_id,amount / a,"1.50" / b,"3"', []),
    "a total row": ("request_id,amount / a,1.5 / b,3 / Total,4.5", ["--total-row", "total"]),
    "a total row that is short": ("request_id,amount / a,1.5 / b,3 / Total", ["--total-row", "Total"]),
    "lines before the header": ("Bill of March / Acme / request_id,amount / a,1.5 / b,3", ["--skip-lines", "2"]),
    "blank lines": (" / request_id,amount /  / a,1.5 / ,  / b,3 / ", []),
    "days of Germany": (
        "Datum;Modell;Betrag / 01.03.2026;doubao-seed-2.0-pro;1,50 / 02.03.2026;doubao-seed-2.0-lite;3,00",
        ["--map", "day=Datum", "--map", "model=Modell", "--map", "amount=Betrag", "--date-format", "DD.MM.YYYY"],
    ),
    "days and times of America": (
        "when,amount / 03/01/2026 12:00,1.5 / 03/02/2026 12:00,3",
        ["--map", "occurred_at=when", "--date-format", "MM/DD/YYYY HH:mm", "--timezone", "UTC"],
    ),
    "a row a model": ("model,amount / doubao-seed-2.0-pro,1.5 / doubao-seed-2.0-lite,3", ["--month", "2026-03"]),
    "a row a day": ("day,amount / 2026-03-01,1.5 / 2026-03-02,3", []),
    "one total": ("amount / 4.5", ["--month", "2026-03"]),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_agrees_with_the_same_bill(booked: Cli, name: str) -> None:
    text, options = DIALECTS[name]
    months = (
        [] if "--month" in options or "day" in text or "Datum" in text or "when" in text else ["--month", "2026-03"]
    )
    found = reconcile(booked, text, *options, *months)
    assert (found.exit_code, told(found), found.json["passed"]) == (0, [], True)
    assert found.json["matched"] >= 1


@pytest.mark.parametrize(("encoding", "option"), [("utf-16", None), ("gb18030", "gb18030"), ("cp1252", "cp1252")])
def test_other_encodings_are_named_or_marked(booked: Cli, encoding: str, option: str | None) -> None:
    note = "é" if encoding == "cp1252" else "模型"
    Path("bill.csv").write_text(f"request_id,{note},amount\na,x,1.5\nb,{note},3\n", encoding=encoding)
    options = [] if option is None else ["--encoding", option]
    found = booked("reconcile", "--statement", "bill.csv", "--month", "2026-03", "--json", *options)
    assert (found.exit_code, found.json["matched"]) == (0, 2), found.stderr
    if option is not None:
        refused = booked("reconcile", "--statement", "bill.csv", "--month", "2026-03")
        assert refused.exit_code == 2
        assert "--encoding" in refused.stderr


def test_a_workbook_is_read_like_csv(booked: Cli) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(["Bill of March"])
    sheet.append(["Day", "Model", "Cost", None])
    sheet.append([date(2026, 3, 1), PRO, 1.5])
    sheet.append([date(2026, 3, 2), LITE, 3])
    sheet.append(["Total", None, 4.5])
    workbook.save("bill.xlsx")
    asked = ["--map", "day=Day", "--map", "model=Model", "--map", "amount=Cost", "--skip-lines", "1"]
    found = booked("reconcile", "--statement", "bill.xlsx", "--total-row", "Total", "--json", *asked)
    assert (found.exit_code, found.json["matched"]) == (0, 2), found.stderr
    workbook.create_sheet("Notes")
    workbook.save("bill.xlsx")
    refused = booked("reconcile", "--statement", "bill.xlsx", *asked)
    assert (refused.exit_code, "'Sheet', 'Notes': --sheet NAME" in refused.stderr) == (2, True)
    found = booked("reconcile", "--statement", "bill.xlsx", "--sheet", "Sheet", "--total-row", "Total", *asked)
    assert found.exit_code == 0


# "2,364" may be either; a workbook's times have no zone.
READ_BACK = ("--decimal", ",", "--timezone", "UTC")


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
@pytest.mark.parametrize(
    ("written", "options"),
    [
        (("report", "--by", "model"), ["model=model", "amount=credits"]),
        (("report", "--by", "day"), ["day=day", "amount=credits"]),
        (("export", "charges"), ["request_id=request_id", "amount=amount"]),
        (("export", "chargeback"), ["amount=credits"]),
    ],
    ids=" ".join,
)
def test_our_own_files_for_excel_are_read_back(
    booked: Cli, written: tuple[str, ...], options: list[str], suffix: str
) -> None:
    asked = [word for option in options for word in ("--map", option)]
    month = ("--month", "2026-03")
    booked(*written, *month, *(["--excel"] if suffix == "csv" else []), "-o", f"ours.{suffix}").ok()
    if written[0] == "report" and suffix == "xlsx":
        asked += ["--total-row", "total"]
    found = booked("reconcile", "--statement", f"ours.{suffix}", *month, "--json", *asked, *READ_BACK).ok()
    assert (told(found), found.json["passed"]) == ([], True)


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("request_id;amount / a;1,234", [], ["line 2, column 'amount'", "may be 1234 or 1.234", "--decimal"]),
        ("request_id,amount / a,1,5", [], ["line 2", "3 cells where the header has 2"]),
        ("request_id,amount / a,12 apples", [], ["line 2", "currency"]),
        ("request_id,amount / a,$1.5 / b,3 CRD", [], ["line 3", "CRD after USD"]),
        ("request_id,amount / a,€1.5", [], ["EUR", "CRD", "USD"]),
        ("request_id,price / a,1.5", [], ["line 1", "no column amount", "--map amount=COLUMN"]),
        ("day,amount / 01.03.2026,1.5", [], ["line 2", "--date-format"]),
        ("day,amount / 2026-03-01,1.5", ["--date-format", "DD.MM.YYYY"], ["line 2", "isn't a date of --date-format"]),
        ("request_id,amount / a,1.5 / ,1.5", [], ["line 3", "--total-row"]),
        ("model,amount / doubao-seed-2.0-pro,1.5", [], ["--month"]),
        ("request_id,amount / a,1.5", ["--delimiter", "x"], ["--delimiter 'x'"]),
        ("request_id,amount / a,1.5", ["--as", "acme"], ["no [statement.acme]"]),
        *(
            ("request_id,amount / a,1.5", ["--encoding", name], [f"--encoding {name!r} is unknown"])
            for name in ("klingon", "hex", "base64", "zlib", "rot13", "punycode", "undefined", "")
        ),
        *(
            ("day,amount / 2026-03-01,1.5", ["--date-format", form], ["--date-format", "a year, a month and a day"])
            for form in ("MM/DD/YYYY HH:MM", "%Y-%m-%d%Y", "DD.MM", "YYYY-MM", "mm/DD/YYYY", "dd.mm.yyyy", "%Q")
        ),
        ("day,amount / 01.01.0001,1.5", ["--date-format", "DD.MM.YYYY"], ["line 2", "01.01.0001"]),
        ("occurred_at,amount / 9999-12-31T23:30:00-05:00,1.5", [], ["line 2"]),
        # Two marks in one column: 1.234 may be 1234 where 9,60 is 9.6.
        ("request_id;amount / a;1.234 / b;9,60", [], ["line 3", "'.' on line 2 and ',' on line 3", "--decimal"]),
        ("request_id;amount / a;9,60 / b;1.5", [], ["line 3", "--decimal"]),
        ("request_id,amount / a,1.5 / b,$0.02", [], ["line 3", "line 2 has no currency", "--currency"]),
        ("name,amount / x,1.5 / Total,1.5", ["--month", "2026-03"], ["line 3", "--total-row"]),
        ("request_id,amount / a,1.5", ["--total-row", " "], ["--total-row is empty"]),
        ("request_id,amount / a,1.5", ["--save-as", ""], ["--save-as ''"]),
        ("request_id\ramount / a", [], ["no column amount"]),
    ],
)
def test_what_has_two_readings_is_refused_with_what_to_give(
    booked: Cli, text: str, options: list[str], words: list[str]
) -> None:
    found = booked("reconcile", "--statement", write(text), *options)
    assert found.exit_code == 2, found.stdout
    assert [word for word in words if word not in found.stderr] == [], found.stderr


def test_the_header_of_amounts_may_name_their_currency(booked: Cli) -> None:
    """0.0208333… USD at 72 credits are 1.5 credits."""
    for header in ("Cost (USD)", "Cost in $", "USD", "cost_usd (usd)"):
        text = f"request_id,{header} / a,0.020833333 / b,0.041666667"
        found = reconcile(booked, text, "--map", f"amount={header}", "--month", "2026-03")
        assert (found.json["currency"], found.json["matched"]) == ("USD", 2), header
    assert reconcile(booked, "request_id,amount / a,1.5 / b,3", "--month", "2026-03").json["currency"] == "CRD"


def test_a_key_without_a_model_names_none(booked: Cli) -> None:
    for text in ("day,amount / 2026-03-01,1 / 2026-03-02,1", "amount / 1"):
        found = reconcile(booked, text, "--month", "2026-03").json["rows"]
        assert [row["model"] for row in found] == [None] * len(found), text


def test_a_day_that_the_bill_lacks_is_no_other_model(booked: Cli) -> None:
    found = reconcile(booked, f"day,model,amount / 2026-03-01,{PRO},1.5", "--month", "2026-03")
    assert told(found) == [f"2026-03-02 {LITE} only_ledger 3 0"]


def test_rows_left_out_as_sums_are_counted(booked: Cli) -> None:
    found = reconcile(booked, DIALECTS["a total row"][0], "--total-row", "TOTAL", "--month", "2026-03")
    assert "left out as sums of others, by --total-row: 1 row\n" in found.stderr
    found = reconcile(booked, DIALECTS["plain"][0], "--total-row", "Summe", "--month", "2026-03")
    assert "by --total-row: 0 rows\n" in found.stderr


def test_cells_and_formats_of_a_workbook(booked: Cli) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for row in (["request_id", "amount"], ["a", 0.020833333], ["b", 0.041666667]):
        sheet.append(row)
    for cell in (sheet["B2"], sheet["B3"]):
        cell.number_format = '"$"#,##0.00'
    workbook.create_sheet("old").sheet_state = "hidden"
    workbook.save("bill.xlsx")
    found = booked("reconcile", "--statement", "bill.xlsx", "--month", "2026-03", "--json")
    assert (found.json["currency"], found.json["matched"]) == ("USD", 2), found.stderr
    _rewrite("bill.xlsx", "xl/worksheets/sheet1.xml", rb'<dimension ref="[^"]*"', b'<dimension ref="A1:B2"')
    found = booked("reconcile", "--statement", "bill.xlsx", "--month", "2026-03", "--json")
    assert found.json["matched"] == 2, "rows past a dimension that is stated too small"
    sheet["B3"] = "=1+1"
    workbook.save("bill.xlsx")
    refused = booked("reconcile", "--statement", "bill.xlsx", "--month", "2026-03")
    assert (refused.exit_code, "line 3, cell B3: has a formula without its value" in refused.stderr) == (2, True)
    data = Path("bill.xlsx").read_bytes()
    for broken in (data[: len(data) // 2], data.replace(b"<", b">"), b"PK\x03\x04junk"):
        Path("bill.xlsx").write_bytes(broken)
        assert booked("reconcile", "--statement", "bill.xlsx", "--month", "2026-03").exit_code == 2


def _rewrite(name: str, part: str, old: bytes, new: bytes) -> None:
    with zipfile.ZipFile(name) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    with zipfile.ZipFile(name, "w") as archive:
        for each, data in parts.items():
            archive.writestr(each, re.sub(old, new, data) if each == part else data)


def test_nothing_on_either_side_is_no_comparison(booked: Cli) -> None:
    for text in ("request_id,amount / x,0 / y,0", "model,amount / gpt,0", "amount / 0"):
        found = reconcile(booked, text, "--month", "2026-07")
        assert (found.exit_code, found.json["passed"]) == (1, None), text


def test_a_layout_that_worked_is_saved_and_used_again(booked: Cli) -> None:
    Path("tollbook.toml").write_text("# ours\n[ledger]\nprovider = 'evolink'\n", encoding="utf-8")
    text = "Datum;Modell;Betrag / 01.03.2026;doubao-seed-2.0-pro;1,50 / 02.03.2026;doubao-seed-2.0-lite;3,00"
    asked = ["--map", "day=Datum", "--map", "model=Modell", "--map", "amount=Betrag", "--date-format", "DD.MM.YYYY"]
    saved = reconcile(booked, text, *asked, "--decimal", ",", "--save-as", "acme")
    assert saved.exit_code == 0, saved.stderr
    written = Path("tollbook.toml").read_text(encoding="utf-8")
    assert written.startswith("# ours\n[ledger]\n")
    assert "[statement.acme]" in written
    assert reconcile(booked, text, "--as", "acme").json["matched"] == 2
    meant = "--as 'ACME': tollbook.toml has no [statement.ACME]: did you mean 'acme', which differs in case alone?"
    assert meant in reconcile(booked, text, "--as", "ACME").stderr
    changed = reconcile(booked, text.replace("Modell;Betrag", "Modell;Steuer;Betrag"), "--as", "acme")
    assert changed.exit_code == 2
    assert "new 'Steuer'" in changed.stderr


def test_a_comparison_of_nothing_has_not_passed(booked: Cli) -> None:
    found = reconcile(booked, None, "--month", "2026-03")
    assert (found.exit_code, found.json["passed"], found.json["summary"]) == (1, None, [])
    assert "nothing was compared" in found.stderr


def test_one_total_is_a_bill(booked: Cli) -> None:
    assert booked("reconcile", "--total", "4.5credits", "--month", "2026-03").exit_code == 0
    assert booked("reconcile", "--total", "0.0625usd", "--month", "2026-03").exit_code == 0  # 4.5 at 72 for 1 USD
    found = booked("reconcile", "--total", "40credits", "--month", "2026-03", "--json")
    assert (found.exit_code, found.json["rows"][0]["difference"]) == (1, "35.5")
    assert "--month" in booked("reconcile", "--total", "4.5credits").stderr


# --- the providers' own answers -------------------------------------------------------------------------------------


def bill(*rows: dict[str, Any], **result: Any) -> dict[str, Any]:
    """Volcengine's answer to ListBillDetail."""
    usual = {"Product": "ark", "Currency": "CRD", "ConfigName": PRO, "RoundAmount": 0, "OwnerID": "2100057673"}
    listed = [usual | row for row in rows]
    return {
        "ResponseMetadata": {"RequestId": "20260402"},
        "Result": {"List": listed, "Total": len(listed), "Limit": 300, "Offset": 0} | result,
    }


FIRST = {"ExpenseDate": "2026-03-01", "PayableAmount": "1.5"}
SECOND = {"ExpenseDate": "2026-03-02", "PayableAmount": "3.00", "ConfigName": LITE}


def answer(cli: Cli, *answers: object, options: list[str] | None = None) -> Any:
    Path("bill.json").write_text("\n".join(json.dumps(each) for each in answers), encoding="utf-8")
    return cli("reconcile", "--statement", "bill.json", "--json", *(options or []))


def test_a_bill_of_volcengine_is_compared_by_day_and_by_model_where_asked(booked: Cli) -> None:
    found = answer(booked, bill(FIRST, SECOND))
    assert (found.exit_code, found.json["matched"]) == (0, 2), found.stderr
    found = answer(booked, bill(FIRST, SECOND), options=["--map", "model=ConfigName"])
    assert (found.exit_code, found.json["matched"]) == (0, 2)
    pages = [bill(FIRST, Total=2), bill(SECOND, Total=2, Offset=1)]
    assert answer(booked, *pages).exit_code == 0
    assert answer(booked, pages).exit_code == 0


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([bill(FIRST, Total=2)], "isn't the whole bill: it has 1 rows"),
        ([bill(FIRST, SECOND, Total=-1)], "NeedRecordNum 1"),
        ([bill(FIRST, Total=2), bill(FIRST, Total=2)], "isn't the whole bill: it has 2 rows"),
        ([bill(FIRST, Total=[1])], "isn't the whole bill"),
        ([bill()], "a bill without rows"),
        ([bill(FIRST, SECOND | {"Product": "ecs"})], "several products (ark, ecs)"),
        ([{"ResponseMetadata": {"Error": {"Code": "AccessDenied"}}}], "AccessDenied"),
        ([{"object": "list"}], "not a bill that is known"),
        ([[]], "no JSON object"),
        ([bill(FIRST | {"PayableAmount": "n/a"})], "column 'PayableAmount'"),
    ],
)
def test_a_bill_that_is_not_whole_is_refused(booked: Cli, answers: list[object], words: str) -> None:
    found = answer(booked, *answers)
    assert found.exit_code == 2
    assert words in found.stderr


def credits(user: object, token: object = None, **others: Any) -> dict[str, Any]:
    return {"data": {"token": token, "user": user}, "message": "", "success": True} | others


def test_credits_of_evolink_are_compared_with_the_wallet(booked: Cli) -> None:
    top_up(booked, 10, "2026-01-01").ok()
    key = {"remaining_credits": 99416.4429, "unlimited_credits": False, "used_credits": 583.5571}
    found = answer(booked, credits({"remaining_credits": 5.5, "used_credits": 135.9048}, key))
    assert (found.exit_code, found.json["matched"]) == (0, 1), found.stderr
    assert "the account has used 135.9048 credits" in found.stderr
    assert "the key may use 99416.4429 credits more" in found.stderr
    assert answer(booked, credits({"remaining_credits": 5.4})).exit_code == 0  # within a cent: 0.1 of 72
    assert answer(booked, credits({"remaining_credits": 1})).exit_code == 1
    with_lake = answer(booked, credits({"remaining_credits": 5.5}), options=["--lake", "lake"])
    assert (with_lake.exit_code, "leave --lake out" in with_lake.stderr) == (2, True)


@pytest.mark.parametrize(
    "wrong",
    [
        credits(None),
        credits({}),
        credits({"remaining_credits": "much"}),
        credits({"remaining_credits": 1}, success=False),
    ],
)
def test_an_answer_without_credits_is_refused(booked: Cli, wrong: object) -> None:
    found = answer(booked, wrong)
    assert (found.exit_code, "GET /v1/credits" in found.stderr) == (2, True)
