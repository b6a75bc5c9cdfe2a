"""Models with initial states of their own: segments, jumps, and what is fitted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.models import segments, stepper
from hyco_jax.types import Query

DOMAIN, DT, STEPS = Domain((5,), (1.0,)), 0.1, 7
QUANTITIES = (Quantity("u"), Quantity("known", is_static=True))
PREDICTED = np.array([True, False])
PARAMS = {"rate": jnp.float32(0.9)}
SIM = jnp.array([1, 0])


def step(params, u):
    moved = params["rate"] * jnp.roll(u[:, :1], 1, axis=0) + 0.1 * u[:, 1:]
    return jnp.concatenate([moved, u[:, 1:]], axis=-1)


PLAIN = stepper.stepper(lambda key: dict(PARAMS), step, DOMAIN, DT, QUANTITIES)


def make(count, fits_first=True, num_steps=STEPS):
    """Starts on the trajectories from random states of two simulations."""
    u0 = jax.random.normal(jax.random.key(0), (2, 5, 2))
    whole = stepper.trajectories(PLAIN.predict, PARAMS, query(u0, num_steps=20))
    starts = whole[:, segments.segment_starts(num_steps, count)]
    guess = segments.make_params(
        starts, segments.segment_steps(num_steps, count), jump_weight=2.0
    )
    own = segments.with_states(
        PLAIN, guess, DOMAIN, DT, QUANTITIES, PREDICTED, fits_first
    )
    return own, own.model.init(jax.random.key(1)), whole


def query(u0=None, sim=None, num_steps=STEPS, points=None):
    sim = jnp.arange(2) if sim is None else sim
    return Query(sim, jnp.zeros_like(sim), u0, points, None, num_steps)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_segments_on_a_trajectory_give_it_back_without_jumps(count):
    own, params, whole = make(count)
    found = own.answer(params, query(sim=SIM))
    np.testing.assert_allclose(found.values, whole[SIM, 1 : STEPS + 1], rtol=1e-6)
    np.testing.assert_allclose(found.jumps, 0, atol=1e-7)
    assert found.jumps.shape[1] == len(segments.segment_starts(STEPS, count)) - 1
    # After the last segment it rolls on.
    longer = own.model.predict(params, query(sim=SIM, num_steps=20))
    np.testing.assert_allclose(longer, whole[SIM, 1:], rtol=1e-5, atol=1e-6)
    points = jax.random.uniform(jax.random.key(2), (2, 9, 2)) * jnp.array([0.7, 1.0])
    asked = own.model.predict(params, query(sim=SIM, points=points))
    expected = PLAIN.predict(PARAMS, query(whole[SIM, 0], points=points))
    np.testing.assert_allclose(asked, expected, rtol=1e-5, atol=1e-6)


def test_given_initial_states_are_answered_as_before():
    own, params, whole = make(3)
    np.testing.assert_array_equal(
        own.model.predict(params, query(whole[:, 2])),
        PLAIN.predict(PARAMS, query(whole[:, 2])),
    )


def test_a_jump_is_the_end_of_a_segment_minus_the_next_start():
    own, params, _ = make(2)
    moved = params[segments.STATES].at[0, 1, 3, 0].add(0.25).at[0, 1, 3, 1].add(5.0)
    found = own.answer({**params, segments.STATES: moved}, query())
    jumps = np.array(found.jumps)
    assert jumps[0, 0, 3, 0] == pytest.approx(-0.25, abs=1e-6)
    # What isn't predicted has none.
    jumps[0, 0, 3, 0] = 0
    np.testing.assert_allclose(jumps, 0, atol=1e-6)


@pytest.mark.parametrize("fits_first", [True, False])
def test_only_what_is_predicted_and_unknown_has_a_slope(fits_first):
    own, params, _ = make(3, fits_first)

    def loss(params):
        found = own.answer(params, query())
        return jnp.sum(found.values**2) + jnp.sum((1 + found.jumps) ** 2)

    slope = jax.grad(loss)(params)[segments.STATES]
    assert not slope[..., 1].any()
    assert np.all(slope[:, 1:, :, 0] != 0)
    assert np.all((slope[:, 0, :, 0] != 0) == fits_first)


def test_driven_channels_are_the_querys_in_every_segment():
    quantities = (Quantity("u"), Quantity("force", is_driven=True))

    def driven_step(params, u, after):
        return jnp.concatenate([u[:, :1] + u[:, 1:] + 10 * after, after], axis=-1)

    plain = stepper.stepper(lambda key: {}, driven_step, DOMAIN, DT, quantities)
    given = jax.random.normal(jax.random.key(0), (2, 12, 5, 1))
    u0 = jnp.concatenate([jnp.ones((2, 5, 1)), given[:, 0]], axis=-1)
    sim = jnp.arange(2)
    asked = Query(sim, 0 * sim, None, None, given, 11)
    whole = stepper.trajectories(plain.predict, {}, asked.replace(u0=u0))
    starts = whole[:, segments.segment_starts(STEPS, 3)]
    guess = segments.make_params(starts.at[..., 1].set(99.0), 3, 1.0)
    own = segments.with_states(plain, guess, DOMAIN, DT, quantities, PREDICTED)
    found = own.answer(own.model.init(None), asked)
    np.testing.assert_allclose(found.values, whole[:, 1:], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.jumps, 0, atol=1e-5)
