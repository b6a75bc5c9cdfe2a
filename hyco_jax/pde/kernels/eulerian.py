"""Advection on the grid of a periodic box: second order, central or limited.

For each scheme what is subtracted from qₜ, in advective form `v ∂q` with the velocity v
at the cell centres, and for a velocity that carries itself, `u ∂u` along its own axis:

* `central`: central differences. `u ∂u = (∂u² + u ∂u)/3`, the skew-symmetric form,
  which keeps ∫u and ∫u² in 1-D. Accurate where q is smooth; waves of few cells trail
  behind edges and shocks.
* `limited`: values at the faces extrapolated from upwind with limited slopes, see
  `limited.py`. No new extrema along an axis in steps of half a cell, hardly any in
  those of up to a cell that it is stable for. `u ∂u = ∂(u²/2)` by the flux of Engquist
  and Osher, which keeps ∫u in 1-D and moves shocks with the right speed.

Pure, of planes `(*S,)`; `limited` is differentiable almost everywhere.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax

from hyco_jax.grids.domain import Domain
from hyco_jax.pde.kernels import limited
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


def advection(scheme: str, domain: Domain, velocity: Planes) -> Planes:
    """Returns -(u·∇)u of a velocity, D times `(*S,)`."""
    form = SCHEMES[scheme]
    return tuple(
        -sum(
            form.carry_itself(u, axis, h)
            if axis == component
            else form.carry(velocity[axis], u, axis, h)
            for axis, h in enumerate(domain.dx)
        )
        for component, u in enumerate(velocity)
    )


def carry(scheme: str, domain: Domain, velocity: Planes, plane: Array) -> Array:
    """Returns -(v·∇)q of a plane q by a velocity, D times `(*S,)`."""
    terms = enumerate(zip(velocity, domain.dx, strict=True))
    return -sum(SCHEMES[scheme].carry(v, plane, axis, h) for axis, (v, h) in terms)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _central(v, q, axis, h):
    return v * _slope(q, axis, h)


_central.defvjp(
    lambda v, q, axis, h: (v * _slope(q, axis, h), (v, q)),
    lambda axis, h, vq, g: (g * _slope(vq[1], axis, h), -_slope(g * vq[0], axis, h)),
)


def _slope(q, axis, h):
    return (shift(q, axis, 1) - shift(q, axis, -1)) * (0.5 / h)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _central_itself(u, axis, h):
    above, below = shift(u, axis, 1), shift(u, axis, -1)
    return (above - below) * (above + below + u) * (1 / (6 * h))


def _central_itself_bwd(axis, h, u, g):
    above, below = shift(u, axis, 1), shift(u, axis, -1)
    result = g * (above - below)
    result += shift(g, axis, -1) * (2 * u + below)
    result -= shift(g, axis, 1) * (2 * u + above)
    return (result * (1 / (6 * h)),)


_central_itself.defvjp(
    lambda u, axis, h: (_central_itself(u, axis, h), u), _central_itself_bwd
)


def _limited(v, q, axis, h):
    speed = 0.5 * (v + shift(v, axis, -1))
    growth = shift(speed, axis, 1) - speed
    return (limited.upwind_difference(q, speed, axis, periodic=True) - q * growth) / h


def _limited_itself(u, axis, h):
    return limited.burgers_difference(u, axis) / h


# The third-order method is stable up to √3 for central differences, and up to 1.6 for
# Koren's slopes where they are smooth.
SCHEMES = {
    "central": Advection(_central, _central_itself, 1.5),
    "limited": Advection(_limited, _limited_itself, 1.0),
}
