"""Burgers' equation with several shocks, against an exact solution."""

import numpy as np
import pytest

from hyco_jax.pde import burgers
from hyco_jax.pde.kernels.splitting import EULERIAN
from tests import order
from tests.pde import smooth
from tests.pde.compiled import advance
from tests.pde.states import TAU

pytestmark = pytest.mark.usefixtures("quick_compilation", "x64")

NU = 0.02
# Where the heat kernels of φ are, and the logarithms of their weights by 1/ν, which
# place the shocks between them; and the speed of all, and the kernels' age at t = 0.
CENTRES = np.array([0.4, 2.1, 2.9, 4.6])
WEIGHTS = np.array([0.0, 0.1, -0.05, 0.2])
SPEED, AGE = 0.3, 1.0


def exact(x, time):
    """Solves uₜ + u uₓ = ν uₓₓ on a circle of length 2π, by Cole and Hopf.

    u = c - 2ν φₓ/φ, in a frame that moves with c, and φ a sum of heat kernels
    exp(w/ν - (x - xₖ)²/(4νt)), of which the largest alone matters but in a shock: so
    u = c + (x - xₖ)/t between shocks. Shares of φ from logarithms don't overflow.
    """
    age = AGE + time
    around = TAU * np.arange(-3, 4)[:, None]
    away = (x - SPEED * time)[:, None, None] - (CENTRES + around)
    logarithms = (WEIGHTS - away**2 / (4 * age)) / NU
    share = np.exp(logarithms - logarithms.max((1, 2), keepdims=True))
    return SPEED + (share * away).sum((1, 2)) / share.sum((1, 2)) / age


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
