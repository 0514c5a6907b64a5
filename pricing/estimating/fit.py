"""A model's correction, fitted to pairs of what tiktoken counted and what the API counted.

A fifth of the pairs at a time is held out: the other four predict it. What a correction's errors and range say is from
these predictions, so that no pair vouches for itself; its factors are from all pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pricing.errors import TooFewPairs, shown
from pricing.estimating.calibration import LEAST_FACTOR, MOST, MOST_FACTOR, SCALE, Errors, ModelCalibration
from pricing.estimating.robust_fit import Coefficient, robust_fit
from pricing.estimating.tokens import ScriptTokens

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pricing.estimating.robust_fit import Floats

    Integers: TypeAlias = npt.NDArray[np.int64]

LEAST_PAIRS = 8
FOLDS = 5

# What is known beforehand: wrappers are a matter of a few tokens.
_FACTOR_BOUNDS = (LEAST_FACTOR / SCALE, MOST_FACTOR / SCALE)
_FACTOR_SPREAD = 0.3
_MESSAGE_FACTOR = Coefficient(1.0, 1.0, 0.0, 5.0)
_SCHEMA_FACTOR = Coefficient(1.0, 0.5, 0.0, 5.0)
_OVERHEAD = Coefficient(0.0, 100.0, 0.0, 1e6)
_OTHERS = (_MESSAGE_FACTOR, _SCHEMA_FACTOR, _OVERHEAD)
# The last column of a pair's row: all before it are tokens.
_CONSTANT = 6

# Tokens added to a pair's size, so that a few tokens off in a tiny text don't outweigh a percent of a long one.
_TINY = 20
# One factor will do unless a factor for each script takes off that much of the error; an outlier counts as half off.
_WORTH = 0.05
_HALF = 0.5
# The range leaves out a twentieth of the held-out pairs at each end, and is no narrower than 2 % either way.
_LEFT_OUT_PERCENT = 5
_LEAST_MARGIN = SCALE // 50


class CountedPair(NamedTuple):
    """One request as tiktoken counts it and the input tokens that the API reported.

    What wraps its messages and its tools and schemas are apart.
    """

    tokens: ScriptTokens
    message_overhead_tokens: int
    input_tokens: int
    schema_tokens: int = 0


def has_schema_factor(pairs: Sequence[CountedPair]) -> bool:
    """Tells whether enough pairs have tools or schemas, of different lengths, for a factor of these."""
    return len({pair.schema_tokens for pair in pairs if pair.schema_tokens}) >= LEAST_PAIRS


def fit_model(model: str, pairs: Sequence[CountedPair]) -> ModelCalibration:
    """Fits the correction to the pairs; TooFewPairs where fewer than LEAST_PAIRS have different texts.

    Pairs with schemas have no part in it unless there are enough for a factor of these.
    """
    import numpy as np

    with_schemas = has_schema_factor(pairs)
    if not with_schemas:
        pairs = [pair for pair in pairs if not pair.schema_tokens]
    folds = _folds(pairs)
    different = len(set(folds.tolist()))
    if different < LEAST_PAIRS:
        have = f"{different} of the {LEAST_PAIRS} pairs of different texts that it needs"
        raise TooFewPairs(f"model {shown(model)} has {have}: add more")
    rows = [(*pair.tokens, pair.message_overhead_tokens, pair.schema_tokens, 1) for pair in pairs]
    design = np.array(rows, np.float64)
    real = np.array([pair.input_tokens for pair in pairs], np.float64)
    by_one, by_script = (_held_out(design, real, folds % FOLDS, by_script=choice) for choice in (False, True))
    worth_it = _loss(by_script, real) < (1 - _WORTH) * _loss(by_one, real)
    predicted = by_script if worth_it else by_one
    ratios = real / np.maximum(predicted, 1)
    outlying = (ratios < _HALF) | (ratios > 1 / _HALF)
    if outlying.sum() * 2 > len(pairs):
        fitting = f"{len(pairs) - int(outlying.sum())} of {len(pairs)} pairs within half and twice of what fits them"
        raise TooFewPairs(f"model {shown(model)} has {fitting}: check that texts and counts belong together")
    low, high = _range(ratios[~outlying])
    fitted = np.rint(_fit(design, real, by_script=worth_it) * SCALE).astype(np.int64).tolist()
    return ModelCalibration(
        pairs=len(pairs),
        outliers=int(outlying.sum()),
        by_script=worth_it,
        factors=ScriptTokens(*fitted[:4]),
        message_factor=fitted[4],
        schema_factor=fitted[5] if with_schemas else None,
        overhead=fitted[6],
        low=low,
        high=high,
        before=_errors(design[:, :_CONSTANT].sum(axis=1), real),
        after=_errors(predicted, real),
    )


def _folds(pairs: Sequence[CountedPair]) -> Integers:
    """Returns a number for each pair, counting different ones as they come: the same text is held out together."""
    import numpy as np

    numbers: dict[tuple[ScriptTokens, int, int], int] = {}
    keys = [(pair.tokens, pair.message_overhead_tokens, pair.schema_tokens) for pair in pairs]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def _held_out(design: Floats, real: Floats, folds: Integers, *, by_script: bool) -> Floats:
    """Predicts each pair by the fit of the other folds."""
    import numpy as np

    predicted = np.zeros(len(real))
    for fold in range(FOLDS):
        held_out = folds == fold
        fitted = _fit(design[~held_out], real[~held_out], by_script=by_script)
        predicted[held_out] = design[held_out] @ fitted
    return predicted


def _fit(design: Floats, real: Floats, *, by_script: bool) -> Floats:
    """Fits the scripts' factors, one or each its own, those of messages and schemas, and a request's overhead.

    Rows are divided by their size, so that the fit is of relative errors. The scripts' own factors are drawn to the one
    factor, which is what a script has that occurs in no pair.
    """
    import numpy as np

    size = design[:, :_CONSTANT].sum(axis=1) + _TINY
    rows, targets = design / size[:, None], real / size
    pooled = np.column_stack([rows[:, :4].sum(axis=1), rows[:, 4:]])
    likely = float(np.clip(np.median(targets), *_FACTOR_BOUNDS))
    factor = Coefficient(likely, _FACTOR_SPREAD, *_FACTOR_BOUNDS)
    fitted = robust_fit(pooled, targets, [factor, *_OTHERS])
    if not by_script:
        return np.concatenate([np.repeat(fitted[:1], 4), fitted[1:]])
    factor = Coefficient(float(fitted[0]), _FACTOR_SPREAD, *_FACTOR_BOUNDS)
    return robust_fit(rows, targets, [*[factor] * 4, *_OTHERS])


def _loss(predicted: Floats, real: Floats) -> float:
    """Returns the mean relative error, in which an outlier counts no more than a pair that is half off."""
    import numpy as np

    return float(np.minimum(np.abs(predicted / real - 1), _HALF).mean())


def _errors(predicted: Floats, real: Floats) -> Errors:
    import numpy as np

    signed = predicted / real - 1
    off = np.abs(signed)
    figures = (np.median(off), np.quantile(off, 0.9), np.median(signed))
    return Errors(*(int(np.clip(np.rint(figure * 1000), -MOST, MOST)) for figure in figures))


def _range(ratios: Floats) -> tuple[int, int]:
    """Returns the ends that a new pair's ratio of real to predicted count is within, nine times in ten, in 1 / SCALE.

    Below the k-th least of n ratios a new one falls k times in n + 1. The low end is the one for which that is at most
    one time in twenty, the least of all where there are fewer than 39; the high end mirrors it.
    """
    import numpy as np

    beyond = max((len(ratios) + 1) * _LEFT_OUT_PERCENT // 100, 1)
    ordered = np.sort(ratios) if len(ratios) else np.array([_HALF, 1 / _HALF])
    low, high = np.floor(ordered[beyond - 1] * SCALE), np.ceil(ordered[-beyond] * SCALE)
    return int(min(low, SCALE - _LEAST_MARGIN)), int(max(high, SCALE + _LEAST_MARGIN))
