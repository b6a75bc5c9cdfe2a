"""The truths of the published steady tests."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import darcy as darcy_config
from configs import helmholtz as helmholtz_config
from hyco_jax.config import experiment, schema
from hyco_jax.models import physical
from hyco_jax.pde import darcy, elliptic, helmholtz
from tests import order


def truth_from_settings(module, config, **changes):
    """The coefficients of a config whose guess is the truth, beside the true ones."""
    template = experiment.template(module)
    settings = schema.from_dict(template, config.get_config())
    settings = schema.from_dict(settings, {"coefficients": changes})
    problem = module.make_problem(settings.pde, settings.data)
    made = physical.make_coefficients(problem, settings.coefficients, problem.domain)
    values = {name: c.value(c.raw) for name, c in made.items()}
    return values, problem.true_values(problem.domain)


def test_bumps_with_the_true_numbers_are_the_true_coefficients():
    found, true = truth_from_settings(
        helmholtz,
        helmholtz_config,
        diffusivity=helmholtz_config.bump(4.0, -1.0, -1.0),
        screening=helmholtz_config.bump(1.0, 2.0, 1.0),
    )
    for name, value in true.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5)
    assert true["diffusivity"].max() == pytest.approx(5.0, abs=0.2)


def test_sines_with_the_true_numbers_are_the_true_permeability():
    amplitudes = (1.0, 2.0, 3.0, 4.0, -1.0, -2.0, -3.0, -4.0, 5.0)
    change = {"guess": 0.5, "amplitudes": amplitudes}
    found, true = truth_from_settings(darcy, darcy_config, permeability=change)
    true = true["permeability"]
    np.testing.assert_allclose(found["permeability"], true, rtol=1e-5)
    # By hand, at x = -π + π/9 and y = π/9.
    x, y = -8 * math.pi / 9, math.pi / 9
    series = sum(
        amplitudes[3 * m + n]
        * math.sin(math.pi * (m + 1) * x / 4)
        * math.sin(math.pi * (n + 1) * y / 4)
        for m in range(3)
        for n in range(3)
    )
    expected = 0.25 + math.log1p(math.exp(series))
    assert true[1, 10] == pytest.approx(expected)


@pytest.mark.usefixtures("x64")
def test_the_solution_of_helmholtz_is_that_of_its_true_coefficients():
    def error(level):
        settings = helmholtz.Settings((12 * 2**level + 1,) * 2)
        problem = helmholtz.make_problem(settings)
        domain = problem.domain
        step = jax.jit(problem.make_step(domain, 1.0, {}))
        u = step(problem.true_values(domain), jnp.zeros((*domain.resolution, 1)))
        return np.abs(
            u[..., 0] - helmholtz.solution(elliptic.from_middle(domain))
        ).max()

    found = order.observe(error, 2)
    assert found.order > 1.9 and found.errors[-1] < 0.01


def test_the_truth_of_darcy_is_finer_than_what_is_fitted():
    problem = darcy.make_problem()
    domain = problem.domain
    step = jax.jit(problem.make_step(domain, 1.0, {}))
    u = step(problem.true_values(domain), jnp.zeros((*domain.resolution, 1)))[..., 0]
    exact = darcy.solution(elliptic.from_middle(domain).reshape(-1, 2)).reshape(u.shape)
    # 18 intervals of a permeability whose waves are 7 long: not even two digits.
    assert 0.02 < np.linalg.norm(u - exact) / np.linalg.norm(exact) < 0.1
    fine = darcy.make_problem(darcy.Settings((37, 37))).domain
    kappa = jnp.asarray(darcy.true_values(fine)["permeability"])
    solve = jax.jit(functools.partial(elliptic.solve_iteratively, fine))
    u = solve(kappa, 0.0, 1.0)[::2, ::2]
    assert np.linalg.norm(u - exact) / np.linalg.norm(exact) < 0.03
