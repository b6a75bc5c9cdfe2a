"""Burgers' equation with several shocks, against an exact solution."""

import numpy as np
import pytest

from hyco_jax.pde import burgers
from hyco_jax.pde.kernels.splitting import EULERIAN
from tests import order
from tests.pde import smooth
from tests.pde.cole_hopf import NU, exact
from tests.pde.compiled import advance
from tests.pde.states import TAU

pytestmark = pytest.mark.usefixtures("x64")


def num_shocks(u):
    """How often u turns from rising to falling around the circle."""
    rises = np.roll(u, -1) > u
    return np.sum(rises & ~np.roll(rises, -1))


@pytest.mark.parametrize("scheme", EULERIAN)
def test_four_shocks_of_which_two_merge_converge_at_second_order(scheme):
    end, errors = 0.5, []
    for num_cells in (128, 256, 512):
        domain, num_steps = smooth.box(1, num_cells), num_cells // 16
        x = domain.coordinates()[:, 0]
        start, expected = exact(x, 0.0), exact(x, end)
        assert num_shocks(start) == 4 and num_shocks(expected) == 3
        step = burgers.make_step(
            domain, end / num_steps, {"viscosity": NU}, scheme=scheme, max_speed=1.5
        )
        result = advance(step, {"viscosity": NU}, start[:, None], num_steps)[:, 0]
        errors.append(np.sqrt(np.mean((result - expected) ** 2)))
    # A shock of jump J has the slope J²/(8ν): the thinnest is 3 cells of 256 wide.
    steepest = np.abs(np.diff(start)).max() / domain.dx[0]
    assert np.sqrt(8 * NU / steepest) == pytest.approx(3 * TAU / 256, rel=0.1)
    found = order.of(errors)
    # Limited slopes are of third order along an axis, but not in and above a kink.
    assert found.order > 1.85 if scheme == "limited" else abs(found.order - 2) < 0.15
    assert found.errors[-1] < 1e-3
