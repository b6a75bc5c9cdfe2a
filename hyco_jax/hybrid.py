"""The HYCO algorithm: one cycle of two models that learn from data and each other.

    generate physical predictions -> augment the real data -> train the synthetic model
    -> generate synthetic predictions -> augment -> train the physical model

Each model minimises `LossReal + alpha * LossGenerated` (arXiv 2509.14123). The cycle
knows neither solver nor network: it composes the functions of two players, and alone
passes predictions from one to the other and schedules alpha.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from hyco_jax.types import Array, HybridState, Metrics, Params, Side, TrainState


class Player(NamedTuple):
    """One of the two models as the cycle sees it; pure functions.

    What `real` and generated data are is a matter of the two players: windows of
    trajectories, or samples at points.

    Attributes:
        generate: `(params, real, key)` -> predictions for the partner, any pytree.
        augment: `(real, generated, alpha)` -> training data whose weights carry alpha;
            `generated` are the partner's predictions, or None for real data alone.
        train: `(state, data, key)` -> `(state, metrics)`.
        score: `(params, real)` -> loss on the real data, ().
    """

    generate: Callable[[Params, Any, Array], Any]
    augment: Callable[[Any, Any, Array], Any]
    train: Callable[[TrainState, Any, Array], tuple[TrainState, Metrics]]
    score: Callable[[Params, Any], Array]


Cycle = Callable[[HybridState, Any], tuple[HybridState, Metrics]]


def init_side(player: Player, train_state: TrainState, real: Any) -> Side:
    """Scores a model before its first cycle."""
    score = player.score(train_state.variables, real)
    return Side(train_state, score, train_state.params, score)


def make_hybrid_cycle(
    synthetic: Player,
    physical: Player,
    *,
    alpha_synthetic: float,
    alpha_physical: float,
    power: float,
) -> Cycle:
    """Makes the hybrid cycle, a pure function to be jitted.

    Args:
        synthetic: The synthetic model's functions.
        physical: The physical model's functions.
        alpha_synthetic: Weight of fully trusted predictions in the synthetic loss.
        alpha_physical: Likewise in the physical loss.
        power: Of `trust`, which multiplies both alphas; 0 for constant ones.

    Returns:
        `cycle(state, real) -> (state, metrics)`.
    """

    def cycle(state, real):
        synthetic_side, physical_side = state.synthetic, state.physical
        key, *keys = jax.random.split(state.key, 5)

        generated = physical.generate(physical_side.train.variables, real, keys[0])
        alpha = alpha_synthetic * trust(generated, physical_side, synthetic_side, power)
        data = synthetic.augment(real, jax.lax.stop_gradient(generated), alpha)
        synthetic_side, synthetic_metrics = _train(
            synthetic, synthetic_side, data, real, keys[1]
        )
        synthetic_metrics["alpha"] = alpha

        generated = synthetic.generate(synthetic_side.train.variables, real, keys[2])
        alpha = alpha_physical * trust(generated, synthetic_side, physical_side, power)
        data = physical.augment(real, jax.lax.stop_gradient(generated), alpha)
        physical_side, physical_metrics = _train(
            physical, physical_side, data, real, keys[3]
        )
        physical_metrics["alpha"] = alpha

        state = HybridState(state.cycle + 1, key, synthetic_side, physical_side)
        return state, {"synthetic": synthetic_metrics, "physical": physical_metrics}

    return cycle


def make_solo_cycle(name: str, player: Player) -> Cycle:
    """Makes a cycle of the named model on real data alone: a warm-up or a baseline."""

    def cycle(state, real):
        key, train_key = jax.random.split(state.key)
        data = player.augment(real, None, 0.0)
        side, metrics = _train(player, getattr(state, name), data, real, train_key)
        state = state.replace(cycle=state.cycle + 1, key=key, **{name: side})
        return state, {name: metrics}

    return cycle


def repeat(cycle: Cycle, num_cycles: int) -> Cycle:
    """Makes one program of `num_cycles` cycles, whose metrics come back stacked."""
    return lambda state, real: jax.lax.scan(
        lambda state, _: cycle(state, real), state, length=num_cycles
    )


def trust(generated: Any, partner: Side, own: Side, power: float) -> Array:
    """Says how far a partner's predictions should weigh in a model's loss.

    A partner that explains the real data worse than the model would mislead it.

    Args:
        generated: The partner's predictions.
        partner: The model that predicts.
        own: The model that is trained.
        power: How fast trust falls; 0 for no dependence.

    Returns:
        `min(1, own.score / partner.score) ** power`; 0 if one of them diverged.
    """
    finite = jnp.isfinite(partner.score)
    for leaf in jax.tree.leaves(generated):
        finite &= jnp.isfinite(leaf).all()
    own_score = jnp.where(jnp.isfinite(own.score), own.score, jnp.inf)
    ratio = jnp.where(partner.score <= own_score, 1.0, own_score / partner.score)
    return jnp.where(finite, ratio**power, 0.0)


def _train(player: Player, side: Side, data, real, key) -> tuple[Side, Metrics]:
    """Trains one model, scores it and keeps the better of old and new."""
    trained, metrics = player.train(side.train, data, key)
    score = player.score(trained.variables, real)
    better = jnp.isfinite(score) & ~(score >= side.best_score)
    best, best_score = jax.tree.map(
        lambda new, old: jnp.where(better, new, old),
        (trained.params, score),
        (side.best, side.best_score),
    )
    return Side(trained, score, best, best_score), {**metrics, "score": score}
