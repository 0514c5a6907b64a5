"""The schema's revision that this code works on."""

from __future__ import annotations

HEAD_REVISION = "0015"


def name_other_schema(revision: str, where: str) -> str | None:
    """Says which command a ledger of another schema than this code's needs; None where it is this one."""
    if revision < HEAD_REVISION:
        return (
            f"the ledger at {where} is of schema {revision}, this tollbook needs {HEAD_REVISION}: "
            "run 'tollbook db upgrade'"
        )
    if revision > HEAD_REVISION:
        return (
            f"the ledger at {where} is of schema {revision}, newer than this tollbook's {HEAD_REVISION}: "
            "run 'pip install --upgrade tollbook'"
        )
    return None
