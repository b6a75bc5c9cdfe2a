"""A small viscosity from shocks of three cells: the scheme's own must not count."""

import numpy as np
import pytest

import hyco_jax
from hyco_jax.grids.domain import Domain
from hyco_jax.pde import burgers
from tests.pde.cole_hopf import NU, exact
from tests.pde.states import TAU

NUM_CELLS, NUM_STEPS, DT = 128, 20, 0.025

pytestmark = pytest.mark.usefixtures("no_figures")


def recorded():
    """Means over the cells of the exact solution, shape `(1, T + 1, 128, 1)`."""
    x = Domain((8 * NUM_CELLS,), (TAU,)).coordinates()[:, 0]
    states = [exact(x, step * DT) for step in range(NUM_STEPS + 1)]
    return np.reshape(states, (1, -1, NUM_CELLS, 8)).mean(-1, keepdims=True)


def test_a_viscosity_from_thin_shocks_is_one_percent_off_at_most():
    # The thinnest shock is three cells of the physical model's grid wide.
    grid = burgers.Settings(
        resolution=(NUM_CELLS,),
        physics_resolution=(2 * NUM_CELLS,),
        extent=(TAU,),
        dt=DT,
        scheme="limited",
    )
    guess = hyco_jax.CoefficientSettings(kind="scalar", guess=0.05, bounds=(0.001, 0.2))
    settings = hyco_jax.Settings(
        mode="physical",
        coefficients={"viscosity": guess},
        physical=hyco_jax.PhysicalSettings(horizon=NUM_STEPS),
        uncertainty=hyco_jax.UncertaintySettings(noise=False, grid=False),
    )
    data = hyco_jax.from_arrays(recorded(), train=(0,))
    result = hyco_jax.fit(burgers.make_problem(grid), data, settings)
    assert result.coefficients["viscosity"] == pytest.approx(NU, rel=0.01)
