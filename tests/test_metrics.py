import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.scoring import evaluate, metrics
from tests import toy


def sine(n, shift=0.0):
    x = 2 * np.pi * (np.arange(n) + 0.5) / n
    return jnp.sin(x - shift)[None, :, None]


def test_the_error_of_the_truth_is_zero(key):
    u = toy.sample_u0(key, 3)
    np.testing.assert_array_equal(metrics.nrmse(u, u, np.ones(1), 1), 0.0)


@pytest.mark.parametrize("n", [16, 64])
def test_a_shifted_sine_has_its_exact_error_on_any_grid(n):
    # |sin(x - s) - sin(x)| / |sin x| = 2 |sin(s / 2)|
    error = metrics.nrmse(sine(n, 0.5), sine(n), np.ones(1), 1)
    np.testing.assert_allclose(error, [2 * np.sin(0.25)], rtol=1e-5)


def test_the_error_does_not_depend_on_units_and_is_told_by_time(key):
    truth = toy.sample_u0(key, 6).reshape(2, 3, 8, 1)
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
        ([0.0, 0.1, np.nan, 0.1], 0.5),  # the last valid step
        ([0.0, 0.1, 0.2, 0.2], 1.5),  # the threshold itself is valid
    ],
)
def test_the_valid_time_ends_where_the_error_crosses_the_threshold(errors, expected):
    errors = jnp.array(errors, jnp.float32)
    assert metrics.valid_time(errors, dt=0.5) == pytest.approx(expected)
    batch = metrics.valid_time(jnp.stack([errors, 0 * errors]), dt=0.5)
    assert batch.shape == (2,) and batch[0] == pytest.approx(expected)


def test_an_evaluation_rolls_out_from_the_start_and_tells_the_regions_apart(key):
    truth = toy.trajectories(key, num_sims=2, num_steps=3)
    truth = truth.at[:, 1:, 6:].add(1.0)
    region = np.arange(8) < 6
    errors = evaluate.make_evaluate(toy.diffuse, region)(
        {"rate": jnp.array(toy.RATE)}, truth
    )
    np.testing.assert_array_equal(errors["rollouts"][:, 0], truth[:, 0])
    np.testing.assert_allclose(errors["nrmse_inside"], 0.0, atol=1e-5)
    np.testing.assert_array_equal(errors["nrmse"][:, 0], 0.0)
    expected = 1 / np.sqrt(np.mean(truth[:, 1:, 6:] ** 2, axis=(2, 3)))
    np.testing.assert_allclose(errors["nrmse_outside"][:, 1:], expected, rtol=1e-4)
    summary = evaluate.summarise(errors, (1,), dt=0.5)
    assert summary["nrmse_outside"] == pytest.approx(expected[1].mean(), rel=1e-4)
    assert 0 < summary["valid_time"] < 0.5
    everywhere = evaluate.make_evaluate(toy.diffuse, np.ones(8, bool))
    summary = evaluate.summarise(
        everywhere({"rate": jnp.array(toy.RATE)}, truth), (0, 1), dt=0.5
    )
    assert set(summary) == {"nrmse", "nrmse_inside", "valid_time"}
