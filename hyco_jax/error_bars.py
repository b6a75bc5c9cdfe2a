"""Adds to a result what is said about its coefficients: the ± of noise and grid."""

import contextlib
import dataclasses
from collections.abc import Mapping

from absl import logging

from hyco_jax.result import Result
from hyco_jax.scoring import table
from hyco_jax.settings import Settings
from hyco_jax.stages import Prepared
from hyco_jax.types import Params
from hyco_jax.uncertainty import estimate as estimates
from hyco_jax.uncertainty import grid
from hyco_jax.uncertainty.quasi_newton import Inverse


def add(result: Result, prepared: Prepared, settings: Settings) -> Result:
    """Adds both, as far as they are asked for and succeed.

    Nothing that is said about a result may cost it: whatever fails, a warning says so.

    Args:
        result: What was found.
        prepared: What was fitted.
        settings: Of the fit.
    """
    inverses = {}
    with _optional("noise"):
        result, inverses = with_noise(result, prepared, settings)
    with _optional("grid"):
        result = with_grid(result, prepared, settings, inverses)
    return result


def with_noise(
    result: Result, prepared: Prepared, settings: Settings
) -> tuple[Result, dict[str, Inverse]]:
    """Adds how well the data determine the coefficients.

    Args:
        result: What was found.
        prepared: What was fitted.
        settings: Of the fit.

    Returns:
        The result, and the inverse curvature of the loss by row.
    """
    if not settings.uncertainty.noise:
        return result, {}
    found = estimates.estimate(
        *prepared,
        _physical_rows(result),
        result.rows,
        settings.uncertainty,
        settings.physical.window_chunk,
    )
    columns, arrays = dict(result.rows), dict(result.arrays)
    for row, estimate in found.items():
        columns[row] = {**columns[row], **estimate.columns}
        arrays |= estimate.arrays
    result = dataclasses.replace(
        result,
        rows=columns,
        arrays=arrays,
        uncertainty={row: estimate.summary for row, estimate in found.items()},
    )
    return result, {row: estimate.inverse for row, estimate in found.items()}


def with_grid(
    result: Result,
    prepared: Prepared,
    settings: Settings,
    inverses: Mapping[str, Inverse],
) -> Result:
    """Adds what the grid does to the coefficients, sooner if curvatures are known.

    Args:
        result: What was found.
        prepared: What was fitted.
        settings: Of the fit.
        inverses: From `with_noise`, of as many rows as it found them for.
    """
    if not settings.uncertainty.grid or settings.mode == "synthetic":
        return result
    check = grid.make_check(settings, *prepared)
    if check is None:
        return result
    columns, arrays, moved = dict(result.rows), dict(result.arrays), None
    for row, params in _physical_rows(result).items():
        found = check(row, params, moved, inverses.get(row))
        if found is not None:
            moved = found.moved
            columns[row] = {**columns[row], **found.columns}
            arrays |= found.arrays
            grid.warn(row, columns[row], arrays)
    return dataclasses.replace(result, rows=columns, arrays=arrays)


@contextlib.contextmanager
def _optional(what: str):
    try:
        yield
    except Exception as error:
        logging.debug("traceback", exc_info=True)
        logging.warning(
            "the ± of the %s is not known: %s; --config.uncertainty.%s=False "
            "leaves it out",
            what,
            str(error).partition("\n")[0],
            what,
        )


def _physical_rows(result) -> dict[str, Params]:
    """The physical model's parameters, by the row that was trained."""
    return {
        row: trained.params
        for row, trained in result.trained.items()
        if table.ROW_STAGE.get(row, ("", ""))[1] == "physical"
    }
