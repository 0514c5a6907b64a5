"""Files of bills, told apart by their first bytes: a workbook, a provider's JSON answer, or CSV."""

from __future__ import annotations

from itertools import chain

from ledger.audit.reconcile.bills import CreditsLeft, read_answers, read_bill, read_credits
from ledger.audit.reconcile.tables import Table, read_csv
from ledger.audit.reconcile.workbooks import read_workbook
from ledger.intake.containers.source import Source
from ledger.values.layout import Layout

_WORKBOOK = b"PK\x03\x04"


def read_file(source: Source, layout: Layout) -> Table | CreditsLeft:
    """Reads the table of a bill, or the credits that an answer states; LedgerError names what to give."""
    blocks = source.blocks()
    head = next(blocks, b"")
    if head.startswith(_WORKBOOK):
        return read_workbook(source.name, b"".join([head, *blocks]), layout)
    if head.lstrip()[:1] not in (b"{", b"["):
        return read_csv(source, chain([head], blocks), layout)
    answers = read_answers(source.name, b"".join([head, *blocks]))
    if len(answers) == 1 and "data" in answers[0]:
        return read_credits(source.name, answers[0])
    return read_bill(source.name, answers)
