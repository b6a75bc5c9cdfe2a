"""Convolutional networks.

Blocks and sizes follow `phiml.nn` (phiml/backend/torch/nets.py); the UNet differs: it
averages where that one takes maxima, and its upsampling blocks are as wide inside as
outside.
"""

import jax
import jax.numpy as jnp

from hyco_jax.networks.base import Network
from hyco_jax.types import Array


class ConvNet(Network):
    """A chain of convolutions at full resolution.

    Attributes:
        filters: Channels of each convolution.
    """

    filters: tuple[int, ...] = (16, 32, 64)

    def features(self, x: Array) -> Array:
        return _activated_convs(self, x, *self.filters)


class ResNet(Network):
    """A chain of residual blocks of two convolutions at full resolution.

    In 1-D with one channel, the default has 26,833 parameters, as `phiml.nn.res_net`.

    Attributes:
        filters: Channels of each block.
    """

    filters: tuple[int, ...] = (16, 32, 64)

    def features(self, x: Array) -> Array:
        for features in self.filters:
            skip = x if x.shape[-1] == features else self.conv(x, features, 1)
            x = skip + _activated_convs(self, x, features, features)
        return x


class UNet(Network):
    """A UNet: pairs of convolutions on ever coarser grids and back, with skips.

    In 2-D with two channels, 4 levels of 64 filters have 592,002 parameters, as
    `phiml.nn.u_net`; 16 filters that double have 487,170.

    Attributes:
        levels: Number of resolutions; each halves the one above.
        filters: Channels at full resolution.
        doubling: Whether each level has twice the channels of the one above.
    """

    levels: int = 4
    filters: int = 64
    doubling: bool = False

    def features(self, x: Array) -> Array:
        growth = 2 if self.doubling else 1
        *filters, coarsest = [self.filters * growth**i for i in range(self.levels)]
        skips = []
        for features in filters:
            x = _activated_convs(self, x, features, features)
            skips.append(x)
            x = _coarsen(x, self.ndim)
        x = _activated_convs(self, x, coarsest, coarsest)
        for features, skip in zip(filters[::-1], skips[::-1], strict=True):
            x = jnp.concatenate([skip, _refine(x, self.ndim, self.padding)], axis=-1)
            x = _activated_convs(self, x, features, features)
        return x

    def check(self, u_shape: tuple[int, ...]) -> None:
        super().check(u_shape)
        divisor = 2 ** (self.levels - 1)
        if any(n % divisor for n in u_shape[:-1]):
            raise ValueError(
                f"resolution={u_shape[:-1]} is not divisible by {divisor}, as levels="
                f"{self.levels} need; use multiples of {divisor} or fewer levels"
            )


def _activated_convs(network: Network, x: Array, *filters: int) -> Array:
    for features in filters:
        x = network.activate(network.conv(x, features))
    return x


def _coarsen(x, ndim):
    """Averages blocks of two cells along each spatial axis."""
    for axis in range(x.ndim - 1 - ndim, x.ndim - 1):
        x = x.reshape(*x.shape[:axis], -1, 2, *x.shape[axis + 1 :]).mean(axis + 1)
    return x


def _refine(x, ndim, padding):
    """Interpolates linearly to twice the cells along each spatial axis."""
    mode = "wrap" if padding == "CIRCULAR" else "edge"
    for axis in range(x.ndim - 1 - ndim, x.ndim - 1):
        n = x.shape[axis]
        widths = [(int(i == axis),) * 2 for i in range(x.ndim)]
        padded = jnp.pad(x, widths, mode=mode)
        before = jax.lax.slice_in_dim(padded, 0, n, axis=axis)
        after = jax.lax.slice_in_dim(padded, 2, n + 2, axis=axis)
        x = jnp.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis + 1)
        x = x.reshape(*x.shape[:axis], 2 * n, *x.shape[axis + 2 :])
    return x
