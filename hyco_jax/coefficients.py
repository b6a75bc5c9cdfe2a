"""Positive coefficients, kept between two bounds by a smooth transform.

An optimiser works on an unbounded `raw` array; the PDE sees
`value = lower + (upper - lower) * sigmoid(raw)`. The gradient never vanishes inside
the bounds, whereas a clipped coefficient that reaches its bound stays there.
"""

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.types import Array


def bounded(raw: Array, lower: float, upper: float) -> Array:
    """Maps unbounded values into the interval (lower, upper), element by element.

    Args:
        raw: Any shape.
        lower: Lower bound, not negative, in the unit of the coefficient.
        upper: Upper bound, in the same unit.

    Returns:
        The coefficient, of the shape and dtype of `raw`. Where |raw| is so large that
        the dtype cannot resolve the distance, it equals the bound.

    Raises:
        ValueError: If the bounds are not finite, not ordered or negative.
    """
    check_bounds(lower, upper)
    # The mean of both ends and not lower + width * s: rounding stays inside the bounds.
    s = jax.nn.sigmoid(raw)
    return lower * (1 - s) + upper * s


def unbounded(value: np.ndarray | Array, lower: float, upper: float) -> Array:
    """Inverts `bounded`.

    Args:
        value: The coefficient, concrete values of any shape.
        lower: Lower bound, not negative.
        upper: Upper bound.

    Returns:
        The raw values, of the shape of `value` and of its dtype if that is floating
        (float64 becomes float32 unless JAX's 64 bit is on), else float32.

    Raises:
        ValueError: If a value is not inside (lower, upper), or the bounds are not
            finite, not ordered or negative.
    """
    check_bounds(lower, upper)
    exact = np.asarray(value, np.float64)
    if not np.all((exact > lower) & (exact < upper)):
        raise ValueError(
            f"values from {exact.min():g} to {exact.max():g} must lie strictly inside "
            f"the bounds ({lower:g}, {upper:g}); widen the bounds or move the values"
        )
    dtype = getattr(value, "dtype", np.dtype(np.float32))
    dtype = dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.float32
    raw = np.log(exact - lower) - np.log(upper - exact)
    return jnp.asarray(raw, jax.dtypes.canonicalize_dtype(dtype))


def check_bounds(lower: float, upper: float) -> None:
    """Raises a ValueError unless 0 <= lower < upper, both finite."""
    if not (np.isfinite(lower) and np.isfinite(upper) and 0 <= lower < upper):
        raise ValueError(
            f"bounds=({lower}, {upper}) must be finite with 0 <= lower < upper; "
            "give the range of values you consider possible"
        )
