"""The minibatch trainer: descent on shuffled batches of weighted samples."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax

from hyco_jax.data.augment import Part
from hyco_jax.training import losses
from hyco_jax.types import Array, Metrics, PredictFn, TrainState


def num_updates(num_samples: int, batch_size: int) -> int:
    """Updates of an epoch that sees as many samples as there are."""
    return math.ceil(num_samples / batch_size)


def train(
    state: TrainState,
    data: Sequence[Part],
    key: Array,
    *,
    predict: PredictFn,
    tx: optax.GradientTransformation,
    num_epochs: int,
    batch_sizes: Sequence[int],
    updates_per_epoch: int | None = None,
    input_noise: Array | float = 0.0,
    loss: losses.LossFn = losses.weighted_squares,
    chunk: int | None = None,
) -> tuple[TrainState, Metrics]:
    """Trains on shuffled batches; one `lax.scan` makes all updates.

    Minimises the mean of the loss over samples. Every batch holds a fixed number of
    samples of each part; a part that runs out is shuffled again.

    Args:
        state: Continued: step, moments and schedule go on.
        data: Parts of the data, each a set of samples.
        key: PRNG key of the shuffling.
        predict: Of the model.
        tx: The optimiser of the state.
        num_epochs: Number E of epochs, static.
        batch_sizes: Samples of each part in a batch, static.
        updates_per_epoch: Static; by default as many as all samples need.
        input_noise: Standard deviation of Gaussian noise on the initial states, fresh
            in each update; concrete, broadcasts to `(*S, C)`.
        loss: Of each sample.
        chunk: Samples whose gradient is held in memory at once; all by default.

    Returns:
        The state, and metrics: `losses (E,)`, `grad_norms (E,)` (means of an epoch over
        the updates that were made), `final_loss`, `best_loss`, `part_losses` (of the
        last epoch, one per part), `count` (updates of this call), `skipped` (of these,
        the ones whose loss or gradient was not finite, which changed nothing).
    """
    if updates_per_epoch is None:
        updates_per_epoch = num_updates(
            sum(part.count for part in data), sum(batch_sizes)
        )
    count = num_epochs * updates_per_epoch
    # A key of its own for each part: real samples come in the same order whatever is
    # generated beside them.
    order = tuple(
        _shuffled(jax.random.fold_in(key, i), part.count, count * size).reshape(
            count, size
        )
        for i, (part, size) in enumerate(zip(data, batch_sizes, strict=True))
    )
    noise_keys = jax.random.split(jax.random.fold_in(key, len(data)), count)

    def loss_fn(params, batches):
        variables = {**state.constants, **params}
        terms = losses.part_losses(predict, variables, batches, loss, chunk)
        return terms.sum(), terms

    def update(carry, per_update):
        params, opt_state = carry
        index, noise_key = per_update
        batches = [part.take(i) for part, i in zip(data, index, strict=True)]
        if np.any(input_noise):
            batches = _with_noise(batches, noise_key, input_noise)
        (value, terms), grads = jax.value_and_grad(loss_fn, has_aux=True)(
            params, batches
        )
        updates, opt_state = tx.update(grads, opt_state, params)
        params = optax.apply_updates(params, updates)
        return (params, opt_state), (value, terms, optax.tree.norm(grads))

    (params, opt_state), (values, terms, norms) = jax.lax.scan(
        update, (state.params, state.opt_state), (order, noise_keys)
    )
    new_state = state.replace(
        step=state.step + count, params=params, opt_state=opt_state
    )
    return new_state, _metrics(values, terms, norms, num_epochs)


def _metrics(values, terms, norms, num_epochs) -> Metrics:
    """Means over each epoch's updates that were made; NaN where none was."""
    made = jnp.isfinite(values) & jnp.isfinite(norms)
    per_epoch = made.reshape(num_epochs, -1).sum(axis=1)

    def means(x):
        keep = made.reshape(-1, *[1] * (x.ndim - 1))
        sums = jnp.where(keep, x, 0).reshape(num_epochs, -1, *x.shape[1:]).sum(axis=1)
        return sums / per_epoch.reshape(-1, *[1] * (x.ndim - 1))

    epoch_losses = means(values)
    return {
        "losses": epoch_losses,
        "grad_norms": means(norms),
        "final_loss": epoch_losses[-1],
        "best_loss": jnp.nanmin(epoch_losses),
        "part_losses": means(terms)[-1],
        "count": jnp.asarray(len(values), jnp.int32),
        "skipped": jnp.sum(~made).astype(jnp.int32),
    }


def _shuffled(key: Array, num_samples: int, length: int) -> Array:
    """Concatenates random permutations of the samples up to a length."""
    keys = jax.random.split(key, math.ceil(length / num_samples))
    permutations = jax.vmap(lambda k: jax.random.permutation(k, num_samples))(keys)
    return permutations.ravel()[:length]


def _with_noise(batches, key, std):
    """Adds Gaussian noise to the initial states of batches."""
    keys = jax.random.split(key, len(batches))
    result = []
    for batch, key in zip(batches, keys, strict=True):
        u0 = batch.query.u0
        noise = jax.random.normal(key, u0.shape)
        shape = (1,) * (noise.ndim - np.ndim(std)) + np.shape(std)
        u0 = u0 + jnp.reshape(std, shape) * noise
        result.append(batch.replace(query=batch.query.replace(u0=u0)))
    return result
