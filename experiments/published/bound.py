"""What noise leaves of the parameters: the Cramér-Rao bound of their error."""

from collections.abc import Mapping

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from experiments.published.case import Case, prepare, settings
from hyco_jax.grids.precision import float64_on_cpu
from hyco_jax.stages import Prepared
from hyco_jax.types import Params


def line(case: Case) -> str:
    """A sentence for below the table, "" without noise or where truths aren't numbers.

    Args:
        case: The experiment.
    """
    noise = settings(case, "lbfgs", 0).data.noise_std
    if case.entry.true_params is None or not noise:
        return ""
    values = [
        relative_error(own, case.entry.true_params, noise * _largest(case, own))
        for own in prepare(case, ["lbfgs"])["lbfgs"]
    ]
    return (
        "No unbiased estimate has a parameter error whose root mean square is below "
        f"{np.median(values):.3g} ({min(values):.3g} to {max(values):.3g}; Cramér-Rao, "
        "for the solver's equation, sensors and noise)."
    )


def relative_error(prepared: Prepared, params: Params, sigma: float) -> float:
    """The bound of |p - p*|/|p*| in the root mean square: √(tr C)/|p*|.

    C is the inverse of JᵀJ/σ², with J the derivatives of the solver's readings at the
    sensors that train, as in Gauss and Newton's method.

    Args:
        prepared: Of a seed.
        params: True parameters p*, unbounded ones, which are those that are fitted.
        sigma: Standard deviation of the noise.
    """
    records = prepared.placed.real.records
    is_read = np.asarray(records.weights > 0).ravel()
    with float64_on_cpu():
        flat, unravel = ravel_pytree(_in_float64(params))
        query = _in_float64(records.query)

        def readings(flat):
            answers = prepared.models.on_data_grid.predict(unravel(flat), query)
            return answers.ravel()[is_read]

        slopes = np.asarray(jax.jit(jax.jacfwd(readings))(flat))
    covariance = sigma**2 * np.linalg.inv(slopes.T @ slopes)
    return float(np.sqrt(np.trace(covariance)) / np.linalg.norm(flat))


def _largest(case, prepared) -> float:
    """The largest exact reading that trains, which noise is relative to."""
    readings = prepared.data.observed
    middle = np.array(prepared.problem.domain.extent) / 2
    known = readings.position[~readings.is_held_out] - middle
    return float(case.entry.module.solution(known).max())


def _in_float64(tree: Params | Mapping):
    def cast(x):
        is_float = np.issubdtype(np.asarray(x).dtype, np.floating)
        return np.asarray(x, np.float64) if is_float else x

    return jax.tree.map(cast, tree)
