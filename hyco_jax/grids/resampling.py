"""States on coarser and finer grids: cell averages, and interpolation that keeps them.

Restricting is exact for a finite-volume state: a coarse cell's value is the mean over
its cells, a coarse face's the mean over its faces, so that fluxes and the discrete
divergence agree on both grids. Prolonging is linear, and restricting undoes it.
"""

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp

from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantities, channels, num_channels
from hyco_jax.types import Array, Trajectories


@dataclasses.dataclass(frozen=True)
class Resampling:
    """Between the grid of the data and that of the physical model.

    The coarser of both is their common grid. The physical model's losses are taken on
    it, so that nothing interpolated is ever a target.

    Attributes:
        data: The grid of the data.
        physical: That of the physical model: the same, or coarser or finer by a whole
            number.
        quantities: Of the state.

    Raises:
        ValueError: If neither is the other one refined by a whole number.
    """

    data: Domain
    physical: Domain
    quantities: Quantities

    def __post_init__(self):
        data, physical = self.data, self.physical
        if not (data.times_finer(physical) or physical.times_finer(data)):
            raise ValueError(
                f"the physical model's grid {physical} does not fit the data's {data}; "
                "expected physics_resolution=() or the data's resolution divided or "
                "multiplied by a whole number, the same along each axis"
            )

    @property
    def common(self) -> Domain:
        """The coarser of both grids."""
        is_finer = self.physical.times_finer(self.data)
        return self.data if is_finer else self.physical

    def to_physical(self, states: Array) -> Array:
        """Takes states `(..., *S, C)` from the data's grid to the physical model's."""
        return resample(states, self.quantities, self.data, self.physical)

    def to_data(self, states: Array) -> Array:
        """Takes states `(..., *S, C)` from the physical model's grid to the data's."""
        return resample(states, self.quantities, self.physical, self.data)

    def to_common(self, states: Array) -> Array:
        """Takes states `(..., *S, C)` from the data's grid to the common one."""
        return resample(states, self.quantities, self.data, self.common)

    def weights_to_common(self, weights: Array) -> Array:
        """Takes the data's weights there: a cell has the least of its cells."""
        factor = self.data.times_finer(self.common)
        if factor == 1:
            return weights
        shape = (*weights.shape[:-1], num_channels(self.quantities))
        weights = jnp.broadcast_to(weights, shape)
        return _coarsened(weights, factor, self.quantities, self.data, jnp.min)

    def observed_to_common(self, real: Trajectories) -> Trajectories:
        """Takes observations there: a cell is observed if all its cells are."""
        weights = self.weights_to_common(real.weights)
        return Trajectories(self.to_common(real.states), weights)


def resample(
    states: Array, quantities: Quantities, source: Domain, target: Domain
) -> Array:
    """Takes states from one grid to another.

    Args:
        states: Shape `(..., *S, C)`.
        quantities: Of the state.
        source: Their grid.
        target: The same, or coarser or finer by a whole number.

    Returns:
        Restricted or prolonged; the states themselves where the grids are the same.
    """
    factor = source.times_finer(target)
    if factor:
        return restrict(states, factor, quantities, source)
    return prolong(states, target.times_finer(source), quantities, source)


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
        Hence the divergence of a coarse cell is the mean of its cells'; of a velocity
        without any, that in a single one is of first order.
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

    return by_component(states, quantities, refine)


def by_component(
    states: Array, quantities: Quantities, function: Callable[..., Array]
) -> Array:
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

    return by_component(states, quantities, coarsen)


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
