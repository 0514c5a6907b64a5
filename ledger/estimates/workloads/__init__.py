"""Workloads of tollbook.toml, priced for a month."""
