"""Tables, JSON, CSV and Markdown: what people and programs get to see, and that no data can do more than be seen."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import stat
import unicodedata
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import openpyxl
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from ledger.cli.show.output import Output, chosen_output, output_options, wants_colour
from ledger.cli.show.sheet import Column, Sheet, shown_cell, to_csv, to_json, to_markdown
from ledger.cli.show.sheet_files import write_sheet_file
from ledger.cli.show.tables import to_table
from ledger.cli.show.whole_files import replacing
from ledger.errors import LedgerError
from ledger.values.rounding import common_places, rounded
from ledger.values.safe_csv import guard
from ledger.values.safe_text import UNSAFE, json_text, visible
from tests.conftest import Cli
from tests.helpers.ledgers import responses, tamper

NANO = 10**9
ESCAPES = "\x1b[31mred\x1b]0;title\x07\x9b2J\u202eevil\u2066"
COLUMNS = (
    Column("project"),
    Column("tag:team", priority=9),
    Column("requests", "count", priority=2),
    Column("input_credits", "money", priority=3),
    Column("usd", "usd"),
    Column("change_percent", "percent", priority=1),
    Column("model_differs", "flag", priority=4),
)
ROWS: list[tuple[Any, ...]] = [
    ("search", "a", 1_234_567, 12_345_678_900_000, 171_467_343_056, 125, True),
    ("=2+3", None, -5, -1, 4_000_000, None, False),
]
SHEET = Sheet("Spend", COLUMNS, ROWS, (None, None, 1_234_562, 12_345_678_899_999, 171_471_343_056, -3, None))


def table(sheet: Sheet, width: int | None = None) -> str:
    return to_table(sheet, width=width, colour=False)[0]


def lines_of(sheet: Sheet, width: int | None = None) -> list[str]:
    return table(sheet, width).splitlines()


# --- cells ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount_nano", "places", "shown"),
    [
        (1_234_567_891_000_000, 2, "1,234,567.89"),
        (12_345_000_000, 2, "12.34"),
        (12_355_000_000, 2, "12.36"),
        (-12_345_000_001, 2, "-12.35"),
        (0, 2, "0.00"),
        (4_999_999, 2, "<0.01"),
        (-1, 2, ">-0.01"),
        (5_000_001, 2, "0.01"),
        (999_999_999_999, 0, "1,000"),
        (1, 9, "0.000000001"),
    ],
)
def test_rounded_amounts(amount_nano: int, places: int, shown: str) -> None:
    assert rounded(amount_nano, places) == shown


@pytest.mark.parametrize(
    ("amounts", "places"),
    [
        ([], 2),
        ([0], 2),
        ([5 * NANO], 2),
        ([12_345_678_900, 1], 2),
        ([999_999_999], 3),
        ([39_600_000, 5], 4),
        ([33_333], 7),
        ([33_000], 6),
        ([1], 9),
        ([-123_456_789], 3),
    ],
)
def test_places_of_amounts_shown_together(amounts: list[int], places: int) -> None:
    assert common_places(amounts) == places


def test_exact_columns_show_every_place() -> None:
    assert common_places([12_345_678_900, 1_000], exact=True) == 7
    assert common_places([5 * NANO], exact=True) == 2


@pytest.mark.parametrize(
    ("cell", "kind", "shown"),
    [
        (None, "text", "(none)"),
        (None, "usd", ""),
        (1_000, "percent", "+100.0%"),
        (-5, "percent", "-0.5%"),
        (0, "percent", "0.0%"),
        ("6.4", "decimal", "6.4"),
        ({"a": "\x1b", "b": "x"}, "facts", r"a=\x1b, b=x"),
        (1_234_500_000_000, "money", "1,234.5"),
        (-1_234_500_000_000, "money", "-1,234.5"),
    ],
)
def test_cells_for_people(cell: Any, kind: Any, shown: str) -> None:
    assert shown_cell(cell, kind) == shown


# --- formats --------------------------------------------------------------------------------------------------------


def test_json_has_money_as_strings() -> None:
    document = json.loads(to_json(Sheet("T", COLUMNS, ROWS, SHEET.total, facts={"data_through": None})))
    assert list(document) == ["schema", "title", "data_through", "rows", "total"]
    assert document["schema"] == 1
    assert document["rows"][0] == {
        "project": "search",
        "tag:team": "a",
        "requests": 1_234_567,
        "input_credits": "12345.6789",
        "usd": "171.467343056",
        "change_percent": "12.5",
        "model_differs": True,
    }
    assert document["rows"][1]["tag:team"] is None
    assert document["total"] == {
        "requests": 1_234_562,
        "input_credits": "12345.678899999",
        "usd": "171.471343056",
        "change_percent": "-0.3",
    }


def test_a_document_takes_the_place_of_rows() -> None:
    assert json.loads(to_json(Sheet("T", COLUMNS, ROWS, document={"read": 5}))) == {"schema": 1, "read": 5}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_a_long_list_is_the_same_json_in_pieces(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.cli.show.sheet._ROWS_AT_ONCE", 2)
    many = [{"x": [f"é\u202e{n}"]} for n in range(count)]
    document = {"a": {"b": [1]}, "many": many, "text": "[1]", "none": None}
    whole = json_text({"schema": 1, **document})
    for entries in (many, iter(many)):
        assert to_json(Sheet("T", COLUMNS, ROWS, document={**document, "many": entries})) == f"{whole}\n"
    assert json.loads(to_json(Sheet("T", COLUMNS, ROWS, document=document), indent=2)) == json.loads(whole)


def test_csv_is_rfc_4180_without_a_total() -> None:
    data = to_csv(Sheet("T", COLUMNS, [*ROWS, ('a "b",\r\nc', "", 0, 0, 0, 0, False)], SHEET.total))
    assert data == (
        b"project,tag:team,requests,input_credits,usd,change_percent,model_differs\r\n"
        b"search,a,1234567,12345.6789,171.467343056,12.5,true\r\n"
        b"'=2+3,,-5,-0.000000001,0.004,,false\r\n"
        b'"a ""b"",\r\nc",,0,0,0,0,false\r\n'
    )


@pytest.mark.parametrize(
    ("text", "guarded"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("\x00=1", r"'\x00=1"),
        ("＝1", "'＝1"),
        ("\u22121+1", "'\u22121+1"),
        ("\ufe631", "'\ufe631"),
        ("\u00a0=1", "'\u00a0=1"),
        ("\u3000\u2003 +1", "'\u3000\u2003 +1"),
        ("\u2800@SUM(A1)", "'\u2800@SUM(A1)"),
        ("\u200b=1", r"'\u200b=1"),
        (" \u2060\u00ad-1", r"' \u2060\xad-1"),
        ("\U000e0041=1", r"'\U000e0041=1"),
        ("\u200e=1", r"'\u200e=1"),
        ("\ufe0f=1", "'\ufe0f=1"),
        ("5 \u2212 1", "5 \u2212 1"),
        ("\u00a0a", "\u00a0a"),
        ("a=1", "a=1"),
        ("", ""),
        ("a\x1b[31m\tb\u202e", "a\\x1b[31m\tb\\u202e"),
    ],
)
def test_text_cant_become_a_formula(text: str, guarded: str) -> None:
    assert guard(text) == guarded


@given(st.text())
def test_csv_reads_back_as_it_was_guarded(text: str) -> None:
    data = to_csv(Sheet("T", (Column("a"), Column("b")), [(text, "x")])).decode()
    ((header), (row)) = list(csv.reader(io.StringIO(data, newline="")))
    assert header == ["a", "b"]
    assert row == [guard(text), "x"]
    assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\x00"))
    assert not unicodedata.normalize("NFKC", row[0]).strip().startswith(("=", "+", "-", "@", "\u2212"))


def test_facts_are_an_object_in_json_and_its_text_in_csv() -> None:
    sheet = Sheet("T", (Column("tags", "facts"),), [({"a": "\u202e", "b": "x,y"},), (None,)])
    assert json.loads(to_json(sheet))["rows"] == [{"tags": {"a": "\u202e", "b": "x,y"}}, {"tags": None}]
    assert list(csv.reader(io.StringIO(to_csv(sheet).decode()))) == [["tags"], ['{"a":"\\u202e","b":"x,y"}'], [""]]


def test_markdown_is_a_github_table() -> None:
    sheet = Sheet("Spend by *x*", COLUMNS[:1] + COLUMNS[2:5], [("a|b", 1_000, 5, 171_467_343_056)], (None, 1, 2, 3))
    assert to_markdown(sheet).splitlines() == [
        r"**Spend by \*x\***",
        "",
        "| project | requests | input_credits | usd |",
        "| :-- | --: | --: | --: |",
        r"| a\|b | 1,000 | 0.000000005 | 171.467343056 |",
        "| total | 1 | 0.000000002 | 0.000000003 |",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>&", "&lt;script&gt;alert(1)&lt;/script&gt;&amp;"),
        ("![x](http://a/b)", r"!\[x\](http://<!-- -->a/b)"),
        ("www.a.b", "www<!-- -->.a.b"),
        ("_www.a.b WWW.a.b", r"\_www<!-- -->.a.b WWW<!-- -->.a.b"),
        ("mailto:a@b.c", "mailto<!-- -->:a@<!-- -->b.c"),
        ("_GH-1 Gh-2 high-5 !3 !", r"\_GH-<!-- -->1 Gh-<!-- -->2 high-5 !<!-- -->3 !"),
        ("@\u200bname", r"@\\u200bname"),
        ("@acme/search", "@<!-- -->acme/search"),
        ("a@b #12 org/repo#3 GH-4", "a@<!-- -->b #<!-- -->12 org/repo#<!-- -->3 GH-<!-- -->4"),
        ("2026-02-01#46d93da6 # 1 @ 5", "2026-02-01#46d93da6 # 1 @ 5"),
        ("`code`", r"\`code\`"),
        ("a\nb", r"a\\nb"),
        ("snake_case", "snake_case"),
        ("_x_", r"\_x\_"),
        ("\\|", r"\\\|"),
        ("\x1b[0m", r"\\x1b\[0m"),
    ],
)
def test_markdown_cant_be_injected(text: str, shown: str) -> None:
    assert f"| {shown} |" in to_markdown(Sheet("T", (Column("a"),), [(text,)]))


@given(st.text(st.characters(codec="utf-8")))
def test_no_control_character_reaches_any_reader(text: str) -> None:
    sheet = Sheet(text, (Column("a"), Column(f"tag:{text}")), [(text, text)], facts={"k": text}, footnotes=[text])
    document = to_json(sheet)
    assert json.loads(document)["rows"][0]["a"] == text
    assert not UNSAFE.search(document.removesuffix("\n"))
    for shown in (table(sheet), to_markdown(sheet)):
        assert not UNSAFE.search(shown.replace("\n", ""))


def test_lone_surrogates_are_shown() -> None:
    sheet = Sheet("T", (Column("a"),), [("\udce9",)])
    assert r"\udce9" in table(sheet).encode().decode()
    assert to_csv(sheet).decode() == "a\r\n\\udce9\r\n"
    assert json.loads(to_json(sheet))["rows"] == [{"a": "\udce9"}]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("se\u200barch", r"se\u200barch"),
        ("se\u200darch", r"se\u200darch"),
        ("a\u00ad\u2060\u3164b", r"a\xad\u2060\u3164b"),
        ("a\U000e0041", r"a\U000e0041"),
        ("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb"),
        ("\u2764\ufe0f\u200d\U0001f525", "\u2764\ufe0f\u200d\U0001f525"),
        ("\U0001f469\u200da", "\U0001f469\\u200da"),
    ],
)
def test_what_has_no_width_is_shown_unless_it_joins_a_picture(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert json.loads(json_text(text)) == text
    assert ("\u200d" in json_text(text)) == ("\u200d" in shown)


def test_escapes_are_spelled_out() -> None:
    assert visible(ESCAPES) == r"\x1b[31mred\x1b]0;title\x07\x9b2J\u202eevil\u2066"
    assert json_text({"a": "\x9b\u202e"}) == '{"a":"\\u009b\\u202e"}'


# --- tables ---------------------------------------------------------------------------------------------------------


def test_a_table_as_it_is_shown() -> None:
    assert table(SHEET) == (
        "Spend\n"
        "project  tag:team   requests  input credits     usd  change percent  model differs\n"
        "──────────────────────────────────────────────────────────────────────────────────\n"
        "search   a         1,234,567      12,345.68  171.47          +12.5%  yes\n"
        "=2+3     (none)           -5         >-0.01   <0.01                  no\n"
        "──────────────────────────────────────────────────────────────────────────────────\n"
        "total              1,234,562      12,345.68  171.47           -0.3%\n"
    )


def test_headings_break_before_columns_are_left_out() -> None:
    shown, left_out = to_table(SHEET, width=72, colour=False)
    assert left_out == []
    assert "input" in shown
    assert "input credits" not in shown
    shown, left_out = to_table(SHEET, width=60, colour=False)
    assert left_out == ["tag:team"]
    shown, left_out = to_table(SHEET, width=20, colour=False)
    assert left_out == ["tag:team", "requests", "input_credits", "change_percent", "model_differs"]


@pytest.mark.parametrize("width", [1, 20, 40, 60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal_unless_numbers_would_be_cut(width: int) -> None:
    shown, left_out = to_table(SHEET, width=width, colour=False)
    needed = len("search") + 2 + len("171.47")
    assert all(cell_len(line) <= max(width, needed + 2) for line in shown.splitlines())
    assert len(left_out) <= 5


@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=60), max_size=4),
    st.integers(20, 120),
    st.integers(0, 10**20),
)
def test_fitted_tables_keep_every_name_whole(names: list[str], width: int, amount_nano: int) -> None:
    rows = [(name, name, amount_nano, amount_nano) for name in names]
    columns = (Column("project"), Column("model"), Column("input_tokens", "count", 1), Column("usd", "usd"))
    shown = table(Sheet("", columns, rows), width)
    without_blanks = re.sub(r"\s", "", shown)
    for name in names:
        for character in set(re.sub(r"\s", "", visible(name))):
            assert character in without_blanks
    assert shown.count(rounded(amount_nano, common_places([amount_nano]))) >= len(rows)


def test_long_names_fold_and_are_never_cut() -> None:
    name = "team-" + "x" * 60 + "-end"
    lines = lines_of(Sheet("T", (Column("project"), Column("usd", "usd")), [(name, NANO)]), 40)
    assert "".join(line.split()[0] for line in lines[3:]) == name
    assert lines[3].endswith("1.00")
    assert max(map(len, lines)) == 40


def test_wide_characters_line_up() -> None:
    rows = [("搜索服务", NANO), ("search", 10 * NANO), ("🦊", NANO)]
    lines = lines_of(Sheet("项目", (Column("project"), Column("usd", "usd")), rows, (None, 12 * NANO)))
    assert len({cell_len(line) for line in lines[1:]}) == 1


def test_an_empty_sheet_is_a_heading() -> None:
    assert lines_of(Sheet("T", COLUMNS[:1], [])) == ["T", "project", "───────"]


def test_colour_only_where_it_is_asked_for() -> None:
    assert "\x1b[" not in table(SHEET)
    coloured, _ = to_table(SHEET, width=100, colour=True)
    assert "\x1b[1m" in coloured


# --- the options ----------------------------------------------------------------------------------------------------


@click.command()
@output_options()
def show(output: Output) -> None:
    output.write(SHEET)


def run(*args: str, env: dict[str, str] | None = None) -> Result:
    runner = CliRunner(env={"COLUMNS": "100", "NO_COLOR": "1", **(env or {})}, catch_exceptions=False)
    return runner.invoke(show, args)


def test_a_table_by_default_and_json_for_short() -> None:
    assert run().stdout == table(SHEET, 100)
    assert run("--json").stdout == run("--format", "json").stdout == to_json(SHEET)
    assert run("--format", "csv").stdout_bytes == to_csv(SHEET)
    assert run("--format", "markdown").stdout == to_markdown(SHEET)


def test_csv_for_excel_has_semicolons_and_decimal_commas() -> None:
    assert run("--format", "csv", "--excel").stdout_bytes.decode("utf-8-sig").splitlines() == [
        "project;tag:team;requests;input_credits;usd;change_percent;model_differs",
        "search;a;1234567;12345,6789;171,467343056;12,5;true",
        "'=2+3;;-5;-0,000000001;0,004;;false",
    ]
    assert run("--format", "csv", "--excel").stdout_bytes.startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("options", [[], ["--json"], ["--format", "xlsx"], ["-o", "a.md"]])
def test_csv_for_excel_is_csv(options: list[str]) -> None:
    with pytest.raises(LedgerError, match="--excel is for CSV: give --format csv, or leave it out"):
        run("--excel", *options)


def test_a_workbook_of_a_sheet_has_its_total_in_bold(tmp_path: Path) -> None:
    run("-o", str(tmp_path / "a.xlsx"))
    found = openpyxl.load_workbook(tmp_path / "a.xlsx")
    rows = list(found.worksheets[0].iter_rows())
    assert (found.sheetnames, found.properties.title) == (["Spend"], "Spend")
    assert found.worksheets[0].auto_filter.ref == "A1:G3"
    assert [[cell.value for cell in row] for row in rows] == [
        [column.name for column in COLUMNS],
        ["search", "a", 1_234_567, 12_345.6789, 171.467343056, 12.5, True],
        ["=2+3", None, -5, -1e-9, 0.004, None, False],
        ["total", None, 1_234_562, 12_345.678899999, 171.471343056, -0.3, None],
    ]
    assert rows[2][0].data_type == "s"
    assert [[cell.font.b for cell in row] for row in (rows[1], rows[3])] == [
        [False] * 7, [True, False, True, True, True, True, False],
    ]  # fmt: skip


def test_parquet_of_a_sheet_is_exact_and_has_no_total(tmp_path: Path) -> None:
    run("-o", str(tmp_path / "a.parquet"))
    table = pq.read_table(tmp_path / "a.parquet")
    assert [str(field.type) for field in table.schema] == [
        "string", "string", "int64", *["decimal128(38, 18)"] * 3, "bool",
    ]  # fmt: skip
    assert [list(row.values()) for row in table.to_pylist()] == [
        ["search", "a", 1_234_567, Decimal("12345.6789"), Decimal("171.467343056"), Decimal("12.5"), True],
        ["=2+3", None, -5, Decimal("-0.000000001"), Decimal("0.004"), None, False],
    ]


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Spend by model, all time", "Spend by model"),
        ("Quarantine, open: 1", "Quarantine"),
        ("'[a]*b?/c\\\\'", "a  b  c"),
        ("x" * 40, "x" * 31),
        (": 1", "tollbook"),
        ("\x1b\udce9", "x1b udce9"),
    ],
)
def test_a_workbooks_sheet_has_a_name_that_excel_takes(title: str, name: str) -> None:
    out = io.BytesIO()
    write_sheet_file(
        out.write, Sheet(title, (Column("\udce9"), Column("f", "facts")), [("\udce9\x1b", {"a": "=1"})]), "xlsx"
    )
    found = openpyxl.load_workbook(io.BytesIO(out.getvalue())).worksheets[0]
    assert " ".join(found.title.split()) == " ".join(name.split())
    assert [cell.value for cell in found[2]] == [r"\udce9\x1b", '{"a":"=1"}']


def test_a_terminal_gets_no_workbook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    for file_format, kind in (("xlsx", "an Excel"), ("parquet", "a Parquet")):
        with pytest.raises(LedgerError, match=f"{kind} file is nothing for a terminal: give -o FILE.{file_format}"):
            Output(file_format)


def test_what_was_left_out_is_a_note_on_standard_error() -> None:
    result = run(env={"COLUMNS": "60"})
    assert "tag:team" not in result.stdout
    assert result.stderr == "Note: left out to fit 60 columns: tag:team; --format csv and json have them\n"
    assert run(env={"COLUMNS": "bad"}).stderr == ""


@pytest.mark.parametrize("columns", ["", "bad", "0"])
def test_a_table_that_goes_to_no_terminal_is_100_columns_wide(columns: str) -> None:
    wide = Sheet("Words", [Column("text")], [("many words " * 30,)])

    @click.command()
    @output_options()
    def show_wide(output: Output) -> None:
        output.write(wide)

    shown = CliRunner(env={"COLUMNS": columns}, catch_exceptions=False).invoke(show_wide).stdout
    assert shown == table(wide, 100)
    assert max(map(len, shown.splitlines())) <= 100


def test_a_terminal_that_is_no_utf_8_gets_escapes() -> None:
    runner = CliRunner(env={"COLUMNS": "100"}, charset="ascii", catch_exceptions=False)
    result = runner.invoke(_show_wide)
    assert result.stdout_bytes == b"T\nproject\n-------\n\\u641c\n"


@click.command()
@output_options()
def _show_wide(output: Output) -> None:
    output.write(Sheet("T", (Column("project"),), [("搜",)]))


@pytest.mark.parametrize(
    ("path", "format_name"), [("a.json", "json"), ("a.CSV", "csv"), ("a.md", "markdown"), ("a.txt", "table")]
)
def test_the_suffix_of_the_file_picks_the_format(tmp_path: Path, path: str, format_name: str) -> None:
    assert run("-o", str(tmp_path / path)).stdout == ""
    assert chosen_output(("table", "json", "csv", "markdown"), None, as_json=False, path=path).format == format_name
    assert run("-o", str(tmp_path / path), "--format", "json").exit_code == 0
    assert (tmp_path / path).read_text() == to_json(SHEET)


def test_a_dash_is_standard_output() -> None:
    assert run("-o", "-", "--json").stdout == to_json(SHEET)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"format_name": "csv", "as_json": True, "path": None}, "--json and --format csv contradict"),
        ({"format_name": None, "as_json": False, "path": ""}, "--output is empty"),
        ({"format_name": None, "as_json": False, "path": "a.xlsx"}, ".xlsx can't be written"),
    ],
)
def test_contradicting_output_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(LedgerError) as refused:
        chosen_output(("table", "csv", "json"), **options)
    assert words in str(refused.value)


# --- files ----------------------------------------------------------------------------------------------------------


def _write_half(target: Path) -> None:
    with replacing(str(target)) as file:
        file.write(b"half")
        file.flush()
        raise KeyboardInterrupt


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "report.csv"
    target.write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt):
        _write_half(target)
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]
    with replacing(str(target)) as file:
        file.write(b"whole")
    assert target.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [target]


def test_permissions_stay_or_follow_the_umask(tmp_path: Path) -> None:
    target = tmp_path / "report.csv"
    before = os.umask(0o027)
    try:
        for mode in (0o640, 0o604):
            with replacing(str(target)) as file:
                file.write(b"x")
            assert stat.S_IMODE(target.stat().st_mode) == mode
            target.chmod(0o604)
    finally:
        os.umask(before)


def test_a_closed_pipe_is_no_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(BrokenPipeError), replacing(str(tmp_path / "x")):
        raise BrokenPipeError


def test_without_columns_and_terminal_a_table_has_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(env={"COLUMNS": ""})
    assert (result.stdout, result.stderr) == (table(SHEET), "")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert not wants_colour()


def test_a_link_stays_one_and_a_device_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "report.csv", tmp_path / "link.csv"
    link.symlink_to(target)
    with replacing(str(link)) as file:
        file.write(b"x")
    assert link.is_symlink()
    assert target.read_bytes() == b"x"
    with replacing(os.devnull) as file:
        file.write(b"x")
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize("path", ["missing/report.csv", "."])
def test_what_cant_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LedgerError, match=re.escape(path) + ": can't be written: "), replacing(path):
        pass


def test_what_verify_names_is_escaped(cli: Cli, sqlite_url: str) -> None:
    cli("ingest", "-", stdin=responses([1]).replace("resp_000001", r"\u001b[31mred")).ok()
    tamper(sqlite_url, "UPDATE charges SET input_nano = input_nano + 1, amount_nano = amount_nano + 1")
    found = cli("verify")
    assert found.exit_code == 1
    assert r"(\x1b[31mred)" in found.stderr
    assert UNSAFE.search(found.stderr.replace("\n", "")) is None
