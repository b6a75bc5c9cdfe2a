"""The weighted rollout loss, and a penalty on coefficient fields."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.data import windows
from hyco_jax.grids.domain import Domain
from hyco_jax.models import rollout
from hyco_jax.types import Array, Batch, Params, StepFn


def identity(predictions: Array) -> Array:
    """Observes the state itself."""
    return predictions


def window_losses(
    step: StepFn,
    params: Params,
    batch: Batch,
    observe: Callable[[Array], Array] = identity,
) -> Array:
    """Computes `sum(w r²)` of each window of a batch.

    An entry of weight 0 takes part neither in the value nor in the gradient, whatever
    it holds, NaN included; nor does the input of a window without any weight.

    Args:
        step: Maps `(params, u)` to the state one time step later.
        params: Parameters of the model.
        batch: B windows of horizon K.
        observe: Observation operator, applied to predictions `(B, K, *S, C)` before
            they meet the targets.

    Returns:
        Shape `(B,)`.
    """
    seen = jnp.broadcast_to(batch.weights > 0, batch.targets.shape)
    # A NaN in an input would reach the gradient as 0 * NaN through the network.
    active = seen.reshape(seen.shape[0], -1).any(axis=1)
    active = active.reshape(-1, *[1] * (batch.inputs.ndim - 1))
    inputs = jnp.where(active, batch.inputs, 0)
    num_steps = batch.targets.shape[1]
    predictions = jax.vmap(lambda u0: rollout.predict(step, params, u0, num_steps))(
        inputs
    )
    predictions = observe(predictions)
    if predictions.shape != batch.targets.shape:
        raise ValueError(
            f"observed predictions have shape {predictions.shape}, the targets "
            f"{batch.targets.shape}; let `observe` map to the targets' shape"
        )
    residual = jnp.where(seen, predictions - jnp.where(seen, batch.targets, 0), 0)
    return (batch.weights * residual**2).reshape(seen.shape[0], -1).sum(axis=1)


def part_losses(
    step: StepFn,
    params: Params,
    batches: Sequence[Batch],
    observe: Callable[[Array], Array] = identity,
) -> Array:
    """Means `sum(w r²)` over the windows of several batches, told apart by batch.

    Batches of equal horizon are joined, so that the model runs once for each horizon.

    Args:
        step: Maps `(params, u)` to the state one time step later.
        params: Parameters of the model.
        batches: P batches; sizes and horizons may differ.
        observe: Observation operator.

    Returns:
        The share of each batch in the mean over all windows, shape `(P,)`; their sum
        is the loss.
    """
    total = sum(len(batch.sim) for batch in batches)
    shares = {}
    for horizon in {batch.targets.shape[1]: None for batch in batches}:
        members = [i for i, b in enumerate(batches) if b.targets.shape[1] == horizon]
        joined = windows.concatenate([batches[i] for i in members])
        per_window = window_losses(step, params, joined, observe)
        ends = np.cumsum([len(batches[i].sim) for i in members])
        for i, values in zip(members, jnp.split(per_window, ends[:-1]), strict=True):
            shares[i] = values.sum() / total
    return jnp.stack([shares[i] for i in range(len(batches))])


def h1_penalty(field: Array, domain: Domain) -> Array:
    """Computes the mean of |∇field|² by forward differences.

    Args:
        field: Shape `(*S,)`, or `(*S, D)` for a vector field, whose components add up;
            a number has none.
        domain: The grid; in a closed box no difference reaches through a wall.
    """
    total = jnp.zeros((), field.dtype)
    if field.ndim == 0:
        return total
    for axis, h in enumerate(domain.dx):
        if domain.periodic:
            change = jnp.roll(field, -1, axis) - field
        else:
            change = jnp.diff(field, axis=axis)
        num_components = field.size / np.prod(domain.resolution)
        total = total + num_components * jnp.mean((change / h) ** 2)
    return total
