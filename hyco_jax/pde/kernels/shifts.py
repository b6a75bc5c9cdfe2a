"""Periodic neighbours, whose transposes are neighbours too.

XLA's own transpose of a periodic shift is a chain of paddings, slow on CPU. Derivatives
are reverse mode: `jax.grad`, `jax.vjp`, and `jax.jvp` of those.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from hyco_jax.types import Array


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def shift(plane: Array, axis: int, by: int) -> Array:
    """Returns for every cell the value `by` cells above it in a periodic box.

    Args:
        plane: Shape `(*S,)`.
        axis: Along which.
        by: How far, below the cell if negative.
    """
    return _shift(plane, axis, by)


def _shift(plane, axis, by):
    size = plane.shape[axis]
    start = by % size
    if start == 0:
        return plane
    ends = [
        lax.slice_in_dim(plane, start, size, axis=axis),
        lax.slice_in_dim(plane, 0, start, axis=axis),
    ]
    return jnp.concatenate(ends, axis)


shift.defvjp(
    lambda plane, axis, by: (_shift(plane, axis, by), None),
    lambda axis, by, _, cotangent: (_shift(cotangent, axis, -by),),
)
