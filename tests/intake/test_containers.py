"""Files in every wrapping are read as a stream; what can't be read is told by name, and the rest goes on."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from ledger.intake.containers import lines as lines_module
from ledger.intake.containers.lines import LineChunk
from ledger.intake.containers.reading import SourceReader
from ledger.intake.containers.source import BLOCK, Source, open_source, open_sources
from ledger.intake.fields.record import MAX_ITEM_BYTES, Item, UsageRecord
from tests.helpers.sources import (
    Slow,
    chat,
    counts,
    lines,
    only_record,
    only_rejection,
    parse_line,
    read,
    read_source,
    record,
    response,
    source,
    told,
    word,
)

GOOD = lines([response("a"), response("b"), chat("c")])
SAID = [(1, "a"), (2, "b"), (3, "c")]


# --- JSON Lines -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD, SAID),
        (GOOD.rstrip("\n"), SAID),
        (GOOD.replace("\n", "\r\n"), SAID),
        ("\ufeff" + GOOD, SAID),
        ("\n \n" + GOOD.replace("\n", "\n\n\t\n"), [(3, "a"), (6, "b"), (9, "c")]),
        (GOOD + GOOD[:100], [*SAID, (4, "truncated_json")]),
        (GOOD[:100], [(1, "truncated_json")]),
        (GOOD[:100] + "\n" + GOOD, [(1, "invalid_json"), (2, "a"), (3, "b"), (4, "c")]),
        (GOOD[:8] + "\n" + GOOD, [(1, "invalid_json"), (2, "a"), (3, "b"), (4, "c")]),
        ("{\n" + GOOD, [(1, "invalid_json"), (2, "a"), (3, "b"), (4, "c")]),
        ("text\n" + GOOD, [(1, "invalid_json"), (2, "a"), (3, "b"), (4, "c")]),
        (GOOD + "5\n[]\nnull\n", [*SAID, (4, "not_an_object"), (5, "not_an_object"), (6, "not_an_object")]),
        (GOOD + '{"foo": 1}\n', [*SAID, (4, "unrecognised_format")]),
        (GOOD + "\x1b[31m\n", [*SAID, (4, "invalid_json")]),
        ("\ufeff" + GOOD + "\ufeff" + GOOD, [*SAID, (4, "a"), (5, "b"), (6, "c")]),
        (json.dumps(response("a")) + json.dumps(response("b")) + "\n", [(1, "invalid_json")]),
    ],
)
def test_each_line_is_an_item(text: str, expected: list[tuple[int, str]]) -> None:
    assert told(read(text)) == expected


def test_an_item_carries_its_line_without_the_end() -> None:
    (item,) = read(json.dumps(response("a")) + "\r\n")
    assert item.raw == json.dumps(response("a")).encode()


def test_all_formats_may_share_a_file() -> None:
    text = lines([response("a"), record("b"), {"response": chat("c")}, chat("d"), response("e", status="queued")])
    assert told(read(text)) == [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "pending")]


def test_bad_bytes_spoil_their_own_line_alone() -> None:
    first, second, third = GOOD.encode().splitlines(keepends=True)
    damaged = first + second.replace(b"resp", b"\xff\xfe", 1) + third.replace(b"chat", b"\0\0\0\0", 1) + first
    assert told(read(damaged)) == [(1, "a"), (2, "not_utf8"), (3, "nul_byte"), (4, "a")]
    deep = b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"\n"
    assert told(read(deep + first)) == [(1, "nesting_too_deep"), (2, "a")]
    assert told(read(deep)) == [(1, "nesting_too_deep")]
    assert told(read(b"[" * 10_000 + b"]" * 10_000)) == [(1, "nesting_too_deep")]


def test_chunks_are_lines_with_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "CHUNK_LINES", 3)
    monkeypatch.setattr(lines_module, "CHUNK_BYTES", 64)
    text = "".join(f'{{"request_id":"r{n}"}}\n' for n in range(10)) + "\n" + '{"cut'
    reader = SourceReader(source(text.encode()), "records")
    chunks = [piece for piece in reader.pieces() if isinstance(piece, LineChunk)]
    assert [chunk.first_line for chunk in chunks] == [1, 4, 7, 10, 12]
    assert [line for chunk in chunks for line in chunk.lines] == text.encode().split(b"\n")
    assert [chunk.last_is_cut for chunk in chunks] == [False] * 4 + [True]
    assert [word(item.parsed) for item in reader.items(chunks[-1])] == ["truncated_json"]


@pytest.mark.parametrize("size", [1, 2, 7, 100, 10_000])
def test_blocks_of_any_size_say_the_same(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "CHUNK_BYTES", 1_000)
    objects = [response("ä" * 9), response("b", metadata={"q": '"],[{\\"'}), chat("c", model="\\")] * 4
    texts = [lines(objects), json.dumps(objects), json.dumps(objects, indent=2), json.dumps(objects[0], indent=1)]
    for text in texts:
        found = list(read_source(Source("usage", Slow(text.encode(), size))))
        assert [(item.line, item.raw, item.parsed) for item in found] == [
            (item.line, item.raw, item.parsed) for item in read(text)
        ]
        assert len(found) in (12, 1)
        assert all(isinstance(item.parsed, UsageRecord) for item in found)


# --- arrays and documents -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("indent", [None, 0, 1, 2, "\t"])
def test_an_array_is_read_element_by_element(indent: int | str | None) -> None:
    items = read(json.dumps([response("a"), response("b"), chat("c")], indent=indent))
    assert [word(item.parsed) for item in items] == ["a", "b", "c"]
    assert items[0].raw == json.dumps(response("a"), separators=(",", ":"), ensure_ascii=False).encode()


def test_an_elements_line_is_where_it_starts() -> None:
    text = "\n[\n" + ",\n\n".join(json.dumps(response(name)) for name in "abc") + "\n]\n"
    assert told(read(text)) == [(3, "a"), (5, "b"), (7, "c")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", []),
        (" [ \n ] \n", []),
        ("[{A}][{B}]\n[{C}]", ["a", "b", "c"]),
        ("[{A}, 5, null, [], {B}]", ["a", "not_an_object", "not_an_object", "not_an_object", "b"]),
        ('[{A}, "]", {B}]', ["a", "not_an_object", "b"]),
        ('[{A}, {"x": 1, "x": 2}, {B}]', ["a", "duplicate_key", "b"]),
        ('[{A}, {"created_at": NaN}, {B}]', ["a", "invalid_json", "b"]),
        ('[{A}, {"id": "\\ud800"}, {B}]', ["a", "lone_surrogate", "b"]),
        ("[{A} {B}, {C}]", ["invalid_json", "c"]),
        ("[{A}, {B},]", ["a", "b", "invalid_json"]),
        ("[, {A}]", ["invalid_json", "a"]),
        ("[{A}}, {B}]", ["invalid_json", "b"]),
        ("[{A}, {B}", ["a", "truncated_json"]),
        ("[{A},", ["a", "truncated_json"]),
        ("[", ["truncated_json"]),
        ('[{A}, {"id": "res', ["a", "truncated_json"]),
        ('[{A}, {"id": "res\\', ["a", "truncated_json"]),
        ("[{A}] tail", ["a", "invalid_json"]),
        ("[{A}] {B}", ["a", "invalid_json"]),
        ('[{A}, {"foo": 1}]', ["a", "unrecognised_format"]),
        ("[{A}, {DEEP}, {B}]", ["a", "nesting_too_deep", "b"]),
        ('["a", "b"]', ["not_an_object", "not_an_object"]),
        ("[1, 2]", ["not_an_object", "not_an_object"]),
    ],
)
def test_a_bad_element_is_refused_and_the_rest_read(text: str, expected: list[str]) -> None:
    deep = '{"a":' * 10_000 + "1" + "}" * 10_000
    text = text.replace("{DEEP}", deep)
    for name in "abc":
        text = text.replace("{" + name.upper() + "}", json.dumps(response(name)))
    for found in (read(text), list(read_source(Source("slow", Slow(text.encode(), 5))))):
        assert [word(item.parsed) for item in found] == expected


def test_a_message_names_the_elements_place() -> None:
    items = read(json.dumps([response("a"), 5]))
    assert only_rejection([items[1].parsed]).message.startswith("element 2 of the array")


@pytest.mark.parametrize("indent", [0, 1, 4, "\t"])
def test_a_pretty_printed_object_is_one_item(indent: int | str) -> None:
    text = json.dumps(response("a", error={}, tools=[{}, {"a": {}}]), indent=indent)
    assert told(read(text)) == [(1, "a")]
    assert told(read("\n\n" + text + "\n")) == [(3, "a")]
    assert told(read(text[:-20])) == [(1, "truncated_json")]


def test_pretty_printed_objects_may_follow_one_another() -> None:
    pretty = [json.dumps(obj, indent=2) + "\n" for obj in (response("a"), response("b"), chat("c"))]
    starts = [1, 1 + pretty[0].count("\n"), 1 + pretty[0].count("\n") + pretty[1].count("\n")]
    assert told(read("".join(pretty))) == list(zip(starts, ["a", "b", "c"], strict=True))
    broken = pretty[0][:-100] + "\n" + pretty[1] + json.dumps(chat("c")) + "\n"
    assert [found for _, found in told(read(broken))] == ["invalid_json", "b", "c"]


@pytest.mark.parametrize(
    "text",
    [
        '{\n"response": {"id": "a"}}',
        '{"id": "a"\n, "object": "response"}',
        '{"output": [\n{"a": 1,\n"b": 2}]}',
        '{"id":\n"a"}',
    ],
)
def test_other_layouts_of_one_object_are_one_item(text: str) -> None:
    assert len(read(text, "responses")) == 1
    assert told(read(text, "responses"))[0][1] in ("missing_id", "missing_time")


def test_a_document_that_is_too_long_is_refused_and_the_next_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from ledger.intake.containers import documents

    monkeypatch.setattr(documents, "MAX_ITEM_BYTES", 2_000)
    pretty = json.dumps(response("a"), indent=2) + "\n"
    long = json.dumps(response("long", output=["x" * 50] * 100), indent=2)
    text = pretty + "\n".join([long, json.dumps(response("b"), indent=2)])
    assert [found for _, found in told(read(text))] == ["a", "line_too_long", "b"]
    assert [found for _, found in told(read(long))] == ["line_too_long"]


# --- what is no usage -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("input_format", ["auto", "sse", "responses"])
@pytest.mark.parametrize(
    "data",
    [b"", b"\n \r\n\t", b"\xef\xbb\xbf", b"\n" * 400_000, gzip.compress(b"", mtime=0), b"[]", b"[ ]\n"],
    ids=lambda found: str(found)[:30],
)
def test_a_file_that_holds_nothing_says_nothing(data: bytes, input_format: str) -> None:
    assert list(read_source(source(data), input_format)) == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bytes(range(256)) * 1_000, "binary_file"),
        (b"\x89PNG\r\n\x1a\n\0\0", "binary_file"),
        (b"PAR1\x15\x04\0{" * 50_000, "binary_file"),
        (b"caf\xe9 noir\n", "binary_file"),
        (GOOD.encode("utf-16"), "binary_file"),
        (GOOD.encode("utf-16-le"), "binary_file"),
        (GOOD.encode("utf-32"), "binary_file"),
        (b"# Usage\n\nSome text: about {things}\n", "unrecognised_format"),
        (b"[2026-02-19 07:37:54] INFO started\n[2026-02-19 07:37:55] INFO done\n", "unrecognised_format"),
        (b"name,age\nann,5\n", "unrecognised_format"),
        (b"id: 5\nname: x\n", "unrecognised_format"),
        (b'{"foo": 1}\n{"bar": 2}\n', "unrecognised_format"),
        (b"42\n", "unrecognised_format"),
        ("Größe über alles, 你好\n".encode(), "unrecognised_format"),
    ],
    ids=lambda found: str(found)[:30],
)
def test_a_file_of_no_format_is_one_rejection(data: bytes, reason: str) -> None:
    (item,) = read(data)
    assert word(item.parsed) == reason
    assert item.line >= 1


def test_utf16_is_told_what_to_do() -> None:
    assert "UTF-16" in only_rejection([read(GOOD.encode("utf-16"))[0].parsed]).message


@pytest.mark.parametrize("input_format", ["responses", "chat", "envelope", "otel"])
def test_a_text_is_one_rejection_under_a_named_format_too(input_format: str) -> None:
    assert told(read("some\ntext\n", input_format)) == [(1, "unrecognised_format")]
    assert told(read(b"\0\1\2", input_format)) == [(1, "binary_file")]
    assert told(read(b"\0\1\2", "sse")) == [(1, "binary_file")]
    assert told(read(b"\0\1\2", "records")) == [(1, "binary_file")]


def test_broken_json_is_not_taken_for_text() -> None:
    assert told(read("{broken\n")) == [(1, "invalid_json")]
    assert told(read("{broken\ntext\n")) == [(1, "invalid_json"), (2, "invalid_json")]


def test_good_lines_far_behind_text_are_still_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "CHUNK_LINES", 4)
    text = "text\n" * 9 + GOOD
    assert [found for _, found in told(read(text))] == ["invalid_json"] * 9 + ["a", "b", "c"]


# --- too long -------------------------------------------------------------------------------------------------------


class Generated(io.RawIOBase):
    """A stream of generated blocks, so that no test holds what it reads."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks

    def read(self, _size: int = -1, /) -> bytes:
        return next(self._blocks, b"")


def generated(*parts: bytes | tuple[bytes, int]) -> Source:
    """A source of parts; (block, n) is a block n times over."""

    def blocks() -> Iterator[bytes]:
        for part in parts:
            if isinstance(part, bytes):
                yield part
            else:
                for _ in range(part[1]):
                    yield part[0]

    return Source("generated", Generated(blocks()))  # type: ignore[arg-type]


A_MIB = b"x" * BLOCK
FIFTY = (A_MIB, 50)


def test_a_line_of_50_mb_is_refused_unread_and_the_rest_goes_on() -> None:
    parts = (GOOD.encode(), b'{"id":"', FIFTY, b'"}\n', GOOD.encode())
    expected = [*SAID, (4, "line_too_long"), (5, "a"), (6, "b"), (7, "c")]
    tracemalloc.start()
    try:
        items = list(read_source(generated(*parts)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert told(items) == expected
    assert peak < 2.5 * MAX_ITEM_BYTES
    long = items[3]
    size = 50 * BLOCK + len('{"id":""}')
    assert f"has {size} bytes" in only_rejection([long.parsed]).message
    assert long.raw == list(read_source(generated(*parts)))[3].raw
    assert len(long.raw or b"") < 200


def test_a_long_last_line_is_refused_too() -> None:
    assert told(read_source(generated(GOOD.encode(), b'{"id":"', FIFTY))) == [*SAID, (4, "line_too_long")]
    assert told(read_source(generated(b'{"id":"', FIFTY))) == [(1, "line_too_long")]


@pytest.mark.parametrize(("over", "expected"), [(0, "missing_id"), (1, "line_too_long")])
def test_the_limit_is_exact(over: int, expected: str) -> None:
    line = b'{"a":"' + b"x" * (MAX_ITEM_BYTES + over - len(b'{"a":""}')) + b'"}'
    assert len(line) == MAX_ITEM_BYTES + over
    good = GOOD.encode()
    assert [found for _, found in told(read(good + line + b"\n" + good, "responses"))][3] == expected
    assert told(read_source(source(good + line + b"\n"), "responses"))[-1] == (4, expected)


def test_an_array_element_of_50_mb_is_refused_and_the_rest_goes_on() -> None:
    first, last = (json.dumps(response(name)).encode() for name in "ab")
    tracemalloc.start()
    try:
        found = told(read_source(generated(b"[", first, b',\n{"id":"', FIFTY, b'"},\n', last, b"]")))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == [(1, "a"), (2, "line_too_long"), (3, "b")]
    assert peak < 2.5 * MAX_ITEM_BYTES
    assert told(read_source(generated(b"[", first, b",", FIFTY))) == [(1, "a"), (1, "line_too_long")]


def test_a_long_event_is_refused_and_the_rest_goes_on() -> None:
    event = b"data: " + json.dumps({"type": "response.completed", "response": response("a")}).encode() + b"\n\n"
    found = told(read_source(generated(event, b'data: {"a":"', FIFTY, b'"}\n\n', event)))
    assert found == [(1, "a"), (3, "line_too_long"), (5, "a")]


def test_a_long_line_in_a_document_or_a_table_is_refused_and_the_rest_goes_on() -> None:
    pretty = json.dumps(response("a"), indent=2).encode() + b"\n"
    found = told(read_source(generated(pretty, b'{\n  "output": "', FIFTY, b'",\n  "id": "b"\n}\n', pretty)))
    assert [said for _, said in found] == ["a", "line_too_long", "a"]
    header = b"request_id,occurred_at,input_tokens,output_tokens\n"
    table = told(read_source(generated(header, b"a,5,1,2\n", FIFTY, b",5,1,2\n", b"b,5,1,2\n")))
    assert table == [(2, "a"), (3, "line_too_long"), (4, "b")]
    header = header.strip() + b",tag.note\n"
    table = told(read_source(generated(header, b'a,5,1,2,"two\n', FIFTY, b'\nlines"\n', b"b,5,1,2,\n")))
    assert table[:2] == [(2, "invalid_csv"), (3, "line_too_long")]
    assert table[-1] == (5, "b")


def test_a_file_of_many_lines_needs_no_memory_for_them() -> None:
    line = json.dumps(response("a", output=["x" * 10_000])).encode() + b"\n"
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_source(generated((line * 100, 60))))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 100 * 60
    assert len(line) * count > 2 * 25 * 2**20
    assert peak < 45 * 2**20


# --- compressed -----------------------------------------------------------------------------------------------------


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


SKIPPABLE = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"meta"


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(GOOD.encode()),
        gzip.compress(GOOD[:700].encode()) + gzip.compress(GOOD[700:].encode()),
        gzip.compress(GOOD.encode()) + bytes(512),
        zstd(GOOD.encode()),
        zstd(GOOD[:700].encode()) + zstd(GOOD[700:].encode()),
        SKIPPABLE + zstd(GOOD.encode()),
        zstandard.ZstdCompressor().compressobj().compress(GOOD.encode()) + b"",
    ],
    ids=["gz", "two members", "padded", "zst", "two frames", "skippable", "nothing"],
)
def test_compressed_files_are_known_by_their_bytes(data: bytes) -> None:
    if data:
        assert told(read(data)) == SAID
        assert told(read_source(Source("usage", Slow(data, 3)))) == SAID
        assert told(read(gzip.compress("\ufeff".encode() + GOOD.encode()))) == SAID
    else:
        assert told(read(data)) == []


MANY = lines(response(f"resp_{os.urandom(8).hex()}") for _ in range(3_000)).encode()


@pytest.mark.parametrize("compress", [gzip.compress, zstd], ids=["gz", "zst"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.999])
def test_truncated_data_is_read_up_to_its_end_and_then_refused_once(compress: Any, part: float) -> None:
    whole = compress(MANY)
    items = read(whole[: int(len(whole) * part)])
    assert word(items[-1].parsed) == "truncated_file"
    assert all(isinstance(item.parsed, UsageRecord) for item in items[:-1])
    expected = read(MANY)
    assert [item.parsed for item in items[:-1]] == [item.parsed for item in expected[: len(items) - 1]]
    if part == 0.5:
        assert len(items) > 100
        # What is left of the line that the data ends in tells it from others, and lets its whole twin be known.
        partial = items[-1]
        assert partial.line == len(items)
        assert partial.raw is None or (expected[len(items) - 1].raw or b"").startswith(partial.raw)


@pytest.mark.parametrize("compress", [gzip.compress, zstd], ids=["gz", "zst"])
@pytest.mark.parametrize("keep", [4, 12, 20])
def test_truncation_before_any_text_is_one_rejection(compress: Any, keep: int) -> None:
    assert [found for _, found in told(read(compress(GOOD.encode())[:keep]))] == ["truncated_file"]


@pytest.mark.parametrize("text", [json.dumps([response(str(n)) for n in range(500)]), json.dumps(response(), indent=1)])
def test_truncated_arrays_and_documents_are_refused_once(text: str) -> None:
    data = gzip.compress(text.encode(), compresslevel=0)[:-40]
    found = [word for _, word in told(read(data))]
    assert found[-1] == "truncated_file"
    assert len(set(found)) == len(found)


def test_data_truncated_right_after_a_whole_line_keeps_it() -> None:
    stored = gzip.compress(GOOD.rstrip("\n").encode(), compresslevel=0)
    items = read(stored[:-8])
    assert [said for _, said in told(items)] == ["a", "b", "c", "truncated_file"]
    assert items[-1].raw is None


def test_the_last_row_of_a_truncated_table_is_not_trusted() -> None:
    text = "request_id,occurred_at,input_tokens,output_tokens\na,5,1,2\nb,5,1,2345"
    data = gzip.compress(text.encode(), compresslevel=0)
    assert [word for _, word in told(read(data[:-9]))] == ["a", "truncated_file"]
    assert [word for _, word in told(read(data))] == ["a", "b"]


@pytest.mark.parametrize("compress", [gzip.compress, zstd], ids=["gz", "zst"])
def test_damaged_data_is_refused_once(compress: Any) -> None:
    whole = compress(MANY)
    damaged = whole[: len(whole) // 2] + bytes(100) + whole[len(whole) // 2 + 100 :]
    found = [word(item.parsed) for item in read(damaged)]
    assert found[-1] in ("damaged_file", "truncated_file")
    assert found.count("damaged_file") + found.count("truncated_file") == 1
    assert told(read(compress(GOOD.encode()) + b"tail"))[-1][1] in ("damaged_file", "truncated_file")


def test_data_that_grows_a_thousandfold_is_not_held() -> None:
    line = b'{"id":"' + b"x" * 100 * 2**20 + b'"}\n'
    for data in (gzip.compress(line + GOOD.encode()), zstd(line + GOOD.encode())):
        assert len(data) < 200_000
        assert told(read(data)) == [(1, "line_too_long"), (2, "a"), (3, "b"), (4, "c")]


# --- opening --------------------------------------------------------------------------------------------------------


def test_files_are_opened_first_and_read_later(tmp_path: Path) -> None:
    paths = []
    for number in range(130):
        path = tmp_path / f"{number}.jsonl"
        path.write_text(lines([response(str(number))]))
        paths.append(str(path))
    sources = open_sources(paths)
    assert [found.name for found in sources] == paths
    names = []
    for found in sources:
        with found:
            names += [word for _, word in told(read_source(found))]
    assert names == [str(number) for number in range(130)]


def test_a_file_that_can_not_be_opened_is_told_before_anything_is_read(tmp_path: Path) -> None:
    good = tmp_path / "good.jsonl"
    good.write_text(GOOD)
    with pytest.raises(FileNotFoundError, match=r"missing\.jsonl"):
        open_sources([str(good), str(tmp_path / "missing.jsonl")])
    with pytest.raises(IsADirectoryError):
        open_source(str(tmp_path))


def test_standard_input_is_read_and_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(GOOD.encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    with open_source("-") as found:
        assert told(read_source(found)) == SAID
    assert not stdin.buffer.closed
    stdin.close()
    with pytest.raises(OSError, match="closed"):
        open_source("-")


def test_a_pipe_is_read_as_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=(GOOD,))
    writer.start()
    with open_source(str(path), keep_open=False) as found:
        assert told(read_source(found)) == SAID
    writer.join()


# --- one line at a time ---------------------------------------------------------------------------------------------


def test_a_line_alone_says_what_it_says_in_its_file() -> None:
    for line in GOOD.encode().splitlines():
        assert parse_line(line) == [item.parsed for item in read(line + b"\n")]
    assert parse_line(b"") == parse_line(b" \r") == []
    assert word(*parse_line(b'{"id": "a', cut=True)) == "truncated_json"
    assert word(*parse_line(b'{"id": "a')) == "invalid_json"


def test_a_reader_may_be_asked_line_by_line() -> None:
    reader = SourceReader(source(GOOD.encode()))
    found: list[Item] = []
    for piece in reader.pieces():
        assert isinstance(piece, LineChunk)
        for number, line in enumerate(piece.lines, piece.first_line):
            found += reader.line(number, line)
    assert told(found) == SAID


# --- CSV in the dialects of spreadsheets ----------------------------------------------------------------------------

CSV_ROW = ("a", "2026-03-14T10:00:00Z", "doubao-seed-2.0-lite", "10000", "100")
CSV_HEADER = ("request_id", "occurred_at", "requested_model", "input_tokens", "output_tokens")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("first", ["", "sep={}\r\n", "SEP={}\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("input_format", ["auto", "records"])
def test_a_table_is_parted_as_its_header_is(delimiter: str, first: str, end: str, input_format: str) -> None:
    text = first.format(delimiter) + delimiter.join(CSV_HEADER) + end + delimiter.join(CSV_ROW) + end
    (item,) = read(text.encode(), input_format)
    found = only_record([item.parsed])
    assert (found.request_id, found.requested_model, counts(found)) == (
        "a", "doubao-seed-2.0-lite", (10_000, 0, 100, 0),
    )  # fmt: skip


@pytest.mark.parametrize("amount", ["0,0204", "1,234", "1.234,5"])
def test_an_amount_with_a_comma_is_refused_in_words_that_help(amount: str) -> None:
    text = ";".join([*CSV_HEADER, "provider_amount"]) + "\n" + ";".join([*CSV_ROW, amount]) + "\n"
    (item,) = read(text.encode())
    refusal = only_rejection([item.parsed])
    assert (refusal.reason, "write it like 1234.5" in refusal.message) == ("invalid_amount", True)
