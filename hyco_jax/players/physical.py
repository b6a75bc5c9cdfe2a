"""The physical player of the cycle: a solver that steps in time.

It fits the coefficients to real windows (with partial observation the whole record,
since no later state is known) and to windows of the network's predictions.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from hyco_jax.config import rules, schema
from hyco_jax.config.schema import key
from hyco_jax.data import augment, windows
from hyco_jax.data.record import Record
from hyco_jax.grids.resampling import Resampling
from hyco_jax.hybrid import Player
from hyco_jax.players import windows as shared
from hyco_jax.players.smoothness import Adapt
from hyco_jax.players.windows import Exchange, SampleFn
from hyco_jax.training import forward, full_batch, optimizers
from hyco_jax.training.forward import Differentiate
from hyco_jax.types import Array, Params, PredictFn

_ADAM = {"method": "adam"}


@dataclasses.dataclass(frozen=True)
class PhysicalSettings:
    """How the physical player trains."""

    method: str = key(
        "lbfgs", "optimiser of the coefficients", rules.choice("lbfgs", "adam")
    )
    learning_rate: float = key(
        1e-2, "largest step size of adam", rules.positive(), when=_ADAM
    )
    scheduler: str = key(
        "constant",
        "step size of adam over the run: constant, falling to 0 (cosine), or rising "
        "before it falls (onecycle)",
        rules.choice(*optimizers.SCHEDULES),
        when=_ADAM,
    )
    b1: float = key(
        0.9, "decay of adam's mean of gradients", optimizers.DECAY, when=_ADAM
    )
    b2: float = key(
        0.999, "decay of adam's mean of squared gradients", optimizers.DECAY, when=_ADAM
    )
    keep_best: bool = key(
        True,
        "whether a cycle ends at the best parameters that it visited, else at its "
        "last ones: a single update that raises the loss is then taken, as adam "
        "means it",
        rules.FLAG,
        when=_ADAM,
    )
    abs_tol: float = key(
        1e-9,
        "L-BFGS stops when an iteration lowers the loss, in units of variance, by "
        "less than this",
        rules.not_negative(),
        when={"method": "lbfgs"},
    )
    num_iterations: int = key(
        40, "largest number of iterations in a cycle", rules.integer(1, 100_000)
    )
    horizon: int = key(
        10,
        "steps of its real windows where all is observed; else its windows are "
        "whole records",
        rules.integer(1, 10_000),
    )
    generated_horizon: int = key(
        10,
        "steps of its windows of the synthetic model's predictions",
        rules.integer(1, 10_000),
    )
    window_stride: int = key(
        1,
        "where all is observed, steps from the start of one real window to that of "
        "the next",
        rules.integer(1, 10_000),
    )
    window_chunk: int = key(
        0,
        "number of windows that are in memory at once; 0: all",
        rules.integer(0, 100_000),
    )
    initial: str = key(
        "given",
        "states at t = 0: those of the data, or fitted with the coefficients, from "
        "what the data give or say of them",
        rules.choice("given", "fitted"),
    )
    segments: int = key(
        1,
        "number of segments into which records are cut, each with a fitted initial "
        "state of its own (multiple shooting); 1: one rollout",
        rules.integer(1, 100_000),
    )
    jump_weights: tuple[float, ...] = key(
        (1.0, 10.0),
        "with segments, weight in the loss of the mean square of the jumps between "
        "them, in units of the data's variance, in the first and in the last cycle; "
        "geometric in between, and once more in a cooldown",
        rules.POSITIVE_PAIR,
    )
    state_smoothness: float = key(
        0.0,
        "of fitted states: weight of the penalty mean |∇u|² in the loss, in units of "
        "the data's variance and of a squared length",
        rules.not_negative(),
    )
    remat: bool = key(
        False,
        "whether steps are computed again in the backward pass, which saves memory "
        "and costs time",
        rules.FLAG,
    )
    derivatives: str = key(
        "reverse",
        "how gradients are made: backward through all steps, or along each of the "
        f"numbers that are fitted, of which there may be {forward.MOST_NUMBERS}, with "
        "the steps (forward), which keeps no state and is the faster the fewer there "
        "are",
        rules.choice("reverse", "forward"),
    )

    @property
    def fits_states(self) -> bool:
        """Whether states are parameters too; data are then taken as readings."""
        return self.initial == "fitted" or self.segments > 1


def jump_growth(settings: PhysicalSettings, num_cycles: int) -> float:
    """By how much the weight of jumps grows from one cycle to the next."""
    first, last = settings.jump_weights
    return (last / first) ** (1 / max(1, num_cycles - 1))


def choose_derivatives(settings: PhysicalSettings, num_fitted: int) -> Differentiate:
    """Chooses how gradients with respect to so many numbers are made.

    Raises:
        ValueError: If there are too many for forward mode.
    """
    if settings.derivatives == "reverse":
        return jax.value_and_grad
    if num_fitted > forward.MOST_NUMBERS:
        schema.fail(
            "physical.derivatives",
            "forward",
            f"'reverse', since {num_fitted} numbers are fitted, and forward mode makes "
            f"a rollout for each; it is for at most {forward.MOST_NUMBERS}",
        )
    return forward.value_and_grad


def make_optimizer(
    settings: PhysicalSettings, num_cycles: int
) -> optax.GradientTransformationExtraArgs:
    """Makes the optimiser of a run of so many cycles."""
    rate = settings.learning_rate
    if settings.scheduler != "constant":
        num_updates = num_cycles * settings.num_iterations
        rate = optimizers.make_schedule(settings.scheduler, rate, num_updates)
    return optimizers.make_full_batch(settings.method, rate, settings.b1, settings.b2)


def real_index(
    record: Record, settings: PhysicalSettings
) -> tuple[np.ndarray, np.ndarray, int]:
    """Simulations, starts and horizon of the real windows."""
    horizon = settings.horizon if record.is_full else record.num_steps
    return *record.index(horizon, settings.window_stride), horizon


def make_player(
    record: Record,
    scored: Record,
    settings: PhysicalSettings,
    *,
    fitted: PredictFn,
    predict: PredictFn,
    resampling: Resampling,
    tx: optax.GradientTransformationExtraArgs,
    sample_u0: SampleFn | None,
    gives: Exchange,
    receives: Exchange,
    penalty: Callable[[Params], Array] | None = None,
    adapt: Adapt | None = None,
    visits: float = 0.0,
    differentiate: Differentiate = jax.value_and_grad,
    by_simulation: bool = False,
) -> Player:
    """Makes the physical player.

    Args:
        record: Static facts of the training data on the common grid.
        scored: Those of what scores count, on the grid of the data.
        settings: How it trains.
        fitted: `predict` of the solver, asked on the common grid.
        predict: The same, asked on the grid of the data.
        resampling: Between the grid of the data and the model's own; the coarser of
            both is the common one.
        tx: Its optimiser.
        sample_u0: Draws initial states `(num, *S, C)`, or None for the data's own.
        gives: What it generates for the synthetic player.
        receives: What the synthetic player generates for it.
        visits: Share of these predictions that begin at states of its own.
        penalty: Maps the solver's parameters to a term of the loss.
        adapt: Adapts the weights of the penalty once a cycle.
        differentiate: From `choose_derivatives`.
        by_simulation: Whether alpha is one of each simulation.

    Returns:
        Its functions for the cycle.
    """
    *index, horizon = real_index(record, settings)
    driven = record.num_driven

    def generate(params, real, key, visited=None):
        trajectories = shared.predict_elsewhere(
            *(predict, params, real.training, key, gives, sample_u0, driven, visited)
        )
        if record.is_full:
            return trajectories, None
        along_real = shared.predict_along(predict, params, real.training, driven)
        return trajectories, along_real

    def augmented(real, generated, alpha):
        real = resampling.observed_to_common(real.training)
        parts = [windows.real_windows(real, index, horizon, driven)]
        if generated is not None:
            generated = resampling.to_common(generated)
            parts += shared.predicted_parts(
                record, generated, None, real, settings.generated_horizon
            )
        counts = [part.count for part in parts]
        # Predictions from states that are drawn belong to no simulation.
        alphas = [1.0, jnp.mean(alpha)][: len(parts)]
        return augment.augment(parts, alphas, counts, record.scale)

    def train(state, parts, key):
        state, metrics = full_batch.train(
            state,
            parts,
            predict=fitted,
            tx=tx,
            method=settings.method,
            num_iterations=settings.num_iterations,
            abs_tol=settings.abs_tol,
            keep_best=settings.keep_best,
            chunk=settings.window_chunk or None,
            penalty=penalty,
            differentiate=differentiate,
        )
        return state if adapt is None else adapt(state, parts, key), metrics

    visit = shared.make_visit(predict, visits, receives)
    score = shared.make_score(scored, predict)
    scores = shared.make_scores(scored, predict) if by_simulation else None
    return Player(generate, augmented, train, score, visit, scores)
