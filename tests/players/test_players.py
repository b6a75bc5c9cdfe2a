import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax import hybrid
from hyco_jax.data import record as records
from hyco_jax.data import windows
from hyco_jax.players import windowed as players
from tests import toy

pytestmark = pytest.mark.usefixtures("strict_numerics", "quick_compilation")

STATES = toy.trajectories(jax.random.key(1), num_sims=2, num_steps=6)
MASK = (np.arange(8) < 4)[None, None, :, None]
SYNTHETIC = players.SyntheticSettings(
    horizon=6,
    generated_horizon=2,
    num_epochs=1,
    batch_size=9,
    num_real=3,
    num_generated=3,
    num_predict_steps=4,
)
PHYSICAL = players.PhysicalSettings(
    method="lbfgs",
    horizon=2,
    window_stride=1,
    window_chunk=0,
    num_iterations=1,
    abs_tol=0.0,
    num_generated=2,
    num_predict_steps=3,
)


def make_players(real, synthetic_settings=SYNTHETIC, physical_settings=PHYSICAL):
    record = records.make_record(real)
    options = {"step": toy.diffuse, "tx": None, "sample_u0": toy.sample_u0}
    return (
        players.make_synthetic_player(
            record, synthetic_settings, partner=physical_settings, **options
        ),
        players.make_physical_player(
            record, physical_settings, partner=synthetic_settings, **options
        ),
    )


def test_each_player_generates_what_the_other_trains_on(key):
    real, params = toy.observed(STATES), {"rate": jnp.array(0.1)}
    full = dataclasses.replace(SYNTHETIC, horizon=1)
    synthetic_player, physical_player = make_players(real, full)
    trajectories, along_real = physical_player.generate(params, real, key)
    assert trajectories.shape == (3, 5, 8, 1) and along_real is None
    u0 = toy.sample_u0(key, 3)
    np.testing.assert_array_equal(trajectories[:, 0], u0)
    power = np.linalg.matrix_power(toy.matrix(0.1, 8), 4)
    np.testing.assert_allclose(trajectories[:, 4], power @ np.asarray(u0), atol=2e-6)
    assert synthetic_player.generate(params, real, key).shape == (2, 4, 8, 1)


def test_with_full_observation_there_are_real_and_generated_windows(key):
    real, params = toy.observed(STATES), {"rate": jnp.array(0.1)}
    full = dataclasses.replace(SYNTHETIC, horizon=1)
    synthetic_player, physical_player = make_players(real, full)
    generated = physical_player.generate(params, real, key)
    parts = synthetic_player.augment(real, generated, 1.0)
    # 2 simulations of 6 starts; 3 trajectories of 4 steps with horizon 2.
    assert [(len(p.sim), p.horizon) for p in parts] == [(12, 1), (9, 2)]
    generated = synthetic_player.generate(params, real, key)
    parts = physical_player.augment(real, generated, 1.0)
    assert [(len(p.sim), p.horizon) for p in parts] == [(10, 2), (4, 2)]
    (alone,) = physical_player.augment(real, None, 0.0)
    assert len(alone.sim) == 10


def test_with_gaps_predicted_states_also_meet_real_observations(key):
    real, params = toy.observed(STATES, MASK), {"rate": jnp.array(0.1)}
    synthetic_player, physical_player = make_players(real)
    generated = physical_player.generate(params, real, key)
    first, corrected, last = synthetic_player.augment(real, generated, 1.0)
    # Whole records from t = 0; every start along them; the 3 generated trajectories.
    assert [(len(p.sim), p.horizon) for p in (first, corrected, last)] == [
        (2, 6),
        (10, 2),
        (9, 2),
    ]
    batch = windows.gather(corrected, jnp.array([3]))
    along = np.linalg.matrix_power(toy.matrix(0.1, 8), 3) @ np.asarray(STATES[0, 0])
    np.testing.assert_allclose(batch.inputs[0], along, atol=2e-6)
    np.testing.assert_array_equal(batch.targets[0], real.states[0, 4:6])
    seen = np.broadcast_to(batch.weights > 0, batch.targets.shape)
    np.testing.assert_array_equal(seen, np.broadcast_to(MASK, seen.shape))
    # The physical model is fitted to the whole record.
    parts = physical_player.augment(real, STATES[:, :4], 1.0)
    assert [(len(p.sim), p.horizon) for p in parts] == [(2, 6), (4, 2)]


@pytest.mark.parametrize("mask", [None, MASK], ids=["full", "partial"])
def test_an_epoch_needs_as_many_updates_as_all_windows_fill(mask):
    record = records.make_record(toy.observed(STATES, mask))
    settings = dataclasses.replace(SYNTHETIC, horizon=1 if mask is None else 6)
    # full: ceil((12 + 9) / 9) = 3; partial: ceil((2 + 9 + 10) / 9) = 3, 8 windows more
    # with a batch size of 7: ceil(21 / 7) = 3, of 5: ceil(21 / 5) = 5
    for batch_size, expected in ((9, 3), (7, 3), (5, 5), (21, 1)):
        sized = dataclasses.replace(settings, batch_size=batch_size)
        assert players.count_updates(record, sized) == expected


def test_observations_that_no_window_uses_are_an_error_that_names_their_number():
    record = records.make_record(toy.observed(STATES, MASK))
    # Horizon 4 of 6 steps leaves 2 times of 4 cells in 2 simulations.
    with pytest.raises(ValueError, match="^16 observations .*record's 6 steps"):
        record.check_used([(*record.index(4), 4)])
    record.check_used([(*record.index(4), 4), (*record.index(6), 6)])
    sparse = dataclasses.replace(PHYSICAL, horizon=1, window_stride=3)
    full = records.make_record(toy.observed(STATES))
    with pytest.raises(ValueError, match="no stride exceed the horizon"):
        full.check_used([players.physical_windows(full, sparse)])


def test_the_score_is_the_error_of_whole_rollouts_in_units_of_the_variance():
    real = toy.observed(STATES, MASK)
    record = records.make_record(real)
    score = jax.jit(players.make_score(record, toy.diffuse))
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
    assert all(isinstance(p, hybrid.Player) for p in make_players(toy.observed(STATES)))
