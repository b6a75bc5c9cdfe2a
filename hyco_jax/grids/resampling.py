"""States on a coarser grid and back: cell averages, and interpolation that keeps them.

Restricting is exact for a finite-volume state: a coarse cell's value is the mean over
its cells, a coarse face's the mean over its faces, so that fluxes and the discrete
divergence agree on both grids. Prolonging is linear, and restricting undoes it.
"""

import dataclasses

import jax.numpy as jnp

from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantities, channels, num_channels
from hyco_jax.types import Array, Trajectories


@dataclasses.dataclass(frozen=True)
class Resampling:
    """From the grid of the data to a coarser one and back.

    Attributes:
        domain: The fine grid.
        factor: How many times coarser the other one is; 1 changes nothing.
        quantities: Of the state.
    """

    domain: Domain
    factor: int
    quantities: Quantities

    def restrict(self, states: Array) -> Array:
        """Restricts states `(..., *S, C)`."""
        return restrict(states, self.factor, self.quantities, self.domain)

    def restrict_weights(self, weights: Array) -> Array:
        """Restricts weights: a coarse cell has the least of its cells."""
        if self.factor == 1:
            return weights
        shape = (*weights.shape[:-1], num_channels(self.quantities))
        weights = jnp.broadcast_to(weights, shape)
        return _coarsened(weights, self.factor, self.quantities, self.domain, jnp.min)

    def restrict_observed(self, real: Trajectories) -> Trajectories:
        """Restricts observed trajectories: a cell is observed if all its cells are."""
        weights = self.restrict_weights(real.weights)
        return Trajectories(self.restrict(real.states), weights)

    def prolong(self, states: Array) -> Array:
        """Prolongs states of the coarse grid."""
        coarse = self.domain.coarsened(self.factor)
        return prolong(states, self.factor, self.quantities, coarse)


def restrict(
    states: Array, factor: int, quantities: Quantities, domain: Domain
) -> Array:
    """Restricts states to a grid `factor` times coarser along each axis.

    Args:
        states: Shape `(..., *S, C)`.
        factor: Divides the resolution.
        quantities: Of the state: staggered ones are averaged over faces.
        domain: The fine grid.

    Returns:
        Shape `(..., *S / factor, C)`.
    """
    if factor == 1:
        return states
    return _coarsened(states, factor, quantities, domain, jnp.mean)


def prolong(
    states: Array, factor: int, quantities: Quantities, domain: Domain
) -> Array:
    """Interpolates states to a grid `factor` times finer along each axis.

    Args:
        states: Shape `(..., *S, C)`.
        factor: How many times finer.
        quantities: Of the state.
        domain: The coarse grid.

    Returns:
        Shape `(..., *S * factor, C)`, second order, with the same cell and face means.
    """
    if factor == 1:
        return states

    def refine(u, along):
        for i in range(domain.ndim):
            axis = u.ndim - domain.ndim + i
            u = jnp.moveaxis(u, axis, -1)
            interpolate = _between_faces if i == along else _within_cells
            u = jnp.moveaxis(interpolate(u, factor, domain.periodic), -1, axis)
        return u

    return _by_component(states, quantities, refine)


def _by_component(states, quantities, function):
    """Maps every channel by `function(u (..., *S), axis of staggering or None)`."""
    results = []
    for q, where in zip(quantities, channels(quantities).values(), strict=True):
        for i in range(q.num_components):
            u = states[..., where.start + i]
            results.append(function(u, i if q.is_staggered else None))
    return jnp.stack(results, axis=-1)


def _coarsened(states, factor, quantities, domain, reduce):
    def coarsen(u, along):
        for i in range(domain.ndim):
            axis = u.ndim - domain.ndim + i
            # Weights have axes of length 1 on which they don't depend.
            if u.shape[axis] > 1:
                shape = (*u.shape[:axis], -1, factor, *u.shape[axis + 1 :])
                blocks = jnp.moveaxis(u.reshape(shape), axis + 1, 0)
                u = blocks[0] if i == along else reduce(blocks, axis=0)
        return u

    return _by_component(states, quantities, coarsen)


def _within_cells(u, factor, periodic):
    """Refines the last axis, linear in each cell with the slope of its neighbours."""
    padded = _padded(u, periodic)
    slope = (padded[..., 2:] - padded[..., :-2]) / 2
    if not periodic:
        # At a wall only one neighbour is there.
        slope = slope.at[..., 0].mul(2).at[..., -1].mul(2)
    offset = (jnp.arange(factor, dtype=u.dtype) + 0.5) / factor - 0.5
    fine = u[..., None] + slope[..., None] * offset
    return fine.reshape(*u.shape[:-1], -1)


def _between_faces(u, factor, periodic):
    """Refines the last axis between lower faces; beyond the last one is a wall of 0."""
    above = jnp.roll(u, -1, -1)
    if not periodic:
        above = above.at[..., -1].set(0)
    fraction = jnp.arange(factor, dtype=u.dtype) / factor
    fine = u[..., None] * (1 - fraction) + above[..., None] * fraction
    return fine.reshape(*u.shape[:-1], -1)


def _padded(u, periodic):
    widths = [(0, 0)] * (u.ndim - 1) + [(1, 1)]
    return jnp.pad(u, widths, mode="wrap" if periodic else "edge")
