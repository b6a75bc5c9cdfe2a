"""Profiles, bootstrap and samples agree with the textbook where it is right."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hyco_jax
from hyco_jax.uncertainty import bootstrap, mcmc, profiles
from tests import readings as decay
from tests.uncertainty import linear
from tests.uncertainty.test_linear import FITTED, MATRIX, TARGETS

SIGMA = 0.3
COVARIANCE = SIGMA**2 * np.linalg.inv(MATRIX.T @ MATRIX)
UNIT = 2 * SIGMA**2 / len(MATRIX)
SETUP, _, INPUTS = linear.make(MATRIX, TARGETS, SIGMA)
X = np.asarray(FITTED, np.float32)


def test_the_profile_of_a_linear_problem_is_a_parabola_of_the_same_width():
    starts = profiles.starts(FITTED, 1, COVARIANCE[1])
    # The others start where they stay on the way: off that way they come back.
    starts[:, 2] += 1.0
    refit = profiles.make_profile(SETUP.fit)
    found, losses = refit(jnp.asarray(starts, jnp.float32), INPUTS, np.arange(3) == 1)
    profile = profiles.make(np.asarray(found[:, 1], float), losses, UNIT)
    std = np.sqrt(COVARIANCE[1, 1])
    expected = ((profile.values - FITTED[1]) / std) ** 2
    np.testing.assert_allclose(profile.deviance, expected, atol=0.02)
    ends = FITTED[1] + std * np.array([-1.96, 1.96])
    np.testing.assert_allclose(profile.interval, ends, rtol=1e-2)


def test_an_interval_that_ends_beyond_all_values_is_infinite():
    values = np.linspace(-1, 1, 15)
    profile = profiles.make(values, np.where(values < 0, values**2, 0.0), 2 / 9)
    assert profile.interval == (pytest.approx(-1.96 / 3, rel=1e-3), np.inf)


def test_fits_to_data_with_new_noise_scatter_as_they_should():
    refit = bootstrap.make_bootstrap(SETUP.fit, SETUP.whole)
    deviation = jnp.full_like(INPUTS.real.targets, SIGMA)
    keys = jax.random.split(jax.random.key(0), 400)
    found = np.asarray(refit(X, INPUTS, deviation, keys), np.float64)
    np.testing.assert_allclose(
        np.std(found, axis=0), np.sqrt(np.diag(COVARIANCE)), rtol=0.12
    )
    np.testing.assert_allclose(
        found.mean(axis=0), FITTED, atol=0.2 * np.sqrt(COVARIANCE.max())
    )


def test_samples_have_the_covariance_of_a_linear_problem():
    pytest.importorskip("blackjax")
    drawn = mcmc.sample(SETUP.fit, X, INPUTS, UNIT, COVARIANCE, 1000)
    np.testing.assert_allclose(
        drawn.std(axis=0), np.sqrt(np.diag(COVARIANCE)), rtol=0.15
    )


def test_without_blackjax_a_run_says_how_to_get_it_before_anything_is_compiled(
    monkeypatch,
):
    monkeypatch.setitem(sys.modules, "blackjax", None)
    settings = decay.make_settings(uncertainty={"noise": True, "samples": 10})
    problem = decay.make_problem()
    data = decay.observe(problem, decay.make_readings())
    with pytest.raises(ValueError, match=r"pip install -e '\.\[mcmc\]'"):
        hyco_jax.fit(problem, data, settings)
