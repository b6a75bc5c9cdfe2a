"""Convolutional networks as synthetic models.

All take `u (*S, C)` and predict `u + f(u)`; the last layer starts at zero, so that the
model starts as the identity. No mutable state such as batch norm. Blocks and sizes
follow `phiml.nn` (phiml/backend/torch/nets.py); the UNet differs: it averages where
that one takes maxima, and its upsampling blocks are as wide inside as outside.
"""

import dataclasses
import typing
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn

from hyco_jax import convolution
from hyco_jax.types import Array, Model, Params

ACTIVATIONS = {"gelu": nn.gelu, "relu": nn.relu, "silu": nn.silu, "tanh": jnp.tanh}


class _Network(nn.Module):
    """What the networks share.

    Attributes:
        ndim: Number of spatial axes.
        activation: One of `ACTIVATIONS`.
        padding: "CIRCULAR", or "SAME" for zeros outside.
        coordinates: Whether to append sin and cos of 2πx/L of each axis to the input,
            so that the network can represent coefficients that vary in space.
        residual: Whether to predict u + f(u) with f = 0 at the start, or f(u).
    """

    ndim: int
    activation: str = "relu"
    padding: str = "CIRCULAR"
    coordinates: bool = False
    residual: bool = True

    @nn.compact
    def __call__(self, u: Array) -> Array:
        check_resolution(self, u.shape[-1 - self.ndim : -1])
        x = self.features(_with_coordinates(u, self.ndim) if self.coordinates else u)
        if not self.residual:
            return self.conv(x, u.shape[-1], 1)
        return u + self.conv(x, u.shape[-1], 1, kernel_init=nn.initializers.zeros)

    def conv(self, x: Array, features: int, size: int = 3, **kwargs) -> Array:
        sizes = (size,) * self.ndim
        return convolution.Conv(features, sizes, self.padding, **kwargs)(x)

    def activated_convs(self, x: Array, *filters: int) -> Array:
        for features in filters:
            x = ACTIVATIONS[self.activation](self.conv(x, features))
        return x


class ConvNet(_Network):
    """A chain of convolutions at full resolution.

    Attributes:
        filters: Channels of each convolution.
    """

    filters: tuple[int, ...] = (16, 32, 64)

    def features(self, x: Array) -> Array:
        return self.activated_convs(x, *self.filters)


class ResNet(_Network):
    """A chain of residual blocks of two convolutions at full resolution.

    In 1-D with one channel, the default has 26,833 parameters, as `phiml.nn.res_net`.

    Attributes:
        filters: Channels of each block.
    """

    filters: tuple[int, ...] = (16, 32, 64)

    def features(self, x: Array) -> Array:
        for features in self.filters:
            skip = x if x.shape[-1] == features else self.conv(x, features, 1)
            x = skip + self.activated_convs(x, features, features)
        return x


class UNet(_Network):
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
            x = self.activated_convs(x, features, features)
            skips.append(x)
            x = _coarsen(x, self.ndim)
        x = self.activated_convs(x, coarsest, coarsest)
        for features, skip in zip(filters[::-1], skips[::-1], strict=True):
            x = jnp.concatenate([skip, _refine(x, self.ndim, self.padding)], axis=-1)
            x = self.activated_convs(x, features, features)
        return x


NETWORKS = {"convnet": ConvNet, "resnet": ResNet, "unet": UNet}

_CHOICES = {"activation": sorted(ACTIVATIONS), "padding": list(convolution.PADDINGS)}
_FILTERS = tuple[int, ...]
_KINDS = {bool: "a bool", int: "a positive int", _FILTERS: "a tuple of positive int"}


def make_network(name: str, u_shape: Sequence[int], **options) -> nn.Module:
    """Makes a network by name.

    Args:
        name: One of `NETWORKS`.
        u_shape: Shape `(*S, C)` of the state.
        **options: Attributes of the network's class, except `ndim`.

    Returns:
        The module, for `as_model`.

    Raises:
        ValueError: If the name or an option is unknown, an option has a wrong value,
            or the network's levels do not divide the resolution.
    """
    if name not in NETWORKS:
        raise ValueError(f"synthetic.name={name!r} is not one of {sorted(NETWORKS)}")
    options = _checked(name, options)
    module = NETWORKS[name](ndim=len(u_shape) - 1, **options)
    check_resolution(module, tuple(u_shape[:-1]))
    return module


def as_model(module: nn.Module, u_shape: Sequence[int]) -> Model:
    """Makes a Linen module a synthetic model.

    Flax is confined to this file and `convolution.py`: a move to NNX would be here.

    Args:
        module: Maps `u (*S, C)` to the same shape; without mutable state.
        u_shape: Shape of `u`.

    Returns:
        The model; its parameters are `{"network": parameters of the module}`.
    """
    u_shape = tuple(u_shape)

    @jax.jit
    def init(key: Array) -> Params:
        u = jax.ShapeDtypeStruct(u_shape, jnp.float32)
        return {"network": module.lazy_init(key, u)["params"]}

    def step(params: Params, u: Array) -> Array:
        if u.shape != u_shape:
            raise ValueError(
                f"u has shape {u.shape}, expected {u_shape}; batch with jax.vmap"
            )
        return module.apply({"params": params["network"]}, u).astype(u.dtype)

    return Model(init, step)


def num_params(params: Params) -> int:
    """Counts the numbers in a pytree of arrays."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def check_resolution(module: nn.Module, resolution: tuple[int, ...]) -> None:
    """Raises a ValueError if a UNet's levels do not divide the resolution."""
    levels = getattr(module, "levels", 1)
    divisor = 2 ** (levels - 1)
    if any(n % divisor for n in resolution):
        raise ValueError(
            f"resolution={resolution} is not divisible by {divisor}, as levels="
            f"{levels} need; use multiples of {divisor} or fewer levels"
        )


def _checked(name, options):
    """Returns the options, lists as tuples, or raises a ValueError."""
    kinds = typing.get_type_hints(NETWORKS[name])
    fields = {field.name for field in dataclasses.fields(NETWORKS[name])}
    allowed = sorted(fields - {"ndim", "parent", "name"})
    checked = {}
    for option, value in options.items():
        if option not in allowed:
            raise ValueError(f"{name} has no option {option!r}; allowed: {allowed}")
        value = tuple(value) if isinstance(value, list) else value
        names = _CHOICES.get(option, [value])
        if value not in names:
            raise ValueError(f"{name}.{option}={value!r} is not one of {names}")
        if not _is_valid(value, kinds[option]):
            kind = _KINDS[kinds[option]]
            raise ValueError(f"{name}.{option}={value!r} must be {kind}")
        checked[option] = value
    return checked


def _is_valid(value, kind):
    if kind == _FILTERS:
        return type(value) is tuple and value and all(_is_valid(n, int) for n in value)
    return type(value) is kind and (kind is not int or value > 0)


def _with_coordinates(u, ndim):
    """Appends sin and cos of 2πx/L at the cell centres, shape `(..., C + 2 ndim)`."""
    grid = u.shape[-1 - ndim : -1]
    axes = [2 * jnp.pi * (jnp.arange(n, dtype=u.dtype) + 0.5) / n for n in grid]
    x = jnp.meshgrid(*axes, indexing="ij")
    waves = jnp.stack([f(x_i) for x_i in x for f in (jnp.sin, jnp.cos)], axis=-1)
    waves = jnp.broadcast_to(waves, (*u.shape[:-1], 2 * ndim))
    return jnp.concatenate([u, waves], axis=-1)


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
