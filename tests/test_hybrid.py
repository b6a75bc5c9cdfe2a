import dataclasses
import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax import data, hybrid, physical, players, synthetic, windows
from hyco_jax.domain import Domain
from hyco_jax.pde import burgers
from hyco_jax.types import HybridState, Side, TrainState
from tests import toy

pytestmark = pytest.mark.usefixtures("quick_compilation")

SYNTHETIC = players.SyntheticSettings(
    horizon=1,
    generated_horizon=2,
    num_epochs=2,
    batch_size=7,
    num_real=3,
    num_generated=2,
    num_predict_steps=3,
)
PHYSICAL = players.PhysicalSettings(
    method="lbfgs",
    horizon=2,
    window_stride=1,
    window_chunk=0,
    num_iterations=3,
    abs_tol=0.0,
    num_generated=2,
    num_predict_steps=4,
)
EXACT = {
    "synthetic": {"kernel": jnp.array([toy.RATE, 1 - 2 * toy.RATE, toy.RATE])},
    "physical": {"rate": jnp.array(toy.RATE)},
}
WRONG = {
    "synthetic": {"kernel": jnp.array([0.1, 0.7, 0.1])},
    "physical": {"rate": jnp.array(0.4)},
}


def make_state(system, start, seed=0):
    """The state before the first cycle."""
    # Two leaves of one buffer can't be donated.
    return jax.tree.map(jnp.copy, system.init(start, jax.random.key(seed)))


def make_system(
    real, steps, tx, sample_u0, synthetic_settings=SYNTHETIC, physical_settings=PHYSICAL
):
    """Both players and a compiled cycle that can spoil what is generated."""
    record = players.make_record(real)
    synthetic_player = players.make_synthetic_player(
        record,
        synthetic_settings,
        step=steps["synthetic"],
        tx=tx["synthetic"],
        sample_u0=sample_u0,
        partner=physical_settings,
    )
    physical_player = players.make_physical_player(
        record,
        physical_settings,
        step=steps["physical"],
        tx=tx["physical"],
        sample_u0=sample_u0,
        partner=synthetic_settings,
    )

    @functools.partial(jax.jit, donate_argnums=0)
    def cycle(state, real, alpha, factor, trust_power):
        def spoiled(player):
            def generate(params, real, key):
                generated = player.generate(params, real, key)
                return jax.tree.map(lambda u: factor * u, generated)

            return player._replace(generate=generate)

        return hybrid.make_hybrid_cycle(
            spoiled(synthetic_player),
            spoiled(physical_player),
            alpha_synthetic=alpha,
            alpha_physical=alpha,
            trust_power=trust_power,
        )(state, real)

    both = {"synthetic": synthetic_player, "physical": physical_player}

    @jax.jit
    def init(start, key):
        sides = {
            name: hybrid.init_side(
                player, synthetic.init(start[name], list(start[name]), tx[name]), real
            )
            for name, player in both.items()
        }
        return HybridState(jnp.zeros((), jnp.int32), key, **sides)

    return SimpleNamespace(
        real=real, tx=tx, init=init, cycle=cycle, record=record, players=both
    )


def make_toy_system(mask=None, synthetic_settings=SYNTHETIC):
    return make_system(
        toy.observed(toy.trajectories(jax.random.key(1)), mask),
        {"synthetic": toy.convolve, "physical": toy.diffuse},
        {
            "synthetic": synthetic.make_optimizer("sgd", 3e-3, "constant", 1),
            "physical": physical.make_optimizer("lbfgs", 0.0),
        },
        toy.sample_u0,
        synthetic_settings,
    )


@pytest.fixture(scope="module")
def full():
    """A system of which every entry is observed."""
    return make_toy_system()


@pytest.fixture(scope="module")
def partial():
    """A system of which half the cells are observed."""
    mask = (np.arange(8) < 4)[None, None, :, None]
    return make_toy_system(mask, dataclasses.replace(SYNTHETIC, horizon=6))


def run(
    system,
    start,
    num_cycles=1,
    alpha=1.0,
    factor=1.0,
    seed=0,
    real=None,
    trust_power=0.0,
):
    state = make_state(system, start, seed)
    real = system.real if real is None else real
    for _ in range(num_cycles):
        state, metrics = system.cycle(state, real, alpha, factor, trust_power)
    return state, metrics


def assert_bitwise_equal(first, second):
    first, second = (
        jax.tree.map(
            lambda x: jax.random.key_data(x)
            if jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
            else x,
            tree,
        )
        for tree in (first, second)
    )
    jax.tree.map(np.testing.assert_array_equal, first, second)


def assert_differ(first, second):
    first, second = (s.synthetic.train.params["kernel"] for s in (first, second))
    assert (first != second).any()


@pytest.mark.parametrize("name", ["full", "partial"])
def test_two_exact_models_stay_where_they_are(name, request):
    system = request.getfixturevalue(name)
    state, metrics = run(system, EXACT, num_cycles=2)
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
    state, metrics = run(system, WRONG, num_cycles=20)
    assert state.cycle == 20
    # Each is off by what the other has yet to learn: the rate by 0.2 in the beginning.
    assert state.physical.train.params["rate"] == pytest.approx(toy.RATE, abs=0.02)
    before = np.abs(WRONG["synthetic"]["kernel"] - EXACT["synthetic"]["kernel"])
    after = np.abs(state.synthetic.train.params["kernel"] - EXACT["synthetic"]["kernel"])
    assert after.max() < 0.5 * before.max()
    for model in ("synthetic", "physical"):
        assert metrics[model]["part_losses"].sum() == pytest.approx(
            float(metrics[model]["final_loss"]), rel=1e-3, abs=1e-9
        )


@pytest.mark.parametrize("name", ["full", "partial"])
def test_without_alpha_what_is_generated_does_not_change_a_bit(name, request):
    system = request.getfixturevalue(name)
    results = [
        run(system, WRONG, alpha=0.0, factor=factor) for factor in (1.0, -3.0, np.nan)
    ]
    assert_bitwise_equal(results[0], results[1])
    assert_bitwise_equal(results[0], results[2])
    coupled, _ = run(system, WRONG, alpha=1.0)
    other, _ = run(system, WRONG, alpha=1.0, factor=-3.0)
    assert_differ(coupled, other)


def test_without_alpha_each_model_is_its_trainer_alone(full):
    state, metrics = run(full, WRONG, alpha=0.0)
    before = make_state(full, WRONG)
    record, real = full.record, full.real

    solo = jax.jit(hybrid.make_solo_cycle("physical", full.players["physical"]))
    alone, alone_metrics = solo(before, real)
    np.testing.assert_allclose(
        state.physical.train.params["rate"], alone.physical.train.params["rate"],
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
        part = windows.real_windows(real, record.index(1), 1)
        return synthetic.train(
            train_state,
            data.augment([part], [1.0], [SYNTHETIC.num_real], record.scale),
            key,
            step=toy.convolve,
            tx=full.tx["synthetic"],
            num_epochs=SYNTHETIC.num_epochs,
            batch_sizes=[SYNTHETIC.num_real],
            updates_per_epoch=players.count_updates(record, SYNTHETIC),
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
    real = partial.real
    hidden = real.weights == 0
    assert np.isnan(real.states).any() and hidden.any()
    filled = real.replace(states=jnp.where(hidden, 1e3, real.states))
    blank, other = (
        run(partial, WRONG, num_cycles=2, real=r) for r in (real, filled)
    )
    assert_bitwise_equal(blank, other)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(blank[1]))


def test_the_same_seed_gives_the_same_result(full):
    first, again, other = (run(full, WRONG, seed=s)[0] for s in (3, 3, 4))
    assert_bitwise_equal(first, again)
    assert_differ(first, other)


def test_a_cycle_is_compiled_once(full):
    state = make_state(full, WRONG)
    # PRNG keys have no weak type.
    describe = functools.partial(
        jax.tree.map, lambda x: (x.shape, x.dtype, getattr(x, "weak_type", None))
    )
    shapes = describe(state)
    for _ in range(3):
        donated, (state, _) = state, full.cycle(state, full.real, 1.0, 1.0, 0.0)
        assert donated.synthetic.train.params["kernel"].is_deleted()
        assert describe(state) == shapes
    assert full.cycle._cache_size() == 1


# Two players whose whole life is a number: they show the order of a cycle.


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
    options = {"alpha_synthetic": 1.0, "alpha_physical": 1.0, "trust_power": 0.0}
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
    assert hybrid.trust(*sides, power) == pytest.approx(expected)


def test_a_viscosity_is_recovered_from_twice_its_value():
    domain, bounds = Domain((32,), (16.0,)), (0.0, 2.0)
    model = burgers.make_burgers(domain, 0.1, 1.0, bounds, is_field=False)
    true_step = burgers.make_step(domain, 0.1, bounds[1])
    sample_u0 = functools.partial(data.sample_u0, domain=domain, scale=1.0)

    def sample(key, num_samples):
        return sample_u0(key, num_samples=num_samples)

    truth = data.simulate(true_step, 0.5, sample(jax.random.key(5), 2), 6)
    region = data.observed_region(domain, ((0.25, 0.75),))
    real = data.observe(jax.random.key(6), truth, region)
    system = make_system(
        real,
        {"synthetic": quadratic_stencil, "physical": model.step},
        {
            "synthetic": synthetic.make_optimizer("adam", 1e-2, "constant", 1),
            "physical": physical.make_optimizer("lbfgs", 0.0),
        },
        sample,
        dataclasses.replace(SYNTHETIC, horizon=6),
    )
    stencil = {"linear": jnp.zeros((3, 1)), "quadratic": jnp.zeros((3, 1))}
    start = {"synthetic": stencil, "physical": model.init(jax.random.key(0))}
    guess = burgers.viscosity(start["physical"], bounds)
    assert guess == pytest.approx(1.0, rel=1e-5)
    state, metrics = run(system, start, num_cycles=4, alpha=0.1, trust_power=1.0)
    found = burgers.viscosity(state.physical.train.params, bounds)
    assert found == pytest.approx(0.5, rel=2e-2)
    # The network has learnt, and its predictions took part.
    before = make_state(system, start).synthetic.score
    assert metrics["synthetic"]["score"] < 0.8 * before
    assert metrics["physical"]["part_losses"][1] > 0


def quadratic_stencil(params, u):
    """u plus a stencil of its neighbours' values and squares."""
    near = jnp.concatenate([jnp.roll(u, i, axis=0) for i in (-1, 0, 1)], axis=-1)
    return u + near @ params["linear"] + near**2 @ params["quadratic"]
