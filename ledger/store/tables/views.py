"""The face that queries read: usage records and charges, each a row, which the migrations define as views."""

from __future__ import annotations

from sqlalchemy import Column, MetaData, Table, Text

from ledger.store.tables.columns import BigInt, Flag, UtcTime, optional, required, row_id

_metadata = MetaData()

usage_records = Table(
    "usage_records",
    _metadata,
    row_id(comment="of its first charge"),
    *required(BigInt, "batch_id"),
    *required(Text, "kind", "source", "request_id"),
    *required(BigInt, "generation"),
    *required(Text, "provider"),
    *required(UtcTime, "occurred_at"),
    *optional(Text, "requested_model", "reported_model"),
    *required(Text, "project", "status"),
    *optional(Text, "service_tier"),
    *required(BigInt, "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens"),
    *required(Text, "tags"),
    *optional(BigInt, "storage_tokens"),
    *optional(UtcTime, "storage_end"),
    *optional(BigInt, "provider_amount_nano"),
    *required(Flag, "assumed"),
    *optional(BigInt, "tool_calls", "cache_write_5m_tokens", "cache_write_1h_tokens", "calls"),
)

charges = Table(
    "charges",
    _metadata,
    row_id(comment="posted_seq: order of posting"),
    *required(BigInt, "batch_id"),
    Column("usage_record_id", BigInt, comment="null for adjustments"),
    *required(Text, "charge_class"),
    Column("corrects_id", BigInt, comment="the charge reversed or replaced"),
    *required(Text, "occurred_month", "posted_month", "project", "provider", "currency", "billed_model"),
    *required(Flag, "model_differs"),
    *optional(BigInt, "rate_entry_id", "conversion_id"),
    *required(Text, "tier"),
    *required(BigInt, "input_nano", "cached_input_nano", "output_nano", "cache_storage_nano", "amount_nano"),
    *optional(BigInt, "cache_write_5m_nano", "cache_write_1h_nano", "call_nano"),
)
