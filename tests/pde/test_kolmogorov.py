"""Driven periodic flow: exact solutions, orders, conservation, gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.grids.domain import Domain
from hyco_jax.pde import kolmogorov
from tests import order
from tests.pde.compiled import advance
from tests.pde.states import TAU, faces, waves, without_divergence


@functools.cache
def make_step(domain, dt, upper, substeps=None):
    return kolmogorov.make_step(domain, dt, {"viscosity": upper}, substeps)


def rollout(domain, dt, nu, u, num_steps=1, forcing=None, substeps=None):
    step = make_step(domain, dt, max(nu, 0.1), substeps)
    forcing = np.zeros(u.shape) if forcing is None else forcing
    return advance(step, {"viscosity": nu, "forcing": forcing}, u, num_steps)


def taylor_green(domain):
    """The vortices u = (sin x cos y, -cos x sin y) at their faces."""
    x, y = faces(domain, 0)
    u = np.sin(x) * np.cos(y)
    x, y = faces(domain, 1)
    return np.stack([u, -np.cos(x) * np.sin(y)], axis=-1)


def test_step_converges_to_the_taylor_green_vortices(x64):
    # An exact solution, u₀ exp(-2νk²t) with k = 1: pressure balances advection.
    nu, end, errors = 0.1, 1.0, []
    for level in range(3):
        domain = Domain((16 * 2**level,) * 2, (TAU, TAU))
        num_steps = 8 * 2**level
        u = taylor_green(domain)
        result = rollout(domain, end / num_steps, nu, u, num_steps)
        errors.append(np.sqrt(np.mean((result - np.exp(-2 * nu * end) * u) ** 2)))
    # With dt ~ dx splitting, tracing back and interpolation are all first order.
    assert order.of(errors).order == pytest.approx(1, abs=0.15)
    assert errors[-1] < 0.03


@pytest.mark.parametrize("substeps", [2, 9], ids=["unrolled", "looped"])
def test_shear_flow_decays_at_the_discrete_rate(x64, substeps):
    # u = (sin y, 0) advects nothing and has no divergence: only viscosity is left.
    domain, dt, nu = Domain((3, 12), (1.0, TAU)), 0.05, 0.7
    u = kolmogorov.sine_forcing(domain, wave_number=1)
    rate = nu * (2 / domain.dx[1] * np.sin(domain.dx[1] / 2)) ** 2
    result = rollout(domain, dt, nu, u, substeps=substeps)
    np.testing.assert_allclose(
        result, (1 - rate * dt / substeps) ** substeps * u, atol=1e-14
    )


def test_viscosity_is_second_order_in_space_and_first_in_time(x64):
    nu, errors = 0.7, []
    for level in range(3):
        # dt ~ dx², the stability limit: both errors fall by 4 per refinement.
        domain, num_steps = Domain((2, 8 * 2**level), (9.0, TAU)), 10 * 4**level
        u = kolmogorov.sine_forcing(domain, wave_number=1)
        result = rollout(domain, 1 / num_steps, nu, u, num_steps)
        errors.append(np.abs(result - np.exp(-nu) * u).max())
    assert order.of(errors).order == pytest.approx(2, abs=0.1)


def test_drift_of_the_mean_flow_is_first_order(x64):
    drifts = []
    for level in range(3):
        domain = Domain((16 * 2**level,) * 2, (TAU, TAU))
        # The steps of Taylor and Green's vortices, which are compiled already.
        num_steps = 6 * 2**level
        phases = [faces(domain, 0), faces(domain, 1)]
        u = [np.sin(y) + np.sin(x + y) for x, y in phases[:1]]
        u += [np.cos(x) + 0.5 - np.sin(x + y) for x, y in phases[1:]]
        u = np.stack(u, -1)
        result = rollout(domain, 0.75 / num_steps, 0.0, u, num_steps)
        drifts.append(float(jnp.linalg.norm((result - u).mean((0, 1)))))
    # Tracing back is O(dt), interpolation O(dx²/dt); both are symmetric here.
    assert order.of(drifts).order > 0.8


def test_step_commutes_with_exchange_of_the_axes(x64):
    domain = Domain((6, 6), (3.0, 3.0))
    u, forcing = (without_divergence(domain, waves(domain, 2, seed)) for seed in (0, 1))

    def exchange(x):
        return jnp.swapaxes(x, 0, 1)[..., ::-1]

    turned = rollout(domain, 0.2, 0.1, exchange(u), forcing=exchange(forcing))
    expected = exchange(rollout(domain, 0.2, 0.1, u, forcing=forcing))
    np.testing.assert_allclose(turned, expected, atol=1e-13)


def test_sampled_states_differ_and_add_up_with_the_mean_flow():
    domain = Domain((12, 10), (3.0, 2.0))
    forcing = kolmogorov.sine_forcing(domain)
    u = kolmogorov.sample_u0(jax.random.key(0), domain, 2, 0.3, 0.0, 0.1 * forcing)
    # A sine along the other axis has no divergence: the projection leaves it.
    np.testing.assert_allclose(u, [0.1 * forcing] * 2, atol=1e-7)
    one, other = kolmogorov.sample_u0(jax.random.key(0), domain, 2, 0.3, 1.0)
    assert one.dtype == jnp.float32 and jnp.abs(one - other).max() > 0.5
    assert 0.3 < jnp.sqrt(jnp.mean(one**2)) < 1
    assert kolmogorov.diagnostics(domain, one)["divergence"] < kolmogorov.MAX_DIVERGENCE


@pytest.mark.parametrize("resolution", [(12, 10), (8, 10, 6)], ids=str)
def test_all_grids_get_the_same_flow_to_second_order(x64, resolution):
    domain = Domain(resolution, (3.0, 2.0, 3.0)[: len(resolution)])

    def change(level):
        coarse = domain.refined(2**level)
        fine = coarse.refined(3)
        one, other = (
            kolmogorov.sample_u0(
                jax.random.key(0), d, 1, 0.6, 1.0, kolmogorov.sine_forcing(d)
            )
            for d in (coarse, fine)
        )
        # Every third face along its own axis, the middle one of three along others.
        x = other[(0, slice(None, None, 3), *[slice(1, None, 3)] * (coarse.ndim - 1))]
        return jnp.abs(x[..., 0] - one[0, ..., 0]).max()

    found = order.observe(change)
    assert found.order == pytest.approx(2, abs=0.15) and found.errors[-1] < 0.02


def test_sine_forcing_has_the_stated_values():
    forcing = kolmogorov.sine_forcing(Domain((2, 4), (1.0, 8.0)), 3.0, 1)
    # sin(2π y / 8) at y = 1, 3, 5, 7 is ±1/√2.
    expected = 3 / np.sqrt(2) * np.array([1, 1, -1, -1])
    np.testing.assert_allclose(forcing[..., 0], [expected] * 2, atol=1e-14)
    assert not forcing[..., 1].any()


def test_a_line_is_refused():
    with pytest.raises(ValueError, match="give it 2 or 3"):
        kolmogorov.make_step(Domain((6,), (3.0,)), 0.1, {"viscosity": 0.1})
