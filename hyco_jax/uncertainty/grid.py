"""The error of coefficients that comes from the grid: the fit on one twice finer.

There the minimum lies elsewhere, by as much as the scheme errs. With the order p of the
scheme both values say where it lies on an infinitely fine one (L. F. Richardson, 1911):
`fine + (fine - own) / (2^p - 1)`.
"""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from absl import logging

from hyco_jax import point_stages, stages
from hyco_jax.data.observations import Observations
from hyco_jax.data.placement import Placed
from hyco_jax.models import refined, resampled
from hyco_jax.problem import Problem
from hyco_jax.scoring import coefficients as fitted
from hyco_jax.scoring import table
from hyco_jax.settings import Settings
from hyco_jax.stages import Models, Plan
from hyco_jax.types import Params
from hyco_jax.uncertainty.refit import make_loss, make_refit


class GridError(NamedTuple):
    """What the grid does to a coefficient of shape `()`, `(*S,)` or `(*S, D)`.

    Attributes:
        own: What was found on the model's own grid.
        fine: What the same fit finds on the finer grid.
        estimate: Of the exact value, by Richardson; `fine` where no order is known.
    """

    own: np.ndarray
    fine: np.ndarray
    estimate: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """How far `own` is from the estimate, in each entry."""
        return abs(self.estimate - self.own)


class Check(NamedTuple):
    """What is said of the coefficients of a row.

    Attributes:
        columns: Of the table: `coefficient_grid/<name>`, of a field the root mean
            square, and `coefficient_estimate/<name>` of numbers.
        arrays: Of figures: `grid_error/<name>/<row>`, on the grid of the data.
        moved: By what the raw parameters moved, a good guess for another row.
    """

    columns: dict[str, float]
    arrays: dict[str, np.ndarray]
    moved: Params


def make_check(
    settings: Settings,
    problem: Problem,
    data: Observations,
    placed: Placed | None,
    models: Models,
    plan: Plan,
) -> Callable[..., Check | None] | None:
    """Prepares the checks of a fit; nothing is compiled.

    Args:
        settings: Of the fit.
        problem: The physical system.
        data: The observations.
        placed: What is trained on, where it is at points.
        models: Both models.
        plan: What was trained.

    Returns:
        A function of a row of the table, the physical model's best parameters, and by
        option a guess of by what they move and the inverse curvature of the fit, see
        `refit`. It returns None where the fit on the finer grid fails, and is None
        itself where the PDE has no finer grid, or nothing is fitted.
    """
    if not models.physical.learned:
        return None
    try:
        finer = refine_models(problem, settings, models)
    except ValueError as error:
        logging.warning("the error of the grid is not known: %s", error)
        return None
    fine_plan = (
        stages.make_plan(problem, data, settings, finer)
        if placed is None
        else point_stages.make_plan(problem, placed, settings, finer)
    )
    player, real = plan.last_fit
    chunk = settings.physical.window_chunk
    # A window holds so many times as much.
    smaller = math.ceil(chunk / refined.FACTOR**problem.domain.ndim)
    refit = make_refit(
        player,
        make_loss(placed, models, plan, chunk),
        make_loss(placed, finer, fine_plan, smaller),
    )
    learned, fitted_names = models.physical.learned, stages.fitted_names(models)

    def check(row, variables, moved=None, inverse=None):
        begin = time.monotonic()
        own = {name: variables[name] for name in fitted_names}
        constants = {k: v for k, v in variables.items() if k not in own}
        start = own if moved is None else optax.tree.add(own, moved)
        found = refit(own, start, constants, real, inverse)
        if found is None:
            logging.warning(
                "%s: the error of the grid is not known: the fit on a grid twice finer "
                "became infinite",
                table.ROWS[row],
            )
            return None
        if not found.has_converged:
            logging.warning(
                "%s: the fit on a grid twice finer was stopped after %d evaluations: "
                "the grid may err by more than is said",
                *(table.ROWS[row], found.num_evaluations),
            )
        values = jax.device_get(models.physical.values(variables))
        fine = jax.device_get(models.physical.values({**constants, **found.params}))
        errors = {
            name: make_error(values[name], fine[name], problem.order)
            for name in learned
        }
        logging.info(
            "grid of %s: %.1f s, %d evaluations",
            table.ROWS[row],
            time.monotonic() - begin,
            found.num_evaluations,
        )
        moved = optax.tree.sub(found.params, own)
        return Check(*_describe(problem, row, errors), moved)

    return check


def warn(row: str, columns: Mapping[str, Any], arrays: Mapping[str, np.ndarray]):
    """Warns where the error of the grid is above that of the noise.

    Args:
        row: Of the table.
        columns: Its values, those of `uncertainty.describe` too, if they were computed.
        arrays: Likewise of figures.
    """
    for column in [name for name in columns if name.startswith(table.GRID)]:
        name = column.removeprefix(table.GRID)
        noise = columns.get(f"{table.NOISE}{name}")
        deviation = arrays.get(f"deviation/{name}/{row}")
        if noise is None and deviation is not None:
            noise = float(np.sqrt(np.mean(np.square(deviation))))
        if noise is not None and columns[column] > noise:
            logging.warning(
                "%s: %s is off by about %.2g because of the grid, more than the noise "
                "of the data makes of it, %.2g: raise pde.physics_resolution and lower "
                "pde.dt",
                table.ROWS[row],
                name.replace("_", " "),
                columns[column],
                noise,
            )


def refine_models(problem: Problem, settings: Settings, models: Models) -> Models:
    """Replaces the physical model by that on a grid twice finer, asked as before.

    Raises:
        ValueError: If the PDE can't be stepped there.
    """
    # A rollout holds some 2^(D + 1) times as much as one of the training.
    remat = settings.physical.remat or problem.domain.ndim > 1
    fits_first = settings.physical.initial == "fitted"
    fine = refined.refined(problem, settings.coefficients, fits_first, remat)
    return models._replace(
        physical=models.physical._replace(model=fine.model),
        own_states=models.own_states and fine.own_states,
        on_data_grid=resampled.on_data_grid(fine.model, problem.resampling),
    )


def make_error(own: np.ndarray, fine: np.ndarray, order: int | None) -> GridError:
    """Extrapolates two values, see above."""
    own, fine = (np.asarray(value, np.float64) for value in (own, fine))
    estimate = fine
    if order is not None:
        estimate = fine + (fine - own) / (refined.FACTOR**order - 1)
    return GridError(own, fine, estimate)


def _describe(problem, row, errors: Mapping[str, GridError]):
    columns, arrays = {}, {}
    for name, found in errors.items():
        size = float(np.sqrt(np.mean(found.error**2)))
        columns[f"{table.GRID}{name}"] = size
        if found.own.ndim == 0:
            columns[f"{table.ESTIMATE}{name}"] = float(found.estimate)
        arrays[f"grid_error/{name}/{row}"] = fitted.on_data_grid(
            problem, name, found.error
        )
    return columns, arrays
