"""Random initial states."""

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.grids.domain import Domain
from hyco_jax.types import Array

# No component of 2000 random states in 1-D, and of 100 and more in 2-D and 3-D, was
# larger than 3.75 times their amplitude.
PEAK = 4.0


def sample_u0(
    key: Array,
    domain: Domain,
    num_samples: int,
    scale: float,
    amplitude: float = 1.0,
    num_channels: int | None = None,
    smoothness: float = 0.0,
) -> Array:
    """Samples smooth periodic fields, by default one component per axis.

    White noise is filtered by `exp(-(scale |k|)² / 2)`, so that `scale` is the
    correlation length, and normalised to zero mean and the given amplitude. With a
    smoothness the filter is that of PhiFlow's `Noise`, `(scale |k|)^(-2 smoothness)`
    where `(scale |k|)² > 0.1 (2π)²`.

    Args:
        key: PRNG key.
        domain: The grid.
        num_samples: Number N of states.
        scale: Correlation length, in units of the extent.
        amplitude: Root mean square of each component.
        num_channels: Components C, as many as axes by default.
        smoothness: Of PhiFlow's `Noise`, or 0 for the Gaussian filter.

    Returns:
        Shape `(N, *S, C)`, float32.

    Raises:
        ValueError: If the correlation length leaves no wave that fits the box.
    """
    axes = tuple(range(1, domain.ndim + 1))
    components = domain.ndim if num_channels is None else num_channels
    noise = jax.random.normal(
        key, (num_samples, *domain.resolution, components), jnp.float32
    )
    waves = [
        2 * np.pi * np.fft.fftfreq(n, d=h)
        for n, h in zip(domain.resolution, domain.dx, strict=True)
    ]
    squares = sum(k**2 for k in np.meshgrid(*waves, indexing="ij"))
    lowpass = np.exp(-(scale**2) * squares / 2)
    lowpass[(0,) * domain.ndim] = 0.0
    if smoothness:
        numbers = scale**2 * squares / (2 * np.pi) ** 2
        is_short = numbers > 0.1
        lowpass = is_short * np.where(is_short, numbers, 1.0) ** -smoothness
    lowpass = lowpass[None, ..., None].astype(np.float32)
    if not lowpass.any():
        raise ValueError(
            f"scale={scale} smooths away every wave of a box of extent "
            f"{domain.extent}; choose a smaller one"
        )
    spectrum = jnp.fft.fftn(noise, axes=axes) * lowpass
    u = jnp.fft.ifftn(spectrum, axes=axes).real
    rms = jnp.sqrt(jnp.mean(u**2, axis=axes, keepdims=True))
    return amplitude * u / rms
