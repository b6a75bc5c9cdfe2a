"""Windows of trajectories: which are valid, and how a batch of them is gathered.

A window is addressed by (simulation, start). It is gathered on the device when it is
needed, so that no state is ever stored twice.
"""

import jax.numpy as jnp
import numpy as np
from flax import struct

from hyco_jax.types import Array, Query, Samples, Trajectories


@struct.dataclass
class Windows:
    """Windows of trajectories: samples that are gathered on demand.

    A window starts at the state `inputs[sim, start]`; its targets are the `horizon`
    entries `targets[sim, start + 1:]` that follow.

    Attributes:
        inputs: Shape `(N, T + 1, *S, C)`.
        targets: Shape `(N, T + 1, *S, C)`; often the same array as `inputs`.
        weights: Of the targets; of their rank, each axis of full length or 1.
        sim: Simulation of each window, shape `(W,)`.
        start: Time index of each window's input, shape `(W,)`.
        horizon: Number K of predicted steps, static.
        num_driven: Number G of driven channels, the last ones of the inputs, static.
    """

    inputs: Array
    targets: Array
    weights: Array
    sim: Array
    start: Array
    horizon: int = struct.field(pytree_node=False)
    num_driven: int = struct.field(pytree_node=False, default=0)

    @property
    def count(self) -> int:
        """Number W of windows."""
        return len(self.sim)

    def take(self, index: Array) -> Samples:
        """Gathers the windows `index (B,)`."""
        sim, start = self.sim[index], self.start[index]
        times = _target_times(start, self.horizon)
        num_sims, num_times = self.weights.shape[:2]
        weights = self.weights[
            (sim if num_sims > 1 else jnp.zeros_like(sim))[:, None],
            times if num_times > 1 else jnp.zeros_like(times),
        ]
        given = None
        if self.num_driven:
            known = self.inputs[..., -self.num_driven :]
            all_times = jnp.concatenate([start[:, None], times], axis=1)
            given = known[sim[:, None], all_times]
        query = Query(sim, start, self.inputs[sim, start], None, given, self.horizon)
        return Samples(query, self.targets[sim[:, None], times], weights)

    def mean_weight(self) -> Array:
        """Mean over the windows of the sum of a window's weights, ()."""
        weights, shape = self.weights, self.targets.shape
        copies = np.prod(shape[2:]) / np.prod(weights.shape[2:])
        per_time = copies * weights.sum(axis=tuple(range(2, weights.ndim)))
        per_time = jnp.broadcast_to(per_time, shape[:2])
        times = _target_times(self.start, self.horizon)
        return per_time[self.sim[:, None], times].sum(axis=1).mean()


def real_index(
    weights,
    num_sims: int,
    num_steps: int,
    horizon: int,
    stride: int = 1,
    predicted: np.ndarray | bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the windows of observed trajectories.

    The state at t = 0 is known on the whole grid. With full observation every t starts
    a window; with partial observation only t = 0 does, since no later state is known.
    Runs on the host: validity follows from the observation mask alone.

    Args:
        weights: Weights of the observed trajectories, 0 = unobserved; axes of full
            length or 1.
        num_sims: Number N of trajectories.
        num_steps: Number T of steps after t = 0.
        horizon: Number K of predicted steps.
        stride: Distance of two starts; the last possible start is always included.
        predicted: Entries that models predict; the others are always known.

    Returns:
        Simulation and start of each window, shape `(W,)`, int32; every window has at
        least one observed target.

    Raises:
        ValueError: If the horizon doesn't fit the record, or nothing is observed.
    """
    check_horizon(horizon, num_steps)
    observed = np.asarray(weights) > 0
    last = num_steps - horizon
    is_full = (observed | ~np.asarray(predicted)).all()
    starts = sorted({*range(0, last + 1, stride), last}) if is_full else [0]
    seen = np.broadcast_to(
        observed.any(axis=tuple(range(2, observed.ndim))), (num_sims, num_steps + 1)
    )
    pairs = [
        (sim, start)
        for sim in range(num_sims)
        for start in starts
        if seen[sim, start + 1 : start + 1 + horizon].any()
    ]
    if not pairs:
        raise ValueError(
            f"no window of horizon={horizon} holds an observation after its start; "
            "observe more of the record or lengthen the horizon"
        )
    sim, start = np.array(pairs, np.int32).T
    return sim, start


def real_windows(
    real: Trajectories,
    index: tuple[np.ndarray, np.ndarray],
    horizon: int,
    num_driven: int = 0,
) -> Windows:
    """Addresses the windows `index` (see `real_index`) of observed trajectories."""
    sim, start = (jnp.asarray(i) for i in index)
    states = real.states
    return Windows(states, states, real.weights, sim, start, horizon, num_driven)


def predicted_windows(
    inputs: Array, targets: Array, weights: Array, horizon: int, num_driven: int = 0
) -> Windows:
    """Addresses every window of predicted trajectories; traceable.

    Args:
        inputs: Predicted states, shape `(N, T + 1, *S, C)`.
        targets: What follows them: the same predictions, or real observations.
        weights: Weights of the targets; each axis of full length or 1.
        horizon: Number K of predicted steps.
        num_driven: Number of driven channels.

    Returns:
        `N * (T + 1 - K)` windows.

    Raises:
        ValueError: If the horizon doesn't fit the predictions.
    """
    num_sims, num_steps = inputs.shape[0], inputs.shape[1] - 1
    check_horizon(horizon, num_steps)
    starts = jnp.arange(num_steps + 1 - horizon, dtype=jnp.int32)
    sims = jnp.arange(num_sims, dtype=jnp.int32)
    sim, start = jnp.meshgrid(sims, starts, indexing="ij")
    sim, start = sim.ravel(), start.ravel()
    return Windows(inputs, targets, weights, sim, start, horizon, num_driven)


def num_unused(
    weights, shape: tuple[int, ...], used: list[tuple[np.ndarray, np.ndarray, int]]
) -> int:
    """Counts the observed entries after t = 0 that are no window's target.

    Args:
        weights: Weights of the observed trajectories, 0 = unobserved.
        shape: `(N, T + 1, *S, C)`.
        used: Simulations, starts and horizon of all sets that are trained on.

    Returns:
        Their number; 0 where every observation is used.
    """
    covered = np.zeros(shape[:2], bool)
    covered[:, 0] = True
    for sims, starts, horizon in used:
        for sim, start in zip(sims, starts, strict=True):
            covered[sim, start + 1 : start + 1 + horizon] = True
    entries = np.broadcast_to(np.asarray(weights) > 0, shape).reshape(*shape[:2], -1)
    return int(entries.sum(axis=-1)[~covered].sum())


def check_horizon(horizon: int, num_steps: int):
    """Raises a ValueError if a horizon doesn't fit a record of `num_steps` steps."""
    if not 1 <= horizon <= num_steps:
        raise ValueError(
            f"horizon={horizon} does not fit a record of {num_steps} steps; "
            f"use a horizon from 1 to {num_steps}"
        )


def _target_times(start: Array, horizon: int) -> Array:
    """Times of the targets of windows that start at `start (B,)`, shape `(B, K)`."""
    return start[:, None] + 1 + jnp.arange(horizon, dtype=start.dtype)[None]
