"""Simulated data, and what is observed of them."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.data.statistics import variance
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantities
from hyco_jax.types import Array, Params, StepFn, Trajectories

# On 2 cores 7 at once take 0.2 to 0.9 times as long as one after the other (1024 cells
# of Burgers' equation, 128² of each system; Kolmogorov flow 2.2 times), and 6 times the
# memory: some 30 MiB of float64 at 128².
_AT_ONCE = 8


def simulate(
    step: StepFn,
    params: Params,
    u0: Array,
    num_steps: int,
    factor: int = 1,
    restrict: Callable[[Array], Array] | None = None,
) -> Array:
    """Simulates trajectories, by option with a solver that is finer than the record.

    Args:
        step: One step of the solver; `factor` of them make one step of the record.
        params: Its true parameters.
        u0: Initial states on the solver's grid, shape `(N, *S * factor, C)`.
        num_steps: Steps T of the record.
        factor: How many times finer than the record the solver is, in space and time.
        restrict: Maps states on the solver's grid to the record's, if they differ.

    Returns:
        States on the record's grid, shape `(N, T + 1, *S, C)`. Those on the solver's
        are never kept.
    """
    recorded = (lambda u: u) if restrict is None else restrict

    def record_step(params, u):
        u = jax.lax.fori_loop(0, factor, lambda _, u: step(params, u), u)
        return u, recorded(u)

    def trajectory(params, u0):
        states = jax.lax.scan(
            lambda u, _: record_step(params, u), u0, length=num_steps
        )[1]
        return jnp.concatenate([recorded(u0)[None], states])

    @jax.jit
    def run(params, u0):
        return jax.lax.map(
            lambda u0: trajectory(params, u0), u0, batch_size=min(_AT_ONCE, len(u0))
        )

    return run(params, u0)


def observed_region(domain: Domain, box: Sequence[Sequence[float]]) -> np.ndarray:
    """Marks the cells whose centre lies in a box.

    Args:
        domain: The grid.
        box: `(lower, upper)` for each axis as fractions of the extent; the centre half
            is `((0.25, 0.75),)`.

    Returns:
        Shape `(*S,)`, bool.

    Raises:
        ValueError: If the box doesn't fit the axes, or holds no cell.
    """
    if len(box) != domain.ndim or any(len(edge) != 2 for edge in box):
        raise ValueError(
            f"region={tuple(box)} has to give (lower, upper) for each of the "
            f"{domain.ndim} axes"
        )
    fraction = domain.coordinates() / np.array(domain.extent)
    lower, upper = np.array(box, float).T
    inside = ((fraction >= lower) & (fraction < upper)).all(axis=-1)
    if not inside.any():
        raise ValueError(
            f"region={tuple(box)} holds no cell; give 0 <= lower < upper <= 1"
        )
    return inside


def observe(
    key: Array,
    truth: Array,
    region: np.ndarray,
    every: int = 1,
    noise_std: float = 0.0,
    quantities: Quantities | None = None,
    predicted: np.ndarray | bool = True,
) -> Trajectories:
    """Observes trajectories: a region, every n-th step, with Gaussian noise.

    The state at t = 0 is given exactly, on the whole grid, as in the HYCO papers.
    What models don't predict is given exactly at all times, and has weight 0.

    Args:
        key: PRNG key of the noise.
        truth: Shape `(N, T + 1, *S, C)`.
        region: Observed cells, shape `(*S,)`, bool.
        every: Observe the steps 0, n, 2n, ...
        noise_std: Standard deviation of the noise relative to that of each quantity.
        quantities: Of the state; a single one by default.
        predicted: Entries that models predict, see `quantities.predicted_entries`.

    Returns:
        States, NaN where unobserved, and weights of 0 and 1; the weights have length 1
        along the axes on which they don't depend.
    """
    std = jnp.sqrt(variance(truth, 1.0, quantities))
    std = std.reshape((1,) * (truth.ndim - 1) + (-1,))
    noise = noise_std * std * jax.random.normal(key, truth.shape)
    predicted = np.asarray(predicted)
    predicted = predicted.reshape(
        (1,) * (truth.ndim - predicted.ndim) + predicted.shape
    )
    seen = observation_mask(truth.shape[1], region, every)
    states = jnp.where(predicted, truth + noise, truth).at[:, 0].set(truth[:, 0])
    states = jnp.where(seen | ~predicted, states, jnp.nan)
    weights = jnp.asarray(seen & predicted, truth.dtype)
    return Trajectories(states.astype(truth.dtype), weights)


def observation_mask(num_times: int, region: np.ndarray, every: int) -> np.ndarray:
    """Marks what `observe` observes, `(1, T + 1 or 1, *S or 1s, 1)`, bool."""
    seen_times = (np.arange(num_times) % every == 0).reshape(1, -1)
    seen_cells = np.ones((1,) * region.ndim, bool) if region.all() else region
    seen_times = np.expand_dims(seen_times, tuple(range(2, region.ndim + 3)))
    mask = seen_times & seen_cells[..., None]
    if mask.all():
        return np.ones((1,) * mask.ndim, bool)
    mask[:, 0] = True
    return mask
