"""The dimensions of reports, and tags. Nothing slow is loaded to know them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ledger.errors import LedgerError
from pricing.errors import shown
from pricing.names import did_you_mean, with_question

DIMENSIONS = (
    "model", "project", "day", "month", "tier", "source", "provider", "status", "currency", "charge_class",
    "service_tier",
)  # fmt: skip
TAG_PREFIX = "tag:"
# A tag as somebody may write it who remembers it nearly.
_NEARLY_A_TAG = re.compile(r"tags?[:=./ ]", re.IGNORECASE)


def check_dimension(name: str, dimensions: Sequence[str] = DIMENSIONS) -> None:
    """Refuses what is none of the dimensions and no tag:KEY, by naming the nearest one and the tag it may be."""
    if name in dimensions or (name.startswith(TAG_PREFIX) and name != TAG_PREFIX):
        return
    key = _NEARLY_A_TAG.sub("", name, count=1) or "KEY"
    one_of = "one of " if len(dimensions) > 1 else ""
    words = f"for a tag give {shown(TAG_PREFIX + key)}, else {one_of}{', '.join(dimensions)}"
    question = did_you_mean(name, dimensions)
    here = " here" if name in DIMENSIONS else ""
    raise LedgerError(f"--by {shown(name)} isn't a dimension{here}: {with_question(question, words)}")
