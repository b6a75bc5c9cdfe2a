"""Every network on small grids; what is compiled of a case is compiled once."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax import networks
from hyco_jax.networks import Network
from hyco_jax.types import Array, Params

# This generator compiles fastest.
KEY = jax.random.key(0, impl="unsafe_rbg")
SMALL = {
    "convnet": {"filters": (8, 8)},
    "fno": {"modes": 2, "width": 12, "depth": 2, "projection": 16},
    "resnet": {"filters": (6, 8)},
    "transformer": {"patch": 2, "width": 12, "depth": 1, "heads": 2, "mlp_ratio": 2},
    "unet": {"levels": 2, "filters": 6, "doubling": True},
}
NAMES = sorted(networks.NETWORKS)
_CLOSED, _PLACED = {"padding": "SAME"}, {"coordinates": True}
_LEARNED = {"learn_scale": True}
_CASES = [
    ("convnet", (5,), _LEARNED),
    ("convnet", (6,), _CLOSED),
    ("convnet", (8, 12), {}),
    ("fno", (7,), {**_CLOSED, **_LEARNED}),
    ("fno", (4, 5), {"scale": 0.5}),
    ("fno", (4, 3, 6), {}),
    ("resnet", (6,), _CLOSED),
    ("resnet", (3, 5), {**_CLOSED, **_PLACED}),
    ("resnet", (8, 12), {}),
    ("transformer", (6,), {**_CLOSED, **_PLACED}),
    ("transformer", (4, 6), {}),
    ("transformer", (4, 2, 6), _LEARNED),
    ("unet", (6,), _CLOSED),
    ("unet", (8, 12), {}),
    ("unet", (4, 2, 6), {}),
    *((name, (8,), {**_PLACED, **_LEARNED}) for name in NAMES),
]


class Case(NamedTuple):
    """A network, a grid, and a compiled step on it.

    Attributes:
        module: The network.
        start: Its parameters as they are initialised.
        generic: Random parameters, those of the last layer included.
        step: Maps `(params, u)` to the next state.
        u: Random states, shape `(3, *S, 2)`.
    """

    module: Network
    start: Params
    generic: Params
    step: jax.stages.Wrapped
    u: Array


def _name(name, grid, options):
    return "-".join([name, "x".join(map(str, grid)), *options])


BY_NAME = {_name(*case): case for case in _CASES}
GRADIENTS = [_name(*case) for case in _CASES[-len(NAMES) :]]


def module_of(name, u_shape, **options) -> Network:
    """Makes a small network."""
    return networks.make_network(name, u_shape, **{**SMALL[name], **options})


def shapes(module: Network, u_shape: tuple[int, ...]) -> Params:
    """Shapes and types of its parameters."""
    u = jax.ShapeDtypeStruct(u_shape, np.float32)
    return jax.eval_shape(module.init, jax.random.key(0), u)


def init(module: Network, u: Array) -> Params:
    """Its parameters as they are initialised."""
    return jax.jit(module.init)(KEY, u)


def generic(module: Network, u_shape: tuple[int, ...], seed: int = 0) -> Params:
    """Random parameters, those of the last layer included."""
    random = np.random.default_rng(seed)
    return jax.tree.map(
        lambda p: 0.4 * random.standard_normal(p.shape, np.float32),
        shapes(module, u_shape),
    )


def states(*shape: int) -> Array:
    """Random states of a shape."""
    return jnp.asarray(np.random.default_rng(1).standard_normal(shape, np.float32))


@functools.cache
def make(case: str) -> Case:
    """Makes and compiles a case of `BY_NAME`."""
    module, u = _module_and_states(case)
    start = _starts(BY_NAME[case][0])[case]
    return Case(module, start, generic(module, u.shape[1:]), jax.jit(module.apply), u)


def _module_and_states(case):
    name, grid, options = BY_NAME[case]
    u = states(3, *grid, 2)
    return module_of(name, u.shape[1:], **options), u


@functools.cache
def _starts(name):
    """Initial parameters of all cases of a network, from one program."""
    made = {c: _module_and_states(c) for c in BY_NAME if BY_NAME[c][0] == name}

    @jax.jit
    def start(key):
        return {c: module.init(key, u[0]) for c, (module, u) in made.items()}

    return start(KEY)
