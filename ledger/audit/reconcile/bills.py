"""Bills as JSON answers of the providers' own interfaces -> a table like that of a file, or a balance.

Volcengine: `ListBillDetail` of its billing API (version 2022-01-01), pages one after the other or in a list; amounts
are text, `PayableAmount` what is to be paid, `Total` the number of rows, -1 unless the call said `NeedRecordNum: 1`
(volcengine.com/docs/6269/1127842). EvoLink: `GET /v1/credits` (docs.evolink.ai, account management).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from ledger.audit.reconcile.tables import Number, Table
from ledger.errors import LedgerError
from pricing.money import NANO, format_nano, round_units

# What each field of a statement is called in a bill.
BILL_COLUMNS = {"day": "ExpenseDate", "amount": "PayableAmount", "currency": "Currency"}


class CreditsLeft(NamedTuple):
    """Credits as EvoLink states them, plain decimals; None where the answer leaves one out."""

    remaining: str
    used: str | None
    key_remaining: str | None
    key_used: str | None


def read_answers(name: str, data: bytes) -> list[dict[str, Any]]:
    """Reads JSON objects: one, a list of them, or one a line; numbers keep their digits."""
    decode = msgspec.json.Decoder(float_hook=Decimal).decode
    try:
        try:
            found = decode(data)
        except msgspec.DecodeError:
            found = [decode(line) for line in data.splitlines() if line.strip()]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LedgerError(f"{name} can't be read as JSON ({error}): fetch the answer again") from None
    answers = found if isinstance(found, list) else [found]
    if not answers or not all(isinstance(answer, dict) for answer in answers):
        raise LedgerError(f"{name} has no JSON object: give the provider's answer as it came")
    return answers


def read_bill(name: str, answers: list[dict[str, Any]]) -> Table:
    """Reads a Volcengine bill whole; LedgerError where pages are missing or products are mixed."""
    results = [_result(name, answer) for answer in answers]
    rows = [row for result in results for row in result["List"]]
    if not rows:
        raise LedgerError(f"{name} is a bill without rows: there is nothing to compare")
    _check_whole(name, results, len(rows))
    products = sorted({str(row.get("Product")) for row in rows})
    if len(products) > 1:
        raise LedgerError(
            f"{name} has bills of several products ({', '.join(products[:5])}): fetch it with Product set to the one "
            "that sells the models"
        )
    header = list(dict.fromkeys(key for row in rows for key, value in row.items() if _is_scalar(value)))
    columns = {
        field: column
        for field, column in BILL_COLUMNS.items()
        if any(row.get(column) not in (None, "") for row in rows)
    }
    return Table(1, header, _texts(rows, header), columns)


def read_credits(name: str, answer: dict[str, Any]) -> CreditsLeft:
    """Reads EvoLink's answer on credits; LedgerError where it holds none."""
    data = answer.get("data")
    user, key = (data.get(part) if isinstance(data, dict) else None for part in ("user", "token"))
    if answer.get("success") is False or not isinstance(user, dict):
        message = answer.get("message") or answer.get("error") or "no data.user"
        raise LedgerError(f"{name} states no credits ({str(message)[:80]}): give the answer of GET /v1/credits")
    key = key if isinstance(key, dict) else {}
    remaining = _decimal(user.get("remaining_credits"))
    if remaining is None:
        raise LedgerError(f"{name} has no number at data.user.remaining_credits: give the answer of GET /v1/credits")
    unlimited = key.get("unlimited_credits") is True
    return CreditsLeft(
        remaining,
        _decimal(user.get("used_credits")),
        None if unlimited else _decimal(key.get("remaining_credits")),
        _decimal(key.get("used_credits")),
    )


def _result(name: str, answer: dict[str, Any]) -> dict[str, Any]:
    fault = (
        answer.get("ResponseMetadata", {}).get("Error") if isinstance(answer.get("ResponseMetadata"), dict) else None
    )
    if fault:
        raise LedgerError(f"{name} is an error of the provider ({str(fault)[:120]}): fetch the bill again")
    result = answer.get("Result", answer)
    rows = result.get("List") if isinstance(result, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise LedgerError(
            f"{name} is JSON, but not a bill that is known: give Volcengine's ListBillDetail, EvoLink's credits, or CSV"
        )
    return dict(result)


def _check_whole(name: str, results: Iterable[dict[str, Any]], rows: int) -> None:
    totals = [result.get("Total") for result in results]
    offsets = [str(result.get("Offset")) for result in results]
    if any(total != rows for total in totals) or len(set(offsets)) < len(offsets):
        stated = ", ".join(sorted({str(total) for total in totals}))
        raise LedgerError(
            f"{name} isn't the whole bill: it has {rows} rows, its Total is {stated}, its pages begin at "
            f"{', '.join(offsets[:9])}; fetch all pages with NeedRecordNum 1 and give each once, one a line"
        )


def _texts(rows: list[dict[str, Any]], header: list[str]) -> Iterator[tuple[int, list[str]]]:
    for number, row in enumerate(rows, 1):
        yield number, [Number("" if row.get(name) is None else row[name]) for name in header]


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | Decimal)


def _decimal(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    with suppress(ValueError):
        return format_nano(round_units(str(value), NANO))
    return None
