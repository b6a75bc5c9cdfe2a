"""The errors of a row: as published, and at the sensors that no row is trained on."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from experiments.published.case import Case
from experiments.published.entry import At, Entry
from hyco_jax import seeds
from hyco_jax.data import placement
from hyco_jax.data.baseline import between
from hyco_jax.stages import Prepared
from hyco_jax.types import Model, Params, Query

# Fields are compared with the truth at every third time: a million evaluations of a
# network of 256³ take ten seconds, and the errors are smooth in time.
EVERY = 3
# Along the training, where curves tell little more of more.
CURVE_EVERY = 10
PADDED = 2048
# Points that a field answers at once.
CHUNK = 10_000


def make_answers(model: Model):
    """Makes the jitted answer of a field at points, `(params, points (P, 1 + D))`."""
    zero = jnp.zeros(1, jnp.int32)

    @jax.jit
    def answers(params, points):
        return model.predict(params, Query(zero, zero, None, points[None]))[0]

    return answers


def make_solver_answers(entry: Entry, prepared: Prepared):
    """Makes the same of a solver, from t = 0 on; between its cells it interpolates."""
    placed, model = prepared.placed, prepared.models.on_data_grid
    query, _ = placement.all_points(prepared.data.observed, placed, prepared.problem.dt)

    @jax.jit
    def answers(variables, points):
        answer = _answer(entry, model, scored(entry, prepared, variables))
        return answer(query.replace(points=points[None]))[0]

    return answers


def field_at(answers, params: Params) -> At:
    """A field as a function of points on the host."""

    def at(points):
        points = np.asarray(points, np.float32)
        pad = -len(points) % CHUNK
        chunks = np.pad(points, [(0, pad), (0, 0)]).reshape(-1, CHUNK, points.shape[1])
        found = [np.asarray(answers(params, chunk)) for chunk in chunks]
        return np.concatenate(found)[: len(points)]

    return at


def interpolation_at(prepared: Prepared) -> At:
    """Linear interpolation between the readings that are trained on."""
    readings = prepared.data.observed
    known = readings.select(~readings.is_held_out)

    def at(points):
        at_time = points[:, 0]
        return between(known.position, known.time, known.values, points[:, 1:], at_time)

    return at


def held_out_error(prepared: Prepared, answer: Callable[[Query], np.ndarray]) -> float:
    """Relative error at the readings that are held out.

    Args:
        prepared: Of a seed.
        answer: To the query of all readings.
    """
    readings = prepared.data.observed
    query, where = placement.all_points(readings, prepared.placed, prepared.problem.dt)
    # Of equal shapes, else a program would be compiled for each seed.
    pad = -query.points.shape[1] % PADDED
    query = query.replace(points=jnp.pad(query.points, [(0, 0), (0, pad), (0, 0)]))
    found = np.asarray(answer(query))[where[:, 0], where[:, 1]]
    held = readings.is_held_out
    exact = readings.values[held]
    return float(np.linalg.norm(found[held] - exact) / np.linalg.norm(exact))


def jitted(model: Model) -> Model:
    """A model whose answers are compiled once for each form of a query."""
    return model._replace(predict=jax.jit(model.predict))


def solvers(
    case: Case, prepared: list[Prepared], variables: Params
) -> list[dict[str, float]]:
    """Errors of solvers of the coefficients in parameters stacked over seeds."""
    result = []
    model = jitted(prepared[0].models.on_data_grid)
    for i, own in enumerate(prepared):
        params = scored(case.entry, own, seeds.take(variables, i))
        truth = case.entry.make_truth(own.data)
        answer = _answer(case.entry, model, params)
        result.append(
            {
                "e_s": case.entry.solver_error(own.problem, model, params, truth),
                **case.entry.errors_of(params, own.problem.domain),
                "held": held_out_error(own, answer),
            }
        )
    return result


def _answer(entry, model, params):
    """A solver's answers from the initial state that is known, or that it fitted."""
    if not entry.from_own_states:
        return functools.partial(model.predict, params)
    return lambda query: model.predict(params, query.replace(u0=None))


def scored(entry: Entry, prepared: Prepared, variables: Params) -> Params:
    """Of a model's parameters those that its scores are made of."""
    return variables if entry.from_own_states else coefficients(prepared, variables)


def coefficients(prepared: Prepared, variables: Params) -> Params:
    """Of a model's parameters those of the coefficients, without fitted states."""
    names = prepared.problem.roles
    return {name: variables[name] for name in names}


def fields(
    case: Case, prepared: list[Prepared], variables: Params
) -> list[dict[str, float]]:
    """Errors of networks that are functions of points, stacked over seeds."""
    result = []
    model = jitted(prepared[0].models.synthetic)
    answers = make_answers(model)
    for i, own in enumerate(prepared):
        params = seeds.take(variables, i)
        at = field_at(answers, params)
        answer = functools.partial(model.predict, params)
        truth = case.entry.make_truth(own.data)
        error = case.entry.field_error(at, truth, EVERY)
        result.append({"e_s": error, "held": held_out_error(own, answer)})
    return result


def interpolations(case: Case, prepared: list[Prepared]) -> list[dict[str, float]]:
    """Errors of interpolation between the readings of each seed."""
    result = []
    for own in prepared:
        at = interpolation_at(own)

        def answer(query, at=at):
            return at(np.asarray(query.points[0], np.float64))[None]

        truth = case.entry.make_truth(own.data)
        error = case.entry.field_error(at, truth, EVERY)
        result.append({"e_s": error, "held": held_out_error(own, answer)})
    return result


def make_error(entry: Entry, prepared: Prepared) -> Callable[[str, Params], float]:
    """Makes the solution error of a seed's models, `(model, variables)`, for curves."""
    answers = make_answers(prepared.models.synthetic)
    solver = jitted(prepared.models.on_data_grid)

    def error(model, variables):
        truth = entry.make_truth(prepared.data)
        if model == "synthetic":
            return entry.field_error(field_at(answers, variables), truth, CURVE_EVERY)
        params = scored(entry, prepared, variables)
        return entry.solver_error(prepared.problem, solver, params, truth)

    return error
