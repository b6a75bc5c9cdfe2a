"""The minimum of a loss whose curvature is about that of another, known one.

L-BFGS (J. Nocedal, Math. Comput. 35, 773, 1980) whose first inverse is the other
loss's and not a multiple of 1: where both agree its steps are Newton's, and where that
one is too stiff or too soft it learns by how much. Only gradients are asked for: of
float32 values, differences near a minimum are rounding. On the host: what costs are
evaluations, of which there are a few.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# Maps a gradient `(p,)` of a loss to its inverse curvature times it.
Inverse = Callable[[np.ndarray], np.ndarray]

# Of what all steps gained: the rest moves nothing by more than a tenth of them.
_NEGLIGIBLE = 0.01
# By how much of the slope before it a step may overshoot.
_OVERSHOOT = 0.9
_SMALLEST_STEP = 1e-3


class Found(NamedTuple):
    """Where a search ended.

    Attributes:
        x: Parameters `(p,)`.
        count: Gradients that were evaluated.
        has_converged: Whether another step would gain next to nothing.
    """

    x: np.ndarray
    count: int
    has_converged: bool


def minimise(
    gradient: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    inverse: Inverse,
    tolerance: float,
    most: int,
) -> Found:
    """Looks for a minimum.

    Args:
        gradient: Of the loss at `(p,)`, float64.
        start: Where to begin.
        inverse: Of a curvature that is about that of the loss.
        tolerance: A gain of the loss that doesn't count.
        most: How many gradients at most.
    """
    x, slope, count = start, gradient(start), 1
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    gained = 0.0
    while True:
        step = _apply(inverse, pairs, slope)
        gain = float(slope @ step) / 2
        if not (np.isfinite(gain) and gain >= 0):
            return Found(x, count, False)
        if gain <= max(tolerance, _NEGLIGIBLE * gained):
            return Found(x - step, count, True)
        length, after = 1.0, None
        while after is None:
            if count >= most or length < _SMALLEST_STEP:
                return Found(x, count, False)
            after, count = gradient(x - length * step), count + 1
            along, whole = float(after @ step), 2 * gain
            if not np.isfinite(along):
                after, length = None, length / 4
            elif along < -_OVERSHOOT * whole:
                # Where the slope would be 0, were it linear along the step.
                after, length = None, length * max(0.1, whole / (whole - along))
        if along < whole:
            pairs.append((-length * step, after - slope))
        x, slope = x - length * step, after
        gained += length * (whole + along) / 2


def _apply(inverse, pairs, slope):
    """The inverse curvature of all that is known times a gradient: two loops."""
    if not pairs:
        return inverse(slope)
    products = [1 / (moved @ change) for moved, change in pairs]
    weights, rest = [], slope
    for (moved, change), product in zip(
        reversed(pairs), reversed(products), strict=True
    ):
        weights.append(product * (moved @ rest))
        rest = rest - weights[-1] * change
    moved, change = pairs[-1]
    step = inverse(rest) * (moved @ change) / (change @ inverse(change))
    for (moved, change), product, weight in zip(
        pairs, products, reversed(weights), strict=True
    ):
        step = step + moved * (weight - product * (change @ step))
    return step
