"""The Fourier neural operator (Li et al., ICLR 2021, https://arxiv.org/abs/2010.08895).

A block maps `v` to `σ(W v + F⁻¹(R F v))`: a matrix W in each point, and a matrix R(k)
for each wavenumber |k| < `modes`, the others cut off. As F divides by the number of
points, F v and with it the whole network mean the same function on every grid that
resolves it, and parameters fit every resolution.

With so few wavenumbers a truncated transform is one small matrix product per axis,
faster than an FFT of all of them: a gradient took 0.6 (64²) and 0.4 (128²) of the time
on CPU.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from hyco_jax.networks.base import Network
from hyco_jax.types import Array

# "SAME" appends zeros, as the paper does, by this fraction of the domain: 1 / 8.
_DOMAIN_PER_PADDING = 8


class FNO(Network):
    """A Fourier neural operator: lifting, spectral blocks, projection.

    Where the padding is "SAME", the blocks see the domain continued by zeros by an
    eighth, such that opposite walls aren't neighbours.

    Attributes:
        modes: Number of wavenumbers 0, ..., modes - 1 kept along each axis, with both
            signs; must stay below the Nyquist wavenumber.
        width: Channels of the blocks.
        depth: Number of blocks.
        projection: Channels between the blocks and the output.
    """

    activation: str = "gelu"
    modes: int = 12
    width: int = 32
    depth: int = 4
    projection: int = 128

    def features(self, x: Array) -> Array:
        grid = x.shape[-1 - self.ndim : -1]
        x = self.dense(x, self.width)
        x = jnp.pad(x, self._widths(x), mode="constant")
        for i in range(self.depth):
            skip = self.dense(x, self.width)
            x = skip + SpectralConv(self.width, (self.modes,) * self.ndim)(x)
            x = self.activate(x) if i < self.depth - 1 else x
        x = x[(..., *(slice(n) for n in grid), slice(None))]
        return self.activate(self.dense(x, self.projection))

    def check(self, u_shape: tuple[int, ...]) -> None:
        super().check(u_shape)
        _check_modes((self.modes,) * self.ndim, self._padded(u_shape[:-1]))

    def _padded(self, grid):
        if self.padding == "CIRCULAR":
            return tuple(grid)
        return tuple(n + -(-n // _DOMAIN_PER_PADDING) for n in grid)

    def _widths(self, x):
        grid = x.shape[-1 - self.ndim : -1]
        after = [p - n for p, n in zip(self._padded(grid), grid, strict=True)]
        return [(0, 0)] * (x.ndim - 1 - self.ndim) + [(0, w) for w in after] + [(0, 0)]


class SpectralConv(nn.Module):
    """A periodic convolution whose kernel has the lowest wavenumbers only.

    Input `(..., *S, Cin)`, output `(..., *S, features)`. The real parameter `kernel`
    `(2, *K, Cin, features)` holds real and imaginary parts, with `K = 2 modes - 1`
    wavenumbers in the order 0, 1, ..., -1 of an FFT along all axes but the last, which
    has `modes`. Imaginary parts at wavenumber 0 have no effect, since the output is
    real. Products are float32 on every platform.

    Attributes:
        features: Output channels.
        modes: Number of wavenumbers 0, ..., modes - 1 kept, one per spatial axis.

    Raises:
        ValueError: If an axis has too few points for its modes.
    """

    features: int
    modes: tuple[int, ...]

    @nn.compact
    def __call__(self, x: Array) -> Array:
        grid = x.shape[-1 - len(self.modes) : -1]
        _check_modes(self.modes, grid)
        *leading, last = self.modes
        counts = (*(2 * m - 1 for m in leading), last)
        # Keeps the variance of what the kept wavenumbers hold.
        init = nn.initializers.normal((2 * x.shape[-1]) ** -0.5)
        shape = (2, *counts, x.shape[-1], self.features)
        kernel = self.param("kernel", init, shape).astype(x.dtype)
        return from_modes(_multiply(to_modes(x, self.modes), kernel), grid)


def to_modes(x: Array, modes: tuple[int, ...]) -> Array:
    """Transforms to the lowest wavenumbers, normalised as `norm="forward"`.

    Args:
        x: Real, shape `(..., *S, C)`.
        modes: Wavenumbers kept, one number per spatial axis.

    Returns:
        Complex, shape `(..., *K, C)` with `K` as of `SpectralConv`.
    """
    *leading, last = range(x.ndim - 1 - len(modes), x.ndim - 1)
    n = x.shape[last]
    waves = _waves(n, np.arange(modes[-1])) / n
    c = jax.lax.complex(_product(x, waves.real, last), _product(x, waves.imag, last))
    for axis, m in zip(leading, modes, strict=False):
        n = x.shape[axis]
        c = _product(c, _waves(n, _signed(m)) / n, axis)
    return c


def from_modes(c: Array, grid: tuple[int, ...]) -> Array:
    """Evaluates the real function of given wavenumbers on a grid.

    Args:
        c: Complex, shape `(..., *K, C)` as `to_modes` returns it.
        grid: Points along each axis.

    Returns:
        Real, shape `(..., *grid, C)`.
    """
    *leading, last = range(c.ndim - 1 - len(grid), c.ndim - 1)
    for axis, n in zip(leading, grid, strict=False):
        waves = _waves(n, _signed((c.shape[axis] + 1) // 2))
        c = _product(c, waves.conj().T, axis)
    k = np.arange(c.shape[last])
    # Each wavenumber but 0 stands for its conjugate too.
    waves = _waves(grid[-1], k).T * np.where(k > 0, 2, 1)[:, None]
    return _product(c.real, waves.real, last) + _product(c.imag, waves.imag, last)


def _multiply(c, kernel):
    """Applies a matrix to the channels of each wavenumber."""
    # Complex products as one real one, of twice the channels.
    real, imag = kernel
    rows = [jnp.concatenate(row, -1) for row in ((real, imag), (-imag, real))]
    k = "xyz"[: kernel.ndim - 3]
    y = jnp.einsum(
        f"...{k}i,{k}io->...{k}o",
        jnp.concatenate([c.real, c.imag], -1),
        jnp.concatenate(rows, -2),
        precision=jax.lax.Precision.HIGHEST,
    )
    return jax.lax.complex(*jnp.split(y, 2, axis=-1))


def _product(x, matrix, axis):
    """Multiplies one axis by a matrix `(n, m)`."""
    matrix = jnp.asarray(matrix, jnp.result_type(x.dtype))
    y = jnp.tensordot(x, matrix, (axis, 0), precision=jax.lax.Precision.HIGHEST)
    return jnp.moveaxis(y, -1, axis)


def _waves(n, k):
    """Values exp(-2πi k j / n), shape `(n, len(k))`."""
    # Whole turns are taken off in integers, before any rounding.
    turns = np.outer(np.arange(n), k) % n
    return np.exp(-2j * np.pi * turns / n)


def _signed(modes):
    return np.r_[0:modes, 1 - modes : 0]


def _check_modes(modes, grid):
    # At the Nyquist wavenumber a real function holds no imaginary part, and the same
    # parameters would mean another function on a finer grid.
    if any(2 * (m - 1) >= n for m, n in zip(modes, grid, strict=True)):
        most = (min(grid) - 1) // 2 + 1
        raise ValueError(
            f"modes={modes[0]} need more than {2 * (modes[0] - 1)} points along each "
            f"axis, got {grid}; use modes <= {most} or a finer grid"
        )
