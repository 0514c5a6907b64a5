"""A signed-off head: the log's last entry as a small file says it, kept where whoever writes the ledger can't."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from ledger.audit.verification import Head
from ledger.errors import LedgerError
from ledger.values.instants import iso_text

MAX_BYTES = 10_000


class _Document(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The file: `ledger` is where it was, without secrets, for people alone."""

    schema: Literal[1] = 1
    sequence: int
    digest: str
    at: str
    ledger: str


def head_document(head: Head, url: str) -> bytes:
    """Writes an entry of the log as a file holds it."""
    found = _Document(sequence=head.sequence, digest=head.digest, at=iso_text(head.at_us), ledger=url)
    return msgspec.json.encode(found) + b"\n"


def read_head(path: str) -> Head | None:
    """Reads a file's entry; None where there is no file yet, LedgerError where it holds no head."""
    if Path(path).exists() and not Path(path).is_file():
        raise LedgerError(f"--head {path}: isn't a file: name one that 'tollbook verify' wrote, or not there yet")
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES)
        found = msgspec.json.decode(data, type=_Document)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise LedgerError(
            f"--head {path}: isn't a head that 'tollbook verify' wrote ({error}): restore it; nothing was checked"
        ) from error
    if found.sequence < 1 or len(found.digest) != 64:
        raise LedgerError(f"--head {path}: has no entry's number and digest: restore it; nothing was checked")
    return Head(found.sequence, found.digest)
