"""States on a finer grid by polynomials of degree 4, for the error of a grid itself.

`resampling.prolong` is linear, and errs by as much as a scheme of second order does on
the coarse grid: a solver on the fine one would start from the coarse one's error.
"""

import jax.numpy as jnp
import numpy as np

from hyco_jax.grids import resampling
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantities
from hyco_jax.types import Array

# Cells that a polynomial goes through.
_CELLS = 5


def refine(
    states: Array,
    factor: int,
    quantities: Quantities,
    domain: Domain,
    are_means: bool = True,
) -> Array:
    """Takes states to a grid `factor` times finer along each axis.

    At walls the polynomial is that of the five cells next to them.

    Args:
        states: Shape `(..., *S, C)`.
        factor: How many times finer.
        quantities: Of the state.
        domain: The coarse grid.
        are_means: Whether values are the means over their cells, or faces, which are
            kept; else those at the centres.

    Returns:
        Shape `(..., *S * factor, C)`; of smooth states the error is of fifth order.
    """

    def along_all(u, staggered):
        for i in range(domain.ndim):
            axis = u.ndim - domain.ndim + i
            u = jnp.moveaxis(u, axis, -1)
            if i == staggered:
                u = _between_faces(u, factor, domain.periodic)
            else:
                u = _within_cells(u, factor, domain.periodic, are_means)
            u = jnp.moveaxis(u, -1, axis)
        return u

    return resampling.by_component(states, quantities, along_all)


def _within_cells(u, factor, periodic, are_means):
    count = u.shape[-1]
    width = min(_CELLS, count)
    starts = _starts(count, width, periodic)
    cells = np.stack([np.arange(width), np.arange(width) + 1]) - 0.5
    parts = np.stack([np.arange(factor), np.arange(factor) + 1]) / factor - 0.5
    powers = _means if are_means else _at_centres
    # A cell's own place among those of its polynomial.
    own = np.arange(count) - starts
    weights = np.stack(
        [powers(parts + i, width) @ np.linalg.inv(powers(cells, width)) for i in own]
    )
    return _apply(u, starts, weights)


def _between_faces(u, factor, periodic):
    """Between lower faces, whose values are at a place; on the upper wall it is 0."""
    nodes = u if periodic else jnp.pad(u, [(0, 0)] * (u.ndim - 1) + [(0, 1)])
    count, width = u.shape[-1], min(_CELLS + 1, nodes.shape[-1])
    starts = _starts(nodes.shape[-1], width, periodic)[:count]
    own = np.arange(count) - starts
    inverse = np.linalg.inv(_at(np.arange(width), width))
    places = np.arange(factor) / factor
    weights = np.stack([_at(places + i, width) @ inverse for i in own])
    return _apply(nodes, starts, weights)


def _starts(count, width, periodic):
    """The first one of those that the polynomial around each entry goes through."""
    starts = np.arange(count) - (width - 1) // 2
    return starts if periodic else np.clip(starts, 0, count - width)


def _apply(u, starts, weights):
    """Sums `weights (n, factor, width)` times the entries from `starts (n,)` on."""
    count, factor, width = weights.shape
    weights = jnp.asarray(weights, u.dtype)
    total = 0.0
    for j in range(width):
        near = jnp.take(u, (starts + j) % u.shape[-1], axis=-1)
        total = total + near[..., None] * weights[:, :, j]
    return total.reshape(*u.shape[:-1], count * factor)


def _means(ends, width):
    """Means of the powers 0 to width - 1 of x over intervals `(2, n)`."""
    degrees = np.arange(1, width + 1)
    low, high = ends[..., None]
    return (high**degrees - low**degrees) / degrees / (high - low)


def _at_centres(ends, width):
    return _at(ends.mean(axis=0), width)


def _at(places, width):
    return np.asarray(places, float)[:, None] ** np.arange(width)
