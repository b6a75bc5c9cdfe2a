"""How the physical player adapts the weights of its smoothness penalties."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp

from hyco_jax.data.augment import Part
from hyco_jax.models.physical import WEIGHTS, PhysicalModel
from hyco_jax.training import losses, smoothing
from hyco_jax.types import Array, PredictFn, TrainState

# Maps the state after a cycle's training, its data and a key to the next one's.
Adapt = Callable[[TrainState, Sequence[Part], Array], TrainState]


def make_adapt(
    physical: PhysicalModel,
    predict: PredictFn,
    num_observations: int,
    variance: float | None,
) -> Adapt:
    """Makes the function that is called once a cycle, after the training.

    Args:
        physical: Whose weights adapt.
        predict: As it is fitted.
        num_observations: Number of observed entries of the real data.
        variance: Of their noise in units of the loss, if somebody stated it.
    """

    def adapt(state, parts, key):
        if not physical.adapts:
            return state
        total = sum(part.count for part in parts)
        samples = parts[0].take(jnp.arange(parts[0].count))

        def variables(params):
            return {**state.constants, **params}

        def residuals(params):
            answers = predict(variables(params), samples.query)
            return losses.residuals(answers, samples) / jnp.sqrt(1.0 * total)

        problem = smoothing.Problem(
            residuals,
            lambda params: {**params, **physical.values(variables(params))},
            lambda values, weights: physical.roughness({**values, WEIGHTS: weights}),
            physical.adapts,
            num_observations,
            variance,
        )
        weights = smoothing.adapt(state.constants[WEIGHTS], state.params, problem, key)
        return state.replace(constants={**state.constants, WEIGHTS: weights})

    return adapt
