"""Shocks and edges: `limited` makes no new extrema, and shocks have the right speed."""

import functools

import numpy as np
import pytest

from hyco_jax.grids.domain import Domain
from hyco_jax.pde import advection, burgers, inviscid_burgers, smoke
from tests.pde import smooth, states
from tests.pde.compiled import advance

pytestmark = pytest.mark.usefixtures("x64")

LINE = Domain((64,), (8.0,))
# Makes shocks that are much thinner than a cell.
VISCOSITY = 1e-3
NUM_STEPS, DT = 20, 0.1


@functools.cache
def make_line_step(has_viscosity, scheme):
    # Twice that of the states: steps of half a cell, in which there are no extrema.
    options = {"scheme": scheme, "max_speed": 2.0}
    if has_viscosity:
        return burgers.make_step(LINE, DT, {"viscosity": VISCOSITY}, **options)
    return inviscid_burgers.make_step(LINE, DT, {}, **options)


def plateau(value, rest):
    """A value between 2 and 6, where a fan and a shock start, and another outside."""
    x = LINE.coordinates()
    return np.where((x > 2) & (x < 6), value, rest)


def after(has_viscosity, scheme, u):
    """The state at t = 2, before the fan has reached the shock."""
    step = make_line_step(has_viscosity, scheme)
    values = {"potential": np.zeros(64)}
    if has_viscosity:
        values = {"viscosity": VISCOSITY}
    return np.asarray(advance(step, values, u, NUM_STEPS))


VISCOUS = pytest.mark.parametrize(
    "has_viscosity", [False, True], ids=["without", "with"]
)


@VISCOUS
@pytest.mark.parametrize(
    ("value", "rest"), [(1.0, 0.0), (1.0, -0.5), (0.5, -1.0), (1.0, -1.0)]
)
def test_shocks_have_their_speed_and_fans_no_jump(has_viscosity, value, rest):
    u = plateau(value, rest)
    result = after(has_viscosity, "limited", u)
    assert result.min() >= rest - 1e-12 and result.max() <= value + 1e-12
    x, h, end = LINE.coordinates()[:, 0], LINE.dx[0], NUM_STEPS * DT
    # The shock is where u falls through the mean of both sides.
    middle = (value + rest) / 2
    i = np.flatnonzero((result[:-1, 0] > middle) & (result[1:, 0] <= middle)).item()
    above, below = result[i, 0], result[i + 1, 0]
    place = x[i] + h * (above - middle) / (above - below)
    assert place == pytest.approx(6 + middle * end, abs=h)
    # And the fan is (x - 2) / t between both: no jump from -1 to 1 stays at u = 0.
    fan = np.clip((x - 2) / end, rest, value)
    left = x < place - 4 * h
    assert np.abs(result[:, 0] - fan)[left].max() < h / end


@VISCOUS
def test_central_differences_leave_waves_behind_a_shock(has_viscosity):
    result = after(has_viscosity, "central", plateau(1.0, -0.5))
    assert result.max() > 1.1


def patch(domain):
    """A square of density 1, edges along and across the cells, in 0."""
    x = domain.coordinates() - np.pi
    inside = (np.abs(x).max(-1) < 1.2) & (x.sum(-1) < 1.0)
    return inside[..., None].astype(float)


def carried(scheme):
    """The density after 20 steps in a velocity with divergence."""
    domain = smooth.box(2, 24)
    step = advection.make_step(domain, DT, {}, scheme, max_speed=1.0)
    velocity = smooth.waves(domain.coordinates(), 2)
    assert np.abs(velocity).max() < 1
    u = np.concatenate([patch(domain), velocity], -1)
    values = {"factor": 1.0, "modulation": 0.0}
    return advance(step, values, u, NUM_STEPS)[..., 0]


def risen(scheme):
    """The density of smoke that rises, after 20 steps."""
    domain = smooth.box(2, 24, periodic=False)
    calm = {"viscosity": 0.01}
    options = {"has_inflow": False, "scheme": scheme, "max_speed": 1.5}
    step = smoke.make_step(domain, DT, calm, **options)
    velocity = states.without_divergence(domain, states.uniform(domain, 2))
    u = np.concatenate([patch(domain), velocity], -1)
    result = advance(step, {**calm, "buoyancy": 0.5}, u, NUM_STEPS)
    assert np.abs(velocity).max() < 1.5 and np.abs(result[..., 1:]).max() < 1.5
    return result[..., 0]


@pytest.mark.parametrize("density_after", [carried, risen])
def test_edges_of_a_density_make_new_extrema_with_central_differences_only(
    density_after,
):
    limited, central = density_after("limited"), density_after("central")
    assert limited.min() > -1e-12 and limited.max() < 1 + 1e-12
    # It has moved, and is not gone.
    assert np.abs(limited - patch(smooth.box(2, 24))[..., 0]).max() > 0.5
    assert limited.max() > 0.9
    assert central.min() < -0.1 and central.max() > 1.1
