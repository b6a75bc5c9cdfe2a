"""The synthetic player of the cycle: a network that steps in time.

Where each window of its training data comes from is said here: real windows, windows
of the physical model's predicted trajectories, and, with partial observation, windows
whose input is a predicted state and whose targets are real observations.
"""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
import optax

from hyco_jax.config import rules
from hyco_jax.config.schema import key
from hyco_jax.data import augment, windows
from hyco_jax.data.record import Record
from hyco_jax.hybrid import Player
from hyco_jax.models import ensemble as ensembles
from hyco_jax.networks.settings import NetworkSettings
from hyco_jax.players import windows as shared
from hyco_jax.players.windows import Exchange, SampleFn
from hyco_jax.training import minibatch, optimizers
from hyco_jax.training.optimizers import DescentSettings
from hyco_jax.types import PredictFn


@dataclasses.dataclass(frozen=True)
class SyntheticSettings(NetworkSettings, DescentSettings):
    """The synthetic model and how its player trains."""

    horizons: tuple[int, ...] = key(
        (10, 10, 10, 0),
        "steps of its real windows, one number for each of equal parts of the run; "
        "0: the whole record",
        rules.integers(0, 10_000),
    )
    generated_horizon: int = key(
        4,
        "steps of its windows of the physical model's predictions",
        rules.integer(1, 10_000),
    )
    num_epochs: int = key(2, "number of epochs in a cycle", rules.integer(1, 10_000))
    updates_per_epoch: int = key(
        0,
        "number of updates in an epoch; 0: as many as all samples need",
        rules.integer(0, 1_000_000),
    )
    batch_size: int = key(
        16,
        "number of windows in a batch; of a field, number of readings",
        rules.integer(1, 1_000_000),
    )
    num_real: int = key(
        3,
        "number of real windows in a batch of a hybrid cycle",
        rules.integer(1, 1_000_000),
    )
    batch_chunk: int = key(
        0,
        "number of windows whose gradient is in memory at once; 0: the whole batch",
        rules.integer(0, 100_000),
    )
    members: int = key(
        1,
        "number of networks that differ in their initial weights and batches; the "
        "model's answer is the mean of theirs",
        rules.integer(1, 1000),
    )
    input_noise: float = key(
        0.0,
        "standard deviation of noise that is added to its inputs, relative to each "
        "quantity's standard deviation",
        rules.not_negative(100.0),
    )


def count_updates(
    record: Record, settings: SyntheticSettings, horizon: int, receives: Exchange
) -> int:
    """Updates of an epoch: as many as real and generated windows together need.

    An epoch of real data alone makes as many, so that modes compare.
    """
    if settings.updates_per_epoch:
        return settings.updates_per_epoch
    count = len(record.index(horizon)[0])
    count += sum(_count_predicted(record, settings, receives))
    return minibatch.num_updates(count, settings.batch_size)


def make_optimizer(
    settings: SyntheticSettings, num_updates: int
) -> optax.GradientTransformation:
    """Makes the optimiser of a run of so many updates."""
    tx = optimizers.make_descent(settings, num_updates)
    return tx if settings.members == 1 else ensembles.for_members(tx)


def make_player(
    record: Record,
    scored: Record,
    settings: SyntheticSettings,
    horizon: int,
    *,
    predict: PredictFn,
    tx: optax.GradientTransformation,
    sample_u0: SampleFn | None,
    gives: Exchange,
    receives: Exchange,
    trained: PredictFn | None = None,
    visits: float = 0.0,
    by_simulation: bool = False,
) -> Player:
    """Makes the synthetic player.

    Args:
        record: The training data's static facts.
        scored: Those of what scores count.
        settings: How it trains.
        horizon: Steps of its real windows.
        predict: Of the network.
        tx: Its optimiser.
        sample_u0: Draws initial states `(num, *S, C)`, or None for the data's own.
        gives: What it generates for the physical player.
        receives: What the physical player generates for it.
        visits: Share of these predictions that begin at states of its own.
        trained: `predict` of one member of an ensemble, where it is one.
        by_simulation: Whether alpha is one of each simulation.

    Returns:
        Its functions for the cycle.
    """
    index = record.index(horizon)
    batch_sizes = _batch_sizes(record, settings, len(index[0]), receives)
    driven = record.num_driven
    noise = settings.input_noise * np.sqrt(record.scale) * record.predicted

    def generate(params, real, key, visited=None):
        return shared.predict_elsewhere(
            *(predict, params, real.training, key, gives, sample_u0, driven, visited)
        )

    def augmented(real, generated, alpha):
        real = real.training
        parts = [windows.real_windows(real, index, horizon, driven)]
        alphas = [1.0]
        if generated is not None:
            parts += shared.predicted_parts(
                record, *generated, real, settings.generated_horizon
            )
            # What a partner's prediction is the input or the target of carries alpha,
            # so that alpha = 0 decouples; together it is one mean over all entries.
            totals = [part.count * part.mean_weight() for part in parts[1:]]
            shares = [total / sum(totals) for total in totals]
            # Predictions from states that are drawn belong to no simulation.
            own = [alpha] * (len(shares) - 1) + [jnp.mean(alpha)]
            alphas += [a * share for a, share in zip(own, shares, strict=True)]
        return augment.augment(parts, alphas, batch_sizes[len(parts)], record.scale)

    def train(state, parts, key):
        return minibatch.train(
            state,
            parts,
            key,
            predict=trained or predict,
            tx=tx,
            num_epochs=settings.num_epochs,
            batch_sizes=batch_sizes[len(parts)],
            updates_per_epoch=count_updates(record, settings, horizon, receives),
            input_noise=noise,
            chunk=settings.batch_chunk or None,
        )

    if settings.members > 1:
        train = ensembles.train_members(train, settings.members)
    visit = shared.make_visit(predict, visits, receives)
    score = shared.make_score(scored, predict)
    scores = shared.make_scores(scored, predict) if by_simulation else None
    return Player(generate, augmented, train, score, visit, scores)


def _batch_sizes(record, settings, num_windows, receives) -> dict[int, tuple[int, ...]]:
    """Windows of each part in a batch, by the number of parts."""
    num_predicted = settings.batch_size - settings.num_real
    along_real, elsewhere = _count_predicted(record, settings, receives)
    share = along_real / (along_real + elsewhere)
    num_along_real = min(num_predicted - 1, math.ceil(num_predicted * share))
    return {
        # Of three windows, a batch of twelve would only hold four copies of each.
        1: (min(settings.batch_size, num_windows),),
        2: (settings.num_real, num_predicted),
        3: (settings.num_real, num_along_real, num_predicted - num_along_real),
    }


def _count_predicted(record, settings, receives) -> tuple[int, int]:
    """Windows along the real simulations, and of other predictions."""
    horizon = settings.generated_horizon
    along_real = record.num_sims * (record.num_steps + 1 - horizon)
    elsewhere = receives.num_sims * (receives.num_steps + 1 - horizon)
    return 0 if record.is_full else along_real, elsewhere
