"""Normalised errors."""

import jax.numpy as jnp

from hyco_jax.types import Array


def nrmse(predictions: Array, truth: Array, region: Array) -> Array:
    """Computes the normalised root mean square error at each time.

    The discrete form of `‖u - u*‖ / ‖u*‖` in L² over the region, channels included.

    Args:
        predictions: Shape `(..., *S, C)`.
        truth: Same shape.
        region: Cells that count, shape `(*S,)`, bool.

    Returns:
        Shape `(...)`.
    """
    axes = tuple(range(-(region.ndim + 1), 0))
    error = jnp.where(region[..., None], predictions - truth, 0)
    norm = jnp.where(region[..., None], truth, 0)
    return jnp.sqrt(jnp.sum(error**2, axis=axes) / jnp.sum(norm**2, axis=axes))


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
