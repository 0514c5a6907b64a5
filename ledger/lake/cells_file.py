"""The file of a manifest's sums: charges by their labels, price and quarter-hour, as Arrow columns."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from ledger.store.tables import MEASURES

_TIME = pa.timestamp("us", tz="UTC")
# Sums may pass 64 bits where no ledger could hold them: they are exact here, and refused there.
_SUM = pa.decimal128(38, 0)

LABELS: Final = (
    "occurred_month", "source", "provider", "currency", "billed_model", "project", "tier", "status", "kind", "tags",
)  # fmt: skip
"""Labels of the charges of a cell, in the ledger's words; `tags` are the rolled-up ones as JSON, keys sorted."""

KEY: Final = pa.schema(
    [
        *((name, pa.string()) for name in LABELS),
        ("rate_entry", pa.string()),  # the price entry's key, as exports print it
        ("per_usd_nano", pa.int64()),  # of the conversion, with its first day; both null in USD
        ("conversion_from", _TIME),
    ]
)
"""The key of a cell without its time: what its charges have alike."""

CELLS: Final = pa.schema(
    [
        *KEY,
        ("quarter", _TIME),  # the quarter-hour's beginning
        *((name, _SUM) for name in MEASURES),
        ("last_occurred_at", _TIME),
    ]
)
