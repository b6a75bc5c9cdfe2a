import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.models import stepper
from hyco_jax.types import Query
from tests import toy

pytestmark = pytest.mark.usefixtures("strict_numerics")

PARAMS = {"rate": jnp.array(toy.RATE)}


def test_the_first_state_is_the_initial_one_and_predict_leaves_it_out(key):
    u0 = toy.sample_u0(key, 1)[0]
    trajectory = stepper.rollout(toy.diffuse, PARAMS, u0, 4)
    assert trajectory.shape == (5, *u0.shape)
    np.testing.assert_array_equal(trajectory[0], u0)
    np.testing.assert_array_equal(
        trajectory[1:], stepper.advance(toy.diffuse, PARAMS, u0, 4)
    )


def test_a_linear_step_gives_powers_of_its_matrix(key):
    u0 = toy.sample_u0(key, 1, size=8, channels=2)[0]
    trajectory = stepper.rollout(toy.diffuse, PARAMS, u0, 5)
    for k, u in enumerate(trajectory):
        power = np.linalg.matrix_power(toy.matrix(toy.RATE, 8), k)
        # Each step rounds at 6e-8, and the values are of order 1.
        np.testing.assert_allclose(u, power @ np.asarray(u0), atol=2e-6)


def test_a_rollout_continues_from_its_end(key):
    u0 = toy.sample_u0(key, 1)[0]
    whole = stepper.rollout(toy.diffuse, PARAMS, u0, 5)
    half = stepper.rollout(toy.diffuse, PARAMS, u0, 2)
    rest = stepper.rollout(toy.diffuse, PARAMS, half[-1], 3)
    np.testing.assert_allclose(whole, jnp.concatenate([half, rest[1:]]), rtol=1e-6)


def test_rollouts_treat_every_initial_state_alone(key):
    u0 = toy.sample_u0(key, 3)
    together = stepper.rollouts(toy.diffuse, PARAMS, u0, 4)
    alone = [stepper.rollout(toy.diffuse, PARAMS, u, 4) for u in u0]
    np.testing.assert_allclose(together, jnp.stack(alone), rtol=1e-6)


def test_the_gradient_passes_through_every_step():
    u0 = jnp.ones((1, 1))

    def last(gain):
        return stepper.advance(lambda a, u: a * u, gain, u0, 3)[-1, 0, 0]

    # d/da a³ = 3a² = 12 at a = 2
    assert jax.grad(last)(2.0) == pytest.approx(12.0)


def test_steps_that_are_computed_again_have_the_same_gradient(key):
    query = Query(jnp.arange(2), jnp.zeros(2, int), toy.sample_u0(key, 2), horizon=4)

    def gradient(remat):
        model = stepper.stepper(None, toy.diffuse, None, 1.0, remat=remat)
        return jax.grad(lambda p: jnp.sum(model.predict(p, query) ** 2))(PARAMS)["rate"]

    assert gradient(True) == pytest.approx(float(gradient(False)), rel=1e-6)


def test_a_driven_quantity_is_given_at_both_ends_of_every_step():
    def step(params, u, after):
        # Predicted: what the driven channel is at the beginning and at the end.
        return jnp.stack([u[:, 0] + 100 * u[:, 1] + after[:, 0], -after[:, 0]], -1)

    given = jnp.arange(1.0, 5.0)[:, None, None]
    states = stepper.advance(step, {}, jnp.array([[0.0, -7.0]]), 3, given)
    # 0 + 100·1 + 2, then + 100·2 + 3, + 100·3 + 4; the step's own -after is not kept.
    np.testing.assert_array_equal(states[:, 0, 0], [102.0, 305.0, 609.0])
    np.testing.assert_array_equal(states[:, 0, 1], [2.0, 3.0, 4.0])


def test_a_question_without_what_the_stepper_needs_is_refused(key):
    model = stepper.stepper(None, toy.diffuse, None, 1.0)
    zero = jnp.zeros(1, int)
    with pytest.raises(ValueError, match="0 driven channels was asked with u0=None"):
        model.predict(PARAMS, Query(zero, zero))
    u0 = toy.sample_u0(key, 1)
    with pytest.raises(ValueError, match="given=an array"):
        model.predict(PARAMS, Query(zero, zero, u0, given=u0[:, None]))
