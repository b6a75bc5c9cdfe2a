"""A transformer over patches (Dosovitskiy et al., https://arxiv.org/abs/2010.11929).

Unlike the image classifier, it knows places by sin and cos of their coordinates, so
that parameters fit every resolution that the patch divides.
"""

import math

import jax.numpy as jnp
from flax import linen as nn

from hyco_jax.networks import convolution
from hyco_jax.networks.base import Network
from hyco_jax.types import Array


class Transformer(Network):
    """Patches, embedding, attention blocks with layer norm first, back to patches.

    Every patch attends to every other: time and memory grow with the square of the
    number of patches.

    Attributes:
        patch: Points of a patch along each axis; divides the resolution.
        width: Channels of a patch's embedding.
        depth: Number of blocks.
        heads: Attention heads; divide the width.
        mlp_ratio: Channels inside the MLP of a block, in units of the width.
        frequencies: Number F of frequencies 1, 2, ..., 2^(F-1) per axis by which a
            patch knows its place: periods per domain, or half periods where the
            padding is "SAME".
    """

    activation: str = "gelu"
    patch: int = 4
    width: int = 64
    depth: int = 4
    heads: int = 4
    mlp_ratio: int = 4
    frequencies: int = 4

    def features(self, x: Array) -> Array:
        x = _to_patches(x, self.ndim, self.patch)
        grid = x.shape[-1 - self.ndim : -1]
        places = positions(grid, self.frequencies, self.padding).astype(x.dtype)
        places = jnp.broadcast_to(places, (*x.shape[:-1], places.shape[-1]))
        x = self.dense(jnp.concatenate([x, places], axis=-1), self.width)
        x = x.reshape(*x.shape[: -1 - self.ndim], math.prod(grid), self.width)
        for _ in range(self.depth):
            x = x + self._attend(nn.LayerNorm()(x))
            hidden = self.dense(nn.LayerNorm()(x), self.mlp_ratio * self.width)
            x = x + self.dense(self.activate(hidden), self.width)
        x = nn.LayerNorm()(x)
        return x.reshape(*x.shape[:-2], *grid, self.width)

    def output(self, x: Array, channels: int, kernel_init) -> Array:
        size = self.patch**self.ndim * channels
        x = self.dense(x, size, kernel_init=kernel_init)
        return _from_patches(x, self.ndim, self.patch)

    def check(self, u_shape: tuple[int, ...]) -> None:
        super().check(u_shape)
        if any(n % self.patch for n in u_shape[:-1]):
            raise ValueError(
                f"resolution={u_shape[:-1]} is not divisible by patch={self.patch}; "
                f"use multiples of {self.patch} or another patch"
            )
        if self.width % self.heads:
            raise ValueError(
                f"width={self.width} is not divisible by heads={self.heads}; use a "
                f"multiple of {self.heads} or other heads"
            )

    def _attend(self, x):
        return nn.MultiHeadDotProductAttention(
            self.heads, precision=convolution.jax_precision(self.precision)
        )(x)


def positions(grid: tuple[int, ...], frequencies: int, padding: str) -> Array:
    """Encodes the places of patches.

    Args:
        grid: Number of patches along each axis.
        frequencies: Number F of frequencies per axis.
        padding: "CIRCULAR" for waves that are periodic on the domain, "SAME" for half
            as many, which tell opposite walls apart.

    Returns:
        sin and cos of the patches' centres, shape `(*grid, 2 F ndim)`.
    """
    turn = 2 * jnp.pi if padding == "CIRCULAR" else jnp.pi
    axes = [(jnp.arange(n) + 0.5) / n for n in grid]
    x = jnp.stack(jnp.meshgrid(*axes, indexing="ij"), axis=-1)
    angles = turn * x[..., None] * 2.0 ** jnp.arange(frequencies)
    waves = jnp.stack([jnp.sin(angles), jnp.cos(angles)], axis=-1)
    return waves.reshape(*grid, -1)


def _to_patches(x, ndim, patch):
    """Maps `(..., *S, C)` to `(..., *S / patch, patch^ndim C)`."""
    batch, grid = x.shape[: -1 - ndim], x.shape[-1 - ndim : -1]
    x = x.reshape(*batch, *(m for n in grid for m in (n // patch, patch)), -1)
    first = len(batch)
    inner = tuple(range(first + 1, first + 2 * ndim, 2))
    x = jnp.moveaxis(x, inner, range(first + ndim, first + 2 * ndim))
    return x.reshape(*batch, *(n // patch for n in grid), -1)


def _from_patches(x, ndim, patch):
    """Inverts `_to_patches`."""
    batch, grid = x.shape[: -1 - ndim], x.shape[-1 - ndim : -1]
    x = x.reshape(*batch, *grid, *(patch,) * ndim, -1)
    first = len(batch)
    inner = tuple(range(first + 1, first + 2 * ndim, 2))
    x = jnp.moveaxis(x, range(first + ndim, first + 2 * ndim), inner)
    return x.reshape(*batch, *(n * patch for n in grid), -1)
