"""What is statically known of observed data, and the checks that follow from it."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
from flax import struct

from hyco_jax.data import statistics, windows
from hyco_jax.grids.quantities import Quantities, num_channels, num_driven, num_known
from hyco_jax.types import Array, Trajectories

HELD_OUT_SHARE = 0.1


@struct.dataclass
class Real:
    """The real data as both players see them.

    Attributes:
        training: What the models learn from; shorter than the record where its end is
            held out.
        scored: The whole record, with weight 0 for what does not count in scores.
    """

    training: Trajectories
    scored: Trajectories

    @property
    def whole(self) -> "Real":
        """The same with nothing held out."""
        later = self.scored.states.shape[1] - self.training.states.shape[1]
        if not later:
            return self
        weights = self.training.weights
        if weights.shape[1] == 1:
            shape = (weights.shape[0], self.training.states.shape[1])
            weights = jnp.broadcast_to(weights, (*shape, *weights.shape[2:]))
        pad = [(0, later if axis == 1 else 0) for axis in range(weights.ndim)]
        both = jnp.pad(weights, pad) + self.scored.weights
        joined = Trajectories(self.scored.states, both)
        return Real(joined, joined)


@dataclasses.dataclass(frozen=True)
class Record:
    """What is statically known of the real data.

    Attributes:
        weights: Observation weights on the host, axes of full length or 1.
        shape: `(N, T + 1, *S, C)` of the states.
        scale: The unit of every loss, shape `(C,)`: the variance of the observed data,
            or of their errors, where a sigma is stated.
        predicted: Entries that models predict, broadcasts to `(*S, C)`, bool.
        num_driven: Number G of driven channels.
    """

    weights: np.ndarray
    shape: tuple[int, ...]
    scale: np.ndarray
    predicted: np.ndarray | bool = True
    num_driven: int = 0

    @property
    def num_sims(self) -> int:
        """Number N of simulations."""
        return self.shape[0]

    @property
    def num_steps(self) -> int:
        """Number T of steps after t = 0."""
        return self.shape[1] - 1

    @property
    def num_observed(self) -> int:
        """Number of entries that were observed after t = 0, and are predicted."""
        seen = (self.weights > 0) & np.asarray(self.predicted)
        if seen.shape[1] > 1:
            seen = seen[:, 1:]
        whole = (self.num_sims, self.num_steps, *self.shape[2:])
        return int(np.broadcast_to(seen, whole).sum())

    @property
    def is_full(self) -> bool:
        """Whether every entry that models predict is observed."""
        return bool(((self.weights > 0) | ~np.asarray(self.predicted)).all())

    def index(self, horizon: int, stride: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Simulations and starts of the real windows of a horizon."""
        return windows.real_index(
            self.weights,
            self.num_sims,
            self.num_steps,
            horizon,
            stride,
            self.predicted,
        )

    def of(self, other: Trajectories) -> "Record":
        """The facts of other trajectories, measured by the scale of these."""
        weights, shape = np.asarray(other.weights), tuple(other.states.shape)
        return dataclasses.replace(self, weights=weights, shape=shape)

    def check_used(self, used: list[tuple[np.ndarray, np.ndarray, int]]):
        """Raises a ValueError if an observation is no window's target."""
        unused = windows.num_unused(self.weights, self.shape, used)
        if unused:
            raise ValueError(
                f"{unused} observations are no window's target; let the longest "
                f"horizon reach the record's {self.num_steps} steps, and no stride "
                "exceed the horizon"
            )


def make_record(
    real: Trajectories,
    quantities: Quantities | None = None,
    predicted: np.ndarray | bool = True,
    sigma: tuple[float, ...] | None = None,
) -> Record:
    """Reads the static facts off the real data, on the host.

    Args:
        real: Observed trajectories.
        quantities: Of the state; a single one by default.
        predicted: Entries that models predict, see `quantities.predicted_entries`.
        sigma: Standard deviations of the predicted channels' errors, if they are known:
            the unit of the loss, which is chi² per observation then.

    Raises:
        ValueError: If a quantity's observations don't vary, or there are none.
    """
    scale = np.asarray(statistics.variance(real.states, real.weights, quantities))
    if not (scale > 0).all():
        raise ValueError(
            f"the observed data have variances {scale}, one for each channel, expected "
            "> 0; a constant field identifies nothing"
        )
    if sigma is not None:
        count = num_channels(quantities) - num_known(quantities)
        scale = np.concatenate([np.square(sigma[:count]), scale[count:]])
    driven = num_driven(quantities or ())
    weights, shape = np.asarray(real.weights), tuple(real.states.shape)
    return Record(weights, shape, scale, predicted, driven)


def make_real(observed: Trajectories, hold_out: bool) -> Real:
    """Splits off the end of every record, for scores that no model has trained on.

    Args:
        observed: The observed training simulations.
        hold_out: Whether to; else the scores are those of the training data.

    Returns:
        With a hold-out, the last tenth of the observed times counts in scores alone.

    Raises:
        ValueError: If fewer than two times after t = 0 are observed.
    """
    if not hold_out:
        return Real(observed, observed)
    last = training_steps(np.asarray(observed.weights), observed.states.shape[1] - 1)
    training = Trajectories(
        observed.states[:, : last + 1], _until(observed.weights, last)
    )
    is_held = np.arange(observed.states.shape[1]) > last
    is_held = is_held.reshape(1, -1, *[1] * (observed.states.ndim - 2))
    return Real(training, observed.replace(weights=observed.weights * is_held))


def training_steps(weights: np.ndarray, num_steps: int) -> int:
    """Steps of a record that are left when its last tenth of observations is held out.

    Raises:
        ValueError: If fewer than two times after t = 0 are observed.
    """
    axes = tuple(a for a in range(weights.ndim) if a != 1)
    seen = np.broadcast_to((weights > 0).any(axis=axes), num_steps + 1)
    times = np.flatnonzero(seen[1:]) + 1
    if len(times) < 2:
        raise ValueError(
            f"{len(times)} times after t = 0 are observed, expected two at least to "
            "hold one out for trust; observe more, or set --config.hybrid.trust_power=0"
        )
    return int(times[-math.ceil(HELD_OUT_SHARE * len(times))]) - 1


def _until(weights: Array, last: int) -> Array:
    return weights if weights.shape[1] == 1 else weights[:, : last + 1]
