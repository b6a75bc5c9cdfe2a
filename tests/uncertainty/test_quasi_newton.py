"""A quasi-Newton method finds minima; a first curvature that misleads is no harm."""

import numpy as np
import pytest

from hyco_jax.uncertainty import quasi_newton

CURVATURE = np.array([[2.0, 0.9], [0.9, 0.5]])
MINIMUM = np.array([0.3, -0.2])
START = np.array([1.0, 1.0])


def gradient(x):
    return CURVATURE @ (x - MINIMUM)


@pytest.mark.parametrize("too_stiff", [1.0, 1.25, 0.8, 0.2, 20.0])
def test_a_multiple_of_the_curvature_is_as_good_as_itself(too_stiff):
    inverse = np.linalg.inv(too_stiff * CURVATURE)
    found = quasi_newton.minimise(gradient, START, inverse.dot, 1e-12, 9)
    # The first step, one that corrects it, and what the second pair says of it.
    assert found.has_converged and found.count <= 3
    left = np.linalg.norm(found.x - MINIMUM)
    assert left < 1e-2 * np.linalg.norm(START - MINIMUM)


def test_a_curvature_that_says_little_takes_more_steps():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    curvature, minimum = axes @ np.diag(2.0 ** np.arange(8)) @ axes.T, np.ones(8)
    found = quasi_newton.minimise(
        lambda x: curvature @ (x - minimum), np.zeros(8), lambda g: g, 1e-10, 60
    )
    assert found.has_converged and found.count > 6
    left = found.x - minimum
    assert left @ curvature @ left < 0.02 * minimum @ curvature @ minimum


def test_where_the_slope_falls_along_a_step_it_goes_on():
    # Of a well whose curvature is negative from 1 on, before the pair would say so.
    found = quasi_newton.minimise(
        lambda x: x * np.exp(-(x**2) / 2), np.array([1.5]), lambda g: g, 1e-12, 20
    )
    assert found.has_converged
    np.testing.assert_allclose(found.x, 0, atol=0.05)


def test_at_the_minimum_one_gradient_is_enough():
    inverse = np.linalg.inv(CURVATURE)
    found = quasi_newton.minimise(gradient, MINIMUM, inverse.dot, 1e-12, 9)
    assert found.has_converged and found.count == 1


def test_it_stops_in_time_and_where_nothing_is_finite():
    found = quasi_newton.minimise(gradient, START, lambda g: 0.01 * g, 1e-12, 2)
    assert (found.count, found.has_converged) == (2, False)
    found = quasi_newton.minimise(lambda x: x * np.nan, START, lambda g: g, 1e-12, 9)
    assert (found.count, found.has_converged) == (1, False)
