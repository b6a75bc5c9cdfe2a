"""Scores of models against the truth."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax import metrics, rollout
from hyco_jax.types import Array, Params, StepFn


def make_evaluate(
    step: StepFn, region: np.ndarray
) -> Callable[[Params, Array], dict[str, Array]]:
    """Makes a jitted evaluation of one model.

    Args:
        step: One step of the model.
        region: Observed cells, shape `(*S,)`, bool.

    Returns:
        A function of the model's parameters and the truth `(N, T + 1, *S, C)`, which
        rolls the model out from t = 0 of each simulation and returns `rollouts`
        (as the truth) and the errors at each time `nrmse`, `nrmse_inside`,
        `nrmse_outside`, each `(N, T + 1)`; the last is NaN if all is observed.
    """

    @jax.jit
    def evaluate(params, truth):
        predictions = rollout.rollouts(step, params, truth[:, 0], truth.shape[1] - 1)
        return {
            "rollouts": predictions,
            "nrmse": metrics.nrmse(predictions, truth, jnp.ones_like(region)),
            "nrmse_inside": metrics.nrmse(predictions, truth, region),
            "nrmse_outside": metrics.nrmse(predictions, truth, ~region),
        }

    return evaluate


def summarise(errors: dict[str, Array], sims: tuple[int, ...], dt: float) -> dict:
    """Summarises what an evaluation returned for some of the simulations.

    Args:
        errors: From `make_evaluate`.
        sims: Which simulations.
        dt: Time step.

    Returns:
        `nrmse`, `nrmse_inside`, `nrmse_outside`: means over simulations and the times
        after t = 0, absent where no cell counts; `valid_time`: mean over simulations.
    """
    result = {}
    for name in ("nrmse", "nrmse_inside", "nrmse_outside"):
        chosen = np.asarray(errors[name])[list(sims)]
        if not np.isnan(chosen[:, 0]).all():
            result[name] = float(chosen[:, 1:].mean())
    curves = jnp.asarray(errors["nrmse"])[jnp.array(sims)]
    result["valid_time"] = float(metrics.valid_time(curves, dt).mean())
    return result
