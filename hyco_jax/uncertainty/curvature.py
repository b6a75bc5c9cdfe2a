"""Programs for the second derivatives of a least-squares loss, bounded in memory.

All in units of the loss, and for the Gauss-Newton form: the curvature of the model
itself is left out, which at a good fit counts little and may have any sign.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.calls import compiler_options
from hyco_jax.training.forward import linearise
from hyco_jax.types import Array
from hyco_jax.uncertainty.residuals import Inputs, LeastSquares

# Entries of residuals that are in memory at once: 64 MB each of what a step keeps.
_ENTRIES = 2**24
# Directions in which derivatives are taken at once.
_DIRECTIONS = 32


class Curvature(NamedTuple):
    """Compiled functions of x `(p,)` and the inputs.

    Attributes:
        jacobian: Also of the samples' index `(B,)`: residuals `(m,)` and their
            derivatives `(m, p)`, for samples beyond the last one 0, and likewise of
            the jumps, `(q,)` and `(q, p)`.
        products: Also of directions `(k, p)` and a variance for each channel `(C,)`:
            with variances of 1 the curvature of the data's share along them, else with
            each square multiplied by its channel's.
        gradient_noise: Also of directions, and standard deviations of the measured
            arrays, in their shape `(...)`: how the gradient along each direction
            changes with each of their entries, by a deviation, `(k, ...)`; for arrays
            that enter the loss in any way.
        prior: Also of directions: the curvature of the penalty along them.
        scores: Also of labels `(W, n)`: the gradient of the data's share from the
            residuals of each label, `(labels, p)`.
        sums: Sums of squares of whole records, `(C,)`.
        penalty: The penalty, ().
        num_samples: A chunk of samples.
    """

    jacobian: Callable[..., tuple[Array, Array, Array, Array]]
    products: Callable[..., Array]
    gradient_noise: Callable[..., Array]
    prior: Callable[..., Array]
    scores: Callable[..., Array]
    sums: Callable[..., Array]
    penalty: Callable[..., Array]
    num_samples: int


def make_curvature(
    fit: LeastSquares,
    whole: LeastSquares,
    shape: tuple[int, ...],
    size: int,
    most_samples: int = 0,
) -> Curvature:
    """Makes the programs; they are compiled when they are called.

    Args:
        fit: The loss.
        whole: That of whole records.
        shape: `(W, n, C)` of all residuals.
        size: Number p of parameters.
        most_samples: That are in memory at once; 0 for as many as fit.
    """
    count, per_sample = shape[0], math.prod(shape[1:])
    chunk = max(1, min(count, _ENTRIES // (per_sample * min(size, _DIRECTIONS))))
    chunk = min(chunk, most_samples or count)
    compiled = functools.partial(jax.jit, compiler_options=compiler_options(True))
    return Curvature(
        compiled(functools.partial(_jacobian, fit, count)),
        compiled(functools.partial(_products, fit=fit, chunk=chunk)),
        compiled(functools.partial(_gradient_noise, fit)),
        compiled(functools.partial(_prior, fit)),
        compiled(functools.partial(_scores, fit), static_argnames="num_labels"),
        compiled(functools.partial(_sums, whole)),
        compiled(lambda x, inputs: fit.roughness(fit.coordinates(x, inputs))),
        chunk,
    )


def assemble(
    apply: Callable[[np.ndarray], Array], size: int
) -> list[tuple[slice, np.ndarray]]:
    """Applies a program to all unit vectors, some at a time.

    Args:
        apply: Maps directions `(k, p)` to `(k, p)`, with the same k in each call.
        size: Number p.

    Returns:
        Which ones, and the rows of a symmetric matrix.
    """
    parts = []
    width = min(size, 256)
    for first in range(0, size, width):
        unit = np.zeros((width, size), np.float32)
        last = min(first + width, size)
        unit[np.arange(last - first), np.arange(first, last)] = 1
        rows = np.asarray(apply(unit), np.float64)[: last - first]
        parts.append((slice(first, last), rows))
    return parts


def _masked(fit, inputs, index, count):
    """Residuals of some samples as a function of x; those past the last one are 0."""
    part = fit.part(inputs.real)
    valid = (index < count).astype(jnp.float32).reshape(-1, 1, 1)
    safe = jnp.minimum(index, count - 1)
    return lambda x: valid * fit.residuals(x, inputs, part, safe)


def _jacobian(fit, count, x, inputs: Inputs, index) -> tuple[Array, ...]:
    residuals = _masked(fit, inputs, index, count)
    if fit.with_jumps is None:
        values, rows = _rows(lambda x: residuals(x).ravel(), x)
        return values, rows, jnp.zeros(0), jnp.zeros((0, x.size))
    part = fit.part(inputs.real)
    valid = (index < count).astype(jnp.float32)[:, None]
    safe = jnp.minimum(index, count - 1)

    def both(x):
        found, jumps = fit.with_jumps(x, inputs, part, safe)
        return valid[..., None] * found, valid * jumps

    size = jax.eval_shape(both, x)[0].size
    values, rows = _rows(lambda x: jnp.concatenate([r.ravel() for r in both(x)]), x)
    return values[:size], rows[:size], values[size:], rows[size:]


def _rows(function, x) -> tuple[Array, Array]:
    """Values `(m,)` and derivatives `(m, p)`, by whichever is less."""
    values, forward, backward = linearise(function, x)
    if values.size < x.size:
        return values, _map(backward, jnp.eye(values.size, dtype=x.dtype))
    return values, _map(forward, jnp.eye(x.size, dtype=x.dtype)).T


def _products(x, inputs, directions, variance, *, fit, chunk):
    part = fit.part(inputs.real)
    count = part.count

    def add(total, index):
        residuals = _masked(fit, inputs, index, count)
        _, forward, backward = linearise(residuals, x)

        def product(direction):
            return backward(2 * variance * forward(direction))

        return total + _map(product, directions), None

    num_chunks = math.ceil(count / chunk)
    index = jnp.arange(num_chunks * chunk).reshape(num_chunks, chunk)
    return jax.lax.scan(add, jnp.zeros_like(directions), index)[0]


def _gradient_noise(fit, x, inputs, directions, deviation):
    part = fit.part(inputs.real)
    index = jnp.arange(part.count)
    _, forward, _ = linearise(lambda x: fit.residuals(x, inputs, part, index), x)

    def residuals(measured):
        real = fit.with_data(inputs.real, measured)
        return fit.residuals(x, inputs, fit.part(real), index)

    measured = fit.data(inputs.real)
    # What is not observed may be NaN, and has no noise.
    clean = jnp.where(jnp.isfinite(measured), measured, 0)
    _, backward = jax.vjp(residuals, clean)
    return _map(lambda v: deviation * backward(2 * forward(v))[0], directions)


def _prior(fit, x, inputs, directions):
    at, forward = jax.linearize(lambda x: fit.coordinates(x, inputs), x)
    backward = jax.linear_transpose(forward, x)

    def product(direction):
        change = forward(direction)
        # Of the convex penalty alone: it is never negative.
        return backward(jax.jvp(jax.grad(fit.roughness), (at,), (change,))[1])[0]

    return jax.vmap(product)(directions)


def _scores(fit, x, inputs, labels, *, num_labels):
    part = fit.part(inputs.real)
    residuals = _masked(fit, inputs, jnp.arange(part.count), part.count)
    values, backward = jax.vjp(residuals, x)

    def score(label):
        return backward(2 * values * (labels == label)[..., None])[0]

    return jax.lax.map(score, jnp.arange(num_labels))


def _sums(whole, x, inputs):
    part = whole.part(inputs.real)
    found = whole.residuals(x, inputs, part, jnp.arange(part.count))
    return jnp.sum(found**2, axis=(0, 1))


def _map(function, directions):
    """Maps directions, padded so that there is one program for all batches."""
    count = len(directions)
    width = min(count, _DIRECTIONS)
    padded = jnp.pad(directions, ((0, -count % width), (0, 0)))
    result = jax.lax.map(
        jax.vmap(function), padded.reshape(-1, width, directions.shape[1])
    )
    return jax.tree.map(lambda y: y.reshape(-1, *y.shape[2:])[:count], result)
