"""Heat conduction by fluxes at the faces."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from hyco_jax.grids.domain import Domain
from hyco_jax.pde.kernels import schemes
from hyco_jax.types import Array

StageFn = Callable[[Array], Array]


def divergence_stage(domain: Domain, dt: float, kappa: Array) -> StageFn:
    """Returns one Euler step of uₜ = ∇·(κ∇u), with walls at 0 in a closed box.

    Args:
        domain: The grid, periodic or closed.
        dt: Length of the step.
        kappa: Conductivity, shape `(*S,)`.
    """
    faces = schemes.face_coefficient(domain, dt, kappa)
    if domain.periodic:
        return lambda plane: schemes.diffuse(faces, (plane,))[0]
    inner, walls = _inner_faces(domain), _wall_faces(domain)
    faces = tuple(
        face * jnp.asarray(mask, face.dtype)
        for face, mask in zip(faces, inner, strict=True)
    )
    # Through a wall flows κ u/(dx/2).
    loss = 2 * dt * kappa * jnp.asarray(walls, kappa.dtype)
    return lambda plane: schemes.diffuse(faces, (plane,))[0] - loss * plane


def laplacian_stage(domain: Domain, dt: float, kappa: Array) -> StageFn:
    """Returns one Euler step of uₜ = κ∇²u, see `divergence_stage`."""
    stage = divergence_stage(domain, dt, jnp.ones_like(kappa))
    return lambda plane: plane + kappa * (stage(plane) - plane)


def node_stage(domain: Domain, dt: float, kappa: Array) -> StageFn:
    """Returns one Euler step of uₜ = κ∇²u where walls are nodes: the outermost cells.

    They are 0 at their centres, as the published heat test has it (arXiv 2509.14123).

    Args:
        domain: The grid, closed; the walls are half a cell inside of the box.
        dt: Length of the step.
        kappa: Conductivity, shape `(*S,)`.
    """
    faces = schemes.face_coefficient(domain, dt, jnp.ones_like(kappa))
    cells = np.indices(domain.resolution)
    last = np.array(domain.resolution).reshape(-1, *[1] * domain.ndim) - 1
    inside = (cells > 0) & (cells < last)
    inside = jnp.asarray(inside.all(axis=0), kappa.dtype)
    # What wraps around the box only reaches the outermost cells.
    return lambda plane: (
        inside * (plane + kappa * (schemes.diffuse(faces, (plane,))[0] - plane))
    )


def _inner_faces(domain):
    """Marks for each axis the cells whose lower face is not a wall."""
    cells = np.indices(domain.resolution)
    return [cells[axis] > 0 for axis in range(domain.ndim)]


def _wall_faces(domain):
    """The sum of 1/dx² over a cell's faces on walls, shape `(*S,)`."""
    cells = np.indices(domain.resolution)
    return sum(
        ((cells[axis] == 0) * 1.0 + (cells[axis] == n - 1)) / h**2
        for axis, (n, h) in enumerate(zip(domain.resolution, domain.dx, strict=True))
    )
