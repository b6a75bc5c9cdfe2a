"""A player of the cycle for any model that answers queries, on any set of samples."""

from collections.abc import Callable

import jax.numpy as jnp

from hyco_jax.data import augment
from hyco_jax.hybrid import Player
from hyco_jax.training import losses
from hyco_jax.types import Array, PredictFn, Query, Samples, TrainFn


def make_player(
    predict: PredictFn,
    train: TrainFn,
    ask: Callable[[Array, Samples], Query],
    batch_sizes: tuple[int, int] | None = None,
    loss: losses.LossFn = losses.weighted_squares,
) -> Player:
    """Makes a player whose real data are samples, on the grid or at points.

    Args:
        predict: Of the model.
        train: Either trainer, everything but `(state, data, key)` bound.
        ask: Maps a key and the real samples to what the model answers for its partner:
            other initial states, or ghost points drawn at random.
        batch_sizes: Real and generated samples of a batch, for the minibatch trainer;
            by default all.
        loss: Of each sample, for the score.

    Returns:
        Its functions for the cycle.
    """

    def generate(params, real, key):
        query = ask(key, real)
        answers = predict(params, query)
        return Samples(query, answers, jnp.ones((1,) * answers.ndim, answers.dtype))

    def augmented(real, generated, alpha):
        parts = [real] if generated is None else [real, generated]
        counts = batch_sizes or [part.count for part in parts]
        alphas = [1.0, alpha][: len(parts)]
        return augment.augment(parts, alphas, counts[: len(parts)], 1.0)

    def score(params, real):
        (part,) = augment.augment([real], [1.0], [real.count], 1.0)
        return loss(predict, params, part).mean()

    return Player(generate, augmented, train, score)
