"""Of linear problems the covariance is the textbook's."""

import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.uncertainty import covariance, low_rank, solve
from tests.uncertainty import linear

RNG = np.random.default_rng(0)
MATRIX = RNG.standard_normal((40, 3)) * [1.0, 10.0, 0.1]
TRUTH = np.array([1.0, -0.2, 5.0])
TARGETS = MATRIX @ TRUTH + 0.3 * RNG.standard_normal(40)
FITTED = np.linalg.lstsq(MATRIX, TARGETS)[0]


def test_the_covariance_is_the_textbook_s_with_the_variance_of_the_residuals():
    found = linear.solution(MATRIX, TARGETS, FITTED)
    variance = np.sum((MATRIX @ FITTED - TARGETS) ** 2) / (40 - 3)
    expected = variance * np.linalg.inv(MATRIX.T @ MATRIX)
    np.testing.assert_allclose(found.plain.of(np.eye(3)), expected, rtol=2e-5)
    np.testing.assert_allclose(found.noise.sigma, np.sqrt(variance), rtol=1e-5)
    assert found.degrees == pytest.approx(3) and found.noise.chi2 is None


def test_a_known_sigma_takes_the_place_of_the_residuals_and_makes_a_chi2():
    found = linear.solution(MATRIX, TARGETS, FITTED, sigma=0.1)
    expected = 0.01 * np.linalg.inv(MATRIX.T @ MATRIX)
    np.testing.assert_allclose(found.plain.of(np.eye(3)), expected, rtol=2e-5)
    variance = np.sum((MATRIX @ FITTED - TARGETS) ** 2) / (40 - 3)
    assert found.noise.chi2 == pytest.approx(variance / 0.01, rel=1e-4)


def _smooth(params):
    """A penalty that knows nothing of a constant."""
    return 20 * jnp.mean(jnp.diff(params["field"]) ** 2)


def _blurred(size=40, count=90):
    at, cells = np.linspace(0, size / 2, count)[:, None], np.arange(size)
    matrix = np.exp(-0.5 * ((at - cells) / 3) ** 2)
    truth = np.sin(cells / 5)
    return matrix, matrix @ truth + 0.1 * RNG.standard_normal(count)


def _ridge(matrix, targets):
    """Fit, curvatures of the loss `mean r² + R`, in float64."""
    count, size = matrix.shape
    change = np.diff(np.eye(size), axis=0)
    prior = 2 * 20 / (size - 1) * change.T @ change
    data = 2 / count * matrix.T @ matrix
    return np.linalg.solve(data + prior, 2 / count * matrix.T @ targets), data, prior


def test_with_a_penalty_it_is_the_posterior_s_and_never_less(monkeypatch):
    matrix, targets = _blurred()
    fitted, data, prior = _ridge(matrix, targets)
    found = linear.solution(matrix, targets, fitted, sigma=0.1, roughness=_smooth)
    unit = 2 * 0.1**2 / len(matrix)
    assert found.noise.unit == pytest.approx(unit, rel=1e-5)
    whole = np.linalg.inv(data + prior)
    expected = unit * whole @ (data + found.scale * prior) @ whole
    np.testing.assert_allclose(found.plain.of(np.eye(40)), expected, rtol=1e-3)
    # The same without the matrix.
    monkeypatch.setattr(solve, "MOST_DENSE", 0)
    again = linear.solution(matrix, targets, fitted, sigma=0.1, roughness=_smooth)
    assert again.is_complete and again.data is None
    assert again.degrees == pytest.approx(found.degrees, rel=1e-3)
    assert again.scale == pytest.approx(found.scale, rel=1e-2)
    std = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(
        np.sqrt(np.diag(again.plain.of(np.eye(40)))), std, rtol=1e-2
    )
    draws = again.plain.draw(np.random.default_rng(0), 2000)
    np.testing.assert_allclose(draws.std(axis=0), std, rtol=0.1)


def test_a_field_rougher_than_its_penalty_gets_wider_bands():
    # Of fields drawn from a prior ten times as wide as the penalty's.
    size, scales, rng = 40, [], np.random.default_rng(1)
    matrix = np.eye(size)
    change = np.diff(np.eye(size), axis=0)
    for _ in range(30):
        unit = 2 * 0.1**2 / size
        steps = np.sqrt(10 * unit * (size - 1) / 40) * rng.standard_normal(size - 1)
        truth = np.concatenate([[0.0], np.cumsum(steps)])
        targets = truth + 0.1 * rng.standard_normal(size)
        fitted, data, prior = _ridge(matrix, targets)
        parts = covariance.Parts(
            data[None], 0 * data, prior, np.zeros((1, size)), np.zeros(1)
        )
        penalty = 20 * np.mean((change @ fitted) ** 2) / unit
        inner = np.linalg.inv(data + prior)
        scales.append(covariance.prior_scale(parts, inner, penalty, data))
    assert np.mean(scales) == pytest.approx(10, rel=0.15)


def test_a_matrix_of_low_rank_is_found_whole():
    factors = RNG.standard_normal((5, 60))
    prior = low_rank.factorise([(slice(0, 60), 2 * np.eye(60))], np.ones(60))
    start = RNG.standard_normal((32, 5)) @ factors
    found = low_rank.eigen(lambda rows: rows @ factors.T @ factors, prior, start, 40)
    assert found.is_complete
    expected = np.sort(np.linalg.eigvalsh(factors @ factors.T) / 2)[::-1]
    np.testing.assert_allclose(found.values[:5], expected, rtol=1e-5)
