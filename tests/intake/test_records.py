"""The ledger's own fields as JSON and as CSV: exactly SPEC's names, and lossless both ways."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.book.rows import RecordKind
from ledger.intake.fields.record import Rejected, UsageRecord
from ledger.intake.fields.records_line import to_fields
from ledger.intake.formats import records
from pricing.money import NANO, parse_units
from pricing.record_values import MAX_NAME, MAX_REQUEST_ID, MAX_SOURCE, STATUSES
from pricing.times import read_time
from pricing.usage import TokenUsage
from tests.helpers.sources import (
    AT,
    SECOND,
    counts,
    lines,
    only_record,
    only_rejection,
    parse_line,
    parse_object,
    read,
    record,
    response,
    told,
)


def accepted(obj: dict[str, Any]) -> UsageRecord:
    return only_record(parse_object(obj, "records"))


def reason(obj: dict[str, Any]) -> str:
    return only_rejection(parse_object(obj, "records")).reason


STORAGE = {"kind": "cache_storage", "request_id": "c1", "tokens": 5, "start": AT, "end": AT + 3_600}


def test_all_fields_are_read() -> None:
    found = accepted(
        record(
            provider="evolink",
            source="gateway-a",
            kind="request",
            requested_model="pro",
            reported_model="code",
            project="search",
            status="incomplete",
            service_tier="auto",
            cached_input_tokens=4,
            reasoning_tokens=1,
            tags={"team": "a", "n": 5},
            provider_amount="0.0024",
        )
    )
    assert found == UsageRecord(
        "r1",
        AT * SECOND,
        provider="evolink",
        source="gateway-a",
        requested_model="pro",
        reported_model="code",
        project="search",
        status="incomplete",
        service_tier="auto",
        usage=TokenUsage(10, 4, 2, 1),
        tags={"team": "a", "n": "5"},
        provider_amount_nano=2_400_000,
    )


def test_cache_storage_is_read() -> None:
    assert accepted(STORAGE) == UsageRecord(
        "c1", AT * SECOND, kind="cache_storage", storage_tokens=5, storage_end_us=(AT + 3_600) * SECOND
    )
    assert accepted(STORAGE | {"occurred_at": AT, "input_tokens": 0, "output_tokens": None}) == accepted(STORAGE)


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (record(prompt="text"), "unknown_field"),
        (record(cache_write_tokens=0), "unknown_field"),
        (record(kind="refund"), "unknown_kind"),
        (record(kind=[]), "unknown_kind"),
        (record(occurred_at=...), "missing_time"),
        (record(occurred_at="2026-02-19T07:37:54"), "no_time_zone"),
        (record(input_tokens=...), "missing_usage"),
        (record(output_tokens=None), "missing_usage"),
        (record(cached_input_tokens=11), "cached_exceeds_input"),
        (record(reasoning_tokens=3), "reasoning_exceeds_output"),
        (record(source="s" * 65), "too_long"),
        (record(provider="p" * 201), "too_long"),
        (record(tags=[]), "invalid_tags"),
        (record(tokens=5), "unexpected_field"),
        (record(start=5), "unexpected_field"),
        ({key: value for key, value in STORAGE.items() if key != "tokens"}, "missing_usage"),
        ({key: value for key, value in STORAGE.items() if key != "start"}, "missing_time"),
        ({key: value for key, value in STORAGE.items() if key != "end"}, "missing_time"),
        (STORAGE | {"tokens": 1.5}, "not_an_integer"),
        (STORAGE | {"end": AT}, "end_not_after_start"),
        (STORAGE | {"end": AT - 1}, "end_not_after_start"),
        (STORAGE | {"occurred_at": AT + 1}, "occurred_at_differs"),
        (STORAGE | {"input_tokens": 5}, "unexpected_field"),
        (STORAGE | {"tool_calls": 5}, "unexpected_field"),
        (record(tool_calls=1.5), "not_an_integer"),
        (record(tool_calls=-1), "negative_count"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_records_are_refused_by_name(obj: dict[str, Any], expected: str) -> None:
    assert reason(obj) == expected


@pytest.mark.parametrize(
    ("given_amount", "text"),
    [
        ("0.0024", "0.0024"),
        (0.0024, "0.0024"),
        (3, "3"),
        (1e-05, "0.00001"),
        ("-1.5", "-1.5"),
        ("", None),
        (0, "0"),
        ("0.00009333333333333", "0.000093333"),
        (0.0006637500000000001, "0.00066375"),
        (1.7e-10, "0"),
        ("1e3", "1000"),
        (" 9.333333333333333E-05 ", "0.000093333"),
        ("0.0000000005", "0"),
        ("0.0000000015", "0.000000002"),
        ("1.0000000001", "1"),
        ("+.5", "0.5"),
        ("5.", "5"),
        ("1e-999999", "0"),
        ("9223372036.854775807", "9223372036.854775807"),
    ],
)
def test_the_gateways_own_figure_is_rounded_once(given_amount: object, text: str | None) -> None:
    assert accepted(record(provider_amount=given_amount)).provider_amount_nano == (text and parse_units(text, NANO))


@pytest.mark.parametrize(
    "figure",
    [
        "9223372036.854775808",
        True,
        10**50,
        1e300,
        float("inf"),
        [],
        {},
        "0,5",
        "1_0",
        "$5",
        "abc",
        "NaN",
        "1e9999999999",
    ],
    ids=str,
)
def test_a_figure_that_is_no_amount_costs_the_record_that_alone(figure: object) -> None:
    found = accepted(record(provider_amount=figure))
    assert (found.provider_amount_nano, found.lost_amount) == (None, True)
    assert found.usage == TokenUsage(10, 0, 2)
    assert accepted(record(provider_amount="0.5")).lost_amount is False


def test_an_unknown_field_is_named() -> None:
    assert "'prompt'" in only_rejection(parse_object(record(prompt="text"), "records")).message


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_without_counts_only_what_did_not_complete_is_recorded(status: str) -> None:
    found = accepted(record(status=status, input_tokens=..., output_tokens=...))
    assert (found.usage, found.status) == (None, status)
    assert accepted(record(status=status, output_tokens=...)).usage == TokenUsage(10)


# --- written and read again -----------------------------------------------------------------------------------------

TEXT = st.text(min_size=1, max_size=12).filter(lambda text: "\0" not in text and bool(text) and not text.isspace())
MOMENTS = st.integers(0, 253_402_300_800 * SECOND - 2)
TAGS = st.dictionaries(TEXT, st.text(max_size=20).filter(lambda text: "\0" not in text), max_size=4)
AMOUNTS = st.integers(-(10**18), 10**18)
COUNT = st.integers(0, 2**63 - 1)


@st.composite
def usage_records(draw: st.DrawFn) -> UsageRecord:
    kind: RecordKind = draw(st.sampled_from(("request", "cache_storage")))
    found = UsageRecord(
        draw(st.text(min_size=1, max_size=MAX_REQUEST_ID).filter(lambda t: "\0" not in t and not t.isspace())),
        draw(MOMENTS),
        kind=kind,
        provider=draw(st.none() | TEXT),
        source=draw(st.none() | st.just("s" * MAX_SOURCE)),
        requested_model=draw(st.none() | st.just("m" * MAX_NAME)),
        reported_model=draw(st.none() | TEXT),
        project=draw(st.none() | TEXT),
        status=draw(st.sampled_from(STATUSES)),
        service_tier=draw(st.sampled_from([None, "auto", "default"])),
        tags=draw(TAGS),
        provider_amount_nano=draw(st.none() | AMOUNTS),
    )
    if kind == "cache_storage":
        found.storage_tokens = draw(COUNT)
        found.storage_end_us = draw(st.integers(found.occurred_at_us + 1, 253_402_300_800 * SECOND - 1))
    elif found.status in ("completed", "incomplete") or draw(st.booleans()):
        whole_in, whole_out = draw(COUNT), draw(COUNT)
        cached, reasoning = draw(st.integers(0, whole_in)), draw(st.integers(0, whole_out))
        found.usage = TokenUsage(whole_in, cached, whole_out, reasoning)
    return found


@given(usage_records())
def test_a_record_written_as_fields_reads_back_the_same(found: UsageRecord) -> None:
    fields = to_fields(found)
    assert accepted(fields) == found
    assert only_record(parse_line(json.dumps(fields).encode())) == found
    assert only_record(parse_line(json.dumps(fields, ensure_ascii=False).encode(), "records")) == found


def test_metadata_and_the_service_name_are_no_fields() -> None:
    found = only_record(parse_object(response(metadata={"secret": "s"})))
    assert "secret" not in json.dumps(to_fields(found))
    assert to_fields(found)["occurred_at"] == "2026-02-19T07:37:54Z"


# --- CSV ------------------------------------------------------------------------------------------------------------

HEADER = "request_id,occurred_at,input_tokens,output_tokens"


@pytest.mark.parametrize("input_format", ["auto", "records"])
def test_csv_rows_are_records(input_format: str) -> None:
    text = (
        "\ufeffrequest_id, occurred_at ,input_tokens,output_tokens,cached_input_tokens,status,tags,tag.team,project\r\n"
        'a,2026-02-19T07:37:54Z,10,2,4,failed,"{""env"":""prod"",""n"":1}",core,"Search, web"\r\n'
        "\r\n"
        "b,1771486674,10,2,,,,,\r\n"
        "c, 1771486674.5 , 10 ,2,,,,,"
    )
    items = read(text, input_format)
    assert told(items) == [(2, "a"), (4, "b"), (5, "c")]
    first, second, third = (only_record([item.parsed]) for item in items)
    assert counts(first) == (10, 4, 2, 0)
    assert (first.status, first.project) == ("failed", "Search, web")
    assert first.tags == {"env": "prod", "n": "1", "team": "core"}
    assert (second.status, second.tags, second.project) == ("completed", {}, None)
    assert second.occurred_at_us == AT * SECOND
    assert third.occurred_at_us == AT * SECOND + SECOND // 2
    assert items[1].raw == b"b,1771486674,10,2,,,,,"


def test_csv_says_what_json_says() -> None:
    objects = [record(f"r{n}", cached_input_tokens=n, tags={"n": str(n)}, provider_amount="0.5") for n in range(9)]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(objects[0]))
    writer.writeheader()
    writer.writerows(obj | {"tags": json.dumps(obj["tags"])} for obj in objects)
    assert [item.parsed for item in read(out.getvalue())] == [item.parsed for item in read(lines(objects))]


def test_csv_storage_and_requests_share_a_header() -> None:
    text = (
        "kind,request_id,occurred_at,input_tokens,output_tokens,tokens,start,end\n"
        "cache_storage,c1,,,,5,1771486674,1771490274\n"
        "request,r1,2026-02-19T07:37:54Z,10,2,,,\n"
    )
    storage, request = (only_record([item.parsed]) for item in read(text))
    assert storage == accepted(STORAGE)
    assert request == accepted(record())


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("a,2026-02-19T07:37:54Z,1e3,2", "not_an_integer"),
        ("a,2026-02-19T07:37:54Z,1.0,2", "not_an_integer"),
        ("a,2026-02-19T07:37:54Z,+1,2", "not_an_integer"),
        ("a,2026-02-19T07:37:54Z,1_0,2", "not_an_integer"),
        ("a,2026-02-19T07:37:54Z,٣,2", "not_an_integer"),
        ("a,2026-02-19T07:37:54Z,-1,2", "negative_count"),
        ("a,2026-02-19T07:37:54Z," + "9" * 30 + ",2", "count_out_of_range"),
        ("a,2026-02-19T07:37:54Z,,2", "missing_usage"),
        ("a,,1,2", "missing_time"),
        (",2026-02-19T07:37:54Z,1,2", "missing_id"),
        ("a,2026-02-19 07:37:54,1,2", "no_time_zone"),
        ("a,-5,1,2", "time_out_of_range"),
        ("a,2026-02-19T07:37:54Z,1", "ragged_row"),
        ("a,2026-02-19T07:37:54Z,1,2,3", "ragged_row"),
        ('a,"2026"x,1,2', "invalid_csv"),
        ("a,2026-02-19T07:37:54Z\0,1,2", "nul_byte"),
        ("x" * 140_000 + ",2026-02-19T07:37:54Z,1,2", "too_long"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_rows_are_refused_by_name_and_the_rest_is_read(row: str, expected: str) -> None:
    good = "g,2026-02-19T07:37:54Z,10,2"
    assert told(read(f"{HEADER}\n{row}\n{good}\n")) == [(2, expected), (3, "g")]


def test_a_row_that_is_not_utf8_is_refused_alone() -> None:
    text = f"{HEADER}\na,2026-02-19T07:37:54Z,1,2\n".encode() + b"\xff,2026-02-19T07:37:54Z,1,2\n"
    assert told(read(text)) == [(2, "a"), (3, "not_utf8")]


@pytest.mark.parametrize(
    ("header", "expected", "named"),
    [
        ("request_id,occurred_at,input_tokens,output_tokens,prompt", "unknown_field", "'prompt'"),
        ("request_id,occurred_at,input_tokens,output_tokens,tag.", "unknown_field", "'tag.'"),
        ("request_id,occurred_at,input_tokens,output_tokens,", "unknown_field", "''"),
        ("request_id,occurred_at,input_tokens,output_tokens,status,status", "duplicate_column", "'status'"),
        ("request_id,occurred_at,input_tokens,output_tokens,tag.a,tag.a", "duplicate_column", "'tag.a'"),
        ("request_id,input_tokens", "missing_column", "occurred_at, output_tokens"),
        ("occurred_at,input_tokens,output_tokens", "missing_column", "request_id"),
        ("request_id,tokens", "missing_column", "start, end"),
    ],
)
def test_a_header_that_can_not_be_used_is_the_files_one_rejection(header: str, expected: str, named: str) -> None:
    items = read(f"{header}\na,b,c\nd,e,f\n")
    assert told(items) == [(1, expected)]
    assert named in only_rejection([items[0].parsed]).message


def test_explicit_records_without_a_header_are_refused_once() -> None:
    assert told(read("a,2026-02-19T07:37:54Z,1,2\nb,2026-02-19T07:37:54Z,1,2\n", "records")) == [(1, "unknown_field")]


def test_quoted_line_ends_belong_to_their_row() -> None:
    text = f'{HEADER},tag.note\na,5,1,2,"two\nlines"\nb,5,1,2,x\n'
    items = read(text)
    assert told(items) == [(2, "a"), (4, "b")]
    assert only_record([items[0].parsed]).tags == {"note": "two\nlines"}


def test_a_stray_quote_spoils_its_own_row_alone() -> None:
    rows = [f"r{n},5,1,2" for n in range(50)]
    rows[3] = '"r3,5,1,2'
    expected = [(n + 2, f"r{n}" if n != 3 else "invalid_csv") for n in range(50)]
    assert told(read("\n".join([HEADER, *rows]))) == expected
    rows[49] = '"r49,5,1,2'
    expected[49] = (51, "invalid_csv")
    assert told(read("\n".join([HEADER, *rows]))) == expected


def test_a_quote_that_is_never_closed_in_the_first_line_is_no_header() -> None:
    assert told(read('"request_id,occurred_at\n')) == [(1, "unrecognised_format")]
    assert told(read(b"request_id\xff,occurred_at\n", "records")) == [(1, "binary_file")]
    assert told(read('"request_id,\n', "records")) == [(1, "invalid_csv")]


def test_a_tag_given_twice_is_refused() -> None:
    text = f'{HEADER},tags,tag.team\na,5,1,2,"{{""team"":""x""}}",y\nb,5,1,2,[],\nc,5,1,2,"{{",\n'
    assert told(read(text)) == [(2, "duplicate_key"), (3, "not_an_object"), (4, "invalid_json")]


def test_refused_rows_keep_their_fields() -> None:
    (item,) = read(f"{HEADER},project\na,5,1e3,2,search\n")
    assert only_rejection([item.parsed]).fields == {
        "request_id": "a",
        "occurred_at": "1970-01-01T00:00:05Z",
        "project": "search",
    }


def test_times_in_csv_are_exact_decimals() -> None:
    (item,) = read(f"{HEADER}\na,253402300799.123456,1,2\n")
    found = only_record([item.parsed])
    assert found.occurred_at_us == 253_402_300_799 * SECOND + 123_456
    assert read_time("9999-12-31T23:59:59.123456Z", "at") == found.occurred_at_us


def test_a_line_that_an_application_refused_is_held_back_for_the_reason_it_names() -> None:
    said = {"reason": "missing_usage", "message": "usage is missing", "digest": "d0506e"}
    line = {"request_id": "r1", "source": "mirror", "prompt": "secret", "refused": said}
    assert records.recognise({"refused": said})
    assert records.parse(line) == Rejected(
        "missing_usage", "usage is missing", {"request_id": "r1", "source": "mirror"}
    )


@pytest.mark.parametrize("refused", [None, "x", {}, {"reason": "No slug", "message": "m", "digest": "d"}])
def test_another_key_of_that_name_is_no_field(refused: Any) -> None:
    found = records.parse({"request_id": "r1", "refused": refused})
    assert isinstance(found, Rejected)
    assert found.reason == "unknown_field"
