"""Models that step in time: rollouts, and the answers that are read off them."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from hyco_jax.grids import interpolation
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantities, num_driven
from hyco_jax.types import Array, Model, Params, PredictFn, Query, StepFn


def stepper(
    init: Callable[[Array], Params],
    step: StepFn,
    domain: Domain,
    dt: float,
    quantities: Quantities | None = None,
    remat: bool = False,
) -> Model:
    """Makes a model of a step function: it rolls out, then reads the answer.

    Args:
        init: Maps a PRNG key to the parameters.
        step: Maps `(params, u)` to the state one time step later. With driven
            quantities it takes `(params, u, after)`: u holds their values at the
            beginning of the step, `after (*S, G)` those at its end.
        domain: The grid.
        dt: Time step.
        quantities: Of the state; by default all of it is predicted.
        remat: Whether a step is computed again in the backward pass, so that a
            gradient holds the states of a rollout and the insides of one step only.

    Returns:
        The model. At points it interpolates, multilinear in space and linear in time
        between two steps.
    """
    driven = num_driven(quantities or ())
    if remat:
        step = jax.checkpoint(step, prevent_cse=False)

    def predict(params, query):
        if query.u0 is None or (driven > 0) != (query.given is not None):
            raise ValueError(
                f"a stepper with {driven} driven channels was asked with "
                f"u0={_describe(query.u0)} and given={_describe(query.given)}; give "
                "the initial states, and driven channels where there are some"
            )
        states = jax.vmap(
            lambda u0, given: advance(step, params, u0, query.horizon, given)
        )(query.u0, query.given)
        if query.points is None:
            return states
        trajectories = jnp.concatenate([query.u0[:, None], states], axis=1)
        return jax.vmap(
            lambda u, x: interpolation.at_points(u, x, domain, dt, quantities)
        )(trajectories, query.points)

    return Model(init, predict)


def advance(
    step: StepFn, params: Params, u0: Array, num_steps: int, given: Array | None = None
) -> Array:
    """Predicts the states that follow `u0`.

    Args:
        step: Maps `(params, u)`, or `(params, u, after)`, to the next state.
        params: Parameters of the model, held fixed.
        u0: Initial state, shape `(*S, C)`. Batch with `jax.vmap`.
        num_steps: Number of steps K, static.
        given: Driven channels at the steps 0 to K, shape `(K + 1, *S, G)`; they take
            the place of the last ones of every state. None if nothing is driven.

    Returns:
        The states `(u_1, ..., u_K)`, shape `(K, *S, C)`.
    """
    if given is None:

        def next_state(u, _):
            u = step(params, u)
            return u, u

        return jax.lax.scan(next_state, u0, length=num_steps)[1]

    count = given.shape[-1]

    def next_driven_state(u, after):
        u = jnp.concatenate([step(params, u, after)[..., :-count], after], axis=-1)
        return u, u

    u0 = jnp.concatenate([u0[..., :-count], given[0]], axis=-1)
    return jax.lax.scan(next_driven_state, u0, given[1:])[1]


def rollout(
    step: StepFn, params: Params, u0: Array, num_steps: int, given: Array | None = None
) -> Array:
    """Predicts `(u_0, ..., u_K)`, shape `(K + 1, *S, C)`; see `advance`."""
    states = advance(step, params, u0, num_steps, given)
    return jnp.concatenate([u0[None], states])


def rollouts(step: StepFn, params: Params, u0: Array, num_steps: int) -> Array:
    """Maps `rollout` over initial states `(N, *S, C)` -> `(N, K + 1, *S, C)`."""
    return jax.vmap(lambda u: rollout(step, params, u, num_steps))(u0)


def trajectories(predict: PredictFn, params: Params, query: Query) -> Array:
    """Asks a model for whole trajectories, the given initial states included.

    Args:
        predict: Of the model.
        params: Its parameters.
        query: On the grid, with initial states `(B, *S, C)`.

    Returns:
        Shape `(B, K + 1, *S, C)`.
    """
    return jnp.concatenate([query.u0[:, None], predict(params, query)], axis=1)


def _describe(array) -> str:
    return "None" if array is None else f"an array of shape {array.shape}"
