"""The uncertainty of the rows of the table that hold coefficients."""

import time
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from jax.flatten_util import ravel_pytree

from hyco_jax import point_stages, stages
from hyco_jax.data.observations import Observations
from hyco_jax.data.placement import Placed
from hyco_jax.models import segments
from hyco_jax.problem import Problem
from hyco_jax.scoring import table
from hyco_jax.stages import Models, Plan
from hyco_jax.types import Params
from hyco_jax.uncertainty import bands, curvature, describe, names, residuals, solve
from hyco_jax.uncertainty.describe import Estimate
from hyco_jax.uncertainty.further import further
from hyco_jax.uncertainty.residuals import Inputs, LeastSquares
from hyco_jax.uncertainty.settings import UncertaintySettings

_MOST_PARAMETERS, _MOST_RESIDUALS = 20_000, 10**8


def estimate(
    problem: Problem,
    data: Observations,
    placed: Placed | None,
    models: Models,
    plan: Plan,
    rows: Mapping[str, Params],
    scores: Mapping[str, Mapping[str, Any]],
    settings: UncertaintySettings,
    most_samples: int = 0,
) -> dict[str, Estimate]:
    """Estimates how well the data determine the coefficients.

    It is that of a fit to the data and the penalty alone, whatever a partner added to
    the loss. What is compiled serves all rows.

    Args:
        problem: The physical system.
        data: The observations.
        placed: What is trained on, where it is at points.
        models: Both models.
        plan: What was trained.
        rows: The physical model's best parameters, by row of the table.
        scores: Of these rows.
        settings: What goes further, by option.
        most_samples: Samples that are in memory at once; 0 for as many as fit.

    Returns:
        By row; rows whose parameters are not finite, or too many, or where the
        curvature can't be inverted, are left out.
    """
    rows = {name: params for name, params in rows.items() if _is_finite(params)}
    if not rows:
        return {}
    learned, fitted = models.physical.learned, stages.fitted_names(models)
    first = {name: next(iter(rows.values()))[name] for name in fitted}
    fit = least_squares(models, plan, placed, first)
    size = ravel_pytree(first)[0].size
    real = plan.last_fit[1]
    setup = solve.make_setup(fit, real, problem, data)
    if models.own_states is not None and size > solve.MOST_STATES:
        logging.warning(
            "no uncertainty is computed: there are %d parameters, most of them fitted "
            "states; at most %d are taken on then",
            *(size, solve.MOST_STATES),
        )
        return {}
    if size > _MOST_PARAMETERS or np.prod(setup.shape) > _MOST_RESIDUALS:
        logging.warning(
            "no uncertainty is computed: there are %d parameters and %d residuals, at "
            "most %d and %d are taken on; uncertainty.noise=False leaves it out",
            *(size, np.prod(setup.shape), _MOST_PARAMETERS, _MOST_RESIDUALS),
        )
        return {}
    programs = curvature.make_curvature(
        fit, setup.whole, setup.shape, size, most_samples
    )
    shapes = jax.eval_shape(models.physical.values, next(iter(rows.values())))
    numbers = tuple(name for name in learned if not shapes[name].shape)
    values = bands.make_values(fit, learned, numbers)
    result = {}
    for row, params in rows.items():
        begin = time.monotonic()
        x = ravel_pytree({name: params[name] for name in fitted})[0]
        constants = {k: v for k, v in params.items() if k not in fitted}
        inputs = Inputs(constants, real)
        try:
            solution = solve.solve(setup, programs, x, inputs)
        except np.linalg.LinAlgError as error:
            # What was trained is not lost for it.
            logging.warning(
                "%s: no uncertainty is computed: the curvature of the loss can't be "
                "inverted (%s)",
                *(table.ROWS[row], error),
            )
            continue
        found = bands.make_bands(values, x, inputs, numbers, solution)
        named = names.name_parameters(fit.unravel(x))
        result[row] = describe.describe(
            problem, setup, solution, found, named, row, scores[row]
        )
        result[row].summary.update(
            further(settings, problem, setup, values, numbers, x, inputs, solution)
        )
        seconds = time.monotonic() - begin
        logging.info("uncertainty of %s: %.1f s", table.ROWS[row], seconds)
    return result


def least_squares(
    models: Models, plan: Plan, placed: Placed | None, fitted: Params
) -> LeastSquares:
    """The loss of the physical model's fit to real data alone.

    Args:
        models: Both models.
        plan: What is trained.
        placed: What is trained on, where it is at points.
        fitted: The fitted parameters, by name.
    """
    player, is_grid = plan.last_fit[0], placed is None
    predict, with_jumps = plan.fitted, None
    if models.own_states is not None:
        predict, with_jumps = _from_own_states(models, placed)
    return residuals.make_least_squares(
        predict,
        lambda real: player.augment(real, None, 0.0)[0],
        fitted,
        data=residuals.windows_of if is_grid else residuals.readings_of,
        with_data=residuals.with_windows if is_grid else residuals.with_readings,
        values=models.physical.values,
        roughness=models.physical.roughness,
        with_jumps=with_jumps,
    )


def _from_own_states(models, placed):
    """What a model with fitted states says of the readings, and its jumps."""
    unit = np.sqrt(point_stages.jump_unit(placed))

    def with_jumps(params, query):
        found = models.own_states(params, query)
        share = params[segments.JUMP_WEIGHT] / max(found.jumps[0].size, 1)
        scaled = found.jumps / jnp.asarray(unit, found.jumps.dtype)
        return found.values, jnp.sqrt(share) * scaled

    return lambda params, query: models.own_states(params, query).values, with_jumps


def _is_finite(params) -> bool:
    return all(np.isfinite(np.asarray(x)).all() for x in jax.tree.leaves(params))
