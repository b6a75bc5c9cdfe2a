"""States between the cells and the time steps of a grid: multilinear interpolation."""

import itertools
import math

import jax
import jax.numpy as jnp

from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantities, channels, num_channels
from hyco_jax.types import Array

# Of more points than this the neighbours' indices and weights, a dozen arrays of their
# number, are made in turn, and again for the gradient.
_CHUNK = 2**16


def at_points(
    trajectory: Array,
    points: Array,
    domain: Domain,
    dt: float,
    quantities: Quantities | None = None,
) -> Array:
    """Interpolates a trajectory, linear along each axis and in time.

    Second order, and exact for multilinear functions. A periodic box wraps. In a closed
    one a centred quantity goes on linearly from the outermost cell centres to the wall;
    a staggered component is 0 on the upper wall of its axis, as it is on the lower one.
    Times outside of the trajectory and positions outside of a closed box are moved to
    the nearest inside.

    Args:
        trajectory: At the times 0, dt, ..., K dt, shape `(K + 1, *S, C)`.
        points: Time since the start and position, shape `(M, 1 + D)`. Batch both with
            `jax.vmap`.
        domain: The grid.
        dt: Time step.
        quantities: Of the state; by default all channels are centred.

    Returns:
        Shape `(M, C)`, of the trajectory's dtype; differentiable in the trajectory,
        and in the points except where the interpolant has a kink.

    Raises:
        ValueError: If the trajectory is not on the grid, has other channels than the
            quantities, or the points are not of its dimension.
    """
    trajectory, points = jnp.asarray(trajectory), jnp.asarray(points)
    _check(trajectory, points, domain, quantities)

    def interpolate(points):
        return _interpolate(trajectory, points, domain, dt, quantities)

    count = len(points)
    if count <= _CHUNK:
        return interpolate(points)
    num_chunks = math.ceil(count / _CHUNK)
    padding = ((0, num_chunks * _CHUNK - count), (0, 0))
    chunks = jnp.pad(points, padding).reshape(num_chunks, _CHUNK, -1)
    answers = jax.lax.map(jax.checkpoint(interpolate), chunks)
    return answers.reshape(num_chunks * _CHUNK, -1)[:count]


def _interpolate(trajectory, points, domain, dt, quantities):
    last = len(trajectory) - 1
    time = _neighbours(jnp.clip(points[:, 0] / dt, 0, last), last + 1)
    results = []
    for where, staggered in _groups(quantities, trajectory.shape[-1]):
        neighbours = [time]
        for axis, size in enumerate(domain.resolution):
            place = points[:, 1 + axis] / domain.dx[axis]
            along = _along_periodic if domain.periodic else _along_closed
            neighbours.append(along(place, size, is_face=axis == staggered))
        results.append(_sum_over_corners(trajectory, neighbours, where))
    return jnp.concatenate(results, axis=-1)


def _groups(quantities, count):
    """Channels that are in one place, as `(slice, axis of their faces or None)`."""
    if quantities is None:
        return [(slice(0, count), None)]
    groups = []
    for q, where in zip(quantities, channels(quantities).values(), strict=True):
        if q.is_staggered:
            starts = range(where.start, where.stop)
            groups += [(slice(s, s + 1), axis) for axis, s in enumerate(starts)]
        else:
            groups.append((where, None))
    return groups


# What follows returns the two neighbours of every point along one axis, each as
# `(index (M,), weight (M,))`; places are in cells, index i of a centre being i + 1/2.


def _neighbours(index, size):
    """Of fractional indices; linear beyond the first and the last."""
    lower = jnp.clip(jnp.floor(index).astype(jnp.int32), 0, max(size - 2, 0))
    fraction = index - lower
    return (lower, 1 - fraction), (jnp.minimum(lower + 1, size - 1), fraction)


def _along_periodic(place, size, is_face):
    index = place if is_face else place - 0.5
    # Before the integers, which a place far outside of the box could overflow.
    index = index - size * jnp.floor(index / size)
    lower = jnp.floor(index).astype(jnp.int32)
    fraction = index - lower
    return (lower % size, 1 - fraction), ((lower + 1) % size, fraction)


def _along_closed(place, size, is_face):
    place = jnp.clip(place, 0, size)
    if not is_face:
        return _neighbours(place - 0.5, size)
    (lower, below), (upper, above) = _neighbours(place, size + 1)
    # The face of index `size` is the upper wall.
    above = jnp.where(upper < size, above, 0)
    return (lower, below), (jnp.minimum(upper, size - 1), above)


def _sum_over_corners(trajectory, neighbours, where):
    total = 0
    for corner in itertools.product(*neighbours):
        indices, weights = zip(*corner, strict=True)
        weight = weights[0]
        for factor in weights[1:]:
            weight = weight * factor
        values = trajectory[(*indices, where)]
        total = total + values * weight[:, None].astype(values.dtype)
    return total


def _check(trajectory, points, domain, quantities):
    if trajectory.ndim != domain.ndim + 2 or (
        trajectory.shape[1:-1] != domain.resolution
    ):
        expected = ", ".join(str(n) for n in domain.resolution)
        raise ValueError(
            f"the trajectory has shape {trajectory.shape}, expected (K + 1, "
            f"{expected}, C); batch with jax.vmap"
        )
    if points.ndim != 2 or points.shape[-1] != 1 + domain.ndim:
        raise ValueError(
            f"points have shape {points.shape}, expected (M, {1 + domain.ndim}): time "
            "and position; batch with jax.vmap"
        )
    if quantities is not None and trajectory.shape[-1] != num_channels(quantities):
        raise ValueError(
            f"the trajectory has {trajectory.shape[-1]} channels, expected "
            f"{num_channels(quantities)}, those of {[q.name for q in quantities]}"
        )
