"""The weight of a penalty adapts inside the cycle, to the same wherever it starts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hyco_jax
from hyco_jax import fitting
from hyco_jax.config import schema
from hyco_jax.data import generate
from hyco_jax.models.physical import WEIGHTS
from hyco_jax.pde import heat

GRID = heat.Settings((24,), (6.0,), 0.1, boundary="periodic", form="divergence")
DATA = heat.DataSettings(
    num_sims=2,
    num_steps=8,
    train_sim=(0, 1),
    val_sim=(),
    refine=1,
    region=((0.0, 0.8),),
    noise_std=0.05,
)


def true_value(domain):
    return 1 + 0.5 * np.cos(2 * np.pi * domain.coordinates()[:, 0] / 6.0)


@pytest.fixture(scope="module")
def fit():
    """Maps a first weight to the last one and the error of the conductivity."""
    problem = dataclasses.replace(
        heat.make_problem(GRID, DATA),
        true_values=lambda domain: {"conductivity": true_value(domain)},
    )
    data = generate.simulate(problem, DATA, jax.random.key(0))
    unknown = hyco_jax.CoefficientSettings(
        kind="field", guess=0.7, bounds=(0.05, 3.0), smoothness="auto"
    )
    settings = schema.from_dict(
        hyco_jax.Settings(coefficients={"conductivity": unknown}),
        {
            "mode": "physical",
            "physical": {
                "num_iterations": 25,
                "abs_tol": 0.0,
                "generated_horizon": 2,
            },
            "synthetic": {"horizons": (0,), "generated_horizon": 2},
            "hybrid": {"cycles": 10},
        },
    )
    prepared = fitting.prepare(problem, data, settings)
    (stage,) = prepared.plan.stages

    def run(weight):
        state = prepared.plan.init_state()
        train = state.physical.train
        constants = {WEIGHTS: {"conductivity": jnp.float32(weight)}}
        side = state.physical.replace(train=train.replace(constants=constants))
        state = state.replace(physical=side)
        for call in stage.calls:
            state, _ = call.run(state, prepared.plan.real)
        variables = state.physical.train.variables
        found = prepared.models.physical.values(variables)["conductivity"]
        error = np.linalg.norm(found - true_value(problem.domain))
        error /= np.linalg.norm(true_value(problem.domain))
        return float(variables[WEIGHTS]["conductivity"]), error

    run.calls = stage.calls
    return run


def test_it_adapts_to_the_same_weight_from_both_sides(fit):
    (low, one), (high, other) = fit(1e-7), fit(1e1)
    assert low == pytest.approx(high, rel=1.0)
    assert 1e-6 < low < 1
    assert max(one, other) < 0.15
    # All cycles are one program.
    assert len({call.run for call in fit.calls}) == 1
    assert fit.calls[0].run._cache_size() == 1


def test_fitted_states_need_a_given_weight():
    problem = heat.make_problem(GRID, DATA)
    unknown = hyco_jax.CoefficientSettings(
        kind="field", guess=0.7, bounds=(0.05, 3.0), smoothness="auto"
    )
    settings = hyco_jax.Settings(
        coefficients={"conductivity": unknown},
        physical=hyco_jax.PhysicalSettings(segments=2),
    )
    data = generate.simulate(problem, DATA, jax.random.key(0))
    with pytest.raises(ValueError, match="coefficients.conductivity.smoothness='auto'"):
        hyco_jax.fit(problem, data, settings)
