"""One contract for every model and every kind of data.

The same two trainers and the same cycle fit steppers on a grid and at points, neural
fields, steady equations, unknown initial states and driven boundaries.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.models.initial import with_initial
from hyco_jax.models.neural_field import make_record, neural_field
from hyco_jax.models.steady import steady
from hyco_jax.models.stepper import stepper
from hyco_jax.networks.model import as_model
from hyco_jax.types import Query, Samples
from tests import hyco, toy

RING, DT, STEPS = Domain((8,), (8.0,)), 0.5, 5
KERNEL = stepper(
    lambda key: {"kernel": jnp.array([0.1, 0.7, 0.1])}, toy.convolve, RING, DT
)
DIFFUSION = stepper(lambda key: {"rate": jnp.array(0.35)}, toy.diffuse, RING, DT)


class Stencil(nn.Module):
    """A linear stencil of temperature and end, that at both ends of the step."""

    @nn.compact
    def __call__(self, x):
        near = [jnp.roll(x[:, :1], i, 0) for i in (-1, 1)]
        place = jnp.eye(16)[:, :2]
        features = jnp.concatenate([x, *near, place * x[:, 2:], place], -1)
        f = nn.Dense(1, kernel_init=nn.initializers.zeros)(features)
        return x[:, :1] + 0.1 * f


def truth(query):
    return DIFFUSION.predict({"rate": jnp.array(toy.RATE)}, query)


def on_grid(key, count=4, points=None):
    """A query of random states on the ring."""
    sim = jnp.arange(count)
    u0 = jax.random.normal(key, (count, 8, 1))
    return Query(sim, jnp.zeros_like(sim), u0, points, horizon=STEPS)


def at_points(key, count=4, num_points=30):
    """The same at random times and places."""
    u0_key, point_key = jax.random.split(key)
    most = jnp.array([STEPS * DT, 8.0])
    points = most * jax.random.uniform(point_key, (count, num_points, 2))
    return on_grid(u0_key, count, points)


def observed(query, answers):
    return Samples(query, answers, jnp.ones((1,) * answers.ndim))


def make_field(domain, dt, num_steps):
    record = make_record(1, num_steps, np.zeros(1), np.ones(1))
    return neural_field(hyco.MLP(), domain, dt, (Quantity("u"),), record)


@pytest.mark.parametrize("make_query", [on_grid, at_points], ids=["grid", "points"])
def test_a_stepper_is_fitted_on_the_grid_and_at_scattered_points(make_query):
    query = make_query(jax.random.key(1))
    real = observed(query, truth(query))
    synthetic, physical, metrics = hyco.train(
        KERNEL, DIFFUSION, real, lambda key, real: make_query(key), num_cycles=4
    )
    # The network of three weights is the true scheme when it has learnt.
    assert physical["rate"] == pytest.approx(toy.RATE, rel=1e-3)
    exact = [toy.RATE, 1 - 2 * toy.RATE, toy.RATE]
    np.testing.assert_allclose(synthetic["kernel"], exact, atol=0.01)
    assert metrics["physical"]["part_losses"].shape == (4, 2)


def test_a_neural_field_is_fitted_to_a_steppers_predictions_at_random_points():
    x = RING.coordinates()[:, 0]
    u0 = jnp.asarray(np.sin(2 * np.pi * x / 8), jnp.float32)[None, :, None]

    def ask(key, real=None, num_points=200):
        del real
        most = jnp.array([STEPS * DT, 8.0])
        points = most * jax.random.uniform(key, (1, num_points, 2))
        zero = jnp.zeros(1, jnp.int32)
        return Query(zero, zero, u0, points, horizon=STEPS)

    query = ask(jax.random.key(1), num_points=10)
    real = observed(query, truth(query))
    field = make_field(RING, DT, STEPS)
    synthetic, physical, _ = hyco.train(field, DIFFUSION, real, ask, num_cycles=30)
    assert physical["rate"] == pytest.approx(toy.RATE, rel=0.02)
    # Ten points don't tell a field; the stepper's predictions do.
    elsewhere = ask(jax.random.key(2))
    error = field.predict(synthetic, elsewhere) - truth(elsewhere)
    assert jnp.sqrt(jnp.mean(error**2)) < 0.05
    on_the_grid = field.predict(synthetic, elsewhere.replace(points=None))
    assert on_the_grid.shape == (1, STEPS, 8, 1)


def test_a_steady_equation_is_fitted_at_points():
    """-(κu')' = π² sin(πx) with u = 0 at both ends is u = sin(πx)/κ."""
    rod = Domain((32,), (1.0,), periodic=False)
    h, x = rod.dx[0], rod.coordinates()[:, 0]
    laplacian = np.diag(np.full(31, 1.0), 1) + np.diag(np.full(31, 1.0), -1)
    laplacian -= np.diag(np.r_[3.0, np.full(30, 2.0), 3.0])  # 0 half a cell outside
    source = jnp.asarray(np.pi**2 * np.sin(np.pi * x), jnp.float32)

    def solve(params, sim):
        del sim
        matrix = -jnp.exp(params["log_kappa"]) * jnp.asarray(laplacian / h**2)
        return jnp.linalg.solve(matrix.astype(jnp.float32), source)[:, None]

    def ask(key, real=None):
        del real
        zero = jnp.zeros(1, jnp.int32)
        places = jax.random.uniform(key, (1, 20, 1))
        return Query(zero, zero, points=jnp.concatenate([0 * places, places], -1))

    physical = steady(lambda key: {"log_kappa": jnp.array(0.0)}, solve, rod)
    query = ask(jax.random.key(1))
    real = observed(query, jnp.sin(np.pi * query.points[..., 1:]) / 2.5)
    field = make_field(rod, 1.0, 1)
    synthetic, found, _ = hyco.train(field, physical, real, ask, num_cycles=15)
    assert jnp.exp(found["log_kappa"]) == pytest.approx(2.5, rel=0.01)
    at = ask(jax.random.key(2))
    expected = jnp.sin(np.pi * at.points[..., 1:]) / 2.5
    np.testing.assert_allclose(field.predict(synthetic, at), expected, atol=0.05)


def test_an_unknown_initial_state_is_fitted_with_the_coefficient():
    query = on_grid(jax.random.key(1), count=2)
    real = observed(query, truth(query))
    # What was at t = 0 is hidden from both models, and asked of none.
    blind = real.replace(query=query.replace(u0=jnp.full_like(query.u0, jnp.nan)))
    unknown = with_initial(DIFFUSION, jnp.zeros((2, 8, 1)))
    partner = with_initial(KERNEL, real.targets[:, 0])
    synthetic, physical, _ = hyco.train(
        partner, unknown, blind, lambda key, real: real.query, num_cycles=6
    )
    assert physical["rate"] == pytest.approx(toy.RATE, rel=0.02)
    np.testing.assert_allclose(physical["u0"], query.u0, atol=0.1)
    assert np.isfinite(synthetic["u0"]).all()


def test_a_rod_is_driven_by_a_measured_end_temperature():
    rod = Domain((16,), (1.0,), periodic=False)
    quantities = (Quantity("temperature"), Quantity("end", is_driven=True))
    dt, steps, true_rate = 0.002, 20, 0.4

    def step(params, u, after):
        """Explicit diffusion, the left wall at the mean of the step's two ends."""
        wall = (u[:1, 1] + after[:1, 0]) / 2
        plane = u[:, 0]
        ghosts = jnp.concatenate([2 * wall - plane[:1], plane, plane[-1:]])
        change = jnp.diff(ghosts, n=2) / rod.dx[0] ** 2
        return jnp.stack([plane + dt * params["rate"] * change, u[:, 1]], -1)

    physical = stepper(lambda k: {"rate": jnp.array(0.1)}, step, rod, dt, quantities)
    synthetic = as_model(Stencil(), rod, dt, quantities)
    wave = 1 + np.sin(np.arange(2)[:, None] + 0.5 * np.arange(steps + 1))
    given = jnp.broadcast_to(wave[..., None, None], (2, steps + 1, 16, 1))
    given = given.astype(jnp.float32)
    u0 = jnp.concatenate([jnp.zeros((2, 16, 1)), given[:, 0]], -1)
    query = Query(jnp.arange(2), jnp.zeros(2, int), u0, given=given, horizon=steps)
    answers = physical.predict({"rate": jnp.array(true_rate)}, query)
    np.testing.assert_array_equal(answers[..., 1], given[:, 1:, :, 0])
    # Two sensors in the rod, and the end itself, which is known and has no weight.
    weights = jnp.zeros((1, 1, 16, 2)).at[0, 0, jnp.array([2, 6]), 0].set(1)
    real = Samples(query, jnp.where(weights > 0, answers, jnp.nan), weights)
    _, found, metrics = hyco.train(
        synthetic, physical, real, lambda key, real: real.query, num_cycles=4
    )
    assert found["rate"] == pytest.approx(true_rate, rel=1e-3)
    losses = metrics["synthetic"]["losses"]
    assert losses[-1, -1] < 0.5 * losses[0, 0]
