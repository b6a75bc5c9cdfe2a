"""Coefficients: bounds, guesses, means, values by name, models."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from hyco_jax.grids.domain import Domain
from hyco_jax.models import coefficients, expansions
from hyco_jax.types import Query
from tests.x64 import enable_x64


def test_unbounded_inverts_bounded():
    value = np.linspace(0.01, 2.99, 50)
    with enable_x64():
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
    with enable_x64():
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


@pytest.mark.parametrize("bounds", [None, (0.5, 3.0)], ids=["signed", "bounded"])
def test_a_scalar_and_a_field_start_at_the_guess(bounds):
    guess = np.linspace(0.6, 2.9, 30).reshape(5, 6)
    for coefficient, expected in (
        (coefficients.scalar(0.7, bounds), np.float64(0.7)),
        (coefficients.field(0.7, (5, 6), bounds), np.full((5, 6), 0.7)),
        (coefficients.field(guess, (5, 6), bounds), guess),
        (coefficients.field(0.7, (5, 6, 2), bounds), np.full((5, 6, 2), 0.7)),
    ):
        value = coefficient.value(coefficient.raw)
        assert coefficient.raw.dtype == value.dtype == np.float32
        assert value.shape == expected.shape
        np.testing.assert_allclose(value, expected, rtol=2e-6)
        assert coefficient.upper == (np.inf if bounds is None else 3.0)


def test_signed_coefficients_are_their_raw_parameters():
    raw = jnp.linspace(-300.0, 300.0, 30).reshape(5, 6)
    np.testing.assert_array_equal(coefficients.field(0.0, (5, 6)).value(raw), raw)
    assert coefficients.scalar(-2.0).value(jnp.float32(-70.0)) == -70.0


def test_a_field_of_zero_mean_loses_its_mean_and_nothing_else():
    guess = np.random.default_rng(0).normal(size=(5, 6))
    potential = coefficients.field(guess, (5, 6), zero_mean=True)
    np.testing.assert_allclose(
        potential.value(potential.raw), guess - guess.mean(), atol=1e-6
    )
    # The mean is invisible, so no gradient changes it.
    slope = jax.grad(lambda raw: jnp.sum(potential.value(raw) ** 3))(potential.raw)
    assert abs(slope.sum()) < 1e-4 < np.abs(slope).max()


def test_values_are_taken_by_name():
    both = {
        "viscosity": coefficients.scalar(0.5, (0.0, 1.0)),
        "potential": coefficients.field(2.0, (4,)),
    }
    params = {"viscosity": jnp.zeros(()), "potential": jnp.ones(4), "unused": None}
    values = coefficients.values(both, params)
    assert set(values) == {"viscosity", "potential"}
    assert values["viscosity"] == 0.5
    np.testing.assert_array_equal(values["potential"], np.ones(4))


def test_a_model_steps_with_the_physical_values(key):
    domain = Domain((4,), (1.0,))
    both = {
        "rate": coefficients.scalar(0.5, (0.0, 2.0)),
        "source": expansions.gaussian_bumps(domain, [1.0], [[0.5]], fit_width=False),
    }
    model = coefficients.make_model(
        both,
        lambda values, u: values["rate"] * u + values["source"][:, None],
        domain,
        1.0,
    )
    params = model.init(key)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(params))
    assert set(params["source"]) == {"amplitudes", "centers"}
    u = np.arange(4.0)[:, None]

    def total(params):
        zero = jnp.zeros(1, jnp.int32)
        moved = model.predict(params, Query(zero, zero, jnp.float32(u)[None]))[0, 0]
        return moved.sum(), moved

    slope, moved = jax.jit(jax.grad(total, has_aux=True))(params)
    bump = np.exp(-((domain.coordinates() - 0.5) ** 2))
    np.testing.assert_allclose(moved, 0.5 * u + bump, rtol=1e-6)
    # d rate / d raw = 2 · 1/4 · 3/4 at rate 0.5 of 2.
    np.testing.assert_allclose(slope["rate"], 0.375 * u.sum(), rtol=1e-5)


def test_the_gradient_of_bounded_values_equals_finite_differences():
    with enable_x64():
        coefficient = coefficients.field(0.7, (5,), (0.5, 3.0))
        raw = jnp.linspace(-2.0, 2.0, 5, dtype=jnp.float64)
        check_grads(coefficient.value, (raw,), 1, ["rev"], atol=1e-8, rtol=1e-8)


def test_bad_guesses_are_refused():
    with pytest.raises(ValueError, match=r"guess has shape \(4,\), expected \(\) or"):
        coefficients.field(np.ones(4), (5,))
    with pytest.raises(ValueError, match="the guess nan must be finite"):
        coefficients.scalar(np.nan)
    with pytest.raises(ValueError, match="the guess inf must be finite"):
        coefficients.scalar(np.inf, (0.0, 1.0))
    with pytest.raises(ValueError, match="strictly inside the bounds"):
        coefficients.field(1.0, (5,), (0.0, 1.0))
    with pytest.raises(ValueError, match="must be finite with 0 <= lower < upper"):
        coefficients.scalar(0.5, (1.0, 0.0))
