"""The noise of the data, in the units of residuals: as it is known, or estimated."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.data import augment
from hyco_jax.grids import quantities as meanings
from hyco_jax.problem import Problem
from hyco_jax.types import Array
from hyco_jax.uncertainty.residuals import Inputs, LeastSquares

# Groups of residuals that are taken to be independent of each other: so many stretches
# of time in all, at least two of each simulation.
_GROUPS = 30


class Counts(NamedTuple):
    """How many residuals of each channel there are, shape `(C,)`.

    Attributes:
        fitted: In the loss.
        distinct: Of different observations.
    """

    fitted: np.ndarray
    distinct: np.ndarray


class Noise(NamedTuple):
    """The noise of the observations.

    Attributes:
        squares: Expected square of a residual of each channel, `(C,)`.
        sigma: Standard deviation of an observation of weight 1, on the grid of the
            data, `(C,)`; NaN where readings differ in it.
        unit: Of the loss, see `covariance`.
        relative: `2 squares / unit`.
        chi2: Mean square of the residuals over these; None if they follow from it.
    """

    squares: np.ndarray
    sigma: np.ndarray
    unit: float
    relative: np.ndarray
    chi2: float | None


def whole_records(fit: LeastSquares) -> LeastSquares:
    """The same with windows that are whole records, all from t = 0, of any scale."""

    def part(real):
        own = fit.part(real)
        num_sims, num_times = own.targets.shape[:2]
        index = np.arange(num_sims, dtype=np.int32), np.zeros(num_sims, np.int32)
        whole = own.replace(
            sim=jnp.asarray(index[0]),
            start=jnp.asarray(index[1]),
            horizon=num_times - 1,
        )
        return augment.augment([whole], [1.0], [num_sims], 1.0)[0]

    return fit._replace(part=part)


class Facts(NamedTuple):
    """What is known of the samples of a fit, on the host.

    Attributes:
        counts: Residuals of each channel that an observation is behind, `(C,)`.
        scale: Largest factor of squared errors in the loss, of each channel, `(C,)`.
        sims: Simulation of each sample, `(W,)`.
        starts: Step at which it begins, `(W,)`; later than 0 where windows start from
            observed states, which have noise.
        times: Of its residuals since the beginning of the record, `(W, n)`; in steps
            of windows, else in the unit of the readings.
    """

    counts: np.ndarray
    scale: np.ndarray
    sims: np.ndarray
    starts: np.ndarray
    times: np.ndarray


def make_facts(fit: LeastSquares, real: Any) -> Facts:
    """Reads them off the real data, in one program."""

    @jax.jit
    def read(real):
        part = fit.part(real)
        samples = part.take(jnp.arange(part.count))
        query, targets = samples.query, samples.targets
        weights = jnp.broadcast_to(samples.weights, targets.shape)
        axes = tuple(range(targets.ndim - 1))
        if query.points is None:
            times = query.start[:, None] + 1 + jnp.arange(query.horizon)
            per_time = math.prod(targets.shape[2:-1])
            times = jnp.repeat(times, per_time, axis=1)
        else:
            times = query.points[..., 0]
        return Facts(
            jnp.sum(weights > 0, axis=axes),
            jnp.max(weights, axis=axes) / part.count,
            query.sim,
            query.start,
            times,
        )

    found = Facts(*map(np.asarray, read(real)))
    return found._replace(scale=found.scale.astype(np.float64))


def make_noise(
    sums: np.ndarray,
    counts: Counts,
    degrees: float,
    scales: tuple[np.ndarray, np.ndarray],
    known: np.ndarray | None,
    averaged: np.ndarray,
) -> Noise:
    """Puts the noise in the units of residuals.

    Args:
        sums: Of squares of the residuals of whole records, `(C,)`.
        counts: Numbers of residuals.
        degrees: Of freedom that the fit has taken.
        scales: Factors of a squared error in the loss, and in these sums, `(C,)`.
        known: Variances of the observations, `(C,)`, if they are known; NaN where
            every reading has its own, which is the unit of the loss then.
        averaged: How many observations are averaged in one entry, `(C,)`.
    """
    used = counts.distinct > 0
    total = counts.distinct.sum()
    number = np.maximum(counts.distinct, 1)
    left = max(1 - degrees / total, 1 / total)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(used, scales[0] / scales[1], 0)
        found = np.where(used, sums / number / left * ratio, 0)
        if known is None:
            squares = found
        elif np.isnan(known).any():
            squares = np.where(used, 1 / total, 0)
        else:
            squares = np.where(used, scales[0] * known / averaged, 0)
        sigma = np.sqrt(np.where(used, squares / scales[0] * averaged, np.nan))
        each = np.where(used, found / squares, 0)
    if known is not None and np.isnan(known).any():
        sigma = np.full_like(sigma, np.nan)
    unit = 2 * float(np.sum(counts.fitted * squares)) / total
    chi2 = None if known is None else float(np.sum(each * number) / total)
    return Noise(squares, sigma, unit, 2 * squares / unit, chi2)


def known_variances(problem: Problem, data) -> np.ndarray | None:
    """Variances of observations of each channel `(C,)`, see `make_noise`."""
    channels = problem.num_channels
    if getattr(data.observed, "sigma", None) is not None:
        return np.full(channels, np.nan)
    if data.sigma is None:
        return None
    result = np.ones(channels)
    result[: len(data.sigma)] = np.square(data.sigma)
    return result


def averaged_entries(problem: Problem) -> np.ndarray:
    """How many of the data's entries are averaged in one that is fitted, `(C,)`."""
    factor = problem.domain.times_finer(problem.resampling.common)
    axes = [
        problem.domain.ndim - q.is_staggered
        for q in problem.quantities
        for _ in range(q.num_components)
    ]
    return float(factor) ** np.array(axes)


def measured_variances(inputs: Inputs, noise: Noise, problem: Problem) -> Array:
    """Variances of the measured states `(N, T + 1, *S, C)`, 0 where none has noise."""
    real = inputs.real.training
    weights = jnp.broadcast_to(real.weights, real.states.shape)
    sigma = np.nan_to_num(noise.sigma)
    variance = jnp.where(weights > 0, sigma**2 / jnp.maximum(weights, 1e-30), 0)
    predicted = meanings.predicted_entries(problem.quantities, problem.domain)
    # The first states are known exactly.
    return jnp.where(predicted, variance, 0).at[:, 0].set(0).astype(real.states.dtype)


def groups(facts: Facts) -> np.ndarray:
    """Labels of residuals `(W, n)`: stretches of time of each simulation.

    Whatever a wrong model or correlated noise makes of the residuals, those of
    different stretches are nearly independent of each other, if these are long enough.
    """
    stretches = max(2, -(-_GROUPS // len(np.unique(facts.sims))))
    share = facts.times / facts.times.max()
    stretch = np.ceil(share * stretches).astype(int) - 1
    labels = facts.sims[:, None] * stretches + np.clip(stretch, 0, stretches - 1)
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
