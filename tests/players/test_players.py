import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax import hybrid
from hyco_jax.data import record as records
from hyco_jax.data.record import Real
from hyco_jax.grids import quantities as meanings
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.players import physical as physical_players
from hyco_jax.players import synthetic as synthetic_players
from hyco_jax.players import windows as shared
from hyco_jax.players.windows import Exchange
from tests import pair, toy

pytestmark = pytest.mark.usefixtures("strict_numerics")

STATES = toy.trajectories(jax.random.key(1), num_sims=2, num_steps=6)
MASK = (np.arange(8) < 4)[None, None, :, None]
SYNTHETIC = dataclasses.replace(pair.SYNTHETIC, num_epochs=1, batch_size=9)
EXCHANGES = Exchange(3, 4), Exchange(2, 3)
diffused = toy.predict(toy.diffuse)


def make_players(observed, horizon=6, visits=0.0, by_simulation=False):
    real = Real(observed, observed)
    predicts = {"synthetic": diffused, "physical": diffused}
    nothing = {"synthetic": None, "physical": None}
    players = pair.make_players(
        real,
        predicts,
        nothing,
        horizon=horizon,
        synthetic=SYNTHETIC,
        exchanges=EXCHANGES,
        visits=visits,
        by_simulation=by_simulation,
    )
    return real, players["synthetic"], players["physical"]


def test_each_player_generates_what_the_other_trains_on(key):
    params = {"rate": jnp.array(0.1)}
    real, synthetic_player, physical_player = make_players(toy.observed(STATES), 1)
    trajectories, along_real = physical_player.generate(params, real, key)
    assert trajectories.shape == (3, 5, 8, 1) and along_real is None
    u0 = toy.sample_u0(key, 3)
    np.testing.assert_array_equal(trajectories[:, 0], u0)
    power = np.linalg.matrix_power(toy.matrix(0.1, 8), 4)
    np.testing.assert_allclose(trajectories[:, 4], power @ np.asarray(u0), atol=2e-6)
    assert synthetic_player.generate(params, real, key).shape == (2, 4, 8, 1)


def own_trajectories(params, real):
    return np.asarray(shared.predict_along(diffused, params, real.training))


@pytest.mark.parametrize("visits", [0.5, 1.0])
def test_a_partner_predicts_from_where_the_model_has_been(visits, key):
    params, partner = {"rate": jnp.array(0.2)}, {"rate": jnp.array(0.1)}
    real, synthetic_player, physical_player = make_players(
        toy.observed(STATES), 1, visits
    )
    visited = np.asarray(synthetic_player.visit(params, real, key))
    count = round(3 * visits)
    assert visited.shape == (count, 8, 1)
    own = own_trajectories(params, real).reshape(-1, 8, 1)
    for state in visited:
        assert (state == own).all(axis=(1, 2)).any()
    found, _ = physical_player.generate(partner, real, key, visited)
    np.testing.assert_array_equal(found[:count, 0], visited)
    np.testing.assert_array_equal(found[count:, 0], toy.sample_u0(key, 3)[count:])
    step = toy.matrix(0.1, 8)
    np.testing.assert_allclose(found[:, 1], step @ np.asarray(found[:, 0]), atol=2e-6)


def test_equal_models_have_nothing_to_correct_where_they_have_been(key):
    params = {"rate": jnp.array(0.2)}
    real, synthetic_player, physical_player = make_players(
        toy.observed(STATES), 1, visits=1.0
    )
    visited = synthetic_player.visit(params, real, key)
    generated = physical_player.generate(params, real, key, visited)
    last = synthetic_player.augment(real, generated, 1.0)[-1]
    batch = last.take(jnp.arange(last.count))
    answers = diffused(params, batch.query)
    np.testing.assert_allclose(answers, batch.targets, atol=1e-6)


def test_a_trajectory_that_diverged_is_not_visited(key):
    real, synthetic_player, _ = make_players(toy.observed(STATES), 1, visits=1.0)
    visited = synthetic_player.visit({"rate": jnp.array(jnp.nan)}, real, key)
    initial = np.asarray(STATES[:, 0])
    for state in np.asarray(visited):
        assert (state == initial).all(axis=(1, 2)).any()


def test_with_full_observation_there_are_real_and_generated_windows(key):
    params = {"rate": jnp.array(0.1)}
    real, synthetic_player, physical_player = make_players(toy.observed(STATES), 1)
    generated = physical_player.generate(params, real, key)
    parts = synthetic_player.augment(real, generated, 1.0)
    # 2 simulations of 6 starts; 3 trajectories of 4 steps with horizon 2.
    assert [(p.count, p.horizon) for p in parts] == [(12, 1), (9, 2)]
    generated = synthetic_player.generate(params, real, key)
    parts = physical_player.augment(real, generated, 1.0)
    assert [(p.count, p.horizon) for p in parts] == [(10, 2), (4, 2)]
    (alone,) = physical_player.augment(real, None, 0.0)
    assert alone.count == 10


def test_with_gaps_predicted_states_also_meet_real_observations(key):
    params = {"rate": jnp.array(0.1)}
    real, synthetic_player, physical_player = make_players(toy.observed(STATES, MASK))
    generated = physical_player.generate(params, real, key)
    first, corrected, last = synthetic_player.augment(real, generated, 1.0)
    # Whole records from t = 0; every start along them; the 3 generated trajectories.
    assert [(p.count, p.horizon) for p in (first, corrected, last)] == [
        (2, 6),
        (10, 2),
        (9, 2),
    ]
    batch = corrected.take(jnp.array([3]))
    along = np.linalg.matrix_power(toy.matrix(0.1, 8), 3) @ np.asarray(STATES[0, 0])
    np.testing.assert_allclose(batch.query.u0[0], along, atol=2e-6)
    np.testing.assert_array_equal(batch.targets[0], real.training.states[0, 4:6])
    seen = np.broadcast_to(batch.weights > 0, batch.targets.shape)
    np.testing.assert_array_equal(seen, np.broadcast_to(MASK, seen.shape))
    # The physical model is fitted to the whole record.
    parts = physical_player.augment(real, STATES[:, :4], 1.0)
    assert [(p.count, p.horizon) for p in parts] == [(2, 6), (4, 2)]


def test_each_simulation_carries_an_alpha_of_its_own(key):
    params = {"rate": jnp.array(0.1)}
    real, synthetic_player, physical_player = make_players(
        toy.observed(STATES, MASK), by_simulation=True
    )
    generated = physical_player.generate(params, real, key)
    one = synthetic_player.augment(real, generated, 1.0)
    each = synthetic_player.augment(real, generated, jnp.array([0.25, 1.0]))
    # Of the record; along both simulations; from states that belong to none.
    for factor, before, after in zip(
        ([1.0], [0.25, 1.0], [0.625]), one, each, strict=True
    ):
        factor = np.reshape(factor, (-1, 1, 1, 1))
        np.testing.assert_allclose(after.weights, factor * before.weights, rtol=1e-6)
    given = physical_player.augment(real, STATES[:, :4], jnp.array([0.25, 1.0]))
    expected = physical_player.augment(real, STATES[:, :4], 0.625)
    for found, part in zip(given, expected, strict=True):
        np.testing.assert_allclose(found.weights, part.weights, rtol=1e-6)


def test_the_score_is_the_mean_of_what_each_simulation_scores():
    observed = toy.observed(STATES, MASK)
    real, *players = make_players(observed, by_simulation=True)
    params = {"rate": jnp.array(0.1)}
    for player in players:
        scores = player.scores(params, real)
        assert scores.shape == (2,) and scores[0] != scores[1]
        score = player.score(params, real)
        assert scores.mean() == pytest.approx(float(score), rel=1e-6)
        # Where it is said of one simulation alone, it is that one's.
        seen = np.broadcast_to(observed.weights, STATES.shape)
        first = observed.replace(weights=seen * np.array([1, 0]).reshape(2, 1, 1, 1))
        alone = player.scores(params, Real(observed, first))
        assert alone[1] == 0.0
        assert alone[0] == pytest.approx(2 * float(scores[0]), rel=1e-5)
    _, *others = make_players(observed)
    assert all(player.scores is None for player in others)


@pytest.mark.parametrize("mask", [None, MASK], ids=["full", "partial"])
def test_an_epoch_needs_as_many_updates_as_all_windows_fill(mask):
    record = records.make_record(toy.observed(STATES, mask))
    horizon = 1 if mask is None else 6
    # full: ceil((12 + 9) / 9) = 3; partial: ceil((2 + 9 + 10) / 9) = 3, 8 windows more
    # with a batch size of 7: ceil(21 / 7) = 3, of 5: ceil(21 / 5) = 5
    for batch_size, expected in ((9, 3), (7, 3), (5, 5), (21, 1)):
        sized = dataclasses.replace(SYNTHETIC, batch_size=batch_size)
        updates = synthetic_players.count_updates(record, sized, horizon, EXCHANGES[0])
        assert updates == expected


def test_observations_that_no_window_uses_are_an_error_that_names_their_number():
    record = records.make_record(toy.observed(STATES, MASK))
    # Horizon 4 of 6 steps leaves 2 times of 4 cells in 2 simulations.
    with pytest.raises(ValueError, match="^16 observations .*record's 6 steps"):
        record.check_used([(*record.index(4), 4)])
    record.check_used([(*record.index(4), 4), (*record.index(6), 6)])
    sparse = dataclasses.replace(pair.PHYSICAL, horizon=1, window_stride=3)
    full = records.make_record(toy.observed(STATES))
    with pytest.raises(ValueError, match="no stride exceed the horizon"):
        full.check_used([physical_players.real_index(full, sparse)])


def test_the_score_is_the_error_of_whole_rollouts_in_units_of_the_variance():
    observed = toy.observed(STATES, MASK)
    record, real = records.make_record(observed), Real(observed, observed)
    score = jax.jit(shared.make_score(record, diffused))
    assert score({"rate": jnp.array(toy.RATE)}, real) < 1e-12
    total = 0.0
    for t in range(1, 7):
        power = np.linalg.matrix_power(toy.matrix(0.1, 8), t)
        error = power @ np.asarray(STATES[:, 0]) - STATES[:, t]
        total += float(np.sum(error[:, :4] ** 2))
    # 2 simulations, 6 steps, 4 cells
    variance = float(np.asarray(STATES[:, 1:, :4]).var())
    assert record.scale == pytest.approx(variance, rel=1e-5)
    assert score({"rate": jnp.array(0.1)}, real) == pytest.approx(
        total / 48 / variance, rel=1e-4
    )


def test_players_are_what_the_cycle_takes():
    _, *players = make_players(toy.observed(STATES))
    assert all(isinstance(player, hybrid.Player) for player in players)


@pytest.mark.parametrize("num_times", [0, 1])
def test_trust_needs_two_observed_times(num_times):
    weights = np.zeros((1, 7, 1, 1))
    weights[:, 0] = weights[:, 3 : 3 + num_times] = 1
    with pytest.raises(ValueError, match=f"{num_times} times .*trust_power=0"):
        records.training_steps(weights, 6)


@pytest.mark.parametrize(
    ("times", "steps"), [(range(1, 51), 45), (range(5, 51, 5), 49), ((2, 6), 5)]
)
def test_the_last_tenth_of_the_observed_times_is_held_out(times, steps):
    weights = np.zeros((1, 51, 1, 1))
    weights[:, list(times)] = 1
    assert records.training_steps(weights, 50) == steps


def test_without_a_sampler_predictions_start_from_the_datas_own_states(key):
    real = toy.observed(STATES)
    made = shared.predict_elsewhere(
        diffused, {"rate": jnp.array(0.1)}, real, key, Exchange(5, 2), None
    )
    assert made.shape == (5, 3, 8, 1)
    starts = {np.asarray(u0).tobytes() for u0 in made[:, 0]}
    assert starts == {np.asarray(u0).tobytes() for u0 in STATES[:, 0]}


def test_driven_channels_of_predictions_are_those_of_the_data(key):
    quantities = (Quantity("u"), Quantity("end", is_driven=True))
    driven = jnp.broadcast_to(jnp.arange(7.0)[:, None, None], (2, 7, 8, 1))
    real = toy.observed(jnp.concatenate([STATES, driven], axis=-1))
    record = records.make_record(real, quantities, np.array([True, False]))
    assert record.num_driven == 1

    def ask(params, query):
        assert query.given.shape == (3, 5, 8, 1)
        return jnp.zeros((3, 4, 8, 2)).at[..., 1:].set(query.given[:, 1:])

    def sample_u0(key, num):
        return jnp.full((num, 8, 2), jnp.nan).at[..., 0].set(0.0)

    made = shared.predict_elsewhere(ask, {}, real, key, EXCHANGES[0], sample_u0, 1)
    np.testing.assert_array_equal(made[..., 1], driven[:1, :5].repeat(3, 0)[..., 0])


def test_input_noise_reaches_only_what_is_predicted(monkeypatch, key):
    quantities = (
        Quantity("velocity", 1, is_staggered=True),
        Quantity("inflow", is_static=True),
        Quantity("end", is_driven=True),
    )
    domain = Domain((8,), (8.0,), periodic=False)
    predicted = meanings.predicted_entries(quantities, domain)
    real = toy.observed(jax.random.normal(key, (2, 7, 8, 3)))
    record = records.make_record(real, quantities, predicted)
    passed = {}
    monkeypatch.setattr(
        synthetic_players.minibatch,
        "train",
        lambda *_, **options: passed.update(options),
    )
    player = synthetic_players.make_player(
        record,
        record,
        dataclasses.replace(SYNTHETIC, input_noise=0.5),
        1,
        predict=diffused,
        tx=None,
        sample_u0=None,
        gives=EXCHANGES[1],
        receives=EXCHANGES[0],
    )
    player.train(None, [None], key)
    noise = passed["input_noise"]
    deviation = float(np.std(real.states[:, 1:, :, 0]))
    # Not the face on the wall, not what is static or driven.
    np.testing.assert_allclose(noise[1:, 0], 0.5 * deviation, rtol=1e-4)
    np.testing.assert_array_equal(noise[0], 0)
    np.testing.assert_array_equal(noise[:, 1:], 0)
