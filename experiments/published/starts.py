"""The physical model alone, from the published guess or from many starts at once."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from hyco_jax import calls, seeds
from hyco_jax.hybrid import Player
from hyco_jax.types import Array, Params


class Found(NamedTuple):
    """What was found, with an axis of seeds in front.

    Attributes:
        variables: Parameters of the lowest misfit.
        score: That misfit, shape `(S,)`.
        scores: Of every start, `(S, N)`.
        evaluations: Of all starts together, `(S,)`.
    """

    variables: Params
    score: Array
    scores: Array
    evaluations: Array


def fit(
    player: Player, state, real, starts: Params, at_once: int | None = None
) -> Found:
    """Fits the data from many starts, all by one program, and takes the best.

    Args:
        player: The physical one; it says how long and by which optimiser.
        state: Of both models, stacked over S seeds.
        real: The real data, stacked.
        starts: Learned parameters, their leaves `(S, N, ...)`.
        at_once: How many starts of a seed are fitted in lockstep, all of them if None.
            Those that have converged wait for the others.

    Returns:
        For each seed, that of the lowest misfit to its data; one that diverged is none.
    """

    def one(train_state, real, start):
        params = {**train_state.params, **start}
        data = player.augment(real, None, 0.0)
        key = jax.random.key(0)  # no full-batch trainer draws anything
        after, metrics = player.train(train_state.replace(params=params), data, key)
        variables = after.variables
        score = player.score(variables, real)
        return variables, score, metrics["evaluations"]

    def best(train_state, real, starts):
        variables, scores, evaluations = jax.lax.map(
            lambda start: one(train_state, real, start),
            starts,
            batch_size=at_once or len(jax.tree.leaves(starts)[0]),
        )
        scores = jnp.where(jnp.isfinite(scores), scores, jnp.inf)
        index = jnp.argmin(scores)
        chosen = seeds.take(variables, index)
        return Found(chosen, scores[index], scores, evaluations.sum())

    program = jax.jit(jax.vmap(best), compiler_options=calls.compiler_options())
    return jax.device_get(program(state.physical.train, real, starts))
