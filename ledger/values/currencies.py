"""Currencies as bills name them: codes, signs and words in headers and beside digits, and units that aren't whole."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

from ledger.values.amounts import currency_of

_SIGNS: Final = {"€": "EUR", "£": "GBP", "¥": "CNY", "₹": "INR", "₩": "KRW", "₽": "RUB", "₺": "TRY", "₫": "VND"}
_NAMES: Final = {
    "RMB": "CNY", "YUAN": "CNY", "EURO": "EUR", "EUROS": "EUR", "YEN": "JPY", "CN¥": "CNY", "元": "CNY",
    "人民币": "CNY", "人民幣": "CNY", "美元": "USD", "美金": "USD", "欧元": "EUR", "日元": "JPY", "港元": "HKD",
    "港币": "HKD", "英镑": "GBP", "新台币": "TWD",
}  # fmt: skip
# What is before or after a dollar sign.
_DOLLARS: Final = {
    "": "USD", "US": "USD", "C": "CAD", "CA": "CAD", "A": "AUD", "AU": "AUD", "HK": "HKD", "NT": "TWD", "S": "SGD",
    "SG": "SGD", "NZ": "NZD", "R": "BRL", "MX": "MXN",
}  # fmt: skip
_DOLLAR = re.compile(r"(?P<before>[A-Za-z]*)\$(?: ?(?P<after>[A-Z]{1,3})\b)?")
_SOME_DOLLAR = frozenset({"USD", "CAD", "AUD", "HKD", "SGD", "NZD", "TWD"})
# Codes that are words, too: they count in brackets alone.
_WORDS = frozenset({"ALL", "TOP", "TRY", "CUP", "MOP", "PEN", "GEL", "MAD", "SOS", "COP", "BAM", "AMD", "STD"})
_IN_BRACKETS = re.compile(r"[(\[]\s*([A-Z]{3})\s*[)\]]")
_NO_CURRENCY = frozenset({"NET", "VAT", "TAX", "GST", "UTC", "GMT", "SUM", "MTD", "YTD"})
_SCALES = frozenset(
    {
        "cent", "cents", "penny", "pence", "minor", "micro", "micros", "millicents", "microdollars", "fen", "分", "角",
        "kusd", "keur", "tusd", "teur", "tsd", "mio", "thousand", "thousands", "million", "millions",
        "cts", "nanos", "millis", "ticks", "hundredths", "smallest", "subunit", "subunits", "厘", "毫",
    }
)  # fmt: skip
_COMMON = "(?:USD|EUR|GBP|CNY|RMB|usd|eur|gbp|cny|rmb|Usd|Eur)"
# Thousands, parts of ten and cents beside a unit or within a word: `kUSD`, `US$ m`, `nano_usd`, `USD x 10^-6`.
_SCALED = re.compile(
    r"¢|\bk(?=[A-Z]{3}\b|[€£¥])|(?<!\d)(?:1[.,' ]?)?000s?\b|[十百千万亿][美欧日港]?元"
    rf"|(?<![A-Za-z])[kKmMμ] ?(?={_COMMON}(?![A-Za-z])|[$€£¥])"
    rf"|(?:(?<![A-Za-z]){_COMMON}[ _]?|[$€£¥] ?)(?:[kKmM]|mn|bn|nano)(?![A-Za-z])"
    rf"|(?:[Mm]icro|[Mm]illi|[Nn]ano)[ _-]?(?={_COMMON}|[Cc]ent|[Dd]ollar|[Cc]redit|[Uu]nit)|{_COMMON}_?[Cc]ents?"
    r"|(?<![A-Za-z])ct(?![A-Za-z])|10 ?\^|(?<![A-Za-z0-9])e-?(?:[369]|12)(?![A-Za-z0-9])"
)
_SAYS_CURRENCY = frozenset(
    {"currency", "currencycode", "currencies", "währung", "waehrung", "devise", "moneda", "valuta", "moeda"}
)
_SAYS_CURRENCY_WITHIN = re.compile("币种|货币|幣種|貨幣|通貨|통화")
_WORD_ENDS = re.compile(
    r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=[\u3040-\u9fff])|(?<=[\u3040-\u9fff])(?=[A-Za-z])"
)


class Named(NamedTuple):
    """Names in a header of amounts: codes of currencies, a sign or code of none, and a part or multiple of a unit."""

    codes: frozenset[str]
    unknown: str | None
    scale: str | None


def currency_named(word: str) -> str | None:
    """Returns the code of a currency's sign, code or name; None for any other word."""
    word = unicodedata.normalize("NFKC", word).strip()
    dollar = _DOLLAR.fullmatch(word)
    if dollar is not None:
        return _dollar(dollar)
    return _SIGNS.get(word) or _NAMES.get(word.upper()) or currency_of(word)


def named_in(header: str) -> Named:
    """Finds the currencies that a header names: `Cost (USD)`, `costInUsd`, `spend_cny`, `应付金额(元)`, `HK$`."""
    text = unicodedata.normalize("NFKC", header)
    words = _words(text)
    scaled = _SCALED.search(text)
    scale = next((word for word in words if word.lower() in _SCALES), None if scaled is None else scaled[0].strip())
    dollars = {found[0].strip(): _dollar(found) for found in _DOLLAR.finditer(text)}
    signs = {sign: _SIGNS.get(sign) for sign in text if sign != "$" and unicodedata.category(sign) == "Sc"}
    bracketed = {code: currency_of(code) for code in _IN_BRACKETS.findall(text) if code not in _NO_CURRENCY}
    found = dollars | signs | {word: currency_named(word) for word in bracketed}
    codes = {code for code in found.values() if code} | {code for word in words if (code := _code(word))}
    if {"dollar", "dollars"} & {word.lower() for word in words} and "USD" not in codes:
        codes |= {"USD"} if "US" in words else _SOME_DOLLAR
    if "JPY" in codes and "¥" in signs:
        codes.discard("CNY")
    return Named(frozenset(codes), next((word for word, code in found.items() if code is None), None), scale)


def says_currency(header: str) -> bool:
    """Tells whether a column is of currencies by its name: `amount_currency`, `currencyCode`, `币种`."""
    words = {word.lower() for word in _words(header)}
    return bool(words & _SAYS_CURRENCY) or _SAYS_CURRENCY_WITHIN.search(header) is not None


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", _WORD_ENDS.sub(" ", text))


def _code(word: str) -> str | None:
    if word.upper() in _WORDS or word.lower() == "credit":
        return None
    if word.endswith("元") and not word.endswith("单元"):
        return next((code for name, code in _NAMES.items() if name != "元" and word.endswith(name)), "CNY")
    glued = re.fullmatch(r"[a-z]{3,}(usd|cny|rmb)", word, re.IGNORECASE)
    return currency_named(glued[1] if glued else word) or next(
        (code for name, code in _NAMES.items() if not name.isascii() and name != "元" and name in word), None
    )


def _dollar(found: re.Match[str]) -> str | None:
    marks = [mark.upper() for mark in (found["before"], found["after"]) if mark] or [""]
    codes = {_DOLLARS.get(mark) or currency_of(mark) for mark in marks}
    return codes.pop() if len(codes) == 1 else None
