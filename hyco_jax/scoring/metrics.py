"""Normalised errors."""

import jax
import jax.numpy as jnp

from hyco_jax.types import Array


def nrmse(predictions: Array, reference: Array, weights: Array, ndim: int) -> Array:
    """Computes the normalised root mean square error at each time.

    The discrete form of `‖u - u*‖ / ‖u*‖` in a weighted L², channels included.

    Args:
        predictions: Shape `(..., *S, C)`.
        reference: The truth or observations, same shape.
        weights: Not negative, broadcast to that shape; entries of weight 0 don't count.
        ndim: Number of spatial axes.

    Returns:
        Shape `(...)`: NaN where no entry counts, inf where a prediction that counts is
        not finite.
    """
    axes = tuple(range(-(ndim + 1), 0))
    counts = jnp.broadcast_to(weights > 0, predictions.shape)
    error = jnp.where(counts, predictions - reference, 0)
    norm = jnp.where(counts, reference, 0)
    error = jnp.sum(weights * error**2, axis=axes)
    norm = jnp.sum(weights * norm**2, axis=axes)
    # A state of zeros, such as a fluid at rest, that is predicted as such has none.
    result = jnp.sqrt(jnp.where(error == 0, 0, error / norm))
    result = jnp.where(jnp.isnan(result), jnp.inf, result)
    return jnp.where(counts.any(axis=axes), result, jnp.nan)


@jax.jit  # Op by op, each would be a program of its own.
def relative_error(value: Array, truth: Array) -> Array:
    """Computes `‖value - truth‖ / ‖truth‖` of a coefficient, ()."""
    truth = jnp.asarray(truth)
    value = jnp.broadcast_to(value, truth.shape)
    return jnp.linalg.norm((value - truth).ravel()) / jnp.linalg.norm(truth.ravel())


@jax.jit
def valid_time(errors: Array, dt: float, threshold: float = 0.2) -> Array:
    """Finds the first time at which an error exceeds a threshold.

    Args:
        errors: Errors at the times 0, dt, ..., shape `(..., T + 1)`. Times at which it
            is NaN, for nothing was observed, are passed over.
        dt: Time step.
        threshold: What counts as too large.

    Returns:
        Shape `(...)`: linearly interpolated from the observed time before; the last
        observed time if the threshold is never exceeded, NaN if there is none.
    """
    steps = jnp.broadcast_to(jnp.arange(errors.shape[-1]), errors.shape)
    is_observed = ~jnp.isnan(errors)
    over = is_observed & (errors > threshold)
    first = jnp.argmax(over, axis=-1, keepdims=True)
    earlier = is_observed & ((steps < first) | ~over.any(axis=-1, keepdims=True))
    before = jnp.max(jnp.where(earlier, steps, -1), axis=-1, keepdims=True)
    high = jnp.take_along_axis(errors, first, -1)
    low = jnp.take_along_axis(errors, jnp.maximum(before, 0), -1)
    fraction = (threshold - low) / (high - low)
    crossing = jnp.where(before < 0, first, before + fraction * (first - before))
    last = jnp.where(before < 0, jnp.nan, before)
    crossed = over.any(axis=-1, keepdims=True)
    return jnp.where(crossed, crossing, last)[..., 0] * dt
