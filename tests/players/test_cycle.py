import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax import hybrid
from hyco_jax.data import augment, windows
from hyco_jax.data import record as records
from hyco_jax.players import synthetic as synthetic_players
from hyco_jax.training import minibatch, optimizers
from tests import pair, toy

pytestmark = pytest.mark.usefixtures("strict_numerics")

EXACT = {
    "synthetic": {"kernel": jnp.array([toy.RATE, 1 - 2 * toy.RATE, toy.RATE])},
    "physical": {"rate": jnp.array(toy.RATE)},
}
WRONG = {
    "synthetic": {"kernel": jnp.array([0.1, 0.7, 0.1])},
    "physical": {"rate": jnp.array(0.4)},
}


def make_toy_system(mask=None, **options):
    descent = optimizers.DescentSettings(
        optimizer="sgd", scheduler="constant", learning_rate=3e-3, clip_norm=0.0
    )
    return pair.make_system(
        toy.observed(toy.trajectories(jax.random.key(1)), mask),
        {
            "synthetic": toy.predict(toy.convolve),
            "physical": toy.predict(toy.diffuse),
        },
        {
            "synthetic": optimizers.make_descent(descent, 1),
            "physical": optimizers.make_full_batch("lbfgs", 0.0),
        },
        **options,
    )


@pytest.fixture(scope="module")
def full():
    """A system of which every entry is observed."""
    return make_toy_system()


@pytest.fixture(scope="module")
def partial():
    """A system of which half the cells are observed."""
    mask = (np.arange(8) < 4)[None, None, :, None]
    return make_toy_system(mask, horizon=6)


def assert_bitwise_equal(first, second):
    first, second = pair.bits(first), pair.bits(second)
    jax.tree.map(np.testing.assert_array_equal, first, second)


def assert_differ(first, second):
    first, second = (s.synthetic.train.params["kernel"] for s in (first, second))
    assert (first != second).any()


@pytest.mark.parametrize("name", ["full", "partial"])
def test_two_exact_models_stay_where_they_are(name, request):
    system = request.getfixturevalue(name)
    state, metrics = pair.run(system, EXACT, num_cycles=2)
    for model, exact in EXACT.items():
        params = getattr(state, model).train.params
        # Rounding of 6e-8 per step enters the gradients.
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), params, exact
        )
        assert metrics[model]["final_loss"] < 1e-11
        assert metrics[model]["score"] < 1e-11


@pytest.mark.parametrize("name", ["full", "partial"])
def test_two_wrong_models_approach_the_truth(name, request):
    system = request.getfixturevalue(name)
    state, metrics = pair.run(system, WRONG, num_cycles=20)
    assert state.cycle == 20
    # Each is off by what the other has yet to learn: the rate by 0.2 in the beginning.
    assert state.physical.train.params["rate"] == pytest.approx(toy.RATE, abs=0.02)
    before = np.abs(WRONG["synthetic"]["kernel"] - EXACT["synthetic"]["kernel"])
    after = np.abs(
        state.synthetic.train.params["kernel"] - EXACT["synthetic"]["kernel"]
    )
    assert after.max() < 0.5 * before.max()
    for model in ("synthetic", "physical"):
        assert metrics[model]["part_losses"].sum() == pytest.approx(
            float(metrics[model]["final_loss"]), rel=1e-3, abs=1e-9
        )


@pytest.mark.parametrize("name", ["full", "partial"])
def test_without_alpha_what_is_generated_does_not_change_a_bit(name, request):
    system = request.getfixturevalue(name)
    results = [
        pair.run(system, WRONG, alpha=0.0, factor=factor)
        for factor in (1.0, -3.0, np.nan)
    ]
    assert_bitwise_equal(results[0], results[1])
    assert_bitwise_equal(results[0], results[2])
    coupled, _ = pair.run(system, WRONG, alpha=1.0)
    other, _ = pair.run(system, WRONG, alpha=1.0, factor=-3.0)
    assert_differ(coupled, other)


def test_without_alpha_each_model_is_its_trainer_alone(full):
    state, metrics = pair.run(full, WRONG, alpha=0.0)
    before = pair.make_state(full, WRONG)
    record, real = full.record, full.real

    solo = jax.jit(hybrid.make_solo_cycle("physical", full.players["physical"]))
    alone, alone_metrics = solo(before, real)
    np.testing.assert_allclose(
        state.physical.train.params["rate"],
        alone.physical.train.params["rate"],
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        metrics["physical"]["losses"],
        alone_metrics["physical"]["losses"],
        rtol=1e-4,
        atol=1e-9,
    )

    @jax.jit
    def train_alone(train_state, real, key):
        part = windows.real_windows(real.training, record.index(1), 1)
        num_real = pair.SYNTHETIC.num_real
        return minibatch.train(
            train_state,
            augment.augment([part], [1.0], [num_real], record.scale),
            key,
            predict=toy.predict(toy.convolve),
            tx=full.txs["synthetic"],
            num_epochs=pair.SYNTHETIC.num_epochs,
            batch_sizes=[num_real],
            updates_per_epoch=synthetic_players.count_updates(
                record, pair.SYNTHETIC, 1, pair.FOR_SYNTHETIC
            ),
        )

    # A cycle's keys: the next cycle's, then one for each of its four stages.
    train_key = jax.random.split(before.key, 5)[2]
    alone, alone_metrics = train_alone(before.synthetic.train, real, train_key)
    kernel = state.synthetic.train.params["kernel"]
    np.testing.assert_allclose(kernel, alone.params["kernel"], rtol=1e-5)
    assert state.synthetic.train.step == alone.step > 0
    np.testing.assert_allclose(
        metrics["synthetic"]["losses"], alone_metrics["losses"], rtol=1e-4
    )


def test_unobserved_entries_do_not_change_a_bit(partial):
    observed = partial.real.training
    hidden = observed.weights == 0
    assert np.isnan(observed.states).any() and hidden.any()
    filled = observed.replace(states=jnp.where(hidden, 1e3, observed.states))
    blank, other = (
        pair.run(partial, WRONG, num_cycles=2, real=records.Real(r, r))
        for r in (observed, filled)
    )
    assert_bitwise_equal(blank, other)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(blank[1]))


def test_the_same_seed_gives_the_same_result(full):
    first, again, other = (pair.run(full, WRONG, seed=s)[0] for s in (3, 3, 4))
    assert_bitwise_equal(first, again)
    assert_differ(first, other)


def test_a_cycle_is_compiled_once(full):
    state = pair.make_state(full, WRONG)
    shapes = toy.describe(state)
    for _ in range(3):
        donated, (state, _) = state, full.cycle(state, full.real, 1.0, 1.0, 0.0)
        assert donated.synthetic.train.params["kernel"].is_deleted()
        assert toy.describe(state) == shapes
    assert full.cycle._cache_size() == 1


@pytest.fixture(scope="module")
def held_out():
    """A system whose last of six times neither model trains on."""
    return make_toy_system(hold_out=True, horizon=1)


def test_what_is_held_out_for_trust_trains_no_model_but_scores_both(held_out):
    real = held_out.real
    assert real.training.states.shape[1] == 6 and real.scored.states.shape[1] == 7
    counted = np.broadcast_to(real.scored.weights, real.scored.states.shape)
    np.testing.assert_array_equal(counted.any(axis=(0, 2, 3)), np.arange(7) == 6)
    states = real.scored.states.at[:, 6].set(1e3)
    other = records.make_real(toy.observed(states), True)
    scales = (records.make_record(r.training).scale for r in (real, other))
    np.testing.assert_array_equal(*scales)
    (first, _), (second, _) = (
        pair.run(held_out, WRONG, num_cycles=2, real=r) for r in (real, other)
    )
    for model in ("synthetic", "physical"):
        sides = [getattr(state, model) for state in (first, second)]
        assert_bitwise_equal(sides[0].train, sides[1].train)
        assert sides[0].score != sides[1].score


def test_several_cycles_in_one_program_are_the_cycles_one_by_one(full):
    cycle = full.make_cycle(1.0, 1.0, 0.0)
    together = jax.jit(hybrid.repeat(cycle, 3))
    state, stacked = together(pair.make_state(full, WRONG), full.real)
    one, singles = pair.make_state(full, WRONG), []
    for _ in range(3):
        one, metrics = full.cycle(one, full.real, 1.0, 1.0, 0.0)
        singles.append(metrics)
    assert state.cycle == one.cycle == 3
    # Compiled in a loop or alone, XLA fuses, and so rounds, differently.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        pair.bits(state.physical.train.params),
        pair.bits(one.physical.train.params),
    )
    for name in ("synthetic", "physical"):
        expected = [m[name]["losses"] for m in singles]
        np.testing.assert_allclose(
            stacked[name]["losses"], expected, rtol=1e-3, atol=1e-8
        )
