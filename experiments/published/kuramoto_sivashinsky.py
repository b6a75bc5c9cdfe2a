"""Chaos from sensors: three numbers of the Kuramoto-Sivashinsky equation.

No published test, but one whose initial state nobody knows, and on whose long record a
single rollout ends in false minima. The parameter error is the largest of three
relative ones; that of the solution the root of the mean square over all cells and
steps after t = 0, by the truth's standard deviation. Each seed has a truth of its own.
Solvers answer from the states that they have fitted, those of multiple shooting from
the beginning of every segment.
"""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.published.derivatives import along
from experiments.published.entry import Entry, largest
from hyco_jax.models.coefficients import bounded, unbounded
from hyco_jax.pde import kuramoto_sivashinsky as pde
from hyco_jax.types import Query

LENGTH, TIME_STEP = pde.Settings().extent[0], pde.Settings().dt
TRUE = {name: getattr(pde.Settings(), name) for name in pde.COEFFICIENTS}
# In which the config has them.
BOUNDS = (0.1, 5.0)


def make_truth(data) -> np.ndarray:
    """States of the record from t = 0 on, `(T + 1, X, 1)`.

    Args:
        data: From `pde.observe`; its truth goes on for the time of a forecast.
    """
    readings = data.observed
    last = readings.time[~readings.is_held_out].max()
    return np.asarray(data.truth.states[0])[: round(last / TIME_STEP) + 1]


def solver_error(problem, model, params, truth: np.ndarray) -> float:
    """Error of a model from its own states."""
    zero = jnp.zeros(1, jnp.int32)
    query = Query(zero, zero, None, None, None, len(truth) - 1)
    found = np.asarray(model.predict(params, query))[0]
    return normalised_error(found, truth[1:])


def field_error(at, truth: np.ndarray, every: int = 1) -> float:
    """Error of a function of points, at every so many times."""
    x = LENGTH * (np.arange(truth.shape[1]) + 0.5) / truth.shape[1]
    times = TIME_STEP * np.arange(1, len(truth), every)
    points = np.stack(np.meshgrid(times, x, indexing="ij"), axis=-1)
    found = at(points.reshape(-1, 2)).reshape(len(times), len(x), 1)
    return normalised_error(found, truth[1::every])


def normalised_error(found: np.ndarray, exact: np.ndarray) -> float:
    """The root of the mean square error, by the standard deviation of the truth."""
    error = np.asarray(found, np.float64) - exact
    return float(np.sqrt(np.mean(error**2)) / exact.std(dtype=np.float64))


def numbers(params) -> dict[str, jax.Array]:
    """Values of raw parameters, by name."""
    return {name: bounded(params[name], *BOUNDS) for name in TRUE}


def errors_by_name(params, domain) -> dict[str, float]:
    """Relative errors of the three numbers."""
    del domain
    return {name: abs(float(x) / TRUE[name] - 1) for name, x in numbers(params).items()}


def draw_starts(bounds, number: int, seed: int, domain):
    """The three numbers, uniform in their bounds."""
    del domain
    rng = np.random.default_rng(seed)
    drawn = {name: rng.uniform(*bounds[name], number) for name in TRUE}
    return {
        name: np.asarray(unbounded(x, *BOUNDS), np.float32) for name, x in drawn.items()
    }


def residual(field, params, point):
    """uₜ + λ₁ u uₓ + λ₂ uₓₓ + λ₄ uₓₓₓₓ of a field, by nested forward derivatives."""
    time, axis = jnp.eye(2, dtype=point.dtype)
    slope = along(field, axis)
    bend = along(slope, axis)
    values = numbers(params)
    return (
        along(field, time)(point)
        + values["advection"] * field(point) * slope(point)
        + values["antidiffusion"] * bend(point)
        + values["hyperdiffusion"] * along(along(bend, axis), axis)(point)
    )


ENTRY = Entry(
    module=pde,
    make_truth=make_truth,
    solver_error=solver_error,
    field_error=field_error,
    parameter_error=largest(errors_by_name),
    errors_by_name=errors_by_name,
    draw_starts=draw_starts,
    residual=residual,
    conditions=None,
    extent=(0.0, LENGTH, 0.0, 100.0),
    from_own_states=True,
)
