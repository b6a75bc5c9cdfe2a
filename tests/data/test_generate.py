"""The truth: float64 on the CPU, exactly reproducible, nothing of it leaks."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.data import generate
from hyco_jax.grids.fields import flow
from hyco_jax.grids.precision import enable_x64
from hyco_jax.models import stepper
from hyco_jax.pde import burgers

OPTIONS = generate.DataSettings(
    num_sims=3, num_steps=4, train_sim=(0, 1), val_sim=(2,), scale=4.0, refine=3
)


def make_problem(**changes):
    settings = burgers.Settings(resolution=(16,), extent=(16.0,), dt=0.2)
    problem = burgers.make_problem(settings, burgers.DataSettings(scale=4.0))
    return dataclasses.replace(problem, **changes)


def assert_float32_is_back():
    assert not jax.config.jax_enable_x64
    assert jnp.zeros(()).dtype == jnp.ones(2).dtype == np.float32
    assert flow.math.get_precision() == 32


def test_the_truth_is_the_float64_solution_rounded_once(key):
    problem = make_problem()
    data = generate.simulate(problem, OPTIONS, key)
    fine = problem.domain.refined(3)
    with enable_x64():
        u0 = problem.sample_u0(jax.random.split(key)[0], fine, 3)
        values = {"viscosity": jnp.asarray(problem.true_values(fine)["viscosity"])}
        assert u0.dtype == values["viscosity"].dtype == np.float64
        step = problem.make_true_step(fine, 0.2 / 3, {"viscosity": 4.0})
        states = stepper.rollouts(step, values, u0, 12)[:, ::3]
        exact = np.asarray(states).reshape(3, 5, 16, 3, 1).mean(axis=3)
    # Half a unit in the last place of a number of up to 4.
    np.testing.assert_allclose(data.truth.states[:3], exact, atol=1.2e-7, rtol=0)
    assert_float32_is_back()


def test_data_are_reproducible_bit_by_bit(key):
    one, other = (generate.simulate(make_problem(), OPTIONS, key) for _ in range(2))
    np.testing.assert_array_equal(one.truth.states, other.truth.states)
    np.testing.assert_array_equal(one.observed.states, other.observed.states)


def test_nothing_of_the_data_is_float64(key):
    data = generate.simulate(make_problem(), OPTIONS, key)
    arrays = jax.tree.leaves((data.observed, data.truth))
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
    assert data.observed.states.devices() == jnp.zeros(()).devices()
    assert_float32_is_back()


def test_the_truth_may_have_a_scheme_of_its_own(key):
    dtypes = []

    def make_true_step(domain, dt, upper):
        assert domain.resolution == (48,) and dt == pytest.approx(0.2 / 3)
        assert upper == {"viscosity": pytest.approx(4.0, rel=1e-2)}

        def step(values, u):
            dtypes.extend([u.dtype, values["viscosity"].dtype])
            return u + dt

        return step

    data = generate.simulate(make_problem(make_true_step=make_true_step), OPTIONS, key)
    changes = np.diff(data.truth.states, axis=1)
    np.testing.assert_allclose(changes, 0.2, atol=1e-6)
    assert set(dtypes) == {np.dtype(np.float64)}


def test_a_truth_that_blows_up_is_an_error_that_says_where(key):
    problem = make_problem(
        # 0, 1, 2, ... are squared: 2 is 2^128 after 7 steps, which float64 could hold.
        sample_u0=lambda key, domain, num: jnp.broadcast_to(
            jnp.arange(float(num))[:, None, None], (num, *domain.resolution, 1)
        ),
        make_true_step=lambda domain, dt, upper: lambda values, u: u**2,
    )
    options = dataclasses.replace(OPTIONS, refine=1, num_steps=8)
    message = r"simulation 2 is not finite from t = 1.4 on, step 7 of 8, .*speed=11 "
    with pytest.raises(ValueError, match=message):
        generate.simulate(problem, options, key)
    assert_float32_is_back()


def test_without_a_cpu_the_error_says_what_to_do(key, monkeypatch):
    def no_backend(backend):
        raise RuntimeError(f"Unknown backend {backend}")

    monkeypatch.setattr(jax, "local_devices", no_backend)
    with pytest.raises(ValueError, match="JAX_PLATFORMS=cuda,cpu"):
        generate.simulate(make_problem(), OPTIONS, key)
    assert_float32_is_back()
