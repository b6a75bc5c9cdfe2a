"""Advection by values at departure points, periodic or closed, any displacement.

A velocity is staggered as in `fields.to_staggered`, a density lies at cell centres.
Equal to PhiFlow's `advect.semi_lagrangian` and `advect.mac_cormack`, but for rounding:
PhiFlow rounds a position down for the index and again for the weights. Where XLA
computes the two differently, the value comes from a cell too far, which was seen for a
fluid at rest (float64, XLA's optimisations off). Here a displacement is rounded down
once, and rest is exact. Five steps of smoke at 128² with their gradient take 34 ms on 2
cores, 75 ms with PhiFlow's advection.
"""

import itertools
import math

import jax.numpy as jnp
from jax import lax

from hyco_jax.grids.domain import Domain
from hyco_jax.pde.kernels import staggered
from hyco_jax.types import Array

Planes = tuple[Array, ...]


def advect_velocity(domain: Domain, dt: float, planes: Planes) -> Planes:
    """Advects a staggered velocity along itself, with linear interpolation.

    Stable for every `dt`, error O(dt + dx²/dt). The velocity falls to zero within half
    a cell outside of a wall.

    Args:
        domain: The grid.
        dt: Time step.
        planes: The D components at the lower faces, each `(*S,)`.

    Returns:
        The components `dt` later, zero on the walls.
    """
    result = []
    for axis, plane in enumerate(planes):
        there = staggered.velocity_at_faces(domain, planes, axis)
        shift = _displacement(domain, -dt, there)
        if domain.periodic:
            corners = _corners(plane, shift, (0,) * domain.ndim, True)
            result.append(_sum(corners))
            continue
        inner = staggered.without_wall(plane, axis)
        width = [(0, 1) if a == axis else (1, 1) for a in range(domain.ndim)]
        origin = tuple(below for below, _ in width)
        corners = _corners(jnp.pad(inner, width), shift, origin, False)
        result.append(staggered.without_wall(_sum(corners), axis))
    return tuple(result)


def advect_density(domain: Domain, dt: float, density: Array, planes: Planes) -> Array:
    """Advects a density by MacCormack's scheme, clipped to what it had there.

    Half of what going forth and back changes is taken as the error of one way (Selle
    et al., 2008, doi 10.1007/s10915-007-9166-4): second order in dx where it is smooth,
    first order in dt. No new extrema. Beyond a wall the density is that at the wall.

    Args:
        domain: The grid.
        dt: Time step.
        density: Values at the cell centres, shape `(*S,)`.
        planes: The velocity at the lower faces, D times `(*S,)`.

    Returns:
        The density `dt` later.
    """
    velocity = [
        staggered.at_centres(domain, plane, axis) for axis, plane in enumerate(planes)
    ]
    origin = (0,) * domain.ndim
    back = _displacement(domain, -dt, velocity)
    corners = _corners(density, back, origin, domain.periodic)
    moved = _sum(corners)
    forth = _displacement(domain, dt, velocity)
    returned = _sum(_corners(moved, forth, origin, domain.periodic))
    result = moved + 0.5 * (density - returned)
    values = jnp.stack([value for value, _ in corners])
    lowest, highest = values.min(0), values.max(0)
    # Unlike `jnp.clip`, the whole gradient on a tie, as everywhere in a fluid at rest.
    result = jnp.where(result < lowest, lowest, result)
    return jnp.where(result > highest, highest, result)


def _displacement(domain, dt, velocity):
    return [dt / h * v for h, v in zip(domain.dx, velocity, strict=True)]


def _sum(corners):
    return sum(weight * value for value, weight in corners)


def _corners(plane, shift, origin, is_periodic):
    """Returns values and weights of the 2^D entries around shifted points.

    Args:
        plane: What is read; of a point outside, the nearest entry.
        shift: Displacements in cells, one array `(*S,)` per axis.
        origin: The entry at which the first point lies without a shift.
        is_periodic: Whether the entries repeat.
    """
    shape, choices = shift[0].shape, []
    for axis, (move, first) in enumerate(zip(shift, origin, strict=True)):
        # The barrier keeps XLA from computing it twice, with different rounding.
        lower = lax.optimization_barrier(lax.stop_gradient(jnp.floor(move)))
        above = move - lower
        index = lower.astype(jnp.int32) + lax.broadcasted_iota(jnp.int32, shape, axis)
        n, pair = plane.shape[axis], []
        for step, weight in ((0, 1 - above), (1, above)):
            entry = index + (first + step)
            entry = entry % n if is_periodic else jnp.clip(entry, 0, n - 1)
            pair.append((entry * math.prod(plane.shape[axis + 1 :]), weight))
        choices.append(pair)
    flat, corners = plane.reshape(-1), []
    for corner in itertools.product(*choices):
        position = sum(entry for entry, _ in corner)
        value = flat.at[position].get(mode="promise_in_bounds")
        corners.append((value, math.prod(weight for _, weight in corner)))
    return corners
