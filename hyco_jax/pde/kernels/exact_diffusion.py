"""Exact diffusion with one number for the whole box: every wave decays by itself.

PhiFlow's `diffuse.fourier` does the same on periodic grids of unit cells only: in 3.4
its wave numbers ignore the cell size. With 16 cells on a length of 2 it keeps 0.995 of
a sine of which exp(-κk²t) = 0.744 is left.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax

from hyco_jax.grids.domain import Domain
from hyco_jax.types import Array


def diffuse(domain: Domain, amount: Array | float, plane: Array) -> Array:
    """Solves uₜ = κ∇²u, whose waves of wave number k decay by exp(-κ k² t).

    Exact in time, and in space for what the grid resolves. A periodic box takes a
    Fourier transform. A closed one has u = 0 at the walls, on the outer faces of the
    outermost cells, and takes the sine transform of type II.

    Args:
        domain: The grid.
        amount: κ t, ().
        plane: Values u at the cell centres, shape `(*S,)`.

    Returns:
        u a time t later, shape `(*S,)`.
    """
    decay = jnp.exp(-amount * jnp.asarray(_squares(domain), plane.dtype))
    if domain.periodic:
        spectrum = jnp.fft.rfftn(plane)
        return jnp.fft.irfftn(decay * spectrum, s=domain.resolution)
    return _from_sines(domain, decay * _to_sines(domain, plane))


def _from_sines(domain: Domain, spectrum: Array) -> Array:
    """Sums the sine waves of a closed box.

    Args:
        domain: The grid.
        spectrum: Shape `(*S,)`; entry (m - 1, ...) is of m half waves along x. The
            waves are orthonormal vectors of values at the cell centres.

    Returns:
        Values at the cell centres, shape `(*S,)`.
    """
    return _transform([_sines(n).T for n in domain.resolution], spectrum)


def _sine_numbers(domain: Domain) -> np.ndarray:
    """Wave numbers of the sine waves of a closed box, shape `(*S, D)`."""
    sizes = zip(domain.resolution, domain.extent, strict=True)
    return _grid([np.pi * np.arange(1, n + 1) / length for n, length in sizes])


def _to_sines(domain, plane):
    return _transform([_sines(n) for n in domain.resolution], plane)


def _sines(num_cells):
    """Sine waves at the cell centres, one per row, orthonormal, shape `(n, n)`."""
    m = np.arange(1, num_cells + 1)
    waves = np.sin(np.pi * np.outer(m, np.arange(num_cells) + 0.5) / num_cells)
    return waves / np.linalg.norm(waves, axis=1, keepdims=True)


def _transform(matrices, plane):
    for matrix in matrices:
        # The first axis goes and the new one comes last: after all, the order is kept.
        matrix = jnp.asarray(matrix, plane.dtype)
        plane = jnp.tensordot(
            plane, matrix, axes=(0, 1), precision=lax.Precision.HIGHEST
        )
    return plane


def _squares(domain):
    """|k|² of the waves of either transform."""
    if not domain.periodic:
        return np.sum(_sine_numbers(domain) ** 2, axis=-1)
    sizes = list(zip(domain.resolution, domain.dx, strict=True))
    waves = [2 * np.pi * np.fft.fftfreq(n, h) for n, h in sizes[:-1]]
    waves.append(2 * np.pi * np.fft.rfftfreq(*sizes[-1]))
    return np.sum(_grid(waves) ** 2, axis=-1)


def _grid(axes):
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
