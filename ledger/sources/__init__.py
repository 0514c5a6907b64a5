"""Usage as others write it -> usage records: one module an input format, and a registry of them."""

from __future__ import annotations

from ledger.sources.base import Format, Item
from ledger.sources.fields import to_fields
from ledger.sources.files import Source, open_source, open_sources
from ledger.sources.lines import LineChunk
from ledger.sources.reading import LineReader, SourceReader, parse_line, parse_object, read_source
from ledger.sources.registry import AUTO, FORMATS, recognise
from ledger.sources.values import check_tag

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
