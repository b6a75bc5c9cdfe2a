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

    A key stands for the same blobs on every grid. Where some overlap, the value is
    1 - Π(1 - blob), as smooth as they are.

    Args:
        key: PRNG key.
        domain: The grid, periodic.
        num_samples: Number N of states.
        radius: In units of the extent.
        num_blobs: Blobs of each state.
        heights: Between which the blobs' heights are drawn.

    Returns:
        In every cell the blobs of height 1, `(N, *S)`, of JAX's default float; and the
        same with the blobs' heights.

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
    x = jnp.asarray(domain.coordinates(), jnp.zeros(()).dtype)
    extent = jnp.asarray(domain.extent, x.dtype)
    places = jax.random.uniform(
        place_key, (num_samples, num_blobs, domain.ndim), jnp.float32
    )
    drawn = jax.random.uniform(
        height_key, (num_samples, num_blobs), jnp.float32, *heights
    )

    def state(places, drawn):
        away = x[..., None, :] - extent * places
        away = jnp.mod(away + extent / 2, extent) - extent / 2
        blobs = jnp.exp(-((jnp.sum(away**2, axis=-1) / radius**2) ** 2))
        return 1 - jnp.prod(1 - blobs, -1), 1 - jnp.prod(1 - drawn * blobs, -1)

    return jax.vmap(state)(places.astype(x.dtype), drawn.astype(x.dtype))


def random_sources(
    key: Array, domain: Domain, num_samples: int, radius: float, edge: float
) -> Array:
    """Samples spheres near the ground, 1 inside and 0 outside, see `sphere`.

    Their centres have a height of 0.15 to 0.2 of the box, and lie in 0.2 to 0.8 of it
    along the other axes. A key stands for the same spheres on every grid.

    Args:
        key: PRNG key.
        domain: The grid; its last axis points upwards.
        num_samples: Number N of them.
        radius: Where the edge is, in units of the extent.
        edge: Its width, in the same unit.

    Returns:
        Shape `(N, *S, 1)`, of JAX's default float.

    Raises:
        ValueError: If the edge is too wide for the radius.
    """
    lower = np.array([0.2] * (domain.ndim - 1) + [0.15])
    upper = np.array([0.8] * (domain.ndim - 1) + [0.2])
    place = jax.random.uniform(key, (num_samples, domain.ndim), jnp.float32)
    x = jnp.asarray(domain.coordinates(), jnp.zeros(()).dtype)
    center = (lower + (upper - lower) * place.astype(x.dtype)) * np.array(domain.extent)
    center = center.reshape(num_samples, *(1,) * domain.ndim, domain.ndim)
    return sphere(x[None] - center, radius, edge)


def sphere(offset: Array, radius: float, edge: float) -> Array:
    """Returns a sphere, 1 inside and 0 outside.

    Between radius - edge/2 and radius + edge/2 it falls off by the polynomial
    1 - (6t⁵ - 15t⁴ + 10t³), twice continuously differentiable, t from 0 to 1. A grid
    that has three cells in an edge carries it.

    Args:
        offset: Places from the centre, shape `(..., D)`.
        radius: Where it is 1/2.
        edge: Width of the edge, > 0, in the same unit.

    Returns:
        Shape `(..., 1)`.

    Raises:
        ValueError: If the edge is too wide for the radius.
    """
    if edge > 2 * radius:
        raise ValueError(
            f"scale={radius} is the radius of a patch with an edge {edge:.3g} wide, "
            "which is as wide as three cells; give it half of that at least, or raise "
            "the resolution"
        )
    distance = jnp.sqrt(jnp.sum(offset**2, axis=-1, keepdims=True))
    t = jnp.clip((distance - radius) / edge + 0.5, 0, 1)
    return 1 - t**3 * (10 - t * (15 - 6 * t))
