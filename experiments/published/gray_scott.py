"""The Gray-Scott test of arXiv 2602.23859 (code of DynamicHYCO).

Errors are relative, as published: those of both diffusivities, of which the larger one
is the parameter error; and of the solution the normalised L2 error over all 51 times
and 64² nodes, in which each substance counts by its standard deviation there. The
truth is made by the physical model's own scheme on its own grid, as published (an
"inverse crime"): with the true diffusivities a solver has no error.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from experiments.published.derivatives import along
from experiments.published.entry import Entry, largest
from hyco_jax.models.coefficients import bounded, unbounded
from hyco_jax.pde import gray_scott
from hyco_jax.pde import gray_scott_readings as readings
from hyco_jax.types import Query

NAMES = ("diffusivity_u", "diffusivity_v")
TRUE = {name: gray_scott.TRUE_VALUES[name] for name in NAMES}
SHOWN = (5, 20, 50)  # of the times, in figures
LENGTH = readings.NODES * readings.SPACING
# In which the residual of a PINN is measured, so that it is no tiny number: patterns
# change within some hundreds.
TIME_UNIT = 100.0


@functools.cache
def make_problem():
    """The published system."""
    nodes, extent = (readings.NODES,) * 2, (LENGTH,) * 2
    settings = gray_scott.Settings(
        nodes,
        extent,
        readings.TIME_STEP,
        substeps=readings.SUBSTEPS,
        integrator="euler",
    )
    return gray_scott.make_problem(settings)


@functools.cache
def make_states() -> np.ndarray:
    """States at the times 0, 40, ..., 2000, shape `(51, 64, 64, 2)`."""
    problem = make_problem()
    u0 = readings.sharp_disc_u0(problem.domain)
    return readings.true_states(problem, u0, readings.STEPS)


def make_truth(data) -> np.ndarray:
    """The same for every seed's data."""
    del data
    return make_states()


def solver_error(problem, model, params, truth: np.ndarray) -> float:
    """Normalised error of a model on its own nodes, those of the truth."""
    u0 = jnp.asarray(readings.sharp_disc_u0(problem.domain))[None]
    zero = jnp.zeros(1, jnp.int32)
    query = Query(zero, zero, u0, None, None, len(truth) - 1)
    found = np.asarray(model.predict(params, query))[0]
    return normalised_error(found - truth[1:], np.zeros_like(truth[:1]), truth)


def field_error(at, truth: np.ndarray, every: int = 1) -> float:
    """Normalised error of a field, at t = 0 and every so many times after it."""
    steps = [0, *range(1, len(truth), every)]
    found = at(np.concatenate([_nodes(truth, step) for step in steps]))
    errors = found.reshape(len(steps), *truth.shape[1:]) - truth[steps]
    return normalised_error(errors[1:], errors[:1], truth)


def normalised_error(later: np.ndarray, first: np.ndarray, truth: np.ndarray) -> float:
    """The root of the mean over times, nodes and substances of squares by variances.

    Args:
        later: Errors after t = 0, of some or all of the times, `(K, *S, 2)`.
        first: Errors at t = 0, `(1, *S, 2)`.
        truth: All states, `(T + 1, *S, 2)`.
    """
    axes = tuple(range(truth.ndim - 1))
    variance = truth.astype(np.float64).var(axis=axes)
    after, start = (
        np.mean(np.asarray(e, np.float64) ** 2, axis=axes) for e in (later, first)
    )
    share = 1 / len(truth)
    return float(np.sqrt(np.mean(((1 - share) * after + share * start) / variance)))


def snapshots(at, truth: np.ndarray) -> dict[float, np.ndarray]:
    """Signed errors of v on the nodes, by time."""
    shape = truth.shape[1:3]
    return {
        step * readings.TIME_STEP: at(_nodes(truth, step))[:, 1].reshape(shape)
        - truth[step, ..., 1]
        for step in SHOWN
    }


def _nodes(truth, step) -> np.ndarray:
    """The nodes of the truth at one time."""
    spacing = np.divide(LENGTH, truth.shape[1:3])
    index = np.moveaxis(np.indices(truth.shape[1:3]), 0, -1).reshape(-1, 2)
    time = np.full((len(index), 1), step * readings.TIME_STEP)
    return np.concatenate([time, (index + 0.5) * spacing], axis=1)


def diffusivities(params) -> dict[str, jax.Array]:
    """Values of raw parameters, by name."""
    return {name: bounded(params[name], *readings.BOUNDS) for name in NAMES}


def errors_by_name(params, domain) -> dict[str, float]:
    """Relative errors of both numbers."""
    del domain
    found = diffusivities(params)
    return {name: abs(float(found[name]) / TRUE[name] - 1) for name in NAMES}


def draw_starts(bounds, number: int, seed: int, domain):
    """Both numbers, their logarithms uniform in their bounds."""
    del domain
    rng = np.random.default_rng(seed)
    result = {}
    for name in NAMES:
        drawn = np.exp(rng.uniform(*np.log(bounds[name]), number))
        result[name] = np.asarray(unbounded(drawn, *readings.BOUNDS), np.float32)
    return result


def residual(field, params, point):
    """What both equations leave over, in a time of `TIME_UNIT`."""
    time, *axes = jnp.eye(3, dtype=point.dtype)
    u, v = field(point)
    laplacian = sum(along(along(field, axis), axis)(point) for axis in axes)
    diffusion = jnp.stack([*diffusivities(params).values()]) * laplacian
    feed, kill = gray_scott.TRUE_VALUES["feed"], gray_scott.TRUE_VALUES["kill"]
    made = u * v * v
    reaction = jnp.stack([feed * (1 - u) - made, made - (feed + kill) * v])
    return TIME_UNIT * (along(field, time)(point) - diffusion - reaction)


def conditions(key, problem, number: int):
    """Twice so many points at t = 0: a periodic box has no walls."""
    length = problem.domain.extent[0]
    x = jax.random.uniform(key, (2 * number, 2), maxval=length)
    away = jnp.sum((x - length / 2) ** 2, axis=-1, keepdims=True)
    inside = away < readings.RADIUS**2
    values = jnp.where(inside, jnp.array([0.5, 0.5]), jnp.array([1.0, 0.0]))
    return jnp.concatenate([jnp.zeros((2 * number, 1)), x], axis=1), values


ENTRY = Entry(
    module=gray_scott,
    make_truth=make_truth,
    solver_error=solver_error,
    field_error=field_error,
    parameter_error=largest(errors_by_name),
    errors_by_name=errors_by_name,
    draw_starts=draw_starts,
    residual=residual,
    conditions=conditions,
    snapshots=snapshots,
    extent=(-LENGTH / 2, LENGTH / 2) * 2,
)
