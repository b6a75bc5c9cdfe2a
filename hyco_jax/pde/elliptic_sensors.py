"""Sensors of a steady solution, at random places, with noise as published.

The tests of arXiv 2509.14123 (code of StaticHYCO) read the solution at points that are
uniform in a part of the box, u + s max(u) N(0, 1) with s the level of the noise and the
largest of the training readings. Here as many more sensors are held out from all
training, with the same noise.
"""

from collections.abc import Callable

import jax
import numpy as np

from hyco_jax.data.observations import Observations
from hyco_jax.data.readings import Readings
from hyco_jax.pde.elliptic import DataSettings
from hyco_jax.problem import Problem
from hyco_jax.types import Array


def observe(
    problem: Problem,
    options: DataSettings,
    key: Array,
    solution: Callable[[np.ndarray], np.ndarray],
) -> Observations:
    """Reads a solution.

    Args:
        problem: From `elliptic.make_steady_problem`.
        options: How many sensors, where, and their noise.
        key: PRNG key of places and noise.
        solution: Maps positions from the middle of the box `(P, D)` to u there `(P,)`.
    """
    domain = problem.domain
    place_key, noise_key = jax.random.split(key)
    count, walls = 2 * options.num_sensors, np.subtract(domain.extent, domain.dx)
    low, high = np.array(options.region).T
    share = np.asarray(jax.random.uniform(place_key, (count, domain.ndim)), np.float64)
    position = walls * (low + (high - low) * share - 0.5)
    exact = solution(position)
    rows = np.arange(count)
    trains = rows < options.num_sensors
    noise = np.asarray(jax.random.normal(noise_key, (count,)), np.float64)
    values = exact + options.noise_std * exact[trains].max() * noise
    readings = Readings(
        sim=np.zeros(count, np.int32),
        time=np.full(count, problem.dt),
        position=position + np.array(domain.extent) / 2,
        values=values[:, None],
        sigma=None,
        sensor=rows.astype(np.int32),
        is_held_out=~trains,
        row=rows,
        names=("u",),
        sims=("0",),
        sensors=tuple(map(str, rows)),
        units=("",),
    )
    # From any state one step leads to the solution.
    first = np.zeros((1, *domain.resolution, 1), np.float32)
    return Observations(readings, (0,), initial=first)
