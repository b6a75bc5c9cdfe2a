"""What the players of models that step in time share: predictions, windows, scores."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.data import augment, windows
from hyco_jax.data.record import Real, Record
from hyco_jax.data.windows import Windows
from hyco_jax.models import stepper
from hyco_jax.training import losses
from hyco_jax.types import Array, Params, PredictFn, Query, Trajectories

# Maps a key and a number to initial states `(num, *S, C)`.
SampleFn = Callable[[Array, int], Array]


@dataclasses.dataclass(frozen=True)
class Exchange:
    """How much one model generates for the other.

    Attributes:
        num_sims: Initial states from which it predicts.
        num_steps: Steps of these predictions.
    """

    num_sims: int
    num_steps: int


def predict_elsewhere(
    predict: PredictFn,
    params: Params,
    real: Trajectories,
    key: Array,
    exchange: Exchange,
    sample_u0: SampleFn | None,
    num_driven: int = 0,
    visited: Array | None = None,
) -> Array:
    """Predicts trajectories for the partner, from initial states that are drawn.

    Args:
        predict: Of the model that generates.
        params: Its parameters.
        real: The real data, whose initial states and driven channels serve where
            there is no sampler, or something is driven.
        key: PRNG key.
        exchange: How many, how long.
        sample_u0: Draws initial states, or None.
        num_driven: Number of driven channels.
        visited: States of the partner that take the place of the first ones.

    Returns:
        Shape `(num_sims, num_steps + 1, *S, C)`.
    """
    count, num_steps = exchange.num_sims, exchange.num_steps
    sim = jnp.zeros(count, jnp.int32)
    if sample_u0 is None or num_driven:
        sim = jax.random.permutation(jax.random.fold_in(key, 0), len(real.states))
        sim = sim[jnp.arange(count) % len(sim)]
    u0 = real.states[sim, 0] if sample_u0 is None else sample_u0(key, count)
    given = None
    if num_driven:
        given = real.states[sim, : num_steps + 1][..., -num_driven:]
        u0 = jnp.concatenate([u0[..., :-num_driven], given[:, 0]], axis=-1)
    if visited is not None:
        u0 = jnp.concatenate([visited, u0[len(visited) :]])
    query = Query(sim, jnp.zeros_like(sim), u0, None, given, num_steps)
    return stepper.trajectories(predict, params, query)


def make_visit(
    predict: PredictFn, share: float, exchange: Exchange
) -> Callable[[Params, Real, Array], Array] | None:
    """Makes the `visit` of a player: states at random times of its own trajectories.

    A partner that predicts from them corrects the model where its mistakes lead it (as
    in S. Ross et al., AISTATS 2011), which initial states never show.

    Args:
        predict: Of the model, asked on the grid of the data.
        share: Of the partner's predictions that begin there; with 0 there is none.
        exchange: What the partner generates.

    Returns:
        A function that gives states `(num, *S, C)`. In the place of one that is not
        finite there is the initial state of its simulation.
    """
    count = round(share * exchange.num_sims)
    if count == 0:
        return None

    def visit(params, real, key):
        states = predict_along(predict, params, real.training)
        sim_key, time_key = jax.random.split(key)
        sim = jax.random.randint(sim_key, (count,), 0, states.shape[0])
        time = jax.random.randint(time_key, (count,), 0, states.shape[1])
        found = states[sim, time]
        axes = tuple(range(1, found.ndim))
        finite = jnp.isfinite(found).all(axis=axes, keepdims=True)
        return jnp.where(finite, found, states[sim, 0])

    return visit


def predict_along(
    predict: PredictFn, params: Params, real: Trajectories, num_driven: int = 0
) -> Array:
    """Predicts the real simulations from their initial states, shaped as they are."""
    query = whole_query(real.states, num_driven)
    return stepper.trajectories(predict, params, query)


def whole_query(states: Array, num_driven: int = 0) -> Query:
    """Asks for all steps of simulations `(N, T + 1, *S, C)` from t = 0 on."""
    sim = jnp.arange(len(states), dtype=jnp.int32)
    given = states[..., -num_driven:] if num_driven else None
    zero = jnp.zeros_like(sim)
    return Query(sim, zero, states[:, 0], None, given, states.shape[1] - 1)


def predicted_parts(
    record: Record,
    trajectories: Array,
    along_real: Array | None,
    real: Trajectories,
    horizon: int,
) -> list[Windows]:
    """Addresses the windows of a partner's predictions.

    Args:
        record: The real data's static facts.
        trajectories: The partner's predictions elsewhere.
        along_real: Its predictions of the real simulations, or None: windows whose
            inputs are predicted states and whose targets are real observations.
        real: The real training data.
        horizon: Steps of the windows.
    """
    weights = jnp.asarray(record.predicted, trajectories.dtype)
    weights = jnp.expand_dims(weights, tuple(range(trajectories.ndim - weights.ndim)))
    driven = record.num_driven
    parts = [
        windows.predicted_windows(trajectories, trajectories, weights, horizon, driven)
    ]
    if along_real is not None:
        corrected = windows.predicted_windows(
            along_real, real.states, real.weights, horizon, driven
        )
        parts.insert(0, corrected)
    return parts


def make_score(scored: Record, predict: PredictFn) -> Callable[[Params, Real], Array]:
    """Makes the loss of whole rollouts, in units of the data's variance, see below."""
    scores = make_scores(scored, predict)
    return lambda params, real: scores(params, real).mean()


def make_scores(scored: Record, predict: PredictFn) -> Callable[[Params, Real], Array]:
    """Makes the losses of whole rollouts, of each simulation its share, shape `(N,)`.

    Args:
        scored: Static facts of `Real.scored`; its scale is that of the training data.
        predict: Of a model whose answers are on the grid of the data.
    """
    whole = (
        np.arange(scored.num_sims, dtype=np.int32),
        np.zeros(scored.num_sims, np.int32),
    )

    def scores(params, real):
        part = windows.real_windows(
            real.scored, whole, scored.num_steps, scored.num_driven
        )
        parts = augment.augment([part], [1.0], [scored.num_sims], scored.scale)
        batch = parts[0].take(jnp.arange(scored.num_sims))
        return losses.weighted_squares(predict, params, batch)

    return scores
