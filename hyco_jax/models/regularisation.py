"""Penalties on coefficient fields.

Of a vector field those of its components add up; a number has none. In a closed box no
difference reaches through a wall.
"""

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.grids.domain import Domain
from hyco_jax.types import Array

# Of a gradient, in units of the largest one: below it total variation is rounded off.
_ROUNDED = 1e-2


def h1_penalty(field: Array, domain: Domain) -> Array:
    """Computes the mean of |∇field|² by forward differences.

    Args:
        field: Shape `(*S,)`, or `(*S, D)` for a vector field; a number has none.
        domain: The grid.
    """
    total = jnp.zeros((), field.dtype)
    for axis, h in enumerate(domain.dx if field.ndim else ()):
        change = _differences(field, axis, domain)
        total = total + _components(field, domain) * jnp.mean((change / h) ** 2)
    return total


def tv_penalty(field: Array, domain: Domain) -> Array:
    """Computes the total variation, the mean of |∇field|, by forward differences.

    It allows jumps, which mean |∇field|² forbids. Where the gradient is below a
    hundredth of the largest one it is rounded off, so that its slope is finite.

    Args:
        field: Shape `(*S,)`, or `(*S, D)` for a vector field; a number has none.
        domain: The grid.
    """
    if field.ndim == 0:
        return jnp.zeros((), field.dtype)
    squares = jnp.zeros(field.shape, field.dtype)
    for axis, h in enumerate(domain.dx):
        change = _differences(field, axis, domain) / h
        if not domain.periodic:
            missing = [(0, int(a == axis)) for a in range(field.ndim)]
            change = jnp.pad(change, missing)
        squares = squares + change**2
    largest = jax.lax.stop_gradient(squares.max())
    # Of a constant field any will do.
    floor = jnp.where(largest > 0, _ROUNDED**2 * largest, 1.0)
    steepness = jnp.sqrt(squares + floor) - jnp.sqrt(floor)
    return _components(field, domain) * jnp.mean(steepness)


def laplacian_penalty(field: Array, domain: Domain) -> Array:
    """Computes the mean of (∇²field)² by central differences.

    Linear functions cost nothing. In a closed box it is the mean over the inner cells
    along each axis, as if the slope at a wall went on.

    Args:
        field: Shape `(*S,)`, or `(*S, D)` for a vector field; a number has none.
        domain: The grid.
    """
    if field.ndim == 0:
        return jnp.zeros((), field.dtype)
    total = jnp.zeros(field.shape, field.dtype)
    for axis, h in enumerate(domain.dx):
        if domain.periodic:
            bend = jnp.roll(field, -1, axis) + jnp.roll(field, 1, axis) - 2 * field
        else:
            inner = jnp.diff(field, n=2, axis=axis)
            bend = jnp.pad(inner, [(int(a == axis),) * 2 for a in range(field.ndim)])
        total = total + bend / h**2
    return _components(field, domain) * jnp.mean(total**2)


PENALTIES = {"h1": h1_penalty, "tv": tv_penalty, "laplacian": laplacian_penalty}
# What a penalty is multiplied by if the field is doubled, as a power of 2.
DEGREES = {"h1": 2, "tv": 1, "laplacian": 2}


def _differences(field, axis, domain):
    if domain.periodic:
        return jnp.roll(field, -1, axis) - field
    return jnp.diff(field, axis=axis)


def _components(field, domain):
    return field.size / np.prod(domain.resolution)
