"""Derivatives of fields with respect to time and place, for residuals of equations."""

from collections.abc import Callable

import jax

from hyco_jax.types import Array


def along(
    function: Callable[[Array], Array], direction: Array
) -> Callable[[Array], Array]:
    """The derivative of a function of one point along a direction, forward."""
    return lambda point: jax.jvp(function, (point,), (direction,))[1]
