"""The weighted loss of a model's answers, over samples that need not fit in memory."""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.data.augment import Part
from hyco_jax.types import Array, Params, PredictFn, Query, Samples

# Maps a model's `predict`, its params and B samples to a loss for each, shape `(B,)`.
LossFn = Callable[[PredictFn, Params, Samples], Array]


def weighted_squares(predict: PredictFn, params: Params, samples: Samples) -> Array:
    """Computes `sum(w r²)` of each sample.

    An entry of weight 0 takes part neither in the value nor in the gradient, whatever
    it holds, NaN included; nor does the input of a sample without any weight.

    Args:
        predict: Of the model.
        params: Parameters of the model.
        samples: B samples.

    Returns:
        Shape `(B,)`.

    Raises:
        ValueError: If the answers are not shaped as the targets.
    """
    query, targets = samples.query, samples.targets
    seen = jnp.broadcast_to(samples.weights > 0, targets.shape)
    if query.u0 is not None:
        # A NaN in an input would reach the gradient as 0 * NaN through the network.
        active = seen.reshape(len(seen), -1).any(axis=1)
        active = active.reshape(-1, *[1] * (query.u0.ndim - 1))
        query = query.replace(u0=jnp.where(active, query.u0, 0))
    return squares(predict(params, query), samples)


def squares(answers: Array, samples: Samples) -> Array:
    """Computes `sum(w r²)` of each sample from a model's answers, shape `(B,)`.

    Raises:
        ValueError: If the answers are not shaped as the targets.
    """
    targets = samples.targets
    if answers.shape != targets.shape:
        raise ValueError(
            f"the model's answers have shape {answers.shape}, the targets "
            f"{targets.shape}; give targets in the shape of the query's answer"
        )
    seen = jnp.broadcast_to(samples.weights > 0, targets.shape)
    residual = jnp.where(seen, answers - jnp.where(seen, targets, 0), 0)
    return (samples.weights * residual**2).reshape(len(seen), -1).sum(axis=1)


def residuals(answers: Array, samples: Samples) -> Array:
    """Computes `sqrt(w) r` of every entry, 0 where nothing was observed."""
    weights = jnp.broadcast_to(samples.weights, samples.targets.shape)
    seen = weights > 0
    gap = jnp.where(seen, answers - jnp.where(seen, samples.targets, 0), 0)
    return jnp.sqrt(weights) * gap


def shared_losses(
    predict: PredictFn, params: Params, parts: Sequence[Samples]
) -> Array:
    """As `part_losses`, of parts that ask the same B queries but at other points.

    A model that makes steps rolls out once for all of them.

    Args:
        predict: Of the model.
        params: Parameters of the model.
        parts: P sets of B samples at points.

    Returns:
        The share of each part in the mean over all samples, shape `(P,)`.
    """
    return losses_of_shared(predict(params, shared_query(parts)), parts)


def shared_query(parts: Sequence[Samples]) -> Query:
    """The query of `shared_losses`, for the points of all parts."""
    points = [part.query.points for part in parts]
    return parts[0].query.replace(points=jnp.concatenate(points, axis=1))


def losses_of_shared(answers: Array, parts: Sequence[Samples]) -> Array:
    """`shared_losses` from the answer to `shared_query`."""
    ends = np.cumsum([part.query.points.shape[1] for part in parts])
    answers = jnp.split(answers, ends[:-1], axis=1)
    total = sum(part.count for part in parts)
    values = [squares(a, part) for a, part in zip(answers, parts, strict=True)]
    return jnp.stack(values).sum(axis=1) / total


def part_losses(
    predict: PredictFn,
    params: Params,
    parts: Sequence[Part],
    loss: LossFn = weighted_squares,
    chunk: int | None = None,
) -> Array:
    """Means a loss over all samples of several parts, told apart by part.

    Parts of equal shapes are joined, so that the model runs once for each shape.

    Args:
        predict: Of the model.
        params: Parameters of the model.
        parts: P sets of samples, whose sizes and horizons may differ.
        loss: Of each sample.
        chunk: If there are more samples in all, a part is a scan over chunks of so
            many, and memory is a chunk's.

    Returns:
        The share of each part in the mean over all samples, shape `(P,)`; their sum
        is the loss.
    """
    total = sum(part.count for part in parts)
    if chunk is not None and total > chunk:
        sums = [_sum_in_chunks(predict, params, part, loss, chunk) for part in parts]
        return jnp.stack(sums) / total
    batches = [part.take(jnp.arange(part.count)) for part in parts]
    groups = {}
    for i, batch in enumerate(batches):
        groups.setdefault(_form(batch), []).append(i)
    shares = {}
    for members in groups.values():
        joined = _concatenate([batches[i] for i in members])
        values = loss(predict, params, joined)
        ends = np.cumsum([batches[i].count for i in members])
        for i, own in zip(members, jnp.split(values, ends[:-1]), strict=True):
            shares[i] = own.sum() / total
    return jnp.stack([shares[i] for i in range(len(batches))])


def _sum_in_chunks(predict, params, part, loss, chunk) -> Array:
    """Sums a part's loss; with a gradient, each chunk's is made in the same pass.

    Reverse mode through a scan would keep every chunk's insides, or with
    `jax.checkpoint` compute each chunk twice.
    """
    chunk = min(chunk, part.count)
    num_chunks = math.ceil(part.count / chunk)
    # Not traced: what a custom derivative closes over has to be constant.
    index = np.arange(num_chunks * chunk).reshape(num_chunks, chunk)
    zero = np.zeros((), part.targets.dtype)

    def chunk_sum(params, part, index):
        samples = part.take(jnp.minimum(index, part.count - 1))
        fresh = (index < part.count).reshape(-1, *[1] * (samples.weights.ndim - 1))
        samples = samples.replace(weights=jnp.where(fresh, samples.weights, 0))
        return loss(predict, params, samples).sum()

    def accumulate(function, start, params, part):
        def add(total, index):
            return jax.tree.map(jnp.add, total, function(params, part, index)), None

        return jax.lax.scan(add, start, index)[0]

    @jax.custom_vjp
    def total(params, part):
        return accumulate(chunk_sum, zero, params, part)

    def forward(params, part):
        start = zero, jax.tree.map(jnp.zeros_like, params)
        return accumulate(jax.value_and_grad(chunk_sum), start, params, part)

    def backward(gradient, cotangent):
        # The data are constants.
        return jax.tree.map(lambda g: cotangent * g, gradient), None

    total.defvjp(forward, backward)
    return total(params, part)


def _form(samples: Samples):
    """What two sets of samples must share to be joined."""
    leaves, structure = jax.tree.flatten((samples.query, samples.targets))
    return structure, tuple(leaf.shape[1:] for leaf in leaves)


def _concatenate(batches: list[Samples]) -> Samples:
    if len(batches) == 1:
        return batches[0]
    full = [
        batch.replace(weights=jnp.broadcast_to(batch.weights, batch.targets.shape))
        for batch in batches
    ]
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *full)
