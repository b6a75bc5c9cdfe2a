"""Small linear models and data whose exact values the tests know."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from hyco_jax.models import stepper
from hyco_jax.types import Trajectories

RATE = 0.2


def diffuse(params, u):
    """One explicit step of diffusion on a ring; stable for a rate up to 1/2."""
    neighbours = jnp.roll(u, 1, axis=0) + jnp.roll(u, -1, axis=0)
    return u + params["rate"] * (neighbours - 2 * u)


def convolve(params, u):
    """A circular convolution with a kernel of three values; `diffuse` is a case."""
    kernel = params["kernel"]
    return sum(kernel[i] * jnp.roll(u, i - 1, axis=0) for i in range(3))


def matrix(rate, size):
    """The matrix of `diffuse`, float64."""
    one = np.eye(size)
    return one + rate * (np.roll(one, 1, 0) + np.roll(one, -1, 0) - 2 * one)


def predict(step):
    """`predict` of the model that makes a step, on the grid."""
    return stepper.stepper(None, step, None, 1.0).predict


def sample_u0(key, num_samples, size=8, channels=1):
    """White noise, shape `(num_samples, size, channels)`."""
    return jax.random.normal(key, (num_samples, size, channels))


def trajectories(key, num_sims=2, num_steps=6, size=8, channels=1):
    """Exact trajectories of `diffuse`, shape `(N, T + 1, size, channels)`."""
    u0 = sample_u0(key, num_sims, size, channels)
    return stepper.rollouts(diffuse, {"rate": jnp.array(RATE)}, u0, num_steps)


def observed(states, mask=None):
    """All of the states, or those of a mask; NaN elsewhere, except at t = 0."""
    if mask is None:
        return Trajectories(states, jnp.ones((1,) * states.ndim))
    mask = np.array(np.broadcast_to(mask, (1, *states.shape[1:-1], 1)))
    mask[:, 0] = True
    return Trajectories(
        jnp.where(mask, states, jnp.nan), jnp.asarray(mask, jnp.float32)
    )


def recorder(num_updates, size):
    """An optimiser of params `{"p": (size,)}` that changes nothing and logs gradients.

    Its state is the number of updates and the log, shape `(num_updates, size)`.
    """

    def init(params):
        del params
        return jnp.zeros((), jnp.int32), jnp.zeros((num_updates, size))

    def update(grads, state, params=None):
        del params
        count, log = state
        state = count + 1, log.at[count].set(grads["p"])
        return jax.tree.map(jnp.zeros_like, grads), state

    return optax.GradientTransformation(init, update)


def describe(tree):
    """What a compiled function's cache tells apart: shapes, types, weak types."""
    # PRNG keys have no weak type.
    return jax.tree.map(
        lambda x: (x.shape, x.dtype, getattr(x, "weak_type", None)), tree
    )
