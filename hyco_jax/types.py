"""Shared types and the axis legend.

A model answers queries; data are weighted samples of answers.

Axes: `N` simulations, `T` time steps of a record, `B` samples of a batch, `W` samples
of a data set, `K` horizon, `M` points, `*S` spatial axes (`X`, `X Y` or `X Y Z`), `C`
channels, of which the last `G` are driven. Arrays are channels-last: state `u (*S, C)`,
trajectories `(N, T + 1, *S, C)`, answers on the grid `(B, K, *S, C)`, at points
`(B, M, C)`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

Array = jax.Array
Params = dict[str, Any]
Metrics = dict[str, Array]
# `(params, u)` -> the state one time step later, u `(*S, C)`; where quantities are
# driven `(params, u, after)`, with their values `(*S, G)` at the end of the step.
StepFn = Callable[..., Array]
# The same with the physical values of a PDE's coefficients, by name, for params.
PdeStep = Callable[..., Array]


@struct.dataclass
class Query:
    """What a model is asked: B stretches of time, on the grid or at points.

    Attributes:
        sim: Which simulation, shape `(B,)`, int32.
        start: Step at which the stretch begins, shape `(B,)`, int32.
        u0: The state there, shape `(B, *S, C)`; None where the model has its own.
        points: Time since the start and position, shape `(B, M, 1 + D)`; None for all
            of the grid at the K steps that follow.
        given: Driven channels at the steps 0 to K, shape `(B, K + 1, *S, G)`; None if
            nothing is driven.
        horizon: Number K of steps, static.
    """

    sim: Array
    start: Array
    u0: Array | None = None
    points: Array | None = None
    given: Array | None = None
    horizon: int = struct.field(pytree_node=False, default=1)


# Maps params and a query to `(B, K, *S, C)` on the grid, `(B, M, C)` at points.
PredictFn = Callable[[Params, Query], Array]


class Model(NamedTuple):
    """Two pure functions, as in `optax.GradientTransformation`.

    Attributes:
        init: Maps a PRNG key to the parameters, a dict of named arrays or pytrees.
        predict: Answers queries.
    """

    init: Callable[[Array], Params]
    predict: PredictFn


@struct.dataclass
class Samples:
    """What both trainers consume: `(query, target, weight)`.

    Attributes:
        query: Of B samples.
        targets: The right answers, shaped as a model's.
        weights: Of their rank, each axis of full length or 1; 0 means unobserved, and
            the target is never used, NaN or not.
    """

    query: Query
    targets: Array
    weights: Array

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.targets)

    def take(self, index: Array) -> "Samples":
        """Gathers the samples `index (B,)`."""
        shared = len(self.weights) != self.count
        weights = self.weights if shared else self.weights[index]
        rest = jax.tree.map(lambda x: x[index], (self.query, self.targets))
        return Samples(*rest, weights)

    def mean_weight(self) -> Array:
        """Mean over the samples of the sum of a sample's weights, ()."""
        return jnp.broadcast_to(self.weights, self.targets.shape).sum() / self.count


@struct.dataclass
class Trajectories:
    """Simulations, observed or complete.

    Attributes:
        states: Shape `(N, T + 1, *S, C)`. Entries of weight 0 are never used.
        weights: Of the rank of `states`, each axis of full length or 1. 0 means
            unobserved.
    """

    states: Array
    weights: Array


@struct.dataclass
class TrainState:
    """The state of one trainer: arrays only, so that it is its own checkpoint.

    Attributes:
        step: Updates (minibatch) or iterations (full batch) made so far, () int32.
        params: What the optimiser fits.
        opt_state: State of the optimiser.
        constants: What no optimiser touches, such as fixed coefficients; its names
            differ from those of `params`, and a model takes the union.
    """

    step: Array
    params: Params
    opt_state: Any
    constants: Params

    @property
    def variables(self) -> Params:
        """The union of params and constants, what a model takes."""
        return {**self.constants, **self.params}


# A trainer, all else bound: `(state, data, key)` -> the next state and metrics.
TrainFn = Callable[[TrainState, Any, Array], tuple[TrainState, Metrics]]


@struct.dataclass
class Side:
    """One of the two models in a hybrid run.

    Attributes:
        train: State of its trainer.
        score: Loss of its current parameters on the real data, ().
        best: Its parameters of the lowest score so far.
        best_score: That score, ().
    """

    train: TrainState
    score: Array
    best: Params
    best_score: Array

    @property
    def best_variables(self) -> Params:
        """The union of the best parameters and the constants."""
        return {**self.train.constants, **self.best}


@struct.dataclass
class HybridState:
    """The complete state of a run: what a cycle maps, and what a checkpoint holds.

    Attributes:
        cycle: Cycles made so far, () int32.
        key: PRNG key of the next cycle.
        synthetic: The synthetic model.
        physical: The physical model.
    """

    cycle: Array
    key: Array
    synthetic: Side
    physical: Side
