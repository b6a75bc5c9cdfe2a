"""Models whose states at t = 0, or at the beginning of every segment, are parameters.

A record is cut into segments of equal length, and each starts from a fitted state of
its own: multiple shooting (H. G. Bock, 1983; in meteorology weak-constraint 4D-Var).
What the end of a segment misses of the next one's start is a jump, which a penalty
closes. On a short segment the error of wrong coefficients can't grow, so that the loss
has fewer false minima than that of one long, or chaotic, rollout.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.grids import interpolation
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantities
from hyco_jax.types import Array, Model, Params, Query

# Names of the parameter, and of a constant that says by its length how many steps a
# segment has: a stored model needs no data, and a length is static only as a shape.
STATES, STEPS = "initial", "segment_steps"
# A constant for the optimiser, which the trainer's owner raises from cycle to cycle.
JUMP_WEIGHT = "jump_weight"


class Answer(NamedTuple):
    """What a model says from its own states on.

    Attributes:
        values: As `Model.predict` gives them.
        jumps: What the ends of segments miss of the starts of the next ones, shape
            `(B, n - 1, *S, C)`; 0 in what isn't predicted.
    """

    values: Array
    jumps: Array


class OwnStates(NamedTuple):
    """A model with states of its own.

    Attributes:
        model: It answers queries without initial states from its own ones, and others
            as before.
        answer: The former, with the jumps.
    """

    model: Model
    answer: Callable[[Params, Query], Answer]


def segment_steps(num_steps: int, num_segments: int) -> int:
    """Steps of each of so many segments of a record; the last one may be shorter."""
    return math.ceil(num_steps / num_segments)


def segment_starts(num_steps: int, num_segments: int) -> np.ndarray:
    """Steps at which the segments of a record begin, at most so many."""
    return np.arange(0, num_steps, segment_steps(num_steps, num_segments))


def make_params(starts: Array, steps: int, jump_weight: float) -> Params:
    """Makes the parameters of fitted states, and their constants.

    Args:
        starts: Guesses for all simulations at the beginning of each segment, shape
            `(N, n, *S, C)`.
        steps: Of a segment.
        jump_weight: Of the jumps in the loss, in the first cycle.
    """
    return {
        STATES: jnp.asarray(starts, jnp.float32),
        STEPS: jnp.arange(1, steps + 1, dtype=jnp.float32),
        JUMP_WEIGHT: jnp.asarray(jump_weight, jnp.float32),
    }


def with_states(
    model: Model,
    guess: Params | None,
    domain: Domain,
    dt: float,
    quantities: Quantities,
    predicted: np.ndarray,
    fits_first: bool = True,
) -> OwnStates:
    """Gives a model that makes steps states of its own.

    Args:
        model: Answers from given initial states.
        guess: From `make_params`; None for a model whose parameters are stored.
        domain: Its grid.
        dt: Time step.
        quantities: Of the state.
        predicted: Entries that models predict, see `quantities.predicted_entries`; the
            others stay at their guess, and driven ones are the query's.
        fits_first: Whether the states at t = 0 are fitted, else they stay.
    """

    def init(key):
        return {**model.init(key), **(guess or {})}

    def answer(params, query):
        states = params[STATES][query.sim]
        is_fitted = jnp.broadcast_to(predicted, states.shape)
        if not fits_first:
            is_fitted = is_fitted.at[:, 0].set(False)
        states = jnp.where(is_fitted, states, jax.lax.stop_gradient(states))
        count, steps = states.shape[1], params[STEPS].shape[0]
        inner = _from_each(model, params, query, states, steps)
        jumps = jnp.where(predicted, inner[:, :-1, -1] - states[:, 1:], 0)
        whole = inner.reshape(len(inner), count * steps, *domain.resolution, -1)
        whole = jnp.concatenate([states[:, 0, None], whole], axis=1)
        whole = _continued(model, params, query, whole)[:, : query.horizon + 1]
        if query.points is None:
            return Answer(whole[:, 1:], jumps)
        values = jax.vmap(
            lambda u, x: interpolation.at_points(u, x, domain, dt, quantities)
        )(whole, query.points)
        return Answer(values, jumps)

    def predict(params, query):
        if query.u0 is None:
            return answer(params, query).values
        return model.predict(params, query)

    return OwnStates(Model(init, predict), answer)


def _from_each(model, params, query, states, steps):
    """Answers from the start of each segment, `(B, n, L, *S, C)`."""
    batch, count = states.shape[:2]
    sim = jnp.repeat(query.sim, count)
    given = None
    if query.given is not None:
        # The last segment may be longer than the record.
        times = steps * np.arange(count)[:, None] + np.arange(steps + 1)
        given = query.given[:, np.minimum(times, query.horizon)]
        given = given.reshape(batch * count, *given.shape[2:])
    u0 = states.reshape(batch * count, *states.shape[2:])
    asked = Query(sim, jnp.zeros_like(sim), u0, None, given, steps)
    answers = model.predict(params, asked)
    return answers.reshape(batch, count, steps, *states.shape[2:])


def _continued(model, params, query, whole):
    """Rolls on after the last segment, if the query asks for more."""
    last = whole.shape[1] - 1
    if query.horizon <= last:
        return whole
    given = None if query.given is None else query.given[:, last:]
    after = Query(
        query.sim, query.start, whole[:, -1], None, given, query.horizon - last
    )
    return jnp.concatenate([whole, model.predict(params, after)], axis=1)
