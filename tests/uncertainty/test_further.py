"""Profiles, bootstrap and samples agree with the textbook where it is right."""

import sys

import numpy as np
import pytest

import hyco_jax
from hyco_jax.uncertainty import mcmc
from tests import readings as decay


@pytest.mark.usefixtures("no_figures")
def test_all_of_them_find_the_standard_error_of_a_number():
    uncertainty = {"noise": True, "profile": True, "bootstrap": 40}
    physical = {"num_iterations": 20}
    settings = decay.make_settings(
        mode="physical", physical=physical, uncertainty=uncertainty
    )
    readings = decay.make_readings(sigma=0.1)
    result = hyco_jax.fit(
        decay.make_problem(), decay.observe(decay.make_problem(), readings), settings
    )
    found = result.uncertainty["physical_alone"]
    value, std = (found["numbers"]["conductivity"][k] for k in ("value", "noise"))
    low, high = found["profiles"]["conductivity"]["interval"]
    np.testing.assert_allclose(
        [low, high], [value - 1.96 * std, value + 1.96 * std], rtol=0.02
    )
    assert low < value < high and len(found["profiles"]["conductivity"]["values"]) == 15
    assert found["bootstrap"]["conductivity"]["std"] == pytest.approx(std, rel=0.35)


def test_without_blackjax_a_run_says_how_to_get_it_before_anything_is_compiled(
    monkeypatch,
):
    monkeypatch.setitem(sys.modules, "blackjax", None)
    settings = decay.make_settings(uncertainty={"noise": True, "samples": 10})
    problem = decay.make_problem()
    data = decay.observe(problem, decay.make_readings())
    with pytest.raises(ValueError, match=r"pip install -e '\.\[mcmc\]'"):
        hyco_jax.fit(problem, data, settings)


def test_samples_have_the_covariance_of_a_linear_problem():
    pytest.importorskip("blackjax")
    from tests.uncertainty import linear, test_linear

    setup, _, inputs = linear.make(test_linear.MATRIX, test_linear.TARGETS, 0.3)
    expected = 0.09 * np.linalg.inv(test_linear.MATRIX.T @ test_linear.MATRIX)
    x = np.asarray(test_linear.FITTED, np.float32)
    drawn = mcmc.sample(setup.fit, x, inputs, 2 * 0.09 / 40, expected, 1000)
    np.testing.assert_allclose(drawn.std(axis=0), np.sqrt(np.diag(expected)), rtol=0.15)
