"""The errors of a row whose data are records on the grid, where both models make steps.

As `score.py` has them of readings. What no row is trained on are the simulations for
validation: there the observed cells are held out.
"""

from collections.abc import Callable

import numpy as np

from experiments.published import score
from experiments.published.case import Case
from experiments.published.entry import Entry
from experiments.published.rollouts import rollouts
from hyco_jax import seeds
from hyco_jax.data.baseline import between
from hyco_jax.data.grid_readings import grid_readings
from hyco_jax.stages import Prepared
from hyco_jax.types import Model, Params


def held_out_error(prepared: Prepared, model: Model, params: Params) -> float:
    """Relative error after t = 0 in the observed cells of the validation simulations.

    Args:
        prepared: Of a seed.
        model: Whose rollouts begin at their states at t = 0.
        params: Its parameters.
    """
    held = prepared.data.select(prepared.data.val)
    exact = np.asarray(held.states)
    is_seen = np.broadcast_to(np.asarray(held.weights) > 0, exact.shape)[:, 1:]
    found = rollouts(model, params, exact)[:, 1:][is_seen]
    exact = exact[:, 1:][is_seen]
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def solvers(
    case: Case, prepared: list[Prepared], variables: Params
) -> list[dict[str, float]]:
    """Errors of solvers of the coefficients in parameters stacked over seeds."""
    model = score.jitted(prepared[0].models.on_data_grid)
    result = []
    for i, own in enumerate(prepared):
        params = score.coefficients(own, seeds.take(variables, i))
        errors = case.entry.errors_of(params, own.problem.domain)
        result.append(_errors(case.entry, own, model, params) | errors)
    return result


def networks(
    case: Case, prepared: list[Prepared], variables: Params
) -> list[dict[str, float]]:
    """Errors of networks that make steps, stacked over seeds."""
    model = score.jitted(prepared[0].models.synthetic)
    return [
        _errors(case.entry, own, model, seeds.take(variables, i))
        for i, own in enumerate(prepared)
    ]


def _errors(entry, prepared, model, params):
    truth = entry.make_truth(prepared.data)
    return {
        "e_s": entry.solver_error(prepared.problem, model, params, truth),
        "held": held_out_error(prepared, model, params),
    }


def interpolations(case: Case, prepared: list[Prepared]) -> list[dict[str, float]]:
    """Errors of interpolation, see `interpolated`; nothing is held out from it."""
    result = []
    for own in prepared:
        states = interpolated(own)
        model = Model(None, lambda params, query, states=states: states[:, 1:])
        truth = case.entry.make_truth(own.data)
        error = case.entry.solver_error(own.problem, model, None, truth)
        result.append({"e_s": error})
    return result


def interpolated(prepared: Prepared) -> np.ndarray:
    """The test simulations, linear in space between their own observed cells.

    So it is told what no model is. Beyond the outermost observed cells it is the
    nearest one; of centred quantities that are all predicted.

    Returns:
        Shape `(N, T + 1, *S, C)`, at t = 0 the given states.
    """
    problem, data = prepared.problem, prepared.data
    readings = grid_readings(data, problem.domain, problem.dt, problem.quantities)
    states = np.array(data.observed.states)[list(data.test)]
    _, num_times, *grid, _ = states.shape
    places = problem.domain.coordinates().reshape(-1, len(grid))
    times = problem.dt * np.repeat(np.arange(1, num_times), len(places))
    at = np.tile(places, (num_times - 1, 1))
    for own, sim in zip(states, data.test, strict=True):
        rows = np.flatnonzero(readings.sim == sim)
        known = (x[rows] for x in (readings.position, readings.time, readings.values))
        own[1:] = between(*known, at, times).reshape(own[1:].shape)
    return states


def make_error(entry: Entry, prepared: Prepared) -> Callable[[str, Params], float]:
    """Makes the solution error of a seed's models, `(model, variables)`, for curves."""
    models = {
        name: score.jitted(model) for name, model in prepared.models.by_name.items()
    }
    truth = entry.make_truth(prepared.data)

    def error(model, variables):
        if model == "physical":
            variables = score.coefficients(prepared, variables)
        return entry.solver_error(prepared.problem, models[model], variables, truth)

    return error
