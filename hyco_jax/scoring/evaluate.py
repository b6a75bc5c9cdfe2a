"""Scores of models against the truth."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.models import rollout
from hyco_jax.scoring import metrics
from hyco_jax.training import losses
from hyco_jax.types import Array, Params, StepFn


def make_evaluate(
    step: StepFn,
    region: np.ndarray,
    weights: np.ndarray | float = 1.0,
    *,
    restrict: Callable[[Array], Array] = losses.identity,
    prolong: Callable[[Array], Array] = losses.identity,
    diagnostics: Callable[[Array], dict[str, Array]] | None = None,
) -> Callable[[Params, Array], dict[str, Array]]:
    """Makes a jitted evaluation of one model.

    Args:
        step: One step of the model.
        region: Observed cells, shape `(*S,)`, bool.
        weights: Of the squares in the errors, broadcast to `(*S, C)`; 0 for what models
            don't predict.
        restrict: Maps states to the model's grid.
        prolong: Maps the model's states back.
        diagnostics: Maps a state on the model's grid to named numbers.

    Returns:
        A function of the model's parameters and the truth `(N, T + 1, *S, C)`, which
        rolls the model out from t = 0 of each simulation and returns `rollouts`
        (as the truth) and the errors at each time `nrmse`, `nrmse_inside`,
        `nrmse_outside`, each `(N, T + 1)`, the last absent if all is observed; and the
        diagnostics at each time.
    """

    ndim = region.ndim
    regions = {"nrmse": np.ones_like(region), "nrmse_inside": region}
    if not region.all():
        regions["nrmse_outside"] = ~region

    @jax.jit
    def evaluate(params, truth):
        u0, num_steps = restrict(truth[:, 0]), truth.shape[1] - 1
        states = rollout.rollouts(step, params, u0, num_steps)
        predictions = prolong(states)
        result = {"rollouts": predictions}
        for name, cells in regions.items():
            counted = jnp.asarray(weights * cells[..., None], truth.dtype)
            result[name] = metrics.nrmse(predictions, truth, counted, ndim)
        if diagnostics is not None:
            result |= jax.vmap(jax.vmap(diagnostics))(states)
        return result

    return evaluate


def summarise(errors: dict[str, Array], sims: tuple[int, ...], dt: float) -> dict:
    """Summarises what an evaluation returned for some of the simulations.

    Args:
        errors: From `make_evaluate`.
        sims: Which simulations.
        dt: Time step.

    Returns:
        `nrmse`, `nrmse_inside`, `nrmse_outside`: means over simulations and the times
        after t = 0; `valid_time`: mean over simulations;
        `max_<name>` of every diagnostic.
    """
    result = {}
    for name in set(errors) - {"rollouts"}:
        chosen = np.asarray(errors[name])[list(sims)]
        if name.startswith("nrmse"):
            result[name] = float(chosen[:, 1:].mean())
        else:
            result[f"max_{name}"] = float(chosen.max())
    curves = jnp.asarray(errors["nrmse"])[jnp.array(sims)]
    result["valid_time"] = float(metrics.valid_time(curves, dt).mean())
    return result
