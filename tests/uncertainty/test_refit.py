"""Chords find the minimum of another loss; a curvature that misleads is no harm."""

import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.uncertainty import refit

CURVATURE = np.array([[2.0, 0.9], [0.9, 0.5]])
MINIMUM = np.array([0.3, -0.2])


def gradient(params):
    return CURVATURE @ (np.asarray(params["x"], np.float64) - MINIMUM)


@pytest.mark.parametrize("too_stiff", [1.0, 1.25, 0.8])
def test_chords_leave_a_tenth_of_the_first_step_at_most(too_stiff):
    inverse = np.linalg.inv(too_stiff * CURVATURE)
    start = {"x": jnp.array([1.0, 1.0])}
    found, count, has_converged = refit.chords(gradient, start, inverse.dot, 1e-12)
    assert has_converged and count <= 4
    left = np.asarray(found["x"]) - MINIMUM
    first = np.array([1.0, 1.0]) - MINIMUM
    # Each step leaves the same share of the distance, along every direction.
    assert np.linalg.norm(left) < 0.1 * np.linalg.norm(first)
    np.testing.assert_allclose(left, (1 - 1 / too_stiff) ** count * first, atol=1e-6)


def test_chords_that_go_too_far_end_at_the_best():
    start = {"x": jnp.array([1.0, 1.0])}
    inverse = 3 * np.linalg.inv(CURVATURE)
    found, count, has_converged = refit.chords(gradient, start, inverse.dot, 1e-12)
    assert not has_converged and count == 2
    np.testing.assert_array_equal(found["x"], start["x"])


def test_at_the_minimum_one_evaluation_is_enough():
    start = {"x": jnp.asarray(MINIMUM)}
    inverse = np.linalg.inv(CURVATURE)
    _, count, has_converged = refit.chords(gradient, start, inverse.dot, 1e-12)
    assert has_converged and count == 1
