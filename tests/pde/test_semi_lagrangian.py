"""Advection: PhiFlow's results, rest exactly at rest, MacCormack's order."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.grids import fields
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.fields import flow
from hyco_jax.pde.kernels import semi_lagrangian
from tests import order
from tests.x64 import enable_x64

BOXES = pytest.mark.parametrize(
    "is_periodic", [True, False], ids=["periodic", "closed"]
)


def random_state(resolution, is_periodic):
    """Returns a grid, a density, a velocity with zeros on the walls, and its planes."""
    ndim = len(resolution)
    domain = Domain(resolution, (3.0, 2.0, 5.0)[:ndim], is_periodic)
    rng = np.random.default_rng(0)
    density = jnp.asarray(rng.uniform(size=(*resolution, 1)))
    velocity = jnp.asarray(rng.uniform(-1, 1, size=(*resolution, ndim)))
    velocity = fields.to_array(fields.to_staggered(velocity, domain))
    return domain, density, velocity, tuple(velocity[..., a] for a in range(ndim))


@pytest.mark.parametrize(
    ("resolution", "is_periodic"),
    [((6, 5), True), ((6, 5), False), ((4, 3, 5), False)],
    ids=["2d-periodic", "2d-closed", "3d-closed"],
)
def test_advection_is_phiflows(x64, resolution, is_periodic):
    domain, density, velocity, _ = random_state(resolution, is_periodic)
    dt = 0.9 * min(domain.dx)

    @jax.jit
    def both(velocity):
        planes = tuple(velocity[..., a] for a in range(domain.ndim))
        field = fields.to_staggered(velocity, domain)
        moved = flow.advect.mac_cormack(fields.to_field(density, domain), field, dt)
        expected = flow.advect.semi_lagrangian(field, field, dt)
        result = semi_lagrangian.advect_velocity(domain, dt, planes)
        return (
            (jnp.stack(result, -1), fields.to_array(expected)),
            (
                semi_lagrangian.advect_density(domain, dt, density[..., 0], planes),
                fields.to_array(moved)[..., 0],
            ),
        )

    # By 0.9 of a cell, and by 3.6.
    for scale in (1, 4):
        moved, carried = both(scale * velocity)
        # Positions of order 5 are rounded, times slopes of 2 per 0.4.
        np.testing.assert_allclose(moved[0] / scale, moved[1] / scale, atol=1e-13)
        np.testing.assert_allclose(*carried, atol=1e-13)


@BOXES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_at_rest_stays_bitwise(is_periodic, dtype):
    with enable_x64(dtype == "float64"):
        domain, density, velocity, planes = random_state((6, 5), is_periodic)
        density = density[..., 0].astype(dtype)
        planes = tuple(0 * plane.astype(dtype) for plane in planes)
        result = jax.jit(
            lambda d, p: semi_lagrangian.advect_density(domain, 0.1, d, p)
        )(density, planes)
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, density)


def test_a_whole_number_of_cells_is_a_shift():
    domain = Domain((6, 5), (6.0, 5.0))
    planes = jnp.full((6, 5), 2.0), jnp.full((6, 5), -8.0)
    density = jnp.asarray(np.random.default_rng(0).uniform(size=(6, 5)), jnp.float32)
    move = jax.jit(lambda d: semi_lagrangian.advect_density(domain, 1.0, d, planes))
    result = move(density)
    np.testing.assert_array_equal(result, jnp.roll(density, (2, -8), (0, 1)))


def test_gradients_equal_finite_differences(x64):
    domain, density, _, planes = random_state((6, 5), False)
    density = density[..., 0]
    rng = np.random.default_rng(1)
    weight, *direction = jnp.asarray(rng.normal(size=(4, 6, 5)))

    @jax.jit
    @jax.value_and_grad
    def loss(arguments):
        density, planes = arguments
        moved = semi_lagrangian.advect_density(domain, 0.3, density, planes)
        advected = semi_lagrangian.advect_velocity(domain, 0.3, planes)
        return jnp.vdot(weight, moved + advected[0] - advected[1])

    def at(h):
        shifted = (
            density + h * direction[0],
            tuple(
                plane + h * d for plane, d in zip(planes, direction[1:], strict=True)
            ),
        )
        return loss(shifted)

    slope_density, slopes = at(0.0)[1]
    exact = jnp.vdot(slope_density, direction[0]) + sum(
        jnp.vdot(s, d) for s, d in zip(slopes, direction[1:], strict=True)
    )
    # Piecewise polynomial; no kink is as near as that.
    np.testing.assert_allclose(exact, (at(1e-6)[0] - at(-1e-6)[0]) / 2e-6, rtol=1e-6)


def test_mac_cormack_cancels_the_error_of_linear_interpolation(x64):
    # One step with dt ~ dx² in a steady flow; no extremum inside, nothing is clipped.
    def error(level):
        n = 64 * 2**level
        domain, dt = Domain((n, n), (np.pi, np.pi), periodic=False), 32 / n**2
        x, y = np.moveaxis(domain.coordinates(), -1, 0)
        h = np.pi / n
        planes = np.sin(x - h / 2) * np.cos(y), -np.cos(x) * np.sin(y - h / 2)
        u, v = np.sin(x) * np.cos(y), -np.cos(x) * np.sin(y)
        # Where a particle was: x - dt u + dt²/2 (u·∇)u, here ½ sin 2x and ½ sin 2y.
        back_x = x - dt * u + dt**2 / 4 * np.sin(2 * x)
        back_y = y - dt * v + dt**2 / 4 * np.sin(2 * y)
        density = np.sin(x / 3 + y / 5)
        move = jax.jit(functools.partial(semi_lagrangian.advect_density, domain, dt))
        error = np.abs(move(density, planes) - np.sin(back_x / 3 + back_y / 5))
        return error[n // 4 : -n // 4, n // 4 : -n // 4].max()

    # dt² and what MacCormack leaves are dx⁴; dx dt, of one way alone, would be dx³.
    assert order.observe(error).order == pytest.approx(4, abs=0.25)
