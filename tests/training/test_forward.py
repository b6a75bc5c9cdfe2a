"""Derivatives along a direction, of what JAX differentiates backward alone."""

import jax
import jax.numpy as jnp
import numpy as np

from hyco_jax.training.forward import linearise


@jax.custom_vjp
def _square(x):
    return x**2


_square.defvjp(lambda x: (x**2, x), lambda x, g: (2 * x * g,))


def _nested(x):
    """The kernel inside of whatever a solver puts it."""

    @jax.checkpoint
    def step(u, _):
        u = jax.lax.cond(u.sum() > 0, _square, lambda u: -_square(u), u)
        return jax.jit(_square)(u) / 2 + x, u

    last, all_steps = jax.lax.scan(step, x, length=3)
    return jnp.concatenate([jax.vmap(_square)(last), all_steps.ravel()])


def test_it_is_the_transpose_of_the_written_out_transpose():
    x, v = jnp.array([0.3, 0.7, -0.2]), jnp.array([1.0, -2.0, 0.5])
    values, forward, backward = jax.jit(lambda x: _checked(linearise(_nested, x), v))(x)
    np.testing.assert_allclose(values, _nested(x), rtol=1e-6)
    rows = jax.vmap(lambda u: jax.vjp(_nested, x)[1](u)[0])(jnp.eye(values.size))
    np.testing.assert_allclose(forward, rows @ v, rtol=1e-5)
    np.testing.assert_allclose(backward, rows.sum(axis=0), rtol=1e-5)


def _checked(found, v):
    values, forward, backward = found
    return values, forward(v), backward(jnp.ones_like(values))
