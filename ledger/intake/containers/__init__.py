"""Files as they come, plain or compressed: lines, arrays, documents, tables and event streams, read into items."""

from __future__ import annotations

from ledger.intake.containers.lines import LineChunk
from ledger.intake.containers.reading import LineReader, SourceReader, parse_line, parse_object, read_source
from ledger.intake.containers.source import Source, open_source, open_sources
from ledger.intake.fields.record import Item
from ledger.intake.fields.record_fields import to_fields
from ledger.intake.fields.values import check_tag
from ledger.intake.formats.format import Format
from ledger.intake.formats.registry import AUTO, FORMATS, recognise

__all__ = [
    "AUTO",
    "FORMATS",
    "Format",
    "Item",
    "LineChunk",
    "LineReader",
    "Source",
    "SourceReader",
    "check_tag",
    "open_source",
    "open_sources",
    "parse_line",
    "parse_object",
    "read_source",
    "recognise",
    "to_fields",
]
