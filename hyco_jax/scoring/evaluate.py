"""Scores of models against the truth, or against what was observed of it."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.scoring import metrics
from hyco_jax.types import Array, Params, Trajectories

# Maps params and the reference to a model's trajectories of all its simulations, shape
# `(N, T + 1, *S, C)` on the model's own grid, the states at t = 0 included.
Rollouts = Callable[[Params, Trajectories], Array]


def make_evaluate(
    rollouts: Rollouts,
    *,
    to_data: Callable[[Array], Array] | None = None,
    region: np.ndarray | None = None,
    weights: np.ndarray | float = 1.0,
    diagnostics: Callable[[Array], dict[str, Array]] | None = None,
) -> Callable[[Params, Trajectories], dict[str, Array]]:
    """Makes a jitted evaluation of one model.

    Args:
        rollouts: Of the model.
        to_data: Maps its states `(N, T + 1, *S, C)` to the grid of the reference; not
            needed where it is the model's own.
        region: Cells in which the state was observed, shape `(*S,)`, bool; None if the
            errors inside and outside aren't to be told apart.
        weights: Of the squares in the errors, broadcast to `(*S, C)`; 0 for what models
            don't predict.
        diagnostics: Maps a state on the model's own grid to named numbers.

    Returns:
        A function of the model's parameters and the reference: a known truth of weights
        1 (or None), or observations, of which entries of weight 0 never count. It
        returns `rollouts` on the reference's grid and the errors at each time, `nrmse`,
        and where a part of the region is unobserved `nrmse_inside`, `nrmse_outside`,
        each `(N, T + 1)`: NaN where nothing was observed, inf where the model diverged;
        and the diagnostics at each time.
    """
    regions = {"nrmse": np.array(True)}
    if region is not None and not region.all():
        regions |= {"nrmse_inside": region, "nrmse_outside": ~region}

    @jax.jit
    def evaluate(params, reference):
        states = rollouts(params, reference)
        predictions = states if to_data is None else to_data(states)
        truth = reference.states
        result = {"rollouts": predictions}
        for name, cells in regions.items():
            counted = jnp.asarray(weights * cells[..., None], truth.dtype)
            counted = jnp.broadcast_to(counted, truth.shape[2:])[None, None]
            if reference.weights is not None:
                counted = counted * reference.weights
            result[name] = metrics.nrmse(predictions, truth, counted, truth.ndim - 3)
        if diagnostics is not None:
            result |= jax.vmap(jax.vmap(diagnostics))(states)
        return result

    return evaluate


def summarise(errors: dict[str, Array], sims: Sequence[int], dt: float) -> dict:
    """Summarises what an evaluation returned for some of the simulations.

    Args:
        errors: From `make_evaluate`.
        sims: Which simulations.
        dt: Time step.

    Returns:
        `nrmse`, `nrmse_inside`, `nrmse_outside`: means over the simulations and the
        times after t = 0 at which something was observed; `valid_time`: mean over the
        simulations; each None where nothing was observed; `max_<name>` of every
        diagnostic after t = 0, since the first state is given. Empty without
        simulations.
    """
    if not sims:
        return {}
    chosen = {
        name: np.asarray(values)[list(sims)]
        for name, values in errors.items()
        if name != "rollouts"
    }
    result = {}
    for name, values in chosen.items():
        if name.startswith("nrmse"):
            result[name] = _mean(values[:, 1:])
        else:
            result[f"max_{name}"] = float(values[:, 1:].max())
    result["valid_time"] = _mean(metrics.valid_time(jnp.asarray(chosen["nrmse"]), dt))
    return result


def mean_curve(errors: dict[str, Array], sims: Sequence[int]) -> np.ndarray:
    """The nRMSE over time, mean over the simulations in which a time was observed.

    Args:
        errors: From `make_evaluate`.
        sims: Which simulations.

    Returns:
        Shape `(T + 1,)`, NaN at times of which none was.
    """
    curves = np.asarray(errors["nrmse"])[list(sims)]
    is_observed = ~np.isnan(curves)
    total = np.where(is_observed, curves, 0).sum(axis=0)
    count = is_observed.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _mean(values) -> float | None:
    values = np.asarray(values)
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else None
