"""Exponential integration: the functions φ, and what is exact."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.pde.kernels import exponential

Z = np.array([-800.0, -30.0, -1.0, -0.51, -0.49, -1e-3, 0.0, 1e-6, 0.4, 2.0])


def exact(k, z, slope=False):
    """φₖ = Σ zⁿ/(n + k)!, or its slope; far from 0 by the recursion of φ."""
    if abs(z) <= 2:
        if slope:
            terms = [n * z ** (n - 1) / math.factorial(n + k) for n in range(1, 40)]
        else:
            terms = [z**n / math.factorial(n + k) for n in range(40)]
        return math.fsum(terms)
    if slope:
        # zφₖ' = φₖ₋₁ - kφₖ, from the integral over (1 - s)ᵏ⁻¹ eˢᶻ.
        return (exact(k - 1, z) - k * exact(k, z)) / z + (k == 0) * math.exp(z)
    if k == 0:
        return math.exp(z)
    return (exact(k - 1, z) - 1 / math.factorial(k - 1)) / z


def test_phi_is_exact_to_rounding():
    found = exponential.phi(jnp.asarray(Z, jnp.float32))
    for k, values in enumerate(found):
        assert values.dtype == jnp.float32
        # Of z as float32 has it.
        expected = [exact(k, float(z)) for z in np.float32(Z)]
        np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-37)


@pytest.mark.parametrize("k", [1, 2])
def test_slopes_are_exact(k, x64):
    slopes = jax.vmap(jax.grad(lambda z: exponential.phi(z)[k]))(jnp.asarray(Z))
    expected = [exact(k, z, slope=True) for z in Z]
    np.testing.assert_allclose(slopes, expected, rtol=1e-10)


def test_a_constant_rest_is_integrated_exactly(x64):
    rate, rest = jnp.array([-300.0, -0.2, 0.0, 0.5]), jnp.array([3.0, 1.0, 2.0, -1.0])
    v = exponential.make_step(rate, 2.0, lambda v: rest)(jnp.ones(4))
    grown = np.exp(2.0 * np.asarray(rate))
    safe = np.where(rate == 0, 1.0, rate)
    integral = np.where(rate == 0, 2.0, (grown - 1) / safe)
    np.testing.assert_allclose(v, grown + rest * integral, rtol=1e-12)
