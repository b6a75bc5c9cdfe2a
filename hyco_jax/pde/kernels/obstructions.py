"""The projection of `pressure.py` in a closed box, around obstacles by PhiFlow's."""

import functools
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np

from hyco_jax.grids import fields
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.fields import flow
from hyco_jax.pde.kernels import pressure
from hyco_jax.types import Array

_TOLERANCE = 1e-5
_MAX_ITERATIONS = 1000

Planes = tuple[Array, ...]


def make_projection(
    domain: Domain, obstacles: Sequence[flow.Geometry] = ()
) -> Callable[[Planes], Planes]:
    """Returns a function that takes the divergence off a velocity.

    Args:
        domain: The grid, closed.
        obstacles: Geometries of PhiFlow at rest; a cell is solid if its centre is in
            one. In the other cells CG leaves 1e-5 of the divergence there was.

    Raises:
        ValueError: If an obstacle is no geometry in the box.
    """
    _check(domain, obstacles)
    if not obstacles:
        return functools.partial(pressure.project, domain)
    is_open = _open_faces(domain, obstacles)
    # PhiML would fix the mean of the pressure by a row and a column that make the
    # matrix indefinite, on which conjugate gradients can break down at random.
    solve = flow.Solve(
        "CG", _TOLERANCE, 0.0, max_iterations=_MAX_ITERATIONS, rank_deficiency=0
    )

    def project(planes):
        # PhiFlow only damps the flow through faces that an obstacle covers in part.
        u = jnp.where(is_open, jnp.stack(planes, axis=-1), 0)
        with flow.math.precision(jnp.finfo(u.dtype).bits):
            velocity, _ = flow.fluid.make_incompressible(
                fields.to_staggered(u, domain), obstacles, solve
            )
            u = fields.to_array(velocity)
            return tuple(u[..., a] for a in range(domain.ndim))

    return project


def _open_faces(domain, obstacles):
    """Marks the lower faces whose two cells are both outside, shape `(*S, D)`."""
    centres = fields.to_field(jnp.zeros((*domain.resolution, 1)), domain).points
    names = centres.shape.spatial.names
    outside = np.ones(domain.resolution, bool)
    for obstacle in obstacles:
        outside &= ~obstacle.lies_inside(centres).numpy([*names])
    below = [np.roll(outside, 1, axis) for axis in range(domain.ndim)]
    return np.stack([outside & cells for cells in below], axis=-1)


def _check(domain, obstacles):
    for obstacle in obstacles:
        if not isinstance(obstacle, flow.Geometry):
            raise ValueError(
                f"obstacles has a {type(obstacle).__name__}, expected geometries of "
                "PhiFlow such as flow.Sphere(x=50, y=50, radius=10)"
            )
        if obstacle.spatial_rank != domain.ndim:
            raise ValueError(
                f"the obstacle {obstacle} has {obstacle.spatial_rank} axes, expected "
                f"{domain.ndim}; name its position along each of them"
            )
