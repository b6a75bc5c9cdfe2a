"""The covariance of fitted parameters, dense: for numbers and expansions.

The loss over its `unit` is minus a log-likelihood. With the curvature A of all its
residuals, P of its penalty, and B the covariance of its gradient under the noise over
the unit, the covariance of the parameters is

    unit H⁻¹ (B + s P) H⁻¹,    H = A + P.

Where every reading counts once, B is A; with s = 1 what is left is `unit H⁻¹`: the
textbook's, and with a penalty the posterior's. Else, as where windows overlap or the
model is wrong, this is the covariance of an M-estimator (P. J. Huber, 1967; H. White,
1982). The weight of a penalty is chosen, and rarely what is known of the coefficient.
Its share is therefore multiplied by s, which says by how much rougher the coefficient
is than the weight takes it for, as far as the data show it: the bias of smoothing.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hyco_jax.types import Array
from hyco_jax.uncertainty.curvature import Curvature
from hyco_jax.uncertainty.residuals import Inputs

# Eigenvalues of a scaled curvature below it are float32's rounding of residuals.
FLOOR = 1e-11


class Parts(NamedTuple):
    """What a covariance is made of, in units of the loss, float64.

    Attributes:
        by_channel: Of A what each channel of the data adds to it, `(C, p, p)`.
        jumps: What residuals without noise add to it, `(p, p)`.
        prior: P, `(p, p)`.
        scores: Gradients of the data's share from each group of residuals, `(G, p)`.
        sums: Of squares of each channel's residuals, `(C,)`.
    """

    by_channel: np.ndarray
    jumps: np.ndarray
    prior: np.ndarray
    scores: np.ndarray
    sums: np.ndarray

    @property
    def data(self) -> np.ndarray:
        """The data's share in A, `(p, p)`."""
        return self.by_channel.sum(axis=0)

    @property
    def whole(self) -> np.ndarray:
        """H, shape `(p, p)`."""
        return self.data + self.jumps + self.prior


class Posterior(NamedTuple):
    """What the data and the prior leave of the parameters.

    Attributes:
        of: Maps directions `(k, p)` to the covariance along them, `(k, k)`.
        draw: Maps a generator and a number to deviations from the fit, `(number, p)`.
    """

    of: Callable[[np.ndarray], np.ndarray]
    draw: Callable[[np.random.Generator, int], np.ndarray]


def collect(
    curvature: Curvature,
    x: Array,
    inputs: Inputs,
    labels: np.ndarray,
    prior: np.ndarray,
) -> Parts:
    """Computes the derivatives of all residuals, some samples at a time.

    Args:
        curvature: The programs.
        x: The fitted parameters.
        inputs: Data and constants.
        labels: The group of each residual, 0 to G - 1, shape `(W, n)`.
        prior: P, `(p, p)`.
    """
    count, per_sample = labels.shape
    by_channel = scores = sums = 0
    jumps = np.zeros((x.size, x.size))
    for first in range(0, count, curvature.num_samples):
        index = np.arange(first, first + curvature.num_samples)
        values, rows, _, jump_rows = curvature.jacobian(x, inputs, index)
        rows = np.asarray(rows, np.float64).reshape(len(index), per_sample, -1, x.size)
        values = np.asarray(values, np.float64).reshape(rows.shape[:-1])
        sums = sums + np.sum(values**2, axis=(0, 1))
        # In float64: of products in float32 the small eigenvalues would be rounding.
        jump_rows = np.asarray(jump_rows, np.float64)
        jumps += 2 * jump_rows.T @ jump_rows
        each = [rows[:, :, c].reshape(-1, x.size) for c in range(rows.shape[2])]
        by_channel = by_channel + 2 * np.stack([r.T @ r for r in each])
        pulls = 2 * np.einsum("bncp,bnc->bnp", rows, values).reshape(-1, x.size)
        group = labels[np.minimum(index, count - 1)].ravel()
        one_hot = group == np.arange(labels.max() + 1)[:, None]
        scores = scores + one_hot.astype(np.float64) @ pulls
    return Parts(by_channel, jumps, prior, scores, sums)


class Factors(NamedTuple):
    """A symmetric matrix, scaled to a diagonal of 1.

    Attributes:
        scale: The root of its diagonal, `(p,)`, 1 where that is 0.
        values: Eigenvalues of the scaled matrix, `(p,)`, rising.
        vectors: Eigenvectors, `(p, p)`, in columns.
    """

    scale: np.ndarray
    values: np.ndarray
    vectors: np.ndarray

    def inverse(self, floor: float = FLOOR) -> np.ndarray:
        """Of the matrix, with scaled eigenvalues of rounding at least, or a floor."""
        vectors = self.vectors / self.scale[:, None]
        return (vectors / np.maximum(self.values, floor)) @ vectors.T


def factorise(matrix: np.ndarray) -> Factors:
    """Eigenvalues of a matrix that is scaled to a diagonal of 1, and the scale.

    Raises:
        LinAlgError: If the matrix is not finite.
    """
    diagonal = np.diag(matrix)
    if not np.isfinite(matrix).all():
        raise np.linalg.LinAlgError("it is not finite")
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    return Factors(scale, *np.linalg.eigh(matrix / np.outer(scale, scale)))


def degrees_of_freedom(parts: Parts, inner: np.ndarray) -> float:
    """How many parameters the data determine; `inner` is H⁻¹."""
    return float(np.sum(inner * parts.data))


def prior_scale(
    parts: Parts, inner: np.ndarray, penalty: float, scatter: np.ndarray
) -> float:
    """Estimates s, see above, from how rough the fitted coefficients are.

    If they are drawn from the prior of the penalty's weight over s, the expected
    penalty of the fit is linear in s.

    Args:
        parts: Of the loss.
        inner: H⁻¹.
        penalty: At the fit, over the unit of the loss.
        scatter: B, `(p, p)`.

    Returns:
        1 at least: a penalty is taken for what is known of the coefficient, unless the
        data show that it is not.
    """
    shrunk = inner @ parts.prior
    values = np.linalg.eigvalsh(parts.prior)
    rank = np.count_nonzero(values > 1e-7 * values[-1])
    of_noise = np.sum((inner @ scatter) * shrunk.T)
    of_prior = rank - 2 * np.trace(shrunk) + np.sum(shrunk * shrunk.T)
    return scale_of_prior(penalty, of_noise, of_prior)


def scale_of_prior(penalty: float, of_noise: float, of_prior: float) -> float:
    """From the penalty over the unit and what noise and prior make of twice it."""
    # Without a direction that both know of nothing can be said.
    if of_prior <= 0.5:
        return 1.0
    return float(max(1.0, (2 * penalty - of_noise) / of_prior))


def covariance(
    parts: Parts,
    factors: Factors,
    unit: float,
    scatter: np.ndarray,
    scale: float = 1.0,
) -> np.ndarray:
    """Computes the covariance of the parameters.

    Args:
        parts: Of the loss.
        factors: Of H.
        unit: See above.
        scatter: B, `(p, p)`.
        scale: See above.

    Returns:
        Shape `(p, p)`; along what nothing determines very large, but finite.
    """
    # Along what nothing determines the difference is nothing but rounding.
    is_kept = factors.values > 1e3 * FLOOR
    values = factors.values[is_kept]
    kept = factors.vectors[:, is_kept] / factors.scale[:, None]
    more = scatter - parts.data - parts.jumps + (scale - 1) * parts.prior
    middle = kept.T @ more @ kept / np.outer(values, values)
    return unit * (factors.inverse() + kept @ middle @ kept.T)


def weighted(parts: Parts, variance: np.ndarray) -> np.ndarray:
    """B, where channels have other variances than the loss takes them for.

    Args:
        parts: Of the loss.
        variance: Of each channel's residuals, over the mean of all, `(C,)`.
    """
    return np.tensordot(variance, parts.by_channel, axes=1)


def empirical(scores: np.ndarray, unit: float) -> np.ndarray:
    """B from the scatter of the gradients of groups of residuals.

    Args:
        scores: Shape `(G, ...)`, of groups that are independent of each other.
        unit: See above.
    """
    count = len(scores)
    centred = scores - scores.mean(axis=0)
    return centred.T @ centred * (count / (count - 1)) / unit


def dense_posterior(covariance: np.ndarray) -> Posterior:
    """The posterior of a covariance `(p, p)`."""

    def draw(rng, number):
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0))
        return rng.standard_normal((number, len(root))) @ root.T

    return Posterior(lambda rows: rows @ covariance @ rows.T, draw)
