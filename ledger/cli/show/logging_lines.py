"""The words of a command's loggers, on standard error, as lines for people or as one JSON object a line."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from ledger.values.instants import moment_text
from ledger.values.safe_text import json_text, visible


def show_logging(*, debug: bool, as_json: bool) -> Callable[[], None]:
    """Shows what tollbook's loggers say from now on; returns the function that ends that."""
    logger = logging.getLogger("tollbook")
    before = logger.level
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter() if as_json else _LineFormatter())
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if debug else logging.INFO)

    def end() -> None:
        logger.removeHandler(handler)
        logger.setLevel(before)

    return end


class _LineFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return visible(f"{_time(record)} {record.levelname} {record.name}: {record.getMessage()}")


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json_text(
            {
                "time": _time(record),
                "level": record.levelname,
                "logger": record.name,
                "message": record.getMessage(),
                "fields": dict(record.args) if isinstance(record.args, Mapping) else {},
            }
        )


def _time(record: logging.LogRecord) -> str:
    return moment_text(datetime.fromtimestamp(record.created, UTC), "milliseconds")
