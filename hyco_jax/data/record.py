"""What is statically known of observed data, and the checks that follow from it."""

import dataclasses

import numpy as np

from hyco_jax.data import data, windows
from hyco_jax.grids.quantities import Quantities
from hyco_jax.types import Trajectories


@dataclasses.dataclass(frozen=True)
class Record:
    """What is statically known of the real data.

    Attributes:
        weights: Observation weights on the host, axes of full length or 1.
        shape: `(N, T + 1, *S, C)` of the states.
        scale: Variance of the observed data, the unit of every loss, shape `(C,)`.
        predicted: Entries that models predict, broadcasts to `(*S, C)`, bool.
    """

    weights: np.ndarray
    shape: tuple[int, ...]
    scale: np.ndarray
    predicted: np.ndarray | bool = True

    @property
    def num_sims(self) -> int:
        """Number N of simulations."""
        return self.shape[0]

    @property
    def num_steps(self) -> int:
        """Number T of steps after t = 0."""
        return self.shape[1] - 1

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
) -> Record:
    """Reads the static facts off the real data, on the host.

    Args:
        real: Observed trajectories.
        quantities: Of the state; a single one by default.
        predicted: Entries that models predict, see `state.predicted_entries`.

    Raises:
        ValueError: If a quantity's observations don't vary, or there are none.
    """
    scale = np.asarray(data.variance(real.states, real.weights, quantities))
    if not (scale > 0).all():
        raise ValueError(
            f"the observed data have variances {scale}, one for each channel, expected "
            "> 0; a constant field identifies nothing"
        )
    return Record(np.asarray(real.weights), tuple(real.states.shape), scale, predicted)
