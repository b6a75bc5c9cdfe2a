"""The covariance of fields: what the data add to their prior is of low rank.

With the curvature A of all residuals and M of the prior, the eigenvectors W of
`A w = λ M w` (`Wᵀ M W = I`) of all λ that matter give the covariance of the parameters

    unit (s (M⁻¹ - W Wᵀ) + W S Wᵀ),    S = (I + Λ)⁻¹ (Wᵀ B W + s I) (I + Λ)⁻¹,

with s and B as in `covariance`. Where s = 1 and B = A this is the posterior of
T. Bui-Thanh et al., SIAM J. Sci. Comput. 35, A2494 (2013). A is only applied to some
vectors at a time: a block Lanczos process, with all of its basis kept orthogonal.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse
from scipy.sparse import linalg

from hyco_jax.uncertainty.covariance import Posterior, scale_of_prior

# Of a prior's mean diagonal, added to it: a prior says nothing of a constant, say.
_RIDGE = 1e-6
# Directions to which A is applied at once. With fewer, the same number of products
# makes more powers of A, and eigenvalues are closer, but each product takes longer.
BLOCK = 16
# Where eigenvalues are small against the prior's 1, data change nothing.
_NEGLIGIBLE = 0.1


class Prior(NamedTuple):
    """A sparse prior that is factorised.

    Attributes:
        matrix: M, `(p, p)`.
        solve: Maps `(p, k)` to `M⁻¹` times it.
        root: F with `F Fᵀ = M`, sparse, `(p, p)`.
        ridge: What of its diagonal is not the penalty's, `(p,)`.
    """

    matrix: scipy.sparse.csc_matrix
    solve: Callable[[np.ndarray], np.ndarray]
    root: scipy.sparse.csc_matrix
    ridge: np.ndarray


class Eigen(NamedTuple):
    """The largest eigenvalues of data against prior.

    Attributes:
        values: Λ, shape `(r,)`, falling.
        vectors: W, shape `(p, r)`.
        is_complete: Whether all that matter are among them.
    """

    values: np.ndarray
    vectors: np.ndarray
    is_complete: bool


def factorise(rows: list[tuple[slice, np.ndarray]], diagonal: np.ndarray) -> Prior:
    """Makes a prior of the rows of its curvature.

    Args:
        rows: From `curvature.assemble`, mostly zeros.
        diagonal: Where the curvature has no diagonal, what takes its place in the
            ridge, shape `(p,)`.
    """
    sparse = [scipy.sparse.csc_matrix(block) for _, block in rows]
    matrix = scipy.sparse.vstack(sparse, format="csc")
    matrix = (matrix + matrix.T) / 2
    own = matrix.diagonal()
    ridge = _RIDGE * np.where(own > 0, own, diagonal)
    matrix = (matrix + scipy.sparse.diags(ridge)).tocsc()
    # Without pivoting, so that the factors are those of Cholesky.
    lu = linalg.splu(
        matrix,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    pivots = np.maximum(lu.U.diagonal(), np.finfo(float).tiny)
    root = lu.L @ scipy.sparse.diags(np.sqrt(pivots))
    return Prior(matrix, lu.solve, root.tocsc()[lu.perm_r], ridge)


def eigen(
    apply: Callable[[np.ndarray], np.ndarray],
    prior: Prior,
    start: np.ndarray,
    most: int,
) -> Eigen:
    """Finds the eigenvectors of A against M that matter.

    Args:
        apply: Maps directions `(BLOCK, p)` to A times each.
        prior: M.
        start: A times some random directions, `(BLOCK, p)`.
        most: How many at most.

    Raises:
        LinAlgError: If A is not finite.
    """
    size = prior.matrix.shape[0]
    basis, images = np.zeros((size, 0)), np.zeros((size, 0))
    if not np.isfinite(start).all():
        raise np.linalg.LinAlgError("it is not finite")
    block = _orthonormal(prior.solve(start.T), basis, prior, 0.0)
    while basis.shape[1] < most and block.shape[1]:
        padded = np.zeros((BLOCK, size))
        padded[: block.shape[1]] = block.T
        image = apply(padded).T[:, : block.shape[1]]
        basis, images = np.hstack([basis, block]), np.hstack([images, image])
        block = _orthonormal(prior.solve(image), basis, prior, _NEGLIGIBLE)
    is_complete = block.shape[1] == 0
    small = basis.T @ images
    values, vectors = np.linalg.eigh((small + small.T) / 2)
    order = np.argsort(values)[::-1]
    values, vectors = np.maximum(values[order], 0), vectors[:, order]
    return Eigen(values, basis @ vectors, is_complete)


def _orthonormal(block, basis, prior, least):
    """Makes a block orthonormal for M, drops what of it is below `least`."""
    block = block - basis @ (basis.T @ (prior.matrix @ block))
    block = block - basis @ (basis.T @ (prior.matrix @ block))
    values, vectors = np.linalg.eigh(block.T @ (prior.matrix @ block))
    kept = values > max(least**2, 1e-12 * values[-1])
    block = block @ (vectors[:, kept] / np.sqrt(values[kept]))
    if not kept.any():
        return block
    # Once more: what was small has lost digits.
    block = block - basis @ (basis.T @ (prior.matrix @ block))
    values, vectors = np.linalg.eigh(block.T @ (prior.matrix @ block))
    return block @ (vectors / np.sqrt(values)) @ vectors.T


def prior_scale(
    prior: Prior, found: Eigen, penalty: float, scatter: np.ndarray
) -> float:
    """As `covariance.prior_scale`; the scatter is `Wᵀ B W`, `(r, r)`."""
    shrunk = 1 / (1 + found.values)
    # Of a constant, say, the penalty knows nothing.
    known = np.clip(1 - prior.ridge @ found.vectors**2, 0, 1)
    of_noise = float(np.sum(known * shrunk**2 * np.diag(scatter)))
    of_prior = float(np.sum(known * (1 - shrunk) ** 2))
    return scale_of_prior(penalty, of_noise, of_prior)


def inverse(prior: Prior, found: Eigen, vector: np.ndarray) -> np.ndarray:
    """Applies the inverse of A + M to a vector `(p,)`, or somewhat less.

    What is not among the eigenvectors counts as determined like the last of them: its
    share is too small, hence safe as a step of Newton.
    """
    along = found.vectors.T @ vector
    rest = prior.solve(vector) - found.vectors @ along
    least = 0.0 if found.is_complete else found.values[-1]
    return found.vectors @ (along / (1 + found.values)) + rest / (1 + least)


def posterior(
    prior: Prior, found: Eigen, scatter: np.ndarray, scale: float, unit: float
) -> Posterior:
    """Makes the posterior, see above; without all that matters a little too wide.

    Args:
        prior: M.
        found: Eigenvalues and eigenvectors.
        scatter: `Wᵀ B W`, `(r, r)`.
        scale: s.
        unit: Of the loss.
    """
    shrunk = 1 / (1 + found.values)
    middle = shrunk[:, None] * (scatter + scale * np.eye(len(shrunk))) * shrunk
    values, vectors = np.linalg.eigh(middle)
    root = vectors * np.sqrt(np.maximum(values, 0))

    def of(rows):
        along = rows @ found.vectors
        change = middle - scale * np.eye(len(middle))
        from_prior = scale * rows @ prior.solve(rows.T)
        return unit * (from_prior + along @ change @ along.T)

    def draw(rng, number):
        size, rank = found.vectors.shape
        noise = prior.root @ rng.standard_normal((size, number))
        from_prior = prior.solve(noise)
        # What the data determine is taken out of the prior's draw, and drawn anew.
        from_prior -= found.vectors @ (found.vectors.T @ noise)
        own = found.vectors @ (root @ rng.standard_normal((rank, number)))
        return np.sqrt(unit) * (np.sqrt(scale) * from_prior + own).T

    return Posterior(of, draw)
