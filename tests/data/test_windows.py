import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.data import windows
from hyco_jax.data.windows import Windows
from hyco_jax.types import Query, Samples
from tests import toy

pytestmark = pytest.mark.usefixtures("strict_numerics")

N, T, X, C = 2, 5, 4, 3
SHAPE = (N, T + 1, X, C)
STATES = jnp.arange(np.prod(SHAPE), dtype=jnp.float32).reshape(SHAPE)


def pairs(index):
    return list(zip(*(i.tolist() for i in index), strict=True))


@pytest.mark.parametrize("weight", [1.0, 1e-3], ids=["ones", "small weights"])
def test_with_full_observation_every_time_starts_a_window(weight):
    index = windows.real_index(np.full((1, 1, 1, 1), weight), N, T, 2)
    assert pairs(index) == [(sim, start) for sim in range(N) for start in range(4)]


def test_a_stride_keeps_the_last_start():
    index = windows.real_index(np.ones((1, 1, 1, 1)), 1, T, 2, stride=2)
    assert pairs(index) == [(0, 0), (0, 2), (0, 3)]


def partial_in_space():
    weights = np.ones((1, T + 1, X, 1))
    weights[:, 1:, 0] = 0
    return weights


def partial_in_time():
    weights = np.ones((1, T + 1, 1, 1))
    weights[:, 1] = 0
    return weights


def partial_in_channels():
    return np.array([1.0, 0.0, 1.0]).reshape(1, 1, 1, C)


@pytest.mark.parametrize(
    "weights",
    [partial_in_space(), partial_in_time(), partial_in_channels()],
    ids=["space", "time", "channels"],
)
def test_with_partial_observation_only_the_first_state_starts_a_window(weights):
    assert pairs(windows.real_index(weights, N, T, 3)) == [(0, 0), (1, 0)]


def test_a_window_without_an_observed_target_is_left_out():
    weights = np.zeros((N, T + 1, 1, 1))
    weights[:, 0] = 1
    weights[0, 4] = 1
    weights[1, 2] = 1
    assert pairs(windows.real_index(weights, N, T, 3)) == [(1, 0)]
    assert pairs(windows.real_index(weights, N, T, 4)) == [(0, 0), (1, 0)]


def test_no_observation_within_the_horizon_is_an_error():
    weights = np.zeros((1, T + 1, 1, 1))
    weights[:, [0, 3]] = 1
    with pytest.raises(ValueError, match="horizon=2 .*observe more"):
        windows.real_index(weights, N, T, 2)


@pytest.mark.parametrize("horizon", [0, T + 1])
def test_a_horizon_that_does_not_fit_the_record_is_an_error(horizon):
    message = f"horizon={horizon} does not fit a record of {T} steps"
    with pytest.raises(ValueError, match=message):
        windows.real_index(np.ones((1, 1, 1, 1)), N, T, horizon)
    with pytest.raises(ValueError, match=message):
        windows.predicted_windows(STATES, STATES, jnp.ones((1, 1, 1, 1)), horizon)


@pytest.mark.parametrize(
    "weights_shape", [SHAPE, (1, T + 1, X, 1), (N, 1, 1, C), (1, 1, 1, 1)], ids=str
)
def test_gathering_is_slicing(weights_shape):
    size = int(np.prod(weights_shape))
    weights = 1.0 + jnp.arange(size, dtype=jnp.float32).reshape(weights_shape)
    full = np.broadcast_to(weights, SHAPE)
    sims, starts = jnp.array([1, 0, 1]), jnp.array([0, 2, 3])
    part = Windows(STATES, -STATES, weights, sims, starts, 2)
    index = jnp.array([2, 0, 1, 2])
    batch = part.take(index)
    assert batch.query.u0.shape == (4, X, C) and batch.targets.shape == (4, 2, X, C)
    batch_weights = np.broadcast_to(batch.weights, batch.targets.shape)
    for row, i in enumerate(index):
        sim, start = int(sims[i]), int(starts[i])
        assert (int(batch.query.sim[row]), int(batch.query.start[row])) == (sim, start)
        np.testing.assert_array_equal(batch.query.u0[row], STATES[sim, start])
        following = slice(start + 1, start + 3)
        np.testing.assert_array_equal(batch.targets[row], -STATES[sim, following])
        np.testing.assert_array_equal(batch_weights[row], full[sim, following])


def test_weights_that_depend_on_nothing_stay_small():
    part = windows.real_windows(
        toy.observed(STATES), (np.array([0, 1]), np.array([0, 1])), 2
    )
    batch = part.take(jnp.array([0, 1]))
    assert batch.weights.shape == (2, 2, 1, 1)


def test_predicted_windows_re_assemble_the_trajectories():
    ones = jnp.ones((1, 1, 1, 1))
    for horizon in (1, T):
        part = windows.predicted_windows(STATES, STATES, ones, horizon)
        assert part.count == N * (T + 1 - horizon)
        batch = part.take(jnp.arange(part.count))
        rebuilt = np.full(SHAPE, np.nan)
        for b in range(part.count):
            sim, start = int(batch.query.sim[b]), int(batch.query.start[b])
            rebuilt[sim, start] = batch.query.u0[b]
            rebuilt[sim, start + 1 : start + 1 + horizon] = batch.targets[b]
        np.testing.assert_array_equal(rebuilt, STATES)


def test_predicted_inputs_can_meet_real_targets():
    part = windows.predicted_windows(-STATES, STATES, jnp.ones((1, 1, 1, 1)), 2)
    batch = part.take(jnp.array([1]))
    np.testing.assert_array_equal(batch.query.u0[0], -STATES[0, 1])
    np.testing.assert_array_equal(batch.targets[0], STATES[0, 2:4])


def test_unused_observations_are_counted_by_entry():
    weights = partial_in_space()
    index = windows.real_index(weights, N, T, 3)
    # 2 of 5 times beyond the horizon, 3 of 4 cells, 3 channels, 2 simulations
    assert windows.num_unused(weights, SHAPE, [(*index, 3)]) == 2 * 3 * 3 * 2
    whole = windows.real_index(weights, N, T, T)
    assert windows.num_unused(weights, SHAPE, [(*index, 3), (*whole, T)]) == 0


def test_the_state_at_the_start_needs_no_window():
    full = np.ones((1, 1, 1, 1))
    index = windows.real_index(full, N, T, 1)
    assert windows.num_unused(full, SHAPE, [(*index, 1)]) == 0
    # Starts 0, 3 and 4 of horizon 1 reach the times 1, 4 and 5.
    sparse = windows.real_index(full, N, T, 1, stride=3)
    assert windows.num_unused(full, SHAPE, [(*sparse, 1)]) == 2 * X * C * N


@pytest.mark.parametrize(
    "weights_shape", [SHAPE, (1, T + 1, X, 1), (N, 1, 1, C), (1, 1, 1, 1)], ids=str
)
def test_the_mean_weight_is_that_of_the_gathered_windows(key, weights_shape):
    weights = jnp.arange(np.prod(weights_shape), dtype=jnp.float32)
    weights = weights.reshape(weights_shape) % 3
    part = windows.predicted_windows(STATES, STATES, weights, 2)
    batch = part.take(jnp.arange(part.count))
    per_entry = np.broadcast_to(batch.weights, batch.targets.shape)
    expected = per_entry.reshape(part.count, -1).sum(axis=1).mean()
    np.testing.assert_allclose(part.mean_weight(), expected, rtol=1e-6)


def test_driven_channels_are_given_from_the_start_to_the_end_of_a_window():
    index = np.array([1]), np.array([2])
    part = windows.real_windows(toy.observed(STATES), index, 3, num_driven=1)
    batch = part.take(jnp.array([0]))
    np.testing.assert_array_equal(batch.query.given[0], STATES[1, 2:6, :, -1:])
    assert (
        windows.real_windows(toy.observed(STATES), index, 3)
        .take(jnp.array([0]))
        .query.given
        is None
    )


@pytest.mark.parametrize("weights_shape", [(3, 2, 4, 1), (1, 1, 1, 1)], ids=str)
def test_samples_are_taken_as_windows_are(weights_shape):
    query = Query(jnp.arange(3), jnp.zeros(3, int), STATES[:1, 0].repeat(3, 0))
    targets = jnp.arange(24.0).reshape(3, 2, 4, 1)
    weights = 1.0 + jnp.arange(np.prod(weights_shape)).reshape(weights_shape)
    samples = Samples(query, targets, weights)
    taken = samples.take(jnp.array([2, 0]))
    assert (samples.count, taken.count) == (3, 2)
    np.testing.assert_array_equal(taken.query.sim, [2, 0])
    np.testing.assert_array_equal(taken.targets, targets[jnp.array([2, 0])])
    full = np.broadcast_to(weights, targets.shape)
    np.testing.assert_array_equal(
        np.broadcast_to(taken.weights, taken.targets.shape), full[[2, 0]]
    )
    assert samples.mean_weight() == pytest.approx(full.sum() / 3)
