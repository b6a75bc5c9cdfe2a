"""Rising smoke: balance, conservation, orders, walls, PhiFlow's step, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.grids.domain import Domain
from hyco_jax.grids.fields import flow
from hyco_jax.pde import smoke
from hyco_jax.pde.kernels import pressure, staggered
from tests import order
from tests.pde.cases_flow import moving
from tests.pde.compiled import advance

BOX = Domain((6, 5), (3.0, 2.0), periodic=False)
VALUES = {"viscosity": 0.02, "buoyancy": 0.5, "inflow_rate": 0.2}
UPPER = {"viscosity": 0.1}


def make_step(domain, dt=0.1, **options):
    return jax.jit(smoke.make_step(domain, dt, UPPER, **options))


def test_smoke_rises_where_it_is():
    domain = Domain((3, 5), (3.0, 5.0), periodic=False)
    u = np.zeros((3, 5, 4), np.float32)
    u[1, 2, 0] = 1.0
    result = make_step(domain)({**VALUES, "viscosity": 0.0}, u)
    assert result[1, 2, 2] > 0 and result[1, 3, 2] > 0
    # What rises in the middle sinks at the sides.
    assert (result[0, 2, 2] < 0) and (result[2, 2, 2] < 0)


def cellular_flow(domain):
    """Returns (sin x cos y, -cos x sin y) at the faces of a box of side π."""
    x, y = np.moveaxis(domain.coordinates(), -1, 0)
    h, k = domain.dx
    u = np.sin(x - h / 2) * np.cos(y), -np.cos(x) * np.sin(y - k / 2)
    return np.stack(u, axis=-1)


def test_drift_of_the_mass_falls_with_resolution(x64):
    drifts = []
    for level in range(3):
        n = 16 * 2**level
        domain = Domain((n, n), (np.pi, np.pi), periodic=False)
        x, y = np.moveaxis(domain.coordinates(), -1, 0)
        density = np.exp(-4 * ((x - 1) ** 2 + (y - 1.5) ** 2))
        state = np.concatenate([density[..., None], cellular_flow(domain)], axis=-1)
        step = make_step(domain, 1.6 / n, has_inflow=False)
        values = {"viscosity": 0.0, "buoyancy": 0.0}
        result = advance(step, values, state, n // 4)
        drifts.append(abs(float(result[..., 0].sum() / density.sum() - 1)))
    assert order.of(drifts).order > 0.8 and drifts[-1] < 0.02


def test_viscosity_decays_a_mode_at_the_discrete_rate(x64):
    # sin(π x / L) sin(π y / H) vanishes on the walls, for faces on and beside them.
    domain, amount = Domain((6, 5), (3.0, 2.0), periodic=False), 0.01
    rates = [
        (2 / h * np.sin(np.pi * h / 2 / x)) ** 2
        for h, x in zip(domain.dx, domain.extent, strict=True)
    ]
    for axis in range(2):
        x = domain.coordinates()
        x[..., axis] -= 0.5 * domain.dx[axis]
        mode = np.prod(np.sin(np.pi * x / np.array(domain.extent)), axis=-1)
        planes = [jnp.zeros((6, 5))] * 2
        planes[axis] = jnp.asarray(mode)
        result = staggered.diffuse(domain, amount, tuple(planes), 3)
        np.testing.assert_allclose(
            result[axis], (1 - amount * sum(rates)) ** 3 * mode, atol=1e-14
        )
        assert not result[1 - axis].any()


def test_a_slow_flow_is_diffused_and_projected(x64):
    # At a speed of 1e-9 the advection changes it by 1e-18.
    u = moving(BOX, speed=1e-9)
    u[..., 0] = 0.0
    values = {"viscosity": 0.08, "buoyancy": 0.0, "inflow_rate": 0.0}
    result = make_step(BOX, substeps=2)(values, jnp.asarray(u))[..., 1:3]
    planes = tuple(jnp.asarray(u[..., 1 + axis]) for axis in range(2))
    planes = staggered.diffuse(BOX, 0.1 * 0.08 / 2, planes, 2)
    expected = jnp.stack(pressure.project(BOX, planes), axis=-1)
    assert np.abs(expected - u[..., 1:3]).max() > 1e-11
    np.testing.assert_allclose(result, expected, atol=1e-16)


@pytest.fixture(scope="module")
def around_an_obstacle():
    """A box with an obstacle that cuts through cells, its step, and what is inside."""
    domain = Domain((10, 8), (5.0, 4.0), periodic=False)
    obstacle = flow.Sphere(x=2.4, y=2.1, radius=0.9)
    inside = np.linalg.norm(domain.coordinates() - [2.4, 2.1], axis=-1) < 0.9
    return domain, make_step(domain, obstacles=(obstacle,)), inside


def test_flow_goes_around_obstacles_and_not_through(around_an_obstacle):
    domain, step, inside = around_an_obstacle
    assert 4 < inside.sum() < 20
    u = jnp.float32(moving(domain))
    result = step(VALUES, u)
    change = np.where(inside, 0, pressure.divergence(domain, result[..., 1:3]))
    # CG leaves 1e-5 of the divergence there was, some 1 per time.
    assert np.abs(change).max() < 1e-4
    for axis in range(2):
        # Both faces of a solid cell: its own lower one and that of the next cell.
        touched = inside | np.roll(inside, 1, axis)
        assert not result[..., 1 + axis][touched].any()
    without = make_step(domain)(VALUES, u)
    assert jnp.abs(without - result)[..., 1:3].max() > 0.05


def test_flow_around_obstacles_can_be_differentiated_and_batched(
    x64, around_an_obstacle
):
    domain, step, _ = around_an_obstacle
    batch = jnp.stack([moving(domain, seed) for seed in range(2)])

    @jax.jit
    @jax.value_and_grad
    def loss(viscosity):
        values = {**VALUES, "viscosity": viscosity}
        return jnp.mean(jax.vmap(step, (None, 0))(values, batch) ** 2)

    ahead, behind = loss(0.02 + 1e-3)[0], loss(0.02 - 1e-3)[0]
    # Both solves stop at 1e-5 of their right-hand side.
    np.testing.assert_allclose(loss(0.02)[1], (ahead - behind) / 2e-3, rtol=1e-3)


def test_sources_have_the_stated_size_and_places():
    domain = Domain((64, 64), (10.0, 20.0), periodic=False)
    u = smoke.sample_u0(jax.random.key(0), domain, 40, 1.0, 2.0, edge=0.9)
    assert u.dtype == jnp.float32 and u.shape == (40, 64, 64, 4)
    assert not u[..., :3].any() and u[..., 3].max() == 2
    mass = u[..., 3].sum((1, 2))
    # 2 π r² and what the edge adds, see `test_patches.py`, in cells of 10/64 by 20/64.
    area = 2 * np.pi * (1 + 0.9**2 / 28)
    np.testing.assert_allclose(mass * 200 / 64**2, area, rtol=2e-3)
    weights = np.asarray(u[..., 3] / mass[:, None, None])
    centers = np.einsum("nxy,xyd->nd", weights, domain.coordinates())
    assert (centers > [1.9, 2.9]).all() and (centers < [8.1, 4.1]).all()
    assert np.ptp(centers[:, 0]) > 3


def test_the_inflow_of_a_problem_is_the_same_on_every_grid():
    # The physical model's cells of 2 carry an edge of 6, not those of 1.
    settings = smoke.Settings((16, 16), (16.0, 16.0), 0.1, (8, 8))
    problem = smoke.make_problem(settings, smoke.DataSettings(scale=3.2))
    coarse, fine = (
        problem.sample_u0(jax.random.key(0), problem.domain.refined(f), 4)
        for f in (1, 3)
    )
    np.testing.assert_allclose(fine[:, 1::3, 1::3], coarse, atol=1e-5)
    slope = np.abs(np.diff(fine[..., -1], axis=1)).max() / (1 / 3)
    # Largest at half the height, 15/8 of an edge's mean slope.
    assert slope == pytest.approx(15 / 8 / 6, rel=0.02)


def test_clouds_are_smooth_noise_at_rest():
    u = smoke.sample_u0(jax.random.key(0), BOX, 2, 0.3, 1.5, has_inflow=False)
    assert u.shape == (2, 6, 5, 3) and not u[..., 1:].any()
    rms = jnp.sqrt(jnp.mean(u[..., 0] ** 2, axis=(1, 2)))
    np.testing.assert_allclose(rms, 1.5, rtol=1e-5)
    names = [q.name for q in smoke.quantities(BOX, has_inflow=False)]
    assert names == ["density", "velocity"]


def test_sine_buoyancy_has_the_stated_values():
    buoyancy = smoke.sine_buoyancy(Domain((4, 1), (8.0, 1.0), periodic=False))
    expected = 1 + 0.4 / np.sqrt(2) * np.array([1, 1, -1, -1])
    np.testing.assert_allclose(buoyancy[:, 0], expected)


def test_wrong_boxes_and_obstacles_are_refused():
    for domain in (Domain((6, 5), (3.0, 2.0)), Domain((6,), (3.0,), False)):
        with pytest.raises(ValueError, match="make the Domain with periodic=False"):
            smoke.make_step(domain, 0.1, UPPER)
    with pytest.raises(ValueError, match=r"obstacles has a tuple, expected geometries"):
        smoke.make_step(BOX, 0.1, UPPER, obstacles=((1.0, 1.0),))
    ball = flow.Sphere(x=1, y=1, z=1, radius=1)
    with pytest.raises(ValueError, match=r"has 3 axes, expected 2"):
        smoke.make_step(BOX, 0.1, UPPER, obstacles=(ball,))
