"""The weight of a smoothness penalty, adapted to what the data can tell.

A larger weight w of a penalty R(c) moves the minimum of the loss and raises the misfit
L; a smaller one lets more parameters, γ, follow the noise. The error of predictions at
the observed places is estimated without knowing c by

    L / (1 - γ/n)²       generalised cross-validation, or where somebody stated σ
    L + 2 σ² γ/n         Mallows' C_p, the unbiased estimate of the predictive risk

(P. Craven, G. Wahba: Smoothing noisy data with spline functions, Numer. Math. 31, 1978;
C. L. Mallows, Technometrics 15, 1973), with n the number of observations, σ² the
variance of their noise in units of the loss, and γ the trace of (H + w R'')⁻¹ H, H the
Gauss-Newton Hessian of the real data's loss. Both are least where

    dL/d(log w) = -2 s dγ/d(log w) / n,    s = L n/(n - γ) or σ².

Each call computes both sides at the present fit, linearised, and makes one step of a
fixed-point iteration by the square root of their ratio: no other fit is needed.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from hyco_jax.training.forward import linearise
from hyco_jax.types import Array, Params

# Random directions by which traces are estimated (M. F. Hutchinson, 1990), and
# iterations of conjugate gradients for each: the modes that count come first. An
# iteration costs about three gradients, and the minimum over weights is flat.
_PROBES = 2
_ITERATIONS = 20
# Of one call: far from the fixed point both sides belong to another fit.
_LARGEST_STEP = 10.0


class Problem(NamedTuple):
    """A fit as functions of its parameters.

    Attributes:
        residuals: Maps the parameters to an array whose sum of squares is the loss of
            the real data.
        coordinates: Maps the parameters to what penalties are convex functions of.
        prior: Maps coordinates and weights to the sum of all penalties; that of a
            coefficient depends on its own parameters alone.
        adapts: Names of coefficients whose weight adapts.
        num_observations: Number n.
        variance: σ² in units of the loss, if it is known.
    """

    residuals: Callable[[Params], Array]
    coordinates: Callable[[Params], Params]
    prior: Callable[[Params, Mapping[str, Array]], Array]
    adapts: tuple[str, ...]
    num_observations: int
    variance: float | None = None


class Sides(NamedTuple):
    """What a weight does, by coefficient.

    Attributes:
        misfit: L, ().
        determined: γ, ().
        bias: Of each name dL/d(log w).
        fewer: Of each name -dγ/d(log w).
    """

    misfit: Array
    determined: Array
    bias: Mapping[str, Array]
    fewer: Mapping[str, Array]


def adapt(
    weights: Mapping[str, Array], params: Params, problem: Problem, key: Array
) -> dict[str, Array]:
    """Makes one step towards the weights of the least predictive error.

    Args:
        weights: Of all penalties, by coefficient; those that don't adapt stay.
        params: Fitted parameters.
        problem: The fit.
        key: PRNG key of the random directions.

    Returns:
        The weights; one of which nothing can be said, as where the penalty is 0, stays.
    """
    found = compute_sides(weights, params, problem, key)
    count, result = problem.num_observations, dict(weights)
    noise = problem.variance
    if noise is None:
        # A fit that has as many parameters as data says nothing of their noise.
        free = count - jnp.minimum(found.determined, 0.9 * count)
        noise = found.misfit * count / free
    for name in problem.adapts:
        wanted = 2 * noise * found.fewer[name] / count
        factor = jnp.sqrt(wanted / found.bias[name])
        factor = jnp.clip(factor, 1 / _LARGEST_STEP, _LARGEST_STEP)
        sound = jnp.isfinite(factor) & (found.bias[name] > 0)
        result[name] = jnp.where(sound, factor, 1.0) * weights[name]
    return result


def compute_sides(
    weights: Mapping[str, Array], params: Params, problem: Problem, key: Array
) -> Sides:
    """Computes what the weights do at a fit, linearised; see `adapt`."""
    x, unravel = ravel_pytree(params)
    residuals, forward, backward = linearise(lambda x: problem.residuals(unravel(x)), x)
    at, bend = jax.linearize(problem.coordinates, params)
    unbend = jax.linear_transpose(bend, params)
    slope = jax.grad(lambda values: problem.prior(values, weights))

    def curvature(direction):
        return unbend(jax.jvp(slope, (at,), (bend(direction),))[1])[0]

    def hessian(direction):
        data = unravel(backward(forward(ravel_pytree(direction)[0])))
        return jax.tree.map(lambda d, p: 2 * d + p, data, curvature(direction))

    def solve(b):
        return jax.scipy.sparse.linalg.cg(hessian, b, tol=1e-3, maxiter=_ITERATIONS)[0]

    def probe(key):
        noise = jax.random.normal(key, residuals.shape, residuals.dtype)
        b = jax.tree.map(lambda x: jnp.sqrt(2.0) * x, unravel(backward(noise)))
        moved = solve(b)
        return _dot(moved, b), _by_name(problem, moved, curvature(moved))

    determined, fewer = jax.lax.map(probe, jax.random.split(key, _PROBES))
    pulls = unbend(slope(at))[0]
    return Sides(
        jnp.sum(residuals**2),
        determined.mean(),
        _by_name(problem, pulls, solve(pulls)),
        jax.tree.map(jnp.mean, fewer),
    )


def _by_name(problem, one, other):
    return {name: _dot(one[name], other[name]) for name in problem.adapts}


def _dot(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return sum(jnp.vdot(x, y) for x, y in pairs)
