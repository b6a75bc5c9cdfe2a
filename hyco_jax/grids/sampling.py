"""Random initial states: sums of waves, the same function on every grid."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from hyco_jax.grids.domain import Domain
from hyco_jax.types import Array

# No random state had a component as large as 4.5 times its amplitude.
PEAK = 4.5

# Along each axis, waves whose part is smaller than this share of the largest one are
# left out, and those of more periods.
_SMALLEST = 1e-4
_MAX_WAVES = 64


def sample_u0(
    key: Array,
    domain: Domain,
    num_samples: int,
    scale: float,
    amplitude: float = 1.0,
    num_channels: int | None = None,
    smoothness: float = 0.0,
    staggered: bool = False,
    divergence_free: bool = False,
) -> Array:
    """Samples smooth periodic fields, by default one component per axis.

    Normal Fourier coefficients are multiplied by `exp(-(scale |k|)² / 2)`, so that
    `scale` is the correlation length, and normalised to zero mean and the given
    amplitude. With a smoothness the filter is that of PhiFlow's `Noise`,
    `(scale |k|)^(-2 smoothness)` where `(scale |k|)² > 0.1 (2π)²`.

    A key stands for the same function on every grid, in float32 and float64: its waves
    depend on the box and the filter only. A grid of n cells along an axis leaves out
    those of n/2 periods and more. There are at most 64 periods.

    Args:
        key: PRNG key.
        domain: The grid.
        num_samples: Number N of states.
        scale: Correlation length, in units of the extent.
        amplitude: Root mean square of each component over the box.
        num_channels: Components C, as many as axes by default.
        smoothness: Of PhiFlow's `Noise`, or 0 for the Gaussian filter.
        staggered: Whether component a is evaluated at the lower faces along axis a,
            else at the cell centres; needs one component per axis.
        divergence_free: Whether the waves' components along k are taken off in the end,
            which leaves 1 - 1/D of their energy; needs one component per axis.

    Returns:
        Shape `(N, *S, C)`, of JAX's default float.

    Raises:
        ValueError: If no wave is left, or the components don't fit the axes.
    """
    components = domain.ndim if num_channels is None else num_channels
    if (staggered or divergence_free) and components != domain.ndim:
        raise ValueError(
            f"num_channels={components} is not one for each of the {domain.ndim} axes, "
            "as a staggered or divergence-free field has; leave it out"
        )
    units = 2 * np.pi / np.array(domain.extent)

    def gain(k):
        squares = scale**2 * np.sum(k**2, axis=-1)
        if not smoothness:
            return np.where(squares > 0, np.exp(-squares / 2), 0.0)
        squares = squares / (2 * np.pi) ** 2
        is_short = squares > 0.1
        return is_short * np.where(is_short, squares, 1.0) ** -smoothness

    drawn = _num_waves(gain, units)
    kept = [min(m, (n - 1) // 2) for m, n in zip(drawn, domain.resolution, strict=True)]
    numbers = _grid([np.arange(-m, m + 1) for m in kept])
    lowpass = _scaled(gain(units * numbers), domain, scale)
    shape = (2, num_samples, *(2 * m + 1 for m in drawn), components)
    re, im = jax.random.normal(key, shape, jnp.float32).astype(_default_float())
    axes = tuple(range(1, domain.ndim + 1))
    left_out = [(m - n, m - n) for m, n in zip(drawn, kept, strict=True)]
    waves = _cropped(re + 1j * im, left_out, axes)
    # The waves k and -k of a real field are conjugate.
    waves = waves + jnp.conj(jnp.flip(waves, axes))
    waves = waves * _like(re, lowpass[None, ..., None])
    power = jnp.sum(jnp.abs(waves) ** 2, axis=axes, keepdims=True)
    waves = waves * (amplitude / jnp.sqrt(power))
    if divergence_free:
        k = units * numbers
        along = k / np.maximum(np.linalg.norm(k, axis=-1, keepdims=True), units.min())
        along = _like(re, along[None])
        waves = waves - along * jnp.sum(along * waves, axis=-1, keepdims=True)
    offsets = np.full((components, domain.ndim), 0.5)
    if staggered:
        np.fill_diagonal(offsets, 0.0)
    shifts = 2 * np.pi * numbers @ (offsets / np.array(domain.resolution)).T
    waves = waves * _like(waves, np.exp(1j * shifts)[None])
    return _on_grid(waves, domain.resolution, axes)


def sample_sines(
    key: Array, domain: Domain, num_samples: int, scale: float, amplitude: float
) -> Array:
    """Samples smooth fields that vanish at the walls of a closed box.

    They are sums of sine waves, their coefficients normal times
    `exp(-(scale |k|)² / 2)`. As in `sample_u0`, a key stands for the same function on
    every grid; one of n cells along an axis leaves out n half waves and more.

    Args:
        key: PRNG key.
        domain: The grid.
        num_samples: Number N of states.
        scale: Correlation length, in units of the extent.
        amplitude: Root mean square of each state over the box.

    Returns:
        Shape `(N, *S, 1)`, of JAX's default float.

    Raises:
        ValueError: If no wave is left.
    """
    units = np.pi / np.array(domain.extent)

    def gain(k):
        return np.exp(-(scale**2) * np.sum(k**2, axis=-1) / 2)

    drawn = _num_waves(gain, units)
    kept = [min(m, n - 1) for m, n in zip(drawn, domain.resolution, strict=True)]
    numbers = _grid([np.arange(1, m + 1) for m in kept])
    lowpass = _scaled(gain(units * numbers), domain, scale)
    u = jax.random.normal(key, (num_samples, *drawn), jnp.float32)
    axes = tuple(range(1, domain.ndim + 1))
    left_out = [(0, m - n) for m, n in zip(drawn, kept, strict=True)]
    u = _cropped(u, left_out, axes).astype(_default_float())
    u = u * _like(u, lowpass[None])
    # The mean square of a sine is 1/2 along each axis.
    power = jnp.sum(u**2, axis=axes, keepdims=True) / 2**domain.ndim
    u = u * (amplitude / jnp.sqrt(power))
    for m, n in zip(kept, domain.resolution, strict=True):
        x = (np.arange(n) + 0.5) / n
        sines = _like(u, np.sin(np.pi * np.outer(np.arange(1, m + 1), x)))
        # The first axis of waves goes, the grid's comes last: the order is kept.
        u = jnp.tensordot(u, sines, axes=(1, 0), precision=lax.Precision.HIGHEST)
    return u[..., None]


def _num_waves(gain, units):
    """The largest wave along each axis by itself, in numbers of the longest one."""
    result = []
    for unit in np.diag(units):
        along = gain(np.arange(1, _MAX_WAVES + 1)[:, None] * unit)
        counts = np.flatnonzero(along >= _SMALLEST * along.max())
        result.append(int(counts[-1]) + 1)
    return result


def _scaled(lowpass, domain, scale):
    """Makes the largest entry 1, lest the power underflows."""
    # What float32 holds: beyond, a wave is what rounding made of its exponent.
    largest = lowpass.max(initial=0)
    if largest < np.finfo(np.float32).tiny:
        raise ValueError(
            f"scale={scale} leaves none of the waves that a box of extent "
            f"{domain.extent} and {domain.resolution} cells can hold; choose another "
            "one, such as a tenth of the extent"
        )
    return lowpass / largest


def _cropped(waves, widths, axes):
    for (before, after), axis in zip(widths, axes, strict=True):
        size = waves.shape[axis]
        waves = lax.slice_in_dim(waves, before, size - after, axis=axis)
    return waves


def _on_grid(waves, resolution, axes):
    """Evaluates centred waves: an inverse FFT of them and zeros."""
    widths = [(0, 0)] * waves.ndim
    for n, axis in zip(resolution, axes, strict=True):
        largest = waves.shape[axis] // 2
        widths[axis] = (n // 2 - largest, n - n // 2 - largest - 1)
    spectrum = jnp.fft.ifftshift(jnp.pad(waves, widths), axes=axes)
    return math.prod(resolution) * jnp.fft.ifftn(spectrum, axes=axes).real


def _grid(axes):
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def _like(u, array):
    return jnp.asarray(array, u.dtype)


def _default_float():
    return jnp.zeros(()).dtype
