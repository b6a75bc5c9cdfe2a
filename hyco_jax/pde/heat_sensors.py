"""The moving sensors of the published heat tests, and the truth that they read.

The tests of arXiv 2509.14123: 100 sensors start on a grid of 10 by 10 in a part of
[-3, 3]² and move by x' = M(x - c), M = ((-0.1, -1), (1, -0.1)), c the middle of that
part. At the times 0, 0.01, ..., 0.99 each reads the truth, linear between its nodes: on
100² of them, by 100 steps of Euler's method from one time to the next. Here those that
have left the box, where the truth is 0, read nothing.

The published code reads its grids with the axes swapped, so that sensors turn the other
way round the bumps of the conductivity; so do ours.

The published physical model makes steps of 1/99 where data are 1/100 apart; with
`pde.dt = 0.01` both agree.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from hyco_jax.data.observations import Observations
from hyco_jax.data.readings import Readings
from hyco_jax.grids import interpolation
from hyco_jax.grids.domain import Domain
from hyco_jax.problem import Problem
from hyco_jax.types import Array

# Lower corner of the part in which sensors start; the upper one is (3, 3).
PARTS = {"full": -3.0, "half": -1.5, "quarter": 0.0}
HALF = 3.0
NODES, TIMES, TIME_STEP = 100, 100, 0.01
_SUBSTEPS = 100
_PER_AXIS, _NUM_TRAINING = 10, 60


def node_domain(nodes: int) -> Domain:
    """The grid whose cell centres are nodes of [-3, 3]², its sides included."""
    spacing = 2 * HALF / (nodes - 1)
    return Domain((nodes,) * 2, (nodes * spacing,) * 2, periodic=False)


def true_states(
    make_step: Callable, conductivity: Callable, u0: Callable
) -> np.ndarray:
    """Simulates the truth, shape `(TIMES, NODES, NODES, 1)`, float32.

    In float32, as published.

    Args:
        make_step: Of `heat.py`.
        conductivity: Maps a grid to the true one.
        u0: Maps a grid to the state at t = 0.
    """
    domain = node_domain(NODES)
    dt = TIME_STEP / _SUBSTEPS
    step = make_step(domain, dt, {"conductivity": 2.5}, "laplacian", 1, True, "euler")
    values = {"conductivity": jnp.asarray(conductivity(domain), jnp.float32)}

    @jax.jit
    def simulate(u):
        def advance(u, _):
            after = lax.scan(lambda u, _: (step(values, u), None), u, length=_SUBSTEPS)
            return after[0], u

        return lax.scan(advance, u, length=TIMES)[1]

    return np.asarray(simulate(jnp.asarray(u0(domain), jnp.float32)))


def paths(part: str) -> np.ndarray:
    """Positions of the sensors, in [-3, 3]² and partly beyond, `(TIMES, 100, 2)`."""
    low = PARTS[part]
    middle = (low + HALF) / 2
    along = np.linspace(low, HALF, _PER_AXIS)
    start = np.stack(np.meshgrid(along, along, indexing="ij"), -1).reshape(-1, 2)
    t = TIME_STEP * np.arange(TIMES)
    cos, sin = np.exp(-0.1 * t) * np.cos(t), np.exp(-0.1 * t) * np.sin(t)
    turn = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    moved = middle + np.einsum("tij,sj->tsi", turn, start - middle)
    return moved[..., ::-1]


def observe(
    problem: Problem,
    part: str,
    key: Array,
    make_step: Callable,
    conductivity: Callable,
    u0: Callable,
) -> Observations:
    """Reads the truth along the paths; 60 sensors train, the others are held out.

    Args:
        problem: The physical model's, on `node_domain`, with steps of 0.01.
        part: One of `PARTS`.
        key: PRNG key of the choice of sensors.
        make_step: Of `heat.py`.
        conductivity: Maps a grid to the true one.
        u0: Maps a grid to the state at t = 0.

    Raises:
        ValueError: If the problem has other walls or steps.
    """
    expected = node_domain(problem.domain.resolution[0])
    close = np.allclose(problem.domain.extent, expected.extent)
    if not close or not np.isclose(problem.dt, TIME_STEP):
        raise ValueError(
            f"the grid {problem.domain} with dt={problem.dt} is not that of the "
            f"published test; expected {expected} with pde.dt={TIME_STEP}"
        )
    places, fine = paths(part), node_domain(NODES)
    states = true_states(make_step, conductivity, u0)
    count = places.shape[1]
    time = np.repeat(TIME_STEP * np.arange(TIMES), count)
    flat = places.reshape(-1, 2)
    points = np.concatenate([time[:, None], flat + np.array(fine.extent) / 2], axis=1)
    values = interpolation.at_points(states, points, fine, TIME_STEP)
    trains = np.zeros(count, bool)
    trains[np.asarray(jax.random.permutation(key, count))[:_NUM_TRAINING]] = True
    rows = np.arange(len(time))
    readings = Readings(
        sim=np.zeros(len(time), np.int32),
        time=time,
        position=flat + np.array(problem.domain.extent) / 2,
        values=np.asarray(values, np.float64),
        sigma=None,
        sensor=(rows % count).astype(np.int32),
        is_held_out=~trains[rows % count],
        row=rows,
        names=("temperature",),
        sims=("0",),
        sensors=tuple(str(i) for i in range(count)),
        units=("",),
    )
    inside = (np.abs(flat) <= HALF).all(axis=1)
    first = np.asarray(u0(problem.domain), np.float32)[None]
    return Observations(readings.select(inside), (0,), initial=first)
