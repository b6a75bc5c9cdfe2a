"""What is said about a result never costs it."""

import dataclasses

import jax
import numpy as np
import pytest

import hyco_jax
from hyco_jax.training import forward
from hyco_jax.uncertainty import estimate
from tests import ring


@pytest.mark.usefixtures("no_figures")
def test_a_run_whose_uncertainty_fails_keeps_its_result(monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("no memory\nleft")

    monkeypatch.setattr(estimate, "estimate", fail)
    problem = ring.ring_problem()
    settings = dataclasses.replace(
        ring.ring_settings(),
        mode="physical",
        uncertainty=hyco_jax.UncertaintySettings(grid=False),
    )
    result = hyco_jax.fit(problem, ring.ring_data(problem), settings)
    assert np.isfinite(result.rows["physical_alone"]["coefficient_error"])
    assert "the ± of the noise is not known: no memory; --config" in caplog.text


def test_what_cannot_be_rebuilt_is_transposed_twice(monkeypatch):
    def refuse(*_):
        raise ValueError("can't be linearised")

    x, along = np.array([0.3, -1.2], np.float32), np.array([1.0, 2.0], np.float32)
    expected = jax.jvp(jax.numpy.sin, (x,), (along,))[1]
    monkeypatch.setattr(forward, "_evaluate", refuse)
    _, push, pull = forward.linearise(jax.numpy.sin, x)
    np.testing.assert_allclose(push(along), expected, rtol=1e-6)
    np.testing.assert_allclose(pull(along), expected, rtol=1e-6)
