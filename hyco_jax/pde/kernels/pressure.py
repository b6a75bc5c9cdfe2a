"""The pressure that makes a velocity on a staggered grid free of divergence.

    u ← u - ∇p,    ∇²p = ∇·u

on the grid of `fields.to_staggered`: component a of a cell at its lower face along axis
a, the velocity through the walls of a closed box zero. The Laplacian is the divergence
of the gradient on this grid, 5 points in 2-D and 7 in 3-D, solved directly: Fourier
modes diagonalise it in a periodic box, cosines in a closed one (Neumann's condition).
So the discrete divergence that remains is rounding.
"""

import functools
import string

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from hyco_jax.grids.domain import Domain
from hyco_jax.types import Array

Planes = tuple[Array, ...]


def divergence(domain: Domain, u: Array) -> Array:
    """Returns the divergence of a velocity in every cell, in 1/time.

    Args:
        domain: The grid.
        u: Values at the lower faces, shape `(*S, D)`. In a closed box the velocity at
            the walls counts as zero, whatever is stored there.

    Returns:
        Outflow through the faces of a cell by its volume, shape `(*S,)`.
    """
    return _divergence(domain, tuple(u[..., a] for a in range(domain.ndim)))


def relative_divergence(domain: Domain, u: Array) -> Array:
    """Returns max |∇·u| / Σₐ (max |uₐ| / dxₐ), the share of u that is not balanced.

    Between 0 and 2 without a unit, so that rounding is some `eps` whatever the grid and
    the speed; 0 for a fluid at rest.

    Args:
        domain: The grid.
        u: Values at the lower faces, shape `(*S, D)`.

    Returns:
        Shape `()`.
    """
    axes = tuple(range(domain.ndim))
    largest = jnp.max(jnp.abs(u), axis=axes) / jnp.asarray(domain.dx, u.dtype)
    scale = jnp.sum(largest)
    most = jnp.max(jnp.abs(divergence(domain, u)))
    return jnp.where(scale > 0, most / jnp.where(scale > 0, scale, 1), 0)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def project(domain: Domain, planes: Planes) -> Planes:
    """Subtracts the gradient of a pressure, so that no divergence remains.

    An orthogonal projection, hence its own transpose: derivatives are reverse mode.

    Args:
        domain: The grid.
        planes: The D velocity components at the lower faces, each `(*S,)`.

    Returns:
        The components without divergence, zero on the walls of a closed box.
    """
    return _project_twice(domain, planes)


def _project_twice(domain, planes):
    # A large force that the pressure balances, such as weight, leaves the rounding of
    # both; the second pass leaves that of the velocity itself.
    return _project(domain, _project(domain, planes))


def _project(domain, planes):
    pressure = _solve(domain, _divergence(domain, planes))
    result = []
    for axis, (plane, h) in enumerate(zip(planes, domain.dx, strict=True)):
        if domain.periodic:
            below = jnp.roll(pressure, 1, axis)
            result.append(plane - (pressure - below) / h)
        else:
            inside = lax.slice_in_dim(plane, 1, None, axis=axis)
            inside -= jnp.diff(pressure, axis=axis) / h
            result.append(_pad(inside, axis, (1, 0)))
    return tuple(result)


project.defvjp(
    lambda domain, planes: (_project_twice(domain, planes), None),
    lambda domain, _, cotangents: (_project(domain, cotangents),),
)


def _divergence(domain, planes):
    result = 0
    for axis, (plane, h) in enumerate(zip(planes, domain.dx, strict=True)):
        if domain.periodic:
            first = lax.slice_in_dim(plane, 0, 1, axis=axis)
            faces = jnp.concatenate([plane, first], axis)
        else:
            inside = lax.slice_in_dim(plane, 1, None, axis=axis)
            faces = _pad(inside, axis, (1, 1))
        result += jnp.diff(faces, axis=axis) / h
    return result


def _pad(plane, axis, width):
    return jnp.pad(plane, [width if a == axis else (0, 0) for a in range(plane.ndim)])


def _solve(domain, source):
    """Returns the p of zero mean with ∇²p = source - its mean."""
    inverse = jnp.asarray(_inverse_eigenvalues(domain), source.dtype)
    axes = tuple(range(domain.ndim))
    if domain.periodic:
        spectrum = jnp.fft.rfftn(source, axes=axes) * inverse
        return jnp.fft.irfftn(spectrum, s=domain.resolution, axes=axes)
    # As matrices: a DCT by FFT takes 1.7 times as long at 128², and no less at 512².
    cosines = [jnp.asarray(_cosines(n), source.dtype) for n in domain.resolution]
    spectrum = _along_each_axis(cosines, source) * inverse
    return _along_each_axis([c.T for c in cosines], spectrum)


def _along_each_axis(matrices, x):
    for axis, matrix in enumerate(matrices):
        letters = string.ascii_lowercase[: x.ndim]
        changed = letters.replace(letters[axis], "z")
        x = jnp.einsum(
            f"z{letters[axis]},{letters}->{changed}",
            matrix,
            x,
            precision=lax.Precision.HIGHEST,
        )
    return x


def _cosines(n):
    """The orthogonal matrix of the type 2 cosine transform, float64."""
    modes = np.cos(np.pi / n * np.outer(np.arange(n), np.arange(n) + 0.5))
    modes[0] /= np.sqrt(2)
    return modes * np.sqrt(2 / n)


def _inverse_eigenvalues(domain):
    """1 / eigenvalues of the Laplacian, 0 for the constant mode."""
    grids = []
    for axis, (n, h) in enumerate(zip(domain.resolution, domain.dx, strict=True)):
        is_last = axis == domain.ndim - 1
        if domain.periodic:
            angles = np.pi / n * np.arange(n // 2 + 1 if is_last else n)
        else:
            angles = np.pi / (2 * n) * np.arange(n)
        grids.append(-((2 / h * np.sin(angles)) ** 2))
    eigenvalues = sum(np.meshgrid(*grids, indexing="ij"))
    origin = (0,) * domain.ndim
    eigenvalues[origin] = 1
    inverse = 1 / eigenvalues
    inverse[origin] = 0
    return inverse
