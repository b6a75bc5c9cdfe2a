"""A parametric bootstrap: fits to data that the fitted model makes, with new noise."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from hyco_jax.calls import compiler_options
from hyco_jax.data.augment import Part
from hyco_jax.training import lbfgs
from hyco_jax.types import Array
from hyco_jax.uncertainty.residuals import Inputs, LeastSquares

_ITERATIONS = 40
# Data sets that are fitted at once.
_AT_ONCE = 8


def make_bootstrap(
    fit: LeastSquares, whole: LeastSquares
) -> Callable[[Array, Inputs, Array, Array], Array]:
    """Makes the jitted fits.

    Args:
        fit: The loss.
        whole: That of whole records.

    Returns:
        A function of the fitted parameters `(p,)`, the inputs, standard deviations of
        the measured arrays, in their shape, and PRNG keys `(k,)`: the parameters that
        the fits to new data find, `(k, p)`.
    """
    tx = lbfgs.make_optimizer()

    def refit(x, inputs, deviation, keys):
        measured = fit.data(inputs.real)
        exact = jnp.where(deviation > 0, _answers(whole, x, inputs, measured), measured)

        def one(key):
            noise = deviation * jax.random.normal(key, measured.shape, x.dtype)
            real = fit.with_data(inputs.real, exact + noise)
            own = inputs.replace(real=real)
            return lbfgs.minimize(
                lambda x: fit.loss(x, own),
                x,
                tx.init(x),
                tx,
                num_iterations=_ITERATIONS,
                abs_tol=0.0,
                carry_memory=False,
            ).params

        return jax.lax.map(one, keys, batch_size=min(_AT_ONCE, len(keys)))

    return jax.jit(refit, compiler_options=compiler_options())


def _answers(whole, x, inputs, measured) -> Array:
    """What the model says in the place of every measured entry."""
    part: Part = whole.part(inputs.real)
    samples = part.take(jnp.arange(part.count))
    residuals = whole.residuals(x, inputs, part, jnp.arange(part.count))
    weights = jnp.broadcast_to(samples.weights, samples.targets.shape)
    root = jnp.sqrt(weights / part.count)
    gap = residuals.reshape(samples.targets.shape) / jnp.where(root > 0, root, 1)
    if gap.shape != measured.shape:
        # Of whole records the states at t = 0 are no targets.
        gap = jnp.concatenate([jnp.zeros_like(measured[:, :1]), gap], axis=1)
    return measured + gap
