"""Means and diffusion on a staggered grid.

Component a of a cell lies at its lower face along axis a, as in `fields.to_staggered`.
The walls of a closed box don't slip: the velocity there is zero.
"""

import jax.numpy as jnp
from jax import lax

from hyco_jax.grids.domain import Domain
from hyco_jax.types import Array

Planes = tuple[Array, ...]

_UNROLL = 4


def at_centres(domain: Domain, plane: Array, axis: int) -> Array:
    """Returns the means of the two faces of each cell.

    Args:
        domain: The grid.
        plane: Values at the lower faces along `axis`, shape `(*S,)`; zero on the walls.
        axis: Which of them.
    """
    first = lax.slice_in_dim(plane, 0, 1, axis=axis)
    inner = lax.slice_in_dim(plane, 1, None, axis=axis)
    if domain.periodic:
        return 0.5 * (plane + jnp.concatenate([inner, first], axis))
    return 0.5 * (_pad(inner, axis, (1, 0)) + _pad(inner, axis, (0, 1)))


def at_faces(domain: Domain, plane: Array, axis: int) -> Array:
    """Returns the means of two cells at the lower faces along an axis.

    Args:
        domain: The grid.
        plane: Values at the cell centres, shape `(*S,)`.
        axis: Along which.

    Returns:
        Shape `(*S,)`, zero on the wall of a closed box.
    """
    if domain.periodic:
        return 0.5 * (plane + jnp.roll(plane, 1, axis))
    below = lax.slice_in_dim(plane, 0, plane.shape[axis] - 1, axis=axis)
    above = lax.slice_in_dim(plane, 1, None, axis=axis)
    return _pad(0.5 * (below + above), axis, (1, 0))


def velocity_at_faces(domain: Domain, planes: Planes, axis: int) -> Planes:
    """Returns all components at the lower faces along an axis, D times `(*S,)`."""
    return tuple(
        plane
        if component == axis
        else at_faces(domain, at_centres(domain, plane, component), axis)
        for component, plane in enumerate(planes)
    )


def without_wall(plane: Array, axis: int) -> Array:
    """Returns values at the lower faces along an axis with zeros on the wall."""
    return _pad(lax.slice_in_dim(plane, 1, None, axis=axis), axis, (1, 0))


def diffuse(domain: Domain, amount: Array, planes: Planes, num_steps: int) -> Planes:
    """Makes explicit Euler steps of uₜ = ν∇²u in a closed box, u = 0 on its walls.

    Second order in dx up to the walls; stable for amount <= 1/(2 Σᵢ 1/dxᵢ²). PhiFlow's
    `diffuse.explicit` puts the walls half a cell too far outside for the components
    along them, which is first order.

    Args:
        domain: The grid, closed.
        amount: dt·ν of one step, shape `()`.
        planes: The D components at the lower faces, each `(*S,)`.
        num_steps: How many steps, static.

    Returns:
        The components num_steps·dt later, zero on the walls.
    """

    def body(planes, _):
        changes = diffusion(domain, planes)
        return tuple(
            u + amount * du for u, du in zip(planes, changes, strict=True)
        ), None

    return lax.scan(body, planes, length=num_steps, unroll=min(num_steps, _UNROLL))[0]


def diffusion(domain: Domain, planes: Planes) -> Planes:
    """Returns ∇²u in a closed box, u = 0 on its walls, see `diffuse`."""
    return tuple(_laplacian(domain, plane, axis) for axis, plane in enumerate(planes))


def _laplacian(domain, plane, component):
    plane = without_wall(plane, component)
    change = 0
    for axis, h in enumerate(domain.dx):
        below, above = _neighbours(plane, axis, is_normal=axis == component)
        change += (below - 2 * plane + above) / h**2
    return without_wall(change, component)


def _pad(plane, axis, width):
    return jnp.pad(plane, [width if a == axis else (0, 0) for a in range(plane.ndim)])


def _neighbours(plane, axis, is_normal):
    """Returns the values below and above, mirrored so that they vanish on the walls."""
    n = plane.shape[axis]
    first = lax.slice_in_dim(plane, 0, 1, axis=axis)
    last = lax.slice_in_dim(plane, n - 1, n, axis=axis)
    # Values along the wall lie half a cell from it, those through it lie on it.
    ends = (first, jnp.zeros_like(last)) if is_normal else (-first, -last)
    padded = jnp.concatenate([ends[0], plane, ends[1]], axis)
    below = lax.slice_in_dim(padded, 0, n, axis=axis)
    return below, lax.slice_in_dim(padded, 2, n + 2, axis=axis)
