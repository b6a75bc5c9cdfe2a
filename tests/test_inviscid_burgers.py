"""Inviscid Burgers in a potential: exact solutions, orders, forces, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from hyco_jax.grids import fields
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.fields import flow
from hyco_jax.models import coefficients, expansions
from hyco_jax.pde import inviscid_burgers

pytestmark = pytest.mark.usefixtures("quick_compilation")

TAU = 2 * np.pi
RESOLUTIONS = [(9,), (6, 7), (4, 5, 3)]


@pytest.fixture
def x64():
    with jax.enable_x64(True), flow.math.precision(64):
        yield


def rollout(step, potential, u, num_steps):
    values = {"potential": potential}
    return lax.scan(lambda u, _: (step(values, u), None), u, length=num_steps)[0]


def box(resolution):
    return Domain(resolution, (3.0, 2.0, 2.5)[: len(resolution)])


def random_case(domain):
    rng = np.random.default_rng(0)
    u = rng.uniform(-1, 1, (*domain.resolution, domain.ndim))
    return rng.normal(size=domain.resolution), u


def smooth_state(domain, dt):
    """Returns velocities that move 0.4 to 0.6 of a cell in `dt`, all forward."""
    phase = TAU * domain.coordinates() / np.array(domain.extent)
    return jnp.asarray((0.5 + 0.1 * np.cos(phase)[..., ::-1]) * min(domain.dx) / dt)


def central_gradient(potential, domain):
    return np.stack(
        [
            (np.roll(potential, -1, i) - np.roll(potential, 1, i)) / (2 * h)
            for i, h in enumerate(domain.dx)
        ],
        axis=-1,
    )


def order(errors):
    """Observed order from errors on grids or steps halved each time."""
    return -np.polyfit(np.arange(len(errors)), np.log2(errors), 1)[0]


@pytest.mark.parametrize("resolution", RESOLUTIONS, ids=["1d", "2d", "3d"])
def test_from_rest_a_step_is_the_force(x64, resolution):
    domain = box(resolution)
    potential, u = random_case(domain)
    step = inviscid_burgers.make_step(domain, 0.3, {})
    result = step({"potential": potential}, jnp.zeros_like(u))
    expected = -0.3 * central_gradient(potential, domain)
    np.testing.assert_allclose(result, expected, atol=1e-14)


def test_the_force_is_second_order_in_space(x64):
    errors = []
    for level in range(3):
        domain = Domain((8 * 2**level, 12 * 2**level), (3.0, 2.0))
        k = TAU / np.array(domain.extent)
        phase = k * domain.coordinates()
        sin, cos = np.sin(phase), np.cos(phase)
        exact = k * cos * sin[..., ::-1]
        step = inviscid_burgers.make_step(domain, 1.0, {})
        potential = inviscid_burgers.sine_potential(domain)
        u = step({"potential": potential}, jnp.zeros_like(exact))
        errors.append(np.abs(u + exact).max())
    assert order(errors) == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("displacement", [0.9, 3.6], ids=["near", "far"])
def test_step_is_phiflows_advection_and_force(x64, displacement):
    domain = box((6, 7))
    potential, u = random_case(domain)
    dt = displacement * min(domain.dx)
    field = fields.to_field(jnp.asarray(u), domain)
    moved = fields.to_array(flow.advect.semi_lagrangian(field, field, dt))
    step = inviscid_burgers.make_step(domain, dt, {})
    result = step({"potential": potential}, jnp.asarray(u))
    expected = moved - dt * central_gradient(potential, domain)
    np.testing.assert_allclose(result, expected, atol=1e-13)


def test_convergence_before_the_shock_is_first_order(x64):
    # Without a force u = f(x - u t) is exact until the shock, here at t = 1/0.4 = 2.5.
    end, errors = 1.0, []
    for level in range(3):
        n, num_steps = 32 * 2**level, 8 * 2**level
        domain = Domain((n,), (TAU,))
        x = domain.coordinates()
        exact = np.ones_like(x)
        for _ in range(60):  # A contraction by 0.4 each.
            exact = 1 + 0.4 * np.sin(x - exact * end)
        step = jax.jit(inviscid_burgers.make_step(domain, end / num_steps, {}))
        result = rollout(step, np.zeros(n), jnp.asarray(1 + 0.4 * np.sin(x)), num_steps)
        errors.append(np.sqrt(np.mean((result - exact) ** 2)))
    assert order(errors) == pytest.approx(1, abs=0.15)
    assert errors[-1] < 0.02


def test_convergence_in_time_is_first_order(x64):
    # On 1024 cells dx²/dt is at most 1e-3, times r(1 - r)/2 <= 1/8: far below dt.
    domain = Domain((1024,), (TAU,))
    x = domain.coordinates()
    start, end, errors = jnp.asarray(1 + 0.4 * np.sin(x)), 0.6, []
    exact = np.ones_like(x)
    for _ in range(60):
        exact = 1 + 0.4 * np.sin(x - exact * end)
    for num_steps in (4, 8, 16):
        step = jax.jit(inviscid_burgers.make_step(domain, end / num_steps, {}))
        result = rollout(step, np.zeros(1024), start, num_steps)
        errors.append(np.sqrt(np.mean((result - exact) ** 2)))
    assert order(errors) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("ndim", [1, 2])
def test_a_steady_state_drifts_at_first_order(x64, ndim):
    # A velocity with u²/2 + φ constant is steady; in 2-D along the diagonal.
    drifts = []
    for level in range(3):
        n, num_steps = 16 * 2**level, 4 * 2**level
        domain = Domain((n,) * ndim, (TAU,) * ndim)
        speed = 1.5 + 0.4 * np.sin(domain.coordinates().sum(axis=-1))
        # u = w(x + y) (1, 1): u·∇u = 2 w w' (1, 1), so φ = -w² there, -w²/2 in 1-D.
        potential = -ndim / 2 * speed**2
        u = jnp.asarray(np.stack([speed] * ndim, axis=-1))
        step = jax.jit(inviscid_burgers.make_step(domain, 0.5 / num_steps, {}))
        result = rollout(step, potential, u, num_steps)
        drifts.append(np.sqrt(np.mean((result - u) ** 2)))
    assert order(drifts) == pytest.approx(1, abs=0.2)
    assert drifts[-1] < 0.03


@pytest.mark.parametrize("resolution", RESOLUTIONS, ids=["1d", "2d", "3d"])
def test_the_force_adds_no_momentum(x64, resolution):
    domain = box(resolution)
    potential, u = random_case(domain)
    step = jax.jit(inviscid_burgers.make_step(domain, 0.3, {}))
    with_force = step({"potential": potential}, jnp.asarray(u))
    without = step({"potential": 0 * potential}, jnp.asarray(u))
    assert np.abs(with_force - without).max() > 0.1
    axes = tuple(range(domain.ndim))
    np.testing.assert_allclose(
        with_force.mean(axes), without.mean(axes), atol=1e-15 * with_force.size
    )


def test_the_drift_of_momentum_by_advection_is_first_order(x64):
    drifts = []
    for level in range(3):
        n, num_steps = 32 * 2**level, 8 * 2**level
        domain = Domain((n,), (TAU,))
        x = domain.coordinates()
        u = jnp.asarray(1 + 0.4 * np.sin(x) + 0.2 * np.cos(2 * x))
        step = jax.jit(inviscid_burgers.make_step(domain, 0.4 / num_steps, {}))
        potential = 0.2 * inviscid_burgers.sine_potential(domain)
        drifts.append(abs(float(jnp.mean(rollout(step, potential, u, num_steps) - u))))
    assert order(drifts) == pytest.approx(1, abs=0.2)


def test_a_constant_added_to_the_potential_changes_nothing(x64):
    domain = box((6, 7))
    potential, u = random_case(domain)
    step = jax.jit(inviscid_burgers.make_step(domain, 0.3, {}))
    result = step({"potential": potential + 5.0}, jnp.asarray(u))
    expected = step({"potential": potential}, jnp.asarray(u))
    # The sum with 5 is rounded to 1e-15, times dt/dx of about 1.
    np.testing.assert_allclose(result, expected, atol=1e-14)


def test_without_a_force_no_new_extrema_even_through_a_shock():
    domain = Domain((32,), (TAU,))
    u = jnp.float32(np.sin(domain.coordinates()))
    step = inviscid_burgers.make_step(domain, 0.2, {})
    result = rollout(step, jnp.zeros(32), u, 20)
    # A few roundings of the weights, which add up to 1.
    assert np.abs(result).max() <= np.abs(u).max() + 1e-6
    # The shock has formed at t = 1 and dissipates what runs into it.
    assert jnp.sum(result**2) < 0.7 * jnp.sum(u**2)


def test_a_shock_onto_rest_stands_still():
    # Its speed should be 1/2; cells at rest keep their value in this scheme.
    domain = Domain((16,), (16.0,))
    u = jnp.where(jnp.arange(16) < 8, 1.0, 0.0)[:, None]
    step = inviscid_burgers.make_step(domain, 0.5, {})
    result = rollout(step, jnp.zeros(16), u, 8)
    np.testing.assert_array_equal(result[8:], 0.0)


def test_step_commutes_with_translation(x64):
    domain = box((6, 7))
    potential, u = random_case(domain)
    step = jax.jit(inviscid_burgers.make_step(domain, 0.1, {}))
    shifted = step(
        {"potential": np.roll(potential, (2, 3), (0, 1))},
        jnp.roll(u, (2, 3), (0, 1)),
    )
    expected = jnp.roll(step({"potential": potential}, u), (2, 3), (0, 1))
    np.testing.assert_allclose(shifted, expected, atol=1e-13)


KINDS = {
    "field": lambda domain: coefficients.field(0.0, domain.resolution, zero_mean=True),
    "fourier": lambda domain: expansions.fourier(domain, 1, zero_mean=True),
}


@pytest.mark.parametrize(
    ("kind", "resolution"),
    [("field", (9,)), ("field", (6, 7)), ("fourier", (6, 7)), ("fourier", (4, 5, 3))],
)
def test_gradients_equal_finite_differences(x64, resolution, kind):
    # Forces are small, so that departure points stay inside their cells: there the
    # scheme is smooth.
    domain, dt = box(resolution), 0.1
    u = smooth_state(domain, dt)
    step = inviscid_burgers.make_step(domain, dt, {})
    model = coefficients.make_model({"potential": KINDS[kind](domain)}, step)
    raw = np.float64(model.init(None)["potential"])
    direction = 0.05 * np.random.default_rng(2).normal(size=raw.shape)
    weight = jnp.asarray(np.random.default_rng(3).normal(size=u.shape))

    @jax.jit
    @jax.value_and_grad
    def loss(raw, u):
        end = lax.scan(
            lambda u, _: (model.step({"potential": raw}, u), None), u, length=3
        )[0]
        return jnp.sum(weight * end**2)

    h = 1e-4
    central = (loss(raw + h * direction, u)[0] - loss(raw - h * direction, u)[0]) / (
        2 * h
    )
    slope = loss(raw, u)[1]
    assert abs(central) > 1e-4
    np.testing.assert_allclose(jnp.vdot(slope, direction), central, rtol=1e-5)
    if kind == "field":
        # A constant changes nothing.
        np.testing.assert_allclose(slope.sum(), 0.0, atol=1e-13)


def test_float32_and_finite_gradients_over_50_steps_through_shocks():
    domain = Domain((6, 7), (TAU, TAU))
    potential = jnp.float32(inviscid_burgers.sine_potential(domain))
    u = jnp.float32(random_case(domain)[1])
    step = inviscid_burgers.make_step(domain, 0.3, {})

    @jax.jit
    def run(potential, u):
        def loss(potential, u):
            end = rollout(step, potential, u, 50)
            return jnp.sum(end**2), end

        return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(potential, u)

    for leaf in jax.tree.leaves(run(potential, u)):
        assert leaf.dtype == jnp.float32
        assert np.isfinite(leaf).all()


def test_vmap_equals_loop():
    domain = box((6, 7))
    potential, u = map(jnp.float32, random_case(domain))
    step = inviscid_burgers.make_step(domain, 0.25, {})
    # The last state moves more than a cell and sends the whole batch the long way.
    batch = jnp.stack([u, u[::-1], 4 * u])

    def loss(potential, u):
        return jnp.sum(step({"potential": potential}, u) ** 2)

    one = jax.jit(jax.value_and_grad(loss))
    together = jax.jit(jax.vmap(jax.value_and_grad(loss), (None, 0)))
    values, slopes = zip(*[one(potential, u) for u in batch], strict=True)
    result = together(potential, batch)
    # The long way rounds positions: 1e-7 of 6 cells, times slopes of 4.
    np.testing.assert_allclose(result[0], values, rtol=1e-5)
    np.testing.assert_allclose(result[1], jnp.stack(slopes), atol=1e-4)


def test_sine_potential_has_the_stated_values_and_no_mean():
    potential = inviscid_burgers.sine_potential(Domain((4, 8), (2.0, 3.0)), scale=2.0)
    # sin 45° along x, sin 22.5° along y.
    expected = 2 * np.sin(np.pi / 4) * np.sin(np.pi / 8)
    np.testing.assert_allclose(potential[0, 0], expected)
    np.testing.assert_allclose(potential.mean(), 0.0, atol=1e-16)


def test_samples_are_velocities_of_the_given_amplitude(key):
    domain = Domain((6, 5, 4), (3.0, 2.0, 2.5))
    u0 = inviscid_burgers.sample_u0(key, domain, 2, scale=0.3, amplitude=0.5)
    assert [q.num_components for q in inviscid_burgers.quantities(domain)] == [3]
    assert u0.shape == (2, 6, 5, 4, 3) and u0.dtype == jnp.float32
    rms = jnp.sqrt(jnp.mean(u0**2, axis=(1, 2, 3)))
    np.testing.assert_allclose(rms, 0.5, rtol=1e-5)


def test_what_does_not_fit_is_refused():
    domain = box((6, 7))
    step = inviscid_burgers.make_step(domain, 0.1, {})
    with pytest.raises(ValueError, match=r"expected \(6, 7, 2\); batch with jax"):
        step({"potential": jnp.zeros((6, 7))}, jnp.zeros((3, 6, 7, 2)))
    with pytest.raises(ValueError, match=r"potential has shape \(\), expected \(6, 7"):
        step({"potential": 1.0}, jnp.zeros((6, 7, 2)))
    with pytest.raises(ValueError, match="dt=-1 must be positive"):
        inviscid_burgers.make_step(domain, -1, {})
    with pytest.raises(ValueError, match="make the Domain with periodic=True"):
        inviscid_burgers.make_step(Domain((6,), (1.0,), periodic=False), 0.1, {})
