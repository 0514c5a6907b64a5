"""What all exports share: guarded text, CSV for Excel, workbooks, Parquet, control totals, and the manifest."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.exports.formats import workbook
from ledger.exports.formats.columns import Column, Row, SharedCells
from ledger.exports.formats.workbook import write_workbook
from ledger.exports.formats.writer import ExportFile, FileOptions
from ledger.values.safe_csv import CsvWriter, begins_formula, guard
from tests.conftest import Cli
from tests.helpers.ledgers import LITE, apply_projects
from tests.helpers.sources import lines, record

MARCH = "2026-03"
EXPORTS = (["export", "charges"], ["export", "chargeback"])
each_export = pytest.mark.parametrize("export", EXPORTS, ids=lambda export: str(export[1]))
# Text that a spreadsheet would work out, or that it or a terminal would obey.
FORMULAS = ("=1+1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\uff1dx")
# What the workbook's library would take for markup and write as it is: a cell with a formula behind the text's own.
MARKUP = '<r><t>a</t></r></is></c><c r="ZZ9"><f>1+1</f></c><c r="ZZ10" t="inlineStr"><is><r><t>b</t></r>'


@pytest.fixture
def book(db_cli: Cli) -> Cli:
    """Requests of awkward projects in March, 1,000 tokens in and 100 out each, and a credit note."""
    made = [
        record(
            f"r{number}", occurred_at=f"2026-03-0{number + 1}T12:00:00.25Z", requested_model=LITE, project=project,
            input_tokens=1_000, output_tokens=100, tags={"team": "a, b"},
        )
        for number, project in enumerate(("=1+1", "plain", "-2", 'quoted "x", y\nz'))
    ]  # fmt: skip
    db_cli("ingest", "-", stdin=lines(made)).ok()
    db_cli("adjust", "--project", "plain", "--amount", "-1.5credits", "--month", MARCH, "--reason", "r",
           "--reference", "CN-1").ok()  # fmt: skip
    return db_cli


def run(cli: Cli, export: list[str], *options: str) -> Any:
    return cli(*export, "--month", MARCH, *options)


def written(path: str, cli: Cli, export: list[str], *options: str) -> bytes:
    run(cli, export, "-o", path, *options).ok()
    return Path(path).read_bytes()


# --- CSV ------------------------------------------------------------------------------------------------------------


@each_export
def test_csv_is_rfc_4180_in_utf_8_without_a_total(book: Cli, export: list[str]) -> None:
    data = written("out.csv", book, export)
    text = data.decode("utf-8")
    assert not data.startswith(b"\xef\xbb\xbf")
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert {len(row) for row in rows} == {len(header)}
    assert len(rows) == (9 if export[1] == "charges" else 4)
    # Line ends are CRLF, but for the one inside of quotes.
    assert text.count("\n") == len(rows) + 1 + text.count("y\nz")
    assert text.count("\r\n") == len(rows) + 1


def test_the_charges_are_those_of_the_golden_file(book: Cli, golden: Callable[[str, bytes], None]) -> None:
    book("close", MARCH, "--force", "--reason", "a test").ok()
    book("reassign", "--project", "=1+1", "--to", "+3").ok()
    storage = record("s1", kind="cache_storage", occurred_at=..., input_tokens=..., output_tokens=...)
    storage |= {"tokens": 1_000_000, "start": "2026-04-01T10:59:59Z", "end": "2026-04-01T11:00:01Z"}
    book("ingest", "-", stdin=lines([storage | {"requested_model": LITE, "project": "plain"}])).ok()
    book("export", "charges", "-o", "charges.csv").ok()
    golden("charges.csv", Path("charges.csv").read_bytes())


@each_export
def test_text_is_guarded_and_counted_and_numbers_never_are(book: Cli, export: list[str]) -> None:
    outcome = run(book, export)
    projects = {row["project"] for row in csv.DictReader(io.StringIO(outcome.ok().stdout, newline=""))}
    assert projects == {"'=1+1", "plain", "'-2", 'quoted "x", y\nz'}
    cells = 4 if export[1] == "charges" else 2  # a line of input and one of output each
    assert f"Note: {cells} cells begin as a formula would: written with an apostrophe, unless --raw\n" in outcome.stderr
    assert (",-1.5," if export[1] == "charges" else ",-1.4904,") in outcome.stdout
    raw = run(book, export, "--raw").ok()
    assert raw.stdout == outcome.stdout.replace("'=1+1", "=1+1").replace("'-2", "-2")
    assert "formula" not in raw.stderr


def test_raw_leaves_controls_out_all_the_same(db_cli: Cli) -> None:
    made = record("\x1b[31mr", occurred_at="2026-03-01T12:00:00Z", requested_model=LITE, project="a\u202eb")
    db_cli("ingest", "-", stdin=lines([made])).ok()
    for options in ([], ["--raw"]):
        found = db_cli("export", "charges", *options).ok().stdout
        assert r"\x1b[31mr" in found
        assert r"a\u202eb" in found


@each_export
def test_for_excel_there_are_a_byte_order_mark_semicolons_and_decimal_commas(book: Cli, export: list[str]) -> None:
    plain = list(csv.reader(io.StringIO(written("plain.csv", book, export).decode(), newline="")))
    data = written("excel.csv", book, export, "--excel")
    assert data.startswith(b"\xef\xbb\xbf" + ";".join(plain[0]).encode() + b"\r\n")
    money = {"rate", "amount", "per_usd", "usd", "usd_exact", "credits", "corrections_usd"}
    assert list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=";")) == [
        [cell.replace(".", ",") if name in money else cell for name, cell in zip(plain[0], row, strict=True)]
        for row in plain
    ]


@pytest.mark.parametrize("excel", [False, True])
@given(st.lists(st.tuples(st.text(st.sampled_from('a",;\r\n =-\x1b')), st.integers() | st.none()), max_size=5))
def test_rows_are_as_the_csv_module_writes_guarded_ones(excel: bool, cells: list[tuple[str, int | None]]) -> None:
    out, plain = io.BytesIO(), CsvWriter(excel=excel)
    columns = [Column("text", "text"), Column("word", "word"), Column("count", "count")]
    made: list[Row] = [(text, text, number) for text, number in cells]
    file = ExportFile(out, FileOptions(excel=excel))
    file.write("charges", columns, made, title="", total=dict)
    guarded = [(guard(text), text, number) for text, number in cells]
    assert out.getvalue() == plain.encode([("text", "word", "count"), *guarded])
    assert file.guarded_cells == sum(begins_formula(text) for text, _number in cells if text)


AWKWARD = st.text(st.sampled_from('a%s",;\r\n =-\x1b')) | st.none()


@pytest.mark.parametrize(
    "options",
    [FileOptions(), FileOptions(raw=True), FileOptions(excel=True), FileOptions("json"), FileOptions("parquet")],
    ids=str,
)
@given(st.lists(st.tuples(AWKWARD, AWKWARD), min_size=1, max_size=3), st.lists(st.integers(0, 9), max_size=8))
def test_cells_that_rows_share_are_written_as_any_others(
    options: FileOptions, groups: list[tuple[str | None, str | None]], picks: list[int]
) -> None:
    columns = [
        Column("number", "count"), Column("text", "text", shared=True), Column("own", "text"),
        Column("flag", "flag", shared=True), Column("usd", "decimal", shared=True), Column("word", "word", shared=True),
    ]  # fmt: skip
    shared = [SharedCells((text, text is None, "-1.5", word)) for text, word in groups]
    parted = [(shared[pick % len(groups)], (pick, groups[0][0])) for pick in picks]
    whole: list[Row] = [(own[0], cells.cells[0], own[1], *cells.cells[1:]) for cells, own in parted]
    sides = [ExportFile(io.BytesIO(), options) for _ in range(2)]
    sides[0].write("charges", columns_without_shared(columns), whole, title="", total=dict)
    sides[1].write_parted("charges", columns, parted, title="", total=dict)
    one, other = ((file.sha256, file.rows, file.guarded_cells) for file in sides)
    assert one == other


def columns_without_shared(columns: list[Column]) -> list[Column]:
    return [column._replace(shared=False) for column in columns]


@pytest.mark.parametrize(
    ("text", "cell", "raw"),
    [(text, f"'{text}", text) for text in FORMULAS]
    + [("\x00=", r"'\x00=", r"\x00="), ("a=1", "a=1", "a=1"), ("'=1", "'=1", "'=1"), ("", "", "")],
)
def test_text_by_text(text: str, cell: str, raw: str) -> None:
    for options, expected in ((FileOptions(), cell), (FileOptions(raw=True), raw)):
        file, data = made(options, ("text", text), ("word", "-1"), ("count", -1), ("decimal", "-1.5"))
        assert list(csv.reader(io.StringIO(data.decode(), newline="")))[1] == [expected, "-1", "-1", "-1.5"]
        assert file.guarded_cells == (cell != raw and not options.raw)


# --- JSON -----------------------------------------------------------------------------------------------------------


@each_export
def test_json_is_never_altered(book: Cli, export: list[str]) -> None:
    found = run(book, export, "--json").ok()
    assert {row["project"] for row in found.json["rows"]} == {"=1+1", "plain", "-2", 'quoted "x", y\nz'}
    assert "formula" not in found.stderr
    for option, words in (("--raw", "json is never altered; leave it out"), ("--excel", "give --format csv")):
        outcome = run(book, export, "--json", option)
        assert (outcome.exit_code, outcome.stdout) == (2, "")
        assert f"{option} is for CSV: {words}" in outcome.stderr


# --- workbooks ------------------------------------------------------------------------------------------------------


def made(options: FileOptions, *cells: tuple[Any, Any]) -> tuple[ExportFile, bytes]:
    """A file of one row."""
    out = io.BytesIO()
    file = ExportFile(out, options)
    columns = [Column(f"c{number}", kind) for number, (kind, _cell) in enumerate(cells)]
    file.write("charges", columns, iter([tuple(cell for _kind, cell in cells)]), title="", total=dict)
    return file, out.getvalue()


def sheet(data: bytes) -> list[list[Any]]:
    return [list(row) for row in openpyxl.load_workbook(io.BytesIO(data)).worksheets[0].iter_rows()]


@each_export
def test_a_workbook_has_typed_columns_and_no_formula(book: Cli, export: list[str]) -> None:
    header, *rows = sheet(written("out.xlsx", book, export))
    expected = list(csv.DictReader(io.StringIO(run(book, export, "--raw").ok().stdout, newline="")))
    assert [cell.value for cell in header] == list(expected[0])
    assert {cell.data_type for row in rows for cell in row} <= {"s", "n", "d", "b"}  # f is a formula
    assert len(rows) == len(expected)
    for row, texts in zip(rows, expected, strict=True):
        for cell, (name, text) in zip(row, texts.items(), strict=True):
            if name in ("usd", "usd_exact", "amount", "tokens", "requests", "rate", "credits", "corrections_usd"):
                assert (cell.data_type, cell.value is None) == ("n", text == "")
                assert Decimal(str(cell.value or 0)) == Decimal(text or 0)
            elif name == "project":
                assert (cell.data_type, cell.value) == ("s", text)


def test_times_and_flags_are_such_in_a_workbook() -> None:
    _file, data = made(
        FileOptions("xlsx"), ("time", "2026-03-05T06:07:08Z"), ("flag", True), ("flag", False), ("text", None),
        ("facts", '{"team":"a"}'), ("cents", "-0.05"), ("decimal", "0.000000001"), ("decimal", "1234567.123456789"),
    )  # fmt: skip
    cells = sheet(data)[1]
    assert [cell.value for cell in cells[:5]] == [datetime(2026, 3, 5, 6, 7, 8), True, False, None, '{"team":"a"}']  # noqa: DTZ001
    assert cells[0].number_format == 'yyyy-mm-dd"T"hh:mm:ss"Z"'
    assert [cell.number_format for cell in cells[5:7]] == ["#,##0.00", "#,##0.00#######"]
    # Digit by digit, as no float would print them.
    assert [value(data, place) for place in (5, 6, 7)] == ["-0.05", "1E-9", "1234567.123456789"]


@pytest.mark.parametrize(
    ("kind", "cell", "rounded"),
    [
        ("decimal", "123456.123456789", False),
        ("decimal", "-1234567.12345678", False),
        ("decimal", "1234567.123456789", True),
        ("decimal", "-1234567.123456789", True),
        ("decimal", "0.444444444444444444", True),
        ("decimal", "0.000000000000000444", False),
        ("decimal", "1000000000000000.0", False),
        ("cents", "99999999999999.99", True),
        ("count", 999_999_999_999_999, False),
        ("count", 2**63, True),
        ("serial", 10**18, False),
    ],
)
def test_a_number_that_excel_would_round_is_shown_so_and_told(kind: Any, cell: Any, rounded: bool) -> None:
    file, data = made(FileOptions("xlsx"), (kind, cell))
    assert file.rounded_cells == rounded
    found = sheet(data)[1][0]
    assert (found.data_type, found.number_format.startswith('"\u2248"')) == ("n", rounded)
    # 15 digits go through a double and back.
    assert rounded or Decimal(f"{found.value:.15g}") == Decimal(cell)


@each_export
def test_rounded_numbers_are_noted(book: Cli, export: list[str]) -> None:
    book("adjust", "--project", "x", "--amount", "1234567.123456789usd", "--month", MARCH, "--reason", "r",
         "--reference", "CN-2").ok()  # fmt: skip
    stderr = run(book, export, "-o", "out.xlsx").ok().stderr
    count = re.search(r"Note: (\d) numbers? ha(?:s|ve) more than the 15 digits that Excel keeps: shown with ≈", stderr)
    values = [cell for row in sheet(Path("out.xlsx").read_bytes()) for cell in row if "≈" in cell.number_format]
    assert count
    assert int(count[1]) == len(values) > 0


def test_a_workbook_has_a_bold_header_a_filter_and_room_for_its_cells() -> None:
    out = io.BytesIO()
    columns = [Column("id", "serial"), Column("tokens", "count"), Column("project", "text"), Column("usd", "decimal")]
    rows: list[Row] = [(1_234, 1_234_567_890, "a project of some length", "1.5"), (2, None, "搜索服务" * 5, None)]
    total = (None, 1_234_567_890, "total", "1234567.123456789")
    assert write_workbook(out.write, "Spend", columns, rows, title="Spend, \x1b", total=total) == 1
    book = openpyxl.load_workbook(io.BytesIO(out.getvalue()))
    found = book.worksheets[0]
    assert (book.sheetnames, book.properties.title) == (["Spend"], r"Spend, \x1b")
    assert (found.freeze_panes, found.auto_filter.ref) == ("A2", "A1:D3")
    assert [[cell.font.b for cell in row if cell.value is not None] for row in found.iter_rows()] == [
        [True] * 4, [False] * 4, [False] * 2, [True] * 3,
    ]  # fmt: skip
    assert [cell.number_format for cell in found[2]] == ["0", "#,##0", "@", "#,##0.00#######"]
    # "1,234,567,890" has 13 characters, five times four wide ones take 40, "1,234,567.123456789" 19.
    widths = [found.column_dimensions[letter].width for letter in "ABCD"]
    assert all(least < width < least + 8 for least, width in zip((8, 13, 40, 19), widths, strict=True))


def value(data: bytes, place: int) -> str:
    """What stands in the file for a number."""
    xml = zipfile.ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml").decode()
    return xml.partition(f'r="{chr(ord("A") + place)}2"')[2].partition("<v>")[2].partition("</v>")[0]


@pytest.mark.parametrize(
    "text", [*FORMULAS[:4], MARKUP, "http://x.y", "_x0041_", "a & <b>", "1", "TRUE", "a\nb", " a "]
)
def test_text_is_text_in_a_workbook(text: str) -> None:
    _file, data = made(FileOptions("xlsx"), ("text", text))
    cells = [cell for row in sheet(data) for cell in row]
    assert [(cell.data_type, cell.hyperlink) for cell in cells] == [("s", None)] * 2
    assert cells[1].value == text.replace("_x0041_", "_x005F_x0041_")  # Excel's own way to write an underscore there
    assert b"<f>" not in zipfile.ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml")


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_whatever_the_text_a_workbook_can_be_read(text: str) -> None:
    _file, data = made(FileOptions("xlsx"), ("text", text), ("count", 7))
    assert [cell.data_type for cell in sheet(data)[1]] == ["s", "n"]


def test_the_same_rows_make_the_same_workbook(book: Cli) -> None:
    data = written("one.xlsx", book, EXPORTS[0])
    assert data == written("two.xlsx", book, EXPORTS[0])
    # Whenever that is: no time of its own stands in it.
    properties = openpyxl.load_workbook(io.BytesIO(data)).properties
    assert properties.created == properties.modified == datetime(2000, 1, 1)  # noqa: DTZ001
    assert {entry.date_time[0] for entry in zipfile.ZipFile(io.BytesIO(data)).infolist()} == {1980}


def test_what_a_workbook_can_not_hold_is_refused_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(LedgerError, match=r"has 32,768 characters, a cell of Excel holds 32,767: give --format csv"):
        made(FileOptions("xlsx"), ("text", "x" * 32_768))
    monkeypatch.setattr(workbook, "MOST_ROWS", 2)
    columns, out = [Column("n", "count")], io.BytesIO()
    ExportFile(out, FileOptions("xlsx")).write("charges", columns, [(1,), (2,)], title="", total=dict)
    with pytest.raises(LedgerError, match=r"an Excel sheet holds 2 rows and these are more: give a shorter period"):
        ExportFile(io.BytesIO(), FileOptions("xlsx")).write("c", columns, [(1,), (2,), (3,)], title="", total=dict)
    assert list(tmp_path.iterdir()) == []


def test_rows_of_a_workbook_do_not_wait_in_memory() -> None:
    """Rows are let go of as they come: none of the first is still there when the last comes."""

    class Tracked(str):
        __slots__ = ()
        alive = 0

        def __init__(self, _text: str) -> None:
            Tracked.alive += 1

        def __del__(self) -> None:
            Tracked.alive -= 1

    most = 0

    def rows() -> Iterator[Row]:
        nonlocal most
        for number in range(3_000):
            yield (Tracked(f"row {number}"),)
            most = max(most, Tracked.alive)

    ExportFile(io.BytesIO(), FileOptions("xlsx")).write("c", [Column("t", "text")], rows(), title="", total=dict)
    assert most < 10


def test_a_missing_library_is_one_line_and_known_before_anything_is_written(
    book: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter.workbook", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    new = lines([record("new", requested_model=LITE)])
    for suffix, kind, extra in (("xlsx", "an Excel", "excel"), ("parquet", "a Parquet", "parquet")):
        words = f"Error: {kind} file takes a library more: pip install 'tollbook[{extra}]'\n"
        for command in (["export", "charges", "--manifest"], ["report"], ["ingest", "-"]):
            outcome = book(*command, "-o", f"out.{suffix}", stdin=new)
            assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (2, "", words)
    assert list(tmp_path.glob("out*")) == []
    assert book("report", "--json").ok().json["total"]["requests"] == 4


@pytest.mark.parametrize("suffix", ["xlsx", "parquet"])
@pytest.mark.parametrize("option", ["--raw", "--excel"])
def test_options_of_csv_are_refused_elsewhere(book: Cli, option: str, suffix: str) -> None:
    outcome = run(book, EXPORTS[0], "-o", f"out.{suffix}", option)
    assert (outcome.exit_code, f"{option} is for CSV" in outcome.stderr) == (2, True)
    assert not Path(f"out.{suffix}").exists()


def test_what_can_not_be_written_is_refused(book: Cli) -> None:
    outcome = run(book, EXPORTS[0], "-o", "out.ods")
    assert (outcome.exit_code, ".ods can't be written: give --format csv or json" in outcome.stderr) == (2, True)


# --- Parquet --------------------------------------------------------------------------------------------------------


@each_export
def test_parquet_has_the_same_rows_with_types(book: Cli, export: list[str]) -> None:
    run(book, export, "-o", "out.parquet").ok()
    table = pq.read_table("out.parquet")
    types = {str(field.name): str(field.type) for field in table.schema}
    expected = list(csv.DictReader(io.StringIO(run(book, export, "--raw").ok().stdout, newline="")))
    assert list(types) == list(expected[0])
    if export[1] == "charges":
        assert types["occurred_at"] == "timestamp[us, tz=UTC]"
        assert (types["tokens"], types["amount"], types["model_differs"]) == ("int64", "decimal128(38, 18)", "bool")
    else:
        assert (types["requests"], types["usd_exact"], types["usd"]) == ("int64", *DECIMALS)
    for row, texts in zip(table.to_pylist(), expected, strict=True):
        for name, text in texts.items():
            assert as_csv(row[name], types[name]) == (Decimal(text) if "decimal" in types[name] and text else text)
    total = book("report", "--month", MARCH, "--json").ok().json["total"]["usd"]
    assert sum(table["usd" if export[1] == "charges" else "usd_exact"].to_pylist()) == Decimal(total)


DECIMALS = ("decimal128(38, 18)", "decimal128(38, 2)")


def as_csv(cell: Any, kind: str) -> Any:
    """The cell as CSV has it; decimals as they are."""
    if cell is None:
        return ""
    if kind.startswith("timestamp"):
        return cell.isoformat().replace("+00:00", "Z")
    return cell if "decimal" in kind else str(cell).lower() if kind == "bool" else str(cell)


@pytest.mark.parametrize(("kind", "cell"), [("count", 2**63), ("decimal", f"1{'0' * 20}"), ("decimal", "1e-19")])
def test_what_parquet_can_not_hold_is_refused(kind: Any, cell: Any) -> None:
    with pytest.raises(LedgerError, match=r"^c0 has a number that a Parquet file can't hold as .*: give --format csv"):
        made(FileOptions("parquet"), (kind, cell))


# --- control totals and the manifest --------------------------------------------------------------------------------


@each_export
@pytest.mark.parametrize("file_format", ["csv", "json", "xlsx", "parquet"])
def test_the_manifest_says_what_the_file_is(book: Cli, export: list[str], file_format: str) -> None:
    data = written(f"out.{file_format}", book, export, "--manifest")
    found = json.loads(Path(f"out.{file_format}.manifest.json").read_text(encoding="utf-8"))
    total = run(book, export, "--json").ok().json["total"]
    rows = 9 if export[1] == "charges" else 4
    assert found == {
        "schema": 1,
        "export": export[1],
        "title": run(book, export, "--json").ok().json["title"],
        "file": f"out.{file_format}",
        "format": file_format,
        "sha256": hashlib.sha256(data).hexdigest(),
        "rows": rows,
        "total": total,
        "month": MARCH,
        "closed": None,
        "export_version": 1,
        "last_redaction": None,
        "guarded_cells": (4 if export[1] == "charges" else 2) if file_format == "csv" else 0,
    }


@each_export
def test_a_closed_months_manifest_says_which_close_it_is(book: Cli, export: list[str]) -> None:
    for number in (1, 2):
        book("close", MARCH, "--force", "--reason", "a test").ok()
        written("out.csv", book, export, "--manifest", "other.json")
        found = json.loads(Path("other.json").read_text(encoding="utf-8"))
        assert (found["month"], found["closed"], found["file"]) == (MARCH, number, "out.csv")
        book("reopen", MARCH, "--reason", "a test").ok()


def test_another_period_is_no_closed_month(book: Cli) -> None:
    book("close", MARCH, "--force", "--reason", "a test").ok()
    for options in (["--since", "2026-03-01"], ["--month", MARCH, "--timezone", "Asia/Shanghai"]):
        book("export", "charges", *options, "-o", "out.csv", "--manifest").ok()
        found = json.loads(Path("out.csv.manifest.json").read_text(encoding="utf-8"))
        assert (found["month"], found["closed"], found["export_version"]) == (None, None, 1)


def test_a_manifest_of_standard_output_needs_a_file_of_its_own(book: Cli, tmp_path: Path) -> None:
    outcome = run(book, EXPORTS[0], "--manifest")
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "--manifest has no file to go beside: give -o FILE, or --manifest FILE" in outcome.stderr
    shown = run(book, EXPORTS[0], "--json", "--manifest", "m.json").ok().stdout
    found = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))
    assert (found["file"], found["sha256"]) == (None, hashlib.sha256(shown.encode()).hexdigest())


@pytest.mark.parametrize("manifest", ["out.csv", "./out.csv", "", "nowhere/m.json", "."])
def test_a_manifest_that_can_not_be_is_found_out_before_anything_is_written(
    book: Cli, tmp_path: Path, manifest: str
) -> None:
    outcome = run(book, EXPORTS[0], "-o", "out.csv", "--manifest", manifest)
    assert (outcome.exit_code, outcome.stderr.count("Error")) == (2, 1)
    assert not (tmp_path / "out.csv").exists()


def test_a_failed_export_leaves_file_and_manifest_as_they_were(
    book: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = [written("out.xlsx", book, EXPORTS[0], "--manifest"), (tmp_path / "out.xlsx.manifest.json").read_bytes()]
    monkeypatch.setattr(workbook, "MOST_ROWS", 2)
    assert run(book, EXPORTS[0], "-o", "out.xlsx", "--manifest").exit_code == 2
    assert [(tmp_path / name).read_bytes() for name in ("out.xlsx", "out.xlsx.manifest.json")] == before
    assert not list(tmp_path.glob(".tollbook-*"))


@each_export
def test_control_totals_are_said_on_standard_error(book: Cli, export: list[str]) -> None:
    apply_projects(book, '[[project]]\nid = "plain"\n')
    stderr = run(book, export, "-o", "out.csv").ok().stderr
    # 4 requests of 1,000 x 6 + 100 x 36 credits for 1M tokens, less 1.5: 0.0384 - 1.5 = -1.4616; / 72 = -0.0203.
    words = {
        "charges": "9 lines of 5 charges, -1.4616 CRD = -0.0203 USD",
        "chargeback": "4 rows of 4 requests, -1.4616 CRD and -0.0203 USD, in cents -0.02 USD",
    }
    assert f"Note: control total: {words[export[1]]}\n" in stderr
