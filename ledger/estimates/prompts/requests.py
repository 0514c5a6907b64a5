"""Prompts from files: plain text, bodies of Responses and Chat Completions, or rows of eval sets.

A chat-shaped request carries 3 tokens a message and 3 a request on top of its text: figures of OpenAI's cookbook for
tiktoken's chat models, as Doubao's own template isn't public.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from itertools import islice
from pathlib import PurePath
from typing import Any

import msgspec
from msgspec.structs import replace

from ledger.errors import LedgerError
from ledger.estimates.prompts.bodies import BodyReader
from ledger.estimates.prompts.envelopes import (
    EXPECTED,
    beside_body,
    given_keys,
    is_body,
    is_conversation,
    is_of_batch,
    notes_of,
    unwrapped,
)
from ledger.estimates.prompts.fields import field_names, listed_names
from ledger.estimates.prompts.files import (
    STANDARD_INPUT,
    json_lines,
    json_of,
    named_lines,
    read_bytes,
    read_lines,
    text_of,
)
from ledger.estimates.prompts.parts import Part
from ledger.estimates.prompts.rows import bodies_of, table_columns, table_rows
from ledger.estimates.prompts.variables import marks_in
from pricing.estimating.counting import PromptText

TOKENS_OF_MESSAGE = 3
TOKENS_OF_REQUEST = 3

_MARKING_KEYS = frozenset({"input", "instructions", "messages", "request"})
_LINES = (".jsonl", ".ndjson")
_TABLES = (".csv", ".tsv")
_MARKED = (".prompty", ".poml", ".baml")
_YAML = (".yaml", ".yml")
_UNREAD = dict.fromkeys((".xlsx", ".xls"), "an Excel workbook") | {".parquet": "a Parquet file"}
_BLANK = b"\xef\xbb\xbf \t\r\n"
_TAKES_FIELDS = "--column, or columns of a workload, takes a field of each row"

_FILLED = "variables of a workload fill placeholders"


class Prompt(msgspec.Struct, frozen=True):
    """One request to be counted, and its parts that can't be; `model` is the one that its body names.

    `max_output_tokens` is the most that its body lets each of the response's `choices` have.
    """

    name: str
    text: PromptText
    warnings: tuple[str, ...] = ()
    model: str | None = None
    parts: tuple[Part, ...] = ()
    max_output_tokens: int | None = None
    choices: int = 1


def read_prompts(path: str, columns: Sequence[str] = (), *, as_written: bool = False) -> list[Prompt]:
    """Reads prompts: .json is one body or a list, .jsonl one a line, all else one text.

    With columns, each row of a CSV or JSON file is a request that holds them. Standard input is a text unless it starts
    with a JSON object that is a request body, or is a list of them. `as_written` says that placeholders in texts
    aren't filled afterwards, which a note then tells.
    """
    return list(iter_prompts(path, columns, as_written=as_written))


def iter_prompts(path: str, columns: Sequence[str] = (), *, as_written: bool = False) -> Iterator[Prompt]:
    """Reads the same prompts, those of JSON Lines only as they are asked for."""
    prompts = iter(_prompts_of(path, columns))
    return map(_with_marks, prompts) if as_written else prompts


def _prompts_of(path: str, columns: Sequence[str]) -> Iterable[Prompt]:
    suffix = PurePath(path).suffix.lower()
    unread = _UNREAD.get(suffix) or ("YAML" if columns and suffix in _YAML else None)
    if unread:
        raise LedgerError(f"{path}: is {unread}, whose rows aren't read: convert it to CSV or JSON Lines")
    if suffix in _LINES and not columns:
        return _of_lines(read_lines(path), path)
    raw = read_bytes(path)
    if columns:
        return _of_columns(raw, path, columns)
    if suffix == ".json":
        return _of_document(raw, path)
    bodies = _of_standard_input(raw) if path == STANDARD_INPUT else []
    return bodies or [_of_text(raw, path)]


def _with_marks(prompt: Prompt) -> Prompt:
    """Adds a note of what a template engine would have filled in."""
    marks = marks_in(prompt.text.texts)
    return _with_notes(prompt, [f"{listed_names(marks)} counted as written: {_FILLED}"] if marks else [])


def _with_notes(prompt: Prompt, notes: Iterable[str]) -> Prompt:
    warnings = (*prompt.warnings, *notes)
    return replace(prompt, warnings=warnings) if len(warnings) > len(prompt.warnings) else prompt


def prompt_of_body(name: str, value: object) -> Prompt:
    """Reads one request body, bare, as `request` of an envelope or `body` of a batch's line; LedgerError naming it."""
    return _prompt_in(name, value, unwrapped(name, value))


def _prompt_in(name: str, value: object, body: object) -> Prompt:
    """Reads the body of a value, and what stands beside it there."""
    given = given_keys(body) if isinstance(body, dict) else []
    if not isinstance(body, dict) or not given:
        raise LedgerError(f"{name}: isn't a request body: {EXPECTED}")
    if len(given) > 1 and body.get("messages") is not None:
        raise LedgerError(f"{name}: has {' and '.join(given)}, of two APIs: {EXPECTED}")
    reader = BodyReader(name)
    if body.get("messages") is None:
        reader.read_responses(body)
    else:
        reader.read_chat(body)
    reader.read_others(body)
    if body is not value:
        reader.read_beside(beside_body(value))
    overhead = TOKENS_OF_REQUEST + TOKENS_OF_MESSAGE * reader.messages
    model = body.get("model")
    return Prompt(
        name,
        PromptText(tuple(reader.texts), overhead, schemas=tuple(reader.schemas)),
        model=model if isinstance(model, str) and model else None,
        parts=tuple(reader.parts),
        max_output_tokens=reader.output_limit(body),
        choices=reader.choices(body),
    )


# --- bodies of files ------------------------------------------------------------------------------------------------


def _of_document(raw: bytes, path: str) -> list[Prompt]:
    prompts = [_prompt_of(name, value) for name, value in _values(raw, path)]
    if not prompts:
        raise LedgerError(f"{path}: holds no request: {EXPECTED}")
    return prompts


def _of_lines(lines: Iterable[bytes], path: str) -> Iterator[Prompt]:
    prompt = None
    for name, value in json_lines(lines, path):
        prompt = _prompt_of(name, value)
        yield prompt
    if prompt is None:
        raise LedgerError(f"{path}: holds no request: give one a line; {EXPECTED}")


def _prompt_of(name: str, value: object) -> Prompt:
    """Reads a body of a file, with what is to be said of it; names the fields of an object that is none."""
    body = unwrapped(name, value)
    if isinstance(value, dict) and value and not is_body(body):
        wrong = "its input is an object" if isinstance(body, dict) and given_keys(body) else EXPECTED
        raise LedgerError(f"{name}: isn't a request body: {wrong}; {_TAKES_FIELDS}: {listed_names(field_names(value))}")
    return _with_notes(_prompt_in(name, value, body), notes_of(value, body))


def _values(raw: bytes, path: str, *, of_rows: bool = False) -> Iterator[tuple[str, Any]]:
    """Yields the entries of a JSON list, the one value that isn't a list, or the lines of JSON Lines.

    A list of messages is one value, a request's, unless rows are asked for.
    """
    try:
        document = json_of(raw, path)
    except LedgerError:
        lines = [line for _, line in islice(named_lines(BytesIO(raw), path), 2)]
        if len(lines) < 2 or not isinstance(_json(lines[0]), (dict, list)):
            raise
        yield from json_lines(BytesIO(raw), path)
        return
    if not isinstance(document, list) or (is_conversation(document) and not of_rows):
        yield path, document
        return
    for index, value in enumerate(document):
        yield f"{path}[{index}]", value


# --- rows of eval sets ----------------------------------------------------------------------------------------------


def _of_columns(raw: bytes, path: str, columns: Sequence[str]) -> list[Prompt]:
    prompts = []
    for row in bodies_of(_rows(raw, path, columns), columns, path):
        body = unwrapped(row.name, row.body)
        notes = [*notes_of(row.body, body), *row.warnings]
        prompts.append(_with_notes(_prompt_in(row.name, row.body, body), notes))
    return prompts


def _rows(raw: bytes, path: str, columns: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yields named rows of JSON, where the file is called so or begins so, or else of CSV."""
    suffix = PurePath(path).suffix.lower()
    if suffix in _LINES:
        return json_lines(BytesIO(raw), path)
    if suffix == ".json" or (suffix not in _TABLES and _begins_as_json(raw)):
        return _values(raw, path, of_rows=True)
    return table_rows(raw, path, columns)


# --- texts ----------------------------------------------------------------------------------------------------------


def _of_text(raw: bytes, path: str) -> Prompt:
    text = text_of(raw, path)
    notes = list(_notes_of_text(raw, path))
    if not text.strip():
        notes = ["holds no text"]
    return Prompt(path, PromptText((text,)), warnings=tuple(notes))


def _notes_of_text(raw: bytes, path: str) -> Iterator[str]:
    """Yields what is to be said of a text that holds several."""
    suffix = PurePath(path).suffix.lower()
    if suffix in _TABLES:
        yield f"is read as one text; {_TAKES_FIELDS}{_columns_of(raw, path)}"
    elif suffix in _YAML:
        yield "is read as one text, YAML and all: prompts within it are read from text, JSON Lines or CSV files"
    elif suffix in _MARKED or (suffix == ".prompt" and raw.lstrip(_BLANK).startswith(b"---")):
        yield "is read as written, front matter and markup too"
    elif _begins_as_json(raw):
        first = _first_of_json(raw)
        if first is not None:
            yield f"is read as one text, JSON and all{_hint_of_json(first)}"


def _hint_of_json(first: object) -> str:
    if _is_request(first):
        return ": call the file .json or .jsonl to have its requests read"
    return f"; {_TAKES_FIELDS}: {listed_names(field_names(first))}" if isinstance(first, dict) and first else ""


def _first_of_json(raw: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Returns the first entry of a text that is a JSON list or JSON Lines of objects, or its value; None else."""
    whole = _json(raw)
    if isinstance(whole, list) and whole and not is_conversation(whole):
        return whole[0]
    if whole is not None:
        return whole
    lines = [line for _, line in named_lines(BytesIO(raw), "")]
    is_lines = len(lines) > 1 and all(isinstance(_json(line), dict) for line in lines)
    return _json(lines[0]) if is_lines else None


def _columns_of(raw: bytes, path: str) -> str:
    try:
        return f": {listed_names(table_columns(raw, path))}"
    except LedgerError:  # a text may be no table at all
        return ""


# --- standard input -------------------------------------------------------------------------------------------------


def _of_standard_input(raw: bytes) -> Iterable[Prompt]:
    """Returns the bodies on standard input, one, a list or one a line; none where it is a text."""
    if not _begins_as_json(raw):
        return []
    whole = _json(raw)
    if whole is not None:
        return _of_document(raw, STANDARD_INPUT) if _is_request(_first_of_json(raw)) else []
    lines = list(islice(named_lines(BytesIO(raw), STANDARD_INPUT), 2))
    return _of_lines(BytesIO(raw), STANDARD_INPUT) if len(lines) > 1 and _is_request(_json(lines[0][1])) else []


def _is_request(value: object) -> bool:
    """Tells whether a value is meant as a request body, right or wrong."""
    if is_conversation(value):
        return True
    return isinstance(value, dict) and (bool(value.keys() & _MARKING_KEYS) or is_of_batch(value))


def _begins_as_json(raw: bytes) -> bool:
    return raw.lstrip(_BLANK)[:1] in (b"{", b"[")


def _json(raw: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Returns the value that bytes are as JSON; None where they are none."""
    try:
        return json_of(raw, STANDARD_INPUT)
    except LedgerError:
        return None
