"""Burgers' equation: exact solutions, orders, conservation, symmetries, gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.grids import quantities as state
from hyco_jax.grids.domain import Domain
from hyco_jax.models import coefficients
from hyco_jax.pde import burgers
from tests import order
from tests.pde import states
from tests.pde.compiled import advance
from tests.pde.states import TAU


@functools.cache
def make_step(domain, dt, largest, substeps=None):
    return burgers.make_step(domain, dt, {"viscosity": largest}, substeps)


def after(step, viscosity, u, num_steps=1):
    return advance(step, {"viscosity": viscosity}, u, num_steps)


def viscosity(domain, guess, largest, is_field):
    if is_field:
        return coefficients.field(guess, domain.resolution, (0.0, largest))
    return coefficients.scalar(guess, (0.0, largest))


def shear_flow(num_cells, ndim=2):
    """Returns a grid and (0, sin x) or (0, 0, sin(x + y)), which don't move."""
    resolution = (*(num_cells,) * (ndim - 1), 2)
    domain = Domain(resolution, (*(TAU,) * (ndim - 1), 1.0))
    u = np.zeros((*resolution, ndim))
    u[..., -1] = np.sin(domain.coordinates()[..., :-1].sum(axis=-1))
    return domain, u


@pytest.mark.parametrize(
    ("substeps", "ndim"), [(2, 2), (9, 2), (2, 3)], ids=["unrolled", "looped", "3d"]
)
def test_diffusion_of_a_mode_decays_at_the_discrete_rate(x64, substeps, ndim):
    domain, u = shear_flow(12, ndim)
    dt, nu = 0.05, 0.7
    rate = (ndim - 1) * 4 * nu / domain.dx[0] ** 2 * np.sin(domain.dx[0] / 2) ** 2
    step = make_step(domain, dt, nu, substeps)
    decay = (1 - rate * dt / substeps) ** substeps
    np.testing.assert_allclose(after(step, nu, u), decay * u, atol=1e-14)


def test_diffusion_is_second_order_in_space(x64):
    dt, nu = 1e-5, 0.7

    def error(level):
        domain, u = shear_flow(8 * 2**level)
        result = after(make_step(domain, dt, nu), nu, u)
        return np.abs(result - np.exp(-nu * dt) * u).max() / dt

    assert order.observe(error).order == pytest.approx(2, abs=0.1)


def test_diffusion_converges_to_the_exact_decay(x64):
    # dt ~ dx², the stability limit: both errors fall by 4 per refinement.
    nu = 0.7

    def error(level):
        domain, u = shear_flow(8 * 2**level)
        num_steps = 10 * 4**level
        result = after(make_step(domain, 1.0 / num_steps, nu), nu, u, num_steps)
        return np.abs(result - np.exp(-nu) * u).max()

    assert order.observe(error).order == pytest.approx(2, abs=0.1)


def test_diffusion_is_first_order_in_time(x64):
    domain, u = shear_flow(8)
    nu = 0.7
    rate = 4 * nu / domain.dx[0] ** 2 * np.sin(domain.dx[0] / 2) ** 2

    def error(level):
        # One step of length 1 with n substeps, so the error is that of Euler's method.
        step = make_step(Domain((8, 1), (TAU, 9.0)), 1.0, nu, 8 * 2**level)
        result = after(step, nu, u[:, :1])
        return np.abs(result - np.exp(-rate) * u[:, :1]).max()

    assert order.observe(error).order == pytest.approx(1, abs=0.15)


def test_step_converges_to_the_cole_hopf_solution(x64):
    # u = -2ν φₓ/φ with φ = a + exp(-νt) cos x solves Burgers' equation exactly.
    nu, a, end = 0.5, 1.5, 0.8

    def exact(t, x):
        wave = np.exp(-nu * t)
        return 2 * nu * wave * np.sin(x) / (a + wave * np.cos(x))

    def error(level):
        domain = Domain((32 * 2**level,), (TAU,))
        x = domain.coordinates()
        num_steps = 8 * 2**level
        step = make_step(domain, end / num_steps, nu)
        result = after(step, nu, exact(0.0, x), num_steps)
        return np.sqrt(np.mean((result - exact(end, x)) ** 2))

    # With dt ~ dx: the splitting counts, and the interpolation, dt + dx²/dt.
    found = order.observe(error)
    assert found.order == pytest.approx(1, abs=0.15)
    assert found.errors[-1] < 0.02


def test_advection_drift_of_the_integral_is_first_order(x64):
    def drift(level):
        domain = Domain((32 * 2**level,), (TAU,))
        num_steps = 4 * 2**level
        step = make_step(domain, 0.4 / num_steps, 0.5)
        x = domain.coordinates()
        u = 1 + 0.4 * np.sin(x) + 0.2 * np.cos(2 * x)
        return abs(jnp.mean(after(step, 0.0, u, num_steps) - u))

    assert order.observe(drift).order == pytest.approx(1, abs=0.2)


def test_far_advection_interpolates_linearly():
    # 4 cells of length 1; u dt = 2.25 everywhere but at cell 0, where it is -1.5.
    domain = Domain((4,), (4.0,))
    u = jnp.array([-1.5, 2.25, 2.25, 2.25])[:, None]
    # Departures 1.5, -1.25, -0.25, 0.75: cell -1 is 3 and cell -2 is 2.
    expected = [2.25, 2.25, 0.75 * -1.5 + 0.25 * 2.25, 0.75 * 2.25 + 0.25 * -1.5]
    result = after(make_step(domain, 1.0, 0.0), 0.0, u)
    np.testing.assert_allclose(result[:, 0], expected, atol=1e-5)


@pytest.fixture(scope="module")
def slope():
    """A step on six cells, and the gradient of two steps' energy with respect to ν."""
    step = make_step(Domain((6,), (3.0,)), 0.3, 1.0)

    def energy(nu, u):
        for _ in range(2):
            u = step({"viscosity": nu}, u)
        return jnp.sum(u**2)

    return jax.jit(
        jax.grad(lambda nu, batch: jnp.sum(jax.vmap(energy, (None, 0))(nu, batch)))
    )


def test_gradient_of_a_batch_is_the_sum_of_the_gradients(x64, slope):
    domain = Domain((6,), (3.0,))
    nu, u = burgers.sine_squared_viscosity(domain), states.waves(domain, 1)
    together = slope(nu, jnp.stack([u, -u]))
    apart = slope(nu, u[None]) + slope(nu, -u[None])
    np.testing.assert_allclose(together, apart, atol=1e-13)


def test_nested_vmap_equals_loop():
    domain = Domain((9,), (3.0,))
    nu = jnp.float32(burgers.sine_squared_viscosity(domain))
    step = make_step(domain, 0.3, 0.5)
    # The last state moves more than a cell and sends the whole batch the long way.
    slow = jnp.float32(states.waves(domain, 1))
    batch = jnp.stack([slow, slow[::-1], 4 * slow])
    courant = 0.3 / domain.dx[0] * np.abs(batch).max((1, 2))
    assert courant[:2].max() < 1 < courant[2]
    inner = jax.vmap(lambda nu, u: step({"viscosity": nu}, u), (None, 0))
    nested = jax.jit(jax.vmap(inner, (None, 0)))(nu, batch[None])
    loop = [after(step, nu, u) for u in batch]
    # The long way rounds positions: 1e-7 of 9 cells, times slopes of 4.
    np.testing.assert_allclose(nested[0], loop, atol=1e-5)


def test_second_derivatives_equal_differences_of_gradients(x64, slope):
    domain = Domain((6,), (3.0,))
    # Displacements of 0.4 to 0.8 of a cell.
    batch = 1.0 + 0.3 * states.waves(domain, 1)[None]
    nu = jnp.full(6, 0.1)
    direction = np.random.default_rng(0).normal(size=6)
    exact = jax.jvp(lambda nu: slope(nu, batch), (nu,), (direction,))[1]
    # Two steps make the loss a polynomial in ν, so h may be large against rounding.
    h = 1e-4
    ahead, behind = (slope(nu + s * direction, batch) for s in (h, -h))
    central = (ahead - behind) / (2 * h)
    np.testing.assert_allclose(exact, central, atol=1e-6 * np.abs(central).max())


@pytest.mark.parametrize("is_field", [False, True], ids=["scalar", "field"])
def test_what_is_learnt_is_float32_and_so_is_the_step(is_field):
    domain = Domain((6,), (3.0,))
    learnt = {"viscosity": viscosity(domain, 0.4, 1.0, is_field)}
    raw = {n: jnp.asarray(c.raw) for n, c in learnt.items()}
    assert raw["viscosity"].dtype == jnp.float32
    assert raw["viscosity"].shape == ((6,) if is_field else ())
    step = make_step(domain, 0.3, 1.0)
    u = jnp.float32(states.waves(domain, 1))

    def loss(raw):
        result = step(coefficients.values(learnt, raw), u)
        return result.sum(), result

    for leaf in jax.tree.leaves(
        jax.eval_shape(jax.value_and_grad(loss, has_aux=True), raw)
    ):
        assert leaf.dtype == jnp.float32


def test_a_guess_is_what_the_step_sees():
    domain = Domain((6, 5), (3.0, 2.0))
    guess = 0.1 + burgers.sine_squared_viscosity(domain, scale=0.5)
    coefficient = viscosity(domain, guess, 1.0, True)
    values = coefficients.values(
        {"viscosity": coefficient}, {"viscosity": coefficient.raw}
    )
    np.testing.assert_allclose(values["viscosity"], guess, rtol=1e-5)
    np.testing.assert_allclose(
        coefficient.raw, coefficients.unbounded(guess, 0.0, 1.0), rtol=1e-6
    )


def test_sine_squared_viscosity_has_the_stated_values():
    nu = burgers.sine_squared_viscosity(Domain((2, 3), (2.0, 3.0)), 4.0, 1.0)
    # sin² at the centres: 1/2, 1/2 along x and 1/4, 1, 1/4 along y.
    np.testing.assert_allclose(nu, [[1.5, 3.0, 1.5]] * 2, atol=1e-14)


def test_a_state_is_one_velocity_of_random_smooth_components(key):
    domain = Domain((6, 5, 4), (3.0, 2.0, 2.5))
    u0 = burgers.sample_u0(key, domain, 2, scale=0.3, amplitude=0.5)
    assert state.num_channels(burgers.quantities(domain)) == 3
    assert u0.shape == (2, 6, 5, 4, 3) and u0.dtype == jnp.float32
    # The amplitude is the root mean square of every component.
    rms = jnp.sqrt(jnp.mean(u0**2, axis=(1, 2, 3)))
    np.testing.assert_allclose(rms, 0.5, rtol=1e-5)


def test_a_guess_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"guess has shape \(5,\), expected \(\) or"):
        viscosity(Domain((6, 5), (3.0, 2.0)), np.ones(5), 2.0, True)


def test_a_drag_lets_a_uniform_flow_decay_in_the_truth_alone(x64):
    problem = burgers.make_problem(burgers.Settings(resolution=(8,), true_drag=0.3))
    domain = problem.domain
    u = np.full((8, 1), 1.5)
    for make_step, left in (
        (problem.make_true_step, np.exp(-0.3)),
        (problem.make_step, 1.0),
    ):
        step = make_step(domain, 0.5, {"viscosity": 1.0}, max_speed=2.0)
        np.testing.assert_allclose(after(step, 1.0, u, 2), 1.5 * left, rtol=1e-12)


def test_a_drag_is_split_with_second_order():
    # Of u' = -u², whose steps are exact, and with the drag u' = -u² - γu.
    drag, u = 0.5, np.array([2.0])
    exact = drag / ((1 + drag / u) * np.exp(drag) - 1)

    def error(level):
        num_steps = 4 * 2**level
        step = burgers.make_dragged_step(
            lambda domain, dt, upper: lambda values, u: u / (1 + dt * u),
            *(drag, None, 1 / num_steps, {}),
        )
        now = u
        for _ in range(num_steps):
            now = step({}, now)
        return np.abs(now - exact).max()

    assert order.observe(error).order == pytest.approx(2, abs=0.1)
