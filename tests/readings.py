"""A wave that decays: a problem of which readings at any point are known exactly."""

import numpy as np

import hyco_jax
from hyco_jax.config import schema
from hyco_jax.data.readings import Readings
from hyco_jax.pde import heat

LENGTH, CONDUCTIVITY, DT, STEPS = 4.0, 0.3, 0.1, 8
WAVE = 2 * np.pi / LENGTH


def make_problem(cells=16):
    settings = heat.Settings(
        (cells,), (LENGTH,), DT, boundary="periodic", conductivity="constant"
    )
    return heat.make_problem(settings, heat.DataSettings(region=((0.0, 1.0),)))


def wave(position, time):
    """The exact solution, whose simulations differ in nothing but their number."""
    return np.exp(-CONDUCTIVITY * WAVE**2 * time) * np.sin(WAVE * position)


def make_readings(count=60, num_sims=2, sigma=None, held_out=0.2):
    rng = np.random.default_rng(0)
    time = rng.uniform(0, DT * STEPS, count)
    time[0] = DT * STEPS
    position = rng.uniform(0, LENGTH, (count, 1))
    sim = rng.integers(0, num_sims, count).astype(np.int32)
    return Readings(
        sim=sim,
        time=time,
        position=position,
        values=wave(position, time[:, None]) * (1 + sim[:, None]),
        sigma=None if sigma is None else np.full((count, 1), sigma),
        sensor=np.arange(count, dtype=np.int32),
        is_held_out=rng.uniform(size=count) < held_out,
        row=np.arange(count),
        names=("temperature",),
        sims=tuple("ab"[:num_sims]),
        sensors=tuple(f"s{i}" for i in range(count)),
        units=("K",),
    )


def u0(problem, num_sims=2):
    x = problem.domain.coordinates()
    return np.stack([(1 + sim) * wave(x, 0.0) for sim in range(num_sims)])


def observe(problem, readings):
    sims = tuple(range(readings.num_sims))
    return hyco_jax.Observations(
        readings, sims, initial=u0(problem, readings.num_sims).astype(np.float32)
    )


def make_settings(**changes):
    """A fit of both models in a second; nested changes."""
    settings = hyco_jax.Settings(
        coefficients={
            "conductivity": hyco_jax.CoefficientSettings("scalar", 0.1, (0.01, 2.0))
        }
    )
    values = {
        "physical": {"num_iterations": 4},
        "synthetic": {
            "name": "field",
            "field": {"widths": (16, 16)},
            "num_epochs": 4,
            "batch_size": 64,
            "num_real": 32,
        },
        "hybrid": {"cycles": 4, "warmup": 1, "ghost_points": 20},
        "uncertainty": {"noise": False, "grid": False},
    }
    settings = schema.from_dict(settings, values)
    return schema.from_dict(settings, changes)
