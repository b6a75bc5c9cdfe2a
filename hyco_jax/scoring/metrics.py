"""Normalised errors."""

import jax.numpy as jnp

from hyco_jax.types import Array


def nrmse(predictions: Array, truth: Array, weights: Array, ndim: int) -> Array:
    """Computes the normalised root mean square error at each time.

    The discrete form of `‖u - u*‖ / ‖u*‖` in a weighted L², channels included.

    Args:
        predictions: Shape `(..., *S, C)`.
        truth: Same shape.
        weights: Not negative, broadcast to `(*S, C)`; entries of weight 0 don't count.
        ndim: Number of spatial axes.

    Returns:
        Shape `(...)`.
    """
    axes = tuple(range(-(ndim + 1), 0))
    error = jnp.where(weights > 0, predictions - truth, 0)
    norm = jnp.where(weights > 0, truth, 0)
    error = jnp.sum(weights * error**2, axis=axes)
    norm = jnp.sum(weights * norm**2, axis=axes)
    # A state of zeros, such as a fluid at rest, that is predicted as such has none.
    return jnp.sqrt(jnp.where(error == 0, 0, error / norm))


def relative_error(value: Array, truth: Array) -> Array:
    """Computes `‖value - truth‖ / ‖truth‖` of a coefficient, ()."""
    truth = jnp.asarray(truth)
    value = jnp.broadcast_to(value, truth.shape)
    return jnp.linalg.norm((value - truth).ravel()) / jnp.linalg.norm(truth.ravel())


def valid_time(errors: Array, dt: float, threshold: float = 0.2) -> Array:
    """Finds the first time at which an error exceeds a threshold.

    Args:
        errors: Errors at the times 0, dt, ..., shape `(..., T + 1)`.
        dt: Time step.
        threshold: What counts as too large; a non-finite error does.

    Returns:
        Shape `(...)`: linearly interpolated between two steps, `T dt` if the threshold
        is never exceeded.
    """
    errors = jnp.where(jnp.isfinite(errors), errors, jnp.inf)
    over = errors > threshold
    first = jnp.argmax(over, axis=-1)
    before = jnp.maximum(first - 1, 0)
    high = jnp.take_along_axis(errors, first[..., None], -1)[..., 0]
    low = jnp.take_along_axis(errors, before[..., None], -1)[..., 0]
    fraction = jnp.where(first > 0, (threshold - low) / (high - low), 0.0)
    crossing = (before + fraction) * dt
    return jnp.where(over.any(axis=-1), crossing, (errors.shape[-1] - 1) * dt)
