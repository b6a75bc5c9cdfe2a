"""Fluxes with limited slopes along one axis.

A value at a face is extrapolated from the cell upwind of it, by the slope of a parabola
through three cells, limited as Koren (1993) does it: to twice the differences to both
neighbours, and to zero where these differ in sign. Third order along an axis where the
solution is smooth and away from extrema, second order in a finite-volume scheme of
several axes. Periodic, or closed: nothing flows through a wall, and a cell beside it
has no slope.

Differentiable almost everywhere: where the limiter begins to act a slope has a kink.
Selections of signs and squares, without a division or a minimum, are fast in both
directions: transposes written out made gradients of steps up to 1.4 times as long.
"""

import jax.numpy as jnp
from jax import lax

from hyco_jax.pde.kernels import staggered
from hyco_jax.types import Array


def upwind_difference(q: Array, speed: Array, axis: int, periodic: bool) -> Array:
    """Returns what flows out of each cell at its upper face, less what flows in.

    Args:
        q: What is carried, shape `(*S,)`.
        speed: At the lower faces of the cells, shape `(*S,)`; that of the first one of
            a closed axis is taken for 0.
        axis: Along which.
        periodic: Whether the axis is.
    """
    if not periodic:
        speed = staggered.without_wall(speed, axis)
    below, above = _sides(q, axis, periodic)
    return _outflow(speed * jnp.where(speed > 0, below, above), axis, periodic)


def burgers_difference(u: Array, axis: int) -> Array:
    """Returns the same for the flux u²/2, by Engquist and Osher (1981).

    Args:
        u: Shape `(*S,)`.
        axis: Along which, periodic.
    """
    below, above = _sides(u, axis, periodic=True)
    flux = jnp.maximum(below, 0) ** 2 + jnp.minimum(above, 0) ** 2
    return _outflow(0.5 * flux, axis, periodic=True)


def _outflow(flux, axis, periodic):
    """What leaves the cells in all, of fluxes at their lower faces."""
    beyond = "wrap" if periodic else "constant"
    return _difference(_extended(flux, axis, (0, 1), beyond), axis)


def _sides(q, axis, periodic):
    """Values at the lower faces, from the cells below and above."""
    cells = _extended(q, axis, (2, 1), "wrap" if periodic else "edge")
    jumps = _difference(cells, axis)
    lower, upper = _part(jumps, axis, 0, -1), _part(jumps, axis, 1)
    inner = _part(cells, axis, 1, -1)
    below = inner + 0.5 * _slope(lower, upper)
    above = inner - 0.5 * _slope(upper, lower)
    return _part(below, axis, 0, -1), _part(above, axis, 1)


def _slope(behind, ahead):
    """Koren's slope of a cell, as seen from the face ahead of it."""
    product = behind * ahead
    slope = (behind + 2 * ahead) * (1 / 3)
    slope = jnp.where(product > 4 * ahead**2, 2 * ahead, slope)
    slope = jnp.where(2 * product > 5 * behind**2, 2 * behind, slope)
    return jnp.where(product > 0, slope, 0)


def _extended(plane, axis, widths, mode):
    return jnp.pad(
        plane, [widths if a == axis else (0, 0) for a in range(plane.ndim)], mode
    )


def _part(plane, axis, start, stop=None):
    return lax.slice_in_dim(plane, start, stop, axis=axis)


def _difference(plane, axis):
    return _part(plane, axis, 1) - _part(plane, axis, 0, -1)
