"""Derivatives along a direction, of what JAX differentiates backward alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.players.physical import PhysicalSettings, choose_derivatives
from hyco_jax.training.forward import linearise, value_and_grad


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


def test_a_gradient_along_each_number_is_the_one_in_reverse_mode():
    """Of numbers in a tree, seen through kernels with written-out transposes."""

    def loss(params):
        x = jnp.stack([params["a"], *params["b"]])
        return jnp.sum(_nested(x) ** 2)

    params = {"a": jnp.float32(0.3), "b": jnp.array([0.7, -0.2])}
    value, grad = jax.jit(value_and_grad(loss))(params)
    expected, reverse = jax.value_and_grad(loss)(params)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    for name in params:
        np.testing.assert_allclose(grad[name], reverse[name], rtol=1e-5)


def test_the_value_of_a_forward_gradient_is_computed_once():
    """Not along each direction: it has no axis of these anywhere."""
    program = jax.make_jaxpr(value_and_grad(lambda x: jnp.sin(x[:3]).sum()))
    sines = [e for e in program(jnp.ones(7)).eqns if e.primitive.name == "sin"]
    assert [e.outvars[0].aval.shape for e in sines] == [(3,)]


def test_forward_gradients_of_many_numbers_are_refused():
    settings = PhysicalSettings(derivatives="forward")
    assert choose_derivatives(settings, 20) is value_and_grad
    assert choose_derivatives(PhysicalSettings(), 9999) is jax.value_and_grad
    with pytest.raises(ValueError, match="derivatives='forward'.*21 numbers are fit"):
        choose_derivatives(settings, 21)
