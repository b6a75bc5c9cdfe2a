"""Inviscid Burgers in a potential: exact solutions, orders, forces, gradients."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.grids.domain import Domain
from hyco_jax.pde import inviscid_burgers
from tests import order
from tests.pde import states
from tests.pde.compiled import advance
from tests.pde.states import TAU


@functools.cache
def make_step(domain, dt):
    return inviscid_burgers.make_step(domain, dt, {})


def rollout(domain, dt, potential, u, num_steps):
    return advance(make_step(domain, dt), {"potential": potential}, u, num_steps)


def before_the_shock(x, time):
    """Solves u = 1 + 0.4 sin(x - u t), exact without a force until t = 2.5."""
    u = np.ones_like(x)
    for _ in range(60):  # A contraction by 0.4 t each.
        u = 1 + 0.4 * np.sin(x - u * time)
    return u


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_from_rest_a_step_is_the_force(x64, ndim):
    domain = states.box({1: (9,), 2: (6, 7), 3: (4, 5, 3)}[ndim])
    potential = np.random.default_rng(0).normal(size=domain.resolution)
    rest = np.zeros((*domain.resolution, ndim))
    result = rollout(domain, 0.3, potential, rest, 1)
    expected = -0.3 * states.gradient(domain, potential)
    np.testing.assert_allclose(result, expected, atol=1e-14)


def test_the_force_is_second_order_in_space(x64):
    errors = []
    for level in range(3):
        domain = Domain((8 * 2**level, 12 * 2**level), (3.0, 2.0))
        k = TAU / np.array(domain.extent)
        phase = k * domain.coordinates()
        sin, cos = np.sin(phase), np.cos(phase)
        exact = k * cos * sin[..., ::-1]
        potential = inviscid_burgers.sine_potential(domain)
        u = rollout(domain, 1.0, potential, 0 * exact, 1)
        errors.append(np.abs(u + exact).max())
    assert order.of(errors).order == pytest.approx(2, abs=0.15)


def test_convergence_before_the_shock_is_first_order(x64):
    end, errors = 1.0, []
    for level in range(3):
        n, num_steps = 32 * 2**level, 8 * 2**level
        domain = Domain((n,), (TAU,))
        x = domain.coordinates()
        start, exact = before_the_shock(x, 0.0), before_the_shock(x, end)
        result = rollout(domain, end / num_steps, np.zeros(n), start, num_steps)
        errors.append(np.sqrt(np.mean((result - exact) ** 2)))
    assert order.of(errors).order == pytest.approx(1, abs=0.15)
    assert errors[-1] < 0.02


def test_convergence_in_time_is_first_order(x64):
    # On 1024 cells dx²/dt is at most 1e-3, times r(1 - r)/2 <= 1/8: far below dt.
    domain = Domain((1024,), (TAU,))
    x = domain.coordinates()
    end, errors = 0.6, []
    start, exact = before_the_shock(x, 0.0), before_the_shock(x, end)
    for num_steps in (4, 8, 16):
        result = rollout(domain, end / num_steps, np.zeros(1024), start, num_steps)
        errors.append(np.sqrt(np.mean((result - exact) ** 2)))
    assert order.of(errors).order == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("ndim", [1, 2])
def test_a_steady_state_drifts_at_first_order(x64, ndim):
    # A velocity with u²/2 + φ constant is steady; in 2-D along the diagonal.
    drifts = []
    for level in range(3):
        # As fine as below in 1-D, where it is compiled already.
        n, num_steps = (32 if ndim == 1 else 16) * 2**level, 4 * 2**level
        domain = Domain((n,) * ndim, (TAU,) * ndim)
        speed = 1.5 + 0.4 * np.sin(domain.coordinates().sum(axis=-1))
        # u = w(x + y) (1, 1): u·∇u = 2 w w' (1, 1), so φ = -w² there, -w²/2 in 1-D.
        potential = -ndim / 2 * speed**2
        u = np.stack([speed] * ndim, axis=-1)
        result = rollout(domain, 0.5 / num_steps, potential, u, num_steps)
        drifts.append(np.sqrt(np.mean((result - u) ** 2)))
    assert order.of(drifts).order == pytest.approx(1, abs=0.2)
    assert drifts[-1] < 0.03


def test_the_drift_of_momentum_by_advection_is_first_order(x64):
    drifts = []
    for level in range(3):
        n, num_steps = 32 * 2**level, 4 * 2**level
        domain = Domain((n,), (TAU,))
        x = domain.coordinates()
        u = 1 + 0.4 * np.sin(x) + 0.2 * np.cos(2 * x)
        potential = 0.2 * inviscid_burgers.sine_potential(domain)
        result = rollout(domain, 0.5 / num_steps, potential, u, num_steps)
        drifts.append(abs(jnp.mean(result - u)))
    assert order.of(drifts).order == pytest.approx(1, abs=0.2)


def test_without_a_force_no_new_extrema_even_through_a_shock():
    domain = Domain((32,), (TAU,))
    u = jnp.float32(np.sin(domain.coordinates()))
    result = rollout(domain, 0.2, jnp.zeros(32), u, 20)
    # A few roundings of the weights, which add up to 1.
    assert np.abs(result).max() <= np.abs(u).max() + 1e-6
    # The shock has formed at t = 1 and dissipates what runs into it.
    assert jnp.sum(result**2) < 0.7 * jnp.sum(u**2)


def test_a_shock_onto_rest_stands_still():
    # Its speed should be 1/2; cells at rest keep their value in this scheme.
    domain = Domain((16,), (16.0,))
    u = jnp.where(jnp.arange(16) < 8, 1.0, 0.0)[:, None]
    result = rollout(domain, 0.5, jnp.zeros(16), u, 8)
    np.testing.assert_array_equal(result[8:], 0.0)


def test_sine_potential_has_the_stated_values_and_no_mean():
    potential = inviscid_burgers.sine_potential(Domain((4, 8), (2.0, 3.0)), scale=2.0)
    # sin 45° along x, sin 22.5° along y.
    expected = 2 * np.sin(np.pi / 4) * np.sin(np.pi / 8)
    np.testing.assert_allclose(potential[0, 0], expected)
    np.testing.assert_allclose(potential.mean(), 0.0, atol=1e-16)


def test_samples_are_velocities_of_the_given_amplitude(key):
    domain = Domain((6, 5, 4), (3.0, 2.0, 2.5))
    u0 = inviscid_burgers.sample_u0(key, domain, 2, scale=0.3, amplitude=0.5)
    assert [q.num_components for q in inviscid_burgers.quantities(domain)] == [3]
    assert u0.shape == (2, 6, 5, 4, 3) and u0.dtype == jnp.float32
    rms = jnp.sqrt(jnp.mean(u0**2, axis=(1, 2, 3)))
    np.testing.assert_allclose(rms, 0.5, rtol=1e-5)
