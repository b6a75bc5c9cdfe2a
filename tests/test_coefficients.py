"""The transform of bounded coefficients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax import coefficients


def test_unbounded_inverts_bounded():
    value = np.linspace(0.01, 2.99, 50)
    with jax.enable_x64(True):
        raw = coefficients.unbounded(value, 0.0, 3.0)
        again = coefficients.bounded(raw, 0.0, 3.0)
        back = coefficients.unbounded(again, 0.0, 3.0)
    # raw = log of a ratio of at most 300: rounding of 1e-16 grows to 1e-13.
    np.testing.assert_allclose(again, value, rtol=1e-13)
    np.testing.assert_allclose(back, raw, atol=1e-12)


@pytest.mark.parametrize("bounds", [(0.0, 3.0), (0.7, 0.9), (1e-3, 1e3)])
def test_values_stay_inside_the_bounds(bounds):
    raw = jnp.linspace(-200.0, 200.0, 2001)
    value = coefficients.bounded(raw, *bounds)
    lower, upper = np.float32(bounds)
    assert np.all((value >= lower) & (value <= upper))
    # Before float32 saturates the bounds are not reached, and the order is kept.
    inner = np.asarray(coefficients.bounded(jnp.linspace(-8.0, 8.0, 30), *bounds))
    assert np.all((inner > lower) & (inner < upper))
    assert np.all(np.diff(inner) > 0)


def test_gradient_is_that_of_the_logistic_function():
    raw = jnp.linspace(-8.0, 8.0, 17)
    slope = jax.vmap(jax.grad(lambda r: coefficients.bounded(r, 0.5, 3.0)))(raw)
    s = 1 / (1 + np.exp(-np.asarray(raw, np.float64)))
    # Float32 resolves 1 - s only to 1e-7 / 3e-4 at the ends.
    np.testing.assert_allclose(slope, 2.5 * s * (1 - s), rtol=1e-3)
    assert np.all(slope > 0)


def test_middle_of_the_bounds_is_zero():
    assert float(coefficients.bounded(jnp.zeros(()), 1.0, 5.0)) == 3.0
    np.testing.assert_allclose(coefficients.unbounded(3.0, 1.0, 5.0), 0.0, atol=1e-7)


def test_dtype_is_kept():
    assert coefficients.unbounded(1, 0.0, 3.0).dtype == jnp.float32
    assert coefficients.unbounded(jnp.ones(2), 0.0, 3.0).dtype == jnp.float32
    assert coefficients.bounded(jnp.ones(2), 0.0, 3.0).dtype == jnp.float32
    with jax.enable_x64(True):
        assert coefficients.unbounded(np.ones(2), 0.0, 3.0).dtype == jnp.float64


@pytest.mark.parametrize("value", [0.0, 3.0, -1.0, np.nan, [1.0, 4.0]])
def test_values_outside_are_refused(value):
    with pytest.raises(ValueError, match=r"strictly inside the bounds \(0, 3\); widen"):
        coefficients.unbounded(value, 0.0, 3.0)


@pytest.mark.parametrize("bounds", [(3.0, 0.0), (1.0, 1.0), (-1.0, 1.0), (0.0, np.inf)])
def test_bad_bounds_are_refused(bounds):
    with pytest.raises(ValueError, match="must be finite with 0 <= lower < upper"):
        coefficients.unbounded(0.5, *bounds)
    with pytest.raises(ValueError, match="must be finite with 0 <= lower < upper"):
        coefficients.bounded(jnp.zeros(()), *bounds)
