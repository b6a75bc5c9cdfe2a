"""Simulations that sensors at fixed places read, from an unknown initial state on."""

import dataclasses

import jax
import numpy as np

from hyco_jax.config import rules, schema
from hyco_jax.config.schema import key
from hyco_jax.data import generate
from hyco_jax.data.observations import Observations, Truth
from hyco_jax.data.readings import Readings
from hyco_jax.grids import quantities as meanings
from hyco_jax.grids.domain import Domain
from hyco_jax.problem import Problem
from hyco_jax.types import Array


@dataclasses.dataclass(frozen=True)
class SensorSettings(generate.DataSettings):
    """How data are simulated, and read by sensors."""

    sensors: int = key(
        0,
        "number of sensors along each axis of the region, which read the values at "
        "cell centres, with noise, and know nothing of t = 0; 0: the whole region is "
        "observed, and t = 0 is known",
        rules.integer(0, 10_000),
    )
    spin_up: int = key(
        0,
        "where sensors read: steps that random states are advanced before t = 0",
        rules.integer(0, 1_000_000),
    )
    forecast_steps: int = key(
        0,
        "where sensors read: steps that the truth goes on after the last reading, to "
        "score forecasts",
        rules.integer(0, 100_000),
    )

    @property
    def at_points(self) -> bool:
        """Whether sensors read it."""
        return self.sensors > 0


def observe(problem: Problem, settings: SensorSettings, key: Array) -> Observations:
    """Simulates a problem on a finer grid and reads it at sensors.

    What the sensors miss is held out, without noise: every cell at the times of the
    readings, and in the time of the forecast. So scores of what is held out are those
    of the whole state against the truth.

    Args:
        problem: The physical system; all its quantities are predicted and centred.
        settings: How.
        key: PRNG key.

    Returns:
        Readings of the training simulations; `initial` is "interpolated".

    Raises:
        ValueError: If there are more sensors than cells along an axis, or quantities
            that no sensor at a cell centre reads.
    """
    _check(problem, settings)
    sim_key, noise_key = jax.random.split(key)
    states = generate.true_states(
        problem,
        settings.refine,
        lambda key, fine: problem.sample_u0(key, fine, settings.num_sims),
        sim_key,
        settings.num_steps + settings.forecast_steps,
        lambda u, fine: _at_centres(u, settings.refine, fine.ndim),
        settings.spin_up,
    )
    domain, last = problem.domain, settings.num_steps
    std = states[:, : last + 1].std(axis=(0, 1, *range(2, 2 + domain.ndim)))
    noise = np.asarray(jax.random.normal(noise_key, states.shape))
    noise = settings.noise_std * std * noise
    is_sensor = np.zeros(domain.resolution, bool)
    is_sensor[np.ix_(*_places(domain, settings))] = True
    steps = np.arange(settings.every, len(states[0]), settings.every)
    grid = (settings.train_sim, steps, *map(np.arange, domain.resolution))
    sim, step, *cell = (axis.ravel() for axis in np.meshgrid(*grid, indexing="ij"))
    cell = tuple(cell)
    reads = is_sensor[cell] & (step <= last)
    index = (sim, step, *cell)
    values = np.where(reads[:, None], states[index] + noise[index], states[index])
    _, label = np.unique(
        np.ravel_multi_index(cell, domain.resolution), return_inverse=1
    )
    names = meanings.channel_names(problem.quantities)
    readings = Readings(
        sim=np.searchsorted(settings.train_sim, sim).astype(np.int32),
        time=step * problem.dt,
        position=domain.coordinates()[cell],
        values=values.astype(np.float64),
        sigma=None,
        sensor=label.astype(np.int32),
        is_held_out=~reads,
        row=np.arange(len(sim)),
        names=tuple(names),
        sims=tuple(str(s) for s in settings.train_sim),
        sensors=tuple(str(n) for n in range(is_sensor.size)),
        units=("",) * len(names),
    )
    coefficients = problem.true_values(domain)
    truth = Truth(
        states[list(settings.train_sim)],
        {name: np.float32(value) for name, value in coefficients.items()},
    )
    sims = tuple(range(len(settings.train_sim)))
    return Observations(readings, sims, truth=truth, initial="interpolated")


def _check(problem, settings):
    if any(q.is_staggered or not q.is_predicted for q in problem.quantities):
        raise ValueError(
            f"sensors at cell centres can't read {[q.name for q in problem.quantities]}"
            ": expected quantities that are predicted and centred"
        )
    for size, (low, high) in zip(
        problem.domain.resolution, settings.region, strict=True
    ):
        if settings.sensors > (high - low) * size:
            schema.fail(
                "data.sensors",
                settings.sensors,
                f"at most the {int((high - low) * size)} cells along each axis of "
                "data.region",
            )


def _places(domain: Domain, settings) -> list[np.ndarray]:
    """Cells of the sensors along each axis, evenly spaced in the region."""
    share = (np.arange(settings.sensors) + 0.5) / settings.sensors
    return [
        np.floor((low + share * (high - low)) * size).astype(int)
        for size, (low, high) in zip(domain.resolution, settings.region, strict=True)
    ]


def _at_centres(u, factor, ndim):
    """Values at the centres of cells `factor` times as long, from fine ones.

    Of an even factor the mean of the two cells beside it along each axis.
    """
    for axis in range(ndim):
        low, high = (factor - 1) // 2, factor // 2
        both = [
            jax.lax.slice_in_dim(u, start, None, factor, axis) for start in (low, high)
        ]
        u = (both[0] + both[1]) / 2
    return u
