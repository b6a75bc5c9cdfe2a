"""Rates of advection of second order: PhiFlow's, energies kept, axes exchanged."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.grids import fields
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.fields import flow
from hyco_jax.pde import inviscid_burgers, kolmogorov, smoke
from hyco_jax.pde.kernels import eulerian, fluxes
from hyco_jax.pde.kernels.splitting import EULERIAN
from tests import order
from tests.pde import smooth, states
from tests.pde.compiled import advance

pytestmark = pytest.mark.usefixtures("x64")

BOXES = pytest.mark.parametrize("periodic", [True, False], ids=["periodic", "closed"])
RESOLUTIONS = pytest.mark.parametrize("resolution", [(6, 7), (4, 5, 3)], ids=str)


def split(u):
    """The planes of a state."""
    return tuple(jnp.moveaxis(jnp.asarray(u), -1, 0))


def phiflows(field, velocity):
    """PhiFlow's -(v·∇)q by central differences, of any grid."""
    return fields.to_array(
        flow.advect.finite_difference(field, velocity, order=2, implicit=None)
    )


def random_flow(domain):
    """Velocities of order 1 without divergence, at the lower faces, as planes."""
    return split(states.without_divergence(domain, states.uniform(domain, domain.ndim)))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def all_rates(kernel, scheme, domain, *moving):
    """The rates of the components of a velocity, and of a density that it carries."""
    *velocity, density = moving
    return (
        *kernel.advection(scheme, domain, tuple(velocity)),
        kernel.carry(scheme, domain, tuple(velocity), density),
    )


@RESOLUTIONS
def test_central_differences_are_phiflows(resolution):
    domain = states.box(resolution)
    ndim = domain.ndim
    q, velocity = (states.uniform(domain, ndim, seed=seed) for seed in (0, 1))
    expected = phiflows(
        *(fields.to_field(jnp.asarray(x), domain) for x in (q, velocity))
    )
    carry = functools.partial(eulerian.carry, "central", domain, split(velocity))
    result = np.stack([carry(plane) for plane in split(q)], -1)
    np.testing.assert_allclose(result, expected, atol=1e-14)


def against_phiflow(kernel, sampled, to_grid, level):
    """The largest difference from PhiFlow's -(u·∇)u, as a part of that."""
    domain = smooth.box(2, 32 * 2**level)

    @jax.jit
    def both(u):
        field = to_grid(u, domain)
        rates = kernel.advection("central", domain, split(u))
        return jnp.stack(rates, -1), phiflows(field, field)

    result, expected = both(sampled(domain))
    return np.abs(result - expected).max() / np.abs(expected).max()


def test_a_velocity_that_carries_itself_is_phiflows_to_second_order():
    # Ours keep the energy, PhiFlow's differ by how they take the products' means: the
    # velocity's derivative, skew-symmetric, and in flux form on the staggered grid.
    def centred(domain):
        return smooth.waves(domain.coordinates(), 2)

    def staggered(domain):
        u = smooth.at_faces(domain, lambda x: smooth.waves(x, 2))
        return states.without_divergence(domain, u)

    for row in (
        (eulerian, centred, fields.to_field),
        (fluxes, staggered, fields.to_staggered),
    ):
        found = order.observe(functools.partial(against_phiflow, *row))
        assert found.order == pytest.approx(2, abs=0.15)


def test_the_skew_symmetric_form_keeps_sum_and_energy_in_one_dimension():
    domain = states.box((9,))
    u = split(states.uniform(domain, 1))
    (rate,) = eulerian.advection("central", domain, u)
    assert np.abs(rate).max() > 0.3
    np.testing.assert_allclose([rate.sum(), jnp.vdot(u[0], rate)], 0, atol=1e-14)


@BOXES
@RESOLUTIONS
def test_central_fluxes_keep_the_energy_and_limited_ones_lose_some(
    resolution, periodic
):
    domain = states.box(resolution, periodic)
    moving = (*random_flow(domain), *split(states.uniform(domain, 1)))
    gains = {}
    for scheme in EULERIAN:
        rates = all_rates(fluxes, scheme, domain, *moving)
        gains[scheme] = [jnp.vdot(x, r) for x, r in zip(moving, rates, strict=True)]
    *kinetic, density = gains["central"]
    np.testing.assert_allclose([sum(kinetic), density], 0, atol=1e-13)
    *kinetic, density = gains["limited"]
    assert sum(kinetic) < -1 and density < -1


@pytest.mark.parametrize("scheme", EULERIAN)
@pytest.mark.parametrize("kind", ["centred", "staggered", "closed"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_the_axes_can_be_exchanged(ndim, kind, scheme):
    domain = Domain((5,) * ndim, (3.0,) * ndim, kind != "closed")
    *velocity, s = *random_flow(domain), *split(states.uniform(domain, 1))
    rates = functools.partial(
        all_rates, eulerian if kind == "centred" else fluxes, scheme, domain
    )
    *along, of_density = rates(*velocity, s)

    def turned(components, plane):
        """What was the second axis, and the component along it, are the first."""
        planes = *components[1:], components[0], plane
        return [jnp.moveaxis(x, 0, -1) for x in planes]

    expected = turned(along, of_density)
    for one, other in zip(rates(*turned(velocity, s)), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-14)


def test_steps_change_the_energy_by_third_order_in_time():
    # That of SSPRK3 alone, for the rates keep it. One substep, of a speed of almost 0.
    options = {"scheme": "central", "max_speed": 0.01}
    line = smooth.box(1, 16)
    u = smooth.waves(line.coordinates(), 1)
    step = functools.partial(inviscid_burgers.make_step, line, upper={}, **options)
    check_drifts(step, {"potential": np.zeros(16)}, u, slice(None))

    plane, calm = smooth.box(2, 12), {"viscosity": 0.0}
    u = np.stack(random_flow(plane), -1)
    step = functools.partial(kolmogorov.make_step, plane, upper=calm, **options)
    check_drifts(step, {**calm, "forcing": np.zeros(u.shape)}, u, slice(None))

    closed = smooth.box(2, 12, periodic=False)
    u = np.concatenate(
        [states.uniform(closed, 1), np.stack(random_flow(closed), -1)], -1
    )
    options |= {"upper": calm, "has_inflow": False}
    step = functools.partial(smoke.make_step, closed, **options)
    check_drifts(step, {**calm, "buoyancy": 0.0}, u, slice(0, 1), slice(1, None))


def check_drifts(make_step, values, u, *parts):
    """Sums of squares, of each part of the channels, by a time of 0.4."""
    results = [
        advance(make_step(0.4 / num_steps), values, u, num_steps)
        for num_steps in (4, 8, 16)
    ]
    for part in parts:
        drifts = [abs(jnp.sum(r[..., part] ** 2 - u[..., part] ** 2)) for r in results]
        assert order.of(drifts).order == pytest.approx(3, abs=0.15)
