"""Whether the spread of an ensemble's members is as large as its errors."""

import numpy as np

# Of normal errors of this spread, 0.95 are within so many spreads.
SPREADS = 2.0


def scores(
    errors: np.ndarray, spread: np.ndarray, weights: np.ndarray
) -> dict[str, float | None]:
    """Compares errors with spreads.

    Args:
        errors: Of the mean of all members, of any shape.
        spread: Of the members there, of the same shape.
        weights: Of the squares, of that shape; entries of weight 0 don't count, NaN or
            not.

    Returns:
        `error_to_spread`: root mean square of the errors over that of the spread, 1 if
        it is calibrated, larger if members are too sure; `within_spread`: the share of
        entries whose error is at most two spreads. None where nothing counts, inf and 0
        where a member isn't finite.
    """
    counts = weights > 0
    errors, spread = errors[counts].astype(float), spread[counts].astype(float)
    if not errors.size:
        return {"error_to_spread": None, "within_spread": None}
    if not (np.isfinite(errors).all() and np.isfinite(spread).all()):
        return {"error_to_spread": np.inf, "within_spread": 0.0}
    squares, variances = (
        float(np.average(x**2, weights=weights[counts])) for x in (errors, spread)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(np.sqrt(np.divide(squares, variances)))
    within = float(np.mean(abs(errors) <= SPREADS * spread))
    return {"error_to_spread": ratio, "within_spread": within}
