"""Samples of the posterior of a few parameters by NUTS, with blackjax."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.types import Array
from hyco_jax.uncertainty.residuals import Inputs, LeastSquares

MOST_PARAMETERS = 20


def load() -> Any:
    """Imports blackjax.

    Raises:
        ValueError: If it is not installed.
    """
    try:
        import blackjax
    except ImportError as error:
        raise ValueError(
            "config.uncertainty.samples needs blackjax, which is not installed; run "
            "pip install -e '.[mcmc]', or leave it at 0"
        ) from error
    return blackjax


def sample(
    fit: LeastSquares,
    x: Array,
    inputs: Inputs,
    unit: float,
    covariance: np.ndarray,
    number: int,
    seed: int = 0,
) -> np.ndarray:
    """Draws from the posterior, one chain.

    The prior is flat in the raw parameters near the fit, and there of a standard
    deviation a hundred times that of the posterior, so that it is proper where the data
    determine nothing.

    Args:
        fit: The loss.
        x: The fitted parameters `(p,)`, p at most 20.
        inputs: Data and constants.
        unit: Of the loss, see `covariance`.
        covariance: Of the parameters, `(p, p)`: the scale of the steps.
        number: Draws, after half as many that set the step.
        seed: Of the chain.

    Returns:
        Parameters, shape `(number, p)`.

    Raises:
        ValueError: If blackjax is not installed.
    """
    blackjax = load()
    # In units of the posterior: its curvature is then about 1 along every direction.
    root = jnp.asarray(np.linalg.cholesky(covariance), x.dtype)
    start = jnp.zeros_like(x)

    def log_density(z):
        # The difference to the fit keeps the digits of float32.
        loss = fit.loss(x + root @ z, inputs) - fit.loss(x, inputs)
        return -loss / unit - 0.5 * jnp.sum((z / 100) ** 2)

    @jax.jit
    def run(key):
        warm_key, key = jax.random.split(key)
        adapt = blackjax.window_adaptation(blackjax.nuts, log_density)
        (state, parameters), _ = adapt.run(warm_key, start, max(number // 2, 50))
        step = blackjax.nuts(log_density, **parameters).step

        def draw(state, key):
            state, _ = step(key, state)
            return state, state.position

        return jax.lax.scan(draw, state, jax.random.split(key, number))[1]

    drawn = run(jax.random.key(seed))
    return np.asarray(x + drawn @ root.T, np.float64)
