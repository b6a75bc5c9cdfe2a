"""The synthetic trainer: minibatch descent of a network over weighted windows."""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax

from hyco_jax.data import windows
from hyco_jax.training import losses
from hyco_jax.types import Array, Metrics, Params, StepFn, TrainState, Windows

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULERS = ("constant", "cosine")

_NEVER_GIVE_UP = np.iinfo(np.int32).max


def make_optimizer(
    optimizer: str,
    learning_rate: float,
    scheduler: str,
    num_updates: int,
    weight_decay: float = 0.0,
    clip_norm: float = 0.0,
) -> optax.GradientTransformation:
    """Makes an optax optimiser with its learning-rate schedule.

    Args:
        optimizer: One of `OPTIMIZERS`.
        learning_rate: Initial learning rate.
        scheduler: One of `SCHEDULERS`; cosine falls to 0 over `num_updates`.
        num_updates: Updates of the whole run.
        weight_decay: Decoupled for adamw, added to the gradient for the others.
        clip_norm: Largest global norm of a gradient; 0 for no limit.

    Returns:
        The optimiser. A gradient that is not finite changes neither the parameters nor
        the optimiser's moments and schedule.
    """
    rate = {
        "constant": lambda: optax.constant_schedule(learning_rate),
        "cosine": lambda: optax.cosine_decay_schedule(learning_rate, num_updates),
    }[scheduler]()
    descent = {
        "adam": lambda: optax.adam(rate),
        "adamw": lambda: optax.adamw(rate, weight_decay=weight_decay),
        "sgd": lambda: optax.sgd(rate),
    }[optimizer]()
    chain = [optax.clip_by_global_norm(clip_norm)] if clip_norm else []
    if weight_decay and optimizer != "adamw":
        chain.append(optax.add_decayed_weights(weight_decay))
    return optax.apply_if_finite(optax.chain(*chain, descent), _NEVER_GIVE_UP)


def init(
    variables: Params, learnable: Sequence[str], tx: optax.GradientTransformation
) -> TrainState:
    """Makes the state of a trainer from a model's parameters.

    Args:
        variables: Named parameters, as `Model.init` returns them.
        learnable: The names that the optimiser fits; the others are constants.
        tx: The optimiser.

    Returns:
        A state that owns its buffers, of which no leaf is weakly typed.
    """
    # A weak type would compile the cycle twice, a shared buffer can't be donated.
    variables = jax.tree.map(_own, variables)
    params = {name: variables[name] for name in learnable}
    constants = {k: v for k, v in variables.items() if k not in learnable}
    opt_state = jax.tree.map(_own, tx.init(params))
    return TrainState(jnp.zeros((), jnp.int32), params, opt_state, constants)


def num_updates(num_windows: int, batch_size: int) -> int:
    """Updates of an epoch that sees as many windows as there are."""
    return math.ceil(num_windows / batch_size)


def train(
    state: TrainState,
    data: Sequence[Windows],
    key: Array,
    *,
    step: StepFn,
    tx: optax.GradientTransformation,
    num_epochs: int,
    batch_sizes: Sequence[int],
    updates_per_epoch: int | None = None,
    input_noise: Array | float = 0.0,
    observe: Callable[[Array], Array] = losses.identity,
) -> tuple[TrainState, Metrics]:
    """Trains on shuffled batches; one `lax.scan` makes all updates.

    Minimises the mean over windows of `sum(w r²)`. Every batch holds a fixed number of
    windows of each part; a part that runs out is shuffled again.

    Args:
        state: Continued: step, moments and schedule go on.
        data: Parts of the data, each a set of windows.
        key: PRNG key of the shuffling.
        step: One step of the model.
        tx: The optimiser of the state.
        num_epochs: Number E of epochs, static.
        batch_sizes: Windows of each part in a batch, static.
        updates_per_epoch: Static; by default as many as all windows need.
        input_noise: Standard deviation of Gaussian noise on the inputs, fresh in each
            update; concrete, broadcasts to `(C,)`.
        observe: Observation operator.

    Returns:
        The state, and metrics: `losses (E,)`, `grad_norms (E,)` (means of an epoch),
        `final_loss`, `best_loss`, `part_losses` (of the last epoch, one per part),
        `count` (updates of this call).
    """
    if updates_per_epoch is None:
        updates_per_epoch = num_updates(
            sum(len(part.sim) for part in data), sum(batch_sizes)
        )
    count = num_epochs * updates_per_epoch
    # A key of its own for each part: real windows come in the same order whatever is
    # generated beside them.
    order = tuple(
        _shuffled(jax.random.fold_in(key, i), len(part.sim), count * size).reshape(
            count, size
        )
        for i, (part, size) in enumerate(zip(data, batch_sizes, strict=True))
    )

    noise_keys = jax.random.split(jax.random.fold_in(key, len(data)), count)

    def loss_fn(params, batches):
        variables = {**state.constants, **params}
        terms = losses.part_losses(step, variables, batches, observe)
        return terms.sum(), terms

    def update(carry, per_update):
        params, opt_state = carry
        index, noise_key = per_update
        batches = [windows.gather(p, i) for p, i in zip(data, index, strict=True)]
        if np.any(input_noise):
            batches = _with_noise(batches, noise_key, input_noise)
        (loss, terms), grads = jax.value_and_grad(loss_fn, has_aux=True)(
            params, batches
        )
        updates, opt_state = tx.update(grads, opt_state, params)
        params = optax.apply_updates(params, updates)
        return (params, opt_state), (loss, terms, optax.tree.norm(grads))

    (params, opt_state), (loss, terms, norms) = jax.lax.scan(
        update, (state.params, state.opt_state), (order, noise_keys)
    )
    per_epoch = loss.reshape(num_epochs, -1).mean(axis=1)
    metrics = {
        "losses": per_epoch,
        "grad_norms": norms.reshape(num_epochs, -1).mean(axis=1),
        "final_loss": per_epoch[-1],
        "best_loss": jnp.nanmin(per_epoch),
        "part_losses": terms.reshape(num_epochs, updates_per_epoch, -1)[-1].mean(
            axis=0
        ),
        "count": jnp.asarray(count, jnp.int32),
    }
    new_state = state.replace(
        step=state.step + count, params=params, opt_state=opt_state
    )
    return new_state, metrics


def _shuffled(key: Array, num_windows: int, length: int) -> Array:
    """Concatenates random permutations of the windows up to a length."""
    keys = jax.random.split(key, math.ceil(length / num_windows))
    permutations = jax.vmap(lambda k: jax.random.permutation(k, num_windows))(keys)
    return permutations.ravel()[:length]


def _with_noise(batches, key, std):
    """Adds Gaussian noise to the inputs of batches."""
    keys = jax.random.split(key, len(batches))
    result = []
    for batch, key in zip(batches, keys, strict=True):
        noise = jax.random.normal(key, batch.inputs.shape)
        deviation = jnp.reshape(std, (1,) * (noise.ndim - 1) + (-1,))
        result.append(batch.replace(inputs=batch.inputs + deviation * noise))
    return result


def _own(leaf) -> Array:
    """Copies a leaf, strongly typed."""
    return jnp.array(leaf, jnp.asarray(leaf).dtype)
