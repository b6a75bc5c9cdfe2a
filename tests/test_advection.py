"""Advection by a known velocity: exact solutions, orders, bounds, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from hyco_jax.grids import fields
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.fields import flow
from hyco_jax.models import coefficients, expansions
from hyco_jax.pde import advection

pytestmark = pytest.mark.usefixtures("quick_compilation")

TAU = 2 * np.pi
RESOLUTIONS = [(9,), (6, 7), (4, 5, 3)]


@pytest.fixture
def x64():
    with jax.enable_x64(True), flow.math.precision(64):
        yield


def make_values(factor=1.0, modulation=0.0):
    return {"factor": factor, "modulation": modulation}


def rollout(step, values, u, num_steps):
    return lax.scan(lambda u, _: (step(values, u), None), u, length=num_steps)[0]


def join(density, velocity):
    return jnp.asarray(np.concatenate([density[..., None], velocity], axis=-1))


def box(resolution):
    return Domain(resolution, (3.0, 2.0, 2.5)[: len(resolution)])


def random_state(domain):
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (*domain.resolution, 1 + domain.ndim))


def smooth_case(resolution, dt):
    """Returns a grid and a state, smooth, displaced by 0.4 to 0.6 of a cell."""
    domain = box(resolution)
    phase = TAU * domain.coordinates() / np.array(domain.extent)
    density = np.prod(np.sin(phase + 0.3), axis=-1)
    velocity = (0.5 + 0.1 * np.cos(phase)[..., ::-1]) * np.array(domain.dx) / dt
    return domain, join(density, velocity)


def order(errors):
    """Observed order from errors on grids or steps halved each time."""
    return -np.polyfit(np.arange(len(errors)), np.log2(errors), 1)[0]


@pytest.mark.parametrize("resolution", RESOLUTIONS, ids=["1d", "2d", "3d"])
@pytest.mark.parametrize("num_cells", [-1, 5], ids=["near", "far"])
def test_a_displacement_of_whole_cells_is_a_shift(x64, resolution, num_cells):
    domain = box(resolution)
    dt = 0.25
    u = random_state(domain)
    u[..., 1:] = 0.0
    # Half of it is known, scaled by the factor; half is modulation.
    velocity = num_cells * np.array(domain.dx) / dt
    u[..., 1:] = velocity / 4
    modulation = np.broadcast_to(velocity / 2, u[..., 1:].shape)
    step = advection.make_step(domain, dt, {})
    result = jax.jit(step)(make_values(2.0, modulation), jnp.asarray(u))
    axes = tuple(range(domain.ndim))
    expected = np.roll(u[..., 0], (num_cells,) * domain.ndim, axes)
    # Rounding of positions, times slopes of at most 2 per cell.
    np.testing.assert_allclose(result[..., 0], expected, atol=1e-13)


@pytest.mark.parametrize(
    ("resolution", "displacement"),
    [((9,), 0.9), ((6, 7), 0.9), ((4, 5, 3), 0.9), ((6, 7), 3.6)],
    ids=["1d", "2d", "3d", "2d-far"],
)
def test_step_and_its_gradients_are_phiflows(x64, resolution, displacement):
    domain = box(resolution)
    u = random_state(domain)
    # Random states reach across the seam; in cells of the finest axis, 2/3 + 1/3.
    dt = displacement * min(domain.dx)
    rng = np.random.default_rng(1)
    modulation = rng.uniform(-1, 1, u[..., 1:].shape) / 3
    weight = jnp.asarray(rng.normal(size=u.shape))

    def by_phiflow(factor, modulation, u):
        velocity = fields.to_field(factor * u[..., 1:] + modulation, domain)
        density = fields.to_field(u[..., :1], domain)
        density = fields.to_array(flow.advect.semi_lagrangian(density, velocity, dt))
        return jnp.concatenate([density, u[..., 1:]], axis=-1)

    step = advection.make_step(domain, dt, {})

    @jax.jit
    def both(*args):
        results = []
        for fn in (lambda a, m, u: step(make_values(a, m), u), by_phiflow):
            value, pull = jax.vjp(fn, *args)
            results.append((value, pull(weight)))
        return results

    ours, phiflows = both(jnp.asarray(2 / 3), jnp.asarray(modulation), jnp.asarray(u))
    # PhiFlow rounds positions, ours displacements: a few 1e-16 times slopes of 2.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), ours, phiflows
    )


def test_interpolation_of_a_mode_damps_it_at_the_theoretical_rate(x64):
    # With r the fraction of a cell, a wave is multiplied by 1 - r + r exp(-i k dx).
    domain, dt, fraction = Domain((12,), (TAU,)), 0.2, 0.3
    x = domain.coordinates()
    velocity = np.full_like(x, fraction * domain.dx[0] / dt)
    step = advection.make_step(domain, dt, {})
    result = step(make_values(), join(np.sin(x[:, 0]), velocity))
    gain = 1 - fraction + fraction * np.exp(-1j * domain.dx[0])
    expected = np.imag(gain * np.exp(1j * x[:, 0]))
    np.testing.assert_allclose(result[:, 0], expected, atol=1e-14)


def shear_error(num_cells, num_steps):
    """Error at t = 1 of f(y - w(x) t), of trajectories that are straight."""
    domain = Domain((8, num_cells), (TAU, TAU))
    x, y = np.moveaxis(domain.coordinates(), -1, 0)
    w = 1.3 + 0.7 * np.sin(x)
    step = advection.make_step(domain, 1 / num_steps, {})
    u = join(np.sin(y), np.stack([0 * w, w], axis=-1))
    result = jax.jit(lambda u: rollout(step, make_values(), u, num_steps))(u)
    return np.sqrt(np.mean((result[..., 0] - np.sin(y - w)) ** 2))


def test_at_a_fixed_time_step_the_order_in_space_is_two(x64):
    # dx² r(1 - r)/(2 dt), where displacements of many cells take every fraction r.
    errors = [shear_error(64 * 2**level, 4) for level in range(3)]
    assert order(errors) == pytest.approx(2, abs=0.25)


def test_at_a_fixed_courant_number_the_order_is_one(x64):
    errors = [shear_error(16 * 2**level, 6 * 2**level) for level in range(3)]
    assert order(errors) == pytest.approx(1, abs=0.15)


def test_the_order_in_time_is_one(x64):
    # With v = 1/(1 + cos(x)/2), s = x + sin(x)/2 is the time a particle needs to x.
    domain = Domain((2048,), (TAU,))
    x = domain.coordinates()
    arrival = x[:, 0] + np.sin(x[:, 0]) / 2
    u = join(np.sin(arrival), 1 / (1 + np.cos(x) / 2))
    errors = []
    # dx²/dt is at most 2e-4, far below dt.
    for num_steps in (5, 10, 20):
        step = advection.make_step(domain, 0.5 / num_steps, {})
        result = rollout(jax.jit(step), make_values(), u, num_steps)
        errors.append(np.abs(result[:, 0] - np.sin(arrival - 0.5)).max())
    assert order(errors) == pytest.approx(1, abs=0.15)


def test_a_ring_of_a_swirl_turns_by_its_angular_velocity(x64):
    # About the centre a wave cos θ at radius r turns by the angle ω(r) t.
    domain, dt, num_steps = Domain((64, 64), (10.0, 10.0)), 0.1, 10
    x = domain.coordinates() - 5.0
    r, angle = np.hypot(x[..., 0], x[..., 1]), np.arctan2(x[..., 1], x[..., 0])
    speed = 0.8 * np.exp(-(((r - 3.0) / 1.5) ** 2))
    envelope = np.exp(-(((r - 3.0) / 0.8) ** 2))
    u = join(envelope * np.cos(angle), advection.swirl_velocity(domain, strength=0.8))
    step = advection.make_step(domain, dt, {})
    result = rollout(jax.jit(step), make_values(), u, num_steps)[..., 0]
    expected = envelope * np.cos(angle - speed * num_steps * dt)
    start = np.linalg.norm(expected - u[..., 0])
    # Euler's trajectories drift outwards by dt ω² r/2 per unit time: about 0.1 of 0.8.
    assert np.linalg.norm(result - expected) < 0.15 * start


@pytest.mark.parametrize("speed", [0.3, 3.0], ids=["near", "far"])
def test_no_new_extrema(speed):
    domain = box((6, 7))
    u = jnp.float32(random_state(domain))
    modulation = speed * jnp.roll(u[..., 1:], 1, axis=0)
    step = advection.make_step(domain, 0.6, {})
    result = rollout(step, make_values(speed, modulation), u, 5)[..., 0]
    # A few roundings of the weights, which add up to 1.
    assert result.min() >= u[..., 0].min() - 1e-6
    assert result.max() <= u[..., 0].max() + 1e-6
    assert result.max() - result.min() < u[..., 0].max() - u[..., 0].min()


def test_a_constant_density_stays():
    domain = box((6, 7))
    u = jnp.float32(random_state(domain)).at[..., 0].set(0.7)
    result = advection.make_step(domain, 0.1, {})(make_values(1.0, 0.2), u)
    np.testing.assert_allclose(result[..., 0], 0.7, atol=3e-7)


def test_the_drift_of_mass_is_first_order_where_the_equation_keeps_it(x64):
    drifts = []
    for level in range(3):
        n, num_steps = 16 * 2**level, 4 * 2**level
        domain = Domain((n, n), (TAU, TAU))
        x, y = np.moveaxis(domain.coordinates(), -1, 0)
        # Divergence-free, but Euler's trajectories change areas by dt² det ∇v.
        velocity = 0.5 * np.stack([np.sin(x) * np.cos(y), -np.cos(x) * np.sin(y)], -1)
        u = join(np.cos(x) * np.sin(y) + np.cos(x) ** 2, velocity)
        step = advection.make_step(domain, 1.0 / num_steps, {})
        result = rollout(jax.jit(step), make_values(), u, num_steps)
        drifts.append(abs(float(jnp.mean(result[..., 0] - u[..., 0]))))
    assert order(drifts) == pytest.approx(1, abs=0.25)


def test_mass_is_exact_under_the_same_displacement_everywhere(x64):
    domain = box((6, 7))
    u = random_state(domain)
    u[..., 1:] = [0.7, -0.9]
    result = advection.make_step(domain, 0.3, {})(make_values(), jnp.asarray(u))
    assert np.abs(result - u).max() > 0.1
    np.testing.assert_allclose(result.sum((0, 1)), u.sum((0, 1)), atol=1e-13)


KINDS = {
    "factor": lambda domain: {
        "factor": coefficients.scalar(1.0, (0.5, 1.4)),
        "modulation": coefficients.scalar(0.0),
    },
    "field": lambda domain: {
        "factor": coefficients.scalar(1.0),
        "modulation": coefficients.field(0.01, (*domain.resolution, domain.ndim)),
    },
    "fourier": lambda domain: {
        "factor": coefficients.scalar(1.0),
        "modulation": expansions.fourier(domain, 1, num_components=domain.ndim),
    },
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("resolution", RESOLUTIONS[1:], ids=["2d", "3d"])
def test_gradients_equal_finite_differences(x64, resolution, kind):
    # Departure points stay between 0.2 and 0.8 of a cell, where the scheme is smooth.
    domain, u = smooth_case(resolution, 0.1)
    step = advection.make_step(domain, 0.1, {})
    model = coefficients.make_model(KINDS[kind](domain), step)
    params = jax.tree.map(np.float64, model.init(None))
    rng = np.random.default_rng(2)
    direction = jax.tree.map(lambda p: 0.1 * rng.normal(size=p.shape), params)

    @jax.jit
    @jax.value_and_grad
    def loss(params, u):
        return jnp.sum(rollout(model.step, params, u, 3)[..., 0] ** 2)

    def along(h):
        return loss(jax.tree.map(lambda p, d: p + h * d, params, direction), u)[0]

    slope = loss(params, u)[1]
    exact = sum(jax.tree.leaves(jax.tree.map(jnp.vdot, slope, direction)))
    h = 1e-4
    assert abs(exact) > 1e-6
    # Central differences err by h² = 1e-8 times a third derivative of order 1 to 100.
    np.testing.assert_allclose(exact, (along(h) - along(-h)) / (2 * h), rtol=1e-5)


def test_the_gradient_with_respect_to_the_state_equals_finite_differences(x64):
    domain, u = smooth_case((6, 7), 0.1)
    step = advection.make_step(domain, 0.1, {})
    direction = np.random.default_rng(2).normal(size=u.shape)

    @jax.jit
    @jax.value_and_grad
    def loss(u):
        return jnp.sum(rollout(step, make_values(), u, 3) ** 3)

    h = 1e-5
    central = (loss(u + h * direction)[0] - loss(u - h * direction)[0]) / (2 * h)
    np.testing.assert_allclose(jnp.vdot(loss(u)[1], direction), central, rtol=1e-7)


@pytest.mark.parametrize("speed", [1.0, 4.0], ids=["near", "far"])
def test_static_channels_float32_and_finite_gradients_over_50_steps(speed):
    domain = box((6, 7))
    u = jnp.float32(random_state(domain))
    step = advection.make_step(domain, 0.25, {})

    @jax.jit
    def run(values, u):
        def loss(values, u):
            end = rollout(step, values, u, 50)
            return jnp.sum(end[..., 0] ** 2), end

        return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(values, u)

    values = make_values(jnp.float32(speed), jnp.full((6, 7, 2), 0.1, jnp.float32))
    (_, end), slopes = run(values, u)
    np.testing.assert_array_equal(end[..., 1:], u[..., 1:])
    for leaf in jax.tree.leaves((end, slopes)):
        assert leaf.dtype == jnp.float32
        assert np.isfinite(leaf).all()


def test_vmap_equals_loop():
    domain = box((6, 7))
    step = advection.make_step(domain, 0.25, {})
    u = jnp.float32(random_state(domain))
    # The last state moves more than a cell and sends the whole batch the long way.
    batch = jnp.stack([u, u[::-1], u.at[..., 1:].mul(4)])
    modulation = 0.1 * u[..., 1:]

    def loss(modulation, u):
        return jnp.sum(step(make_values(1.0, modulation), u)[..., 0] ** 2)

    one = jax.jit(jax.value_and_grad(loss))
    together = jax.jit(jax.vmap(jax.value_and_grad(loss), (None, 0)))
    values, slopes = zip(*[one(modulation, u) for u in batch], strict=True)
    result = together(modulation, batch)
    # The long way rounds positions: 1e-7 of 6 cells, times slopes of 4.
    np.testing.assert_allclose(result[0], values, rtol=1e-5)
    np.testing.assert_allclose(result[1], jnp.stack(slopes), atol=1e-4)


def test_samples_are_bounded_patches_and_carry_the_velocity(key):
    domain = Domain((16, 12), (4.0, 3.0))
    velocity = advection.swirl_velocity(domain)
    u0 = advection.sample_u0(key, domain, 3, scale=0.4, amplitude=0.8)
    assert u0.shape == (3, 16, 12, 3) and u0.dtype == jnp.float32
    assert [q.num_components for q in advection.quantities(domain)] == [1, 2]
    assert np.abs(u0[..., 0]).max() <= 0.8
    # tanh of twice the noise is near its bounds over a third of the box or more.
    assert np.mean(np.abs(u0[..., 0]) > 0.6) > 1 / 3
    assert not np.allclose(u0[0, ..., 0], u0[1, ..., 0], atol=0.1)
    for u in u0:
        np.testing.assert_array_equal(u[..., 1:], np.float32(velocity))


def test_the_published_fields_have_the_stated_values():
    # 10 cells of length 10: (85, 45) is at (35, -5) from the centre.
    domain = Domain((10, 10), (100.0, 100.0))
    r, angle = np.hypot(35, -5), np.arctan2(-5, 35)
    tangent = np.array([5, 35]) / r
    swirl = 0.5 * r * np.exp(-(((r - 30) / 15) ** 2)) * tangent
    np.testing.assert_allclose(advection.swirl_velocity(domain)[8, 4], swirl)
    ring = 5 * np.exp(-(((r - 30) / 5) ** 2)) * np.sin(6 * angle) * tangent
    np.testing.assert_allclose(advection.ring_modulation(domain)[8, 4], ring)
    # The same in a box of another size, and in 3-D, where nothing moves along z.
    small = Domain((10, 10, 2), (1.0, 1.0, 3.0))
    for fn in (advection.swirl_velocity, advection.ring_modulation):
        np.testing.assert_allclose(fn(small)[:, :, 0, :2], fn(domain) / 100, atol=1e-15)
        assert not fn(small)[..., 2].any()


def test_the_centre_of_a_swirl_is_at_rest():
    swirl = advection.swirl_velocity(Domain((3, 3), (1.0, 1.0)))
    np.testing.assert_array_equal(swirl[1, 1], 0.0)


def test_what_does_not_fit_is_refused(key):
    domain = box((6, 7))
    step = advection.make_step(domain, 0.1, {})
    u = jnp.zeros((6, 7, 3))
    with pytest.raises(ValueError, match=r"expected \(6, 7, 3\); batch with jax"):
        step(make_values(), jnp.zeros((2, 6, 7, 3)))
    with pytest.raises(ValueError, match=r"factor has shape \(6, 7\), expected \(\)"):
        step(make_values(factor=jnp.ones((6, 7))), u)
    with pytest.raises(ValueError, match=r"modulation has shape .* or \(6, 7, 2\)"):
        step(make_values(modulation=jnp.ones((6, 7))), u)
    with pytest.raises(ValueError, match="dt=0 must be positive"):
        advection.make_step(domain, 0, {})
    with pytest.raises(ValueError, match="make the Domain with periodic=True"):
        advection.make_step(Domain((6,), (1.0,), periodic=False), 0.1, {})
    with pytest.raises(ValueError, match=r"velocity has shape \(2,\), expected"):
        advection.sample_u0(key, domain, 1, 0.1, 1.0, velocity=np.ones(2))
    with pytest.raises(ValueError, match="give a velocity of your own"):
        advection.sample_u0(key, Domain((6,), (1.0,)), 1, 0.1, 1.0)
