"""Advection by a known velocity: exact solutions, orders, bounds, gradients."""

import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.grids.domain import Domain
from hyco_jax.pde import advection
from hyco_jax.pde.kernels import polar
from tests import order
from tests.pde import table
from tests.pde.compiled import Query, advance
from tests.pde.states import TAU

AS_KNOWN = {"factor": 1.0, "modulation": 0.0}


def join(density, velocity):
    return jnp.asarray(np.concatenate([density[..., None], velocity], axis=-1))


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("num_cells", [-1, 5], ids=["near", "far"])
def test_a_displacement_of_whole_cells_is_a_shift(x64, ndim, num_cells):
    name = f"advection-{ndim}d"
    case, program = (
        table.build(name),
        table.compiled(name),
    )
    u = case.rough.copy()
    # Half of it is known, scaled by the factor; half is modulation.
    velocity = num_cells * np.array(case.domain.dx) / case.dt
    u[..., 1:] = velocity / 4
    modulation = np.broadcast_to(velocity / 2, u[..., 1:].shape)
    (answer,) = program.ask(Query({"factor": 2.0, "modulation": modulation}, u))
    expected = np.roll(u[..., 0], (num_cells,) * ndim, tuple(range(ndim)))
    # Rounding of positions, times slopes of at most 2 per cell.
    np.testing.assert_allclose(answer.states[0, ..., 0], expected, atol=1e-13)


def test_interpolation_of_a_mode_damps_it_at_the_theoretical_rate(x64):
    # With r the fraction of a cell, a wave is multiplied by 1 - r + r exp(-i k dx).
    domain, dt, fraction = Domain((12,), (TAU,)), 0.2, 0.3
    x = domain.coordinates()
    velocity = np.full_like(x, fraction * domain.dx[0] / dt)
    step = advection.make_step(domain, dt, {})
    result = advance(step, AS_KNOWN, join(np.sin(x[:, 0]), velocity))
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
    result = advance(step, AS_KNOWN, u, num_steps)
    return np.sqrt(np.mean((result[..., 0] - np.sin(y - w)) ** 2))


def test_at_a_fixed_time_step_the_order_in_space_is_two(x64):
    # dx² r(1 - r)/(2 dt), where displacements of many cells take every fraction r.
    found = order.observe(lambda level: shear_error(64 * 2**level, 4))
    assert found.order == pytest.approx(2, abs=0.25)


def test_at_a_fixed_courant_number_the_order_is_one(x64):
    found = order.observe(lambda level: shear_error(16 * 2**level, 6 * 2**level))
    assert found.order == pytest.approx(1, abs=0.15)


def test_the_order_in_time_is_one(x64):
    # With v = 1/(1 + cos(x)/2), s = x + sin(x)/2 is the time a particle needs to x.
    domain = Domain((2048,), (TAU,))
    x = domain.coordinates()
    arrival = x[:, 0] + np.sin(x[:, 0]) / 2
    u = join(np.sin(arrival), 1 / (1 + np.cos(x) / 2))

    def error(level):
        # dx²/dt is at most 2e-4, far below dt.
        num_steps = 5 * 2**level
        step = advection.make_step(domain, 0.5 / num_steps, {})
        result = advance(step, AS_KNOWN, u, num_steps)
        return np.abs(result[:, 0] - np.sin(arrival - 0.5)).max()

    assert order.observe(error).order == pytest.approx(1, abs=0.15)


def test_a_ring_of_a_swirl_turns_by_its_angular_velocity(x64):
    # About the centre a wave cos θ at radius r turns by the angle ω(r) t.
    domain, dt, num_steps = Domain((64, 64), (10.0, 10.0)), 0.1, 10
    x = domain.coordinates() - 5.0
    r, angle = np.hypot(x[..., 0], x[..., 1]), np.arctan2(x[..., 1], x[..., 0])
    speed = 0.8 * np.exp(-(((r - 3.0) / 1.5) ** 2)) * polar.taper(r / 10)
    envelope = np.exp(-(((r - 3.0) / 0.8) ** 2))
    u = join(envelope * np.cos(angle), advection.swirl_velocity(domain, strength=0.8))
    step = advection.make_step(domain, dt, {})
    result = advance(step, AS_KNOWN, u, num_steps)[..., 0]
    expected = envelope * np.cos(angle - speed * num_steps * dt)
    start = np.linalg.norm(expected - u[..., 0])
    # Euler's trajectories drift outwards by dt ω² r/2 per unit time: about 0.1 of 0.8.
    assert np.linalg.norm(result - expected) < 0.15 * start


def test_the_drift_of_mass_is_first_order_where_the_equation_keeps_it(x64):
    def drift(level):
        n, num_steps = 16 * 2**level, 4 * 2**level
        domain = Domain((n, n), (TAU, TAU))
        x, y = np.moveaxis(domain.coordinates(), -1, 0)
        # Divergence-free, but Euler's trajectories change areas by dt² det ∇v.
        velocity = 0.5 * np.stack([np.sin(x) * np.cos(y), -np.cos(x) * np.sin(y)], -1)
        u = join(np.cos(x) * np.sin(y) + np.cos(x) ** 2, velocity)
        step = advection.make_step(domain, 1.0 / num_steps, {})
        result = advance(step, AS_KNOWN, u, num_steps)
        return abs(jnp.mean(result[..., 0] - u[..., 0]))

    assert order.observe(drift).order == pytest.approx(1, abs=0.25)


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
    finer = advection.sample_u0(key, domain.refined(3), 3, scale=0.4, amplitude=0.8)
    np.testing.assert_allclose(finer[:, 1::3, 1::3, 0], u0[..., 0], atol=1e-5)


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


@pytest.mark.parametrize("fn", [advection.swirl_velocity, advection.ring_modulation])
def test_swirls_end_smoothly_before_the_sides_of_the_box(fn):
    # Where a circle about the centre touches a side, and beyond it.
    near = fn(Domain((400, 400), (2.0, 2.0)))
    r = np.hypot(*np.moveaxis(Domain((400, 400), (2.0, 2.0)).coordinates() - 1, -1, 0))
    assert not near[r >= 1].any()
    # Like (1 - r)² or steeper: twice as near to the end, a quarter is left.
    last, tenth = (np.abs(near[r > 1 - width]).max() for width in (0.05, 0.1))
    assert 0 < last < tenth / 3.5


def test_a_swirl_has_no_divergence():
    def largest(level):
        domain = Domain((64 * 2**level,) * 2, (2.0, 2.0))
        u = advection.swirl_velocity(domain)
        slopes = [
            (np.roll(u[..., a], -1, a) - np.roll(u[..., a], 1, a)) / (2 * domain.dx[a])
            for a in range(2)
        ]
        return np.abs(sum(slopes)).max()

    # Across the sides too, where velocities that jump would give 1/dx.
    found = order.observe(largest)
    assert found.order > 1.5 and found.errors[-1] < 0.01


def test_the_centre_of_a_swirl_is_at_rest():
    swirl = advection.swirl_velocity(Domain((3, 3), (1.0, 1.0)))
    np.testing.assert_array_equal(swirl[1, 1], 0.0)


def test_a_velocity_that_does_not_fit_is_refused(key):
    with pytest.raises(ValueError, match=r"velocity has shape \(2,\), expected"):
        domain = Domain((6, 7), (3.0, 2.0))
        advection.sample_u0(key, domain, 1, 0.1, 1.0, velocity=np.ones(2))
    with pytest.raises(ValueError, match="give a velocity of your own"):
        advection.sample_u0(key, Domain((6,), (1.0,)), 1, 0.1, 1.0)
