"""`tollbook reconcile`: what it reads and refuses, its options, and what it shows in each format."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from ledger.cli.commands import reconcile_sheet
from tests.conftest import Cli
from tests.helpers.ledgers import PRO, database_files
from tests.helpers.reconciling import book, reconcile, told, write

CREDIT = 1_000_000 // 160
A = {"request_id": "a", "output_tokens": CREDIT}
IDS = "request_id,day,amount"
ROW = "a,2026-03-01"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", " is empty: a header with the names of the columns is needed"),
        (
            "request_id,day / a,2026-03-01",
            ", line 1: no column amount: it has 'request_id', 'day'; --map amount=COLUMN",
        ),
        ("model,amount / pro,1", " doesn't say which time it covers, as its rows have no day: give --month M"),
        ("Datum;Betrag / 2026-03-01;1", ", line 1: no column amount: it has 'Datum', 'Betrag'; --map amount=COLUMN"),
        (f"{IDS},amount / {ROW},1,1", ", line 1: the header names 'amount' twice"),
        (f"{IDS} / {ROW},1 / {ROW}", ", line 3: 2 cells where the header has 3"),
        (f"{IDS} / {ROW},1,2", ", line 2: 4 cells where the header has 3"),
        (f'{IDS} / {ROW},"1,234"', ", line 2, column 'amount': '1,234' may be 1234 or 1.234: --decimal"),
        (f"{IDS} / {ROW},1 23", ", line 2, column 'amount': '1 23' isn't an amount"),
        (f'{IDS} / {ROW},"1,2,5"', ", line 2, column 'amount': '1,2,5' isn't an amount"),
        (f"{IDS} / {ROW},€1.50", " is in EUR and evolink is billed in CRD: only these and USD"),
        (f"{IDS} / {ROW},NaN", ", line 2, column 'amount': 'NaN' isn't an amount"),
        (f"{IDS} / {ROW},", ", line 2, column 'amount': '' isn't an amount"),
        (f"{IDS} / {ROW},99999999999", ", line 2, column 'amount': 99999999999 is more than a request can cost"),
        (f"{IDS} / ,2026-03-01,1", ", line 2, column 'request_id': is empty"),
        (f"{IDS} / a,01.03.2026,1", ", line 2, column 'day': the cell '01.03.2026' isn't a day"),
        (f"{IDS} / a,,1", ", line 2, column 'day': the cell '' isn't a day"),
        ("request_id,occurred_at,amount / a,2026-03-01T08:00:00,1", ", line 2, column 'occurred_at': 2026-03-01 08"),
        ("request_id,occurred_at,amount / a,,1", ", line 2, column 'occurred_at': the cell is missing"),
        (f"day,model,amount / 2026-03-01,{PRO},1 / 2026-03-01,,1", ", line 3, column 'model': is empty"),
        (f'{IDS},input_tokens / {ROW},1,"1,000"', ", line 2, column 'input_tokens': '1,000' isn't a count"),
        (f"{IDS},output_tokens / {ROW},1,-1", ", line 2, column 'output_tokens': '-1' isn't a count"),
        (
            f"{IDS},currency / {ROW},1,USD / {ROW},1,CRD",
            ", line 3, column 'currency': CRD after USD: a statement has one",
        ),
        (f"{IDS},currency / {ROW},1,USD / {ROW},1,", ", line 3, column 'currency': '' isn't a currency"),
        (f"{IDS},currency / {ROW},1,tokens", ", line 2, column 'currency': 'tokens' isn't a currency"),
        (f"{IDS},currency / {ROW},1,EUR", " is in EUR and evolink is billed in CRD: only these and USD"),
        (f'{IDS} / {ROW},1 / "a,1,2', ", line 3: can't be read as CSV (unexpected end of data): check its quotes"),
        (f'{IDS} / {ROW},"1"0', ", line 2: can't be read as CSV"),
        (f"{IDS} / {ROW},1\0", ", line 2: holds a NUL byte"),
        ("request_id,amount / a,1", " doesn't say which time it covers, as its rows have no day: give --month M"),
        (IDS, " doesn't say which time it covers, as it has no rows: give --month M"),
    ],
)
def test_a_statement_that_cant_be_read_as_it_stands_is_refused(
    sqlite_url: str, cli: Cli, text: str, words: str
) -> None:
    book(cli, A)
    before = database_files(sqlite_url)
    Path("out.json").write_text("kept")
    write(text)
    outcome = cli("reconcile", "--statement", "statement.csv", "-o", "out.json")
    assert (outcome.exit_code, outcome.stdout, outcome.stderr.count("\n")) == (2, "", 1)
    assert f"Error: statement.csv{words}" in outcome.stderr
    assert Path("out.json").read_text() == "kept"
    assert database_files(sqlite_url) == before


@pytest.mark.parametrize("data", [b"request_id,amount\na,1\xff\n", "request_id,amount\na,1\n".encode("utf-16-le")])
def test_another_encoding_is_refused(cli: Cli, sqlite_url: str, data: bytes) -> None:
    Path("statement.csv").write_bytes(data)
    outcome = cli("reconcile", "--statement", "statement.csv")
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)
    assert "Error: statement.csv, line " in outcome.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--statement", "nowhere.csv"], "nowhere.csv: No such file"),
        (
            ["--statement", "s.csv", "--map", "price=Cost"],
            "--map 'price=Cost': give FIELD=COLUMN with one of request_id",
        ),
        (["--statement", "s.csv", "--map", "amount"], "--map 'amount': give FIELD=COLUMN"),
        (
            ["--statement", "s.csv", "--map", "amount=Cost"],
            "s.csv, line 1: no column 'Cost', as --map amount=Cost says",
        ),
        (["--statement", "s.csv", "--map", "day=A", "--map", "day=B"], "--map gives day twice: 'A' and 'B'"),
        (["--statement", "s.csv", "--since", "2026-03-01"], "--since and --until don't go with --statement"),
        (["--statement", "s.csv", "--remaining-credits", "1"], "give one of them"),
        (["--statement", "s.csv", "--month", "March"], "--month 'March' isn't a month"),
        (["--statement", "s.csv", "--timezone", "Mars/Olympus"], "time zone 'Mars/Olympus' is not known"),
        (["--statement", "s.csv", "--provider", "nobody"], "provider 'nobody' has no rate card: give evolink or"),
        (["--statement", "s.csv", "--tolerance", "1credits"], "--tolerance '1credits' is in credits: give it in usd"),
        (["--tolerance", "-1usd"], "--tolerance '-1usd' is negative"),
        (["--map", "day=A"], "give --statement FILE with it"),
        (["--at", "2026-03-01"], "give --remaining-credits N with it"),
        (["--remaining-credits", "1,000"], "--remaining-credits '1,000'"),
        (["--remaining-credits", "1", "--month", "2026-03"], "give --at, and no period"),
        (["--remaining-credits", "1"], "evolink has no wallet"),
        (["--remaining-credits", "1", "--lake", "lake"], "leave --lake out"),
        (["--month", "2026-03", "--since", "2026-03-01"], "--month is a whole period"),
    ],
)
def test_wrong_use(cli: Cli, sqlite_url: str, options: list[str], words: str) -> None:
    write(f"{IDS} / {ROW},1", "s.csv")
    outcome = cli("reconcile", *options)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr.count("Error: ")) == (2, "", 1)
    assert words in outcome.stderr


def test_columns_are_found_by_name_or_by_map(db_cli: Cli) -> None:
    book(db_cli, A)
    text = "\ufeff Request , day ,Cost (USD),amount,Währung\r\na,2026-03-01,0.013888889,17.5,usd\r\n\r\n"
    Path("bill.csv").write_bytes(text.encode())
    mapped = ["--map", "request_id=Request", "--map", "amount=Cost (USD)", "--map", "currency=Währung"]
    found = db_cli("reconcile", "--statement", "bill.csv", *mapped, "--json").ok().json
    assert (found["matched"], found["currency"]) == (1, "USD")


def test_a_statement_may_come_on_standard_input(db_cli: Cli) -> None:
    book(db_cli, A)
    assert db_cli("reconcile", "--statement", "-", "--json", stdin=f"{IDS}\n{ROW},1\n").ok().json["matched"] == 1


def test_the_json_document(db_cli: Cli) -> None:
    book(db_cli, A)
    found = reconcile(db_cli, f"{IDS} / {ROW},1.5").json
    assert found.pop("summary") == [
        {"status": "differs", "cause": "", "rows": 1, "difference": "0.5", "difference_usd": "0.006944444"}
    ]
    assert found == {
        "schema": 1,
        "provider": "evolink",
        "currency": "CRD",
        "period": "2026-03-01 to 2026-03-01",
        "timezone": "UTC",
        "rows": [
            {
                "status": "differs",
                "key": "a",
                "model": PRO,
                "ledger_requests": 1,
                "provider_requests": 1,
                "ledger_amount": "1",
                "provider_amount": "1.5",
                "difference": "0.5",
                "difference_usd": "0.006944444",
                "cause": "",
            }
        ],
        "matched": 0,
        "only_ledger": 0,
        "only_provider": 0,
        "differs": 1,
        "total": {
            "ledger_requests": 1,
            "provider_requests": 1,
            "ledger_amount": "1",
            "provider_amount": "1.5",
            "difference": "0.5",
            "difference_usd": "0.006944444",
            "deviation_usd": "0.006944444",
        },
        "tolerance": "0usd",
        "passed": False,
    }


def test_other_formats_have_the_same_rows_and_the_verdict_below(db_cli: Cli) -> None:
    book(db_cli, A)
    write(f"{IDS} / {ROW},1.5 / =cmd(),2026-03-01,1")
    of = ["reconcile", "--statement", "statement.csv"]
    data = db_cli(*of, "--format", "csv")
    assert data.exit_code == 1
    header, first, second = csv.reader(io.StringIO(data.stdout))
    assert ",".join(header) == (
        "status,key,model,ledger_requests,provider_requests,ledger_amount,provider_amount,difference,difference_usd,cause"
    )
    assert first == ["only_provider", "'=cmd()", "", "0", "1", "0", "1", "1", "0.013888889", ""]
    assert second == ["differs", "a", PRO, "1", "1", "1", "1.5", "0.5", "0.006944444", ""]
    for name in ("table", "markdown"):
        shown = db_cli(*of, "--format", name).stdout
        assert "0.020833333 USD apart, beyond the tolerance of 0.01usd" in shown
        assert "Reconciled with evolink, 2026-03-01 to 2026-03-01, in credits" in shown


def test_people_are_shown_the_greatest_differences_alone(db_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile_sheet, "MOST_SHOWN", 1)
    book(db_cli, A)
    write(f"{IDS} / {ROW},1.5 / other,2026-03-01,1")
    of = ["reconcile", "--statement", "statement.csv"]
    assert len(db_cli(*of, "--format", "csv").stdout.splitlines()) == 3
    for name in ("table", "markdown"):
        shown = db_cli(*of, "--format", name).stdout
        assert "other" in shown
        assert "differs" not in shown.partition("Shown are")[0].rpartition("key")[2]
        assert "Shown are the 1 greatest differences of 2: CSV and JSON have all." in shown


def test_text_of_a_statement_cant_reach_the_terminal_raw(db_cli: Cli) -> None:
    book(db_cli, A)
    write(f"{IDS} / \x1b[31mred\u202e,2026-03-01,1")
    shown = db_cli("reconcile", "--statement", "statement.csv").stdout
    assert "\\x1b[31mred\\u202e" in shown
    write("\x1b[31m,amount / a,1")
    assert "\x1b" not in db_cli("reconcile", "--statement", "statement.csv").stderr


def test_a_comparison_of_nothing_has_not_passed(db_cli: Cli) -> None:
    empty = reconcile(db_cli, IDS, "--month", "2026-03")
    assert (empty.exit_code, empty.json["matched"], empty.json["passed"]) == (1, 0, None)
    nothing = db_cli("reconcile", "--json")
    assert (nothing.exit_code, nothing.json["passed"]) == (1, None)
    assert nothing.stderr == "Note: no usage of all time has a provider_amount: nothing was compared\n"
    assert told(reconcile(db_cli, f"{IDS} / {ROW},1")) == ["a only_provider 0 1"]
