"""From the curvature of a loss to a posterior: dense, or of low rank for fields."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.problem import Problem
from hyco_jax.types import Array
from hyco_jax.uncertainty import covariance, curvature, low_rank, noise
from hyco_jax.uncertainty.covariance import Posterior
from hyco_jax.uncertainty.noise import Counts, Noise
from hyco_jax.uncertainty.residuals import Inputs, LeastSquares

# An eigendecomposition of a matrix of this size takes seconds.
MOST_DENSE = 1024
# With fitted states nearly all combinations are determined: the rank is not low.
MOST_STATES = 2048
# Derivatives with respect to so many parameters, or of so many residuals.
_MOST_DERIVATIVES = 512
# Of 4096 values of a conductivity some 75 are determined better than by their penalty.
_MOST_RANK = 64
# Eigenvalues of a curvature scaled to a diagonal of 1, for steps of Newton: along what
# is determined worse, float32's gradient is rounding.
_STEADY = 1e-4
# Fewer say little of how the gradient scatters.
_LEAST_GROUPS = 8


class Setup(NamedTuple):
    """A fit whose uncertainty is asked for.

    Attributes:
        fit: Its loss.
        shape: `(W, n, C)` of the residuals.
        labels: Groups of residuals, `(W, n)`.
        counts: Numbers of residuals.
        scales: Of squared errors, see `noise.make_noise`.
        whole: The loss of whole records.
        is_overlapping: Whether windows start from observed states.
        make_noise: Maps sums of squares and degrees of freedom to the noise.
        measured_variances: Maps inputs and the noise to the variances of the measured
            arrays, where windows overlap.
    """

    fit: LeastSquares
    shape: tuple[int, ...]
    labels: np.ndarray
    counts: Counts
    scales: tuple[np.ndarray, np.ndarray]
    whole: LeastSquares
    is_overlapping: bool
    make_noise: Callable[[np.ndarray, float], Noise]
    measured_variances: Callable[[Inputs, Noise], Array]


class Solution(NamedTuple):
    """What the data leave of the parameters.

    Attributes:
        noise: Of the data.
        degrees: How many parameters the data determine.
        plain: The posterior of a right model with independent noise.
        robust: That from the scatter of the gradient's groups; None with too few.
        excess: By how much the scatter exceeds what the noise explains.
        scale: By how much rougher coefficients are than their penalty's weight says.
        data: Curvature of the data's share in the loss, `(p, p)`, if it is there.
        is_complete: Whether all is in it that the data determine.
        inverse: Maps a gradient of the loss `(p,)` to its inverse curvature times it.
    """

    noise: Noise
    degrees: float
    plain: Posterior
    robust: Posterior | None
    excess: float
    scale: float
    data: np.ndarray | None
    is_complete: bool
    inverse: Callable[[np.ndarray], np.ndarray]


def is_dense(shape: tuple[int, ...], size: int) -> bool:
    """Whether the covariance of p parameters is computed as a matrix."""
    return size <= MOST_DENSE and min(size, math.prod(shape)) <= _MOST_DERIVATIVES


def solve(
    setup: Setup, programs: curvature.Curvature, x: Array, inputs: Inputs
) -> Solution:
    """Computes the posterior at fitted parameters `(p,)`."""
    has_states = setup.fit.with_jumps is not None
    make = _dense if has_states or is_dense(setup.shape, x.size) else _low_rank
    return make(setup, programs, x, inputs)


def _dense(setup, programs, x, inputs) -> Solution:
    prior = np.zeros((x.size, x.size))
    if setup.fit.roughness is not None:
        apply = functools.partial(programs.prior, x, inputs)
        for rows, block in curvature.assemble(apply, x.size):
            prior[rows] = block
        prior = (prior + prior.T) / 2
    parts = covariance.collect(programs, x, inputs, setup.labels, prior)
    factors = covariance.factorise(parts.whole)
    inner = factors.inverse()
    degrees = covariance.degrees_of_freedom(parts, inner)
    # Without overlaps the residuals are those of whole records.
    sums = _sums(programs, x, inputs) if setup.is_overlapping else parts.sums
    found = setup.make_noise(sums, degrees)
    scatter = parts.data
    if setup.is_overlapping:
        scatter = _scatter(setup, programs, x, inputs, found, np.eye(x.size))
    elif _differ(found):
        scatter = covariance.weighted(parts, found.relative)
    scale = 1.0
    if setup.fit.roughness is not None:
        penalty = float(programs.penalty(x, inputs)) / found.unit
        scale = covariance.prior_scale(parts, inner, penalty, scatter)
    plain = covariance.covariance(parts, factors, found.unit, scatter, scale)
    robust, excess = None, 1.0
    if len(parts.scores) >= _LEAST_GROUPS:
        empirical = covariance.empirical(parts.scores, found.unit)
        excess = float(np.sum(inner * empirical) / np.sum(inner * scatter))
        robust_scale = scale
        if setup.fit.roughness is not None:
            robust_scale = covariance.prior_scale(parts, inner, penalty, empirical)
        robust = covariance.dense_posterior(
            covariance.covariance(parts, factors, found.unit, empirical, robust_scale)
        )
    posterior = covariance.dense_posterior(plain)
    return Solution(
        *(found, degrees, posterior, robust, excess, scale, parts.data, True),
        inverse=functools.partial(np.matmul, factors.inverse(_STEADY)),
    )


def _low_rank(setup, programs, x, inputs) -> Solution:
    rng = np.random.default_rng(0)

    def products(directions, variance):
        return programs.products(
            x, inputs, jnp.asarray(directions, jnp.float32), variance
        )

    def apply(directions):
        return np.asarray(products(directions, ones), np.float64)

    ones = jnp.ones(setup.shape[-1])
    probe = rng.choice([-1.0, 1.0], (low_rank.BLOCK, x.size))
    images = apply(probe)
    diagonal = np.abs(np.mean(probe * images, axis=0)).mean()
    diagonal = np.full(x.size, max(diagonal, np.finfo(np.float32).tiny))
    prior = low_rank.factorise(
        curvature.assemble(_prior_of(setup, programs, x, inputs), x.size), diagonal
    )
    eigen = low_rank.eigen(apply, prior, images, _MOST_RANK)
    vectors = eigen.vectors
    degrees = float(np.sum(eigen.values / (1 + eigen.values)))
    found = setup.make_noise(_sums(programs, x, inputs), degrees)
    scatter = np.diag(eigen.values)
    if setup.is_overlapping:
        scatter = _scatter(setup, programs, x, inputs, found, vectors)
    elif _differ(found):
        relative = jnp.asarray(found.relative, jnp.float32)
        scatter = _along(lambda v: products(v, relative), vectors)
    scale = 1.0
    if setup.fit.roughness is not None:
        penalty = float(programs.penalty(x, inputs)) / found.unit
        scale = low_rank.prior_scale(prior, eigen, penalty, scatter)
    plain = low_rank.posterior(prior, eigen, scatter, scale, found.unit)
    robust, excess, count = None, 1.0, int(setup.labels.max()) + 1
    if count >= _LEAST_GROUPS:
        scores = programs.scores(x, inputs, setup.labels, num_labels=count)
        scores = np.asarray(scores, np.float64) @ vectors
        empirical = covariance.empirical(scores, found.unit)
        shrunk = 1 / (1 + eigen.values)
        excess = float(shrunk @ np.diag(empirical) / (shrunk @ np.diag(scatter)))
        robust_scale = scale
        if setup.fit.roughness is not None:
            robust_scale = low_rank.prior_scale(prior, eigen, penalty, empirical)
        robust = low_rank.posterior(prior, eigen, empirical, robust_scale, found.unit)
    return Solution(
        *(found, degrees, plain, robust, excess, scale, None, eigen.is_complete),
        inverse=functools.partial(low_rank.inverse, prior, eigen),
    )


def _sums(programs, x, inputs) -> np.ndarray:
    return np.asarray(programs.sums(x, inputs), np.float64)


def _prior_of(setup, programs, x, inputs):
    """Applies the curvature of the penalty, which may be none."""
    if setup.fit.roughness is None:
        return np.zeros_like
    return functools.partial(programs.prior, x, inputs)


def _scatter(setup, programs, x, inputs, found, vectors) -> np.ndarray:
    """`Vᵀ B V` where noise is in starts and targets, of vectors `(p, k)`."""
    deviation = jnp.sqrt(setup.measured_variances(inputs, found))
    is_noisy = np.asarray(deviation > 0)
    rows = _batched(
        lambda v: np.asarray(programs.gradient_noise(x, inputs, v, deviation))[
            :, is_noisy
        ],
        vectors,
    )
    return rows @ rows.T / found.unit


def _along(apply, vectors) -> np.ndarray:
    """`Vᵀ B V` of an operator and vectors `(p, k)`."""
    result = _batched(apply, vectors) @ vectors
    return (result + result.T) / 2


def _batched(apply, vectors) -> np.ndarray:
    """Applies a program of some directions at a time to vectors `(p, k)`."""
    rows, count = np.asarray(vectors.T, np.float32), vectors.shape[1]
    width = low_rank.BLOCK
    padded = np.zeros((-(-count // width) * width, rows.shape[1]), np.float32)
    padded[:count] = rows
    firsts = range(0, len(padded), width)
    images = [np.asarray(apply(padded[i : i + width])) for i in firsts]
    return np.concatenate(images)[:count].astype(np.float64)


def _differ(found: Noise) -> bool:
    """Whether channels have other variances than the loss takes them for."""
    used = found.squares > 0
    return not np.allclose(found.relative[used], 1.0, rtol=1e-6)


def make_setup(fit: LeastSquares, real: Any, problem: Problem, data) -> Setup:
    """Prepares what the solution needs.

    Args:
        fit: The loss.
        real: The real data.
        problem: The physical system.
        data: The observations.
    """
    shape = jax.eval_shape(lambda real: fit.part(real).take(jnp.arange(1)), real)
    own = noise.make_facts(fit, real)
    overlaps = bool((own.starts > 0).any())
    whole = noise.whole_records(fit) if overlaps else fit
    of_whole = noise.make_facts(whole, real) if overlaps else own
    counts = Counts(own.counts, of_whole.counts)
    scales = own.scale, of_whole.scale
    known = noise.known_variances(problem, data)
    averaged = noise.averaged_entries(problem)
    return Setup(
        fit,
        (len(own.sims), math.prod(shape.targets.shape[1:-1]), shape.targets.shape[-1]),
        noise.groups(own),
        counts,
        scales,
        whole,
        overlaps,
        lambda sums, degrees: noise.make_noise(
            sums, counts, degrees, scales, known, averaged
        ),
        lambda inputs, found: noise.measured_variances(inputs, found, problem),
    )
