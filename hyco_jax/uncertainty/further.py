"""What goes further than a parabola at the fit, by option."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from hyco_jax.data.windows import Windows
from hyco_jax.problem import Problem
from hyco_jax.types import Array
from hyco_jax.uncertainty import bootstrap, mcmc, profiles
from hyco_jax.uncertainty.bands import Values
from hyco_jax.uncertainty.residuals import Inputs
from hyco_jax.uncertainty.settings import UncertaintySettings
from hyco_jax.uncertainty.solve import Setup, Solution

_SEED = 0


def further(
    settings: UncertaintySettings,
    problem: Problem,
    setup: Setup,
    values: Values,
    numbers: tuple[str, ...],
    x: Array,
    inputs: Inputs,
    solution: Solution,
) -> dict[str, Any]:
    """Computes what the settings ask for.

    Args:
        settings: Which.
        problem: The physical system.
        setup: What was fitted.
        values: Physical values of the parameters.
        numbers: Names of the coefficients that are numbers.
        x: The fitted parameters.
        inputs: Data and constants.
        solution: What the data leave of the parameters.

    Returns:
        Plain values for `eval.json`: `profiles`, `bootstrap` and `samples`, those that
        were asked for.
    """
    result = {}
    if settings.profile:
        result["profiles"] = _profiles(setup, values, numbers, x, inputs, solution)
    if settings.bootstrap:
        refit = bootstrap.make_bootstrap(setup.fit, setup.whole)
        keys = jax.random.split(jax.random.key(_SEED), settings.bootstrap)
        deviation = _deviations(problem, setup, inputs, solution.noise)
        if deviation is None:
            logging.warning(
                "no bootstrap: the physical model is fitted on a coarser grid than the "
                "data's, on which it makes no data"
            )
        else:
            found = refit(x, inputs, deviation, keys)
            result["bootstrap"] = _scatter(values, inputs, found)
    if settings.samples and x.size > mcmc.MOST_PARAMETERS:
        logging.warning(
            "no samples: there are %d parameters, at most %d are sampled",
            *(x.size, mcmc.MOST_PARAMETERS),
        )
    elif settings.samples:
        covariance = solution.plain.of(np.eye(x.size))
        drawn = mcmc.sample(
            setup.fit, x, inputs, solution.noise.unit, covariance, settings.samples
        )
        result["samples"] = _scatter(values, inputs, jnp.asarray(drawn, x.dtype))
    return result


def _profiles(setup, values, numbers, x, inputs, solution) -> dict[str, Any]:
    refit, result = profiles.make_profile(setup.fit), {}
    at = jax.jit(jax.vmap(values.at, in_axes=(0, None)))
    places = setup.fit.unravel(np.arange(x.size, dtype=np.float32))
    for name in numbers:
        index = int(places[name])
        row = np.eye(x.size)
        covariance = solution.plain.of(row)[index]
        starts = profiles.starts(np.asarray(x, np.float64), index, covariance)
        found, losses = refit(jnp.asarray(starts, x.dtype), inputs, row[index] > 0)
        profile = profiles.make(
            np.asarray(at(found, inputs)[name], np.float64),
            np.asarray(losses),
            solution.noise.unit,
        )
        result[name] = {
            "values": profile.values.tolist(),
            "deviance": profile.deviance.tolist(),
            "interval": list(profile.interval),
        }
    return result


def _deviations(problem, setup, inputs, noise) -> Array | None:
    """Standard deviations of the measured arrays, in their shape."""
    part = setup.fit.part(inputs.real)
    if isinstance(part, Windows):
        if problem.resampling.common != problem.domain:
            return None
        return jnp.sqrt(setup.measured_variances(inputs, noise))
    weights = jnp.broadcast_to(part.weights, part.targets.shape) / part.count
    squares = jnp.asarray(noise.squares, weights.dtype)
    return jnp.sqrt(jnp.where(weights > 0, squares / weights, 0))


def _scatter(values, inputs, found) -> dict[str, Any]:
    """Standard deviations and intervals of 95 % of values at many parameters."""
    drawn = jax.jit(jax.vmap(values.at, in_axes=(0, None)))(found, inputs)
    result = {}
    for name, sets in drawn.items():
        each = np.asarray(sets, np.float64)
        std = np.std(each, axis=0, ddof=1)
        result[name] = {"std": float(np.median(std))}
        if each.ndim == 1:
            low, high = np.quantile(each, [0.025, 0.975])
            result[name]["interval"] = [float(low), float(high)]
    return result
