"""The physical model on a grid twice finer, asked on its own."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hyco_jax
from hyco_jax.models import refined
from hyco_jax.models.physical import make_physical
from hyco_jax.pde import heat, soil
from hyco_jax.types import Query

CELLS, DT, STEPS = 16, 0.1, 3
FIELD = hyco_jax.CoefficientSettings("field", 0.5, (0.01, 2.0))


def problem(factor=1):
    settings = heat.Settings(
        (CELLS * factor,), (4.0,), DT / factor, boundary="periodic"
    )
    return heat.make_problem(settings, heat.DataSettings(region=((0.0, 1.0),)))


def wave(domain):
    return np.sin(np.pi / 2 * domain.coordinates())[None].astype(np.float32)


def query(problem, points=None):
    zero = jnp.zeros(1, jnp.int32)
    steps = round(STEPS * DT / problem.dt)
    return Query(zero, zero, jnp.asarray(wave(problem.domain)), points, None, steps)


def test_it_answers_as_the_model_on_the_finer_grid_does():
    own, fine = problem(), problem(2)
    raw = 0.5 * wave(own.domain)[0, :, 0]
    # A field is prolonged too; of a wave, what is left is small.
    answer = refined.refined(own, {"conductivity": FIELD}).model
    direct = make_physical(fine, {"conductivity": FIELD}).model
    raw_fine = 0.5 * wave(fine.domain)[0, :, 0]
    points = jnp.array([[[0.07, 0.3], [0.25, 3.9]]])
    found = answer.predict({"conductivity": raw}, query(own, points))
    expected = direct.predict({"conductivity": raw_fine}, query(fine, points))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    # Its own steps are halves: those at whole ones are told, as means of two cells.
    found = answer.predict({"conductivity": raw}, query(own))
    expected = direct.predict({"conductivity": raw_fine}, query(fine))
    expected = expected[:, 1::2].reshape(1, STEPS, CELLS, 2, 1).mean(axis=3)
    assert found.shape == (1, STEPS, CELLS, 1)
    # A mean over a coarse cell is 0.994 of what is taken for it.
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_from_states_of_its_own_it_answers_as_from_given_ones():
    own = problem()
    made = refined.refined(own, {"conductivity": FIELD}, fits_first=True)
    points = jnp.array([[[0.07, 0.3], [0.25, 3.9]]])
    asked = query(own, points)
    params = made.model.init(jax.random.key(0))
    expected = made.model.predict(params, asked)
    states = {"initial": asked.u0[:, None], "segment_steps": jnp.ones(STEPS)}
    found = made.own_states({**params, **states}, asked.replace(u0=None))
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    # A second segment, from where the first one ends.
    first = asked.replace(points=None, horizon=2)
    end = made.model.predict(params, first)[:, -1]
    starts = jnp.stack([asked.u0, end], axis=1)
    states = {"initial": starts, "segment_steps": jnp.ones(2)}
    found = made.own_states({**params, **states}, asked.replace(u0=None))
    np.testing.assert_allclose(found.values, expected, atol=0.01)
    assert found.jumps.shape == (1, 1, 2 * CELLS, 1)
    assert np.abs(found.jumps).max() < 0.01


def test_driven_channels_are_linear_between_steps():
    settings = soil.Settings((8,), (1.0,), dt=DT * soil.DAY)
    own = soil.make_problem(settings)
    finer = dataclasses.replace(settings, resolution=(16,), dt=DT * soil.DAY / 2)
    fine = soil.make_problem(finer)
    number = hyco_jax.CoefficientSettings("scalar", 1e-6, (1e-8, 1e-5))
    ends = np.linspace(0, 3, 2 * STEPS + 1)[:, None]

    def asked(problem, ends):
        z = problem.domain.coordinates()[:, 0]
        given = jnp.asarray((1 + z) * ends, jnp.float32)[None, ..., None]
        u0 = jnp.concatenate([0 * given[:, 0], given[:, 0]], -1)
        zero = jnp.zeros(1, jnp.int32)
        points = jnp.array([[[0.05 * soil.DAY, 0.3], [0.3 * soil.DAY, 0.8]]])
        return Query(zero, zero, u0, points, given, len(ends) - 1)

    model = refined.refined(own, {"diffusivity": number}).model
    params = model.init(jax.random.key(0))
    direct = make_physical(fine, {"diffusivity": number}).model
    np.testing.assert_allclose(
        model.predict(params, asked(own, ends[::2])),
        direct.predict(params, asked(fine, ends)),
        rtol=1e-5,
    )


def test_walls_at_nodes_can_not_be_refined():
    settings = heat.Settings((8, 8), dt=0.01, boundary="nodes")
    made = heat.make_problem(settings, heat.DataSettings(sensors="full"))
    options = hyco_jax.CoefficientSettings("field", 0.5, (0.01, 2.0))
    with pytest.raises(ValueError, match="walls at nodes would be elsewhere"):
        refined.refined(made, {"conductivity": options})
