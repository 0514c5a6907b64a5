"""The one currency of a bill: by option, the header of its amounts, columns of currencies, or beside its amounts."""

from __future__ import annotations

from collections.abc import Iterable

from ledger.values.amounts import currency_of
from ledger.values.currencies import currency_named, named_in


class BillCurrency:
    """The currency as far as it is known; ValueError says which two sources contradict each other.

    A header such as `Subtotal after credits ($)` names several: then one of them must be said elsewhere.
    """

    def __init__(self, option: str | None, header: str) -> None:
        named = named_in(header)
        if named.scale is not None:
            raise ValueError(
                f"its name says {named.scale!r}: amounts are read in whole units of a currency, such as USD; turn the "
                "column into these and name it so"
            )
        self.code = None if option is None else currency_of(option)
        self._source = "--currency"
        self._plain_line = 0
        self._named = named
        if self.code is None and len(named.codes) == 1 and named.unknown is None:
            (self.code,) = named.codes
            self._source = "its header"
        elif self.code is not None and named.codes and self.code not in named.codes:
            raise ValueError(
                f"its name says {_either(named.codes)}, but --currency says {self.code}: a statement has one currency"
            )

    def note(self, line: int, code: str) -> None:
        """Takes what a cell on a line says."""
        if self.code is None:
            if self._named.codes and code not in self._named.codes:
                raise ValueError(f"{code}, but the header of the amounts says {_either(self._named.codes)}")
            if self._plain_line:
                what = f"is in {code}, and line {self._plain_line} has no currency: --currency says which it is in"
                raise ValueError(what)
            self.code, self._source = code, ""
        elif code != self.code:
            if self._source:
                raise ValueError(f"{code}, but {self._source} says {self.code}: a statement has one currency")
            raise ValueError(f"{code} after {self.code}: a statement has one currency; split the file")

    def note_text(self, line: int, text: str) -> None:
        """Takes the text of a currency's column."""
        code = _read(text)
        if code is None:
            raise ValueError(f"{text[:40]!r} isn't a currency: give CRD or an ISO 4217 code")
        self.note(line, code)

    def note_unmapped(self, line: int, text: str) -> None:
        """Takes the text of a column that is one of currencies by its name alone."""
        code = _read(text)
        if code is not None:
            try:
                self.note(line, code)
            except ValueError as error:
                raise ValueError(f"{error}, or --map currency=COLUMN says which column counts") from None
        elif self._source != "--currency" or self.code is None:
            what = f"{text[:40]!r} isn't a currency that is known: --map currency=COLUMN or --currency says which it is"
            raise ValueError(what)

    def note_none(self, line: int) -> None:
        """Takes an amount without a currency beside it; ValueError where its header doesn't say which it is in."""
        if self.code is not None:
            return
        named = self._named
        if named.unknown is not None:
            raise ValueError(f"its name says {named.unknown!r}, no currency that is known: --currency says which it is")
        if named.codes:
            raise ValueError(f"its name says {_either(named.codes)}: --currency says which it is")
        self._plain_line = line


def _read(text: str) -> str | None:
    """Returns the code of a column's cell, such as `USD`, `$` or `US Dollar`."""
    named = named_in(text)
    sole = len(named.codes) == 1 and named.unknown is None and named.scale is None
    return currency_named(text) or (next(iter(named.codes)) if sole else None)


def _either(codes: Iterable[str]) -> str:
    return " or ".join(sorted(codes))
