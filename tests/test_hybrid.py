"""The order of a cycle, on two players whose whole life is a number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax import hybrid
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


def number_cycle(player, **changes):
    options = {"alpha_synthetic": 1.0, "alpha_physical": 1.0, "power": 0.0}
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
    sides = [
        Side(None, jnp.asarray(score, jnp.float32), None, None)
        for score in (partner, own)
    ]
    generated = {"rollouts": jnp.ones(3)}
    assert hybrid.trust(generated, *sides, power) == pytest.approx(expected)
    diverged = {"rollouts": jnp.array([1.0, jnp.inf])}
    assert hybrid.trust(diverged, *sides, power) == 0.0
