"""Networks as synthetic models.

All take `u (*S, C)` and predict `u + f(u)`; the last layer starts at zero, so that the
model starts as the identity. Flax is confined to this folder and `convolution.py`.
"""

import dataclasses
import math
import typing
from collections.abc import Sequence

import jax
from flax import linen as nn

from hyco_jax.networks import convolution
from hyco_jax.networks.base import ACTIVATIONS, Network
from hyco_jax.networks.convolutional import ConvNet, ResNet, UNet
from hyco_jax.networks.field import FieldNetwork
from hyco_jax.networks.fno import FNO
from hyco_jax.networks.model import as_model
from hyco_jax.networks.transformer import Transformer
from hyco_jax.types import Params

__all__ = [
    "ACTIVATIONS",
    "FNO",
    "NETWORKS",
    "ConvNet",
    "FieldNetwork",
    "Network",
    "ResNet",
    "Transformer",
    "UNet",
    "as_model",
    "check_resolution",
    "make_network",
    "num_params",
]

NETWORKS = {
    "convnet": ConvNet,
    "fno": FNO,
    "resnet": ResNet,
    "transformer": Transformer,
    "unet": UNet,
}

_CHOICES = {
    "activation": sorted(ACTIVATIONS),
    "padding": list(convolution.PADDINGS),
    "precision": list(convolution.PRECISIONS),
}
_FILTERS = tuple[int, ...]
_KINDS = {
    bool: "a bool",
    int: "a positive int",
    float: "a positive number",
    _FILTERS: "a tuple of positive int",
}


def make_network(name: str, u_shape: Sequence[int], **options) -> Network:
    """Makes a network by name.

    Args:
        name: One of `NETWORKS`.
        u_shape: Shape `(*S, C)` of the state.
        **options: Attributes of the network's class, except `ndim`.

    Returns:
        The module, for `as_model`.

    Raises:
        ValueError: If the name or an option is unknown, an option has a wrong value,
            or options fit neither each other nor the shape of the state.
    """
    if name not in NETWORKS:
        raise ValueError(f"synthetic.name={name!r} is not one of {sorted(NETWORKS)}")
    options = _checked(name, options)
    module = NETWORKS[name](ndim=len(u_shape) - 1, **options)
    module.check(tuple(u_shape))
    return module


def num_params(params: Params) -> int:
    """Counts the numbers in a pytree of arrays."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def check_resolution(module: nn.Module, resolution: tuple[int, ...]) -> None:
    """Raises a ValueError if a network of this folder can't work at a resolution."""
    if isinstance(module, Network):
        module.check((*resolution, module.static + 1))


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
        checked[option] = value
        if option in _CHOICES:
            if value not in _CHOICES[option]:
                choices = _CHOICES[option]
                raise ValueError(f"{name}.{option}={value!r} is not one of {choices}")
        elif option == "static":
            if type(value) is not int or value < 0:
                raise ValueError(f"{name}.static={value!r} must be an int, 0 or more")
        elif not _is_valid(value, kinds[option]):
            kind = _KINDS[kinds[option]]
            raise ValueError(f"{name}.{option}={value!r} must be {kind}")
    return checked


def _is_valid(value, kind):
    if kind == _FILTERS:
        return type(value) is tuple and value and all(_is_valid(n, int) for n in value)
    if kind is bool:
        return type(value) is bool
    if kind is float:
        number = type(value) in (int, float)
        return number and math.isfinite(value) and value > 0
    return type(value) is int and value > 0
