"""The loss that is taken apart is the one that is trained."""

import jax
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from hyco_jax import fitting
from hyco_jax.models import segments
from hyco_jax.uncertainty import estimate, refit
from hyco_jax.uncertainty.residuals import Inputs
from tests import readings as decay
from tests import ring

STATES = {"initial": "fitted", "segments": 2, "state_smoothness": 0.1}


def _points(**physical):
    problem = decay.make_problem()
    data = decay.observe(problem, decay.make_readings())
    return problem, data, decay.make_settings(physical=physical)


def _grid():
    problem = ring.ring_problem()
    return problem, ring.ring_data(problem), ring.ring_settings()


def _states():
    return _points(**STATES)


@pytest.mark.parametrize("case", [_grid, _points, _states])
def test_the_squares_of_all_residuals_and_the_penalty_add_up_to_the_loss(case):
    prepared = fitting.prepare(*case())
    models, plan, placed = prepared.models, prepared.plan, prepared.placed
    params = models.physical.model.init(jax.random.key(0))
    names = [*models.physical.learned]
    if models.own_states is not None:
        names.append(segments.STATES)
        noise = jax.random.normal(jax.random.key(1), params[segments.STATES].shape)
        params[segments.STATES] += 0.1 * noise
    fitted = {name: params[name] for name in names}
    constants = {name: params[name] for name in params if name not in names}
    fit = estimate.least_squares(models, plan, placed, fitted)
    x = ravel_pytree(fitted)[0]
    found = jax.jit(fit.loss)(x, Inputs(constants, plan.real))
    parts = plan.players["physical"].augment(plan.real, None, 0.0)
    expected = jax.jit(refit.make_loss(placed, models, plan, 0))(params, parts)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert (fit.with_jumps is None) == (models.own_states is None)
    assert found > 1e-3
