"""A network as a function of position and time, for one or several simulations."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from hyco_jax.grids.domain import Domain
from hyco_jax.types import Array, Model


def neural_field(
    module: nn.Module, domain: Domain, dt: float, num_sims: int = 1
) -> Model:
    """Makes a model of a network (x, t) -> u; it has its own states.

    The field knows the simulations that it was trained on: it has no answer to a new
    initial state, and takes no notice of `Query.u0`.

    Args:
        module: Maps `(F,)` to the channels `(C,)`, at cell centres: the position by the
            extent, the time by `dt`, and, where there are several simulations, which
            one (a one for it among zeros). F is `D + 1`, or `D + 1 + num_sims`.
        domain: The grid of its answers to queries without points.
        dt: Time step.
        num_sims: Number N of simulations.

    Returns:
        The model; its parameters are `{"network": parameters of the module}`.
    """
    which = np.eye(num_sims, dtype=np.float32) if num_sims > 1 else None
    centres = domain.coordinates().reshape(-1, domain.ndim)
    size = domain.ndim + 1 + (num_sims if num_sims > 1 else 0)

    @jax.jit
    def init(key: Array):
        features = jax.ShapeDtypeStruct((size,), jnp.float32)
        return {"network": module.lazy_init(key, features)["params"]}

    def evaluate(params, sim, time, position):
        """One point: time in steps, position in units of length."""
        features = [position / jnp.asarray(domain.extent, position.dtype), time[None]]
        if which is not None:
            features.append(jnp.asarray(which)[sim])
        return module.apply({"params": params["network"]}, jnp.concatenate(features))

    def predict(params, query):
        if query.points is not None:
            points = query.points
        else:
            times = dt * jnp.arange(1, query.horizon + 1, dtype=jnp.float32)
            grid = jnp.asarray(centres, jnp.float32)
            times = jnp.repeat(times, len(grid))[:, None]
            points = jnp.concatenate([times, jnp.tile(grid, (query.horizon, 1))], -1)
            points = jnp.broadcast_to(points, (len(query.sim), *points.shape))
        times = query.start[:, None] + points[..., 0] / dt
        at_points = jax.vmap(evaluate, (None, None, 0, 0))
        answers = jax.vmap(at_points, (None, 0, 0, 0))(
            params, query.sim, times, points[..., 1:]
        )
        if query.points is not None:
            return answers
        return answers.reshape(len(answers), query.horizon, *domain.resolution, -1)

    return Model(init, predict)
