"""Prices of Arrow record batches, by the rule of all prices; needs the extra `parquet`."""

from __future__ import annotations

try:
    from pricing.arrow.prices import price_batches
    from pricing.arrow.schema import RESULT_SCHEMA, USAGE_SCHEMA
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "record batches need pyarrow: pip install 'tollbook[parquet]'", name=error.name
    ) from error

__all__ = ["RESULT_SCHEMA", "USAGE_SCHEMA", "price_batches"]
