"""What settings make of alpha; the rules themselves are in test_hybrid.py."""

import dataclasses

import jax.numpy as jnp
import pytest

import hyco_jax
from hyco_jax import calls
from hyco_jax.types import Side, TrainState


def side(score):
    state = TrainState(jnp.int32(5), {}, (), {})
    return Side(state, jnp.float32(score), None, None)


def alphas(options, partner, own, cycles):
    rule = calls.make_rule(options, "physical")
    return [float(rule(jnp.int32(c), side(partner), side(own))) for c in cycles]


OPTIONS = hyco_jax.HybridSettings(cycles=10, warmup=2, alpha_physical=4.0)


def test_a_schedule_runs_over_the_hybrid_cycles():
    options = dataclasses.replace(OPTIONS, alpha_scheduler="cosine")
    found = alphas(options, 1.0, 1.0, (2, 7, 12))
    assert found == pytest.approx([4.0, 2.0, 0.0], abs=1e-6)
    options = dataclasses.replace(options, physical_warmup=3)
    assert alphas(options, 1.0, 1.0, (5, 10, 15)) == pytest.approx(found, abs=1e-6)


@pytest.mark.parametrize(
    ("rule", "partner", "own", "power", "expected"),
    [
        ("trust", 2.0, 1.0, 1.0, 2.0),
        ("trust", 1.0, 1.5, 1.0, 4.0),
        ("need", 1.0, 1.5, 1.0, 2.0),
        ("need", 2.0, 1.0, 1.0, 0.0),
        ("trust", 2.0, 1.0, 0.0, 4.0),
        ("need", 2.0, 1.0, 0.0, 4.0),
    ],
)
def test_each_model_listens_by_its_rule(rule, partner, own, power, expected):
    options = dataclasses.replace(OPTIONS, physical_listens_by=rule, trust_power=power)
    assert alphas(options, partner, own, (2, 11)) == pytest.approx([expected] * 2)
