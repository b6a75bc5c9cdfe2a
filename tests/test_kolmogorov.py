"""Driven periodic flow: exact solutions, orders, conservation, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from hyco_jax.grids.domain import Domain
from hyco_jax.grids.fields import flow
from hyco_jax.models import coefficients, expansions
from hyco_jax.pde import kolmogorov
from hyco_jax.pde.kernels import pressure

pytestmark = pytest.mark.usefixtures("quick_compilation")

TAU = 2 * np.pi


@pytest.fixture
def x64():
    with jax.enable_x64(True), flow.math.precision(64):
        yield


def make_step(domain, dt, upper, substeps=None):
    return jax.jit(kolmogorov.make_step(domain, dt, upper, substeps))


def rollout(step, values, u, num_steps):
    return lax.scan(lambda u, _: (step(values, u), None), u, length=num_steps)[0]


def faces(domain, axis):
    """Returns the positions of the lower faces along an axis, one array per axis."""
    x = domain.coordinates()
    x[..., axis] -= 0.5 * domain.dx[axis]
    return np.moveaxis(x, -1, 0)


def without_divergence(domain, seed=0):
    """Returns a smooth velocity that has no divergence, float64."""
    rng = np.random.default_rng(seed)
    planes = []
    for axis in range(domain.ndim):
        phase = TAU * np.stack(faces(domain, axis), -1) / np.array(domain.extent)
        waves = [
            np.sin(phase @ rng.integers(-2, 3, domain.ndim) + rng.uniform(0, TAU))
            for _ in range(3)
        ]
        planes.append(jnp.asarray(sum(waves)))
    return jnp.stack(pressure.project(domain, tuple(planes)), axis=-1)


def taylor_green(domain):
    """The vortices u = (sin x cos y, -cos x sin y) at their faces."""
    x, y = faces(domain, 0)
    u = np.sin(x) * np.cos(y)
    x, y = faces(domain, 1)
    return np.stack([u, -np.cos(x) * np.sin(y)], axis=-1)


def order(errors):
    """Observed order from errors on grids or steps halved each time."""
    return -np.polyfit(np.arange(len(errors)), np.log2(errors), 1)[0]


def test_step_converges_to_the_taylor_green_vortices(x64):
    # An exact solution, u₀ exp(-2νk²t) with k = 1: pressure balances advection.
    nu, end, errors = 0.1, 1.0, []
    for level in range(3):
        domain = Domain((16 * 2**level,) * 2, (TAU, TAU))
        num_steps = 8 * 2**level
        step = make_step(domain, end / num_steps, {"viscosity": nu})
        u = taylor_green(domain)
        values = {"viscosity": nu, "forcing": jnp.zeros(u.shape)}
        result = jax.jit(lambda u, s=step, v=values, n=num_steps: rollout(s, v, u, n))(
            jnp.asarray(u)
        )
        errors.append(np.sqrt(np.mean((result - np.exp(-2 * nu * end) * u) ** 2)))
    # With dt ~ dx splitting, tracing back and interpolation are all first order.
    assert order(errors) == pytest.approx(1, abs=0.15)
    assert errors[-1] < 0.03


@pytest.mark.parametrize("substeps", [2, 9], ids=["unrolled", "looped"])
def test_shear_flow_decays_at_the_discrete_rate(x64, substeps):
    # u = (sin y, 0) advects nothing and has no divergence: only viscosity is left.
    domain, dt, nu = Domain((3, 12), (1.0, TAU)), 0.05, 0.7
    u = kolmogorov.sine_forcing(domain, wave_number=1)
    step = make_step(domain, dt, {"viscosity": nu}, substeps)
    rate = nu * (2 / domain.dx[1] * np.sin(domain.dx[1] / 2)) ** 2
    result = step({"viscosity": nu, "forcing": jnp.zeros(u.shape)}, jnp.asarray(u))
    np.testing.assert_allclose(
        result, (1 - rate * dt / substeps) ** substeps * u, atol=1e-14
    )


def test_viscosity_is_second_order_in_space_and_first_in_time(x64):
    nu, errors = 0.7, []
    for level in range(3):
        # dt ~ dx², the stability limit: both errors fall by 4 per refinement.
        domain, num_steps = Domain((2, 8 * 2**level), (9.0, TAU)), 10 * 4**level
        u = kolmogorov.sine_forcing(domain, wave_number=1)
        step = make_step(domain, 1 / num_steps, {"viscosity": nu})
        values = {"viscosity": nu, "forcing": jnp.zeros(u.shape)}
        result = rollout(step, values, jnp.asarray(u), num_steps)
        errors.append(np.abs(result - np.exp(-nu) * u).max())
    assert order(errors) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("ndim", [2, 3])
def test_laminar_flow_is_a_fixed_point(x64, ndim):
    # Force and viscosity balance: λu = f, λ the eigenvalue of the discrete Laplacian.
    domain, nu = Domain((3, 12, 2)[:ndim], (1.0, TAU, 1.0)[:ndim]), 0.3
    forcing = kolmogorov.sine_forcing(domain, strength=2.0, wave_number=2)
    eigenvalue = nu * (2 / domain.dx[1] * np.sin(domain.dx[1])) ** 2
    step = make_step(domain, 0.1, {"viscosity": nu}, substeps=1)
    u = jnp.asarray(forcing / eigenvalue)
    result = step({"viscosity": nu, "forcing": jnp.asarray(forcing)}, u)
    np.testing.assert_allclose(result, u, atol=1e-13)


def test_pressure_takes_the_gradient_part_of_the_forcing(x64):
    domain = Domain((6, 5), (3.0, 2.0))
    potential = jnp.asarray(np.random.default_rng(0).normal(size=(6, 5)))
    gradient = jnp.stack(
        [(potential - jnp.roll(potential, 1, a)) / domain.dx[a] for a in range(2)], -1
    )
    step = make_step(domain, 0.1, {"viscosity": 0.1})
    u, forcing = without_divergence(domain), without_divergence(domain, 1)

    def advance(forcing):
        return step({"viscosity": 0.1, "forcing": forcing}, u)

    np.testing.assert_allclose(
        advance(forcing + gradient), advance(forcing), atol=1e-13
    )
    slope = jax.grad(lambda f: jnp.sum(advance(f) ** 3))(forcing)
    assert abs(jnp.vdot(slope, gradient)) < 1e-12 * jnp.linalg.norm(slope)


def test_force_changes_the_mean_flow_by_its_impulse(x64):
    domain = Domain((6, 5), (3.0, 2.0))
    forcing = jnp.asarray(np.random.default_rng(0).normal(size=(6, 5, 2)))
    step = make_step(domain, 0.1, {"viscosity": 0.1})
    result = step({"viscosity": 0.1, "forcing": forcing}, jnp.zeros((6, 5, 2)))
    np.testing.assert_allclose(
        result.mean((0, 1)), 0.1 * forcing.mean((0, 1)), atol=1e-15
    )


def test_drift_of_the_mean_flow_is_first_order(x64):
    drifts = []
    for level in range(3):
        domain = Domain((16 * 2**level,) * 2, (TAU, TAU))
        num_steps = 4 * 2**level
        step = make_step(domain, 0.8 / num_steps, {"viscosity": 0.0})
        phases = [faces(domain, 0), faces(domain, 1)]
        u = [np.sin(y) + np.sin(x + y) for x, y in phases[:1]]
        u += [np.cos(x) + 0.5 - np.sin(x + y) for x, y in phases[1:]]
        u = jnp.asarray(np.stack(u, -1))
        values = {"viscosity": 0.0, "forcing": 0 * u}
        result = jax.jit(lambda u, s=step, v=values, n=num_steps: rollout(s, v, u, n))(
            u
        )
        drifts.append(float(jnp.linalg.norm((result - u).mean((0, 1)))))
    # Tracing back is O(dt), interpolation O(dx²/dt); both are symmetric here.
    assert order(drifts) > 0.8


def test_energy_decays_without_forcing():
    domain = Domain((12, 10), (3.0, 2.0))
    step = make_step(domain, 0.1, {"viscosity": 0.01})
    u0 = kolmogorov.sample_u0(jax.random.key(0), domain, 1, 0.3, 1.0)[0]
    values = {"viscosity": 0.01, "forcing": 0 * u0}

    @jax.jit
    def energies(u):
        def body(u, _):
            return step(values, u), jnp.sum(u**2)

        return lax.scan(body, u, length=20)[1]

    assert (np.diff(energies(u0)) < 0).all()


@pytest.mark.parametrize("resolution", [(12, 10), (6, 5, 4)], ids=["2d", "3d"])
def test_rollout_stays_free_of_divergence(resolution):
    domain = Domain(resolution, (3.0, 2.0, 2.5)[: len(resolution)])
    step = make_step(domain, 0.1, {"viscosity": 0.01})
    u0 = kolmogorov.sample_u0(jax.random.key(0), domain, 1, 0.4, 1.0)[0]
    forcing = jnp.float32(kolmogorov.sine_forcing(domain))
    values = {"viscosity": 0.01, "forcing": forcing}

    @jax.jit
    def divergences(u):
        def body(u, _):
            u = step(values, u)
            return u, kolmogorov.diagnostics(domain, u)["divergence"]

        return lax.scan(body, u, length=20)[1]

    assert kolmogorov.diagnostics(domain, u0)["divergence"] < kolmogorov.MAX_DIVERGENCE
    assert divergences(u0).max() < kolmogorov.MAX_DIVERGENCE


def test_step_commutes_with_translation(x64):
    domain = Domain((6, 5), (3.0, 2.0))
    u, forcing = without_divergence(domain), without_divergence(domain, 1)
    step = make_step(domain, 0.2, {"viscosity": 0.1})

    def shift(x):
        return jnp.roll(x, (2, 3), (0, 1))

    moved = step({"viscosity": 0.1, "forcing": shift(forcing)}, shift(u))
    expected = shift(step({"viscosity": 0.1, "forcing": forcing}, u))
    np.testing.assert_allclose(moved, expected, atol=1e-13)


def test_step_commutes_with_exchange_of_the_axes(x64):
    domain = Domain((6, 6), (3.0, 3.0))
    u, forcing = without_divergence(domain), without_divergence(domain, 1)
    step = make_step(domain, 0.2, {"viscosity": 0.1})

    def exchange(x):
        return jnp.swapaxes(x, 0, 1)[..., ::-1]

    turned = step({"viscosity": 0.1, "forcing": exchange(forcing)}, exchange(u))
    expected = exchange(step({"viscosity": 0.1, "forcing": forcing}, u))
    np.testing.assert_allclose(turned, expected, atol=1e-13)


def coefficient_cases(domain):
    shape = (*domain.resolution, domain.ndim)
    return {
        "field": coefficients.field(0.1, shape),
        "fourier": expansions.fourier(domain, 1, num_components=domain.ndim),
    }


@pytest.mark.parametrize("num_steps", [1, 50])
@pytest.mark.parametrize("kind", ["field", "fourier"])
def test_gradients_equal_finite_differences(x64, kind, num_steps):
    domain = Domain((6, 5), (TAU, TAU))
    learnt = {
        "viscosity": coefficients.scalar(0.05, (0.0, 0.2)),
        "forcing": coefficient_cases(domain)[kind],
    }
    step = make_step(domain, 0.02, {"viscosity": 0.2})
    model = coefficients.make_model(learnt, step)
    rng = np.random.default_rng(2)
    guess = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), model.init(None))
    params = jax.tree.map(lambda x: x + 0.3 * rng.normal(size=x.shape), guess)
    direction = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape)), params)
    # The mean flow keeps every displacement positive: the scheme is smooth there.
    u = 2 + 0.2 * without_divergence(domain)

    @jax.jit
    @jax.value_and_grad
    def loss(params):
        u_end = lax.scan(
            lambda u, _: (model.step(params, u), None), u, length=num_steps
        )[0]
        return jnp.mean((u_end - u) ** 2)

    def shifted(direction, h):
        return loss(jax.tree.map(lambda x, d: x + h * d, params, direction))[0]

    slopes = loss(params)[1]
    for name in learnt:
        only = {
            n: jax.tree.map(lambda d, keep=n == name: d * keep, direction[n])
            for n in learnt
        }
        exact = sum(jax.tree.leaves(jax.tree.map(jnp.vdot, slopes, only)))
        assert abs(exact) > 1e-10
        central = (shifted(only, 1e-5) - shifted(only, -1e-5)) / 2e-5
        np.testing.assert_allclose(exact, central, rtol=1e-5)


def test_vmap_equals_loop():
    domain = Domain((6, 5), (3.0, 2.0))
    step = make_step(domain, 0.2, {"viscosity": 0.1})
    forcing = jnp.float32(kolmogorov.sine_forcing(domain))
    values = {"viscosity": jnp.float32(0.1), "forcing": forcing}
    batch = kolmogorov.sample_u0(jax.random.key(0), domain, 2, 0.3, 1.0)
    together = jax.jit(jax.vmap(step, (None, 0)))(values, batch)
    loop = jnp.stack([jax.jit(step)(values, u) for u in batch])
    assert together.dtype == jnp.float32
    np.testing.assert_allclose(together, loop, atol=1e-5)


def test_gradient_over_fifty_steps_is_finite_in_float32():
    domain = Domain((6, 5), (3.0, 2.0))
    step = make_step(domain, 0.2, {"viscosity": 0.1})
    forcing = jnp.float32(kolmogorov.sine_forcing(domain))
    values = {"viscosity": jnp.float32(0.01), "forcing": forcing}
    u = kolmogorov.sample_u0(jax.random.key(0), domain, 1, 0.3, 1.0)[0]
    loss = jax.jit(
        jax.grad(lambda v, u: jnp.mean(rollout(step, v, u, 50) ** 2), (0, 1))
    )
    for slope in jax.tree.leaves(loss(values, u)):
        assert slope.dtype == jnp.float32 and jnp.isfinite(slope).all()
        assert jnp.abs(slope).max() > 0


def test_sampled_states_differ_and_add_up_with_the_mean_flow():
    domain = Domain((12, 10), (3.0, 2.0))
    forcing = kolmogorov.sine_forcing(domain)
    u = kolmogorov.sample_u0(jax.random.key(0), domain, 2, 0.3, 0.0, 0.1 * forcing)
    # A sine along the other axis has no divergence: the projection leaves it.
    np.testing.assert_allclose(u, [0.1 * forcing] * 2, atol=1e-7)
    one, other = kolmogorov.sample_u0(jax.random.key(0), domain, 2, 0.3, 1.0)
    assert one.dtype == jnp.float32 and jnp.abs(one - other).max() > 0.5
    assert 0.3 < jnp.sqrt(jnp.mean(one**2)) < 1


def test_sine_forcing_has_the_stated_values():
    forcing = kolmogorov.sine_forcing(Domain((2, 4), (1.0, 8.0)), 3.0, 1)
    # sin(2π y / 8) at y = 1, 3, 5, 7 is ±1/√2.
    expected = 3 / np.sqrt(2) * np.array([1, 1, -1, -1])
    np.testing.assert_allclose(forcing[..., 0], [expected] * 2, atol=1e-14)
    assert not forcing[..., 1].any()


def test_wrong_arguments_are_refused():
    domain, upper = Domain((6, 5), (3.0, 2.0)), {"viscosity": 0.1}
    with pytest.raises(ValueError, match="the domain has walls"):
        kolmogorov.make_step(Domain((6, 5), (3.0, 2.0), False), 0.1, upper)
    with pytest.raises(ValueError, match="give it 2 or 3"):
        kolmogorov.make_step(Domain((6,), (3.0,)), 0.1, upper)
    with pytest.raises(ValueError, match=r"substeps=1 is unstable"):
        kolmogorov.make_step(domain, 2.0, upper, substeps=1)
    step = make_step(domain, 0.1, upper)
    values = {"viscosity": 0.1, "forcing": jnp.zeros((6, 5, 2))}
    with pytest.raises(ValueError, match=r"u has shape \(5, 6, 2\), expected"):
        step(values, jnp.zeros((5, 6, 2)))
    with pytest.raises(ValueError, match=r"forcing has shape \(6, 5\), expected"):
        step({**values, "forcing": jnp.zeros((6, 5))}, jnp.zeros((6, 5, 2)))
    with pytest.raises(ValueError, match=r"viscosity has shape \(6, 5\), expected"):
        step({**values, "viscosity": jnp.zeros((6, 5))}, jnp.zeros((6, 5, 2)))
