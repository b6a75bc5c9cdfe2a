"""Exponential integration: a stiff linear part exactly, the rest by Runge and Kutta."""

from collections.abc import Callable

import jax.numpy as jnp

from hyco_jax.types import Array

# Terms of the series of φ₂, which is used where |z| < 1/2: the first one left out is
# 1e-15 of the sum there. Beyond it the closed form loses two bits to cancellation.
_TERMS = 13


def phi(z: Array) -> tuple[Array, Array, Array]:
    """Computes φ₀ = eᶻ, φ₁ = (eᶻ - 1)/z and φ₂ = (eᶻ - 1 - z)/z², element by element.

    Args:
        z: Real, any shape.

    Returns:
        To rounding, with finite gradients, also at z = 0.
    """
    is_small = jnp.abs(z) < 0.5
    # The branch that isn't taken has to have a finite gradient too.
    near, far = jnp.where(is_small, z, 0), jnp.where(is_small, 1, z)
    series = jnp.zeros_like(z)
    for n in range(_TERMS, 0, -1):
        # Horner's scheme of Σ zⁿ⁻¹/(n + 1)!.
        series = (1 + near * series) / (n + 1)
    ratio = jnp.expm1(far) / far
    first = jnp.where(is_small, 1 + near * series, ratio)
    return jnp.exp(z), first, jnp.where(is_small, series, (ratio - 1) / far)


def make_step(
    rate: Array, dt: float, rest: Callable[[Array], Array]
) -> Callable[[Array], Array]:
    """Makes a step of vₜ = rate·v + rest(v) by ETD2RK, second order.

    S. M. Cox, P. C. Matthews: Exponential time differencing for stiff systems,
    J. Comput. Phys. 176 (2002), equations 20 to 22. Exact where `rest` is constant.

    Args:
        rate: Of each entry of v, real.
        dt: Time step.
        rest: Maps v to what isn't linear in it.

    Returns:
        Maps v to v a time `dt` later.
    """
    decay, first, second = phi(rate * dt)

    def step(v):
        start = rest(v)
        predicted = decay * v + dt * first * start
        return predicted + dt * second * (rest(predicted) - start)

    return step
