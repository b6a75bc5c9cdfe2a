"""The two players of the cycle for models that step in time.

Where each window of the training data comes from is said here: real windows, windows
of the partner's predicted trajectories, and, with partial observation, windows whose
input is the physical model's predicted state and whose targets are real observations.
"""

import dataclasses
import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import optax

from hyco_jax.data import data, windows
from hyco_jax.data.record import Record
from hyco_jax.hybrid import Player
from hyco_jax.models import rollout
from hyco_jax.training import full_batch as physical
from hyco_jax.training import losses
from hyco_jax.training import minibatch as synthetic
from hyco_jax.types import Array, Params, StepFn, Trajectories, Windows

SampleFn = Callable[[Array, int], Array]


@dataclasses.dataclass(frozen=True)
class SyntheticSettings:
    """How the synthetic player trains.

    Attributes:
        horizon: Steps of its real windows.
        generated_horizon: Steps of its windows of physical predictions.
        num_epochs: Epochs of a cycle.
        batch_size: Windows of a batch.
        num_real: Real windows among them, in hybrid cycles.
        num_generated: Initial states from which the physical model predicts for it.
        num_predict_steps: Steps of these predictions.
        input_noise: Deviation of noise on its inputs, relative to the data's.
    """

    horizon: int
    generated_horizon: int
    num_epochs: int
    batch_size: int
    num_real: int
    num_generated: int
    num_predict_steps: int
    input_noise: float = 0.0


@dataclasses.dataclass(frozen=True)
class PhysicalSettings:
    """How the physical player trains.

    Attributes:
        method: One of `physical.METHODS`.
        horizon: Steps of its windows; with partial observation, of the generated ones
            (the real one is the whole record).
        window_stride: Distance of two starts of real windows.
        window_chunk: Windows held in memory at once; 0 for all.
        num_iterations: Iterations of a cycle at most.
        abs_tol: Smallest decrease of the normalised loss that counts.
        num_generated: Initial states from which the synthetic model predicts for it.
        num_predict_steps: Steps of these predictions.
    """

    method: str
    horizon: int
    window_stride: int
    window_chunk: int
    num_iterations: int
    abs_tol: float
    num_generated: int
    num_predict_steps: int


def count_updates(record: Record, settings: SyntheticSettings) -> int:
    """Updates of an epoch: as many as real and generated windows together need.

    An epoch of real data alone makes as many, so that modes compare.
    """
    count = len(record.index(settings.horizon)[0])
    count += sum(_count_predicted(record, settings))
    return synthetic.num_updates(count, settings.batch_size)


def physical_windows(
    record: Record, settings: PhysicalSettings
) -> tuple[np.ndarray, np.ndarray, int]:
    """Simulations, starts and horizon of the physical player's real windows."""
    horizon = settings.horizon if record.is_full else record.num_steps
    return *record.index(horizon, settings.window_stride), horizon


def make_synthetic_player(
    record: Record,
    settings: SyntheticSettings,
    *,
    step: StepFn,
    tx: optax.GradientTransformation,
    sample_u0: SampleFn,
    partner: PhysicalSettings,
) -> Player:
    """Makes the synthetic player.

    Args:
        record: The real data's static facts.
        settings: How it trains.
        step: One step of the network.
        tx: Its optimiser.
        sample_u0: `(key, num_samples)` -> initial states `(num_samples, *S, C)`.
        partner: Says how much it generates for the physical player.

    Returns:
        Its functions for the cycle.
    """
    index = record.index(settings.horizon)
    num_predicted = settings.batch_size - settings.num_real
    along_real, elsewhere = _count_predicted(record, settings)
    share = along_real / (along_real + elsewhere)
    num_along_real = min(num_predicted - 1, math.ceil(num_predicted * share))
    batch_sizes = {
        # Of three windows, a batch of twelve would only hold four copies of each.
        1: (min(settings.batch_size, len(index[0])),),
        2: (settings.num_real, num_predicted),
        3: (settings.num_real, num_along_real, num_predicted - num_along_real),
    }

    def generate(params, real, key):
        u0 = sample_u0(key, partner.num_generated)
        return rollout.rollouts(step, params, u0, partner.num_predict_steps)

    def augment(real, generated, alpha):
        parts = [windows.real_windows(real, index, settings.horizon)]
        alphas = [1.0]
        if generated is not None:
            trajectories, along_real = generated
            parts += _predicted_parts(
                record, trajectories, along_real, real, settings.generated_horizon
            )
            # What a partner's prediction is the input or the target of carries alpha,
            # so that alpha = 0 decouples; together it is one mean over all entries.
            totals = [len(p.sim) * windows.mean_weight(p) for p in parts[1:]]
            alphas += [alpha * total / sum(totals) for total in totals]
        return data.augment(parts, alphas, batch_sizes[len(parts)], record.scale)

    def train(state, parts, key):
        return synthetic.train(
            state,
            parts,
            key,
            step=step,
            tx=tx,
            num_epochs=settings.num_epochs,
            batch_sizes=batch_sizes[len(parts)],
            updates_per_epoch=count_updates(record, settings),
            input_noise=settings.input_noise * np.sqrt(record.scale),
        )

    return Player(generate, augment, train, make_score(record, step))


def make_physical_player(
    record: Record,
    settings: PhysicalSettings,
    *,
    step: StepFn,
    tx: optax.GradientTransformationExtraArgs,
    sample_u0: SampleFn,
    partner: SyntheticSettings,
    penalty: Callable[[Params], Array] | None = None,
) -> Player:
    """Makes the physical player.

    Args:
        record: The real data's static facts.
        settings: How it trains.
        step: One step of the solver.
        tx: Its optimiser.
        sample_u0: `(key, num_samples)` -> initial states `(num_samples, *S, C)`.
        partner: Says how much it generates for the synthetic player.
        penalty: Maps the solver's parameters to a term of the loss.

    Returns:
        Its functions for the cycle.
    """
    *index, horizon = physical_windows(record, settings)

    def generate(params, real, key):
        u0 = sample_u0(key, partner.num_generated)
        trajectories = rollout.rollouts(step, params, u0, partner.num_predict_steps)
        if record.is_full:
            return trajectories, None
        initial = real.states[:, 0]
        return trajectories, rollout.rollouts(step, params, initial, record.num_steps)

    def augment(real, generated, alpha):
        parts = [windows.real_windows(real, index, horizon)]
        if generated is not None:
            parts += _predicted_parts(record, generated, None, real, settings.horizon)
        counts = [len(part.sim) for part in parts]
        return data.augment(parts, [1.0, alpha][: len(parts)], counts, record.scale)

    def train(state, parts, key):
        return physical.train(
            state,
            parts,
            step=step,
            tx=tx,
            method=settings.method,
            num_iterations=settings.num_iterations,
            abs_tol=settings.abs_tol,
            window_chunk=settings.window_chunk or None,
            penalty=penalty,
        )

    return Player(generate, augment, train, make_score(record, step))


def make_score(record: Record, step: StepFn) -> Callable[[Params, Trajectories], Array]:
    """Makes the loss of whole rollouts on the real data, in units of its variance."""
    whole = (
        np.arange(record.num_sims, dtype=np.int32),
        np.zeros(record.num_sims, np.int32),
    )

    def score(params, real):
        part = windows.real_windows(real, whole, record.num_steps)
        parts = data.augment([part], [1.0], [record.num_sims], record.scale)
        batch = windows.gather(parts[0], jnp.arange(record.num_sims))
        return losses.window_losses(step, params, batch).mean()

    return score


def _count_predicted(record: Record, settings: SyntheticSettings) -> tuple[int, int]:
    """Windows along the real simulations, and of other predictions."""
    horizon = settings.generated_horizon
    along_real = record.num_sims * (record.num_steps + 1 - horizon)
    elsewhere = settings.num_generated * (settings.num_predict_steps + 1 - horizon)
    return 0 if record.is_full else along_real, elsewhere


def _predicted_parts(record, trajectories, along_real, real, horizon) -> list[Windows]:
    weights = jnp.asarray(record.predicted, trajectories.dtype)
    weights = jnp.expand_dims(weights, tuple(range(trajectories.ndim - weights.ndim)))
    parts = [windows.predicted_windows(trajectories, trajectories, weights, horizon)]
    if along_real is not None:
        corrected = windows.predicted_windows(
            along_real, real.states, real.weights, horizon
        )
        parts.insert(0, corrected)
    return parts
