"""Corrections of tiktoken's counts to those of a model's own tokenizer, as `calibrate` fits them.

Doubao's tokenizer isn't public, so that a count has a range: it holds nine in ten of the pairs that the fit had not
seen, outliers apart. A calibration's figures are exact decimals of at most 4 places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from pricing.errors import UnusableCalibration, retold, shown
from pricing.estimating.tokens import ENCODINGS, ScriptTokens
from pricing.money import NANO, divide_half_even, format_nano, parse_units

SCHEMA = 1
SCALE = 10_000
MOST = 1_000_000 * SCALE
# No tokenizer is further from another: a fifth of its tokens, or five times as many.
LEAST_FACTOR, MOST_FACTOR = SCALE // 5, SCALE * 5


class TokenRange(NamedTuple):
    """A count known to be at least `low`, at most `high`, and best guessed as `expected`."""

    low: int
    expected: int
    high: int


class Errors(NamedTuple):
    """Errors of counts against the real ones, in tenths of a percent of these: half are off by less than the median.

    Bias is the median with its sign: below 0 where counts are too low.
    """

    median: int
    p90: int
    bias: int


@dataclass(frozen=True, slots=True)
class ModelCalibration:
    """One model's correction; factors, overhead and range are in units of 1 / SCALE.

    A request has factor x tokens, summed over the scripts, + message_factor x message overhead + schema_factor x tokens
    of its tools and schemas + `overhead`; `low` and `high` are the ends of the range for a count of 1. Too few pairs
    with schemas give no factor of these. `outliers` of the pairs are beyond twice or half of what the fit predicts:
    they have no part in the range.
    """

    pairs: int
    outliers: int
    by_script: bool
    factors: ScriptTokens
    message_factor: int
    overhead: int
    low: int
    high: int
    before: Errors
    after: Errors
    schema_factor: int | None = None

    def schema_tokens_of(self, tokens: int) -> int | None:
        """Computes the expected tokens of schemas that have these by tiktoken; None without a factor."""
        return None if self.schema_factor is None else divide_half_even(self.schema_factor * tokens, SCALE)

    def range_of(
        self,
        tokens: ScriptTokens,
        message_overhead_tokens: int = 0,
        *,
        schema_tokens: int = 0,
        whole_request: bool = True,
    ) -> TokenRange:
        """Computes the range for a text that has these tokens by tiktoken; its ends are rounded outwards.

        Schemas are in it where the calibration knows them.

        By factors of 1.25, an overhead of 7 and a range of 0.9 to 1.1, 100 tokens are 132, from 118 (118.8) to
        146 (145.2).
        """
        units = sum(factor * count for factor, count in zip(self.factors, tokens, strict=True))
        units += self.message_factor * message_overhead_tokens + (self.schema_factor or 0) * schema_tokens
        units += self.overhead if whole_request else 0
        low, high = units * self.low // SCALE**2, -(-units * self.high // SCALE**2)
        return TokenRange(low, divide_half_even(units, SCALE), high)

    def to_document(self) -> dict[str, Any]:
        """Returns the correction as JSON: figures are plain decimals in strings."""
        return {
            "pairs": self.pairs,
            "outliers": self.outliers,
            "by_script": self.by_script,
            "factors": {script: _plain(factor) for script, factor in self.factors._asdict().items()},
            "message_factor": _plain(self.message_factor),
            **({} if self.schema_factor is None else {"schema_factor": _plain(self.schema_factor)}),
            "overhead_tokens": _plain(self.overhead),
            "range": {"low": _plain(self.low), "high": _plain(self.high)},
            "error_before": _document_of(self.before),
            "error_after": _document_of(self.after),
        }


@dataclass(frozen=True, slots=True)
class Calibration:
    """The corrections of counts by one encoding, by the models' ids on their card."""

    encoding: str
    models: Mapping[str, ModelCalibration]

    def to_document(self) -> dict[str, Any]:
        """Returns the calibration as JSON; models by name, so that the same corrections are the same document."""
        models = {name: self.models[name].to_document() for name in sorted(self.models)}
        return {"schema": SCHEMA, "encoding": self.encoding, "models": models}

    @classmethod
    def from_document(cls, document: object, where: str) -> Calibration:
        """Reads what `to_document` wrote; UnusableCalibration naming `where` and the key where it is wrong."""
        if isinstance(document, dict) and document.get("schema", SCHEMA) != SCHEMA:
            raise _refused(where, f"schema {shown(document['schema'])} isn't {SCHEMA}, which this release reads")
        try:
            read = msgspec.convert(document, _Document)
            models = {name: _model_of(model, f"models.{name}") for name, model in read.models.items()}
        except msgspec.ValidationError as error:
            raise _refused(where, ": ".join(filter(None, retold(error)))) from None
        except ValueError as error:
            raise _refused(where, str(error)) from None
        if read.encoding not in ENCODINGS:
            raise _refused(where, f"encoding {shown(read.encoding)} isn't {' or '.join(ENCODINGS)}")
        return cls(read.encoding, models)

    def summary(self, model: str) -> dict[str, Any] | None:
        """Returns the correction of a model for an estimate's document, None without one."""
        found = self.models.get(model)
        return None if found is None else {"model": model, **found.to_document()}


# --- documents ------------------------------------------------------------------------------------------------------


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class _Factors(_Strict, frozen=True):
    words: str
    cjk: str
    digits: str
    symbols: str


class _Range(_Strict, frozen=True):
    low: str
    high: str


class _Errors(_Strict, frozen=True):
    median_percent: str
    p90_percent: str
    bias_percent: str


class _Model(_Strict, frozen=True):
    pairs: int
    outliers: int
    by_script: bool
    factors: _Factors
    message_factor: str
    overhead_tokens: str
    range: _Range
    error_before: _Errors
    error_after: _Errors
    schema_factor: str | None = None


class _Document(_Strict, frozen=True):
    schema: int
    encoding: str
    models: dict[str, _Model]


def _model_of(model: _Model, place: str) -> ModelCalibration:
    def units(text: str, key: str, lowest: int = 0, highest: int = MOST) -> int:
        return _units(text, f"{place}.{key}", SCALE, lowest, highest)

    stated = msgspec.structs.asdict(model.factors)
    factors = [units(text, f"factors.{key}", LEAST_FACTOR, MOST_FACTOR) for key, text in stated.items()]
    return ModelCalibration(
        model.pairs,
        model.outliers,
        model.by_script,
        ScriptTokens(*factors),
        units(model.message_factor, "message_factor"),
        units(model.overhead_tokens, "overhead_tokens"),
        units(model.range.low, "range.low", highest=SCALE),
        units(model.range.high, "range.high", lowest=SCALE),
        _errors_of(model.error_before, f"{place}.error_before"),
        _errors_of(model.error_after, f"{place}.error_after"),
        None if model.schema_factor is None else units(model.schema_factor, "schema_factor"),
    )


def _errors_of(errors: _Errors, place: str) -> Errors:
    return Errors(*(_units(text, f"{place}.{key}", 10, -MOST) for key, text in msgspec.structs.asdict(errors).items()))


def _units(text: str, place: str, scale: int, lowest: int, highest: int = MOST) -> int:
    try:
        units = parse_units(text, scale)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    if not lowest <= units <= highest:
        raise ValueError(f"{place}: {text} isn't from {_plain(lowest, scale)} to {_plain(highest, scale)}")
    return units


def _document_of(errors: Errors) -> dict[str, str]:
    return {f"{name}_percent": _plain(tenths, 10) for name, tenths in errors._asdict().items()}


def _plain(units: int, scale: int = SCALE) -> str:
    return format_nano(units * (NANO // scale))


def _refused(where: str, fault: str) -> UnusableCalibration:
    return UnusableCalibration(f"{where}: {fault}: write a new calibration with: tollbook calibrate PAIRS -o FILE")
