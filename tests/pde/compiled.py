"""One compiled program per system: rollouts, a loss of them, and its gradient."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from hyco_jax.types import Array, PdeStep


class Query(NamedTuple):
    """What a program is asked, and which of its steps the loss reads, from 1 on."""

    values: dict[str, Any]
    u: Any
    at_step: int = 1


class Answer(NamedTuple):
    """The states `(K, *S, C)` after each step, and the gradient of `loss`, if any."""

    states: Array
    values_slope: dict[str, Array] | None
    u_slope: Array | None

    def slope(self, name: str) -> Array:
        """The slope of a coefficient, or that of the state `"u"`."""
        return self.u_slope if name == "u" else self.values_slope[name]


def pattern(shape):
    """Random signs and sizes, so that no two cells can cancel or be exchanged."""
    return np.random.default_rng(7).normal(size=shape)


def loss(u):
    """A scalar that sees every entry of a state `(*S, C)`."""
    return jnp.sum(jnp.asarray(pattern(u.shape), u.dtype) * u**2)


class Program:
    """A rollout and its gradient, compiled once.

    Args:
        step: Of the PDE.
        num_steps: Steps of the rollout.
        dtype: Of arguments and results.
        batch: How many queries are answered at a time, by `jax.vmap`; by default each
            by itself.
        has_slopes: Whether there is a gradient, which takes most of the compilation.
    """

    def __init__(self, step: PdeStep, num_steps, dtype, batch=None, has_slopes=True):
        self.num_steps, self.dtype, self.batch = num_steps, dtype, batch
        fn = functools.partial(_total, step)
        if has_slopes:
            fn = jax.value_and_grad(fn, argnums=(0, 1), has_aux=True)
        self.call = jax.jit(jax.vmap(fn) if batch else fn)
        self.has_slopes = has_slopes

    def ask(self, *queries: Query) -> list[Answer]:
        """Answers queries, any number."""
        arguments = [self._arguments(*query) for query in queries]
        if self.batch is None:
            return [self._unpack(self.call(*a)) for a in arguments]
        answers = []
        for start in range(0, len(arguments), self.batch):
            chunk = arguments[start : start + self.batch]
            filled = chunk + chunk[-1:] * (self.batch - len(chunk))
            batch = jax.tree.map(lambda *leaves: np.stack(leaves), *filled)
            result = self._unpack(self.call(*batch))
            answers += [
                jax.tree.map(lambda leaf, i=i: leaf[i], result)
                for i in range(len(chunk))
            ]
        return answers

    def _arguments(self, values, u, at_step):
        weights = np.eye(self.num_steps)[at_step - 1]
        arguments = dict(values), u, weights
        return jax.tree.map(lambda x: np.asarray(x, self.dtype), arguments)

    def _unpack(self, result):
        (_, states), slopes = result if self.has_slopes else (result, (None, None))
        return jax.tree.map(np.asarray, Answer(states, *slopes))


def _total(step, values, u, weights):
    """Sums the losses of the states, one weight per step, and returns the states."""

    def body(u, weight):
        u = step(values, u)
        return u, (u, weight * loss(u))

    _, (states, losses) = lax.scan(body, u, weights)
    return jnp.sum(losses), states


def advance(step: PdeStep, values, u, num_steps: int = 1) -> Array:
    """The state after some steps; a step is compiled once, whatever their number."""
    return _run(
        step, jax.tree.map(jnp.asarray, dict(values)), jnp.asarray(u), num_steps
    )


@functools.partial(jax.jit, static_argnums=0)
def _run(step, values, u, num_steps):
    return lax.fori_loop(0, num_steps, lambda _, u: step(values, u), u)
