"""Repeated application of a step."""

import jax
import jax.numpy as jnp

from hyco_jax.types import Array, Params, StepFn


def predict(step: StepFn, params: Params, u0: Array, num_steps: int) -> Array:
    """Predicts the states that follow `u0`.

    Args:
        step: Maps `(params, u)` to the state one time step later.
        params: Parameters of the model, held fixed.
        u0: Initial state, shape `(*S, C)`. Batch with `jax.vmap`.
        num_steps: Number of steps K, static.

    Returns:
        The states `(u_1, ..., u_K)`, shape `(K, *S, C)`.
    """

    def advance(u, _):
        u = step(params, u)
        return u, u

    return jax.lax.scan(advance, u0, length=num_steps)[1]


def rollout(step: StepFn, params: Params, u0: Array, num_steps: int) -> Array:
    """Predicts a trajectory, the initial state included.

    Args:
        step: Maps `(params, u)` to the state one time step later.
        params: Parameters of the model, held fixed.
        u0: Initial state, shape `(*S, C)`. Batch with `jax.vmap`.
        num_steps: Number of steps K, static.

    Returns:
        The trajectory `(u_0, ..., u_K)`, shape `(K + 1, *S, C)`.
    """
    states = predict(step, params, u0, num_steps)
    return jnp.concatenate([u0[None], states])


def rollouts(step: StepFn, params: Params, u0: Array, num_steps: int) -> Array:
    """Maps `rollout` over initial states `(N, *S, C)` -> `(N, K + 1, *S, C)`."""
    return jax.vmap(lambda u: rollout(step, params, u, num_steps))(u0)
