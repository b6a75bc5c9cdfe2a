"""Observed simulations, how they are split, and what is known of the truth."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from hyco_jax.data import describe
from hyco_jax.data.readings import Readings, check_readings
from hyco_jax.grids import quantities as meanings
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantities
from hyco_jax.types import Trajectories

# States at t = 0: given with the data, interpolated from their earliest readings, an
# array `(N, *S, C)`, or a function of positions `(..., D)` with values `(..., C)`, or
# `(N, ..., C)` where simulations differ.
Initial = str | np.ndarray | Callable[[np.ndarray], np.ndarray]


class Truth(NamedTuple):
    """What simulated data are made of; models are scored against it.

    Attributes:
        states: Complete states, shape `(N, T + 1, *S, C)`.
        coefficients: By name, on the grid of the data, shape `()`, `(*S,)` or
            `(*S, D)`; empty if they are unknown.
    """

    states: np.ndarray
    coefficients: Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Observations:
    """Simulations as they were observed.

    Attributes:
        observed: On the grid: states `(N, T + 1, *S, C)` and weights, 0 where
            unobserved; what is static or driven is known at all times. Or readings at
            points.
        train: Simulations that both models learn from.
        val: Simulations that settings are chosen by.
        test: Simulations that the results are reported on.
        truth: If it is known.
        initial: The states at t = 0: "given", complete, with data on the grid;
            "interpolated" from the readings, or from data on the grid, which are then
            taken as readings; an array `(N, *S, C)`; or a function that maps positions
            `(..., D)` to `(..., C)`.
        sigma: Standard deviations of data on the grid, one for each predicted channel
            in order; more, of known channels, are not used. None if nobody knows, or
            the readings have their own.
        notes: How they were made, lines that `print` shows.

    Raises:
        ValueError: If a sigma is not finite and positive.
    """

    observed: Trajectories | Readings
    train: tuple[int, ...]
    val: tuple[int, ...] = ()
    test: tuple[int, ...] = ()
    truth: Truth | None = None
    initial: Initial = "given"
    sigma: tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return describe.describe(self)

    def __post_init__(self):
        for channel, value in enumerate(self.sigma or ()):
            if not 0 < value < np.inf:
                raise ValueError(
                    f"sigma={self.sigma} is {value} for channel {channel}, expected a "
                    "finite number above 0; without one leave it out"
                )

    @property
    def is_initial_given(self) -> bool:
        """Whether the states at t = 0 are those of data on the grid."""
        return isinstance(self.initial, str) and self.initial == "given"

    @property
    def num_steps(self) -> int:
        """Number T of steps after t = 0."""
        return self.observed.states.shape[1] - 1

    @property
    def splits(self) -> dict[str, tuple[int, ...]]:
        """Simulations of each split that has some."""
        splits = {"train": self.train, "val": self.val, "test": self.test}
        return {name: sims for name, sims in splits.items() if sims}

    @property
    def shown(self) -> str:
        """The split that results are reported on."""
        return list(self.splits)[-1]

    @property
    def reference(self) -> Trajectories:
        """What models are scored against: the truth, else what was observed."""
        if self.truth is None:
            return self.observed
        states = jnp.asarray(self.truth.states)
        return Trajectories(states, jnp.ones((1,) * states.ndim, states.dtype))

    def select(self, sims: tuple[int, ...]) -> Trajectories:
        """The observations of some simulations."""
        index, weights = np.array(sims), self.observed.weights
        if weights.shape[0] > 1:
            weights = weights[index]
        return Trajectories(self.observed.states[index], weights)


def from_arrays(
    states: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    train: tuple[int, ...] | None = None,
    val: tuple[int, ...] = (),
    test: tuple[int, ...] = (),
) -> Observations:
    """Makes observations of arrays on the grid.

    Args:
        states: Shape `(N, T + 1, *S, C)`, NaN where nothing was observed; at t = 0
            complete.
        weights: Of the same rank, each axis of full length or 1; by default 0 where
            the states are NaN, and 1 elsewhere.
        train: Simulations to learn from; by default all that `val` and `test` leave.
        val: Simulations to choose settings by.
        test: Simulations to report.

    Returns:
        The observations; whether they fit a problem is checked by `hyco_jax.fit`.
    """
    states = np.asarray(states, np.float32)
    if weights is None:
        seen = np.isfinite(states)
        weights = np.ones((1,) * states.ndim) if seen.all() else seen
    if train is None:
        train = tuple(i for i in range(len(states)) if i not in (*val, *test))
    observed = Trajectories(jnp.asarray(states), jnp.asarray(weights, jnp.float32))
    return Observations(observed, tuple(train), tuple(val), tuple(test))


def check(
    observations: Observations, domain: Domain, quantities: Quantities
) -> Observations:
    """Checks that observations fit a grid.

    Returns:
        The observations; what models don't predict has weight 0.

    Raises:
        ValueError: If shapes or splits don't fit, or a value is missing that has to be
            known.
    """
    if isinstance(observations.observed, Readings):
        _check_splits(observations, observations.observed.num_sims)
        check_readings(observations.observed, domain, quantities)
        return observations
    states = np.asarray(observations.observed.states)
    weights = np.asarray(observations.observed.weights)
    _check_shapes(states, weights, domain, meanings.num_channels(quantities))
    _check_splits(observations, len(states))
    known = meanings.num_known(quantities)
    _check_values(states, weights, known, observations.is_initial_given)
    _check_sigma(observations.sigma, states.shape[-1] - known, states.shape[-1])
    truth = observations.truth
    if truth is not None and truth.states.shape != states.shape:
        raise ValueError(
            f"the truth has shape {truth.states.shape}, the observations have "
            f"{states.shape}; leave it out or make them agree"
        )
    predicted = meanings.predicted_entries(quantities, domain)
    if predicted.all():
        return observations
    observed = Trajectories(
        observations.observed.states, jnp.asarray(weights * predicted, states.dtype)
    )
    return dataclasses.replace(observations, observed=observed)


def _check_shapes(states, weights, domain: Domain, channels: int):
    expected = (*domain.resolution, channels)
    if states.shape[2:] != expected or len(states) < 1 or states.shape[1] < 2:
        raise ValueError(
            f"the states have shape {states.shape}, expected (simulations, steps + 1, "
            f"{', '.join(map(str, expected))}); fit the data or the grid"
        )
    fits = weights.ndim == states.ndim and all(
        w in (1, n) for w, n in zip(weights.shape, states.shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"the weights have shape {weights.shape}, which doesn't fit states of "
            f"shape {states.shape}; give each axis its full length or 1"
        )


def _check_splits(observations: Observations, num_sims: int):
    chosen = (*observations.train, *observations.val, *observations.test)
    known = all(0 <= sim < num_sims for sim in chosen)
    if not observations.train or not known or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"train={observations.train}, val={observations.val} and "
            f"test={observations.test} have to be different simulations from 0 to "
            f"{num_sims - 1}, at least one to train on"
        )


def _check_sigma(sigma, num_predicted: int, channels: int):
    if sigma is not None and not num_predicted <= len(sigma) <= channels:
        raise ValueError(
            f"sigma={sigma} has {len(sigma)} entries, expected one for each of the "
            f"{num_predicted} predicted channels"
        )


def _check_values(states, weights, num_known: int, is_given: bool):
    if not np.isfinite(weights).all() or weights.min() < 0:
        raise ValueError(
            "the observations hold weights that are not finite and >= 0; correct them"
        )
    bad = ~np.isfinite(states) & (np.broadcast_to(weights, states.shape) > 0)
    if bad.any():
        raise ValueError(
            f"the observations hold {bad.sum()} non-finite observed values; give them "
            "weight 0 or remove them"
        )
    if is_given and not np.isfinite(states[:, 0]).all():
        raise ValueError(
            "the observations lack values of states at t = 0, which has to be "
            "complete; add them, or say initial='interpolated' and fit them with "
            "physical.initial='fitted'"
        )
    if not np.isfinite(states[..., states.shape[-1] - num_known :]).all():
        raise ValueError(
            f"the observations lack values of the {num_known} last channels, which "
            "are static or driven and have to be known at all times; add them"
        )
