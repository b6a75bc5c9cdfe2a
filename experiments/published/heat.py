"""The heat tests with moving sensors, of arXiv 2509.14123 (code of DynamicHYCO).

Errors are those of the paper: of the solution, relative over the 99 times after the
first and over all nodes, of a solver on its own 18², of a field on the 100² of the
truth; and of the parameters, |A - A*|/|A*| + |c - c*|/|c*|.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from experiments.published.derivatives import along
from experiments.published.entry import Entry
from hyco_jax.grids import interpolation
from hyco_jax.pde import heat, heat_sensors
from hyco_jax.types import Query

SHOWN = (10, 50, 99)  # of the times, in figures


@functools.cache
def make_states() -> np.ndarray:
    """States at the times 0, 0.01, ..., 0.99, on 100² nodes."""
    return heat_sensors.true_states(
        heat.make_step, heat.two_bumps_conductivity, heat.two_gaussians_u0
    )


def make_truth(data) -> np.ndarray:
    """The same for every seed's data."""
    del data
    return make_states()


def solver_error(problem, model, params, truth: np.ndarray) -> float:
    """Relative error of a model on the problem's nodes, where the truth is bilinear."""
    u0 = jnp.asarray(heat.two_gaussians_u0(problem.domain), jnp.float32)[None]
    zero = jnp.zeros(1, jnp.int32)
    query = Query(zero, zero, u0, None, None, len(truth) - 1)
    found = np.asarray(model.predict(params, query))[0]
    fine = heat_sensors.node_domain(heat_sensors.NODES)
    nodes = problem.domain.coordinates() - np.array(problem.domain.extent) / 2
    nodes = nodes.reshape(-1, 2) + np.array(fine.extent) / 2
    steps = np.repeat(np.arange(1, len(truth)), len(nodes))[:, None]
    points = np.concatenate([steps, np.tile(nodes, (len(truth) - 1, 1))], axis=1)
    exact = np.asarray(interpolation.at_points(truth, points, fine, 1.0))
    return relative_error(found, exact.reshape(found.shape))


def field_error(at, truth: np.ndarray, every: int = 1) -> float:
    """Relative error of a field on the nodes of the truth, at every so many times."""
    steps = range(1, len(truth), every)
    found = at(np.concatenate([_nodes(step) for step in steps]))
    return relative_error(found, truth[1::every].reshape(found.shape))


def snapshots(at, truth: np.ndarray) -> dict[float, np.ndarray]:
    """Signed errors on the nodes, by time."""
    shape = truth.shape[1:3]
    return {
        step * heat_sensors.TIME_STEP: at(_nodes(step)).reshape(shape)
        - truth[step, ..., 0]
        for step in SHOWN
    }


def _nodes(step) -> np.ndarray:
    """The nodes of the truth at one time, in the box of the physical model."""
    fine = heat_sensors.node_domain(heat_sensors.NODES)
    half = heat_sensors.HALF * 18 / 17
    nodes = fine.coordinates().reshape(-1, 2) - np.array(fine.extent) / 2 + half
    time = np.full((len(nodes), 1), step * heat_sensors.TIME_STEP)
    return np.concatenate([time, nodes], axis=1)


def relative_error(found: np.ndarray, exact: np.ndarray) -> float:
    """The norm of the difference by that of what is exact."""
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def parameter_error(params, domain) -> float:
    """Of amplitudes and centres, the sum of two relative errors, as published."""
    raw = params["conductivity"]
    amplitudes = np.asarray(raw["amplitudes"], np.float64)
    centres = np.asarray(raw["centers"]) - np.array(domain.extent) / 2
    true_amplitudes = np.array(heat.TRUE_AMPLITUDES)
    true_centres = np.array(heat.TRUE_CENTERS)
    # Which bump comes first makes no difference to the field.
    return min(
        relative_error(amplitudes[order], true_amplitudes)
        + relative_error(centres[order], true_centres)
        for order in ([0, 1], [1, 0])
    )


def draw_starts(bounds, number: int, seed: int, domain):
    """Amplitudes and centres, uniform in their bounds; centres from the middle."""
    rng = np.random.default_rng(seed)
    amplitudes = rng.uniform(*bounds["amplitudes"], (number, 2))
    centres = rng.uniform(*bounds["centers"], (number, 2, 2))
    raw = {
        "amplitudes": amplitudes,
        "centers": centres + np.array(domain.extent) / 2,
    }
    return {"conductivity": {k: v.astype(np.float32) for k, v in raw.items()}}


def conductivity(raw, position):
    """κ at one position `(2,)`, of raw parameters as the physical model has them."""
    squares = jnp.sum((position - raw["centers"]) ** 2, axis=-1)
    bumps = jnp.sum(raw["amplitudes"] * jnp.exp(-squares))
    return jnp.clip(heat.OFFSET + bumps, 0.0, heat.LIMIT)


def residual(field, params, point):
    """uₜ - κ∇²u of a field, by nested forward derivatives."""
    time, *axes = jnp.eye(3, dtype=point.dtype)
    laplacian = sum(along(along(field, axis), axis)(point) for axis in axes)
    kappa = conductivity(params["conductivity"], point[1:])
    return along(field, time)(point) - kappa * laplacian


def conditions(key, problem, number: int):
    """So many points at t = 0, and as many at the walls, where u is 0."""
    first, wall_key, side_key = jax.random.split(key, 3)
    half, middle = heat_sensors.HALF, np.array(problem.domain.extent) / 2
    x = jax.random.uniform(first, (number, 2), minval=-half, maxval=half)
    hot, cold = (jnp.exp(-jnp.sum((x - c) ** 2, -1)) for c in (1.0, -1.0))
    last = heat_sensors.TIME_STEP * (heat_sensors.TIMES - 1)
    walls = jax.random.uniform(wall_key, (number, 3), minval=-half, maxval=half)
    side = jax.random.randint(side_key, (number,), 0, 4)
    at = jnp.where(side % 2 == 0, -half, half)[:, None]
    walls = walls.at[:, 1:].set(
        jnp.where((jnp.arange(2) == side[:, None] // 2), at, walls[:, 1:])
    )
    times = last * (walls[:, :1] / (2 * half) + 0.5)
    starts = jnp.concatenate([jnp.zeros((number, 1)), x + middle], axis=1)
    walls = jnp.concatenate([times, walls[:, 1:] + middle], axis=1)
    values = jnp.concatenate([hot - cold, jnp.zeros(number)])
    return jnp.concatenate([starts, walls]), values[:, None]


def maps(params, domain, truth) -> dict[str, np.ndarray]:
    """κ on the nodes of the truth."""
    del truth
    fine = heat_sensors.node_domain(heat_sensors.NODES)
    if params is None:
        return {"conductivity": heat.two_bumps_conductivity(fine)}
    moved = fine.coordinates() - np.array(fine.extent) / 2 + np.array(domain.extent) / 2
    points = jnp.asarray(moved.reshape(-1, 2), jnp.float32)
    found = jax.vmap(lambda x: conductivity(params["conductivity"], x))(points)
    return {"conductivity": np.asarray(found).reshape(fine.resolution)}


ENTRY = Entry(
    module=heat,
    make_truth=make_truth,
    solver_error=solver_error,
    field_error=field_error,
    parameter_error=parameter_error,
    draw_starts=draw_starts,
    residual=residual,
    conditions=conditions,
    maps=maps,
    snapshots=snapshots,
    extent=(-3.0, 3.0, -3.0, 3.0),
)
