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

from hyco_jax.coupling import Rule
from hyco_jax.types import Array, HybridState, Metrics, Params, Side, TrainState


class Player(NamedTuple):
    """One of the two models as the cycle sees it; pure functions.

    What `real` and generated data are is a matter of the two players: windows of
    trajectories, or samples at points.

    Attributes:
        generate: `(params, real, key)` -> predictions for the partner, any pytree; if
            the partner has a `visit`, also of the states that it gives.
        augment: `(real, generated, alpha)` -> training data whose weights carry alpha;
            `generated` are the partner's predictions, or None for real data alone.
        train: `(state, data, key)` -> `(state, metrics)`.
        score: `(params, real)` -> loss on the real data, ().
        visit: `(params, real, key)` -> states of the model's own trajectories, from
            which its partner shall predict; None for those that the partner chooses.
        scores: `(params, real)` -> loss of each simulation, (N,), where rules of alpha
            go by these and give an alpha for each; None where they go by the score.
    """

    generate: Callable[[Params, Any, Array], Any]
    augment: Callable[[Any, Any, Array], Any]
    train: Callable[[TrainState, Any, Array], tuple[TrainState, Metrics]]
    score: Callable[[Params, Any], Array]
    visit: Callable[[Params, Any, Array], Array] | None = None
    scores: Callable[[Params, Any], Array] | None = None


Cycle = Callable[[HybridState, Any], tuple[HybridState, Metrics]]


def init_side(player: Player, train_state: TrainState, real: Any) -> Side:
    """Scores a model before its first cycle."""
    score = player.score(train_state.variables, real)
    return Side(train_state, score, train_state.params, score)


def on_whole(player: Player) -> Player:
    """The player on all real data, for the last cycles alone: nothing is held out."""

    def augment(real, generated, alpha):
        return player.augment(real.whole, generated, alpha)

    def score(params, real):
        return player.score(params, real.whole)

    return player._replace(augment=augment, score=score)


def make_hybrid_cycle(
    synthetic: Player,
    physical: Player,
    *,
    alpha_synthetic: float | Rule,
    alpha_physical: float | Rule,
    is_parallel: bool = False,
    keep_if_better: bool = False,
) -> Cycle:
    """Makes the hybrid cycle, a pure function to be jitted.

    Args:
        synthetic: The synthetic model's functions.
        physical: The physical model's functions.
        alpha_synthetic: Weight of the physical model's predictions in the synthetic
            loss: a number, or a rule of the cycle and both sides, see `coupling`.
        alpha_physical: Likewise in the physical loss.
        is_parallel: Whether the physical model learns from the synthetic one as it was
            at the beginning of the cycle, as published, else as it is after it.
        keep_if_better: Whether an update is kept only if it lowers the score.

    Returns:
        `cycle(state, real) -> (state, metrics)`.
    """

    def cycle(state, real):
        key, *keys = jax.random.split(state.key, 5)

        def learn(player, own, partner_player, partner, rule, keys):
            asked = partner.train.variables, real, keys[0]
            if player.visit is not None:
                visited = player.visit(own.train.variables, real, keys[0])
                asked = (*asked, jax.lax.stop_gradient(visited))
            generated = partner_player.generate(*asked)
            judged = [_by_simulation(partner_player, partner, real)]
            judged += [_by_simulation(player, own, real)]
            alpha = rule(state.cycle, *judged) if callable(rule) else rule
            alpha = jnp.where(_is_finite(generated, partner.score), alpha, 0.0)
            data = player.augment(real, jax.lax.stop_gradient(generated), alpha)
            side, metrics = _train(player, own, data, real, keys[1], keep_if_better)
            return side, {**metrics, "alpha": jnp.mean(alpha)}

        synthetic_side, synthetic_metrics = learn(
            synthetic, state.synthetic, physical, state.physical, alpha_synthetic, keys
        )
        heard = state.synthetic if is_parallel else synthetic_side
        physical_side, physical_metrics = learn(
            physical, state.physical, synthetic, heard, alpha_physical, keys[2:]
        )
        state = HybridState(state.cycle + 1, key, synthetic_side, physical_side)
        return state, {"synthetic": synthetic_metrics, "physical": physical_metrics}

    return cycle


def make_solo_cycle(
    name: str,
    player: Player,
    scores_anew: bool = False,
    teacher: Player | None = None,
    alpha: float = 0.0,
    best_at: int | None = None,
) -> Cycle:
    """Makes a cycle of the named model alone: a warm-up, a baseline or a cooldown.

    Args:
        name: Of the model.
        player: Its functions.
        scores_anew: Whether what was scored before was another measure than the
            player's own, so that the best parameters have to be scored again.
        teacher: The partner's functions, if the model listens to it while it stays as
            it is; else real data are all that it learns from.
        alpha: Weight of the teacher's predictions.
        best_at: The cycle behind which the model returns to its best parameters so far,
            if it has one.
    """
    (partner,) = {"synthetic", "physical"} - {name}

    def cycle(state, real):
        key, generated = state.key, None
        if teacher is not None:
            key, generate_key = jax.random.split(key)
            taught = getattr(state, partner).train.variables
            generated = teacher.generate(taught, real, generate_key)
        key, train_key = jax.random.split(key)
        data = player.augment(real, jax.lax.stop_gradient(generated), alpha)
        side = getattr(state, name)
        if scores_anew:
            best_score = player.score(side.best_variables, real)
            side = side.replace(best_score=best_score)
        side, metrics = _train(player, side, data, real, train_key)
        if best_at is not None:
            side = _choose(state.cycle == best_at, _at_best(side), side)
        state = state.replace(cycle=state.cycle + 1, key=key, **{name: side})
        return state, {name: metrics}

    return cycle


def repeat(cycle: Cycle, num_cycles: int) -> Cycle:
    """Makes one program of `num_cycles` cycles, whose metrics come back stacked."""
    return lambda state, real: jax.lax.scan(
        lambda state, _: cycle(state, real), state, length=num_cycles
    )


def _by_simulation(player: Player, side: Side, real: Any) -> Side:
    """A side whose score is one of each simulation, if its player has such scores."""
    if player.scores is None:
        return side
    return side.replace(score=player.scores(side.train.variables, real))


def _is_finite(generated: Any, score: Array) -> Array:
    """Whether a partner has not diverged: else nobody listens to it."""
    finite = jnp.isfinite(score)
    for leaf in jax.tree.leaves(generated):
        finite &= jnp.isfinite(leaf).all()
    return finite


def _train(
    player: Player, side: Side, data, real, key, keep_if_better: bool = False
) -> tuple[Side, Metrics]:
    """Trains one model, scores it and keeps the better of old and new."""
    trained, metrics = player.train(side.train, data, key)
    score = player.score(trained.variables, real)
    metrics = {**metrics, "score": score}
    better = jnp.isfinite(score) & ~(score >= side.best_score)
    best, best_score = _choose(
        better, (trained.params, score), (side.best, side.best_score)
    )
    new = Side(trained, score, best, best_score)
    if keep_if_better:
        new = _choose(jnp.isfinite(score) & ~(score >= side.score), new, side)
    return new, metrics


def _at_best(side: Side) -> Side:
    train = side.train.replace(params=side.best)
    return side.replace(train=train, score=side.best_score)


def _choose(condition, new, old):
    return jax.tree.map(lambda new, old: jnp.where(condition, new, old), new, old)
