"""Readings of a known function at sensors, for scores and figures of them."""

import numpy as np

from hyco_jax.data import baseline
from hyco_jax.data.readings import Readings
from hyco_jax.scoring import readings

SIDES = (6.0, 4.0, 2.0)


def make(ndim, function, *, moving=False, sensors=8, times=21, sigma=None, sims=1):
    """Readings of two channels, a function of `(position, time)` and twice it.

    Every fourth sensor is held out; the corners of the box never are.
    """
    rng = np.random.default_rng(1)
    sides = np.array(SIDES[:ndim])
    corners = np.stack(np.meshgrid(*[[0, s] for s in sides]), -1).reshape(-1, ndim)
    count = len(corners) + sensors
    sensor, step, sim = np.meshgrid(
        np.arange(count), np.arange(times), np.arange(sims), indexing="ij"
    )
    sensor, step, sim = sensor.ravel(), step.ravel(), sim.ravel()
    time = step / (times - 1)
    start = np.concatenate([corners, rng.random((sensors, ndim)) * sides])
    end = np.concatenate([corners, rng.random((sensors, ndim)) * sides])
    part = time[:, None] if moving else 0.0
    position = start[sensor] * (1 - part) + end[sensor] * part
    values = function(position, time)
    values = np.stack([values, 2 * values], axis=-1)
    inner = sensor - len(corners)
    return Readings(
        sim.astype(np.int32),
        time,
        position,
        values,
        None if sigma is None else np.full(values.shape, sigma),
        sensor.astype(np.int32),
        (inner >= 0) & (inner % 4 == 1),
        np.arange(len(time)),
        ("temperature", "wind_x"),
        tuple(f"run {i}" for i in range(sims)),
        tuple(f"s{i}" for i in range(count)),
        ("°C", ""),
    )


def arrays(observed, methods=("physical_alone", "hybrid_physical", "hybrid_synthetic")):
    """Arrays of readings as a run saves them; method i is off by 0.1 (i + 1)."""
    predictions = {m: observed.values + 0.1 * (i + 1) for i, m in enumerate(methods)}
    predictions["interpolation"] = baseline.interpolate(observed)
    held_out = observed.is_held_out
    rows = {"train": ~held_out, "held_out": held_out}
    return readings.arrays(observed, predictions, rows)
