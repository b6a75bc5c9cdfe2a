"""Round patches at random places, of which initial states are made."""

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.grids.domain import Domain
from hyco_jax.types import Array


def random_blobs(
    key: Array,
    domain: Domain,
    num_samples: int,
    radius: float,
    num_blobs: int,
    heights: tuple[float, float],
) -> tuple[Array, Array]:
    """Samples blobs exp(-(|x - c|/radius)⁴), anywhere in a periodic box.

    Args:
        key: PRNG key.
        domain: The grid, periodic.
        num_samples: Number N of states.
        radius: In units of the extent.
        num_blobs: Blobs of each state.
        heights: Between which the blobs' heights are drawn.

    Returns:
        In every cell the largest blob, `(N, *S)`, float32; and the same with the
        blobs' heights.

    Raises:
        ValueError: If `radius` or `num_blobs` is out of range.
    """
    if not 0 < radius <= min(domain.extent) / 2:
        raise ValueError(
            f"scale={radius} must be positive and at most half the extent "
            f"{domain.extent}; it is the radius of the blobs"
        )
    if num_blobs < 1:
        raise ValueError(f"num_blobs={num_blobs} must be at least 1")
    place_key, height_key = jax.random.split(key)
    extent = np.array(domain.extent, np.float32)
    centers = extent * jax.random.uniform(
        place_key, (num_samples, num_blobs, domain.ndim), jnp.float32
    )
    drawn = jax.random.uniform(
        height_key, (num_samples, num_blobs), jnp.float32, *heights
    )
    x = jnp.asarray(domain.coordinates(), jnp.float32)

    def state(centers, drawn):
        away = jnp.mod(x[..., None, :] - centers + extent / 2, extent) - extent / 2
        blobs = jnp.exp(-((jnp.sum(away**2, axis=-1) / radius**2) ** 2))
        return jnp.max(blobs, axis=-1), jnp.max(drawn * blobs, axis=-1)

    return jax.vmap(state)(centers, drawn)


def random_sources(
    key: Array, domain: Domain, num_samples: int, radius: float
) -> Array:
    """Samples spheres near the ground, 1 inside and 0 outside.

    Their centres have a height of 0.15 to 0.2 of the box, and lie in 0.2 to 0.8 of it
    along the other axes.

    Args:
        key: PRNG key.
        domain: The grid; its last axis points upwards.
        num_samples: Number N of them.
        radius: In units of the extent.

    Returns:
        Shape `(N, *S, 1)`, float32.
    """
    lower = np.array([0.2] * (domain.ndim - 1) + [0.15], np.float32)
    upper = np.array([0.8] * (domain.ndim - 1) + [0.2], np.float32)
    place = jax.random.uniform(key, (num_samples, domain.ndim), jnp.float32)
    center = (lower + (upper - lower) * place) * np.float32(domain.extent)
    center = center.reshape(num_samples, *(1,) * domain.ndim, domain.ndim)
    offset = np.float32(domain.coordinates()) - center
    distance = jnp.sqrt(jnp.sum(offset**2, axis=-1, keepdims=True))
    # One cell wide, so that a source between the centres of cells isn't lost.
    return jnp.clip(0.5 + (radius - distance) / max(domain.dx), 0, 1)
