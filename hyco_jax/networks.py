"""Networks as synthetic models: convolutional networks on periodic or walled grids.

Flax is confined to this file and `convolution.py`. All networks take `u (*S, C)` and
predict `u + f(u)` of the same shape; their last layer starts at zero, so that the
synthetic model starts as the identity. None has mutable state such as batch norm.
"""

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from hyco_jax import convolution
from hyco_jax.types import Array, Model, Params

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": nn.gelu,
    "relu": nn.relu,
    "silu": nn.silu,
    "tanh": jnp.tanh,
}


class Network(nn.Module):
    ndim: int
    activation: str = "relu"
    coordinates: bool = False
    padding: str = "CIRCULAR"
    residual: bool = True

    @nn.compact
    def __call__(self, u: Array) -> Array:
        x = u
        if self.coordinates:
            x = jnp.concatenate([u, _coordinate_channels(u, self.ndim)], axis=-1)
        x = self.body(x)
        if not self.residual:
            return self._conv(u.shape[-1], 1)(x)
        return u + self._conv(u.shape[-1], 1, kernel_init=nn.initializers.zeros)(x)

    def _conv(self, features, size=3, **kwargs):
        return convolution.Conv(
            features, (size,) * self.ndim, padding=self.padding, **kwargs
        )

    def _act(self, x):
        return ACTIVATIONS[self.activation](x)

    def _double_conv(self, x, features):
        x = self._act(self._conv(features)(x))
        return self._act(self._conv(features)(x))


class ConvNet(Network):
    filters: tuple[int, ...] = (16, 32, 64)

    def body(self, x):
        for features in self.filters:
            x = self._act(self._conv(features)(x))
        return x


class ResNet(Network):
    filters: tuple[int, ...] = (16, 32, 64)

    def body(self, x):
        for features in self.filters:
            skip = x if x.shape[-1] == features else self._conv(features, 1)(x)
            x = skip + self._double_conv(x, features)
        return x


class UNet(Network):
    levels: int = 4
    filters: int = 64
    doubling: bool = False

    def body(self, x):
        features = [
            self.filters * (2**i if self.doubling else 1) for i in range(self.levels)
        ]
        skips = []
        for f in features[:-1]:
            x = self._double_conv(x, f)
            skips.append(x)
            x = _coarsen(x, self.ndim)
        x = self._double_conv(x, features[-1])
        for f in features[-2::-1]:
            x = _refine(x, self.ndim, self.padding)
            x = self._double_conv(jnp.concatenate([skips.pop(), x], axis=-1), f)
        return x


def _coarsen(x, ndim):
    lead = x.ndim - ndim - 1
    shape = x.shape[:lead]
    for n in x.shape[lead:-1]:
        shape += (n // 2, 2)
    axes = tuple(lead + 2 * i + 1 for i in range(ndim))
    return x.reshape(*shape, x.shape[-1]).mean(axes)


def _refine(x, ndim, padding):
    mode = "wrap" if padding == "CIRCULAR" else "edge"
    for axis in range(x.ndim - ndim - 1, x.ndim - 1):
        n = x.shape[axis]
        width = [(0, 0)] * x.ndim
        width[axis] = (1, 1)
        padded = jnp.pad(x, width, mode=mode)
        before = jax.lax.slice_in_dim(padded, 0, n, axis=axis)
        after = jax.lax.slice_in_dim(padded, 2, n + 2, axis=axis)
        pair = jnp.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis + 1)
        x = pair.reshape(*x.shape[:axis], 2 * n, *x.shape[axis + 1 :])
    return x


def _coordinate_channels(u, ndim):
    raise NotImplementedError
