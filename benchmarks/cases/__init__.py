"""The cases in the order in which they run; a new one is a file here, with its CASES."""

from __future__ import annotations

from benchmarks.cases import (
    commands,
    estimate_many,
    ingest,
    lake,
    lake_spark,
    page,
    pricing,
    record,
    report,
    startup,
    tokens,
)

CASES = {
    case.name: case
    for room in (pricing, ingest, lake, lake_spark, commands, record, report, page, startup, tokens, estimate_many)
    for case in room.CASES
}
