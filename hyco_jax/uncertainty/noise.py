"""The noise of the data, in the units of residuals: as it is known, or estimated."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from hyco_jax.data import augment
from hyco_jax.data.augment import Part
from hyco_jax.data.windows import Windows
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


def is_overlapping(part: Part) -> bool:
    """Whether some windows start from observed states, which have noise."""
    return isinstance(part, Windows) and bool(np.any(np.asarray(part.start) > 0))


def observed_counts(part: Part) -> np.ndarray:
    """Residuals of each channel that an observation is behind, `(C,)`."""
    weights = part.take(jnp.arange(part.count)).weights
    seen = jnp.broadcast_to(weights > 0, (part.count, *part_shape(part)))
    return np.asarray(seen.reshape(-1, seen.shape[-1]).sum(axis=0), np.int64)


def part_shape(part: Part) -> tuple[int, ...]:
    """Shape of a sample's targets."""
    if isinstance(part, Windows):
        return (part.horizon, *part.targets.shape[2:])
    return part.targets.shape[1:]


def entry_scale(part: Part) -> np.ndarray:
    """Largest factor of squared errors in the loss, of each channel, `(C,)`."""
    weights = np.asarray(part.weights, np.float64)
    channels = part_shape(part)[-1]
    largest = weights.reshape(-1, weights.shape[-1]).max(axis=0)
    return np.broadcast_to(largest, (channels,)) / part.count


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


def groups(part: Part, dt: float) -> np.ndarray:
    """Labels of residuals `(W, n)`: stretches of time of each simulation.

    Whatever a wrong model or correlated noise makes of the residuals, those of
    different stretches are nearly independent of each other, if these are long enough.
    """
    shape = part_shape(part)
    per_sample = math.prod(shape[:-1])
    if isinstance(part, Windows):
        sims = np.asarray(part.sim)
        times = np.asarray(part.start)[:, None] + 1 + np.arange(part.horizon)
        times = np.repeat(times, per_sample // part.horizon, axis=1)
    else:
        sims = np.asarray(part.query.sim)
        times = np.asarray(part.query.points[..., 0]) / dt
    stretches = max(2, -(-_GROUPS // len(np.unique(sims))))
    stretch = np.ceil(times / times.max() * stretches).astype(int) - 1
    labels = sims[:, None] * stretches + np.clip(stretch, 0, stretches - 1)
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
