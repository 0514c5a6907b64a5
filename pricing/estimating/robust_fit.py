"""Linear fits that a few wild rows don't move: coefficients within bounds, drawn to what is likely beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt

    Floats: TypeAlias = npt.NDArray[np.float64]

# What a row's target is expected to be off by; it weighs a row against what is likely beforehand.
NOISE = 0.03

_LIMIT_DEVIATIONS = 4.685  # rows that are off by more have no weight in Tukey's bisquare; his own limit
_DEVIATION_OF_MEDIAN = 1.4826  # the standard deviation of normal noise by the median of its absolute values

_LEAST_DEVIATION = 0.01  # rows that are off by a percent or two, as short ones are by rounding alone, aren't wild
_ROUNDS = 100
_SETTLED = 1e-9


class Coefficient(NamedTuple):
    """Knowledge of a coefficient before the fit: `likely`, give or take `spread`, and surely within the bounds."""

    likely: float
    spread: float
    lowest: float
    highest: float


def robust_fit(rows: Floats, targets: Floats, known: Sequence[Coefficient]) -> Floats:
    """Returns the coefficients c by which rows @ c comes closest to the targets, all rows being of like size.

    Huber's fit first, to which a wild row is as far off as any: NOISE; from there Tukey's bisquare, which leaves wild
    rows out and weighs the others nearly alike.
    """
    import numpy as np

    def by_huber(off: Floats) -> Floats:
        return NOISE / np.maximum(np.abs(off), NOISE)

    fitted = _reweighted(rows, targets, known, np.array([one.likely for one in known]), by_huber)
    deviation = _DEVIATION_OF_MEDIAN * float(np.median(np.abs(targets - rows @ fitted)))
    limit = _LIMIT_DEVIATIONS * max(deviation, _LEAST_DEVIATION)

    def by_bisquare(off: Floats) -> Floats:
        weights: Floats = np.square(np.maximum(1 - np.square(off / limit), 0))
        return weights

    return _reweighted(rows, targets, known, fitted, by_bisquare)


def _reweighted(
    rows: Floats,
    targets: Floats,
    known: Sequence[Coefficient],
    start: Floats,
    weigh: Callable[[Floats], Floats],
) -> Floats:
    """Returns the weighted fit whose own deviations give its weights, reached from `start`."""
    fitted = start
    for _ in range(_ROUNDS):
        before = fitted
        fitted = _weighted_fit(rows, targets, weigh(targets - rows @ before), known)
        if abs(fitted - before).max() < _SETTLED:
            break
    return fitted


def _weighted_fit(rows: Floats, targets: Floats, weights: Floats, known: Sequence[Coefficient]) -> Floats:
    """Fits least squares, likely values being rows too; what leaves its bounds is put on them, the rest refitted."""
    import numpy as np

    likely, spread, lowest, highest = map(np.array, zip(*known, strict=True))
    # In units of the spread from what is likely, in which all coefficients are of like size.
    scaled = rows * spread
    normal = scaled.T @ (scaled * weights[:, None]) + NOISE**2 * np.eye(len(known))
    right = scaled.T @ ((targets - rows @ likely) * weights)
    steps = np.zeros(len(known))
    free = np.ones(len(known), bool)
    while free.any():
        steps[free] = np.linalg.solve(
            normal[np.ix_(free, free)], right[free] - normal[np.ix_(free, ~free)] @ steps[~free]
        )
        fitted = likely + spread * steps
        beyond = free & ((fitted < lowest) | (fitted > highest))
        if not beyond.any():
            break
        steps[beyond] = (np.clip(fitted, lowest, highest)[beyond] - likely[beyond]) / spread[beyond]
        free &= ~beyond
    return np.clip(likely + spread * steps, lowest, highest)
