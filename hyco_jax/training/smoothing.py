"""The weight of a smoothness penalty, adapted to what the data can tell.

Read as a prior, a penalty w R(c) says how large R of a coefficient c is expected to be.
The evidence, the likelihood of the data whatever c is, is largest where R has just that
size (D. J. C. MacKay: Bayesian interpolation, Neural Computation 4, 1992, eq. 4.8):

    w R(c) = γ σ² / n ,

where n is the number of observations, σ² the variance of their noise in units of the
loss, and γ the number of parameters of c that the data, and not the prior, determine:
the trace of (H + w R'')⁻¹ H with the Gauss-Newton Hessian H of the real data's loss,
less those on which R has no say, such as the mean. If nobody stated σ, it is estimated
by the misfit, n/(n - γ) times the loss. Each call makes one step of this fixed-point
iteration.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from hyco_jax.types import Array, Params

# Random directions by which the trace is estimated (M. F. Hutchinson, 1990), and
# iterations of conjugate gradients for each: the modes that count come first.
_PROBES = 4
_ITERATIONS = 30
# Of one call: far from the fixed point γ belongs to another fit.
_LARGEST_STEP = 10.0


class Term(NamedTuple):
    """The penalty of a coefficient.

    Attributes:
        penalty: Without its weight, a function of the coordinates.
        degree: 2 for squares, 1 for absolute values.
        num_free: Directions on which it has no say.
    """

    penalty: Callable[[Params], Array]
    degree: int
    num_free: int


class Problem(NamedTuple):
    """A fit as functions of its parameters.

    Attributes:
        residuals: Maps the parameters to an array whose sum of squares is the loss of
            the real data.
        prior: Maps parameters and weights to all other terms that are convex in what
            `coordinates` gives, a function of that.
        coordinates: What penalties are convex functions of.
        terms: Of each coefficient with an adapted weight.
        num_observations: Number n.
        variance: σ² in units of the loss, if it is known.
    """

    residuals: Callable[[Params], Array]
    prior: Callable[[Params, Mapping[str, Array]], Array]
    coordinates: Callable[[Params], Params]
    terms: Mapping[str, Term]
    num_observations: int
    variance: float | None = None


def adapt(
    weights: Mapping[str, Array], params: Params, problem: Problem, key: Array
) -> dict[str, Array]:
    """Makes one step towards the weights of largest evidence.

    Args:
        weights: Of all penalties, by coefficient; those without a term stay.
        params: Fitted parameters.
        problem: The fit.
        key: PRNG key of the random directions.

    Returns:
        The weights; one whose penalty is 0 stays as it is.
    """
    misfit, determined = _determined(weights, params, problem, key)
    count = problem.num_observations
    total = sum(jax.tree.leaves(determined))
    variance = problem.variance
    if variance is None:
        # A fit that has as many parameters as data says nothing of their noise.
        variance = misfit * count / (count - jnp.minimum(total, 0.9 * count))
    at, result = problem.coordinates(params), dict(weights)
    for name, term in problem.terms.items():
        # The mean of |x|^q / q under the prior exp(-|x|^q / q) is 1/q.
        share = 2 / term.degree * (determined[name] - term.num_free)
        wanted = share * variance / count
        size = term.penalty(at)
        factor = jnp.clip(
            wanted / (weights[name] * size), 1 / _LARGEST_STEP, _LARGEST_STEP
        )
        # A prior that leaves the data no say is too strong to tell anything.
        factor = jnp.where(share > 0, factor, 1 / _LARGEST_STEP)
        sound = jnp.isfinite(factor) & (size > 0)
        result[name] = jnp.where(sound, factor, 1.0) * weights[name]
    return result


def _determined(weights, params, problem, key):
    """The misfit, and how many parameters of each name the data determine."""
    residuals, pull = jax.vjp(problem.residuals, params)
    # Solvers have written-out transposes, which JAX can't differentiate forward; the
    # transpose is linear, and its own transpose is the derivative.
    _, push = jax.vjp(lambda change: pull(change)[0], jnp.zeros_like(residuals))
    at, bend = jax.linearize(problem.coordinates, params)
    unbend = jax.linear_transpose(bend, params)
    slope = jax.grad(lambda c: problem.prior(c, weights))

    def curvature(direction):
        along = bend(direction)
        return unbend(jax.jvp(slope, (at,), (along,))[1])[0]

    def hessian(direction):
        data = pull(push(direction)[0])[0]
        return jax.tree.map(lambda d, p: 2 * d + p, data, curvature(direction))

    def probe(key):
        noise = jax.random.normal(key, residuals.shape, residuals.dtype)
        b = jax.tree.map(lambda x: jnp.sqrt(2.0) * x, pull(noise)[0])
        s, _ = jax.scipy.sparse.linalg.cg(hessian, b, tol=1e-3, maxiter=_ITERATIONS)
        return {
            name: sum(
                jnp.vdot(x, y)
                for x, y in zip(
                    jax.tree.leaves(s[name]), jax.tree.leaves(b[name]), strict=True
                )
            )
            for name in params
        }

    found = jax.lax.map(probe, jax.random.split(key, _PROBES))
    return jnp.sum(residuals**2), jax.tree.map(jnp.mean, found)
