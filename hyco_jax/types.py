"""Shared types and the axis legend.

Axes: `N` simulations, `T` time steps of a record, `B` windows of a batch, `W` windows
of a data set, `K` horizon, `*S` spatial axes (`X`, `X Y` or `X Y Z`), `C` channels.
Arrays are channels-last: state `u (*S, C)`, trajectories `(N, T + 1, *S, C)`,
targets of a batch of windows `(B, K, *S, C)`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from flax import struct

Array = jax.Array
Params = dict[str, Any]
StepFn = Callable[[Params, Array], Array]
Metrics = dict[str, Array]
# Maps the physical values of a PDE's coefficients, by name, and the state.
PdeStep = Callable[[dict[str, Array], Array], Array]


class Model(NamedTuple):
    """Two pure functions, as in `optax.GradientTransformation`.

    Attributes:
        init: Maps a PRNG key to the parameters, a dict of named arrays or pytrees.
        step: Maps `(params, u)`, with `u (*S, C)`, to the state one time step later.
    """

    init: Callable[[Array], Params]
    step: StepFn


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
class Windows:
    """Windows of trajectories, addressed by index and gathered on demand.

    A window starts at the state `inputs[sim, start]`; its targets are the `horizon`
    entries `targets[sim, start + 1:]` that follow.

    Attributes:
        inputs: Shape `(N, T + 1, *S, C)`.
        targets: Shape `(N, T + 1, *S, C)`; often the same array as `inputs`.
        weights: Of the targets; of their rank, each axis of full length or 1.
        sim: Simulation of each window, shape `(W,)`.
        start: Time index of each window's input, shape `(W,)`.
        horizon: Number K of predicted steps, static.
    """

    inputs: Array
    targets: Array
    weights: Array
    sim: Array
    start: Array
    horizon: int = struct.field(pytree_node=False)


@struct.dataclass
class Batch:
    """What both trainers consume: `(input, target, weight)`.

    Attributes:
        inputs: Shape `(B, *S, C)`.
        targets: Shape `(B, K, *S, C)`.
        weights: Broadcasts to the targets, channels included.
        sim: Simulation of each window, shape `(B,)`.
        start: Time index of each window's input, shape `(B,)`.
    """

    inputs: Array
    targets: Array
    weights: Array
    sim: Array
    start: Array


@struct.dataclass
class TrainState:
    """The state of one trainer: arrays only, so that it is its own checkpoint.

    Attributes:
        step: Updates (synthetic) or iterations (physical) made so far, () int32.
        params: What the optimiser fits.
        opt_state: State of the optimiser.
        constants: What no optimiser touches, such as fixed coefficients; its names
            differ from those of `params`, and a model's `step` takes the union.
    """

    step: Array
    params: Params
    opt_state: Any
    constants: Params

    @property
    def variables(self) -> Params:
        """The union of params and constants, what `Model.step` takes."""
        return {**self.constants, **self.params}


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
