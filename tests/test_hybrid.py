"""The order of a cycle, on two players whose whole life is a number."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hyco_jax import coupling, hybrid
from hyco_jax.types import HybridState, Side, TrainState

pytestmark = pytest.mark.usefixtures("strict_numerics")


def number_player(learn):
    """Generates its number; trains by `learn(number, data)`, which returns a loss."""

    def train(state, batch, key):
        del key
        p, loss = learn(state.params["p"], batch)
        return state.replace(step=state.step + 1, params={"p": p}), {"loss": loss}

    return hybrid.Player(
        generate=lambda params, real, key: params["p"],
        augment=lambda real, generated, alpha: (real, generated, alpha),
        train=train,
        score=lambda params, real: jnp.abs(params["p"] - real),
    )


def number_state(player, synthetic_p, physical_p, real):
    sides = []
    for p in (synthetic_p, physical_p):
        params = {"p": jnp.asarray(p, jnp.float32)}
        train_state = TrainState(jnp.zeros((), jnp.int32), params, (), {})
        sides.append(hybrid.init_side(player, train_state, real))
    return HybridState(jnp.zeros((), jnp.int32), jax.random.key(0), *sides)


def scored(score, step=0):
    """A side of which rules of the coupling know the score and the steps."""
    state = TrainState(jnp.asarray(step), {}, (), {})
    return Side(state, jnp.asarray(score, jnp.float32), None, None)


def number_cycle(player, **changes):
    options = {"alpha_synthetic": 1.0, "alpha_physical": 1.0}
    return hybrid.make_hybrid_cycle(player, player, **(options | changes))


def test_the_synthetic_model_learns_first_and_the_physical_one_from_what_it_learnt():
    player = number_player(lambda p, d: (p + d[2] * d[1] + 0.5 * d[0], p))
    cycle = number_cycle(player, alpha_synthetic=2.0, alpha_physical=3.0)
    real = jnp.array(10.0)
    state, metrics = cycle(number_state(player, 1.0, 100.0, real), real)
    # synthetic: 1 + 2·100 + 5 = 206; physical: 100 + 3·206 + 5 = 723
    assert state.synthetic.train.params["p"] == 206.0
    assert state.physical.train.params["p"] == 723.0
    assert (metrics["synthetic"]["loss"], metrics["physical"]["loss"]) == (1.0, 100.0)
    assert (metrics["synthetic"]["alpha"], metrics["physical"]["alpha"]) == (2.0, 3.0)
    assert state.cycle == 1


def test_no_gradient_flows_into_the_partner():
    def learn(p, batch):
        _, generated, alpha = batch
        loss = alpha * (p - generated) ** 2
        return p - 0.1 * jax.grad(lambda p: alpha * (p - generated) ** 2)(p), loss

    player, real = number_player(learn), jnp.array(0.0)
    cycle = number_cycle(player)

    def losses(synthetic_p, physical_p):
        _, metrics = cycle(number_state(player, synthetic_p, physical_p, real), real)
        return metrics["synthetic"]["loss"], metrics["physical"]["loss"]

    own, partner = jax.jacobian(lambda s, p: losses(s, p)[0], (0, 1))(1.0, 3.0)
    # d/ds (s - 3)² = -4 at s = 1; a leak would give +4 for the partner.
    assert own == pytest.approx(-4.0) and partner == 0.0
    partner, own = jax.jacobian(lambda s, p: losses(s, p)[1], (0, 1))(1.0, 3.0)
    # The synthetic model is at 1 - 0.1·2·(1 - 3) = 1.4 by then: 2 (3 - 1.4) = 3.2
    assert own == pytest.approx(3.2) and partner == 0.0


def test_a_partner_is_asked_at_what_the_learner_visits_and_no_gradient_flows():
    def learn(p, batch):
        return p + batch[1], batch[1]

    def generate(params, real, key, visited=0.0):
        return params["p"] * visited

    player = number_player(learn)._replace(
        generate=generate, visit=lambda params, real, key: params["p"] + real
    )
    cycle, real = number_cycle(player), jnp.array(10.0)

    def after(synthetic_p):
        state, _ = cycle(number_state(player, synthetic_p, 3.0, real), real)
        return state.synthetic.train.params["p"], state.physical.train.params["p"]

    # 2 + 3 (2 + 10) = 38, then 3 + 38 (3 + 10) = 497.
    assert after(2.0) == (38.0, 497.0)
    # Of p + generated nothing but p has a gradient.
    assert jax.grad(lambda p: after(p)[0])(2.0) == 1.0


def test_a_rule_goes_by_what_each_simulation_scores():
    player = number_player(lambda p, d: (p + d[1] * d[2].sum(), p))._replace(
        # Of two simulations whose real numbers are 10 and 0.
        scores=lambda params, real: jnp.abs(params["p"] - jnp.stack([real, 0 * real]))
    )
    trust = coupling.make_rule(2.0, coupling.make_trust(1.0))
    cycle = number_cycle(player, alpha_synthetic=trust, alpha_physical=trust)
    state, metrics = cycle(number_state(player, 4.0, 2.0, jnp.array(10.0)), 10.0)
    # 6 / 8 in the first and min(1, 4 / 2) in the second: 4 + 2 (2·0.75 + 2·1) = 11.
    assert state.synthetic.train.params["p"] == 11.0
    assert metrics["synthetic"]["alpha"] == pytest.approx(1.75)
    # Then min(1, 8 / 1) and 2 / 11.
    assert metrics["physical"]["alpha"] == pytest.approx(1 + 2 / 11)
    # The score is one number still.
    assert state.synthetic.score == 1.0


def test_the_best_parameters_are_kept_and_training_goes_on_from_the_last():
    # Each training adds 1; the distance to the real 2 falls and then rises.
    player, real = number_player(lambda p, d: (p + 1.0, p)), jnp.array(2.0)
    state = number_state(player, 0.0, 5.0, real)
    cycle = number_cycle(player)
    for _ in range(3):
        state, metrics = cycle(state, real)
    assert state.synthetic.train.params["p"] == 3.0
    assert state.synthetic.best["p"] == 2.0 and state.synthetic.best_score == 0.0
    assert metrics["synthetic"]["score"] == state.synthetic.score == 1.0
    assert state.physical.best["p"] == 5.0 and state.physical.best_score == 3.0


def test_a_cooldown_ends_with_the_best_parameters_of_all_cycles():
    """Each training adds 1: from 0 the real 2 is met, then left, then returned to."""
    player, real = number_player(lambda p, d: (p + 1.0, p)), jnp.array(2.0)
    state = number_state(player, 0.0, 0.0, real)
    for _ in range(3):
        state, _ = number_cycle(player)(state, real)
    last = hybrid.make_solo_cycle("physical", player, best_at=4)
    found = []
    for _ in range(2):
        state, _ = last(state, real)
        found.append((float(state.physical.train.params["p"]), state.physical.score))
    assert found == [(4.0, 2.0), (2.0, 0.0)]
    assert state.synthetic.train.params["p"] == 3.0


def test_a_cooldown_by_another_measure_scores_the_best_parameters_again():
    """Of 1 to 5, 2 is best for a real 2, and still is where all data say 2.5."""
    player, real = number_player(lambda p, d: (p + 1.0, p)), jnp.array(2.0)
    state = number_state(player, 0.0, 0.0, real)
    for _ in range(4):
        state, _ = number_cycle(player)(state, real)
    last = hybrid.make_solo_cycle("physical", player, scores_anew=True, best_at=4)
    state, _ = last(state, jnp.array(2.5))
    assert state.physical.train.params["p"] == 2.0
    assert state.physical.score == state.physical.best_score == 0.5


def test_a_score_that_is_not_finite_is_never_the_best():
    values = iter([jnp.nan, 4.0, jnp.nan])
    player = number_player(lambda p, d: (jnp.asarray(next(values)), p))
    real = jnp.array(2.0)
    solo = hybrid.make_solo_cycle("synthetic", player)
    state = number_state(player, jnp.nan, 1.0, real)
    before = state.physical
    for _ in range(3):
        state, _ = solo(state, real)
    assert state.synthetic.best["p"] == 4.0 and state.synthetic.best_score == 2.0
    assert state.physical is before and state.cycle == 3


@pytest.mark.parametrize(
    ("own", "partner", "power", "expected"),
    [
        (1.0, 0.5, 1.0, 1.0),
        (1.0, 1.0, 1.0, 1.0),
        (1.0, 4.0, 1.0, 0.25),
        (1.0, 4.0, 2.0, 0.0625),
        (1.0, 4.0, 0.0, 1.0),
        (0.0, 4.0, 1.0, 0.0),
        (0.0, 0.0, 1.0, 1.0),
        (1.0, np.nan, 1.0, 0.0),
        (1.0, np.inf, 0.0, 0.0),
        (np.nan, 4.0, 1.0, 1.0),
        (np.inf, 4.0, 1.0, 1.0),
        (np.nan, np.nan, 1.0, 0.0),
    ],
)
def test_trust_falls_with_the_ratio_of_the_losses(own, partner, power, expected):
    sides = [scored(score) for score in (partner, own)]
    assert coupling.make_trust(power)(*sides) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("own", "partner", "step", "expected"),
    [
        (1.0, 1.0, 3, 0.0),
        (1.0, 2.0, 3, 0.0),
        (1.25, 1.0, 3, 0.25),
        (5.0, 1.0, 3, 1.0),
        (5.0, 1.0, 0, 0.0),
        (0.0, 0.0, 3, 0.0),
        (1.0, 0.0, 3, 1.0),
        (np.nan, 1.0, 3, 1.0),
        (1.0, np.nan, 3, 0.0),
    ],
)
def test_need_is_by_how_much_the_partner_is_better(own, partner, step, expected):
    sides = [scored(score, step) for score in (partner, own)]
    assert coupling.make_need(1.0)(*sides) == pytest.approx(expected)
    assert coupling.make_need(2.0)(*sides) == pytest.approx(expected**2)
    assert coupling.make_need(0.0)(*sides) == float(np.isfinite(partner))


def test_a_rule_is_asked_in_each_cycle_with_the_partner_first():
    player, real = number_player(lambda p, d: (p + d[2], p)), jnp.array(2.0)
    asked = coupling.make_rule(
        optax.piecewise_constant_schedule(1.0, {1: 0.5}),
        lambda partner, own: partner.score - own.score,
    )
    cycle = number_cycle(player, alpha_synthetic=asked, alpha_physical=0.0)
    state = number_state(player, 3.0, 6.0, real)
    state, first = cycle(state, real)
    _, second = cycle(state, real)
    # |6 - 2| - |3 - 2|, and then half of |6 - 2| - |6 - 2|
    assert (first["synthetic"]["alpha"], second["synthetic"]["alpha"]) == (3.0, 0.0)
    assert state.synthetic.train.params["p"] == 6.0


@pytest.mark.parametrize("spoil", [np.nan, np.inf])
def test_nobody_listens_to_a_partner_that_diverged(spoil):
    player, real = number_player(lambda p, d: (p, p)), jnp.array(2.0)
    _, metrics = number_cycle(player)(number_state(player, spoil, 6.0, real), real)
    assert metrics["synthetic"]["alpha"] == 1.0
    assert metrics["physical"]["alpha"] == 0.0


def test_nobody_listens_to_predictions_that_diverged():
    player = number_player(lambda p, d: (p, p))
    spoilt = player._replace(
        generate=lambda params, real, key: {"rollouts": jnp.array([1.0, jnp.inf])}
    )
    real = jnp.array(2.0)
    cycle = number_cycle(spoilt)
    state, metrics = cycle(number_state(player, 3.0, 6.0, real), real)
    assert jnp.isfinite(state.physical.score) and jnp.isfinite(state.synthetic.score)
    assert metrics["synthetic"]["alpha"] == metrics["physical"]["alpha"] == 0.0


def test_in_parallel_both_learn_from_the_state_before_the_cycle():
    player = number_player(lambda p, d: (p + d[2] * d[1] + 0.5 * d[0], p))
    options = {"alpha_synthetic": 2.0, "alpha_physical": 3.0, "is_parallel": True}
    real = jnp.array(10.0)
    before = number_state(player, 1.0, 100.0, real)
    state, _ = number_cycle(player, **options)(before, real)
    # synthetic: 1 + 2·100 + 5 = 206; physical: 100 + 3·1 + 5 = 108
    assert state.synthetic.train.params["p"] == 206.0
    assert state.physical.train.params["p"] == 108.0
    # With nothing learnt from each other the order makes no difference.
    alone = {"alpha_synthetic": 0.0, "alpha_physical": 0.0}
    states = [
        number_cycle(player, **alone, is_parallel=parallel)(before, real)[0]
        for parallel in (False, True)
    ]
    assert all(s.physical.train.params["p"] == 105.0 for s in states)


def test_updates_that_raise_the_score_are_not_kept():
    # Each training adds 1; the distance to the real 2 falls and then rises.
    player, real = number_player(lambda p, d: (p + 1.0, p)), jnp.array(2.0)
    state = number_state(player, 0.0, 5.0, real)
    cycle = number_cycle(player, keep_if_better=True)
    for _ in range(4):
        before = state
        state, metrics = cycle(state, real)
    assert state.synthetic.train.params["p"] == 2.0
    assert state.synthetic.score == 0.0 and state.synthetic.train.step == 2
    # What was tried is in the log all the same.
    assert metrics["synthetic"]["score"] == 1.0
    assert state.physical.train.params["p"] == 5.0
    assert state.cycle == before.cycle + 1
