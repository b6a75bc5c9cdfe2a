"""Mean and variance of observed data, each quantity by itself."""

import jax.numpy as jnp

from hyco_jax.grids.quantities import Quantities, Quantity, channels
from hyco_jax.types import Array, Trajectories


def variance(
    states: Array, weights: Array | float, quantities: Quantities | None = None
) -> Array:
    """Computes the weighted variance of each quantity after t = 0.

    Args:
        states: Shape `(N, T + 1, *S, C)`; entries of weight 0 don't count.
        weights: Broadcast to the states.
        quantities: Of the state; a single one by default.

    Returns:
        Shape `(C,)`: for each channel that of its quantity, 1 for known ones.
    """
    weights = jnp.broadcast_to(weights, states.shape)[:, 1:]
    states = jnp.where(weights > 0, states[:, 1:], 0)
    if quantities is None:
        quantities = (Quantity("state", states.shape[-1]),)
    result = []
    for q, where in zip(quantities, channels(quantities).values(), strict=True):
        u, w = states[..., where], weights[..., where]
        mean = jnp.sum(w * u) / jnp.sum(w)
        value = jnp.sum(w * (u - mean) ** 2) / jnp.sum(w)
        result.append(jnp.full(q.num_components, value if q.is_predicted else 1.0))
    return jnp.concatenate(result)


def normalisation(real: Trajectories, quantities: Quantities) -> dict[str, Array]:
    """Computes what networks normalise their inputs and outputs by.

    Args:
        real: The observed training data; all of what is static or driven.
        quantities: Of the state.

    Returns:
        `mean` and `std` of each channel, shape `(C,)`; the standard deviation is that
        of its quantity, so that vectors keep their direction, or 1 if it is 0.
    """
    weights = jnp.broadcast_to(real.weights, real.states.shape)
    means, stds = [], []
    for q, where in zip(quantities, channels(quantities).values(), strict=True):
        u = real.states[..., where]
        w = weights[..., where] if q.is_predicted else jnp.ones_like(u)
        u = jnp.where(w > 0, u, 0)
        axes = tuple(range(u.ndim - 1))
        mean = (w * u).sum(axes, keepdims=True) / w.sum(axes, keepdims=True)
        std = jnp.sqrt(jnp.sum(w * (u - mean) ** 2) / jnp.sum(w))
        means.append(mean.ravel())
        stds.append(jnp.full(q.num_components, jnp.where(std > 0, std, 1)))
    return {"mean": jnp.concatenate(means), "std": jnp.concatenate(stds)}
