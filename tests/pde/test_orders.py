"""The observed order of whole steps of second order, for every system and scheme.

In dx with dt ~ dx, and in dt alone, by the differences of three refinements: there are
no exact solutions with varying coefficients, forces and walls. The norm is the mean of
absolute values, since a limiter flattens extrema, by first order in a few cells.

In 3-D with central differences and not in time alone: that all schemes treat all axes
alike is what `test_rates.py` tests, and steps in time know nothing of axes.
"""

import functools
import itertools

import numpy as np
import pytest

from hyco_jax.grids import resampling
from hyco_jax.pde.kernels.splitting import EULERIAN
from tests import order
from tests.pde import smooth
from tests.pde.compiled import advance

pytestmark = pytest.mark.usefixtures("x64")

# On the walls of smoke a layer grows into the flow like √(νt): it is to be wide, or not
# there at all, else it takes hundreds of cells to be resolved.
WIDE = functools.partial(smooth.smoke_setup, viscosity=1.0)
SLIPPING = functools.partial(smooth.smoke_setup, viscosity=0.0)
MOVING = {
    "burgers": (smooth.burgers_setup, (1, 2)),
    "inviscid_burgers": (smooth.inviscid_setup, (1, 2)),
    "advection": (smooth.advection_setup, (1, 2)),
    "kolmogorov": (smooth.kolmogorov_setup, (2,)),
}
IN_3D = {
    "burgers": (smooth.burgers_setup, (3,)),
    "inviscid_burgers": (smooth.inviscid_setup, (3,)),
    "advection": (smooth.advection_setup, (3,)),
    "kolmogorov": (smooth.kolmogorov_setup, (3,)),
    "slipping_smoke": (SLIPPING, (3,)),
}
SPLIT = {
    "burgers": (smooth.burgers_setup, (1, 2)),
    "kolmogorov": (smooth.kolmogorov_setup, (2,)),
}
# Cells along each axis of the coarsest grid, where the order is seen; in a closed box
# `central`'s will do.
COARSEST = {"central": {1: 32, 2: 16, 3: 8}, "limited": {1: 64, 2: 32}}


def rows(*systems, schemes=EULERIAN):
    """One test for each system, number of axes and scheme."""
    return pytest.mark.parametrize(
        ("make", "ndim", "scheme"),
        [
            pytest.param(make, ndim, scheme, id=f"{name}-{ndim}d-{scheme}")
            for system in systems
            for name, (make, dimensions) in system.items()
            for ndim in dimensions
            for scheme in schemes
        ],
    )


@rows(MOVING, {"smoke": (WIDE, (2,))})
def test_a_step_is_of_second_order_in_space_and_time(make, ndim, scheme):
    is_closed = make is WIDE
    coarsest = COARSEST["central" if is_closed else scheme][ndim]
    make = functools.partial(make, scheme=scheme, max_speed=1.2)
    found = order_in_all(make, smooth.box(ndim, coarsest, not is_closed), 0.2, 1)
    if scheme == "central":
        assert found == pytest.approx(2, abs=0.15)
    else:
        assert found > 1.8


@rows(IN_3D, schemes=("central",))
def test_a_step_in_3d_is_of_second_order_in_space_and_time(make, ndim, scheme):
    is_closed = make is SLIPPING
    make = functools.partial(make, scheme=scheme, max_speed=1.2)
    domain = smooth.box(ndim, COARSEST[scheme][ndim], not is_closed)
    assert order_in_all(make, domain, 0.2, 1) == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("kind", ["gray_scott", "heat", "heat_with_walls"])
def test_a_diffusive_step_is_of_second_order_in_space_and_time(kind, ndim):
    make = smooth.gray_scott_setup if kind == "gray_scott" else smooth.heat_setup
    domain = smooth.box(ndim, 16 if ndim < 3 else 8, kind != "heat_with_walls")
    end, num_steps = (4.0, 4) if kind == "gray_scott" else (0.2, 4)
    found = order_in_all(make, domain, end, num_steps)
    assert found == pytest.approx(2, abs=0.15)


def order_in_all(make, domain, end, num_steps):
    """From a grid and a number of steps, and twice and four times as many of both."""
    results = []
    for level in range(3):
        fine = domain.refined(2**level)
        setup = make(fine, end / num_steps / 2**level)
        u = advance(setup.step, setup.values, setup.u, num_steps * 2**level)
        results.append((fine, setup.quantities, u))
    errors = [
        np.mean(np.abs(resampling.restrict(u, 2, quantities, fine) - coarse))
        for (*_, coarse), (fine, quantities, u) in itertools.pairwise(results)
    ]
    return order.of(errors).order


@rows(MOVING, {"smoke": (smooth.smoke_setup, (2,))})
def test_without_splitting_a_step_is_of_third_order_in_time(make, ndim, scheme):
    found = order_in_time(make, ndim, scheme, periodic=make is not smooth.smoke_setup)
    if scheme == "central":
        assert found == pytest.approx(3, abs=0.15)
    else:
        # A third-order method sees the kinks of the limiter, which move in time.
        assert found > 2


@rows(SPLIT)
def test_with_stiff_diffusion_a_step_is_of_second_order_in_time(make, ndim, scheme):
    stiff = functools.partial(make, viscosity=2.0)
    assert order_in_time(stiff, ndim, scheme) == pytest.approx(2, abs=0.15)


def order_in_time(make, ndim, scheme, periodic=True):
    """On a grid that stays; a speed of almost 0 makes it one substep a step."""
    domain = smooth.box(ndim, 32 if ndim == 1 else 16, periodic)
    results = []
    for num_steps in (4, 8, 16):
        setup = make(domain, 0.6 / num_steps, scheme, 0.01)
        results.append(advance(setup.step, setup.values, setup.u, num_steps))
    pairs = itertools.pairwise(results)
    return order.of([np.mean(np.abs(a - b)) for a, b in pairs]).order
