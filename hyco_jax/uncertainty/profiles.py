"""Profile likelihoods of numbers: the others are fitted anew at each value of one."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.calls import compiler_options
from hyco_jax.training import lbfgs
from hyco_jax.types import Array
from hyco_jax.uncertainty.residuals import Inputs, LeastSquares

# Of a χ² of one degree of freedom.
_HEIGHT = 3.841
_POINTS, _REACH, _ITERATIONS = 15, 3.0, 40


class Profile(NamedTuple):
    """The likelihood along one number.

    Attributes:
        values: Of the number, rising, shape `(15,)`.
        deviance: Minus twice the log-likelihood, above its least.
        interval: Of 95 %: where the deviance is below 3.84; infinite at an end that
            lies beyond all values.
    """

    values: np.ndarray
    deviance: np.ndarray
    interval: tuple[float, float]


def make_profile(
    fit: LeastSquares,
) -> Callable[[Array, Inputs, Array, Array], tuple[Array, Array]]:
    """Makes the jitted fits along one parameter.

    Args:
        fit: The loss.

    Returns:
        A function of the fitted parameters `(p,)`, the inputs, which parameter it is,
        a mask `(p,)`, and its values `(15,)`: all parameters `(15, p)` and the losses
        there. Fits go from the middle to both ends in one batch, each from a first
        guess that the caller shifts along with the number.
    """
    tx = lbfgs.make_optimizer()

    def refit(starts, inputs, is_fixed):
        def one(start):
            def loss(x):
                return fit.loss(jnp.where(is_fixed, start, x), inputs)

            return lbfgs.minimize(
                loss,
                start,
                tx.init(start),
                tx,
                num_iterations=_ITERATIONS,
                abs_tol=0.0,
                carry_memory=False,
            )

        found = jax.vmap(one)(starts)
        return found.params, found.losses[:, -1]

    return jax.jit(refit, compiler_options=compiler_options())


def starts(x: np.ndarray, index: int, covariance: np.ndarray) -> np.ndarray:
    """Parameters along one of them, the others where a parabola has them.

    Args:
        x: The fitted parameters `(p,)`.
        index: Which one.
        covariance: Of all parameters with that one, `(p,)`.

    Returns:
        Shape `(15, p)`, three standard errors to both sides.
    """
    std = np.sqrt(max(covariance[index], np.finfo(np.float32).tiny))
    steps = np.linspace(-_REACH, _REACH, _POINTS)[:, None] * std
    return x + steps * covariance / covariance[index]


def make(values: np.ndarray, losses: np.ndarray, unit: float) -> Profile:
    """Makes a profile of losses at values.

    Args:
        values: Of the number, `(15,)`.
        losses: Likewise.
        unit: Of the loss, see `covariance`.
    """
    order = np.argsort(values)
    values, losses = values[order], np.asarray(losses, np.float64)[order]
    deviance = 2 * (losses - losses.min()) / unit
    best = int(np.argmin(deviance))
    low = _crossing(values[best::-1], deviance[best::-1], -np.inf)
    high = _crossing(values[best:], deviance[best:], np.inf)
    return Profile(values, deviance, (low, high))


def _crossing(values, deviance, none) -> float:
    above = np.flatnonzero(deviance > _HEIGHT)
    if not above.size:
        return none
    last = above[0]
    # The root of the deviance is nearly linear.
    roots = np.sqrt(deviance[last - 1 : last + 1])
    share = (np.sqrt(_HEIGHT) - roots[0]) / (roots[1] - roots[0])
    return float(values[last - 1] + share * (values[last] - values[last - 1]))
