"""Penalties on coefficient fields."""

import jax.numpy as jnp
import numpy as np

from hyco_jax.grids.domain import Domain
from hyco_jax.types import Array


def h1_penalty(field: Array, domain: Domain) -> Array:
    """Computes the mean of |∇field|² by forward differences.

    Args:
        field: Shape `(*S,)`, or `(*S, D)` for a vector field, whose components add up;
            a number has none.
        domain: The grid; in a closed box no difference reaches through a wall.
    """
    total = jnp.zeros((), field.dtype)
    if field.ndim == 0:
        return total
    for axis, h in enumerate(domain.dx):
        if domain.periodic:
            change = jnp.roll(field, -1, axis) - field
        else:
            change = jnp.diff(field, axis=axis)
        num_components = field.size / np.prod(domain.resolution)
        total = total + num_components * jnp.mean((change / h) ** 2)
    return total
