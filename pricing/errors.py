"""Refusals of pricing, each with a machine-readable reason and a one-line message."""

# ruff: noqa: N818 - the names say what is wrong, as the messages do

from __future__ import annotations

import re
from decimal import Decimal

_MOST_NAME = 100
# What programs call a thing: words, with a few digits behind or before. A sentence is none, nor is a random key.
_NAME = re.compile(r"_?{0}(?:[_./-]+{0})*".format("(?:[A-Za-z]{1,30}[0-9]{0,4}|[0-9]{1,4}[A-Za-z]{0,2})"))
_BARE_KEY = re.compile(r"[A-Za-z0-9_.-]{1,200}", re.ASCII)


class PricingError(ValueError):
    """A price that can't be computed; `reason` is a snake_case slug that programs may rely on."""

    reason: str = "pricing_error"

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        """`message` names the value, the rule and the next step, in one line."""
        super().__init__(message)
        if reason is not None:
            self.reason = reason


class RecordError(ValueError):
    """A usage record that can't be kept as it is; `reason` is a slug as that of a PricingError."""

    def __init__(self, reason: str, message: str) -> None:
        """`message` names the value, the rule and the next step, in one line."""
        super().__init__(message)
        self.reason = reason


class UnknownModel(PricingError):
    """The card has neither a model nor an alias of this name."""

    reason = "unknown_model"


class NoRateInEffect(PricingError):
    """The model has no price entry at this instant."""

    reason = "no_rate_in_effect"


class NoConversionInEffect(PricingError):
    """The card has no conversion to USD at this instant."""

    reason = "no_conversion_in_effect"


class MissingRate(PricingError):
    """Tokens on a meter that the entry gives no rate for: an error, never zero."""

    reason = "missing_rate"


class UnpricedUsage(PricingError):
    """Usage of a kind that no card prices; `reason` says which kind."""

    reason = "unpriced_usage"


class InvalidUsage(PricingError):
    """Usage facts that contradict each other or break a limit; `reason` says which."""

    reason = "invalid_usage"


class AmountOverflow(PricingError):
    """tokens x rate past 2**63 - 1 pico: refused, never wrapped."""

    reason = "amount_overflow"


class RateCardError(PricingError):
    """A rate card file that can't be used; the message names file and key."""

    reason = "rate_card"


class UnknownCard(PricingError):
    """No rate card of this name ships."""

    reason = "unknown_card"


class UnknownEncoding(PricingError):
    """No token encoding of this name can be counted with."""

    reason = "unknown_encoding"


class UnusableVocabulary(PricingError):
    """A token encoding's vocabulary is missing or damaged on this machine."""

    reason = "unusable_vocabulary"


class UnusableCalibration(PricingError):
    """A calibration that can't be read, or is for other counts than the ones to be corrected."""

    reason = "unusable_calibration"


class TooFewPairs(PricingError):
    """Not enough pairs of text and real count to fit a model's correction."""

    reason = "too_few_pairs"


def shown(value: object, limit: int = 80) -> str:
    """Returns a foreign value for a message: its `repr`, without control characters, cut after `limit`."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"(a number of {value.bit_length()} bits)"
    text = repr(value[: limit + 1] if isinstance(value, str) else value)
    return text if len(text) <= limit else f"{text[:limit]}..."


def described(value: object) -> str:
    """Returns a foreign value for a message: a number as it is, all else by kind and size, never its words.

    So is told what stands where a count belongs: it may be a prompt, an answer or a key.
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        # Python refuses to print integers of more than 4,300 digits.
        return str(value) if value.bit_length() <= 128 else f"(a number of {value.bit_length()} bits)"
    if isinstance(value, float | Decimal):
        return str(value)[:40]
    if isinstance(value, str):
        return f"(a text of {len(value)} {'character' if len(value) == 1 else 'characters'})"
    if isinstance(value, dict | list):
        return "(an object)" if isinstance(value, dict) else "(a list)"
    return f"(a {type(value).__name__})"


def is_name(value: object) -> bool:
    """Tells whether a text is plain words such as `usage.cached_tokens` or `flex`."""
    return isinstance(value, str) and len(value) <= _MOST_NAME and _NAME.fullmatch(value) is not None


def shown_word(value: object) -> str:
    """Returns what stands where one word belongs, such as a status: quoted if it is one, else described."""
    return repr(value) if is_name(value) else described(value)


def retold(error: Exception) -> tuple[str, str]:
    """Splits what msgspec says into key and rule, in words for people.

    "Expected `str`, got `float` - at `$.model[0].id`" is ("model[0].id", "expected str, got float").
    """
    what, _, path = str(error).partition(" - at `$")
    key, name = path.strip(".`"), what.partition("`")[2].removesuffix("`")
    if what.startswith("Object missing"):
        return joined_key(key, name), "is missing; add it"
    if what.startswith("Object contains unknown"):
        return joined_key(key, name), "isn't a key of this file; remove it or correct its name"
    return key, f"{what[0].lower()}{what[1:]}".replace("`", "")


def joined_key(key: str, name: str) -> str:
    """Returns the key of `name` within that of a table; quoted where it isn't a plain one."""
    name = name if _BARE_KEY.fullmatch(name) else shown(name)
    return f"{key}.{name}" if key else name
