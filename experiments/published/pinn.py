"""A physics-informed network: the hybrid's network with trainable coefficients.

It minimises, as published, <r²> + <i²> + <b²> + 10 <e²>: of the residual of the PDE
that made the data, by nested autodiff with respect to the network's inputs, of the
initial state, of the walls, and of the readings; of a steady PDE <r²> + 10 <b²> + <e²>.
Points are drawn anew in each update.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.published.entry import Entry, Field
from hyco_jax.config import rules
from hyco_jax.config.schema import key
from hyco_jax.problem import Problem
from hyco_jax.training import optimizers
from hyco_jax.types import Array, Params, PredictFn, Query, Samples

MAX_RESIDUALS = 1000

Region = tuple[tuple[float, float], ...]


@dataclasses.dataclass(frozen=True)
class PinnSettings:
    """How the physics-informed network is trained, by Adam."""

    updates: int = key(2000, "number of updates", rules.integer(1, 1_000_000))
    learning_rate: float = key(1e-3, "largest one of the network", rules.positive())
    coefficient_rate: float = key(
        5e-3, "largest one of the coefficients", rules.positive()
    )
    residuals: int = key(
        100, "residual points of an update", rules.integer(1, MAX_RESIDUALS)
    )
    readings: int = key(200, "readings of an update", rules.integer(1, 100_000))
    conditions: int = key(
        50, "points of an update at t = 0, and at walls", rules.integer(1, 100_000)
    )
    condition_weight: float = key(
        2.0, "weight of what is known at t = 0 and at walls", rules.positive()
    )
    data_weight: float = key(10.0, "weight of the readings", rules.positive())


def make_field(predict: PredictFn, params: Params) -> Field:
    """A network of a single simulation as a function of one point `(1 + D,)`."""
    zero = jnp.zeros(1, jnp.int32)

    def field(point):
        return predict(params, Query(zero, zero, None, point[None, None]))[0, 0]

    return field


def make_loss(
    entry: Entry,
    problem: Problem,
    region: Region,
    predict: PredictFn,
    settings: PinnSettings,
) -> Callable[[Params, Samples, Array], Array]:
    """Makes the loss of `{"network": ..., "coefficients": ...}`, readings and a key."""
    low, high = np.array(region).T * np.array(problem.domain.extent)

    def loss(params, rows, key):
        field = make_field(predict, params["network"])
        keys = jax.random.split(key, 3)
        index = jax.random.randint(keys[0], (settings.readings,), 0, rows.count)
        data = rows.take(index)
        last = rows.query.points[..., 0].max()
        shape = (settings.residuals, 1 + len(low))
        most = jnp.concatenate([last[None], jnp.asarray(high, last.dtype)])
        # The state before the step of a steady equation says nothing.
        first = last if problem.is_steady else jnp.zeros_like(last)
        least = jnp.concatenate([first[None], jnp.asarray(low, last.dtype)])
        points = least + jax.random.uniform(keys[1], shape) * (most - least)
        left = jax.vmap(lambda z: entry.residual(field, params["coefficients"], z))
        at, off = jax.vmap(field), 0.0
        if entry.conditions is not None:
            known, values = entry.conditions(keys[2], problem, settings.conditions)
            off = jnp.mean((at(known) - values) ** 2)
        errors = (at(data.query.points[:, 0]) - data.targets[:, 0]) ** 2
        weights = data.weights[:, 0]
        return (
            jnp.mean(left(points) ** 2)
            # Of equal numbers of points at t = 0 and at the walls.
            + settings.condition_weight * off
            + settings.data_weight * jnp.sum(weights * errors) / jnp.sum(weights)
        )

    return loss


def fit(
    entry: Entry,
    problem: Problem,
    region: Region,
    predict: PredictFn,
    settings: PinnSettings,
    network: Params,
    coefficients: Params,
    rows: Samples,
    key: Array,
) -> dict[str, Any]:
    """Trains one network with its coefficients; pure, for `jit` and `vmap`.

    Args:
        entry: The experiment.
        problem: The physical system.
        region: Of the residual points, `(lower, upper)` along each axis as shares of
            the extent.
        predict: Of the network.
        settings: Of the training.
        network: Its parameters, and constants under "record".
        coefficients: The guess.
        rows: A sample for each reading.
        key: PRNG key.

    Returns:
        The parameters found, "network" and "coefficients".
    """
    loss = make_loss(entry, problem, region, predict, settings)
    record = {name: x for name, x in network.items() if name == "record"}
    trained = {name: x for name, x in network.items() if name != "record"}
    rates = {
        "network": settings.learning_rate,
        "coefficients": settings.coefficient_rate,
    }
    txs = {
        name: optax.adam(optimizers.make_schedule("onecycle", rate, settings.updates))
        for name, rate in rates.items()
    }
    params = {"network": trained, "coefficients": coefficients}
    tx = optax.multi_transform(txs, {name: name for name in params})

    def full(params):
        return {**params, "network": {**record, **params["network"]}}

    def update(carry, key):
        params, state = carry
        grads = jax.grad(lambda p: loss(full(p), rows, key))(params)
        updates, state = tx.update(grads, state, params)
        return (optax.apply_updates(params, updates), state), None

    keys = jax.random.split(key, settings.updates)
    (params, _), _ = jax.lax.scan(update, (params, tx.init(params)), keys)
    return full(params)
