"""`export charges`: every line with its price, in order, adding up to the report; nothing of the data runs anywhere."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.exports.charge_rows import BookedCharge
from ledger.exports.charges import COLUMNS, ChargeLines, export_charges
from ledger.exports.formats.columns import whole_rows
from ledger.exports.formats.writer import ExportFile, FileOptions, Format
from ledger.exports.manifest import Exported
from ledger.reports.report import ReportOptions, run_report
from ledger.values.periods import ALL_TIME, Span, month_span
from pricing.catalog import load_rate_cards
from pricing.record_fields import FEW_HAVE
from tests.helpers.book import CODE, LITE, MINI, NOON, PRO, Book, Booked
from tests.reports.test_plan import random_charges, with_corrections

NANO = 10**9
FORMATS: tuple[Format, ...] = ("csv", "json")
ENTRY = load_rate_cards()["evolink"].models[CODE].entries[0]
NAMES = [column.name for column in COLUMNS]
SPEC_COLUMNS = (
    "line_id, posted_seq, posted_month, occurred_month, occurred_at, source, request_id, kind, status, "
    "requested_model, reported_model, billed_model, model_differs, project, tags, meter, tokens, hours, tier, rate, "
    "currency, amount, per_usd, usd, rate_entry, charge_class, corrects_line_id, batch, service_tier, list_rate"
)


def exported(book: Book, span: Span = ALL_TIME, file_format: Format = "csv") -> tuple[str, Exported]:
    out = io.BytesIO()
    total = export_charges(book.database, span, ExportFile(out, FileOptions(file_format)), zone=book.zone)
    return out.getvalue().decode(), total


def rows(book: Book, span: Span = ALL_TIME) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(exported(book, span)[0], newline="")))


def line(**changes: Any) -> BookedCharge:
    charge = BookedCharge(
        id=7, charge_class="charge", corrects_id=None, posted_month="2026-03", occurred_month="2026-03",
        project="search", provider="evolink", currency="CRD", billed_model=CODE, model_differs=0,
        rate_entry_id=1, conversion_id=1,
        tier="32000", input_nano=32_000, cached_input_nano=0, output_nano=0, cache_storage_nano=0, amount_nano=32_000,
        run_id=3, occurred_at_us=0, source="evolink", request_id="r1", kind="request", status="completed",
        requested_model=CODE, reported_model=None, tags="{}", input_tokens=1, cached_input_tokens=0, output_tokens=0,
        storage_tokens=None, storage_end_us=None, corrected_input_tokens=None, corrected_cached_input_tokens=None,
        corrected_output_tokens=None, corrected_storage_tokens=None,
        **dict.fromkeys(("cache_write_5m_nano", "cache_write_1h_nano", "call_nano", *FEW_HAVE)),
        **{f"corrected_{name}": None for name in FEW_HAVE},
    )  # fmt: skip
    return msgspec.structs.replace(charge, **changes)


def written(*charges: BookedCharge) -> list[dict[str, str]]:
    out, lines = io.BytesIO(), ChargeLines({1: ENTRY}, {None: None, 1: 72 * NANO})
    cells = (cells for charge in charges for cells in lines.of(charge))
    ExportFile(out).write_parted("charges", COLUMNS, cells, title="", total=lines.total.document)
    return list(csv.DictReader(io.StringIO(out.getvalue().decode(), newline="")))


def test_columns_are_the_contracts() -> None:
    assert ", ".join(NAMES) == SPEC_COLUMNS


def test_one_line_for_each_meter_with_tokens(db_url: str) -> None:
    book = Book(db_url).add(
        Booked(
            "search", CODE, datetime(2026, 3, 5, 6, 7, 8, tzinfo=UTC), 40_000, 10_000, 2_000, 500,
            request_id="resp_1", requested_model=CODE, reported_model="doubao-seed-2-0-code-preview-260215",
            tags={"team": "a", "env": "x,y"},
        )
    ).post()  # fmt: skip
    first, cached, output = rows(book)
    assert first == {
        "line_id": "1-input",
        "posted_seq": "1",
        "posted_month": "2026-03",
        "occurred_month": "2026-03",
        "occurred_at": "2026-03-05T06:07:08Z",
        "source": "evolink",
        "request_id": "resp_1",
        "kind": "request",
        "status": "completed",
        "requested_model": CODE,
        "reported_model": "doubao-seed-2-0-code-preview-260215",
        "billed_model": CODE,
        "model_differs": "false",
        "project": "search",
        "tags": '{"env":"x,y","team":"a"}',
        "meter": "input",
        "tokens": "30000",
        "hours": "",
        "tier": "128000",
        "rate": "48",
        "currency": "CRD",
        "amount": "1.44",
        "per_usd": "72",
        "usd": "0.02",
        "rate_entry": ENTRY.key,
        "charge_class": "charge",
        "corrects_line_id": "",
        "batch": "1",
        "service_tier": "default",
        "list_rate": "48",
    }
    shown = ("line_id", "meter", "tokens", "rate", "amount")
    assert tuple(cached[name] for name in shown) == ("1-cached_input", "cached_input", "10000", "6.4", "0.064")
    assert tuple(output[name] for name in shown) == ("1-output", "output", "2000", "240", "0.48")


def test_storage_has_hours_and_no_tier(db_url: str) -> None:
    start = datetime(2026, 3, 5, 10, 59, 59, tzinfo=UTC)
    book = Book(db_url).add(Booked(at=start, storage=timedelta(seconds=2), storage_tokens=1_000_000)).post()
    (only,) = rows(book)
    names = ("line_id", "kind", "meter", "tokens", "hours", "tier", "rate", "amount")
    assert [only[name] for name in names] == [
        "1-cache_storage", "cache_storage", "cache_storage", "1000000", "2", "none", "0.17", "0.34"
    ]  # fmt: skip


def test_a_request_without_tokens_has_no_line(db_url: str) -> None:
    book = Book(db_url).add(Booked(status="failed"), Booked(input_tokens=1)).post()
    assert [row["line_id"] for row in rows(book)] == ["2-input"]
    assert exported(book)[1].words == "1 lines of 2 charges, 0.000032 CRD = 0.000000444 USD"


def test_a_reversal_takes_back_line_by_line(db_url: str) -> None:
    charge = Booked(input_tokens=100, cached_input_tokens=40, output_tokens=7)
    moved = replace(charge, project="other", charge_class="replacement", corrects=1)
    book = Book(db_url).add(charge, charge.reversed(1), moved).post()
    names = ("line_id", "tokens", "amount", "charge_class", "corrects_line_id")
    assert [tuple(row[name] for name in names) for row in rows(book)[3:]] == [
        ("2-input", "-60", "-0.00192", "reversal", "1-input"),
        ("2-cached_input", "-40", "-0.000256", "reversal", "1-cached_input"),
        ("2-output", "-7", "-0.00112", "reversal", "1-output"),
        ("3-input", "60", "0.00192", "replacement", "1-input"),
        ("3-cached_input", "40", "0.000256", "replacement", "1-cached_input"),
        ("3-output", "7", "0.00112", "replacement", "1-output"),
    ]


def test_a_replacement_on_a_new_meter_corrects_no_line() -> None:
    replacement = line(charge_class="replacement", corrects_id=5, output_tokens=2, corrected_input_tokens=4)
    assert [row["corrects_line_id"] for row in written(replacement)] == ["5-input", ""]


def test_an_adjustment_is_one_line_with_its_amount_alone() -> None:
    adjustment = line(
        charge_class="adjustment", rate_entry_id=None, tier="none", input_nano=0, amount_nano=-72 * NANO,
        input_tokens=None, cached_input_tokens=None, output_tokens=None, occurred_at_us=None, source=None,
        request_id=None, kind=None, status=None, tags=None,
    )  # fmt: skip
    (row,) = written(adjustment)
    names = ("line_id", "meter", "tokens", "rate", "amount", "usd", "rate_entry", "occurred_at", "tags")
    assert [row[name] for name in names] == ["7-adjustment", "", "0", "", "-72", "-1", "", "", "{}"]


def test_a_charge_whose_price_has_no_such_rate_is_named() -> None:
    with pytest.raises(LedgerError, match="has no cache_storage rate"):
        ChargeLines({1: replace(ENTRY, cache_storage_pico=None)}, {1: 72 * NANO}).of(
            line(tier="none", input_tokens=0, storage_tokens=1)
        )


def test_a_card_in_usd_converts_at_one() -> None:
    (row,) = written(line(currency="USD", conversion_id=None))
    assert (row["per_usd"], row["amount"], row["usd"]) == ("1", "0.000032", "0.000032")


def test_usd_adds_up_to_the_report(db_url: str) -> None:
    book = Book(db_url).add(*with_corrections(random_charges(7, 300), 8)).post()
    for month in (None, "2026-03", "2026-06"):
        span = ALL_TIME if month is None else month_span(month, book.zone)
        found = rows(book, span)
        total = exported(book, span)[1].totals
        report = run_report(book.database, ReportOptions(month=month, dimensions=["currency"]), now=NOON)
        of = dict(zip([column.name for column in report.columns], report.total, strict=True))
        assert sum(Decimal(row["usd"]) for row in found) * NANO == of["usd"] == Decimal(str(total["usd"])) * NANO
        credits = sum(Decimal(row["amount"]) for row in found if row["currency"] == "CRD")
        assert credits * NANO == of["credits"]
        assert total["lines"] == len(found)
        if month:
            assert {row["posted_month"] for row in found} == {month}
        assert [int(row["posted_seq"]) for row in found] == sorted(int(row["posted_seq"]) for row in found)


def test_each_line_can_be_worked_out_from_its_own_cells(db_url: str) -> None:
    book = Book(db_url).add(*with_corrections(random_charges(9, 200), 10)).post()
    found = rows(book)
    assert {row["meter"] for row in found} == {"input", "cached_input", "output", "cache_storage"}
    for row in found:
        exact = Decimal(row["tokens"]) * Decimal(row["rate"]) / 1_000_000 * int(row["hours"] or 1)
        assert Decimal(row["amount"]) == exact
        assert abs(Decimal(row["usd"]) - exact / Decimal(row["per_usd"])) < Decimal("0.000000001")


def test_json_is_one_document_of_the_same(db_url: str) -> None:
    book = Book(db_url).add(*with_corrections(random_charges(11, 50), 12)).post()
    text, total = exported(book, file_format="json")
    document = json.loads(text)
    assert list(document) == ["schema", "title", "rows", "total"]
    assert document["title"] == "Charges, all time (posted, UTC)"
    assert document["total"] == total.totals
    assert [list(row) for row in document["rows"]] == [NAMES] * len(rows(book))
    for row, cells in zip(document["rows"], rows(book), strict=True):
        assert isinstance(row["tags"], dict)
        assert isinstance(row["tokens"], int)
        assert isinstance(row["model_differs"], bool)
        assert {name: "" if value is None else str(value) for name, value in row.items()} | {
            "tags": cells["tags"],
            "model_differs": cells["model_differs"],
            "project": cells["project"],
        } == cells


@pytest.mark.parametrize("file_format", ["csv", "json"])
def test_nothing_to_export_is_an_empty_file(db_url: str, file_format: Format) -> None:
    text, total = exported(Book(db_url).add(Booked(input_tokens=1)).post(), Span(NOON, None, ""), file_format)
    assert total.totals["lines"] == 1
    book = Book(db_url)
    empty, total = exported(book, month_span("2020-01", book.zone), file_format)
    assert total.words == "0 lines of 0 charges, 0 = 0 USD"
    assert json.loads(empty)["rows"] == [] if file_format == "json" else empty == text.splitlines()[0] + "\r\n"


def test_no_text_becomes_a_formula_or_an_escape(db_url: str) -> None:
    bad = {"project": "=HYPERLINK(1)", "requested_model": "@x", "reported_model": "+1", "request_id": "\x1b[31m-1"}
    book = Book(db_url).add(Booked(input_tokens=1, source="-2", tags={"team": "=1\u202e"}, **bad)).post()  # type: ignore[arg-type]
    (row,) = rows(book)
    assert row["project"] == "'=HYPERLINK(1)"
    assert row["requested_model"] == "'@x"
    assert row["reported_model"] == "'+1"
    assert row["source"] == "'-2"
    assert row["request_id"] == r"\x1b[31m-1"
    assert row["tags"] == '{"team":"=1\\u202e"}'
    assert json.loads(row["tags"]) == {"team": "=1\u202e"}
    text, _total = exported(book, file_format="json")
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert json.loads(text)["rows"][0]["project"] == "=HYPERLINK(1)"


@given(st.lists(st.tuples(st.integers(0, 10**12), st.sampled_from([1, 2, None])), max_size=30))
def test_the_usd_column_adds_up_in_any_mix_of_conversions(parts: list[tuple[int, int | None]]) -> None:
    lines = ChargeLines({1: ENTRY}, {None: None, 1: 72 * NANO, 2: 68 * NANO})
    moved = [
        Decimal(str(cells[NAMES.index("usd")]))
        for nano, conversion in parts
        for cells in whole_rows(COLUMNS, lines.of(line(input_nano=nano, amount_nano=nano, conversion_id=conversion)))
    ]
    assert sum(moved) * NANO == lines.total.spend.usd_nano


def test_lines_are_written_as_charges_come() -> None:
    """No more charges are taken from the database than a file's buffer holds."""
    taken = 0

    def endless() -> Iterator[BookedCharge]:
        nonlocal taken
        while True:
            taken += 1
            yield line()

    class FullError(Exception):
        pass

    class Disk(io.BytesIO):
        def write(self, data: Any) -> int:
            if self.tell() > 100_000:
                raise FullError
            return super().write(data)

    lines = ChargeLines({1: ENTRY}, {1: 72 * NANO})
    for file_format in FORMATS:
        taken = 0
        cells = (cells for charge in endless() for cells in lines.of(charge))
        with pytest.raises(FullError):
            ExportFile(Disk(), FileOptions(file_format)).write_parted("charges", COLUMNS, cells, title="", total=dict)
        assert taken < 10_000


def test_models_without_a_price_in_the_export_are_named(db_url: str) -> None:
    book = Book(db_url).add(Booked(model=LITE, input_tokens=1), Booked(model=MINI, output_tokens=1), Booked(model=PRO))
    book.post()
    assert [row["rate"] for row in rows(book)] == ["6", "20"]
