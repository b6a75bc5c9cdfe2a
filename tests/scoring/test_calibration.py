"""Whether the spread of an ensemble is as large as its errors."""

import numpy as np
import pytest

from hyco_jax.scoring import calibration


def test_errors_of_the_spread_are_calibrated():
    rng = np.random.default_rng(0)
    spread = rng.uniform(0.5, 2.0, 20_000)
    errors = spread * rng.standard_normal(spread.shape)
    found = calibration.scores(errors, spread, np.ones(spread.shape))
    assert found["error_to_spread"] == pytest.approx(1, abs=0.02)
    assert found["within_spread"] == pytest.approx(0.954, abs=0.01)
    found = calibration.scores(3 * errors, spread, np.ones(spread.shape))
    assert found["error_to_spread"] == pytest.approx(3, abs=0.06)
    assert found["within_spread"] == pytest.approx(0.495, abs=0.02)


def test_what_has_no_weight_does_not_count():
    errors, spread = np.array([1.0, np.nan, 2.0]), np.array([1.0, 1.0, 0.5])
    found = calibration.scores(errors, spread, np.array([3.0, 0.0, 1.0]))
    expected = np.sqrt((3 + 4) / (3 + 0.25))
    assert found == {"error_to_spread": pytest.approx(expected), "within_spread": 0.5}
    nothing = calibration.scores(errors, spread, np.zeros(3))
    assert set(nothing.values()) == {None}
    diverged = calibration.scores(errors, spread, np.ones(3))
    assert diverged == {"error_to_spread": np.inf, "within_spread": 0.0}
