"""The metadata that all tables share, with the names that constraints and indexes get."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
from sqlalchemy import MetaData

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def digest_of(values: Sequence[object]) -> str:
    """Computes sha256 over values as a JSON array: what a combination that is stored once is found by."""
    return hashlib.sha256(msgspec.json.encode(values)).hexdigest()
