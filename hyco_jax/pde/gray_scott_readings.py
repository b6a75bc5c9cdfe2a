"""The readings of the published Gray-Scott test, at random points of its simulation.

The test of arXiv 2602.23859: on 64² nodes 100/63 apart, periodic, from a disc, with
explicit Euler steps of 0.4 to t = 2000. Of the 51 states at t = 0, 40, ..., 2000, 5000
readings of both substances train, at random nodes and times, without noise. Here a
fifth as many more, of other nodes or times, are held out.

As published, the physical model has the scheme and the grid of the truth: an "inverse
crime", by which the true diffusivities have an error of 0. The published solver also
cuts states to [0, 2], their Laplacians to ±10 and their rates to ±1, which none of them
reaches here.

As a box of cells it is 64 · 100/63 long, so that nodes are 100/63 apart across its
sides too; cell centres lie as the published nodes do round the middle of the disc.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from hyco_jax.config import schema
from hyco_jax.data.observations import Observations
from hyco_jax.data.readings import SCATTERED, Readings
from hyco_jax.grids.domain import Domain
from hyco_jax.problem import Problem
from hyco_jax.types import Array

NODES, SPACING = 64, 100 / 63
TIME_STEP, STEPS = 40.0, 50
SUBSTEPS = 100
# To which the published diffusivities are cut.
BOUNDS = (1e-3, 1.0)
RADIUS = 10.0

_HELD_OUT_SHARE = 0.2


def sharp_disc_u0(domain: Domain, radius: float = RADIUS) -> np.ndarray:
    """Returns the initial state as published, shape `(*S, 2)`, float32.

    (0.5, 0.5) where a cell's centre is inside of a disc in the middle of the box, else
    (1, 0).
    """
    away = domain.coordinates() - np.array(domain.extent) / 2
    inside = np.sum(away**2, axis=-1, keepdims=True) < radius**2
    return np.where(inside, [0.5, 0.5], [1.0, 0.0]).astype(np.float32)


def true_states(problem: Problem, u0: np.ndarray, num_steps: int) -> np.ndarray:
    """Simulates with the true coefficients, as the physical model would: in float32.

    Args:
        problem: The physical system.
        u0: Initial state, `(*S, 2)`.
        num_steps: Number K of steps.

    Returns:
        Shape `(K + 1, *S, 2)`.
    """
    values = problem.true_values(problem.domain)
    step = problem.make_step(problem.domain, problem.dt, values)
    values = {name: jnp.float32(value) for name, value in values.items()}

    @jax.jit
    def simulate(u):
        return lax.scan(lambda u, _: (step(values, u), u), u, length=num_steps + 1)[1]

    return np.asarray(simulate(jnp.asarray(u0)))


def observe(
    problem: Problem, num_readings: int, num_steps: int, radius: float, key: Array
) -> Observations:
    """Reads a simulation from a sharp disc at random cells and steps.

    Args:
        problem: The physical system.
        num_readings: How many train, each of both substances.
        num_steps: Steps of the simulation.
        radius: Of the disc.
        key: PRNG key of the places and times.

    Raises:
        ValueError: If there are more readings than cells and steps.
    """
    domain = problem.domain
    shape = (num_steps + 1, *domain.resolution)
    count = num_readings + int(np.ceil(_HELD_OUT_SHARE * num_readings))
    if count > np.prod(shape):
        most = int(np.prod(shape) / (1 + _HELD_OUT_SHARE))
        schema.fail("data.readings", num_readings, f"at most {most}, of so many states")
    u0 = sharp_disc_u0(domain, radius)
    states = true_states(problem, u0, num_steps)
    chosen = np.asarray(jax.random.permutation(key, int(np.prod(shape)))[:count])
    step, *cell = np.unravel_index(chosen, shape)
    rows = np.arange(count)
    readings = Readings(
        sim=np.zeros(count, np.int32),
        time=step * problem.dt,
        position=domain.coordinates()[tuple(cell)],
        values=states[(step, *cell)].astype(np.float64),
        sigma=None,
        sensor=np.zeros(count, np.int32),
        is_held_out=rows >= num_readings,
        row=rows,
        names=("u", "v"),
        sims=("0",),
        sensors=(SCATTERED,),
        units=("", ""),
    )
    return Observations(readings, (0,), initial=u0[None])
