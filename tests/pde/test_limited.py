"""Limited fluxes and their derivatives, against a plain twin."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hyco_jax.pde.kernels import limited

pytestmark = pytest.mark.usefixtures("x64")

AXES = pytest.mark.parametrize("axis", [0, 1])


def sides(q, periodic):
    """Values at the lower faces of the cells along axis 0, from below and from above.

    By Koren's (1993) formula with the ratio r of the slopes ahead and behind.
    """
    padded = jnp.pad(q, ((1, 1), (0, 0)), mode="wrap" if periodic else "edge")
    one, other = padded[1:-1] - padded[:-2], padded[2:] - padded[1:-1]

    def slope(behind, ahead):
        r = ahead / jnp.where(behind == 0, 1, behind)
        limit = jnp.minimum(jnp.minimum(2 * r, (1 + 2 * r) / 3), 2)
        return jnp.where(behind == 0, 0, jnp.maximum(limit, 0) * behind)

    return jnp.roll(q + slope(one, other) / 2, 1, 0), q - slope(other, one) / 2


def upwind_twin(q, speed, axis, periodic):
    """What `limited.upwind_difference` returns, for XLA to differentiate."""
    q, speed = jnp.swapaxes(q, 0, axis), jnp.swapaxes(speed, 0, axis)
    below, above = sides(q, periodic)
    flux = jnp.where(speed > 0, speed * below, speed * above)
    if not periodic:
        flux = flux.at[0].set(0)
    # A wall is below the first cell and above the last one.
    return jnp.swapaxes(jnp.roll(flux, -1, 0) - flux, 0, axis)


def burgers_twin(u, axis):
    """What `limited.burgers_difference` returns, case by case."""
    below, above = sides(jnp.swapaxes(u, 0, axis), True)
    # Of a rarefaction the least u²/2 between both sides; of a shock the sum of what
    # runs into it from both, which is Engquist's and Osher's own.
    sonic = (below < 0) & (above > 0)
    shock = (below > 0) & (above < 0)
    upwind = jnp.where(below + above > 0, below, above) ** 2 / 2
    flux = jnp.where(sonic, 0, jnp.where(shock, (below**2 + above**2) / 2, upwind))
    return jnp.swapaxes(jnp.roll(flux, -1, 0) - flux, 0, axis)


def value_and_transpose(fn, arguments, weight):
    """`fn(*arguments)`, and its transposed derivative at a weight."""

    @jax.jit
    def both(*arguments):
        value, transpose = jax.vjp(fn, *arguments)
        return value, transpose(weight)

    return jax.tree.leaves(both(*arguments))


def both_agree(fn, twin, arguments, weight):
    pairs = zip(
        value_and_transpose(fn, arguments, weight),
        value_and_transpose(twin, arguments, weight),
        strict=True,
    )
    for one, other in pairs:
        np.testing.assert_allclose(one, other, atol=1e-13)


@AXES
@pytest.mark.parametrize("periodic", [True, False], ids=["periodic", "closed"])
def test_what_is_carried_and_its_slopes_are_those_of_a_plain_twin(axis, periodic):
    # Nothing vanishes beside the walls, nor does the speed that is stored on them.
    q, speed, weight = np.random.default_rng(0).normal(size=(3, 7, 8))
    assert (speed > 0).any() and (speed < 0).any()
    both_agree(
        lambda q, speed: limited.upwind_difference(q, speed, axis, periodic),
        lambda q, speed: upwind_twin(q, speed, axis, periodic),
        (q, speed),
        weight,
    )


@AXES
def test_what_carries_itself_and_its_slopes_are_those_of_a_plain_twin(axis):
    u, weight = np.random.default_rng(1).normal(size=(2, 7, 8))
    both_agree(
        lambda u: limited.burgers_difference(u, axis),
        lambda u: burgers_twin(u, axis),
        (u,),
        weight,
    )


@pytest.mark.parametrize("periodic", [True, False], ids=["periodic", "closed"])
def test_where_differences_vanish_slopes_are_finite(periodic):
    # Plateaus beside a ramp and a jump, and air at rest beside moving air.
    q = np.array([[0.0, 0.0, 0.0, 1.0, 2.0, 2.0, 2.0, 0.0]]).T
    speed = np.array([[0.0, 0.0, 1.0, 1.0, -1.0, 0.0, 0.0, 1.0]]).T

    def everything(q, speed):
        carried = limited.upwind_difference(q, speed, 0, periodic)
        return carried + limited.burgers_difference(q - 1, 0)

    for leaf in value_and_transpose(everything, (q, speed), np.ones_like(q)):
        assert np.isfinite(leaf).all()
