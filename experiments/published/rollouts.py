"""Rollouts of models that make steps, as errors and figures have them."""

import jax.numpy as jnp
import numpy as np

from hyco_jax.players import windows
from hyco_jax.types import Model, Params, Trajectories


def rollouts(model: Model, params: Params, states: np.ndarray) -> np.ndarray:
    """A model's trajectories from the first states of others; nothing is driven.

    Args:
        model: Asked on the grid of the states.
        params: Its parameters.
        states: Shape `(N, T + 1, *S, C)`, of which those at t = 0 are used.

    Returns:
        Shaped as the states.
    """
    like = Trajectories(jnp.asarray(states), jnp.ones((1,) * np.ndim(states)))
    return np.asarray(windows.predict_along(model.predict, params, like))
