"""Files of whole and damaged usage, each with the rows that it must and the rows that it may become."""

from __future__ import annotations

import copy
import csv
import gzip
import random
from dataclasses import dataclass, field

import zstandard

from tests.fuzz import seeds
from tests.fuzz.mutations import ODD, SECRETS, TIMES, damage, harmless, mutate, text_of
from tests.fuzz.oracle import Row
from tests.fuzz.seeds import CSV_COLUMNS, OBJECTS
from tests.fuzz.texts import decoded, rows_of, rows_of_cells, rows_of_events
from tests.helpers.sources import AT
from tests.intake.test_sse import sse

ITEMS = 50
KINDS = ("whole", "harmless", "mutated", "damaged")
WEIGHTS = (3, 2, 8, 3)


@dataclass
class UsageFile:
    """The bytes to ingest, and what comes of them."""

    data: bytes = b""
    sure: set[Row] = field(default_factory=set)
    possible: set[Row] = field(default_factory=set)
    texts: list[bytes] = field(default_factory=list)

    def expect(self, text: bytes, rows: set[Row], *, sure: bool) -> None:
        """Notes one item and the rows it may become; a sure one has a row."""
        self.texts.append(text)
        self.possible |= rows
        if sure:
            assert rows, f"the oracle would refuse what nothing was done to: {text!r}"
            self.sure |= rows

    def deny(self, rows: set[Row], what: str) -> None:
        """Fails where there are such rows, with the items that have their ids."""
        for row in rows:
            texts = "\n".join(str(text) for text in self.texts if row.request_id.encode() in text)
            raise AssertionError(f"{what}: {row}\n{texts}")


def _names(chance: random.Random, form: str) -> list[tuple[str, str]]:
    """The damage of each item, and its id."""
    run = f"{form}-{chance.getrandbits(40):x}"
    return [(chance.choices(KINDS, WEIGHTS)[0], f"{run}-{number}") for number in range(ITEMS)]


def _item(chance: random.Random, form: str, kind: str, name: str) -> bytes:
    obj = copy.deepcopy(OBJECTS[form](chance, name))
    if kind == "harmless" and form not in ("records", "otel"):
        harmless(chance, obj)
    if kind == "mutated":
        if form == "otel" and chance.random() < 0.3:
            seeds.hide_in_span(chance, obj)
        else:
            mutate(chance, obj)
    text = text_of(chance, obj).encode("utf-8", "surrogatepass")
    return damage(chance, text) if kind == "damaged" else text


def lines_file(chance: random.Random, form: str, read_as: str) -> UsageFile:
    """JSON Lines with ends of both systems, blank and doubled lines; the last may have no end."""
    made = UsageFile()
    parts: list[bytes] = []
    for kind, name in _names(chance, form):
        text = _item(chance, form, kind, name)
        made.expect(text, rows_of(text, read_as), sure=kind in KINDS[:2])
        end = chance.choice([b"\n", b"\n", b"\r\n", b"\n\n", b"\n \r\n"])
        parts += [text + end] * chance.choice([1, 1, 1, 1, 2])
    made.data = b"".join(parts).removesuffix(b"\n" if chance.random() < 0.3 else b"")
    return made


def array_file(chance: random.Random, form: str, read_as: str) -> UsageFile:
    """One JSON array; what was damaged is still JSON each."""
    made = UsageFile()
    texts: list[bytes] = []
    for kind, name in _names(chance, form):
        text = _item(chance, form, kind, name)
        if kind in KINDS[:2] or isinstance(decoded(text), dict):
            made.expect(text, rows_of(text, read_as), sure=kind in KINDS[:2])
            texts.append(text)
    made.data = b"[" + chance.choice([b",", b",\n", b" ,\r\n"]).join(texts) + b"]\n"
    return made


def events_file(chance: random.Random, _form: str, _read_as: str) -> UsageFile:
    """Captured streams of both APIs, one after another; events are damaged, dropped, doubled."""
    made = UsageFile()
    parts: list[bytes] = []
    for kind, name in _names(chance, "sse"):
        events = copy.deepcopy(chance.choice([seeds.responses_stream, seeds.chat_stream])(chance, name))
        if kind == "mutated":
            place = chance.randrange(len(events))
            if isinstance(events[place], dict) and chance.random() < 0.7:
                known = events[place].get("id")
                mutate(chance, events[place])
                if known:
                    events[place]["id"] = known  # or chunks of two streams would be one
            elif chance.random() < 0.5:
                events.insert(place, events[place])
            else:
                del events[place]
        end = chance.choice(["\n", "\r\n"])
        texts = [each if isinstance(each, str) else text_of(chance, each) for each in events]
        text = sse(*texts, end=end).encode("utf-8", "surrogatepass")
        if kind == "damaged":
            text = damage(chance, text) + b"\n\n"
        made.expect(text, rows_of_events(text), sure=kind in KINDS[:2])
        parts.append(text)
    made.data = b"".join(parts)
    return made


def table_file(chance: random.Random, _form: str, _read_as: str) -> UsageFile:
    """A CSV of records whose cells are replaced and whose rows are damaged; one quote is left open at most."""
    made = UsageFile()
    rows = [",".join(CSV_COLUMNS).encode()]
    open_quotes = 0
    odd = [*ODD, *TIMES, *(f"{AT}.{place}" for place in (0, 5))]
    secret = [text for text in SECRETS if isinstance(text, str)]
    for kind, name in _names(chance, "csv"):
        cells = seeds.csv_row(seeds.records(chance, name))
        if kind == "mutated":
            place = chance.randrange(len(cells))
            may_hide = CSV_COLUMNS[place] not in ("request_id", "requested_model", "tags", "tag.team")
            cell = str(chance.choice(secret if may_hide and chance.random() < 0.3 else odd))
            cells[place] = cell.encode("utf-8", "replace").decode()
        text = seeds.csv_text(cells).encode()
        if kind == "damaged":
            text = damage(chance, text)
            open_quotes += text.count(b'"') % 2
            if text.count(b'"') % 2 and open_quotes > 1:
                continue
        made.expect(text, _rows_of_line(text), sure=kind in KINDS[:2])
        rows.append(text)
    made.data = chance.choice([b"\n", b"\r\n"]).join(rows) + b"\n"
    return made


def _rows_of_line(text: bytes) -> set[Row]:
    try:
        [cells] = csv.reader([text.decode()], skipinitialspace=True)
    except (ValueError, csv.Error):
        return set()
    return rows_of_cells(dict(zip(CSV_COLUMNS, cells, strict=True))) if len(cells) == len(CSV_COLUMNS) else set()


def compressed(chance: random.Random, data: bytes) -> bytes:
    """The same as it is, as gzip or as zstd, in one or more parts."""
    cut = chance.randrange(len(data))
    return chance.choice(
        [
            data,
            gzip.compress(data),
            gzip.compress(data[:cut]) + gzip.compress(data[cut:]),
            zstandard.compress(data),
            zstandard.compress(data[:cut]) + zstandard.compress(data[cut:]),
        ]
    )
