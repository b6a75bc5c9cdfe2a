"""Rising smoke: balance, conservation, orders, walls, PhiFlow's step, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from hyco_jax.grids import fields
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.fields import flow
from hyco_jax.models import coefficients, expansions
from hyco_jax.pde import smoke
from hyco_jax.pde.kernels import pressure, staggered

pytestmark = pytest.mark.usefixtures("quick_compilation")

BOX = Domain((6, 5), (3.0, 2.0), periodic=False)
VALUES = {"viscosity": 0.02, "buoyancy": 0.5, "inflow_rate": 0.2}
UPPER = {"viscosity": 0.1}


@pytest.fixture
def x64():
    with jax.enable_x64(True), flow.math.precision(64):
        yield


def make_step(domain, dt=0.1, **options):
    return jax.jit(smoke.make_step(domain, dt, UPPER, **options))


def rollout(step, values, u, num_steps):
    return lax.scan(lambda u, _: (step(values, u), None), u, length=num_steps)[0]


def moving(domain, seed=0, speed=0.3):
    """Returns a random state with an inflow, its velocity without divergence."""
    rng = np.random.default_rng(seed)
    noise = jnp.asarray(speed * rng.normal(size=(domain.ndim, *domain.resolution)))
    velocity = jnp.stack(pressure.project(domain, tuple(noise)), axis=-1)
    density, inflow = rng.uniform(size=(2, *domain.resolution, 1))
    return jnp.concatenate([density, velocity, inflow], axis=-1)


def at_rest(domain, density):
    shape = (*domain.resolution, domain.ndim + 2)
    return jnp.zeros(shape).at[..., 0].set(density)


def order(errors):
    """Observed order from errors on grids or steps halved each time."""
    return -np.polyfit(np.arange(len(errors)), np.log2(errors), 1)[0]


@pytest.mark.parametrize("ndim", [2, 3])
def test_smoke_in_layers_stays_at_rest(ndim):
    domain = Domain((6, 4, 5)[:ndim], (3.0, 2.0, 4.0)[:ndim], periodic=False)
    height = domain.coordinates()[..., -1]
    u = at_rest(domain, jnp.float32(np.exp(-height) + height**2))
    result = make_step(domain)({**VALUES, "buoyancy": 1.0}, u)
    # Pressure balances a weight of 16 to rounding, 1e-7 of dt times it.
    assert jnp.abs(result[..., 1 : ndim + 1]).max() < 1e-6
    np.testing.assert_allclose(result[..., 0], u[..., 0], rtol=1e-5)


def test_smoke_rises_where_it_is():
    domain = Domain((3, 5), (3.0, 5.0), periodic=False)
    u = at_rest(domain, 0.0).at[1, 2, 0].set(1.0)
    result = make_step(domain)({**VALUES, "viscosity": 0.0}, u)
    assert result[1, 2, 2] > 0 and result[1, 3, 2] > 0
    # What rises in the middle sinks at the sides.
    assert (result[0, 2, 2] < 0) and (result[2, 2, 2] < 0)


def test_mass_grows_by_the_inflow_if_nothing_moves(x64):
    u = moving(BOX, speed=0.0)
    result = make_step(BOX, has_inflow=True)({**VALUES, "buoyancy": 0.0}, u)
    assert not result[..., 1:3].any()
    expected = u[..., 0].sum() + 0.1 * 0.2 * u[..., 3].sum()
    np.testing.assert_allclose(result[..., 0].sum(), expected, rtol=1e-13)


def test_advection_makes_no_new_extrema():
    u = moving(BOX, speed=2.0).astype(jnp.float32)
    values = {**VALUES, "inflow_rate": 0.0}
    density = rollout(make_step(BOX), values, u, 10)[..., 0]
    assert jnp.abs(density - u[..., 0]).max() > 0.1
    # Weights of the interpolation add up to 1 up to rounding.
    assert u[..., 0].min() - 1e-5 < density.min()
    assert density.max() < u[..., 0].max() + 1e-5


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
        result = rollout(step, values, jnp.asarray(state), n // 4)
        drifts.append(abs(float(result[..., 0].sum() / density.sum() - 1)))
    assert order(drifts) > 0.8 and drifts[-1] < 0.02


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


def test_energy_decays_without_buoyancy():
    step, values = make_step(BOX), {**VALUES, "buoyancy": 0.0}

    def body(u, _):
        return step(values, u), jnp.sum(u[..., 1:3] ** 2)

    energies = lax.scan(body, moving(BOX).astype(jnp.float32), length=20)[1]
    assert (np.diff(energies) < 0).all()


@pytest.mark.parametrize("ndim", [2, 3])
def test_rollout_stays_free_of_divergence_and_inside_the_walls(ndim):
    domain = Domain((12, 10, 8)[:ndim], (3.0, 2.0, 2.0)[:ndim], periodic=False)
    step = make_step(domain)
    u0 = smoke.sample_u0(jax.random.key(0), domain, 1, 0.3, 1.0)[0]

    def body(u, _):
        u = step(VALUES, u)
        walls = [jnp.take(u[..., 1 + a], 0, axis=a) for a in range(ndim)]
        leak = jnp.stack([jnp.abs(wall).max() for wall in walls])
        return u, (smoke.diagnostics(domain, u)["divergence"], leak)

    u, (divergences, leaks) = lax.scan(body, u0, length=20)
    assert jnp.abs(u[..., 1 : ndim + 1]).max() > 1e-3
    assert divergences.max() < smoke.MAX_DIVERGENCE
    assert not leaks.any()
    np.testing.assert_array_equal(u[..., -1], u0[..., -1])


def test_step_is_phiflows(x64):
    u = moving(BOX)
    buoyancy = jnp.asarray(smoke.sine_buoyancy(BOX))

    def by_phiflow(u, dt=0.1):
        density = fields.to_field(u[..., :1], BOX)
        velocity = fields.to_staggered(u[..., 1:3], BOX)
        moved = flow.advect.mac_cormack(density, velocity, dt)
        moved += 0.2 * dt * fields.to_field(u[..., 3:], BOX)
        velocity = flow.advect.semi_lagrangian(velocity, velocity, dt)
        weight = fields.to_array(moved) * buoyancy[..., None]
        force = fields.to_field(weight * jnp.array([0.0, 1.0]), BOX)
        velocity += dt * force.at(velocity)
        solve = flow.Solve("CG", 1e-12, 1e-12, max_iterations=500, rank_deficiency=0)
        velocity, _ = flow.fluid.make_incompressible(velocity, solve=solve)
        parts = [fields.to_array(moved), fields.to_array(velocity), u[..., 3:]]
        return jnp.concatenate(parts, axis=-1)

    values = {**VALUES, "viscosity": 0.0, "buoyancy": buoyancy}
    # The solver stops at a residual of 1e-12.
    np.testing.assert_allclose(
        make_step(BOX)(values, u), jax.jit(by_phiflow)(u), atol=1e-10
    )


def test_step_commutes_with_reflection(x64):
    u, buoyancy = moving(BOX), jnp.asarray(smoke.sine_buoyancy(BOX))

    def reflect(u):
        # The lower face of a cell becomes the upper one, which the next cell stores.
        through = -jnp.roll(u[::-1, ..., 1], 1, axis=0)
        return u[::-1].at[..., 1].set(through)

    step = make_step(BOX)
    mirrored = step({**VALUES, "buoyancy": buoyancy[::-1]}, reflect(u))
    expected = reflect(step({**VALUES, "buoyancy": buoyancy}, u))
    np.testing.assert_allclose(mirrored, expected, atol=1e-13)


def learnt_coefficients(kind):
    buoyancy = {
        "scalar": coefficients.scalar(0.5, (0.0, 2.0)),
        "field": coefficients.field(0.5, BOX.resolution, (0.0, 2.0)),
        "bumps": expansions.gaussian_bumps(BOX, [0.5], [[1.0, 1.0]], 0.8),
    }[kind]
    return {
        "viscosity": coefficients.scalar(0.02, (0.0, 0.1)),
        "buoyancy": buoyancy,
        "inflow_rate": coefficients.scalar(0.2, (0.0, 1.0)),
    }


@pytest.mark.parametrize("kind", ["scalar", "field", "bumps"])
def test_gradients_equal_finite_differences(x64, kind):
    learnt = learnt_coefficients(kind)
    model = coefficients.make_model(learnt, make_step(BOX))
    rng = np.random.default_rng(2)
    params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), model.init(None))
    direction = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape)), params)
    u = moving(BOX, seed=1)

    @jax.jit
    @jax.value_and_grad
    def loss(params):
        u_end = lax.scan(lambda u, _: (model.step(params, u), None), u, length=4)[0]
        return jnp.mean((u_end - u) ** 2)

    slopes = loss(params)[1]
    for name in learnt:
        only = {
            n: d if n == name else jax.tree.map(jnp.zeros_like, d)
            for n, d in direction.items()
        }
        # Small, for clipping and interpolation have kinks: none may lie in between.
        ahead, behind = (
            loss(jax.tree.map(lambda x, d, h=h: x + h * d, params, only))[0]
            for h in (1e-6, -1e-6)
        )
        exact = sum(jax.tree.leaves(jax.tree.map(jnp.vdot, slopes, only)))
        assert abs(exact) > 1e-8
        np.testing.assert_allclose(exact, (ahead - behind) / 2e-6, rtol=1e-4)


def test_gradient_over_fifty_steps_is_finite_in_float32():
    u = moving(BOX).astype(jnp.float32)
    values = {name: jnp.float32(value) for name, value in VALUES.items()}
    step = make_step(BOX)
    loss = jax.grad(lambda v, u: jnp.mean(rollout(step, v, u, 50) ** 2), (0, 1))
    for slope in jax.tree.leaves(jax.jit(loss)(values, u)):
        assert slope.dtype == jnp.float32 and jnp.isfinite(slope).all()
        assert jnp.abs(slope).max() > 0


def test_vmap_equals_loop():
    batch = jnp.stack([moving(BOX, seed) for seed in range(2)]).astype(jnp.float32)
    step = make_step(BOX)
    together = jax.jit(jax.vmap(step, (None, 0)))(VALUES, batch)
    assert together.dtype == jnp.float32
    loop = jnp.stack([step(VALUES, u) for u in batch])
    np.testing.assert_allclose(together, loop, atol=1e-5)


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
    u = moving(domain).astype(jnp.float32)
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
    u = smoke.sample_u0(jax.random.key(0), domain, 40, 1.0, 2.0)
    assert u.dtype == jnp.float32 and u.shape == (40, 64, 64, 4)
    assert not u[..., :3].any() and u[..., 3].max() == 2
    mass = u[..., 3].sum((1, 2))
    # 2 π r² in cells of 10/64 by 20/64, with an edge one cell wide.
    np.testing.assert_allclose(mass * 200 / 64**2, 2 * np.pi, rtol=0.1)
    weights = np.asarray(u[..., 3] / mass[:, None, None])
    centers = np.einsum("nxy,xyd->nd", weights, domain.coordinates())
    assert (centers > [1.9, 2.9]).all() and (centers < [8.1, 4.1]).all()
    assert np.ptp(centers[:, 0]) > 3


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


def test_wrong_arguments_are_refused():
    for domain in (Domain((6, 5), (3.0, 2.0)), Domain((6,), (3.0,), False)):
        with pytest.raises(ValueError, match="make the Domain with periodic=False"):
            smoke.make_step(domain, 0.1, UPPER)
    with pytest.raises(ValueError, match=r"obstacles has a tuple, expected geometries"):
        smoke.make_step(BOX, 0.1, UPPER, obstacles=((1.0, 1.0),))
    with pytest.raises(ValueError, match=r"has 3 axes, expected 2"):
        smoke.make_step(
            BOX, 0.1, UPPER, obstacles=(flow.Sphere(x=1, y=1, z=1, radius=1),)
        )
    with pytest.raises(ValueError, match=r"substeps=1 is unstable"):
        smoke.make_step(BOX, 9.0, UPPER, substeps=1)
    step = smoke.make_step(BOX, 0.1, UPPER)
    with pytest.raises(ValueError, match=r"u has shape \(6, 5, 3\), expected"):
        step(VALUES, jnp.zeros((6, 5, 3)))
    for name in VALUES:
        with pytest.raises(ValueError, match=rf"{name} has shape \(7,\), expected"):
            step({**VALUES, name: jnp.zeros(7)}, jnp.zeros((6, 5, 4)))
