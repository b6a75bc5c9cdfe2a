"""Scores of every row of the table where data are readings at points."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.data import baseline, placement
from hyco_jax.data.observations import Observations
from hyco_jax.data.placement import Placed
from hyco_jax.grids import quantities as meanings
from hyco_jax.models.segments import STATES
from hyco_jax.problem import Problem
from hyco_jax.scoring import coefficients as fitted
from hyco_jax.scoring import readings as scores
from hyco_jax.scoring import table
from hyco_jax.stages import Models
from hyco_jax.types import HybridState, Params


class Judge(NamedTuple):
    """What models are scored with.

    Attributes:
        problem: The physical system.
        models: Both models.
        observations: Whose readings are scored.
        predict: Maps a model, "physical" or "synthetic", to a function of its
            parameters, and by option its partner's, that predicts all readings, shape
            `(R, V)`. A network that steps through segments starts from the states that
            its partner fitted, if it has one, else from guesses. Of an ensemble,
            "spread" is the spread of its members' predictions.
        rows: Masks `(R,)` of the rows of each split, see `scoring.readings`.
        unit: Standard deviations of the training readings, shape `(V,)`.
        true_coefficients: Of the learned ones that are known.
    """

    problem: Problem
    models: Models
    observations: Observations
    predict: Mapping[str, Callable[..., np.ndarray]]
    rows: Mapping[str, np.ndarray]
    unit: np.ndarray
    true_coefficients: Mapping[str, np.ndarray]


def make_judge(
    problem: Problem,
    models: Models,
    observations: Observations,
    placed: Placed,
    is_field: bool = False,
    is_own: bool = True,
) -> Judge:
    """Prepares scores; nothing is compiled.

    Args:
        problem: The physical system.
        models: Both models.
        observations: Checked ones, whose readings are scored.
        placed: The same, placed in the problem.
        is_field: Whether the synthetic model is a field, which doesn't step.
        is_own: Whether the models were trained on them, and may have fitted their
            initial states.
    """
    readings = observations.observed
    query, where = placement.all_points(readings, placed, problem.dt)
    names = meanings.channel_names(problem.quantities)
    channels = np.array([names.index(name) for name in readings.names])

    answers = {name: model.predict for name, model in models.by_name.items()}
    if models.own_states is not None and is_own:
        is_trained = np.isin(query.sim, observations.train).reshape(-1, 1, 1)
        answers["physical"] = _from_own_states(answers["physical"], is_trained)
    if models.ensemble is not None:
        answers["spread"] = models.ensemble.spread
    predict = {
        name: _make_reader(answer, query, where, channels)
        for name, answer in answers.items()
    }
    if placed.real.pieces is not None and not is_field and is_own:
        asked = placement.all_points_in_pieces(readings, placed, problem.dt)
        for name in answers.keys() - {"physical"}:
            predict[name] = _make_reader(
                answers[name], *asked, channels, problem.resampling
            )
    truth = fitted.true_values(problem, models, observations.truth)
    rows = scores.splits(observations, ~placed.is_used)
    unit = placed.std[channels]
    return Judge(problem, models, observations, predict, rows, unit, truth)


def _from_own_states(predict, is_trained):
    """Answers from fitted states where there are any, else from those of the query."""

    def answer(params, query):
        own = predict(params, query.replace(u0=None))
        if is_trained.all():
            return own
        return jnp.where(is_trained, own, predict(params, query))

    return answer


def _make_reader(answer, query, where, channels, resampling=None):
    """Predicts all readings from the answer to a query.

    With a resampling it starts from the states that a partner fitted, if there is one.
    """

    @jax.jit
    def read(params, query):
        return answer(params, query)[where[:, 0], where[:, 1]][:, channels]

    def predict(params, partner=None):
        asked = query
        if partner is not None and resampling is not None:
            states = resampling.to_data(partner[STATES])
            asked = query.replace(u0=states.reshape(query.u0.shape))
        return np.asarray(read(params, asked), np.float64)

    return predict


def score_cycle(judge: Judge, stage: str, state: HybridState) -> dict[str, float]:
    """Scores a state for the log: misfits to all splits, coefficients."""
    line = {}
    for model in (m for s, m in table.ROW_STAGE.values() if s == stage):
        params = getattr(state, model).train.variables
        partner = None
        if stage == "hybrid" and model == "synthetic":
            partner = state.physical.train.variables
        found = _score(judge, judge.predict[model](params, partner))
        line |= {f"{model}/{k.replace('/', '_')}": v for k, v in found.items()}
        if model == "physical":
            for name, error in fitted.errors(judge, params).items():
                line[f"physical/{name}_error"] = error
    return line


def score_rows(
    judge: Judge, params: Mapping[str, tuple[str, Params]], seconds: Mapping[str, float]
) -> tuple[dict[str, dict], dict[str, np.ndarray]]:
    """Scores every row of the table, and the interpolation beside them.

    Args:
        judge: From `make_judge`.
        params: Maps rows to a model, "physical" or "synthetic", and its parameters.
        seconds: Of training, by row.

    Returns:
        The rows, and the arrays of figures, see `scoring.plots`.
    """
    problem, readings = judge.problem, judge.observations.observed
    predictions = {}
    rows, arrays = {}, fitted.true_arrays(judge)
    for row, (model, variables) in params.items():
        partner = None
        if row == "hybrid_synthetic":
            _, partner = params["hybrid_physical"]
        predictions[row] = judge.predict[model](variables, partner)
        rows[row] = {"seconds": seconds.get(row)} | _score(judge, predictions[row])
        if model == "physical":
            rows[row] |= fitted.columns(judge, variables)
            values = judge.models.physical.values(variables)
            rows[row] |= scores.coefficient_columns(values)
            arrays |= fitted.arrays(judge, row, variables)
        elif "spread" in judge.predict:
            spread = judge.predict["spread"](variables, partner)
            arrays[f"spread/{row}"] = spread
            rows[row] |= scores.calibrate(
                readings, predictions[row], spread, judge.unit, judge.rows
            )
    predictions["interpolation"] = interpolated = baseline.interpolate(readings)
    rows["interpolation"] = scores.score_interpolation(
        readings, interpolated, judge.unit, judge.rows
    )
    arrays |= {
        f"coefficient_unit/{name}": np.array(role.unit)
        for name, role in problem.roles.items()
    }
    arrays |= _grid_arrays(judge)
    return rows, arrays | scores.arrays(readings, predictions, judge.rows)


def _grid_arrays(judge) -> dict[str, np.ndarray]:
    """What figures need of the grid; observed are the cells with a training reading."""
    problem, readings = judge.problem, judge.observations.observed
    domain, quantities = problem.domain, problem.quantities
    quantities = [q for q in quantities if q.is_predicted]
    observed = np.zeros(domain.resolution, bool)
    cells = np.floor(readings.position[judge.rows["train"]] / domain.dx).astype(int)
    last = np.array(domain.resolution) - 1
    observed[tuple(np.clip(cells, 0, last).T)] = True
    num_steps = placement.count_steps(readings, problem.dt)
    return {
        "coordinates": domain.coordinates(),
        "extent": np.array(domain.extent),
        "dt": np.array(problem.dt),
        "times": problem.dt * np.arange(num_steps + 1),
        "time_unit": np.array(problem.time_unit),
        "length_unit": np.array(problem.length_unit),
        "observed": observed,
        "quantities": np.array([q.name for q in quantities]),
        "components": np.array([q.num_components for q in quantities]),
    }


def _score(judge, predictions):
    readings = judge.observations.observed
    return scores.score(readings, predictions, judge.unit, judge.rows)
