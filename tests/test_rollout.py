import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.models import rollout
from tests import toy

pytestmark = pytest.mark.usefixtures("strict_numerics", "quick_compilation")

PARAMS = {"rate": jnp.array(toy.RATE)}


def test_the_first_state_is_the_initial_one_and_predict_leaves_it_out(key):
    u0 = toy.sample_u0(key, 1)[0]
    trajectory = rollout.rollout(toy.diffuse, PARAMS, u0, 4)
    assert trajectory.shape == (5, *u0.shape)
    np.testing.assert_array_equal(trajectory[0], u0)
    np.testing.assert_array_equal(
        trajectory[1:], rollout.predict(toy.diffuse, PARAMS, u0, 4)
    )


def test_a_linear_step_gives_powers_of_its_matrix(key):
    u0 = toy.sample_u0(key, 1, size=8, channels=2)[0]
    trajectory = rollout.rollout(toy.diffuse, PARAMS, u0, 5)
    for k, u in enumerate(trajectory):
        power = np.linalg.matrix_power(toy.matrix(toy.RATE, 8), k)
        # Each step rounds at 6e-8, and the values are of order 1.
        np.testing.assert_allclose(u, power @ np.asarray(u0), atol=2e-6)


def test_a_rollout_continues_from_its_end(key):
    u0 = toy.sample_u0(key, 1)[0]
    whole = rollout.rollout(toy.diffuse, PARAMS, u0, 5)
    half = rollout.rollout(toy.diffuse, PARAMS, u0, 2)
    rest = rollout.rollout(toy.diffuse, PARAMS, half[-1], 3)
    np.testing.assert_allclose(whole, jnp.concatenate([half, rest[1:]]), rtol=1e-6)


def test_rollouts_treat_every_initial_state_alone(key):
    u0 = toy.sample_u0(key, 3)
    together = rollout.rollouts(toy.diffuse, PARAMS, u0, 4)
    alone = [rollout.rollout(toy.diffuse, PARAMS, u, 4) for u in u0]
    np.testing.assert_allclose(together, jnp.stack(alone), rtol=1e-6)


def test_the_gradient_passes_through_every_step():
    u0 = jnp.ones((1, 1))

    def last(gain):
        return rollout.predict(lambda a, u: a * u, gain, u0, 3)[-1, 0, 0]

    # d/da a³ = 3a² = 12 at a = 2
    assert jax.grad(last)(2.0) == pytest.approx(12.0)
