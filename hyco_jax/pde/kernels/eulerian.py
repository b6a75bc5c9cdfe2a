"""Advection on the grid of a periodic box: second order, central or limited.

For each scheme what is subtracted from qₜ, in advective form `v ∂q` with the velocity v
at the cell centres, and for a velocity that carries itself, `u ∂u` along its own axis:

* `central`: central differences. `u ∂u = (∂u² + u ∂u)/3`, the skew-symmetric form,
  which keeps ∫u and ∫u² in 1-D. Accurate where q is smooth; waves of few cells trail
  behind edges and shocks.
* `limited`: values at the faces extrapolated from upwind, by slopes with van Leer's
  limiter (MUSCL). No new extrema in steps of half a cell; second order where q is
  smooth and away from extrema. `u ∂u = ∂(u²/2)` by the flux of Engquist and Osher,
  which keeps ∫u in 1-D and moves shocks with the right speed.

Pure, of planes `(*S,)`, differentiable almost everywhere: van Leer's slope has a kink
only where a difference vanishes.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from hyco_jax.grids.domain import Domain
from hyco_jax.pde.kernels.schemes import Planes
from hyco_jax.pde.kernels.shifts import shift
from hyco_jax.types import Array


class Advection(NamedTuple):
    """A scheme; `axis` and `h`, the length of a cell, are static.

    Attributes:
        carry: `(v, q, axis, h)` -> v ∂q.
        carry_itself: `(u, axis, h)` -> u ∂u.
        max_courant: Largest Σ |v| dt / dx of a step by `runge_kutta.ssp3`.
    """

    carry: Callable[[Array, Array, int, float], Array]
    carry_itself: Callable[[Array, int, float], Array]
    max_courant: float


def carry_itself(scheme: Advection, domain: Domain, velocity: Planes) -> Planes:
    """Returns (u·∇)u."""
    return tuple(
        sum(
            scheme.carry_itself(u, axis, h)
            if axis == component
            else scheme.carry(velocity[axis], u, axis, h)
            for axis, h in enumerate(domain.dx)
        )
        for component, u in enumerate(velocity)
    )


def _limited_slope(below: Array, above: Array) -> Array:
    """Van Leer's slope: the harmonic mean of two differences, 0 where signs differ."""
    product = below * above
    is_monotone = product > 0
    total = jnp.where(is_monotone, below + above, 1)
    return jnp.where(is_monotone, 2 * product / total, 0)


def _upwind_faces(q: Array, axis: int) -> tuple[Array, Array]:
    """Returns q at the lower faces as seen from below and from above."""
    jump = q - shift(q, axis, -1)
    half = 0.5 * _limited_slope(jump, shift(jump, axis, 1))
    return shift(q + half, axis, -1), q - half


def _central(v, q, axis, h):
    return v * (shift(q, axis, 1) - shift(q, axis, -1)) / (2 * h)


def _central_itself(u, axis, h):
    above, below = shift(u, axis, 1), shift(u, axis, -1)
    return (above - below) * (above + below + u) / (6 * h)


def _limited(v, q, axis, h):
    from_below, from_above = _upwind_faces(q, axis)
    w = 0.5 * (v + shift(v, axis, -1))
    flux = jnp.maximum(w, 0) * from_below + jnp.minimum(w, 0) * from_above
    return _difference(flux, axis, h) - q * _difference(w, axis, h)


def _limited_itself(u, axis, h):
    from_below, from_above = _upwind_faces(u, axis)
    flux = jnp.maximum(from_below, 0) ** 2 + jnp.minimum(from_above, 0) ** 2
    return _difference(0.5 * flux, axis, h)


def _difference(faces, axis, h):
    return (shift(faces, axis, 1) - faces) / h


# The third-order method is stable up to √3 for central differences; for van Leer's
# slopes, of up to twice a difference, half a cell makes no new extrema in 1-D.
SCHEMES = {
    "central": Advection(_central, _central_itself, 1.5),
    "limited": Advection(_limited, _limited_itself, 0.5),
}
