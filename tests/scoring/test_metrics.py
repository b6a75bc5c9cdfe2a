import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.scoring import evaluate, metrics
from hyco_jax.types import Trajectories


def sine(n, shift=0.0):
    x = 2 * np.pi * (np.arange(n) + 0.5) / n
    return jnp.sin(x - shift)[None, :, None]


def test_the_error_of_the_truth_is_zero(key):
    u = jax.random.normal(key, (3, 8, 1))
    np.testing.assert_array_equal(metrics.nrmse(u, u, np.ones(1), 1), 0.0)


@pytest.mark.parametrize("n", [16, 64])
def test_a_shifted_sine_has_its_exact_error_on_any_grid(n):
    # |sin(x - s) - sin(x)| / |sin x| = 2 |sin(s / 2)|
    error = metrics.nrmse(sine(n, 0.5), sine(n), np.ones(1), 1)
    np.testing.assert_allclose(error, [2 * np.sin(0.25)], rtol=1e-5)


def test_the_error_does_not_depend_on_units_and_is_told_by_time(key):
    truth = jax.random.normal(key, (2, 3, 8, 1))
    factors = jnp.array([1.1, 1.5, 3.0]).reshape(1, 3, 1, 1)
    ones = np.ones(1)
    error = metrics.nrmse(factors * truth, truth, ones, 1)
    # |f u - u| / |u| = f - 1
    np.testing.assert_allclose(error, [[0.1, 0.5, 2.0]] * 2, rtol=1e-4)
    scaled = metrics.nrmse(7 * factors * truth, 7 * truth, ones, 1)
    np.testing.assert_allclose(error, scaled, rtol=1e-5)


def test_cells_outside_the_region_do_not_count_even_if_nan():
    truth = jnp.ones((1, 4, 2)).at[0, 3].set(jnp.nan)
    predictions = jnp.array([[[2.0, 1.0], [1.0, 1.0], [9.0, 9.0], [jnp.nan, 5.0]]])
    region = np.array([1.0, 1.0, 0.0, 0.0])[:, None]
    # One error of 1 among 4 entries of 1: sqrt(1 / 4)
    np.testing.assert_allclose(metrics.nrmse(predictions, truth, region, 1), [0.5])


def test_channels_of_different_units_add_up_by_their_weights():
    truth = jnp.array([[[3.0, 400.0]]])
    predictions = jnp.array([[[4.0, 500.0]]])
    # sqrt((1² + (100/100)²) / (3² + (400/100)²)) = sqrt(2) / 5
    weights = np.array([1.0, 1e-4])
    error = metrics.nrmse(predictions, truth, weights, 1)
    np.testing.assert_allclose(error, [np.sqrt(2) / 5], rtol=1e-6)


def test_a_state_of_zeros_predicted_as_such_has_no_error():
    zeros = jnp.zeros((2, 4, 1))
    wrong = zeros.at[1].set(1.0)
    np.testing.assert_array_equal(
        metrics.nrmse(wrong, zeros, np.ones(1), 1), [0.0, np.inf]
    )


def test_an_error_is_nan_where_nothing_counts_and_infinite_where_a_model_diverged():
    truth = jnp.ones((3, 4, 1)).at[0].set(jnp.nan)
    predictions = truth.at[1, 2].set(jnp.nan)
    seen = jnp.ones((3, 4, 1)).at[0].set(0.0)
    error = metrics.nrmse(predictions, truth, seen, 1)
    np.testing.assert_array_equal(error, [np.nan, np.inf, 0.0])


def test_the_relative_error_of_a_coefficient():
    truth = np.array([3.0, 4.0])
    # |(0, 1)| / |(3, 4)| = 0.2; and a scalar 3 against the field: |(0, -1)| / 5
    value = jnp.array([3.0, 5.0])
    assert metrics.relative_error(value, truth) == pytest.approx(0.2)
    assert metrics.relative_error(jnp.array(3.0), truth) == pytest.approx(0.2)
    assert metrics.relative_error(jnp.array(1.5), 2.0) == pytest.approx(0.25)
    field = jnp.ones((4, 4))
    # A matrix norm other than Frobenius' would differ.
    assert metrics.relative_error(field.at[0, 0].set(2.0), field) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([0.0, 0.1, 0.1, 0.1], 1.5),  # never: the whole record
        ([0.0, 0.1, 0.3, 0.9], 0.75),  # half way between steps 1 and 2
        ([0.0, 0.4, 0.1, 0.9], 0.25),  # the first crossing counts
        ([0.5, 0.6, 0.7, 0.8], 0.0),
        ([0.0, 0.1, np.inf, 0.1], 0.5),  # diverged: the last valid step
        ([0.0, 0.1, 0.2, 0.2], 1.5),  # the threshold itself is valid
        ([0.0, np.nan, 0.4, np.nan], 0.5),  # half way between what was observed
        ([np.nan, 0.1, 0.1, np.nan], 1.0),  # never: the last observed step
        ([np.nan, 0.4, 0.1, 0.1], 0.5),  # the first observed step
    ],
)
def test_the_valid_time_ends_where_the_error_crosses_the_threshold(errors, expected):
    errors = jnp.array(errors, jnp.float32)
    assert metrics.valid_time(errors, dt=0.5) == pytest.approx(expected)
    batch = metrics.valid_time(jnp.stack([errors, 0 * errors]), dt=0.5)
    assert batch.shape == (2,) and batch[0] == pytest.approx(expected)


def test_what_was_never_observed_has_no_valid_time():
    assert np.isnan(metrics.valid_time(jnp.full(4, jnp.nan), dt=0.5))


def decay(params, reference):
    """The states `factor^t u0` at the steps t of the reference."""
    steps = jnp.arange(reference.states.shape[1]).reshape(1, -1, 1, 1)
    return reference.states[:, :1] * params["factor"] ** steps


HALF = {"factor": jnp.array(0.5)}


def halving(key, num_steps=3, size=8):
    """The truth of which `decay` with `HALF` is the exact model, two simulations."""
    u0 = jax.random.normal(key, (2, num_steps + 1, size, 1))
    return decay(HALF, Trajectories(u0, None))


def test_an_evaluation_rolls_out_from_the_start_and_tells_the_regions_apart(key):
    truth = halving(key).at[:, 1:, 6:].add(1.0)
    region = np.arange(8) < 6
    evaluation = evaluate.make_evaluate(decay, region=region)
    errors = evaluation(HALF, Trajectories(truth, None))
    np.testing.assert_array_equal(errors["rollouts"][:, 0], truth[:, 0])
    np.testing.assert_allclose(errors["nrmse_inside"], 0.0, atol=1e-5)
    np.testing.assert_array_equal(errors["nrmse"][:, 0], 0.0)
    expected = 1 / np.sqrt(np.mean(truth[:, 1:, 6:] ** 2, axis=(2, 3)))
    np.testing.assert_allclose(errors["nrmse_outside"][:, 1:], expected, rtol=1e-4)
    summary = evaluate.summarise(errors, (1,), dt=0.5)
    assert summary["nrmse_outside"] == pytest.approx(expected[1].mean(), rel=1e-4)
    assert 0 < summary["valid_time"] < 0.5
    curve = evaluate.mean_curve(errors, (0, 1))
    np.testing.assert_allclose(curve, errors["nrmse"].mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize("region", [None, np.ones(8, bool)], ids=["none", "all"])
def test_regions_are_told_apart_only_if_there_are_two(key, region):
    reference = Trajectories(halving(key), None)
    errors = evaluate.make_evaluate(decay, region=region)(HALF, reference)
    summary = evaluate.summarise(errors, (0, 1), dt=0.5)
    assert list(summary) == ["nrmse", "valid_time"]
    assert evaluate.summarise(errors, (), dt=0.5) == {}


def test_a_known_truth_has_weights_of_one(key):
    truth = halving(key)
    evaluation = evaluate.make_evaluate(decay, weights=np.array([2.0]))
    params = {"factor": jnp.array(0.7)}
    without = evaluation(params, Trajectories(truth, None))
    ones = evaluation(params, Trajectories(truth, jnp.ones((1, 1, 1, 1))))
    np.testing.assert_array_equal(without["nrmse"], ones["nrmse"])


def test_only_what_was_observed_is_scored(key):
    truth = halving(key, num_steps=4)
    seen = np.ones((2, 5, 8, 1), bool)
    seen[:, 1:, 4:] = seen[:, 2] = seen[0, 3] = False
    states = jnp.where(seen, truth, jnp.nan)
    reference = Trajectories(states, jnp.asarray(seen, jnp.float32))
    errors = evaluate.make_evaluate(decay)({"factor": jnp.array(0.55)}, reference)
    # |0.55^t - 0.5^t| / 0.5^t = 1.1^t - 1
    growth = 1.1 ** np.arange(5) - 1
    expected = np.stack([growth, growth])
    expected[:, 2] = expected[0, 3] = np.nan
    np.testing.assert_allclose(errors["nrmse"], expected, rtol=1e-4, atol=1e-6)
    summary = evaluate.summarise(errors, (0, 1), dt=0.5)
    mean = (2 * growth[1] + growth[3] + 2 * growth[4]) / 5
    assert summary["nrmse"] == pytest.approx(mean, rel=1e-4)
    curve = evaluate.mean_curve(errors, (0, 1))
    expected = np.where(np.arange(5) == 2, np.nan, growth)
    np.testing.assert_allclose(curve, expected, rtol=1e-4, atol=1e-6)
    # 1.1^t - 1 passes 0.2 between t = 1 and 3, or 4 where 3 was not observed.
    times = [1 + n * (0.2 - growth[1]) / (growth[1 + n] - growth[1]) for n in (3, 2)]
    assert summary["valid_time"] == pytest.approx(0.5 * np.mean(times), rel=1e-3)


def test_what_was_never_observed_has_no_score(key):
    states = halving(key)
    reference = Trajectories(states, jnp.zeros((1, 1, 1, 1)))
    errors = evaluate.make_evaluate(decay)(HALF, reference)
    summary = evaluate.summarise(errors, (0, 1), dt=0.5)
    assert summary == {"nrmse": None, "valid_time": None}


def test_a_model_that_diverged_is_not_averaged_away(key):
    seen = jnp.ones((1, 4, 1, 1)).at[:, 1].set(0.0)
    reference = Trajectories(halving(key), seen)
    errors = evaluate.make_evaluate(decay)({"factor": jnp.array(jnp.nan)}, reference)
    summary = evaluate.summarise(errors, (0, 1), dt=0.5)
    assert summary["nrmse"] == np.inf and summary["valid_time"] == 0


def test_a_coarser_model_is_scored_on_the_grid_of_the_data_and_diagnosed_on_its_own(
    key,
):
    truth = jnp.repeat(halving(key, size=4), 2, axis=2)
    evaluation = evaluate.make_evaluate(
        lambda params, reference: decay(
            params, Trajectories(reference.states[:, :, ::2], None)
        ),
        to_data=lambda states: jnp.repeat(states, 2, axis=2),
        diagnostics=lambda u: {"cells": jnp.asarray(len(u)), "size": abs(u).max()},
    )
    errors = evaluation(HALF, Trajectories(truth, None))
    np.testing.assert_array_equal(errors["nrmse"], np.zeros((2, 4)))
    np.testing.assert_array_equal(errors["cells"], np.full((2, 4), 4))
    summary = evaluate.summarise(errors, (1,), dt=0.5)
    # The state at t = 0 is given, and not the model's.
    assert summary["max_size"] == pytest.approx(float(abs(truth[1, 1:]).max()))
