"""Burgers' equation: exact solutions, orders, conservation, symmetries, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from hyco_jax.grids import fields
from hyco_jax.grids import quantities as state
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.fields import flow
from hyco_jax.models import coefficients
from hyco_jax.pde import burgers
from hyco_jax.pde.kernels import checks

pytestmark = pytest.mark.usefixtures("quick_compilation")

TAU = 2 * np.pi
RESOLUTIONS = [(9,), (6, 7), (4, 5, 3)]


@pytest.fixture
def x64():
    with jax.enable_x64(True), flow.math.precision(64):
        yield


def make_step(domain, dt, largest, substeps=None):
    """Returns a step that takes the viscosity itself."""
    step = burgers.make_step(domain, dt, {"viscosity": largest}, substeps)
    return lambda viscosity, u: step({"viscosity": viscosity}, u)


def viscosity(domain, guess, largest, is_field):
    if is_field:
        return coefficients.field(guess, domain.resolution, (0.0, largest))
    return coefficients.scalar(guess, (0.0, largest))


def make_model(domain, dt, coefficient):
    step = burgers.make_step(domain, dt, {"viscosity": coefficient.upper})
    return coefficients.make_model({"viscosity": coefficient}, step)


def rollout(step, viscosity, u, num_steps):
    return lax.scan(lambda u, _: (step(viscosity, u), None), u, length=num_steps)[0]


def smooth(domain, mean=0.0, amplitude=1.0):
    """Returns a state of three Fourier modes per component."""
    rng = np.random.default_rng(1)
    phase = TAU * domain.coordinates() / np.array(domain.extent)
    waves = [
        np.sin(phase @ rng.integers(-2, 3, 2 * (domain.ndim,)) + rng.uniform(0, TAU))
        for _ in range(3)
    ]
    return mean + amplitude * sum(waves) / 3


def shear_flow(num_cells, ndim=2):
    """Returns a grid and (0, sin x) or (0, 0, sin(x + y)), which don't move."""
    resolution = (*(num_cells,) * (ndim - 1), 2)
    domain = Domain(resolution, (*(TAU,) * (ndim - 1), 1.0))
    u = np.zeros((*resolution, ndim))
    u[..., -1] = np.sin(domain.coordinates()[..., :-1].sum(axis=-1))
    return domain, u


def order(errors):
    """Observed order from errors on grids or steps halved each time."""
    return -np.polyfit(np.arange(len(errors)), np.log2(errors), 1)[0]


@pytest.mark.parametrize(
    ("substeps", "ndim"), [(2, 2), (9, 2), (2, 3)], ids=["unrolled", "looped", "3d"]
)
def test_diffusion_of_a_mode_decays_at_the_discrete_rate(x64, substeps, ndim):
    domain, u = shear_flow(12, ndim)
    dt, nu = 0.05, 0.7
    rate = (ndim - 1) * 4 * nu / domain.dx[0] ** 2 * np.sin(domain.dx[0] / 2) ** 2
    step = make_step(domain, dt, nu, substeps)
    decay = (1 - rate * dt / substeps) ** substeps
    np.testing.assert_allclose(step(nu, jnp.asarray(u)), decay * u, atol=1e-14)


def test_diffusion_is_second_order_in_space(x64):
    dt, nu, errors = 1e-5, 0.7, []
    for num_cells in (8, 16, 32):
        domain, u = shear_flow(num_cells)
        result = make_step(domain, dt, nu)(nu, jnp.asarray(u))
        errors.append(np.abs(result - np.exp(-nu * dt) * u).max() / dt)
    assert order(errors) == pytest.approx(2, abs=0.1)


def test_diffusion_converges_to_the_exact_decay(x64):
    # dt ~ dx², the stability limit: both errors fall by 4 per refinement.
    nu, errors = 0.7, []
    for level in range(3):
        domain, u = shear_flow(8 * 2**level)
        num_steps = 10 * 4**level
        step = jax.jit(make_step(domain, 1.0 / num_steps, nu))
        result = rollout(step, nu, jnp.asarray(u), num_steps)
        errors.append(np.abs(result - np.exp(-nu) * u).max())
    assert order(errors) == pytest.approx(2, abs=0.1)


def test_diffusion_is_first_order_in_time(x64):
    domain, u = shear_flow(8)
    nu, errors = 0.7, []
    rate = 4 * nu / domain.dx[0] ** 2 * np.sin(domain.dx[0] / 2) ** 2
    # One step of length 1 with n substeps, so the error is that of Euler's method.
    for substeps in (8, 16, 32):
        step = make_step(Domain((8, 1), (TAU, 9.0)), 1.0, nu, substeps)
        result = step(nu, jnp.asarray(u[:, :1]))
        errors.append(np.abs(result - np.exp(-rate) * u[:, :1]).max())
    assert order(errors) == pytest.approx(1, abs=0.15)


def test_step_converges_to_the_cole_hopf_solution(x64):
    # u = -2ν φₓ/φ with φ = a + exp(-νt) cos x solves Burgers' equation exactly.
    nu, a, end = 0.5, 1.5, 0.8

    def exact(t, x):
        wave = np.exp(-nu * t)
        return 2 * nu * wave * np.sin(x) / (a + wave * np.cos(x))

    errors = []
    for level in range(3):
        domain = Domain((32 * 2**level,), (TAU,))
        x = domain.coordinates()
        num_steps = 8 * 2**level
        step = make_step(domain, end / num_steps, nu)
        result = jax.jit(lambda u, step=step, n=num_steps: rollout(step, nu, u, n))(
            jnp.asarray(exact(0.0, x))
        )
        errors.append(np.sqrt(np.mean((result - exact(end, x)) ** 2)))
    # With dt ~ dx the splitting and the interpolation, dt + dx²/dt, are first order.
    assert order(errors) == pytest.approx(1, abs=0.15)
    assert errors[-1] < 0.02


@pytest.mark.parametrize("resolution", RESOLUTIONS, ids=["1d", "2d", "3d"])
def test_diffusion_conserves_the_integral(x64, resolution):
    domain = Domain(resolution, (3.0, 2.0, 2.5)[: len(resolution)])
    rng = np.random.default_rng(0)
    nu = rng.uniform(0.1, 1.0, resolution)
    u = 1e-9 * rng.normal(size=(*resolution, domain.ndim))
    # At |u| = 1e-9 the advection changes the integral by 1e-18 only.
    result = make_step(domain, 0.3, 1.0)(nu, jnp.asarray(u))
    assert np.abs(result - u).max() > 1e-10
    np.testing.assert_allclose(
        result.sum(range(domain.ndim)),
        u.sum(axis=tuple(range(domain.ndim))),
        atol=1e-16,
    )


def test_advection_drift_of_the_integral_is_first_order(x64):
    drifts = []
    for level in range(3):
        domain = Domain((32 * 2**level,), (TAU,))
        num_steps = 8 * 2**level
        step = make_step(domain, 0.4 / num_steps, 0.0)
        x = domain.coordinates()
        u = jnp.asarray(1 + 0.4 * np.sin(x) + 0.2 * np.cos(2 * x))
        drifts.append(abs(float(jnp.mean(rollout(step, 0.0, u, num_steps) - u))))
    assert order(drifts) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("displacement", [0.9, 3.6], ids=["near", "far"])
@pytest.mark.parametrize("resolution", RESOLUTIONS, ids=["1d", "2d", "3d"])
def test_advection_and_its_gradient_are_phiflows(x64, resolution, displacement):
    domain = Domain(resolution, (3.0, 2.0, 2.5)[: len(resolution)])
    rng = np.random.default_rng(0)
    # Random states reach across the seam; `displacement` in cells of the finest axis.
    u = rng.uniform(-1, 1, size=(*resolution, domain.ndim))
    dt = displacement * min(domain.dx)
    weight = rng.normal(size=u.shape)

    def by_phiflow(u):
        field = fields.to_field(u, domain)
        return fields.to_array(flow.advect.semi_lagrangian(field, field, dt))

    step = make_step(domain, dt, 0.0)

    @jax.jit
    def both(u, weight):
        results = []
        for fn in (lambda u: step(0.0, u), by_phiflow):
            value, pull = jax.vjp(fn, u)
            results += [value, pull(weight)[0]]
        return results

    result, slope, expected, expected_slope = both(jnp.asarray(u), jnp.asarray(weight))
    # PhiFlow rounds positions, ours displacements: a few 1e-16 times slopes of 2.
    np.testing.assert_allclose(result, expected, atol=1e-13)
    np.testing.assert_allclose(slope, expected_slope, atol=1e-12)


def test_far_advection_interpolates_linearly():
    # 4 cells of length 1; u dt = 2.25 everywhere but at cell 0, where it is -1.5.
    domain = Domain((4,), (4.0,))
    u = jnp.array([-1.5, 2.25, 2.25, 2.25])[:, None]
    # Departures 1.5, -1.25, -0.25, 0.75: cell -1 is 3 and cell -2 is 2.
    expected = [2.25, 2.25, 0.75 * -1.5 + 0.25 * 2.25, 0.75 * 2.25 + 0.25 * -1.5]
    result = make_step(domain, 1.0, 0.0)(0.0, u)
    np.testing.assert_allclose(result[:, 0], expected, atol=1e-5)


def test_constant_state_is_a_fixed_point():
    domain = Domain((6, 5), (3.0, 2.0))
    nu = np.random.default_rng(0).uniform(0.1, 1.0, domain.resolution)
    u = jnp.broadcast_to(jnp.array([0.7, -0.3]), (6, 5, 2))
    result = jax.jit(make_step(domain, 0.3, 1.0))(jnp.float32(nu), u)
    # A few roundings of the weights, which add up to 1.
    np.testing.assert_allclose(result, u, atol=3e-7)


def test_step_commutes_with_translation(x64):
    domain = Domain((6, 5), (3.0, 2.0))
    nu = jnp.asarray(burgers.sine_squared_viscosity(domain))
    u = jnp.asarray(smooth(domain))
    step = jax.jit(make_step(domain, 0.3, 1.0))
    shifted = step(jnp.roll(nu, (2, 3), (0, 1)), jnp.roll(u, (2, 3), (0, 1)))
    np.testing.assert_allclose(
        shifted, jnp.roll(step(nu, u), (2, 3), (0, 1)), atol=1e-14
    )


def test_vmap_equals_loop():
    domain = Domain((6, 5), (3.0, 2.0))
    nu = jnp.float32(burgers.sine_squared_viscosity(domain))
    step = make_step(domain, 0.3, 1.0)
    # The last state moves more than a cell and sends the whole batch the long way.
    slow = jnp.float32(smooth(domain))
    batch = jnp.stack([slow, slow[::-1], 4 * slow])
    assert 0.3 * np.abs(batch[:2]).max() < min(domain.dx) < 0.3 * np.abs(batch[2]).max()
    jitted = jax.jit(step)
    loop = jnp.stack([jitted(nu, u) for u in batch])
    nested = jax.jit(jax.vmap(jax.vmap(step, (None, 0)), (None, 0)))(nu, batch[None])
    # The long way rounds positions: 1e-7 of 6 cells, times slopes of 4.
    np.testing.assert_allclose(nested[0], loop, atol=1e-5)


def test_jit_equals_eager():
    domain = Domain((6,), (3.0,))
    nu = jnp.float32(burgers.sine_squared_viscosity(domain))
    step = make_step(domain, 0.3, 1.0)
    u = jnp.float32(smooth(domain))
    # Fused multiplications and additions round differently.
    np.testing.assert_allclose(step(nu, u), jax.jit(step)(nu, u), atol=1e-6)


def test_gradient_under_vmap_is_the_sum_of_the_gradients(x64):
    domain = Domain((6,), (3.0,))
    nu = jnp.asarray(burgers.sine_squared_viscosity(domain))
    step = make_step(domain, 0.3, 1.0)
    batch = jnp.stack([jnp.asarray(smooth(domain)), -jnp.asarray(smooth(domain))])

    def loss(nu, u):
        return jnp.sum(rollout(step, nu, u, 2) ** 2)

    def total(nu):
        return jnp.sum(jax.vmap(loss, (None, 0))(nu, batch))

    slope = jax.jit(jax.grad(loss))
    together = jax.jit(jax.grad(total))(nu)
    np.testing.assert_allclose(together, sum(slope(nu, u) for u in batch), atol=1e-13)


@pytest.mark.parametrize("num_steps", [1, 50])
@pytest.mark.parametrize(
    ("resolution", "is_field"),
    [((16,), False), ((6, 5), True), ((4, 5, 6), True)],
    ids=["scalar", "field", "field-3d"],
)
def test_gradients_equal_finite_differences(x64, resolution, is_field, num_steps):
    domain = Domain(resolution, (TAU,) * len(resolution))
    model = make_model(domain, 0.05, viscosity(domain, 0.1, 0.2, is_field))
    # The mean flow keeps every displacement positive: the scheme is smooth there.
    u = jnp.asarray(smooth(domain, mean=1.0, amplitude=0.4))
    shape = resolution if is_field else ()
    rng = np.random.default_rng(2)
    raw = jnp.asarray(rng.normal(size=shape))
    direction = jnp.asarray(rng.normal(size=shape))

    @jax.jit
    @jax.value_and_grad
    def loss(raw):
        return jnp.mean(rollout(model.step, {"viscosity": raw}, u, num_steps) ** 2)

    h = 1e-4
    ahead, behind = loss(raw + h * direction)[0], loss(raw - h * direction)[0]
    central = (ahead - behind) / (2 * h)
    exact = jnp.sum(loss(raw)[1] * direction)
    assert abs(central) > 1e-6
    # Central differences err by h² = 1e-8 times a third derivative of order 1.
    np.testing.assert_allclose(exact, central, rtol=1e-5)


@pytest.mark.parametrize("resolution", [(6, 5), (3, 5, 4)], ids=["2d", "3d"])
def test_gradient_with_respect_to_the_state_equals_finite_differences(x64, resolution):
    domain = Domain(resolution, (TAU,) * len(resolution))
    step = make_step(domain, 0.05, 0.1)
    u = jnp.asarray(smooth(domain, mean=1.0, amplitude=0.4))
    direction = jnp.asarray(np.random.default_rng(3).normal(size=u.shape))

    @jax.jit
    @jax.value_and_grad
    def loss(u):
        return jnp.mean(rollout(step, 0.1, u, 5) ** 3)

    h = 1e-5
    ahead, behind = loss(u + h * direction)[0], loss(u - h * direction)[0]
    exact = jnp.sum(loss(u)[1] * direction)
    np.testing.assert_allclose(exact, (ahead - behind) / (2 * h), rtol=1e-7)


def test_second_derivatives_equal_differences_of_gradients(x64):
    domain = Domain((16,), (TAU,))
    step = make_step(domain, 0.05, 0.2)
    u = jnp.asarray(smooth(domain, mean=1.0, amplitude=0.4))
    nu = jnp.full(16, 0.1)
    direction = jnp.asarray(np.random.default_rng(0).normal(size=16))
    slope = jax.jit(jax.grad(lambda nu: jnp.mean(rollout(step, nu, u, 2) ** 2)))
    exact = jax.jvp(slope, (nu,), (direction,))[1]
    # Two steps make the loss a polynomial in ν, so h may be large against rounding.
    h = 1e-4
    central = (slope(nu + h * direction) - slope(nu - h * direction)) / (2 * h)
    np.testing.assert_allclose(exact, central, atol=1e-6 * np.abs(central).max())


@pytest.mark.parametrize("is_field", [False, True], ids=["scalar", "field"])
def test_float32_stays_float32(is_field):
    domain = Domain((6,), (3.0,))
    model = make_model(domain, 0.3, viscosity(domain, 0.4, 1.0, is_field))
    params = model.init(jax.random.key(0))
    assert params["viscosity"].dtype == jnp.float32
    assert params["viscosity"].shape == ((6,) if is_field else ())
    u = jnp.float32(smooth(domain))
    value, slopes = jax.value_and_grad(lambda p: model.step(p, u).sum())(params)
    assert model.step(params, u).dtype == jnp.float32
    assert value.dtype == slopes["viscosity"].dtype == jnp.float32


def test_init_returns_the_guess():
    domain = Domain((6, 5), (3.0, 2.0))
    guess = 0.1 + burgers.sine_squared_viscosity(domain, scale=0.5)
    coefficient = viscosity(domain, guess, 1.0, True)
    params = make_model(domain, 0.1, coefficient).init(jax.random.key(0))
    values = coefficients.values({"viscosity": coefficient}, params)
    np.testing.assert_allclose(values["viscosity"], guess, rtol=1e-5)
    np.testing.assert_allclose(
        params["viscosity"], coefficients.unbounded(guess, 0.0, 1.0), rtol=1e-6
    )


def test_sine_squared_viscosity_has_the_stated_values():
    nu = burgers.sine_squared_viscosity(Domain((2, 3), (2.0, 3.0)), 4.0, 1.0)
    # sin² at the centres: 1/2, 1/2 along x and 1/4, 1, 1/4 along y.
    np.testing.assert_allclose(nu, [[1.5, 3.0, 1.5]] * 2, atol=1e-14)


def test_stable_substeps_is_the_diffusion_limit():
    domain = Domain((10, 10), (1.0, 2.0))
    # 1/dx² = 100 and 25: one substep may be 1 / (2 · 0.1 · 125) = 0.04.
    assert checks.stable_substeps(domain, 0.04, 0.1) == 1
    assert checks.stable_substeps(domain, 0.0401, 0.1) == 2
    assert checks.stable_substeps(domain, 0.4, 0.1) == 10
    assert checks.stable_substeps(domain, 0.4, 0.0) == 1


def test_too_few_substeps_are_refused_with_both_numbers():
    domain = Domain((10, 10), (1.0, 2.0))
    # Not the guess counts but the bound, here 0.1.
    largest = coefficients.scalar(0.05, (0.0, 0.1)).upper
    with pytest.raises(ValueError, match=r"substeps=9 .* needs substeps >= 10"):
        make_step(domain, 0.4, largest, substeps=9)


def test_wrong_shapes_are_refused():
    domain = Domain((6, 5), (3.0, 2.0))
    step = make_step(domain, 0.1, 0.1)
    for shape in [(3, 6, 5, 2), (6, 5), (6, 5, 3), (5, 6, 2)]:
        with pytest.raises(ValueError, match=r"expected \(6, 5, 2\); batch with jax"):
            step(0.1, jnp.zeros(shape))
    with pytest.raises(ValueError, match=r"viscosity has shape \(5,\), expected \(\)"):
        step(jnp.ones(5), jnp.zeros((6, 5, 2)))
    with pytest.raises(ValueError, match=r"guess has shape \(5,\), expected \(\) or"):
        viscosity(domain, np.ones(5), 2.0, True)
    with pytest.raises(ValueError, match=r"dt=-0.1 must be positive"):
        make_step(domain, -0.1, 0.1)


def test_a_closed_box_is_refused():
    with pytest.raises(ValueError, match="make the Domain with periodic=True"):
        make_step(Domain((6,), (3.0,), periodic=False), 0.1, 0.1)


def test_a_state_is_one_velocity_of_random_smooth_components(key):
    domain = Domain((6, 5, 4), (3.0, 2.0, 2.5))
    u0 = burgers.sample_u0(key, domain, 2, scale=0.3, amplitude=0.5)
    assert state.num_channels(burgers.quantities(domain)) == 3
    assert u0.shape == (2, 6, 5, 4, 3) and u0.dtype == jnp.float32
    # The amplitude is the root mean square of every component.
    rms = jnp.sqrt(jnp.mean(u0**2, axis=(1, 2, 3)))
    np.testing.assert_allclose(rms, 0.5, rtol=1e-5)
