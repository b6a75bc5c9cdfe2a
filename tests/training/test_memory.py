import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.data import windows
from hyco_jax.grids.domain import Domain
from hyco_jax.grids.quantities import Quantity
from hyco_jax.networks import convolutional, model
from hyco_jax.training import losses

HORIZON, DOMAIN = 24, Domain((16, 16), (1.0, 1.0))


@pytest.fixture(scope="module")
def parts():
    """6 windows of 24 steps, and 6 of 4."""
    states = jax.random.normal(
        jax.random.key(0), (2, HORIZON + 3, *DOMAIN.resolution, 1)
    )
    ones = jnp.ones((1,) * states.ndim)
    long = windows.predicted_windows(states, states, ones, HORIZON)
    short = windows.predicted_windows(states[:, :7], states[:, :7], ones, 4)
    return [long, short]


@pytest.fixture(scope="module")
def gradients(parts):
    """The gradient of a network's loss, and its compiled program, by its settings."""
    module = convolutional.ConvNet(2, residual=False, filters=(16, 16))

    def compiled(remat, chunk):
        network = model.as_model(
            module, DOMAIN, 1.0, (Quantity("density", 1),), remat=remat
        )
        params = network.init(jax.random.key(1))

        def loss(params, parts):
            return losses.part_losses(
                network.predict, params, parts, chunk=chunk
            ) @ jnp.array([1.0, 3.0])

        program = jax.jit(jax.grad(loss)).lower(params, parts).compile()
        return program, program(params, parts)

    settings = [(False, None), (True, None), (False, 2), (True, 2)]
    return {setting: compiled(*setting) for setting in settings}


@pytest.mark.parametrize("setting", [(True, None), (False, 2), (True, 2)])
def test_what_saves_memory_leaves_a_networks_gradient_as_it_is(gradients, setting):
    gradient, whole = gradients[setting][1], gradients[False, None][1]
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(
            a, b, rtol=1e-4, atol=1e-5 * np.abs(b).max()
        ),
        gradient,
        whole,
    )


def test_steps_that_are_computed_again_need_the_memory_of_one(gradients):
    whole, remat, both = (
        gradients[setting][0].memory_analysis().temp_size_in_bytes
        for setting in [(False, None), (True, None), (True, 2)]
    )
    # Of 24 steps a gradient keeps the insides of one, and the states: of 1 channel,
    # beside 16.
    assert remat < 0.35 * whole
    # Chunks of 2 of 6 windows.
    assert both < 0.5 * remat


def test_what_saves_memory_costs_a_third_more_arithmetic_at_most(gradients):
    def flops(setting):
        return gradients[setting][0].cost_analysis()["flops"]

    # XLA counts the body of a loop once: forward 1 and backward 2, with remat 3.
    assert 1.2 < flops((True, None)) / flops((False, None)) < 1.4
    # One of three chunks; the loop's own sums are beside it.
    assert 3 * flops((False, 2)) / flops((False, None)) == pytest.approx(1, abs=0.05)
