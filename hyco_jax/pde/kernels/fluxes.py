"""Advection on a staggered grid, in flux form: second order, central or limited.

What an incompressible velocity carries, a density at the cell centres and itself,
changes by the fluxes through the faces of its own cells. Nothing flows through the
walls of a closed box. Without divergence this is the advective form; it keeps the
integral of a density, and in a periodic box that of the velocity. Values at the faces:

* `central`: means of both sides (Harlow and Welch 1965). Keeps ∫s² and ∫u² too, up to
  the order in time; waves of few cells trail behind edges.
* `limited`: see `limited.py`. No new extrema of a density in steps of half a cell.

Pure, of planes `(*S,)`, with component a of a velocity at the lower faces along axis a
and zero on the walls.
"""

import jax.numpy as jnp
from jax import lax

from hyco_jax.grids.domain import Domain
from hyco_jax.pde.kernels import limited, staggered
from hyco_jax.pde.kernels.schemes import Planes
from hyco_jax.pde.kernels.shifts import shift
from hyco_jax.types import Array


def carry(scheme: str, domain: Domain, velocity: Planes, density: Array) -> Array:
    """Returns -∇·(u s) of a density s by a velocity, D times `(*S,)`."""
    return -sum(
        _difference(scheme, domain, density, speed, axis) / h
        for axis, (speed, h) in enumerate(zip(velocity, domain.dx, strict=True))
    )


def advection(scheme: str, domain: Domain, velocity: Planes) -> Planes:
    """Returns -∇·(u u) of a velocity, D times `(*S,)`, zero on the walls."""
    return tuple(
        _advection_of(scheme, domain, velocity, component)
        for component in range(domain.ndim)
    )


def _advection_of(scheme, domain, velocity, component):
    u, result = velocity[component], 0
    for axis, h in enumerate(domain.dx):
        if axis == component:
            result -= _difference_along_itself(scheme, domain, u, axis) / h
        else:
            # Zero on the walls along the axis, as both of its summands are.
            other = velocity[axis]
            speed = 0.5 * (other + _below(domain, other, component))
            result -= _difference(scheme, domain, u, speed, axis) / h
    return result if domain.periodic else staggered.without_wall(result, component)


def _difference(scheme, domain, q, speed, axis):
    """What flows out above less what flows in below, `speed` at the lower faces."""
    if scheme == "limited":
        return limited.upwind_difference(q, speed, axis, domain.periodic)
    flux = 0.5 * speed * (_below(domain, q, axis) + q)
    return _above(domain, flux, axis) - flux


def _difference_along_itself(scheme, domain, u, axis):
    """The same between the faces of u, where the fluxes are those at the centres."""
    speed = staggered.at_centres(domain, u, axis)
    if scheme == "central":
        flux = speed**2
        return flux - _below(domain, flux, axis)
    if domain.periodic:
        return limited.upwind_difference(u, shift(speed, axis, -1), axis, True)
    # The faces on the upper wall belong to it.
    wall = [(int(a == axis), 0) for a in range(u.ndim)]
    faces = jnp.pad(u, [width[::-1] for width in wall])
    result = limited.upwind_difference(faces, jnp.pad(speed, wall), axis, False)
    return lax.slice_in_dim(result, 0, u.shape[axis], axis=axis)


def _above(domain, plane, axis):
    return _neighbour(domain, plane, axis, 1)


def _below(domain, plane, axis):
    return _neighbour(domain, plane, axis, -1)


def _neighbour(domain, plane, axis, by):
    """The value one cell above or below; 0 beyond a wall."""
    if domain.periodic:
        return shift(plane, axis, by)
    n = plane.shape[axis]
    width = [(0, 0)] * plane.ndim
    width[axis] = (0, 1) if by == 1 else (1, 0)
    kept = lax.slice_in_dim(plane, max(by, 0), n + min(by, 0), axis=axis)
    return jnp.pad(kept, width)
